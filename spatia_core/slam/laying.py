"""Colour laid on the depth of a sensor whose two cameras see through different lenses."""

from dataclasses import dataclass

import cv2
import numpy as np

from spatia_core.slam.views import Level, View, relight


@dataclass(frozen=True, eq=False, slots=True)
class Registration:
    """Where the colour of a depth pixel is found."""

    terms: np.ndarray
    """(6,) scale, roll, shift x, shift y (shares of the focal length), base x, base y (scene units)."""
    before: float
    """Mean difference of intensity between keyframes as given, grey levels."""
    after: float
    """The same with the terms."""

    def apply(self, view: View) -> None:
        """Lays the view's intensities on its depth, once."""
        if view.registered:
            return
        for i, level in enumerate(view.levels):
            relight(level, warped(level, level.shading[..., 0], self.terms), i)
        view.registered = True


def warped(level: Level, shade: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """The intensity of every depth pixel; where depth is unknown, as if it lay at the usual depth."""
    h, w = level.depth.shape
    fx, fy, cx, cy = level.lens
    known = level.depth > 0
    inverse = np.where(known, 1 / np.where(known, level.depth, 1), 0)
    inverse[~known] = np.median(inverse[known]) if known.any() else 0
    x, y = (np.arange(w) + 0.5 - cx) / fx, ((np.arange(h) + 0.5 - cy) / fy)[:, None]
    scale, roll, shift_x, shift_y, base_x, base_y = terms
    u = cx + fx * (x + scale * x - roll * y + shift_x + base_x * inverse)
    v = cy + fy * (y + scale * y + roll * x + shift_y + base_y * inverse)
    at = (np.ascontiguousarray(shade), (u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32))
    return cv2.remap(*at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
