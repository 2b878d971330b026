"""Which keyframes a generator should look at for a coming path: those that see the same points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.optimize import linear_sum_assignment

from spatia_core.arrays import Selection
from spatia_core.camera import Camera
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render

PREVIEW = 208
"""Longer side of the renderings that visibility is judged by, pixels."""


def visible_points(cloud: PointCloud, camera: Camera) -> np.ndarray:
    """Sorted indices of the points that are front-most in a small rendering from `camera`."""
    scale = PREVIEW / max(camera.width, camera.height)
    small = camera.resized(max(1, round(camera.width * scale)), max(1, round(camera.height * scale)))
    index = render(cloud, small).point_index
    return np.unique(index[index >= 0])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two sorted index sets; 0 when both are empty."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(len(a) + len(b) - both, 1)


def select_references(
    memory: SpatialMemory, path: Sequence[Camera], count: int = 7, every: int = 12, least: float = 0.05
) -> tuple[int, ...]:
    """Indices of up to `count` keyframes that share most seen points with the path, in keyframe order.

    For every `every`-th camera of the path the keyframe of the highest 3D IoU is taken when it exceeds `least` (Spatia,
    supplementary algorithm 1; the threshold's value is not published).
    """
    if len(memory.keyframes) <= 1:
        return tuple(range(len(memory.keyframes)))
    # sub-sampling keeps the sets comparable and quick: identity of points matters, not their number
    cloud = memory.cloud[np.arange(0, len(memory), max(1, len(memory) // 60_000))]
    seen = [visible_points(cloud, k.camera) for k in memory.keyframes]
    best: dict[int, float] = {}
    for camera in path[::every]:
        target = visible_points(cloud, camera)
        scores = [iou(s, target) for s in seen]
        k = int(np.argmax(scores))
        if scores[k] > least:
            best[k] = max(best.get(k, 0.0), scores[k])
    ranked = sorted(best, key=lambda k: -best[k])[:count]
    return tuple(sorted(ranked))


@dataclass(frozen=True, eq=False, slots=True)
class Assignment:
    """Which keyframe every target view was given, by the rule of the published implementation."""

    targets: np.ndarray
    """(k,) indices of target views, rising."""
    candidates: np.ndarray
    """(k,) the candidate of each; all different."""
    overlap: Float32[np.ndarray, "t c"]
    """(t, c) how many points both see."""


def front_most(
    xyz: Float32[np.ndarray, "n 3"],
    w2c: Float[np.ndarray, "r 4"],
    lens: Float[np.ndarray, " 4"],
    size: tuple[int, int],
) -> Selection:
    """True for points that lie before all others in their pixel; every point is one pixel, however near.

    `lens` is fx, fy, cx, cy in pixels, `size` (height, width). All in float32, pixels truncated towards zero, equal
    depths (within 1e-6) both kept: the visibility that Spatia's published code counts references by.
    """
    height, width = size
    pose, (fx, fy, cx, cy) = w2c.astype(np.float32), lens.astype(np.float32)
    x, y, z = (xyz @ pose[:3, :3].T + pose[:3, 3]).T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u, v = np.trunc(fx * x / z + cx), np.trunc(fy * y / z + cy)
        inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    pixel = np.where(inside, v, 0).astype(np.int64) * width + np.where(inside, u, 0).astype(np.int64)
    nearest = np.full(height * width, np.inf, np.float32)
    np.minimum.at(nearest, pixel[inside], z[inside])
    return inside & (z <= nearest[pixel] + np.float32(1e-6))


def assign(
    targets: Bool[np.ndarray, "t n"], candidates: Bool[np.ndarray, "c n"], count: int = 7, rounded: bool = False
) -> Assignment:
    """A different candidate for every target so that they see most points in common; the first `count` pairs.

    `rounded` counts with the 8 significant bits of bfloat16, as the published implementation does on its card.

    Candidates that share nothing with their target are kept, as there is no threshold. With fewer candidates than
    targets some targets go without (the published implementation stops there).
    """
    overlap = targets.astype(np.float32) @ candidates.astype(np.float32).T
    overlap = _eight_bits(overlap) if rounded else overlap
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return Assignment(rows[:count], columns[:count], overlap)


def _eight_bits(counts: np.ndarray) -> np.ndarray:
    """float32 numbers rounded to the 8 significant bits of bfloat16, halves to even."""
    bits = counts.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def assign_references(
    memory: SpatialMemory, path: Sequence[Camera], count: int = 7, every: int = 12
) -> tuple[int, ...]:
    """Indices of up to `count` keyframes by the published implementation's rule, in the order of the path.

    Every `every`-th camera of the path is given a keyframe of its own, so that the numbers of points seen from both
    add up to most. `select_references` follows the paper instead.
    """
    if not memory.keyframes or not len(memory):
        return ()

    def masks(cameras: Sequence[Camera]) -> np.ndarray:
        return np.stack([front_most(memory.cloud.xyz, c.w2c, _lens(c), (c.height, c.width)) for c in cameras])

    pairs = assign(masks(path[::every]), masks([k.camera for k in memory.keyframes]), count)
    return tuple(int(k) for k in pairs.candidates)


def _lens(camera: Camera) -> np.ndarray:
    return np.array([camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]])
