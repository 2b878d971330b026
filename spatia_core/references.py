"""Which keyframes a generator should look at for a coming path: those that see the same points."""

from collections.abc import Sequence

import numpy as np

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
