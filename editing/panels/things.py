"""The things found in the picture as the page shows them: small pictures, and masks to point at."""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from editing import views
from editing.panels.pictures import mask_url, small
from editing.session import Session
from spatia_core.arrays import Image, Mask

LARGEST = 416
"""Longer side of the masks that the page gets, pixels: they are pointed at, not cut along."""

DIM = 0.45
"""How bright the surroundings of a thing are in its small picture."""


def value(session: Session) -> list[dict[str, Any]]:
    """The things of the present picture; empty until they were looked for."""
    things = session.things
    if things is None:
        return []
    picture = session.stage
    return [
        {
            "name": str(k),
            "image": small(cut_out(picture, mask), 120),
            "label": f"{mask.mean():.1%}",
            "mask": mask_url(_reduced(mask)),
            "share": float(mask.mean()),
        }
        for k, mask in enumerate(things.masks)
    ]


def bounds(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a mask that is not empty; right and bottom are not in it any more."""
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def cut_out(picture: Image, mask: Mask) -> UInt8[np.ndarray, "cut_h cut_w 3"]:
    """The part of the picture around a thing, 8 to 5, with all else darker."""
    h, w = mask.shape
    left, top, right, bottom = bounds(mask)
    high = min(max(1.25 * (bottom - top), 0.78 * (right - left), h / 8), h)
    wide = min(1.6 * high, w)
    x = int(np.clip((left + right - wide) / 2, 0, w - wide))
    y = int(np.clip((top + bottom - high) / 2, 0, h - high))
    window = np.s_[y : y + max(1, int(high)), x : x + max(1, int(wide))]
    dark = np.where(mask[..., None], picture, (DIM * picture).astype(np.uint8))
    return views.outlined(np.ascontiguousarray(dark[window]), np.ascontiguousarray(mask[window]))


def _reduced(mask: Mask) -> Bool[np.ndarray, "small_h small_w"]:
    h, w = mask.shape
    scale = min(1.0, LARGEST / max(h, w))
    size = max(1, round(w * scale)), max(1, round(h * scale))
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
