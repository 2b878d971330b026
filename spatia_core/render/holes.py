"""Holes of a rendering filled in the picture: for gaps between splats, and for a first glimpse of what is to come."""

import cv2
import numpy as np

from spatia_core.arrays import Image, Mask


def fill_small_holes(image: Image, known: Mask) -> Image:
    """The picture with unknown pixels filled from known ones around them, from coarse to fine (pull-push)."""
    if known.all():
        return image
    weight = known.astype(np.float32)
    colour = image.astype(np.float32) * weight[..., None]
    levels: list[tuple[np.ndarray, np.ndarray]] = [(colour, weight)]
    while min(weight.shape) > 1 and not (weight > 0).all():
        size = ((weight.shape[1] + 1) // 2, (weight.shape[0] + 1) // 2)
        colour, weight = (
            np.asarray(cv2.resize(a, size, interpolation=cv2.INTER_AREA), np.float32) for a in (colour, weight)
        )
        levels.append((colour, weight))
    out = levels[-1][0] / np.maximum(levels[-1][1], 1e-6)[..., None]
    for colour, weight in reversed(levels[:-1]):
        up = cv2.resize(out, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        share = np.minimum(weight, 1)[..., None]
        out = up * (1 - share) + colour / np.maximum(weight, 1e-6)[..., None] * share
    return np.where(known[..., None], image, np.clip(np.rint(out), 0, 255).astype(np.uint8))
