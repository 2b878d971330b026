"""The compiled half of `surfaces`: planes through samples, the plane of every cell, and growth up to depth steps."""

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy"}


@njit(**_OPTIONS)
def ransac(samples, most, tolerance, tries, seed):  # pragma: no cover - compiled
    """Up to `most` planes (a, b, c), each through the samples that those before left, then one that faces the camera.

    samples (N, 3): column, row, inverse depth. A sample lies on a plane within `tolerance` of its inverse depth.
    """
    np.random.seed(seed)  # noqa: NPY002 - numba knows no other
    planes = np.zeros((most + 1, 3), np.float32)
    rest = samples
    found = 0
    for _ in range(most):
        if len(rest) < max(8, len(samples) // 8):
            break
        best, most_inliers = np.zeros(3, np.float32), -1
        for k in range(tries):
            plane = _through(rest[np.random.randint(0, len(rest), 3)], k == 0)  # noqa: NPY002
            inliers = _on(rest, plane, tolerance).sum()
            if inliers > most_inliers:
                most_inliers, best = inliers, plane
        for _round in range(2):
            best = _fitted(rest[_on(rest, best, tolerance)], best)
        rest = rest[~_on(rest, best, tolerance)]
        planes[found] = best
        found += 1
    planes[found, 2] = np.median(samples[:, 2])
    return planes[: found + 1]


@njit(**_OPTIONS)
def _on(samples, plane, tolerance):  # pragma: no cover - compiled
    out = np.empty(len(samples), np.bool_)
    for t in range(len(samples)):
        x, y, z = samples[t]
        out[t] = abs(plane[0] * x + plane[1] * y + plane[2] - z) < tolerance * z
    return out


@njit(**_OPTIONS)
def _through(three, facing):  # pragma: no cover - compiled
    """The plane through three samples; facing the camera if asked or if they lie on a line."""
    i, j, m = three
    plane = np.zeros(3, np.float32)
    det = (j[0] - i[0]) * (m[1] - i[1]) - (m[0] - i[0]) * (j[1] - i[1])
    if not facing and abs(det) >= 4:
        plane[0] = ((j[2] - i[2]) * (m[1] - i[1]) - (m[2] - i[2]) * (j[1] - i[1])) / det
        plane[1] = ((j[0] - i[0]) * (m[2] - i[2]) - (m[0] - i[0]) * (j[2] - i[2])) / det
    plane[2] = i[2] - plane[0] * i[0] - plane[1] * i[1]
    return plane


@njit(**_OPTIONS)
def _fitted(samples, otherwise):  # pragma: no cover - compiled
    """Least squares of the relative error, slopes held back where the samples hardly spread."""
    if len(samples) < 3:
        return otherwise
    cx, cy = samples[:, 0].mean(), samples[:, 1].mean()
    A, v = np.zeros((3, 3)), np.zeros(3)
    row = np.ones(3)
    for t in range(len(samples)):
        row[0], row[1] = samples[t, 0] - cx, samples[t, 1] - cy
        z = np.float64(samples[t, 2])
        for i in range(3):
            v[i] += row[i] / z
            for j in range(3):
                A[i, j] += row[i] * row[j] / (z * z)
    A[0, 0] += 1e-3 * A[2, 2]
    A[1, 1] += 1e-3 * A[2, 2]
    s = np.linalg.solve(A, v)
    return np.array([s[0], s[1], s[2] - s[0] * cx - s[1] * cy]).astype(np.float32)


@njit(**_OPTIONS)
def propagate(unary, choices, log, active, rounds):  # pragma: no cover - compiled
    """Min-sum belief propagation in sweeps; a change of plane costs the step of log depth that it makes."""
    H, W, K = unary.shape
    messages = np.zeros((4, H, W, K), np.float32)
    belief = np.empty(K, np.float32)
    labels = np.zeros((H, W), np.int32)
    for turn in range(2 * rounds + 1):
        forward = turn % 2 == 0
        for t in range(H * W):
            i = t if forward else H * W - 1 - t
            y, x = i // W, i % W
            if not active[y, x]:
                continue
            for a in range(K):
                belief[a] = unary[y, x, a] + messages[0, y, x, a] + messages[1, y, x, a]
                belief[a] += messages[2, y, x, a] + messages[3, y, x, a]
            labels[y, x] = choices[y, x, np.argmin(belief)]
            for side in range(2):  # to the two neighbours that come next; directions 0 and 2 arrive from before
                d = 1 if forward else -1
                v, u = (y, x + d) if side == 0 else (y + d, x)
                if v < 0 or u < 0 or v >= H or u >= W or not active[v, u]:
                    continue
                back = 2 * side + (1 if forward else 0)
                to = 2 * side + (0 if forward else 1)
                lowest = np.float32(1e9)
                for b in range(K):
                    n = choices[v, u, b]
                    best = np.float32(1e9)
                    for a in range(K):
                        m = choices[y, x, a]
                        cost = belief[a] - messages[back, y, x, a]
                        if m != n:
                            step = abs(log[y, x, m] - log[y, x, n]) + abs(log[v, u, m] - log[v, u, n])
                            cost += np.float32(0.05) + min(step, np.float32(1))
                        best = min(best, cost)
                    messages[to, v, u, b] = best
                    lowest = min(lowest, best)
                for b in range(K):
                    messages[to, v, u, b] -= lowest
    return labels


@njit(**_OPTIONS)
def run(mask, depth, start, away, limit):  # pragma: no cover - compiled
    """Marks in place what lies straight behind the start pixels, up to a depth step or an unknown pixel.

    away: (dy, dx) of the run. limit: (longest run in pixels, ratio of depth that is a step).
    """
    H, W = mask.shape
    dy, dx = away
    reach, ratio = limit
    for y in range(H):
        for x in range(W):
            if not start[y, x]:
                continue
            v, u, last = y, x, depth[y, x]
            for _ in range(reach):
                if v < 0 or u < 0 or v >= H or u >= W:
                    break
                here = depth[v, u]
                if not (here < last * ratio and last < here * ratio):
                    break
                mask[v, u] = True
                v, u, last = v + dy, u + dx, here
