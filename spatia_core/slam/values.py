"""What SLAM is asked for and what it answers."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spatia_core.arrays import Pose
from spatia_core.errors import InvalidInput
from spatia_core.slam.align import PHOTO_WEIGHT

FrontEndName = Literal["feature", "direct"]
FRONTENDS: tuple[FrontEndName, ...] = ("feature", "direct")

Status = Literal["tracked", "relocalised", "lost", "new piece"]


@dataclass(frozen=True, slots=True)
class SlamOptions:
    """How frames are tracked and when they are kept."""

    features: int = 1000
    """Most features of a frame."""
    key_angle: float = 12.0
    """Degrees of turning after which a frame becomes a keyframe."""
    key_step: float = 0.10
    """Travel, as a share of the depth in view, after which a frame becomes a keyframe."""
    key_overlap: float = 0.6
    """A frame that lies on less than this of its keyframe becomes one itself."""
    photo: float = PHOTO_WEIGHT
    """Weight of intensity against depth."""
    patience: int = 3
    """Frames in a row that may be lost before a new piece is begun."""
    unscaled_depth: bool = False
    """Depth maps are predictions, each with a scale and shift of its own: they are fitted to the map first."""
    straighten: bool = False
    """Find from the film how the sensor's depth bends, and place frames by depth with the bend taken out: truer poses,
    for who takes it out of the depth that is fused, too. As measured, depth agrees best with poses found from it."""
    loops: bool = True
    """Look for places seen before."""
    refine: bool = True
    """Refine all keyframes and frames at the end."""
    most_keyframes: int = 400
    """Beyond this many, keyframes are taken more sparingly, so that memory and time stay bounded."""

    def __post_init__(self) -> None:
        if self.features < 50 or self.patience < 1 or self.most_keyframes < 2:
            raise InvalidInput("SLAM needs at least 50 features a frame, patience of 1 frame and room for 2 keyframes.")


STRAIGHTENING = SlamOptions(straighten=True, key_angle=7.0, key_step=0.06, key_overlap=0.75)
"""For a sensor whose depth bends: keyframes closer together, so that their surfaces overlap in more ways."""


@dataclass(frozen=True, eq=False, slots=True)
class FrameState:
    """What became of a frame as soon as it was seen; loops and refinement may still move it."""

    index: int
    c2w: Pose | None
    """(4, 4) camera to the world of its piece, or None when lost."""
    status: Status
    keyframe: bool
    """True when the frame was kept as a keyframe."""
    note: str = ""
    """One sentence when something is out of the ordinary."""


@dataclass(frozen=True, eq=False, slots=True)
class Trajectory:
    """Where the camera went."""

    c2w: tuple[Pose | None, ...]
    """One (4, 4) camera-to-world pose a frame, in the world of its piece; None where it was lost."""
    keyframes: tuple[int, ...]
    """Frames that were kept."""
    loops: tuple[tuple[int, int], ...]
    """Pairs of frames recognised as the same place, the earlier first."""
    pieces: tuple[int, ...]
    """The piece every frame belongs to, -1 = lost. Pieces share no world: nothing was seen that connects them."""
    relocalised: tuple[int, ...]
    """Frames that were lost at first and found by appearance."""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""

    @property
    def tracked(self) -> float:
        """Share of the frames placed in the world of the largest piece."""
        counts = np.bincount([p for p in self.pieces if p >= 0], minlength=1)
        return float(counts.max() / max(1, len(self.pieces)))

    @property
    def main_piece(self) -> int:
        """The piece with the most frames."""
        return int(np.bincount([p for p in self.pieces if p >= 0], minlength=1).argmax())
