"""Pose graphs over rigid motions (SE3) and similarities (Sim3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from spatia_core import se3
from spatia_core.errors import InvalidInput


@dataclass(frozen=True, eq=False, slots=True)
class Edge:
    """A measured relative pose: first <- second, that is inverse(pose[a]) @ pose[b]."""

    a: int
    b: int
    measured: np.ndarray
    """(4, 4); the upper left block is scale * rotation (scale 1 in a rigid graph)."""
    information: np.ndarray = field(default_factory=lambda: np.eye(6))
    """(6, 6) weights of rotation and translation (7, 7 with scale), left perturbation in the frame of `a`."""
    robust: bool = False
    """True for a loop: its pull is limited, in case it is wrong."""


LOOP_SIGMA = 3.0
"""Standard deviations from which the pull of a loop fades."""


def similarity(scale: float, R: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The 4x4 of x -> scale R x + t."""
    return se3.rigid(scale * R, t)


def scale_of(S: np.ndarray) -> float:
    """The scale of a similarity."""
    return float(np.cbrt(np.linalg.det(S[:3, :3])))


def _log(S: np.ndarray, with_scale: bool) -> np.ndarray:
    if not with_scale:
        return se3.log(S)
    G = np.real(scipy.linalg.logm(S))
    sigma = np.trace(G[:3, :3]) / 3
    return np.array([G[2, 1] - G[1, 2], G[0, 2] - G[2, 0], G[1, 0] - G[0, 1], *2 * G[:3, 3], 2 * sigma]) / 2


def _exp(x: np.ndarray) -> np.ndarray:
    if len(x) == 6:
        return se3.exp(x)
    G = np.zeros((4, 4))
    G[:3, :3] = np.array([[0, -x[2], x[1]], [x[2], 0, -x[0]], [-x[1], x[0], 0]]) + x[6] * np.eye(3)
    G[:3, 3] = x[3:6]
    return scipy.linalg.expm(G)


def _adjoint(S: np.ndarray, with_scale: bool) -> np.ndarray:
    n = 7 if with_scale else 6
    s, t = scale_of(S), S[:3, 3]
    R = S[:3, :3] / s
    skew = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    out = np.zeros((n, n))
    out[:3, :3], out[3:6, 3:6], out[3:6, :3] = R, s * R, skew @ R
    if with_scale:
        out[3:6, 6], out[6, 6] = -t, 1
    return out


def optimise(
    poses: Sequence[np.ndarray], edges: Sequence[Edge], fixed: Sequence[int] = (0,), with_scale: bool = False,
    rounds: int = 15,
) -> list[np.ndarray]:  # fmt: skip
    """The poses (camera to world) that agree best with all edges; `fixed` ones stay (Gauss-Newton, sparse).

    With scale the poses and measurements are similarities, so drift of scale is spread over the path. A robust edge
    that contradicts the others by far is left without pull. Raises InvalidInput for an edge to no pose.
    """
    if any(not (0 <= e.a < len(poses) and 0 <= e.b < len(poses)) for e in edges):
        raise InvalidInput(f"A pose graph of {len(poses)} poses has an edge to a pose that does not exist.")
    n = 7 if with_scale else 6
    found = [np.asarray(p, np.float64).copy() for p in poses]
    free = [i for i in range(len(found)) if i not in set(fixed)]
    slot = {p: k for k, p in enumerate(free)}
    if not free or not edges:
        return found
    damping, cost = 1e-9, np.inf
    for _ in range(rounds):
        H, g, new_cost = _normal_equations(found, edges, slot, with_scale)
        if new_cost > 0.999999 * cost and np.isfinite(cost):
            break
        cost = new_cost
        H = H + damping * sparse.diags(H.diagonal() + 1e-9)
        step = -np.asarray(spsolve(H.tocsc(), g)).reshape(-1, n)
        for p, k in slot.items():
            found[p] = _exp(step[k]) @ found[p]
    return found


def _normal_equations(poses: list, edges: Sequence[Edge], slot: dict[int, int], with_scale: bool) -> tuple:
    n = 7 if with_scale else 6
    g = np.zeros(n * len(slot))
    rows, columns, values = [], [], []
    cost = 0.0
    for e in edges:
        inverse = np.linalg.inv(poses[e.a])
        error = _log(inverse @ poses[e.b] @ np.linalg.inv(e.measured), with_scale)
        W = e.information
        if len(W) != n:
            W = np.pad(W, (0, n - len(W)))
            W[6:, 6:] = W[0, 0] * np.eye(n - 6)
        square = float(error @ W @ error)
        weight = 1 / (1 + square / LOOP_SIGMA**2) ** 2 if e.robust else 1.0
        cost += LOOP_SIGMA**2 * square / (LOOP_SIGMA**2 + square) if e.robust else square
        J = _adjoint(inverse, with_scale)
        block, pull = weight * J.T @ W @ J, weight * J.T @ W @ error
        for p, sign in ((e.b, 1), (e.a, -1)):
            if p not in slot:
                continue
            g[n * slot[p] : n * slot[p] + n] += sign * pull
            for q, other in ((e.b, 1), (e.a, -1)):
                if q in slot:
                    r, c = np.mgrid[n * slot[p] : n * slot[p] + n, n * slot[q] : n * slot[q] + n]
                    rows.append(r.ravel())
                    columns.append(c.ravel())
                    values.append((sign * other * block).ravel())
    size = len(g)
    if not rows:
        return sparse.eye_array(size), g, cost
    place = (np.concatenate(rows), np.concatenate(columns))
    return sparse.coo_array((np.concatenate(values), place), (size, size)), g, cost
