"""Masks grown, shrunk and measured, as the filling of holes needs them."""

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from spatia_core.arrays import Mask


def grown(mask: Mask, radius: int) -> Bool[np.ndarray, "h w"]:
    """The mask wider by a square of `radius` pixels."""
    side = 2 * radius + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)


def inner(mask: Mask, radius: int) -> Mask:
    """The mask without a frame of `radius` pixels: only there a whole patch fits. Changes it in place."""
    mask[:radius] = mask[-radius:] = False
    mask[:, :radius] = mask[:, -radius:] = False
    return mask


def centres(mask: Mask, radius: int) -> Mask:
    """Centres of the patches that touch the mask and lie inside the picture."""
    return inner(grown(mask, radius), radius)


def nearness(hole: Mask) -> Float32[np.ndarray, "h w"]:
    """1 at the outline, falling inwards: what is near known pixels is better known."""
    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
    return (1.3 ** -np.minimum(distance, 40)).astype(np.float32)
