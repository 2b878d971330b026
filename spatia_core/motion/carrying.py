"""Masks carried from frame to frame along the flow."""

import cv2
import numpy as np
from jaxtyping import Bool

from spatia_core.arrays import Image, Mask
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.flow import sampled
from spatia_core.motion.film import Film
from spatia_core.motion.flows import Flows

BORDER = 0.008
"""How far a mask is widened, in widths of the picture: outlines of moving things are uncertain."""

HELD = 8
"""Frames for which a thing is still taken to move after it was last seen moving."""


def carried(found: list[Mask], possible: list[Mask], flows: Flows) -> list[Mask]:
    """Every mask with its neighbours' carried along the flow for up to HELD frames, both ways, where possible."""
    out = [m.copy() for m in found]
    for order in (range(len(found)), range(len(found) - 1, -1, -1)):
        age = np.zeros(found[0].shape, np.int32) if found else None
        previous: Mask | None = None
        last = -1
        for i in order:
            if previous is not None and previous.any() and age is not None:
                flow, good = flows(i, last)
                came = sampled(previous.astype(np.uint8), flow, nearest=True) > 0
                old = sampled(age.astype(np.float32), np.nan_to_num(flow), nearest=True)
                age = np.where(came, np.nan_to_num(old) + 1, 0).astype(np.int32)
                came &= good & possible[i] & (age <= HELD)
                out[i] |= came
            assert age is not None
            age[found[i]] = 0
            previous, last = found[i] | (out[i] & (age > 0)), i
    return out


def widened(mask: Mask) -> Mask:
    """The mask, wider by BORDER on all sides."""
    r = max(1, round(BORDER * mask.shape[1]))
    return cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1))) > 0


def propagated(images: np.ndarray, mask: Mask, flows: Flows | None = None) -> Bool[np.ndarray, "t h w"]:
    """(t, h, w) a mask of frame 0 carried through the film along the optical flow, a little widened.

    Where the flow cannot be believed (something is being uncovered or hidden) a pixel belongs to whichever side its
    colour is nearer to, of the pixels around it that are sure.
    """
    if mask.shape != images.shape[1:3]:
        raise InvalidInput(f"The mask is {mask.shape[::-1]}, the film's frames {images.shape[1:3][::-1]} pixels.")
    flows = flows or Flows(Film(images, [Camera.from_fov(images.shape[2], images.shape[1], 1.0)] * len(images)))
    masks = [mask]
    for i in range(1, len(images)):
        flow, good = flows(i, i - 1)
        came = sampled(masks[-1].astype(np.uint8), flow, nearest=True) > 0
        masks.append(_by_colour(images[i], came, good))
    return np.stack([widened(m) for m in masks])


def _by_colour(image: Image, came: Mask, good: Mask) -> Mask:
    """The mask with its doubtful pixels, and those at its border, given to the side whose colours are nearer."""
    if not came.any():
        return came
    lab = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (0, 0), 0.8).astype(np.float32)
    r = max(2, round(0.01 * image.shape[1]))
    window = np.ones((2 * r + 1, 2 * r + 1), np.uint8)
    near = cv2.dilate(came.astype(np.uint8), window) > 0
    core = cv2.erode(came.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    doubtful = near & ~core & ~(good & (cv2.erode((~came).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0))
    if not core.any():
        return came
    size = (8 * r + 1, 8 * r + 1)

    def unlike(side: Mask) -> np.ndarray:
        w = cv2.boxFilter(side.astype(np.float32), -1, size, normalize=False)
        mean = cv2.boxFilter(lab * side[..., None], -1, size, normalize=False) / np.maximum(w, 1e-6)[..., None]
        square = cv2.boxFilter(lab**2 * side[..., None], -1, size, normalize=False) / np.maximum(w, 1e-6)[..., None]
        spread = np.maximum(square - mean**2, 0) + 25.0
        cost = ((lab - mean) ** 2 / spread + np.log(spread)).sum(-1)
        return np.where(w > 5, cost, np.inf)

    inside = unlike(core) < unlike(near & ~core & ~doubtful | (~near & (cv2.dilate(near.astype(np.uint8), window) > 0)))
    out = np.where(doubtful, came & inside | (came & good), came)
    return cv2.medianBlur(out.astype(np.uint8), 3) > 0
