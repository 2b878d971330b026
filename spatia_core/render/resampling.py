"""Colours of a rendering taken from pictures instead of points.

A splat has one colour, so a slowly moving camera shows points jumping from pixel to pixel. Where a reference view saw
the same surface, its picture is sampled between pixels instead: the clip is as sharp as the photo and moves smoothly.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from spatia_core.arrays import Depth, Image
from spatia_core.camera import Camera
from spatia_core.render.types import Rendering

MAX_SHIFT = 0.75
"""Largest disagreement, pixels of the reference, that a difference in depth may cause."""

_OPTIONS = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy", "fastmath": True}


@njit(**_OPTIONS)
def _sample(depth, back, P, lens, image, seen, reach, weight, total, weights):  # pragma: no cover - compiled
    """Adds what one reference shows of every rendered surface to `total` and `weights`.

    back: (4,) fx, fy, cx, cy of the rendering camera; P: (3, 4) from its frame to the reference's frame; lens: the
    reference's fx, fy, cx, cy; reach: focal length times distance between the cameras, so that reach * |1/a - 1/b| is
    the shift in pixels that confusing depth a with b would cause.
    """
    h, w = depth.shape
    rh, rw = seen.shape
    zero, one, half, shift = np.float32(0), np.float32(1), np.float32(0.5), np.float32(MAX_SHIFT)
    for y in range(h):
        ry = (y + half - back[3]) / back[1]
        for x in range(w):
            d = depth[y, x]
            if not d > zero:
                continue
            px, py = (x + half - back[2]) / back[0] * d, ry * d
            z = P[2, 0] * px + P[2, 1] * py + P[2, 2] * d + P[2, 3]
            if not z > zero:
                continue
            u = (P[0, 0] * px + P[0, 1] * py + P[0, 2] * d + P[0, 3]) / z * lens[0] + lens[2] - half
            v = (P[1, 0] * px + P[1, 1] * py + P[1, 2] * d + P[1, 3]) / z * lens[1] + lens[3] - half
            if not (u > -one and v > -one and u < rw and v < rh):
                continue
            x0, y0 = int(np.floor(u)), int(np.floor(v))
            fu, fv = u - np.float32(x0), v - np.float32(y0)
            r = g = b = s = zero
            for j in range(2):
                for i in range(2):
                    xx, yy = min(max(x0 + i, 0), rw - 1), min(max(y0 + j, 0), rh - 1)
                    dz = seen[yy, xx]
                    if not (dz > zero and reach * abs(one / dz - one / z) < shift):
                        continue
                    k = (fu if i else one - fu) * (fv if j else one - fv)
                    r += k * image[yy, xx, 0]
                    g += k * image[yy, xx, 1]
                    b += k * image[yy, xx, 2]
                    s += k
            if s > half:
                k = weight / s
                total[y, x, 0] += k * r
                total[y, x, 1] += k * g
                total[y, x, 2] += k * b
                weights[y, x] += weight


def _lens(camera: Camera) -> np.ndarray:
    K = camera.K
    return np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]], np.float32)


def resample(rendering: Rendering, camera: Camera, views: Sequence[tuple[Image, Depth, Camera]]) -> Image:
    """The rendering's picture (h, w, 3) with colours sampled from the views wherever they saw the same surface.

    views: pictures, their z-depths and cameras. Nearer views weigh more. Pixels no view saw keep the splat's colour.
    """
    h, w = camera.height, camera.width
    total, weights = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)
    for image, depth, view in views:
        P = (view.w2c @ camera.c2w)[:3].astype(np.float32)
        distance = float(np.linalg.norm(view.centre - camera.centre))
        typical = float(np.nanmedian(rendering.depth[::8, ::8])) if rendering.coverage[::8, ::8].any() else 1.0
        weight = np.float32(1.0 / (1e-3 + distance / typical) ** 2)
        reach = np.float32(max(view.K[0, 0], view.K[1, 1]) * distance)
        _sample(rendering.depth, _lens(camera), P, _lens(view), image, depth, reach, weight, total, weights)
    found = weights > 0
    out = rendering.rgb.copy()
    out[found] = np.clip(np.rint(total[found] / weights[found][:, None]), 0, 255)
    return out
