"""What a click may change in the mask a person has already seen."""

import cv2
import numpy as np
from jaxtyping import Bool, Float

from spatia_core.arrays import Mask, parts_touching
from spatia_core.backends.clicks.cues import Clicks, Map

_FREE = 1.5
"""Within this many click distances a change needs no more than even odds."""
_FALL = 0.75
"""Log odds that a change needs more for every further click distance."""
_TOUCH = 0.03
"""Share of the picture's longer side within which a change counts as being at the click."""


def near_the_click(
    previous: Mask, corrected: Mask, probability: Map, click: Float[np.ndarray, "2"], positive: bool
) -> Mask:
    """`previous` with those changes of `corrected` that go the click's way, hang together with it and lie near it.

    How near is told by the click itself: its distance to the outline of `previous`. A click close to the outline mends
    the outline, one far away asks for a large change. The farther a pixel, the surer of it `probability` must be.
    Within one click distance the probability alone decides.
    """
    h, w = previous.shape
    x, y = min(w - 1, int(click[0])), min(h - 1, int(click[1]))
    side = (~previous if positive else previous).astype(np.uint8)
    distance = max(1.0, float(cv2.distanceTransform(side, cv2.DIST_L2, 5)[y, x]))
    rows, columns = np.ogrid[:h, :w]
    steps = np.hypot(columns - click[0], rows - click[1]) / min(distance, h + w)
    sure = np.clip(probability, 1e-4, 1 - 1e-4)
    odds = np.log(sure / (1 - sure)) * (1 if positive else -1)
    wanted = (corrected == positive) | (steps < 1)
    changed = (odds > _FALL * (steps - _FREE)) & wanted & (side > 0)
    touched = np.zeros(previous.shape, np.uint8)
    cv2.circle(touched, (x, y), max(2, round(_TOUCH * max(h, w))), 1, -1)
    allowed = parts_touching(changed, touched > 0)
    return previous | allowed if positive else previous & ~allowed


def obeying(mask: Mask, clicks: Clicks, positive: Bool[np.ndarray, " _n"]) -> Mask:
    """The mask with a spot of a few pixels set at + clicks and cleared at - clicks, oldest first."""
    out = mask.astype(np.uint8)
    radius = max(1, round(0.003 * max(mask.shape)))
    for (x, y), inside in zip(clicks.astype(int).tolist(), positive.tolist(), strict=True):
        if mask[y, x] != inside:
            cv2.circle(out, (x, y), radius, int(inside), -1)
    for (x, y), inside in zip(clicks.astype(int).tolist(), positive.tolist(), strict=True):
        out[y, x] = inside
    return out > 0
