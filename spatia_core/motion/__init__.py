"""What moves by itself in a film whose camera is known: masks from motion, and a person's mask carried through it.

A still surface moves in the picture as its depth and the camera's motion say, keeps the depth that they say, and is
never seen through by another frame. Flow that contradicts the first, and depth that contradicts the others, is evidence
of motion; it is gathered over several partner frames, decided with hysteresis, and carried along the flow.
"""

from spatia_core.motion.carrying import propagated
from spatia_core.motion.film import Film
from spatia_core.motion.masks import moving_masks

__all__ = ["Film", "moving_masks", "propagated"]
