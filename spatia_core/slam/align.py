"""Dense alignment: depth to tangent planes and intensity to intensity, Gauss-Newton, coarse to fine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.slam import kernels
from spatia_core.slam.views import Level, View

GATES = (0.06, 0.12, 0.25)
"""Farthest a point may lie from the surface, level by level (scene units at a depth of 2, where noise is 1)."""
ROUNDS = (6, 6, 10)
"""Most Gauss-Newton steps per level, finest first."""
LEAST_GEO, LEAST_PHOTO = 0.002, 2.0
"""Residual scales never go below these (scene units at a depth of 2; grey levels)."""
PHOTO_WEIGHT = 0.15
"""Weight of intensity against depth, each on its own residual scale."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a view lies on what it was aligned to."""

    known: float
    """Share of the view's points that fall on known depth."""
    near: float
    """Share of those that lie on the surface."""
    error: float
    """Mean distance to the surface where near (scene units at a depth of 2)."""
    photo: float
    """Mean difference of intensity, grey levels."""
    stiffness: float
    """Smallest eigenvalue of the normal equations per point, with lengths in units of the scene: 0 = free to slide."""


@dataclass(eq=False, slots=True)
class System:
    """Normal equations of one pair in the left perturbation (rotation, translation) of target_from_source."""

    H: np.ndarray
    """(6, 6)."""
    g: np.ndarray
    """(6,)."""
    seen: int
    near: int
    error: float
    photo: float
    light: tuple[float, float]
    """Gain and offset of intensity that fit best here."""


def adjoint(T: Pose) -> np.ndarray:
    """(6, 6) matrix that takes a twist (rotation, translation) through `T`: T exp(x) = exp(adjoint(T) x) T."""
    R, t = T[:3, :3], T[:3, 3]
    skew = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    out = np.zeros((6, 6))
    out[:3, :3] = out[3:, 3:] = R
    out[3:, :3] = skew @ R
    return out


GAINS = (0.3, 3.0)
"""Gains between two pictures that are believed."""
SAME_LIGHT = (1.0, 0.0)
"""Gain and offset between two pictures taken alike."""


def pair_system(
    points: np.ndarray, T: Pose, target: Level, scales: tuple[float, float, float], photo: float,
    light: tuple[float, float] = SAME_LIGHT,
) -> System:  # fmt: skip
    """The equations of moving `points` by `T` onto `target`; `scales` are gate, geometric and photometric scale.

    `light` is the gain and offset of intensity to begin with, known from a step before.
    """
    H, g = np.zeros((8, 8)), np.zeros(8)
    seen, near, geo, lit, shade = kernels.pair_system(
        points, T, target.lens, target.depth, target.normals, target.shading, (*scales, photo, *light), H, g
    )
    if lit > 50 and scales[2] > 0:  # gain and offset are free
        inner = np.linalg.inv(H[6:, 6:] + 1e-9 * np.eye(2) * np.trace(H[6:, 6:]))
        change = inner @ g[6:]
        light = float(np.clip(light[0] - change[0], *GAINS)), float(light[1] - change[1])
        H6 = H[:6, :6] - H[:6, 6:] @ inner @ H[6:, :6]
        g6 = g[:6] - H[:6, 6:] @ inner @ g[6:]
    else:
        H6, g6 = H[:6, :6], g[:6]
    return System(H6, g6, seen, near, geo / max(near, 1), shade / max(lit, 1), light)


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """What an alignment goes by."""

    first_level: int = 2
    """Coarsest level to begin with."""
    photo: float = PHOTO_WEIGHT
    """Weight of intensity; 0 = depth only."""
    rounds: tuple[int, ...] = ROUNDS
    gate: float = 1.0
    """Factor on all gates."""


def align(
    view: View, c2w: Pose, targets: Sequence[tuple[View, Pose]], settings: AlignSettings | None = None
) -> tuple[Pose, Fit, np.ndarray]:
    """The c2w at which `view` fits all targets (view, c2w) best, starting at `c2w`; its fit; its information (6, 6).

    The information is in the left perturbation of c2w. Points of the view fall on the surfaces of the targets.
    """
    settings = settings or AlignSettings()
    world_to = [se3.inverse(T) for _, T in targets]
    adjoints = [adjoint(W) for W in world_to]
    fit, H = Fit(0, 0, np.inf, np.inf, 0), np.eye(6)
    for level in range(settings.first_level, -1, -1):
        points = view.levels[level].points
        s_geo, s_photo = GATES[level] / 3, 12.0
        gate = GATES[level] * settings.gate
        light = [SAME_LIGHT] * len(targets)
        for _ in range(settings.rounds[level]):
            H, g = np.zeros((6, 6)), np.zeros(6)
            parts = []
            for i, ((target, _), W, A) in enumerate(zip(targets, world_to, adjoints, strict=True)):
                scales = (gate, s_geo, s_photo if settings.photo else 0.0)
                part = pair_system(points, W @ c2w, target.levels[level], scales, settings.photo, light[i])
                light[i] = part.light
                H += A.T @ part.H @ A
                g += A.T @ part.g
                parts.append(part)
            fit = _fit(parts, len(points), H, c2w)
            if sum(p.near for p in parts) < 60:
                return c2w, fit, H
            step = -np.linalg.solve(H + 1e-6 * np.trace(H) / 6 * np.eye(6), g)
            c2w = se3.exp(step) @ c2w
            s_geo = max(LEAST_GEO, 1.3 * fit.error)
            s_photo = max(LEAST_PHOTO, 1.3 * fit.photo)
            if np.abs(_about(step, c2w)).max() < 1e-5 * 4**level:
                break
    c2w[:3, :3] = se3.nearest_rotation(c2w[:3, :3])
    return c2w, fit, H


def _about(step: np.ndarray, c2w: Pose) -> np.ndarray:
    """The twist as seen from the camera, where it does not depend on where the world's origin lies."""
    return adjoint(se3.inverse(c2w)) @ step


def _fit(parts: list[System], points: int, H: np.ndarray, c2w: Pose) -> Fit:
    best = max(parts, key=lambda p: p.seen)
    near = sum(p.near for p in parts)
    error = sum(p.error * p.near for p in parts) / max(near, 1)
    photo = sum(p.photo * p.near for p in parts) / max(near, 1)
    A = adjoint(c2w)
    stiffness = float(np.linalg.eigvalsh(A.T @ H @ A)[0]) / max(near, 1)
    return Fit(best.seen / max(points, 1), near / max(sum(p.seen for p in parts), 1), error, photo, stiffness)
