"""Keyframes refined together: every pair that sees a surface must agree about it, in depth and in intensity."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from spatia_core import se3
from spatia_core.slam.align import GATES, LEAST_GEO, LEAST_PHOTO, SAME_LIGHT, adjoint, pair_system
from spatia_core.slam.keyframes import MapKeyframe

DAMPING = 1e-7
"""Held small, because a long chain of keyframes bends as a whole at next to no cost."""
LEAST_NEAR = 0.4
"""A pair whose surfaces agree on less than this is left out."""


def refine(
    keyframes: Sequence[MapKeyframe], pairs: Sequence[tuple[int, int]], fixed: set[int], photo: float,
    levels: Sequence[int] = (1, 1, 1, 0, 0, 0),
) -> float:  # fmt: skip
    """Moves the keyframes that are not `fixed` to where all pairs agree best; returns the mean distance left.

    One Gauss-Newton step per entry of `levels` over all pairs at once: points of each land on the other's surface.
    """
    members = sorted({k for p in pairs for k in p})
    slot = {k: i for i, k in enumerate(k for k in members if k not in fixed)}
    scale: dict[tuple[int, int], tuple] = {}
    left = 0.0
    for level in levels:
        if not slot:
            break
        blocks: dict[tuple[int, int], np.ndarray] = {}
        g = np.zeros((len(slot), 6))
        near, total = 0, 0.0
        for a, b in pairs:
            for source, target in ((a, b), (b, a)):
                part = _system(keyframes, (source, target), level, scale, photo)
                if part is None:
                    continue
                H, pull, count, error = part
                near += count
                total += count * error
                _add(blocks, g, slot, (source, target), H, pull)
        left = total / max(near, 1)
        step = _solve(blocks, g)
        for k, i in slot.items():
            c2w = se3.exp(-step[i]) @ keyframes[k].c2w
            c2w[:3, :3] = se3.nearest_rotation(c2w[:3, :3])
            keyframes[k].c2w = c2w
    return left


def _system(keyframes: Sequence[MapKeyframe], pair: tuple[int, int], level: int, scale: dict, photo: float):
    source, target = keyframes[pair[0]], keyframes[pair[1]]
    world_to = se3.inverse(target.c2w)
    s_geo, s_photo, light = scale.get(pair, (0.01, 10.0, SAME_LIGHT))
    part = pair_system(
        source.view.levels[level].points, world_to @ source.c2w, target.view.levels[level],
        (0.5 * GATES[level], s_geo, s_photo if photo else 0.0), photo, light,
    )  # fmt: skip
    if part.near < 100 or part.near < LEAST_NEAR * part.seen:
        return None
    scale[pair] = (max(LEAST_GEO, 1.3 * part.error), max(LEAST_PHOTO, 1.3 * part.photo), part.light)
    A = adjoint(world_to)
    return A.T @ part.H @ A, A.T @ part.g, part.near, part.error


def _add(blocks: dict, g: np.ndarray, slot: dict, pair: tuple[int, int], H: np.ndarray, pull: np.ndarray) -> None:
    for p, sign in ((pair[0], 1), (pair[1], -1)):
        if p not in slot:
            continue
        i = slot[p]
        g[i] += sign * pull
        for q, other in ((pair[0], 1), (pair[1], -1)):
            if q in slot:
                at = (i, slot[q])
                blocks[at] = blocks.get(at, 0) + sign * other * H


def _solve(blocks: dict[tuple[int, int], np.ndarray], g: np.ndarray) -> np.ndarray:
    n = len(g)
    if not blocks:
        return np.zeros_like(g)
    rows, columns, values = [], [], []
    for (i, j), block in blocks.items():
        r, c = np.mgrid[6 * i : 6 * i + 6, 6 * j : 6 * j + 6]
        rows.append(r.ravel())
        columns.append(c.ravel())
        values.append(block.ravel())
    H = sparse.coo_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (6 * n, 6 * n))
    diagonal = H.diagonal()
    H = H + sparse.diags(DAMPING * diagonal + 1e-12 * max(float(diagonal.max()), 1e-9))
    return np.asarray(spsolve(H.tocsc(), g.ravel())).reshape(n, 6)
