"""A memory as a tracker sees it: views of known depth, rendered, so that nothing edited away comes back."""

from collections.abc import Sequence

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.camera import Camera
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.render import render
from spatia_core.slam.keyframes import MapKeyframe, on_surface
from spatia_core.slam.views import prepare

DEPTH = 2.0
"""The typical depth that tracking works at: a memory is scaled to it meanwhile."""
MOST = 8
"""Keyframes of the memory that a clip is held against."""
SAMPLED = 8
"""Every how many frames a path is looked at for parts of the memory that no anchor shows."""
UNSHOWN = 0.3
"""Share of a view's memory that no anchor shows, from which that view becomes an anchor."""
LEAST_SHOWN = 0.05
"""Share of a picture that must be known for it to be an anchor."""


def unit_of(memory: SpatialMemory, camera: Camera) -> float:
    """What scene units are multiplied with so that the memory's typical depth is DEPTH."""
    if memory.keyframes:
        return DEPTH / memory.stage_depth()
    z = se3.transform(camera.w2c, memory.xyz[:: max(1, len(memory) // 10000)].astype(np.float64))[:, 2]
    return DEPTH / float(np.median(z[z > 0])) if (z > 0).any() else 1.0


def scaled(T: Pose, unit: float) -> Pose:
    """The pose with its translation in other units."""
    return se3.rigid(T[:3, :3], unit * T[:3, 3])


def anchors_of(memory: SpatialMemory, path: Sequence[Camera], unit: float, features: int) -> list[MapKeyframe]:
    """Views of the memory from its keyframes near the path, and from the path where those show too little."""
    size = path[0].width, path[0].height
    near = _nearest([k.camera for k in memory.keyframes], path, memory, unit)
    anchors = [a for c in near if (a := _anchor(memory, c.resized(*_fitted(c, size)), unit, features)) is not None]
    for camera in path[::SAMPLED]:
        seen = _anchor(memory, camera, unit, features, anchors)
        if seen is not None:
            anchors.append(seen)
    return anchors


def _anchor(
    memory: SpatialMemory, camera: Camera, unit: float, features: int, known: Sequence[MapKeyframe] = ()
) -> MapKeyframe | None:
    """The memory seen by the camera; None when it shows next to nothing or what `known` anchors show already."""
    c2w = scaled(camera.c2w, unit)
    if known:
        small = camera.resized(max(camera.width // 4, 32), max(camera.height // 4, 24))
        seen = render(memory.cloud, small)
        points = small.unproject(seen.depth).reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=1)] * unit
        if len(points) < LEAST_SHOWN * seen.depth.size or _unshown(points[::7], known) < UNSHOWN:
            return None
    seen = render(memory.cloud, camera)
    invented = seen.coverage & (memory.labels.provenance[seen.point_index] == Provenance.COMPLETED)
    depth = np.where(invented, np.float32(np.nan), seen.depth)
    if np.isfinite(depth).mean() < LEAST_SHOWN:
        depth = seen.depth  # better invented than nothing
    if np.isfinite(depth).mean() < LEAST_SHOWN:
        return None
    view = prepare(-1, seen.rgb, depth * np.float32(unit), camera.K, None, features)
    return MapKeyframe(view, c2w, 0)


def _unshown(points: np.ndarray, anchors: Sequence[MapKeyframe]) -> float:
    """Share of world points that no anchor has on its surface."""
    left = np.ascontiguousarray(points, np.float32)
    shown = np.zeros(len(left), bool)
    for anchor in anchors:
        shown |= on_surface(anchor.view, left, se3.inverse(anchor.c2w))
    return float(1 - shown.mean()) if len(left) else 0.0


def _nearest(cameras: Sequence[Camera], path: Sequence[Camera], memory: SpatialMemory, unit: float) -> list[Camera]:
    """At most MOST of the cameras, those closest to the path in place and direction."""
    if len(cameras) <= MOST:
        return list(cameras)
    wanted = []
    for target in path[::SAMPLED]:
        away = [
            np.linalg.norm(c.centre - target.centre) * unit / DEPTH
            + np.linalg.norm(se3.so3_log(c.w2c[:3, :3] @ target.w2c[:3, :3].T)) / np.deg2rad(30)
            for c in cameras
        ]
        wanted.append(np.argsort(away, kind="stable"))
    chosen = dict.fromkeys(int(order[rank]) for rank in range(MOST) for order in wanted)
    return [cameras[i] for i in list(chosen)[:MOST]]


def _fitted(camera: Camera, size: tuple[int, int]) -> tuple[int, int]:
    """The camera's size, no larger than about `size`."""
    factor = min(1.0, max(size[0] / camera.width, size[1] / camera.height))
    return max(16, round(camera.width * factor)), max(16, round(camera.height * factor))
