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


@njit(fastmath=True, **_OPTIONS)
def _splat(xyz, radius, P, lens, keys, w, h):  # pragma: no cover - compiled
    fx, fy, cx, cy = lens
    us, vs = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    zs, hs = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    bits = zs.view(np.uint32)
    near, widest = np.float32(NEAR), np.float32(MAX_HALF_SIDE)
    half_pixel, one = np.float32(0.5), np.float32(1)
    for start in range(0, len(xyz), _BLOCK):
        n = min(_BLOCK, len(xyz) - start)
        for k in range(n):  # this loop has no branches, so it runs on vector registers
            x, y, z = xyz[start + k, 0], xyz[start + k, 1], xyz[start + k, 2]
            zc = P[2, 0] * x + P[2, 1] * y + P[2, 2] * z + P[2, 3]
            inv = one / zc
            us[k] = (P[0, 0] * x + P[0, 1] * y + P[0, 2] * z + P[0, 3]) * inv * fx + cx
            vs[k] = (P[1, 0] * x + P[1, 1] * y + P[1, 2] * z + P[1, 3]) * inv * fy + cy
            hs[k] = min(radius[start + k] * fx * inv, widest)
            zs[k] = zc
        for k in range(n):
            if not zs[k] > near:
                continue
            u, v, half = us[k], vs[k], hs[k]
            if not (u > -half - one and u < w + half + one and v > -half - one and v < h + half + one):
                continue
            xu, yv = int(np.floor(u)), int(np.floor(v))
            x0 = max(min(int(np.ceil(u - half - half_pixel)), xu), 0)
            x1 = min(max(int(np.floor(u + half - half_pixel)), xu), w - 1)
            y0 = max(min(int(np.ceil(v - half - half_pixel)), yv), 0)
            y1 = min(max(int(np.floor(v + half - half_pixel)), yv), h - 1)
            key = (np.uint64(bits[k]) << np.uint64(32)) | np.uint64(start + k)
            for yy in range(y0, y1 + 1):
                row = yy * w
                for xx in range(x0, x1 + 1):
                    if key < keys[row + xx]:
                        keys[row + xx] = key


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
    _splat(cloud.xyz, cloud.radius, camera.w2c[:3].astype(np.float32), lens, keys, w, h)
    rgb = np.empty((h * w, 3), np.uint8)
    depth = np.empty(h * w, np.float32)
    index = np.empty(h * w, np.int32)
    _resolve(keys, cloud.rgb, rgb, depth.view(np.uint32), index)
    return Rendering(rgb.reshape(h, w, 3), depth.reshape(h, w), index.reshape(h, w))
