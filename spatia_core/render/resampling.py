"""Colours of a rendering taken from pictures instead of points.

A splat has one colour, so a slowly moving camera shows points jumping from pixel to pixel. Where a reference view saw
the same surface, its picture is sampled between pixels instead: the clip is as sharp as the photo and moves smoothly.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8
from numba import njit

from spatia_core.arrays import Image
from spatia_core.camera import Camera
from spatia_core.render.types import Rendering

View = tuple[UInt8[np.ndarray, "_ _ 3"], Float32[np.ndarray, "_ _"], Camera]
"""A picture, its z-depth and its camera."""

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


@njit(**_OPTIONS)
def _mean(total, weights, out):  # pragma: no cover - compiled
    h, w = weights.shape
    for y in range(h):
        for x in range(w):
            if weights[y, x] > 0:
                for c in range(3):
                    out[y, x, c] = np.uint8(total[y, x, c] / weights[y, x] + np.float32(0.5))


@njit(**_OPTIONS)
def _soften(image, depth, reach, out):  # pragma: no cover - compiled
    """Mixes neighbours where two surfaces meet that have slid against each other by a pixel or more.

    There the border between them is cut along whole pixels; in the reference's own view it is as smooth as its
    picture and stays untouched, because nothing has slid.
    """
    h, w = depth.shape
    zero, one = np.float32(0), np.float32(1)
    for y in range(1, h - 1):
        for x in range(1, w - 1):
            here = depth[y, x]
            if not here > zero:
                continue
            slid = zero
            for k in range(4):
                d = depth[y + (1 if k == 0 else -1 if k == 1 else 0), x + (1 if k == 2 else -1 if k == 3 else 0)]
                if d > zero:
                    slid = max(slid, reach * abs(one / d - one / here))
            if slid < one:
                continue
            for c in range(3):
                total = np.float32(4) * image[y, x, c]
                total += np.float32(2) * (
                    np.float32(image[y - 1, x, c]) + image[y + 1, x, c] + image[y, x - 1, c] + image[y, x + 1, c]
                )
                total += np.float32(image[y - 1, x - 1, c]) + image[y - 1, x + 1, c]
                total += np.float32(image[y + 1, x - 1, c]) + image[y + 1, x + 1, c]
                out[y, x, c] = np.uint8(total / np.float32(16) + np.float32(0.5))


def _lens(camera: Camera) -> np.ndarray:
    K = camera.K
    return np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]], np.float32)


def resample(rendering: Rendering, camera: Camera, views: Sequence[View]) -> Image:
    """The rendering's picture (h, w, 3) with colours sampled from the views wherever they saw the same surface.

    views: pictures, their z-depths and cameras. Nearer views weigh more. Pixels no view saw keep the splat's colour.
    Borders between surfaces that have slid against each other since the nearest view are softened by a pixel.
    """
    h, w = camera.height, camera.width
    total, weights = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)
    nearest = float(np.inf) if views else 0.0
    for image, depth, view in views:
        P = (view.w2c @ camera.c2w)[:3].astype(np.float32)
        distance = float(np.linalg.norm(view.centre - camera.centre))
        typical = float(np.nanmedian(rendering.depth[::8, ::8])) if rendering.coverage[::8, ::8].any() else 1.0
        weight = np.float32(1.0 / (1e-3 + distance / typical) ** 2)
        reach = np.float32(max(view.K[0, 0], view.K[1, 1]) * distance)
        _sample(rendering.depth, _lens(camera), P, _lens(view), image, depth, reach, weight, total, weights)
        nearest = min(nearest, float(reach))
    sampled = rendering.rgb.copy()
    _mean(total, weights, sampled)
    softened = sampled.copy()
    _soften(sampled, rendering.depth, np.float32(nearest), softened)
    return softened
