"""The memory kept in shape: keyframes that a loop closure moved, a budget of points, less detail for viewers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64
from numba import njit

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.errors import InvalidInput
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.voxels import numbered, voxel_keys

COARSER = {Provenance.OBSERVED: 1.0, Provenance.GENERATED: 1.4, Provenance.COMPLETED: 2.0}
"""How much wider points are spaced that matter less."""

SAMPLE = 400_000
"""Points by which the spacing is chosen."""


# --- keyframes that moved --------------------------------------------------------------------------------------------


def moved_keyframes(
    memory: SpatialMemory, poses: Mapping[int, Pose], scales: Mapping[int, float] | None = None
) -> SpatialMemory:
    """The memory after the keyframes of these indices were found to stand elsewhere.

    poses: keyframe index to new w2c; scales: factors by which its depths grow (Sim3), 1 where none is given. The points
    of a keyframe move with it, also those that completion continued from it; all else stays.
    """
    factor = {k: float((scales or {}).get(k, 1.0)) for k in {*poses, *(scales or {})}}
    for k in factor:
        if not 0 <= k < len(memory.keyframes):
            raise InvalidInput(f"There is no keyframe {k}; the memory has {len(memory.keyframes)}.")
        if not (np.isfinite(factor[k]) and factor[k] > 0):
            raise InvalidInput(f"Keyframe {k} cannot be scaled by {factor[k]}; give a factor greater than 0.")
    keyframes = list(memory.keyframes)
    xyz, radius = memory.xyz.copy(order="F"), memory.cloud.radius.copy()
    for k, s in factor.items():
        view = keyframes[k]
        new = view.camera.moved(np.asarray(poses.get(k, view.camera.w2c), np.float64))
        at = np.flatnonzero(memory.labels.keyframe == k)
        inside = se3.transform(view.camera.w2c, xyz[at].astype(np.float64))
        xyz[at] = se3.transform(new.c2w, s * inside)
        radius[at] *= np.float32(s)
        keyframes[k] = replace(view, camera=new, depth=view.depth * np.float32(s))
    cloud = replace(memory.cloud, xyz=xyz, radius=radius)
    return replace(memory, cloud=cloud, keyframes=tuple(keyframes))


# --- fewer points ----------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _best(number, worth, best):  # pragma: no cover - compiled
    """Per voxel the point of highest worth, the first of equals."""
    for i in range(len(number)):
        k = number[i]
        if best[k] < 0 or worth[i] > worth[best[k]]:
            best[k] = i


@njit(cache=True, nogil=True)
def _reach(number, best, x, y, z, radius, out):  # pragma: no cover - compiled
    """Per voxel the half side with which its best point covers all that its points covered."""
    for i in range(len(number)):
        k = number[i]
        b = best[k]
        dx, dy, dz = x[i] - x[b], y[i] - y[b], z[i] - z[b]
        out[k] = max(out[k], radius[i] + np.sqrt(dx * dx + dy * dy + dz * dz))


@dataclass(frozen=True, eq=False, slots=True)
class Detail:
    """A memory reduced for a viewer."""

    cloud: PointCloud
    """The points left, each large enough to cover what it stands for."""
    points: Int64[np.ndarray, " k"]
    """(k,) ascending: which points of the memory they are."""


def _worth(labels: PointLabels) -> Float32[np.ndarray, " n"]:
    rank = np.array([2, 0, 1], np.float32)  # observed, completed, generated
    return rank[labels.provenance] + labels.confidence


def _spacing(labels: PointLabels) -> Float32[np.ndarray, " n"]:
    return np.array([COARSER[p] for p in sorted(Provenance)], np.float32)[labels.provenance]


def _voxels(xyz: np.ndarray, radius: np.ndarray, spacing: np.ndarray, side: float) -> tuple[int, np.ndarray]:
    # each kind has voxels of its own: an invented point never stands for a seen one
    return numbered(voxel_keys(xyz, radius, (spacing * np.float32(side)).astype(np.float32)))


def _side(memory: SpatialMemory, budget: int) -> float:
    """The voxel side, in units of the points' own, that leaves about `budget` points.

    Counted on whole neighbourhoods picked by their hash, because surfaces thin like areas only as long as they are
    dense.
    """
    xyz, radius, spacing = memory.xyz, memory.cloud.radius, _spacing(memory.labels)
    share = 1.0
    if len(memory) > SAMPLE:
        wide = voxel_keys(xyz, radius, np.full(len(memory), 64, np.float32))
        of = np.uint64(max(1, len(memory) // SAMPLE))
        chosen = np.flatnonzero((wide >> np.uint64(20)) % of == 0)
        share = len(chosen) / len(memory)
        xyz, radius, spacing = xyz[chosen], radius[chosen], spacing[chosen]
    low, high = 0.25, 0.5
    while _voxels(xyz, radius, spacing, high)[0] > budget * share and high < 2.0**30:
        low, high = high, 2 * high
    for _ in range(7):
        middle = float(np.sqrt(low * high))
        if _voxels(xyz, radius, spacing, middle)[0] > budget * share:
            low = middle
        else:
            high = middle
    return high


def thinned(memory: SpatialMemory, budget: int) -> tuple[PointCloud, Int64[np.ndarray, " k"]]:
    """At most `budget` points spaced evenly at their own scale, and which they are; radii grow so that no hole opens.

    Of each voxel the most trustworthy point stays, seen ones rather than invented ones; the same points always.
    """
    if budget < 1:
        raise InvalidInput(f"A memory cannot be thinned to {budget} points; give at least 1.")
    if len(memory) <= budget:
        return memory.cloud, np.arange(len(memory))
    side, spacing = _side(memory, budget), _spacing(memory.labels)
    cloud = memory.cloud
    while True:
        count, number = _voxels(cloud.xyz, cloud.radius, spacing, side)
        if count <= budget:
            break
        side *= max(1.02, float(np.sqrt(count / budget)))
        if side > 2.0**40:
            return _most_worthy(memory, budget)
    best = np.full(count, -1, np.int64)
    _best(number, _worth(memory.labels), best)
    reach = np.zeros(count, np.float32)
    x, y, z = cloud.xyz.T
    _reach(number, best, x, y, z, cloud.radius, reach)
    order = np.argsort(best)
    kept = best[order]
    return replace(cloud[kept], radius=reach[order]), kept


def _most_worthy(memory: SpatialMemory, budget: int) -> tuple[PointCloud, np.ndarray]:
    """The `budget` most trustworthy points: for budgets smaller than the number of different point sizes."""
    kept = np.sort(np.argsort(-_worth(memory.labels), kind="stable")[:budget])
    return memory.cloud[kept], kept


def within_budget(memory: SpatialMemory, budget: int) -> SpatialMemory:
    """The memory itself, or thinned to at most `budget` points when it has more."""
    cloud, kept = thinned(memory, budget)
    return memory if len(kept) == len(memory) else replace(memory, cloud=cloud, labels=memory.labels[kept])


def level_of_detail(memory: SpatialMemory, budget: int) -> Detail:
    """At most `budget` points for a viewer, evenly thinned at their own scale, without holes, the same every time."""
    return Detail(*thinned(memory, budget))
