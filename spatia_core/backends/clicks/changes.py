"""What a click may change in the mask a person has already seen."""

import cv2
import numpy as np
from jaxtyping import Bool, Float

from spatia_core.arrays import Mask
from spatia_core.backends.clicks.cues import Clicks

_REACH = 0.03
"""Share of the picture's longer side within which a change counts as near the click."""


def near_the_click(previous: Mask, corrected: Mask, click: Float[np.ndarray, "2"], positive: bool) -> Mask:
    """`previous` with only those connected changes of `corrected` that lie near the click and go its way."""
    changed = (corrected & ~previous) if positive else (previous & ~corrected)
    _, labels = cv2.connectedComponents(changed.astype(np.uint8))
    touched = np.zeros(previous.shape, np.uint8)
    reach = max(2, round(_REACH * max(previous.shape)))
    cv2.circle(touched, (int(click[0]), int(click[1])), reach, 1, -1)
    allowed = np.isin(labels, np.unique(labels[(touched > 0) & changed])) & changed
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
