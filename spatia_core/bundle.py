"""Cameras and points refined together until every point is seen where it was tracked (bundle adjustment).

A point is a pixel of the keyframe that first saw it and an inverse depth there, so one number a point is unknown. Its
expected inverse depth comes from a depth estimate: that gives the scene its size, and holds still what a camera that
only turns cannot measure. The lens is refined as well. Points are eliminated first (Schur complement).
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from spatia_core import se3
from spatia_core.arrays import Intrinsics, Pose

EXPECTED = 0.25
"""Standard deviation of the logarithm of an expected depth."""
LENS = 0.06
"""Standard deviation of the logarithm of an assumed focal length."""
SOFT = 1.0
"""Pixels beyond which a measurement counts less and less."""
WRONG = 3.0
"""Median pixels of error from which a point is taken for something that moves or was tracked wrongly."""


@dataclass(frozen=True, eq=False, slots=True)
class Problem:
    """n keyframes, m points and k sightings of points in keyframes other than their own."""

    K: Intrinsics
    w2c: Float[np.ndarray, "n 4 4"]
    """World to camera; the first stays where it is."""
    home: Int[np.ndarray, " m"]
    """Keyframe of every point."""
    pixel: Float[np.ndarray, "m 2"]
    """Where that keyframe sees it."""
    inverse: Float[np.ndarray, " m"]
    """Its inverse depth there."""
    expected: Float[np.ndarray, " m"]
    """The inverse depth that was expected."""
    point: Int[np.ndarray, " k"]
    """Point of every sighting."""
    view: Int[np.ndarray, " k"]
    """Keyframe of every sighting."""
    seen: Float[np.ndarray, "k 2"]
    """Where it was seen, pixels."""
    lens_known: bool = False
    """True when K is not to be refined."""

    def errors(self) -> Float[np.ndarray, "k 2"]:
        """Where every point should have been seen less where it was, pixels."""
        return _projected(self)[0] - self.seen

    def kept(self, points: Bool[np.ndarray, " m"]) -> Self:
        """The problem with these points only."""
        number = np.cumsum(points) - 1
        s = points[self.point]
        return replace(
            self,
            home=self.home[points],
            pixel=self.pixel[points],
            inverse=self.inverse[points],
            expected=self.expected[points],
            point=number[self.point[s]],
            view=self.view[s],
            seen=self.seen[s],
        )

    def points(self) -> Float[np.ndarray, "m 3"]:
        """World places of the points."""
        c2w = np.linalg.inv(self.w2c)[self.home]
        local = _rays(self.K, self.pixel) / self.inverse[:, None]
        return np.einsum("mij,mj->mi", c2w[:, :3, :3], local) + c2w[:, :3, 3]


def _rays(K: Intrinsics, pixel: np.ndarray) -> np.ndarray:
    return np.concatenate([(pixel - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones((len(pixel), 1))], 1)


def _projected(p: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels, camera-frame places and relative poses, one a sighting.

    Places are scaled by the inverse depth, which changes no pixel and keeps far points finite.
    """
    home, view = p.home[p.point], p.view
    T = p.w2c[view] @ np.linalg.inv(p.w2c)[home]
    q = np.einsum("kij,kj->ki", T[:, :3, :3], _rays(p.K, p.pixel[p.point]))
    q += p.inverse[p.point, None] * T[:, :3, 3]
    z = np.maximum(q[:, 2:], 1e-3)
    return q[:, :2] / z * p.K[[0, 1], [0, 1]] + p.K[:2, 2], q, T


def _scaled_lens(p: Problem, factor: float) -> Problem:
    K = p.K.copy()
    K[[0, 1], [0, 1]] *= factor
    return replace(p, K=K)


@dataclass(frozen=True, eq=False, slots=True)
class _Equations:
    """Normal equations: poses and lens (dense), points (diagonal), and what couples them."""

    H: np.ndarray
    g: np.ndarray
    Hx: np.ndarray
    gx: np.ndarray
    cross: np.ndarray
    cost: float


def _equations(p: Problem) -> _Equations:
    uv, q, T = _projected(p)
    m = len(p.home)
    r = uv - p.seen
    size = np.linalg.norm(r, axis=1)
    weight = 1 / (1 + (size / SOFT) ** 2)  # Cauchy
    weight[q[:, 2] <= 1e-3] = 0
    dq = _pinhole(p.K, q)
    # left perturbations (rotation, translation) of both world-to-camera poses; q carries the inverse depth
    rho = p.inverse[p.point]
    moved = np.concatenate([-_cross(q), rho[:, None, None] * np.eye(3)], 2)
    own = dq @ moved
    rays = _rays(p.K, p.pixel[p.point])
    home = -dq @ T[:, :3, :3] @ np.concatenate([-_cross(rays), rho[:, None, None] * np.eye(3)], 2)
    d_rho = np.einsum("kij,kj->ki", dq, T[:, :3, 3])
    step = 1e-4
    d_lens = (_projected(_scaled_lens(p, 1 + step))[0] - uv) / step
    J = _sparse(np.concatenate([own, home, d_lens[:, :, None]], 2), p)
    D = sparse.csr_array((d_rho.ravel(), (np.arange(2 * len(r)), np.repeat(p.point, 2))), (2 * len(r), m))
    w = np.repeat(weight, 2)
    JW = (J * w[:, None]).T.tocsr()
    H, g = (JW @ J).toarray(), JW @ r.ravel()
    Hx = np.bincount(p.point, weight * (d_rho**2).sum(1), m)
    gx = np.bincount(p.point, weight * (d_rho * r).sum(1), m)
    cross = (JW @ D).toarray().T
    # expected depths, in logarithms
    spread = EXPECTED * p.inverse
    off = np.log(p.inverse / p.expected) * p.inverse
    trust = 1 / (1 + (off / spread) ** 2)
    Hx += trust / spread**2
    gx += trust * off / spread**2
    cost = float(np.log1p((size / SOFT) ** 2).sum() * SOFT**2 + np.log1p((off / spread) ** 2).sum())
    return _Equations(H, g, Hx, gx, cross, cost)


def _pinhole(K: Intrinsics, q: np.ndarray) -> np.ndarray:
    """(k, 2, 3) how pixels change with camera-frame places."""
    z, zero = np.maximum(q[:, 2], 1e-3), np.zeros(len(q))
    u = np.stack([K[0, 0] / z, zero, -K[0, 0] * q[:, 0] / z**2], 1)
    v = np.stack([zero, K[1, 1] / z, -K[1, 1] * q[:, 1] / z**2], 1)
    return np.stack([u, v], 1)


def _sparse(blocks: np.ndarray, p: Problem) -> sparse.csr_array:
    """(2k, 6n + 1) derivatives by the seeing and the own camera (6 columns each) and the lens."""
    k, n = len(blocks), len(p.w2c)
    six = np.arange(6)
    columns = np.concatenate([6 * p.view[:, None] + six, 6 * p.home[p.point][:, None] + six, np.full((k, 1), 6 * n)], 1)
    rows = np.repeat(np.arange(2 * k), 13)
    return sparse.csr_array((blocks.ravel(), (rows, np.repeat(columns, 2, 0).ravel())), (2 * k, 6 * n + 1))


def _cross(v: np.ndarray) -> np.ndarray:
    out = np.zeros((len(v), 3, 3))
    out[:, 0, 1], out[:, 0, 2] = -v[:, 2], v[:, 1]
    out[:, 1, 0], out[:, 1, 2] = v[:, 2], -v[:, 0]
    out[:, 2, 0], out[:, 2, 1] = -v[:, 1], v[:, 0]
    return out


def adjusted(problem: Problem, rounds: int = 12) -> Problem:
    """The problem at the least error found from here (Levenberg-Marquardt, robust)."""
    p, damping, lens_start = problem, 1e-3, problem.K[0, 0]
    at = _equations(p)
    for _ in range(rounds):
        H, g = at.H.copy(), at.g.copy()
        held = 1 / (1e-6 if p.lens_known else LENS) ** 2
        H[-1, -1] += held
        g[-1] += held * np.log(p.K[0, 0] / lens_start)
        H[np.arange(6), np.arange(6)] += 1e12  # the first camera stays
        Hx = at.Hx * (1 + damping) + 1e-9
        S = H - at.cross.T @ (at.cross / Hx[:, None])
        S[np.diag_indices_from(S)] += damping * np.diag(H) + 1e-9
        step = -np.linalg.solve(S, g - at.cross.T @ (at.gx / Hx))
        tried = _stepped(p, step, -(at.gx + at.cross @ step) / Hx)
        then = _equations(tried)
        if then.cost < at.cost:
            done = then.cost > at.cost * (1 - 1e-5)
            p, at, damping = tried, then, max(damping / 5, 1e-7)
            if done:
                break
        else:
            damping *= 8
            if damping > 1e6:
                break
    return p


def _stepped(p: Problem, step: np.ndarray, rho: np.ndarray) -> Problem:
    w2c = p.w2c.copy()
    for k in range(1, len(w2c)):
        w2c[k] = se3.rigid(se3.so3_exp(step[6 * k : 6 * k + 3]), step[6 * k + 3 : 6 * k + 6]) @ w2c[k]
    inverse = np.clip(p.inverse + rho, 0.3 * p.inverse, 3 * p.inverse)
    return _scaled_lens(replace(p, w2c=w2c, inverse=inverse), float(np.exp(np.clip(step[-1], -0.1, 0.1))))


def placed(K: Intrinsics, w2c: Pose, xyz: np.ndarray, seen: np.ndarray, rounds: int = 8) -> tuple[Pose, np.ndarray]:
    """The camera near `w2c` that sees the places at the pixels (robust), and every error in pixels."""
    T = w2c
    error = np.full(len(xyz), np.inf)
    scale = 8 * SOFT  # wide at first, so that a far start finds home
    for _ in range(rounds):
        q = xyz @ T[:3, :3].T + T[:3, 3]
        z = np.maximum(q[:, 2], 1e-3)
        r = q[:, :2] / z[:, None] * K[[0, 1], [0, 1]] + K[:2, 2] - seen
        error = np.linalg.norm(r, axis=1)
        w = (q[:, 2] > 1e-3) / (1 + (error / scale) ** 2)
        J = (_pinhole(K, q) @ np.concatenate([-_cross(q), np.broadcast_to(np.eye(3), (len(q), 3, 3))], 2)).reshape(
            -1, 6
        )
        W = np.repeat(w, 2)[:, None] * J
        step = -np.linalg.solve(J.T @ W + 1e-6 * np.eye(6), W.T @ r.ravel())
        T = se3.rigid(se3.so3_exp(step[:3]), step[3:]) @ T
        scale = max(SOFT, scale / 2)
    return T, error
