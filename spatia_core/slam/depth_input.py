"""Depth whose scale nobody knows, brought to the map: fitted where keyframes already saw the surface."""

import numpy as np

from spatia_core import se3
from spatia_core.alignment import MIN_SHARED, fit_inverse_depth
from spatia_core.arrays import Depth, Pose
from spatia_core.errors import InvalidInput
from spatia_core.slam.keyframes import MapKeyframe
from spatia_core.slam.views import View

LEAST_COMMON = 0.05
"""Share of a picture that must be known to the map to carry the fit."""
WORST = 0.35
"""Median relative error from which a predicted depth map is no help."""


def seen_from(keyframes: list[MapKeyframe], c2w: Pose, view: View) -> Depth:
    """Depth of the keyframes' surfaces from `c2w` on the view's coarsest grid, NaN where they show nothing."""
    level = view.levels[-1]
    h, w = level.depth.shape
    fx, fy, cx, cy = level.lens
    depth = np.full(h * w, np.inf, np.float32)
    for frame in keyframes:
        points = frame.view.levels[1].points
        p = se3.transform(se3.inverse(c2w) @ frame.c2w, points[:, :3].astype(np.float64))
        p = p[p[:, 2] > 0.05]
        u, v = fx * p[:, 0] / p[:, 2] + cx, fy * p[:, 1] / p[:, 2] + cy
        inside = (u >= 0) & (v >= 0) & (u < w) & (v < h)
        np.minimum.at(depth, v[inside].astype(int) * w + u[inside].astype(int), p[inside, 2].astype(np.float32))
    return np.where(np.isfinite(depth), depth, np.nan).reshape(h, w).astype(np.float32)


def brought_to_map(depth: Depth, view: View, c2w: Pose, keyframes: list[MapKeyframe]) -> Depth | None:
    """`depth` in the map's scale, fitted in scale and shift of inverse depth; None when too little is shared.

    `view` is the same frame in whatever scale, `c2w` where it is believed to be.
    """
    known = seen_from(keyframes, c2w, view)
    h, w = known.shape
    rows = (np.arange(h) + 0.5) * depth.shape[0] / h
    columns = (np.arange(w) + 0.5) * depth.shape[1] / w
    small = depth[rows.astype(int)[:, None], columns.astype(int)]
    small = np.where(small > 0, small, np.nan).astype(np.float32)
    shared = np.isfinite(known) & np.isfinite(small)
    if shared.sum() < max(MIN_SHARED, LEAST_COMMON * known.size):
        return None
    try:
        fit = fit_inverse_depth(small, known)
    except InvalidInput:
        return None
    return None if fit.error > WORST else fit.apply(depth)
