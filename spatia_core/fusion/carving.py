"""What a view sees through: points that stand in the air between its camera and the surfaces it measured."""

import cv2
import numpy as np
from jaxtyping import Bool, Int64
from numba import njit

from spatia_core.arrays import Depth, Mask
from spatia_core.camera import Camera
from spatia_core.memory import Keyframe
from spatia_core.point_cloud import PointCloud
from spatia_core.render.types import MAX_HALF_SIDE, NEAR

MARGIN = 0.06
"""Share of the measured depth by which a point must stand before it to be seen through."""

WITNESSES = 8
"""Keyframes asked about a new point: those taken nearest to it."""


@njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _through(x, y, z, radius, P, lens, free, begin, out):  # pragma: no cover - compiled
    """out[i] becomes True where point begin + i with its whole footprint stands before the free depth."""
    h, w = free.shape
    for i in range(len(out)):
        k = begin + i
        zc = P[2, 0] * x[k] + P[2, 1] * y[k] + P[2, 2] * z[k] + P[2, 3]
        out[i] = False
        if not zc > NEAR:
            continue
        u = (P[0, 0] * x[k] + P[0, 1] * y[k] + P[0, 2] * z[k] + P[0, 3]) / zc * lens[0] + lens[2]
        v = (P[1, 0] * x[k] + P[1, 1] * y[k] + P[1, 2] * z[k] + P[1, 3]) / zc * lens[1] + lens[3]
        half = min(radius[k] * lens[0] / zc, MAX_HALF_SIDE)
        if not (u - half >= 0 and v - half >= 0 and u + half < w and v + half < h):
            continue
        least = free[int(v), int(u)]
        for corner in range(4):
            cu = int(u + (half if corner & 1 else -half))
            cv = int(v + (half if corner & 2 else -half))
            least = min(least, free[cv, cu])
        out[i] = zc < least


def free_depth(depth: Depth, usable: Mask, margin: float = MARGIN, window: int = 5) -> Depth:
    """(h, w) the depth up to which the view proves that nothing stands there; 0 where it proves nothing.

    The least of the depths around a pixel counts, so a pose that is off by a pixel or two carves no edges away.
    """
    known = np.where(usable, depth, np.float32(0)).astype(np.float32)
    return cv2.erode(known, np.ones((window, window), np.uint8)) * np.float32(1 - margin)


def seen_through(cloud: PointCloud, camera: Camera, free: Depth) -> Int64[np.ndarray, " k"]:
    """Sorted indices of the points that stand with their whole footprint before the free depth of `camera`.

    Only runs of points that the camera may see are looked at.
    """
    if not len(cloud) or not free.any():
        return np.empty(0, np.int64)
    x, y, z = cloud.xyz.T
    K, P = camera.K, camera.w2c[:3].astype(np.float32)
    lens = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    found = [np.empty(0, np.int64)]
    for begin, end in cloud.blocks.seen_by(camera, float(free.max())):
        hit = np.empty(end - begin, bool)
        _through(x, y, z, cloud.radius, P, lens, free, begin, hit)
        found.append(begin + np.flatnonzero(hit))
    return np.concatenate(found)


def contradicted(
    cloud: PointCloud, camera: Camera, keyframes: tuple[Keyframe, ...], margin: float = MARGIN
) -> Bool[np.ndarray, " n"]:
    """(n,) True for points where a keyframe taken near `camera` saw only air, `margin` before what it saw."""
    out = np.zeros(len(cloud), bool)
    if not len(cloud):
        return out
    nearest = sorted(keyframes, key=lambda k: float(np.linalg.norm(k.camera.centre - camera.centre)))[:WITNESSES]
    for view in nearest:
        usable = np.isfinite(view.depth) & ~view.dynamic & ~view.sky
        out[seen_through(cloud, view.camera, free_depth(view.depth, usable, margin))] = True
    return out
