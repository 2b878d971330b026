"""Depth of a sensor that sees a flat wall bent, made straight."""

from dataclasses import dataclass, replace

import numpy as np

from spatia_core.slam import kernels
from spatia_core.slam.views import BEND, STRIDE, Level, View, points_of

FARTHEST = 50.0
"""Scene units beyond which nothing is put by bending."""


@dataclass(frozen=True, eq=False, slots=True)
class Bend:
    """What must be added to a sensor's inverse depth."""

    terms: np.ndarray
    """(5,) for x, y, xx, yy, xy of a ray (x, y, 1); 1 / scene unit."""
    before: float
    """Mean distance of frames that were not fitted from other frames' surfaces, as measured (scene units at a depth
    of 2)."""
    after: float
    """The same with the terms."""

    def apply(self, view: View) -> None:
        """Straightens the view's depth, once; before colour is laid on it."""
        if not view.straight:
            view.levels[:] = [bent(level, self.terms, i) for i, level in enumerate(view.levels)]
            view.straight = True


def bent(level: Level, terms: np.ndarray, which: int) -> Level:
    """The level (number `which`, 0 = finest) with the terms added to its inverse depth; itself when they are 0."""
    if not terms.any():
        return level
    h, w = level.depth.shape
    fx, fy, cx, cy = level.lens
    x, y = (np.arange(w) + 0.5 - cx) / fx, ((np.arange(h) + 0.5 - cy) / fy)[:, None]
    added = terms[0] * x + terms[1] * y + terms[2] * x * x + terms[3] * y * y + terms[4] * x * y
    known = level.depth > 0
    inverse = np.where(known, 1 / np.where(known, level.depth, 1), 1) + added
    depth = np.where(known, 1 / np.maximum(inverse, 1 / FARTHEST), 0).astype(np.float32)
    normals = np.empty_like(level.normals)
    kernels.normals_of(depth, level.lens, 2, BEND, normals)
    points = points_of(depth, normals, level.shading[..., 0], level.lens, STRIDE[which])
    return replace(level, depth=depth, normals=normals, points=points)
