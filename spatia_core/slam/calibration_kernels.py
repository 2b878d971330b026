"""Compiled loops of `calibration.py`: how two views differ, and how that changes with pose, colour terms and bend."""

import numpy as np
from numba import njit

from spatia_core.slam.kernels import OPTIONS, colour_at

TERMS = 19
"""Left rotation 3, left translation 3, colour's terms 6, bend 5, gain, offset."""
COLOUR, BEND, LIGHT = 6, 12, 17
"""Where those begin."""


@njit(fastmath=True, **OPTIONS)
def _shapes(x, y, out):  # pragma: no cover - compiled
    """What each term of a bend adds to inverse depth along the ray (x, y, 1)."""
    out[0], out[1], out[2], out[3], out[4] = x, y, x * x, y * y, x * y


@njit(fastmath=True, **OPTIONS)
def _add(J, r, weight, H, g):  # pragma: no cover - compiled
    """Adds one residual to the upper half of the normal equations."""
    for a in range(TERMS):
        wa = weight * J[a]
        if wa != 0:
            g[a] += wa * r
            for b in range(a, TERMS):
                H[a, b] += wa * J[b]


@njit(fastmath=True, **OPTIONS)
def _surface(place, target, scales, shape, J, H, g):  # pragma: no cover - compiled
    """Adds a point's distance to a surface; the distance in units of noise, -1 = another surface."""
    qx, qy, qz, ex, ey, ez = place
    nx, ny, nz, rx, ry, d = target
    gate, s_geo, noise = scales
    along = nx * rx + ny * ry + nz
    r = nx * qx + ny * qy + nz * qz - d * along
    if abs(r) > gate * noise:
        return -1.0
    J[:] = 0
    J[0], J[1], J[2] = qy * nz - qz * ny, qz * nx - qx * nz, qx * ny - qy * nx
    J[3], J[4], J[5] = nx, ny, nz
    moved = nx * ex + ny * ey + nz * ez
    other = np.empty(5)
    _shapes(rx, ry, other)
    for i in range(5):
        J[BEND + i] = moved * shape[i] + d * d * along * other[i]
    sigma = s_geo * noise
    e = r / sigma
    _add(J, r, 1 / (1 + 0.2 * e * e) / (sigma * sigma), H, g)
    return abs(r) / noise


@njit(fastmath=True, **OPTIONS)
def _colour(place, seen, terms, light, shape, J, H, g):  # pragma: no cover - compiled
    """Adds a point's difference of intensity; `seen` holds what `colour_at` says here and there."""
    qx, qy, qz, ex, ey, ez = place
    a, b = seen
    gain, offset, scale, weight = light
    inverse = 1 / qz
    r = b[6] - gain * a[6] - offset
    dx = (b[2] * (1 + terms[0]) + b[3] * terms[1]) * inverse
    dy = (b[3] * (1 + terms[0]) - b[2] * terms[1]) * inverse
    dz = -(dx * qx + dy * qy) * inverse - (b[2] * terms[4] + b[3] * terms[5]) * inverse * inverse
    J[0], J[1], J[2] = qy * dz - qz * dy, qz * dx - qx * dz, qx * dy - qy * dx
    J[3], J[4], J[5] = dx, dy, dz
    for i in range(6):
        J[COLOUR + i] = b[i] - gain * a[i]
    bent = dx * ex + dy * ey + dz * ez - gain * (a[2] * terms[4] + a[3] * terms[5])
    for i in range(5):
        J[BEND + i] = bent * shape[i]
    J[LIGHT], J[LIGHT + 1] = -a[6], -1.0
    e = r / scale
    _add(J, r, weight / (1 + 0.2 * e * e) / (scale * scale), H, g)
    return abs(r)


@njit(fastmath=True, **OPTIONS)
def sensor_system(points, T, near, far, terms, scales, light, H, g):  # pragma: no cover - compiled
    """Adds the equations of laying `points`, moved by `T`, on another view, in depth and in intensity.

    `near` holds lens and shading of the points' own view, `far` lens, depth, normals and shading of the other; both
    shadings lie where their colour camera saw them. `scales` is the gate and the scale of distances; `light` gain,
    offset, scale and weight of intensities. Returns points seen and near, summed distance, points lit and summed
    difference.
    """
    near_lens, near_shading = near
    lens, depth, normals, shading = far
    fx, fy, cx, cy = lens
    h, w = depth.shape
    gate, s_geo = scales
    J, a, b, shape = np.zeros(TERMS), np.zeros(7), np.zeros(7), np.zeros(5)
    seen, surfaces, sum_geo, lit, sum_photo = 0, 0, 0.0, 0, 0.0
    for k in range(len(points)):
        px, py, pz = points[k, 0], points[k, 1], points[k, 2]
        qx = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
        qy = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
        qz = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
        if qz < 0.05:
            continue
        u, v = fx * qx / qz + cx, fy * qy / qz + cy
        if u < 1 or v < 1 or u >= w - 1 or v >= h - 1:
            continue
        col, row = int(u), int(v)
        d = depth[row, col]
        if d <= 0:
            continue
        seen += 1
        nx, ny, nz = normals[row, col, 0], normals[row, col, 1], normals[row, col, 2]
        mx = T[0, 0] * points[k, 3] + T[0, 1] * points[k, 4] + T[0, 2] * points[k, 5]
        my = T[1, 0] * points[k, 3] + T[1, 1] * points[k, 4] + T[1, 2] * points[k, 5]
        mz = T[2, 0] * points[k, 3] + T[2, 1] * points[k, 4] + T[2, 2] * points[k, 5]
        if mx * nx + my * ny + mz * nz < 0.6:  # at an edge, or another side
            continue
        _shapes(px / pz, py / pz, shape)
        # a point whose inverse depth grows by s comes nearer by s z^2 along its ray, that is by s z times itself
        place = (qx, qy, qz, -pz * (qx - T[0, 3]), -pz * (qy - T[1, 3]), -pz * (qz - T[2, 3]))
        target = (nx, ny, nz, (col + 0.5 - cx) / fx, (row + 0.5 - cy) / fy, d)
        noise = 0.3 + 0.7 * (0.25 * qz * qz)  # in units of the noise at 2 scene units
        found = _surface(place, target, (gate, s_geo, noise), shape, J, H, g)
        if found < 0:
            continue
        surfaces += 1
        sum_geo += found
        if not colour_at(px / pz, py / pz, 1 / pz, near_lens, near_shading, terms, a):
            continue
        if not colour_at(qx / qz, qy / qz, 1 / qz, lens, shading, terms, b):
            continue
        lit += 1
        sum_photo += _colour(place, (a, b), terms, light, shape, J, H, g)
    for i in range(TERMS):
        for j in range(i):
            H[i, j] = H[j, i]
    return seen, surfaces, sum_geo, lit, sum_photo
