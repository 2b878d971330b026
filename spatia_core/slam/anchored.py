"""Frames whose own depth nobody knows, placed against views of known depth: features first, then every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.slam.align import LEAST_PHOTO, pair_system
from spatia_core.slam.features import MIN_INLIERS
from spatia_core.slam.frontends import ENOUGH, LEAST_TEXTURE, FrontEndName, by_landmarks
from spatia_core.slam.keyframes import MapKeyframe
from spatia_core.slam.views import LEVELS, Level, View

LIKE = 0.6
"""Correlation of intensities from which frame and anchors show the same."""
LEAST_SEEN = 200
"""Fewest points that a correlation is believed of."""
ROUNDS = (8, 8, 12)
"""Most Gauss-Newton steps a level, finest first."""
INDEPENDENT = 0.05
"""Share of the points that count as independent measurements: neighbours err alike."""
PRIOR = np.diag([1 / np.deg2rad(1.5) ** 2] * 3 + [1 / 0.06**2] * 3)
"""Information of the expected pose: 1.5 degrees, 3 % of a depth of 2. It decides only what the pictures leave open."""
BEHIND = 1.06
"""A point this much farther than the nearest on its ray is hidden."""


@dataclass(frozen=True, eq=False, slots=True)
class Anchored:
    """Where a frame was placed and how well it agrees."""

    c2w: Pose
    like: float
    """Correlation of intensities, -1 to 1."""
    points: int
    """Points it was taken over."""
    inliers: int
    """Features that agree; 0 when none were used."""

    @property
    def believable(self) -> bool:
        """True when the pictures agree, or enough features do."""
        seen = self.points >= LEAST_SEEN
        return (seen and self.like >= LIKE) or (self.inliers >= 2 * MIN_INLIERS and self.like >= LIKE / 2)


def nearest(anchors: Sequence[MapKeyframe], c2w: Pose, view: View, most: int) -> list[MapKeyframe]:
    """The anchors of which the camera sees most, best first; turned ones count less."""
    shares = [_share_inside(a, c2w, view) for a in anchors]
    order = np.argsort([-s for s in shares], kind="stable")
    return [anchors[i] for i in order[:most] if shares[i] > 0.02]


def place_by_pictures(
    view: View, guess: Pose, anchors: Sequence[MapKeyframe], frontend: FrontEndName
) -> Anchored | None:
    """Where `view` was taken; None when nothing agrees. `guess` is where it is expected, `anchors` best first."""
    candidates = []
    matched = partial(by_landmarks, view, anchors, 2 * ENOUGH)
    if frontend == "feature" and (found := matched()) is not None:
        candidates.append(refine_by_intensity(view, found[0], anchors, 1, found[1]))
    # asked for in any case: repeated patterns match in the wrong place
    candidates.append(refine_by_intensity(view, guess, anchors, LEVELS - 1))
    if frontend == "direct" and not candidates[0].believable and (found := matched()) is not None:
        candidates.append(refine_by_intensity(view, found[0], anchors, 1, found[1]))
    best = max(candidates, key=lambda c: c.like)
    return best if best.believable else None


def refine_by_intensity(
    view: View, start: Pose, anchors: Sequence[MapKeyframe], first_level: int, inliers: int = 0
) -> Anchored:
    """The pose near `start` at which the anchors' points meet their own intensity in the frame (Gauss-Newton)."""
    w2c = expected = se3.inverse(start)
    first = likeness(view, w2c, anchors)
    for level in range(first_level if view.texture > LEAST_TEXTURE else -1, -1, -1):
        target = view.levels[level]
        sources = [(a.c2w, a.view.levels[level].points) for a in anchors]
        sources = _unhidden(sources, w2c, view.levels[-1])
        scale = 12.0
        for _ in range(ROUNDS[level]):
            error = se3.log(w2c @ se3.inverse(expected))
            H, g, light, seen = PRIOR.copy(), PRIOR @ error, 0.0, 0
            for c2w, points in sources:
                part = pair_system(points, w2c @ c2w, target, (0.0, 1.0, scale), 1.0)
                H, g = H + INDEPENDENT * part.H, g + INDEPENDENT * part.g
                light, seen = light + part.photo * part.near, seen + part.near
            if seen < LEAST_SEEN / 4:
                break
            step = -np.linalg.solve(H, g)
            w2c = se3.exp(step) @ w2c
            scale = max(LEAST_PHOTO, 1.3 * light / seen)
            if np.abs(step).max() < 2e-5 * 4**level:
                break
    w2c[:3, :3] = se3.nearest_rotation(w2c[:3, :3])
    last = likeness(view, w2c, anchors)
    if last[0] < first[0] and inliers:
        return Anchored(start, *first, inliers)
    return Anchored(se3.inverse(w2c), *last, inliers)


def likeness(view: View, w2c: Pose, anchors: Sequence[MapKeyframe], level: int = 0) -> tuple[float, int]:
    """Correlation of the anchors' intensities with the frame's where they fall, and over how many points."""
    sources = _unhidden([(a.c2w, a.view.levels[level].points) for a in anchors], w2c, view.levels[-1])
    target = view.levels[level]
    h, w = target.depth.shape
    given: list[np.ndarray] = [np.empty(0, np.float32)]
    seen: list[np.ndarray] = [np.empty(0, np.float32)]
    for c2w, points in sources:
        _, u, v = _projected(points, w2c @ c2w, target)
        inside = (u >= 1) & (v >= 1) & (u < w - 1) & (v < h - 1)
        inside[inside] = target.depth[v[inside].astype(int), u[inside].astype(int)] >= 0
        if not inside.any():
            continue
        x, y = np.float32(u[inside] - 0.5), np.float32(v[inside] - 0.5)
        shade = np.ascontiguousarray(target.shading[..., 0])
        seen.append(cv2.remap(shade, x.reshape(1, -1), y.reshape(1, -1), cv2.INTER_LINEAR).ravel())
        given.append(points[inside, 6])
    a, b = np.concatenate(given), np.concatenate(seen)
    if len(a) < 30 or a.std() < 1 or b.std() < 1:
        return 0.0, len(a)
    return float(np.corrcoef(a, b)[0, 1]), len(a)


def _share_inside(anchor: MapKeyframe, c2w: Pose, view: View) -> float:
    level = view.levels[-1]
    points = anchor.view.levels[-1].points[::4]
    h, w = level.depth.shape
    _, u, v = _projected(points, se3.inverse(c2w) @ anchor.c2w, level)
    inside = np.count_nonzero((u >= 0) & (v >= 0) & (u < w) & (v < h))
    turned = max(0.0, float(anchor.c2w[:3, 2] @ c2w[:3, 2]))
    return turned * inside / max(h * w / 4, 1)


def _projected(points: np.ndarray, T: Pose, level: Level) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth and pixels of the points in the level; -1 where they are behind the camera."""
    fx, fy, cx, cy = level.lens
    p = points[:, :3] @ T[:3, :3].T.astype(np.float32) + T[:3, 3].astype(np.float32)
    front = p[:, 2] > 0.05
    z = np.where(front, p[:, 2], 1)
    return z, np.where(front, fx * p[:, 0] / z + cx, -1), np.where(front, fy * p[:, 1] / z + cy, -1)


def _unhidden(sources: list[tuple[Pose, np.ndarray]], w2c: Pose, level: Level) -> list[tuple[Pose, np.ndarray]]:
    """The points of each source without those that nearer ones hide from the camera."""
    h, w = level.depth.shape
    front = np.full((h + 2) * (w + 2), np.inf, np.float32)
    placed = []
    for c2w, points in sources:
        z, u, v = _projected(points, w2c @ c2w, level)
        inside = (u >= -1) & (v >= -1) & (u < w + 1) & (v < h + 1) & (u * v != 1)
        cell = (np.floor(v).astype(int) + 1).clip(0, h + 1) * (w + 2) + (np.floor(u).astype(int) + 1).clip(0, w + 1)
        np.minimum.at(front, cell[inside], z[inside])
        placed.append((z, cell, inside))
    out = []
    for (c2w, points), (z, cell, inside) in zip(sources, placed, strict=True):
        out.append((c2w, np.ascontiguousarray(points[inside & (z < BEHIND * front[cell])])))
    return out
