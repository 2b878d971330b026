"""A tree of boxes over the solids, so that a ray asks few of them."""

import numpy as np
from numba import njit

from training.worlds.noise import OPTIONS, WITHOUT_MEMORY
from training.worlds.solids import AXES, CENTRE, FAR, HALF, hit

LEAF = 2
"""Most solids at the end of a branch."""


@njit(**OPTIONS)
def _bounds(solids):  # pragma: no cover - compiled
    n = len(solids)
    out = np.empty((n, 6))
    for i in range(n):
        for k in range(3):
            r = 0.0
            for j in range(3):
                r += abs(solids[i, AXES + 3 * j + k]) * solids[i, HALF + j]
            out[i, k], out[i, 3 + k] = solids[i, CENTRE + k] - r - 1e-6, solids[i, CENTRE + k] + r + 1e-6
    return out


@njit(**OPTIONS)
def build_tree(solids):  # pragma: no cover - compiled
    """(nodes, order): a node is its box (lowest, highest corner), then child or first place in order, then count."""
    n = len(solids)
    box = _bounds(solids)
    order = np.arange(n)
    nodes = np.zeros((max(2 * n, 1), 8))
    first, last = np.zeros(2 * n + 2, np.int64), np.zeros(2 * n + 2, np.int64)
    last[0] = n
    used, at = 1, 0
    while at < used:
        a, b = first[at], last[at]
        for k in range(3):
            low, high = FAR, -FAR
            for i in range(a, b):
                low, high = min(low, box[order[i], k]), max(high, box[order[i], 3 + k])
            nodes[at, k], nodes[at, 3 + k] = low, high
        if b - a <= LEAF:
            nodes[at, 6], nodes[at, 7] = a, b - a
        else:
            axis, widest = 0, -1.0
            for k in range(3):
                low, high = FAR, -FAR
                for i in range(a, b):
                    low, high = min(low, solids[order[i], CENTRE + k]), max(high, solids[order[i], CENTRE + k])
                if high - low > widest:
                    axis, widest = k, high - low
            part = order[a:b].copy()
            order[a:b] = part[np.argsort(solids[part, CENTRE + axis], kind="mergesort")]
            nodes[at, 6], nodes[at, 7] = used, 0
            middle = (a + b) // 2
            first[used], last[used], first[used + 1], last[used + 1] = a, middle, middle, b
            used += 2
        at += 1
    return nodes[:used].copy(), order


@njit(inline="always", **WITHOUT_MEMORY)
def _meets(nodes, at, o, inv, far):  # pragma: no cover - compiled
    """Where the ray enters the node's box, FAR when it misses or the box begins beyond `far`."""
    a, b = (nodes[at, 0] - o[0]) * inv[0], (nodes[at, 3] - o[0]) * inv[0]
    c, d = (nodes[at, 1] - o[1]) * inv[1], (nodes[at, 4] - o[1]) * inv[1]
    e, f = (nodes[at, 2] - o[2]) * inv[2], (nodes[at, 5] - o[2]) * inv[2]
    t0 = max(max(min(a, b), min(c, d)), max(min(e, f), 0.0))
    t1 = min(min(max(a, b), max(c, d)), min(max(e, f), far))
    return t0 if t0 <= t1 else FAR


@njit(inline="always", **WITHOUT_MEMORY)
def _safe_inverse(d):  # pragma: no cover - compiled
    return (
        1.0 / (d[0] if abs(d[0]) > 1e-12 else 1e-12),
        1.0 / (d[1] if abs(d[1]) > 1e-12 else 1e-12),
        1.0 / (d[2] if abs(d[2]) > 1e-12 else 1e-12),
    )


@njit(**WITHOUT_MEMORY)
def nearest(a, o, d, near, far):  # pragma: no cover - compiled
    """(t, solid, face) of the first solid that the ray meets; solid -1 for none. `a` is an `Arrays`."""
    nodes, order, solids, outlines, stack, entry = a.nodes, a.order, a.solids, a.outlines, a.stack, a.entry
    best, which, face = far, -1, 0
    if len(solids) == 0:
        return best, which, face
    inv = _safe_inverse(d)
    top = 1
    stack[0], entry[0] = 0, 0.0
    while top:
        top -= 1
        if entry[top] >= best:
            continue
        node = stack[top]
        count, at = int(nodes[node, 7]), int(nodes[node, 6])
        if count:
            for k in range(at, at + count):
                t, f = hit(solids, order[k], outlines, o, d, near, best)
                if t < best:
                    best, which, face = t, order[k], f
            continue
        t, u = _meets(nodes, at, o, inv, best), _meets(nodes, at + 1, o, inv, best)
        first, second = at, at + 1
        if t < u:  # the nearer child is looked at first
            t, u, first, second = u, t, second, first
        if t < best:
            stack[top], entry[top] = first, t
            top += 1
        if u < best:
            stack[top], entry[top] = second, u
            top += 1
    return best, which, face


@njit(**WITHOUT_MEMORY)
def blocked(a, o, d, far):  # pragma: no cover - compiled
    """Where, before `far`, some solid that does not glow stands in the way; `far` when nothing does."""
    nodes, order, solids, outlines, stack, glows = a.nodes, a.order, a.solids, a.outlines, a.stack, a.glows
    if len(solids) == 0:
        return far
    inv = _safe_inverse(d)
    top = 1
    stack[0] = 0
    while top:
        top -= 1
        node = stack[top]
        if _meets(nodes, node, o, inv, far) >= FAR:
            continue
        count, at = int(nodes[node, 7]), int(nodes[node, 6])
        if count:
            for k in range(at, at + count):
                if not glows[order[k]]:
                    t, _ = hit(solids, order[k], outlines, o, d, 0.0, far)
                    if t < far:
                        return t
        else:
            stack[top], stack[top + 1] = at, at + 1
            top += 2
    return far
