"""What sticks out of a mask: whiskers, hair, the tip of a nose that the mask has cut short."""

import cv2
import numpy as np
from jaxtyping import Float32

from editing.selection import grown
from spatia_core.arrays import Image, Mask

REACH = 0.05
"""How far from the mask a fringe may reach, in widths of the picture."""

SOFTNESS = 0.004
"""Size of the neighbourhood that a pixel is compared with, in widths of the picture."""

LEAST, STANDS_OUT = 3.5, 3.0
"""A fringe differs from what is around it by this much (CIELAB) and by this many times what is usual farther out."""

_GAP, _LINKS = 3, 4
"""Pixels between two pieces of a fringe at most, and how many pieces follow one another."""


def fringe(mask: Mask, image: Image) -> Mask:
    """(h, w) what hangs on the mask, stands out from the ground around it and ends near by.

    What goes on beyond reach, such as the branch that a bird sits on, is a thing of its own and no fringe; on ground as
    rough as the fringe itself none is found.
    """
    width = mask.shape[1]
    reach = max(4, round(REACH * width))
    if not mask.any() or mask.all():
        return np.zeros_like(mask)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    near = ~mask & (away <= reach)
    farther = (away > reach) & (away <= 2 * reach)
    if not farther.any():
        return np.zeros_like(mask)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    around = _mean(lab, ~mask, SOFTNESS * width)
    off = np.linalg.norm(lab - around, axis=-1).astype(np.float32)
    usual = np.sqrt(_mean(off[..., None] ** 2, farther, float(reach))[..., 0])
    strange = near & (off > np.maximum(LEAST, STANDS_OUT * usual))
    linked = cv2.morphologyEx((strange | mask).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    _, parts = cv2.connectedComponents((linked & ~mask).astype(np.uint8))
    goes_on = np.unique(parts[grown(farther, 1)])
    found = np.zeros_like(mask)
    for _ in range(_LINKS):  # a hair is seen in pieces
        hangs = np.unique(parts[grown(mask | found, _GAP)])
        found = np.isin(parts, np.setdiff1d(hangs, np.append(goes_on, 0)))
    return found


def _mean(values: Float32[np.ndarray, "h w c"], where: Mask, sigma: float) -> Float32[np.ndarray, "h w c"]:
    """The weighted mean around each pixel over the pixels that count; 0 where none is near."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), sigma)
    total = cv2.GaussianBlur(values * where[..., None], (0, 0), sigma)
    return (total.reshape(values.shape) / np.maximum(weight, 1e-6)[..., None]).astype(np.float32)
