"""The renderer to use: numba, one core, one pass over the points.

Depth and index of a pixel live in one 64-bit key, depth bits above the index. The bits of positive floats order like
the floats, so one integer comparison keeps the nearest point and breaks ties by index.
"""

import numpy as np
from numba import njit

from spatia_core.camera import Camera
from spatia_core.point_cloud import PointCloud
from spatia_core.render.types import MAX_HALF_SIDE, NEAR, Rendering

_OPTIONS = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy"}
_BLOCK = 1024
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_WORTH_CULLING = 200_000
"""Points from which on runs that lie outside of the picture are passed over."""


@njit(fastmath=True, **_OPTIONS)
def _splat(xs, ys, zs, radius, P, lens, keys, w, h, begin, end):  # pragma: no cover - compiled
    fx, fy, cx, cy = lens
    x0, x1 = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    y0, y1 = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    depth = np.empty(_BLOCK, np.float32)
    bits = depth.view(np.uint32)
    near, widest, half_pixel = np.float32(NEAR), np.float32(MAX_HALF_SIDE), np.float32(0.5)
    left, right, bottom, one = np.float32(0), np.float32(w - 1), np.float32(h - 1), np.float32(1)
    p00, p01, p02, p03 = P[0]
    p10, p11, p12, p13 = P[1]
    p20, p21, p22, p23 = P[2]
    for start in range(begin, end, _BLOCK):
        n = min(_BLOCK, end - start)
        for k in range(n):  # without branches, so it runs on vector registers
            x, y, z = xs[start + k], ys[start + k], zs[start + k]
            zc = p20 * x + p21 * y + p22 * z + p23
            inv = one / max(zc, near)
            u = (p00 * x + p01 * y + p02 * z + p03) * inv * fx + cx
            v = (p10 * x + p11 * y + p12 * z + p13) * inv * fy + cy
            half = min(radius[start + k] * fx * inv, widest)
            low, high = half_pixel + half, half - half_pixel
            xf, yf = np.floor(u), np.floor(v)
            # what lies outside comes out empty (x1 < x0); both bounds are clamped before they become integers
            x0[k] = np.int32(min(max(min(np.ceil(u - low), xf), left), right + one))
            x1[k] = np.int32(max(min(max(np.floor(u + high), xf), right), left - one))
            y0[k] = np.int32(min(max(min(np.ceil(v - low), yf), left), bottom + one))
            y1[k] = np.int32(max(min(max(np.floor(v + high), yf), bottom), left - one))
            depth[k] = zc
        for k in range(n):
            if not depth[k] > near:
                continue
            key = (np.uint64(bits[k]) << np.uint64(32)) | np.uint64(start + k)
            for yy in range(y0[k], y1[k] + 1):
                for i in range(np.uint32(yy * w + x0[k]), np.uint32(yy * w + x1[k] + 1)):
                    if key < keys[i]:
                        keys[i] = key


@njit(**_OPTIONS)
def _resolve(keys, colours, rgb, depth_bits, index):  # pragma: no cover - compiled
    unknown = np.uint32(0x7FC00000)  # the bits of NaN
    for i in range(len(keys)):
        key = keys[i]
        if key == _EMPTY:
            depth_bits[i] = unknown
            index[i] = -1
            rgb[i, 0] = rgb[i, 1] = rgb[i, 2] = 0
        else:
            k = np.int32(key & np.uint64(0xFFFFFFFF))
            depth_bits[i] = np.uint32(key >> np.uint64(32))
            index[i] = k
            rgb[i, 0], rgb[i, 1], rgb[i, 2] = colours[k, 0], colours[k, 1], colours[k, 2]


def render(cloud: PointCloud, camera: Camera) -> Rendering:
    """What `camera` sees of `cloud`: colour, z-depth, coverage and point index in one pass.

    Equal to `render_reference` up to float32 rounding of footprint borders.
    """
    h, w = camera.height, camera.width
    keys = np.full(h * w, _EMPTY, np.uint64)
    K = camera.K.astype(np.float32)
    lens = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    x, y, z = cloud.xyz.T
    P = camera.w2c[:3].astype(np.float32)
    runs = cloud.blocks.seen_by(camera) if len(cloud) >= _WORTH_CULLING else np.array([[0, len(cloud)]])
    for begin, end in runs:
        _splat(x, y, z, cloud.radius, P, lens, keys, w, h, begin, end)
    rgb = np.empty((h * w, 3), np.uint8)
    depth = np.empty(h * w, np.float32)
    index = np.empty(h * w, np.int32)
    _resolve(keys, cloud.rgb, rgb, depth.view(np.uint32), index)
    return Rendering(rgb.reshape(h, w, 3), depth.reshape(h, w), index.reshape(h, w))
