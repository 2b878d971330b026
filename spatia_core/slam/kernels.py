"""Compiled loops: normals, dense alignment of points to a view, and averaging of depth.

Pixel i covers [i, i + 1). Depth 0 means unknown here, because comparisons with NaN are easy to get wrong.
"""

import numpy as np
from numba import njit

OPTIONS = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy"}

COLUMNS = 7
"""A point to align: x, y, z, normal x, y, z, intensity."""
TERMS = 8
"""Rotation vector, translation, gain, offset."""


@njit(fastmath=True, **OPTIONS)
def normals_of(depth, lens, step, bend, out):  # pragma: no cover - compiled
    """Unit normals towards the camera from neighbours `step` pixels away; zeros where depth is missing or breaks."""
    h, w = depth.shape
    fx, fy, cx, cy = lens
    for y in range(h):
        for x in range(w):
            out[y, x, 0] = out[y, x, 1] = out[y, x, 2] = 0.0
            if y < step or x < step or y >= h - step or x >= w - step:
                continue
            z = depth[y, x]
            left, right, up, down = depth[y, x - step], depth[y, x + step], depth[y - step, x], depth[y + step, x]
            if z <= 0 or left <= 0 or right <= 0 or up <= 0 or down <= 0:
                continue
            # on a plane inverse depth is linear: a bend of it is an edge
            inv = 1 / z
            if abs(1 / left + 1 / right - 2 * inv) > bend * inv or abs(1 / up + 1 / down - 2 * inv) > bend * inv:
                continue
            rx, ry = (x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy
            dx, dy = step / fx, step / fy
            ax = (rx + dx) * right - (rx - dx) * left
            ay = ry * (right - left)
            az = right - left
            bx = rx * (down - up)
            by = (ry + dy) * down - (ry - dy) * up
            bz = down - up
            nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            length = np.sqrt(nx * nx + ny * ny + nz * nz)
            if length <= 0:
                continue
            if nx * rx + ny * ry + nz > 0:
                length = -length
            nx, ny, nz = nx / length, ny / length, nz / length
            if -(nx * rx + ny * ry + nz) < 0.15 * np.sqrt(rx * rx + ry * ry + 1):
                continue  # seen edge-on: its depth says little
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = nx, ny, nz


_NO_NORMAL = 1e9


@njit(fastmath=True, **OPTIONS)
def _geometry(place, pixel, lens, d, normals, gate, s_geo, J, H, g):  # pragma: no cover - compiled
    """Adds one point's distance to the surface; the distance in units of noise, -1 = another surface."""
    qx, qy, qz, ax, ay, az = place
    col, row = pixel
    fx, fy, cx, cy = lens
    noise = 0.3 + 0.7 * (0.25 * qz * qz)  # in units of the noise at 2 scene units
    nx, ny, nz = normals[row, col, 0], normals[row, col, 1], normals[row, col, 2]
    if nx * nx + ny * ny + nz * nz <= 0.5:
        return -1.0 if abs(qz - d) > gate * noise else _NO_NORMAL
    rx, ry = (col + 0.5 - cx) / fx, (row + 0.5 - cy) / fy
    r = nx * (qx - rx * d) + ny * (qy - ry * d) + nz * (qz - d)
    if abs(r) > gate * noise or ax * nx + ay * ny + az * nz < 0.6:
        return -1.0
    sigma = s_geo * noise
    e = r / sigma
    weight = 1 / (1 + 0.2 * e * e) / (sigma * sigma)
    J[0], J[1], J[2] = qy * nz - qz * ny, qz * nx - qx * nz, qx * ny - qy * nx
    J[3], J[4], J[5] = nx, ny, nz
    for a in range(6):
        wa = weight * J[a]
        g[a] += wa * r
        for b in range(a, 6):
            H[a, b] += wa * J[b]
    return abs(r) / noise


@njit(fastmath=True, **OPTIONS)
def _intensity(place, grey, lens, shading, scales, J, H, g):  # pragma: no cover - compiled
    """Adds one point's difference of intensity; its size in grey levels, -1 = off the picture."""
    qx, qy, qz, u, v = place
    s_photo, w_photo, gain, offset = scales
    fx, fy, _, _ = lens
    h, w = shading.shape[:2]
    x0, y0 = int(np.floor(u - 0.5)), int(np.floor(v - 0.5))
    fu, fv = u - 0.5 - x0, v - 0.5 - y0
    if x0 < 0 or y0 < 0 or x0 + 1 >= w or y0 + 1 >= h:
        return -1.0
    w00, w01, w10, w11 = (1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv
    value = w00 * shading[y0, x0, 0] + w01 * shading[y0, x0 + 1, 0]
    value += w10 * shading[y0 + 1, x0, 0] + w11 * shading[y0 + 1, x0 + 1, 0]
    gx = w00 * shading[y0, x0, 1] + w01 * shading[y0, x0 + 1, 1]
    gx += w10 * shading[y0 + 1, x0, 1] + w11 * shading[y0 + 1, x0 + 1, 1]
    gy = w00 * shading[y0, x0, 2] + w01 * shading[y0, x0 + 1, 2]
    gy += w10 * shading[y0 + 1, x0, 2] + w11 * shading[y0 + 1, x0 + 1, 2]
    r = value - gain * grey - offset
    e = r / s_photo
    weight = w_photo / (1 + 0.2 * e * e) / (s_photo * s_photo)
    dx, dy = gx * fx / qz, gy * fy / qz
    dz = -(dx * qx + dy * qy) / qz
    J[0], J[1], J[2] = qy * dz - qz * dy, qz * dx - qx * dz, qx * dy - qy * dx
    J[3], J[4], J[5] = dx, dy, dz
    J[6], J[7] = -grey, -1.0
    for a in range(TERMS):
        wa = weight * J[a]
        g[a] += wa * r
        for b in range(a, TERMS):
            H[a, b] += wa * J[b]
    return abs(r)


@njit(fastmath=True, **OPTIONS)
def pair_system(points, T, lens, depth, normals, shading, scales, H, g):  # pragma: no cover - compiled
    """Adds the normal equations of aligning `points` (moved by `T`) to a view; returns counts and mean residuals.

    Geometry: distance to the tangent plane of the surface the point falls on. Intensity: gain * point + offset against
    the picture. `scales` holds gate (0 = intensity only), geometric scale, photometric scale (0 = leave out),
    photometric weight; depth < 0 marks pixels that take no part. Residual weights are Cauchy's. Terms: left rotation,
    left translation, gain, offset.
    """
    h, w = depth.shape
    fx, fy, cx, cy = lens
    gate, s_geo, s_photo, w_photo, gain, offset = scales
    bright = (s_photo, w_photo, gain, offset)
    seen, near, sum_geo, lit, sum_photo = 0, 0, 0.0, 0, 0.0
    J = np.zeros(TERMS)
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
        if depth[row, col] < 0 or (gate > 0 and depth[row, col] <= 0):
            continue
        seen += 1
        if gate <= 0:
            near += 1
        else:
            nx = T[0, 0] * points[k, 3] + T[0, 1] * points[k, 4] + T[0, 2] * points[k, 5]
            ny = T[1, 0] * points[k, 3] + T[1, 1] * points[k, 4] + T[1, 2] * points[k, 5]
            nz = T[2, 0] * points[k, 3] + T[2, 1] * points[k, 4] + T[2, 2] * points[k, 5]
            place = (qx, qy, qz, nx, ny, nz)
            found = _geometry(place, (col, row), lens, depth[row, col], normals, gate, s_geo, J, H, g)
            if found < 0:  # not the same surface
                continue
            if found < _NO_NORMAL:
                near += 1
                sum_geo += found
        if s_photo > 0:
            found = _intensity((qx, qy, qz, u, v), points[k, 6], lens, shading, bright, J, H, g)
            if found >= 0:
                lit += 1
                sum_photo += found
    for a in range(TERMS):
        for b in range(a):
            H[a, b] = H[b, a]
    return seen, near, sum_geo, lit, sum_photo


@njit(fastmath=True, **OPTIONS)
def colour_at(ray_x, ray_y, inverse, lens, shading, terms, out):  # pragma: no cover - compiled
    """Intensity and its derivatives by the six terms of `registration.py` into `out` (7); False off the picture."""
    fx, fy, cx, cy = lens
    h, w = shading.shape[:2]
    u = cx + fx * (ray_x + terms[0] * ray_x - terms[1] * ray_y + terms[2] + terms[4] * inverse) - 0.5
    v = cy + fy * (ray_y + terms[0] * ray_y + terms[1] * ray_x + terms[3] + terms[5] * inverse) - 0.5
    x0, y0 = int(np.floor(u)), int(np.floor(v))
    if x0 < 1 or y0 < 1 or x0 + 2 >= w or y0 + 2 >= h:
        return False
    fu, fv = u - x0, v - y0
    w00, w01, w10, w11 = (1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv
    value = gx = gy = 0.0
    for row, column, part in ((y0, x0, w00), (y0, x0 + 1, w01), (y0 + 1, x0, w10), (y0 + 1, x0 + 1, w11)):
        value += part * shading[row, column, 0]
        gx += part * shading[row, column, 1]
        gy += part * shading[row, column, 2]
    gx, gy = gx * fx, gy * fy
    out[0] = gx * ray_x + gy * ray_y
    out[1] = gy * ray_x - gx * ray_y
    out[2], out[3], out[4], out[5] = gx, gy, gx * inverse, gy * inverse
    out[6] = value
    return True


@njit(fastmath=True, **OPTIONS)
def colour_system(points, T, near_lens, far_lens, depth, near, far, terms, light, H, g):  # pragma: no cover - compiled
    """Adds the equations of the terms by which two pictures show `points` (moved by `T` to the far one) alike.

    `light` holds gain, offset and the scale of differences. Terms: the six, gain, offset. Returns count and summed
    difference.
    """
    h, w = depth.shape
    fx, fy, cx, cy = far_lens
    J, a, b = np.zeros(8), np.zeros(7), np.zeros(7)
    seen, total = 0, 0.0
    for k in range(len(points)):
        px, py, pz = points[k, 0], points[k, 1], points[k, 2]
        qx = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
        qy = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
        qz = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
        if qz < 0.05:
            continue
        u, v = fx * qx / qz + cx, fy * qy / qz + cy
        if u < 0 or v < 0 or u >= w or v >= h:
            continue
        d = depth[int(v), int(u)]
        if d <= 0 or abs(d - qz) > 0.04 * qz:
            continue
        if not colour_at(px / pz, py / pz, 1 / pz, near_lens, near, terms, a):
            continue
        if not colour_at(qx / qz, qy / qz, 1 / qz, far_lens, far, terms, b):
            continue
        r = b[6] - light[0] * a[6] - light[1]
        e = r / light[2]
        weight = 1 / (1 + 0.2 * e * e) / (light[2] * light[2])
        for i in range(6):
            J[i] = b[i] - light[0] * a[i]
        J[6], J[7] = -a[6], -1.0
        for i in range(8):
            g[i] += weight * J[i] * r
            for j in range(8):
                H[i, j] += weight * J[i] * J[j]
        seen += 1
        total += abs(r)
    return seen, total


@njit(**OPTIONS)
def reduce_depth(depth, factor, out):  # pragma: no cover - compiled
    """Blocks averaged over what is near their front surface; a block with under half known pixels is unknown."""
    h, w = depth.shape
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            front = np.float32(np.inf)
            for r in range(y * factor, min(y * factor + factor, h)):
                for c in range(x * factor, min(x * factor + factor, w)):
                    if depth[r, c] > 0 and depth[r, c] < front:
                        front = depth[r, c]
            count, total = 0, 0.0
            for r in range(y * factor, min(y * factor + factor, h)):
                for c in range(x * factor, min(x * factor + factor, w)):
                    if depth[r, c] > 0 and depth[r, c] < 1.03 * front:
                        count += 1
                        total += depth[r, c]
            out[y, x] = total / count if 2 * count >= factor * factor else 0.0


@njit(fastmath=True, **OPTIONS)
def average_depth(depth, weight, other, T, lens, gate):  # pragma: no cover - compiled
    """Averages the depth of `other` (a view that `T` leads to) into `depth` where both agree within `gate`."""
    h, w = depth.shape
    fx, fy, cx, cy = lens
    for y in range(h):
        for x in range(w):
            z = depth[y, x]
            if z <= 0:
                continue
            px, py = (x + 0.5 - cx) / fx, (y + 0.5 - cy) / fy
            qz = T[2, 0] * px * z + T[2, 1] * py * z + T[2, 2] * z + T[2, 3]
            if qz < 0.05:
                continue
            qx = T[0, 0] * px * z + T[0, 1] * py * z + T[0, 2] * z + T[0, 3]
            qy = T[1, 0] * px * z + T[1, 1] * py * z + T[1, 2] * z + T[1, 3]
            u, v = fx * qx / qz + cx, fy * qy / qz + cy
            if u < 0 or v < 0 or u >= w or v >= h:
                continue
            d = other[int(v), int(u)]
            if d <= 0 or abs(d - qz) > gate * (0.3 + 0.7 * (0.25 * qz * qz)):
                continue
            # along the ray of this pixel a change of depth there is, to first order, a change of depth here
            new = z + (d - qz) / (T[2, 0] * px + T[2, 1] * py + T[2, 2])
            if new > 0:
                k = weight[y, x]
                depth[y, x] = (k * z + new) / (k + 1)
                weight[y, x] = min(k + 1, 50)


@njit(fastmath=True, **OPTIONS)
def on_surface(points, T, lens, depth, gate, out):  # pragma: no cover - compiled
    """Which of the `points`, moved by `T`, fall on the view's own surface."""
    h, w = depth.shape
    fx, fy, cx, cy = lens
    for k in range(len(points)):
        out[k] = False
        px, py, pz = points[k, 0], points[k, 1], points[k, 2]
        qz = T[2, 0] * px + T[2, 1] * py + T[2, 2] * pz + T[2, 3]
        if qz < 0.05:
            continue
        qx = T[0, 0] * px + T[0, 1] * py + T[0, 2] * pz + T[0, 3]
        qy = T[1, 0] * px + T[1, 1] * py + T[1, 2] * pz + T[1, 3]
        u, v = fx * qx / qz + cx, fy * qy / qz + cy
        if u < 0 or v < 0 or u >= w or v >= h:
            continue
        d = depth[int(v), int(u)]
        out[k] = d > 0 and abs(d - qz) < gate * (0.3 + 0.7 * (0.25 * qz * qz))
