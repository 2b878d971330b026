"""The compiled half of `patchmatch`: compare patches, search, vote, and even out the light at the joins.

Everything here works on float32 pictures of one pyramid level and on a nearest-neighbour field (H, W, 2) of int32 that
holds, for the centre of every patch that touches the hole, the centre (row, column) of its source; -1 elsewhere.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy", "fastmath": True}
FAR = np.float32(1e30)


class Field(NamedTuple):
    """What patches are compared by, at one level."""

    values: np.ndarray
    """(H, W, C) float32: red, green, blue in grey levels, then texture channels."""
    means: np.ndarray
    """(H, W, 3) float32: mean colour of the patch around every pixel."""
    guide: np.ndarray
    """(H, W, K) float32: compared at patch centres only, weights already multiplied in."""
    radius: int
    """A patch is 2 * radius + 1 pixels wide."""
    stay: np.float32
    """Cost of a source one column away (times the squared distance)."""
    stay_rows: np.float32
    """The same for one row, as a multiple of `stay`."""
    bias_limit: np.float32
    """The most that a copy may be lightened or darkened, grey levels."""
    bias_cost: np.float32
    """Price of doing so, as a part of the squared difference that it takes away."""


@njit(**_OPTIONS)
def _bias(field, c, y, x, v, u):  # pragma: no cover - compiled
    """The offset in colour c that a copy from (v, u) to (y, x) takes on, for light changes along a surface."""
    b = (field.means[y, x, c] - field.means[v, u, c]) / (1 + field.bias_cost)
    return min(max(b, -field.bias_limit), field.bias_limit)


@njit(**_OPTIONS)
def _cost(field, y, x, v, u, best):  # pragma: no cover - compiled
    """Squared difference of the patches at (y, x) and (v, u) with guide and distance; left early above `best`."""
    values, guide, r = field.values, field.guide, field.radius
    d = field.stay * (field.stay_rows * (y - v) * (y - v) + (x - u) * (x - u))
    for k in range(guide.shape[2]):
        g = guide[y, x, k] - guide[v, u, k]
        d += g * g
    if d >= best:
        return d
    side = 2 * r + 1
    if field.bias_limit > 0:
        for c in range(3):
            e = field.means[y, x, c] - field.means[v, u, c]
            b = _bias(field, c, y, x, v, u)
            d -= np.float32(side * side) * (e * e - (e - b) * (e - b) - field.bias_cost * b * b)
    n = side * values.shape[2]
    for i in range(-r, r + 1):
        a = values[y + i, x - r : x + r + 1].reshape(n)
        b = values[v + i, u - r : u + r + 1].reshape(n)
        s = np.float32(0)
        for k in range(n):
            t = a[k] - b[k]
            s += t * t
        d += s
        if d >= best:
            return d
    return d


@njit(**_OPTIONS)
def search(field, targets, usable, matches, costs, plan):  # pragma: no cover - compiled
    """Better sources for every target: what the neighbours found, then random places ever nearer (Barnes 2009).

    plan: (sweeps, reach in pixels, seed).
    """
    sweeps, reach, seed = plan
    np.random.seed(seed)  # noqa: NPY002 - numba knows no other
    H, W = usable.shape
    n = len(targets)
    for t in range(n):
        y, x = targets[t]
        costs[y, x] = _cost(field, y, x, matches[y, x, 0], matches[y, x, 1], FAR)
    for sweep in range(sweeps):
        step = 1 if sweep % 2 == 0 else -1
        for k in range(n):
            y, x = targets[k if step == 1 else n - 1 - k]
            best = costs[y, x]
            by, bx = matches[y, x, 0], matches[y, x, 1]
            for a in range(2):
                qy, qx = (y - step, x) if a else (y, x - step)
                if matches[qy, qx, 0] < 0:
                    continue
                v, u = matches[qy, qx, 0] + (y - qy), matches[qy, qx, 1] + (x - qx)
                if 0 <= v < H and 0 <= u < W and usable[v, u] and (v != by or u != bx):
                    d = _cost(field, y, x, v, u, best)
                    if d < best:
                        best, by, bx = d, v, u
            r = reach
            while r >= 1:
                v = by + np.random.randint(-r, r + 1)  # noqa: NPY002
                u = bx + np.random.randint(-r, r + 1)  # noqa: NPY002
                if 0 <= v < H and 0 <= u < W and usable[v, u]:
                    d = _cost(field, y, x, v, u, best)
                    if d < best:
                        best, by, bx = d, v, u
                r //= 2
            costs[y, x] = best
            matches[y, x, 0], matches[y, x, 1] = by, bx


@njit(**_OPTIONS)
def vote(field, points, matches, trust, origin, copy):  # pragma: no cover - compiled
    """New values of the hole's pixels (N, C) from all patches that cover them, and in `origin` where each came from.

    trust (H, W): weight of the patch centred there. copy: take the best proposal as it is; else the weighted mean.
    """
    values, r = field.values, field.radius
    H, W, C = values.shape
    out = np.zeros((len(points), C), np.float32)
    for t in range(len(points)):
        y, x = points[t]
        total, most = np.float32(0), np.float32(-1)
        my = mx = -1
        for qy in range(max(0, y - r), min(H, y + r + 1)):
            for qx in range(max(0, x - r), min(W, x + r + 1)):
                if matches[qy, qx, 0] < 0:
                    continue
                i, j = qy - y, qx - x
                w = trust[qy, qx]
                central = w * np.exp(np.float32(-(i * i + j * j)) / np.float32(6))
                if central > most:
                    most, my, mx = central, qy, qx
                if not copy:
                    v, u = matches[qy, qx, 0], matches[qy, qx, 1]
                    total += w
                    for c in range(C):
                        out[t, c] += w * values[v - i, u - j, c]
                    if field.bias_limit > 0:
                        for c in range(3):
                            out[t, c] += w * _bias(field, c, qy, qx, v, u)
        if my < 0:
            out[t] = values[y, x]
            continue
        v, u = matches[my, mx, 0], matches[my, mx, 1]
        origin[y, x, 0], origin[y, x, 1] = v - (my - y), u - (mx - x)
        if not copy:
            out[t] /= total
            continue
        out[t] = values[v - (my - y), u - (mx - x)]
        if field.bias_limit > 0:
            for c in range(3):
                out[t, c] += _bias(field, c, my, mx, v, u)
    return out


@njit(**_OPTIONS)
def best_by_known(field, known, sources, layer):  # pragma: no cover - compiled
    """The values (N, C) of the sources whose surroundings agree best with what is known around `layer` (N, 2)."""
    values, guide, r = field.values, field.guide, field.radius
    H, W, C = values.shape
    out = np.zeros((len(layer), C), np.float32)
    for t in range(len(layer)):
        y, x = layer[t]
        best, chosen = FAR, 0
        for s in range(len(sources)):
            v, u = sources[s]
            d = field.stay * (field.stay_rows * (y - v) * (y - v) + (x - u) * (x - u))
            for k in range(guide.shape[2]):
                g = guide[y, x, k] - guide[v, u, k]
                d += g * g
            for i in range(max(-r, -y), min(r + 1, H - y)):
                if d >= best:
                    break
                for j in range(max(-r, -x), min(r + 1, W - x)):
                    if known[y + i, x + j]:
                        for c in range(C):
                            e = values[y + i, x + j, c] - values[v + i, u + j, c]
                            d += e * e
            if d < best:
                best, chosen = d, s
        out[t] = values[sources[chosen, 0], sources[chosen, 1]]
    return out


@njit(**_OPTIONS)
def light_error(values, points, origin, tolerance):  # pragma: no cover - compiled
    """Divergence (H, W, 3) of source gradients less picture gradients: zero but at joins and at the hole's outline.

    A step far above `tolerance` is a wrong neighbour, not a change of light, and counts for nothing.
    """
    H, W, _ = values.shape
    out = np.zeros((H, W, 3), np.float32)
    for t in range(len(points)):
        y, x = points[t]
        v, u = origin[y, x]
        if v < 0:
            continue
        for k in range(4):
            dy, dx = (1, 0) if k == 0 else (-1, 0) if k == 1 else (0, 1) if k == 2 else (0, -1)
            qy, qx, a, b = y + dy, x + dx, v + dy, u + dx
            if qy < 0 or qx < 0 or qy >= H or qx >= W:
                continue
            here = 0 <= a < H and 0 <= b < W
            sv, su = origin[qy, qx]
            sa, sb = sv - dy, su - dx
            there = sv >= 0 and 0 <= sa < H and 0 <= sb < W
            for c in range(3):
                g = np.float32(0)
                if here:
                    g += values[a, b, c] - values[v, u, c]
                if there:
                    g += values[sv, su, c] - values[sa, sb, c]
                if here and there:
                    g *= np.float32(0.5)
                if here or there:
                    e = (values[qy, qx, c] - values[y, x, c]) - g
                    out[y, x, c] += e * np.exp(-((e / tolerance) ** 2))
    return out


@njit(**_OPTIONS)
def relax(correction, error, hole, screen, rounds):  # pragma: no cover - compiled
    """Red-black over-relaxation of the screened Poisson equation inside the hole, in place; 0 outside."""
    H, W = hole.shape
    for _ in range(rounds):
        for colour in range(2):
            for y in range(H):
                for x in range((y + colour) & 1, W, 2):
                    if not hole[y, x]:
                        continue
                    up, down, left, right = max(y - 1, 0), min(y + 1, H - 1), max(x - 1, 0), min(x + 1, W - 1)
                    step = np.float32(1.5) / (np.float32(4) + screen)
                    for c in range(3):
                        s = (
                            correction[up, x, c]
                            + correction[down, x, c]
                            + correction[y, left, c]
                            + correction[y, right, c]
                        )
                        correction[y, x, c] += step * (
                            s + error[y, x, c] - (np.float32(4) + screen) * correction[y, x, c]
                        )
