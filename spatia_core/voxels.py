"""Where points are: boxes around runs of them for culling, and voxel hashing for finding neighbours and thinning.

A point's voxel is as large as the point: its level is the power of two above its footprint, so a scene's near, fine
points and its far, coarse ones are each hashed at their own scale. Voxels are known by a 64-bit hash of level and
place; two that collide (one in 10^19 pairs) only make a search look at one point more.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt64
from numba import njit

from spatia_core.arrays import Points
from spatia_core.camera import Camera

BLOCK = 4096
"""Points in a run. Points arrive view by view, row by row, so a run lies close together."""

REACH = 14.0
"""Pixels by which a footprint may reach into the picture from a point outside of it."""

_OPTIONS = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy"}
_LOWEST = -40


@njit(**_OPTIONS)
def _bound(xs, low, high, first, size):  # pragma: no cover - compiled
    n = len(xs)
    for b in range(first, len(low)):
        lo = hi = xs[b * size]
        for i in range(b * size + 1, min(n, (b + 1) * size)):
            lo = min(lo, xs[i])
            hi = max(hi, xs[i])
        low[b], high[b] = lo, hi


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """Axis-aligned boxes around every BLOCK consecutive points."""

    low: Float32[np.ndarray, "m 3"]
    """(m, 3) lowest corners."""
    high: Float32[np.ndarray, "m 3"]
    """(m, 3) highest corners."""
    points: int
    """How many points they hold."""

    @classmethod
    def around(cls, xyz: Points) -> Self:
        """The boxes of these points."""
        return cls(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), 0).extended(xyz)

    def extended(self, xyz: Points) -> Self:
        """The boxes when points were added behind those already held; only the new ones are looked at."""
        kept = self.points // BLOCK
        m = -(-len(xyz) // BLOCK)
        low, high = np.empty((m, 3), np.float32), np.empty((m, 3), np.float32)
        low[:kept], high[:kept] = self.low[:kept], self.high[:kept]
        for k in range(3):
            _bound(xyz[:, k], low[:, k], high[:, k], kept, BLOCK)
        return type(self)(low, high, len(xyz))

    def widened(self, xyz: Points, points: Int64[np.ndarray, " k"]) -> Self:
        """The boxes grown to hold these of the points, which were moved."""
        low, high = self.low.copy(), self.high.copy()
        for k in range(3):
            np.minimum.at(low[:, k], points // BLOCK, xyz[points, k])
            np.maximum.at(high[:, k], points // BLOCK, xyz[points, k])
        return type(self)(low, high, self.points)

    def seen_by(self, camera: Camera, farthest: float = np.inf) -> Int64[np.ndarray, "k 2"]:
        """(k, 2) first and last + 1 of the runs of points that `camera` may see nearer than `farthest`, in order."""
        centre, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        R, t = camera.w2c[:3, :3], camera.w2c[:3, 3]
        K, w, h = camera.K, camera.width, camera.height
        planes = np.array(
            [
                [K[0, 0], 0, K[0, 2] + REACH],
                [-K[0, 0], 0, w - K[0, 2] + REACH],
                [0, K[1, 1], K[1, 2] + REACH],
                [0, -K[1, 1], h - K[1, 2] + REACH],
                [0, 0, 1],
            ]
        )
        at, reach = planes @ R, np.abs(planes @ R)
        room = 1e-4 * (np.abs(centre).max(initial=0) + 1) * np.linalg.norm(planes, axis=1)
        inside = (centre @ at.T + planes @ t + half @ reach.T + room > 0).all(1)
        if np.isfinite(farthest):
            inside &= centre @ R[2] + t[2] - half @ np.abs(R[2]) <= farthest
        edges = np.diff(np.concatenate([[0], inside.view(np.int8), [0]]))
        runs = np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], 1).astype(np.int64) * BLOCK
        return np.minimum(runs, self.points)


@njit(**_OPTIONS)
def _mix(level, x, y, z):  # pragma: no cover - compiled
    """splitmix64 over the four numbers."""
    h = np.uint64(level + 64)
    for v in (x, y, z):
        h = (h ^ np.uint64(v)) + np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        h = h ^ (h >> np.uint64(31))
    return h


@njit(**_OPTIONS)
def _levels(radius, out):  # pragma: no cover - compiled
    for i in range(len(radius)):
        r = np.float64(radius[i])
        out[i] = max(_LOWEST, int(np.ceil(np.log2(2 * r)))) if r > 0 else _LOWEST


@njit(**_OPTIONS)
def _keys(xyz, levels, side, out):  # pragma: no cover - compiled
    for i in range(len(out)):
        size = side[i] * 2.0 ** np.float64(levels[i])
        x, y, z = np.floor(xyz[i, 0] / size), np.floor(xyz[i, 1] / size), np.floor(xyz[i, 2] / size)
        out[i] = _mix(levels[i], np.int64(x), np.int64(y), np.int64(z))


def levels(radius: Float32[np.ndarray, " n"]) -> Int32[np.ndarray, " n"]:
    """The power of two at or above each footprint's side."""
    out = np.empty(len(radius), np.int32)
    _levels(np.ascontiguousarray(radius), out)
    return out


def voxel_keys(
    xyz: Points, radius: Float32[np.ndarray, " n"], side: Float32[np.ndarray, " n"]
) -> UInt64[np.ndarray, " n"]:
    """A number for every point, equal for points of one level in one voxel; side: voxel sides in units of 2^level."""
    out = np.empty(len(xyz), np.uint64)
    _keys(xyz, levels(radius), np.ascontiguousarray(side), out)
    return out


@njit(**_OPTIONS)
def _slot(table, key):  # pragma: no cover - compiled
    """Where the key is, or where it would be put."""
    mask = np.uint64(len(table) - 1)
    at = key & mask
    while table[at] != np.uint64(0) and table[at] != key:
        at = (at + np.uint64(1)) & mask
    return at


@njit(**_OPTIONS)
def _number(keys, table, numbers, out):  # pragma: no cover - compiled
    count = 0
    for i in range(len(keys)):
        key = max(keys[i], np.uint64(1))
        at = _slot(table, key)
        if table[at] == np.uint64(0):
            table[at] = key
            numbers[at] = count
            count += 1
        out[i] = numbers[at]
    return count


def _table_size(n: int) -> int:
    return 1 << max(4, int(np.ceil(np.log2(max(n, 1) * 1.6))))


def numbered(keys: UInt64[np.ndarray, " n"]) -> tuple[int, Int32[np.ndarray, " n"]]:
    """How many different keys there are, and each point's key as a number counted in order of appearance."""
    size = _table_size(len(keys))
    out = np.empty(len(keys), np.int32)
    count = _number(keys, np.zeros(size, np.uint64), np.empty(size, np.int32), out)
    return int(count), out


@njit(**_OPTIONS)
def _link(keys, table, heads, following):  # pragma: no cover - compiled
    for i in range(len(keys)):
        key = max(keys[i], np.uint64(1))
        at = _slot(table, key)
        if table[at] == np.uint64(0):
            table[at] = key
            heads[at] = -1
        following[i] = heads[at]
        heads[at] = i


@njit(**_OPTIONS)
def _near(xyz, levels_of, held, held_radius, table, heads, following, reach, out):  # pragma: no cover
    """Per point True when it lies within reach half sides of a held one."""
    for i in range(len(out)):
        out[i] = False
        x, y, z = np.float64(xyz[i, 0]), np.float64(xyz[i, 1]), np.float64(xyz[i, 2])
        for level in range(levels_of[i] - 2, levels_of[i] + 3):
            size = 2.0 ** np.float64(level)
            # the nearer half of each neighbouring voxel holds all that lies within half a voxel
            gx, gy, gz = np.floor(x / size - 0.5), np.floor(y / size - 0.5), np.floor(z / size - 0.5)
            for corner in range(8):
                cx, cy, cz = gx + (corner & 1), gy + (corner >> 1 & 1), gz + (corner >> 2)
                key = max(_mix(level, np.int64(cx), np.int64(cy), np.int64(cz)), np.uint64(1))
                at = _slot(table, key)
                k = heads[at] if table[at] == key else -1
                while k >= 0:
                    dx, dy, dz = held[k, 0] - x, held[k, 1] - y, held[k, 2] - z
                    limit = reach * held_radius[k]
                    if dx * dx + dy * dy + dz * dz <= limit * limit:
                        out[i] = True
                        break
                    k = following[k]
                if out[i]:
                    break
            if out[i]:
                break


class VoxelIndex:
    """Points hashed by voxel. Building it costs what the given points cost, so it is built of what a view touches."""

    def __init__(self, xyz: Points, radius: Float32[np.ndarray, " n"]) -> None:
        self._xyz, self._radius = xyz, radius
        size = _table_size(len(xyz))
        self._table = np.zeros(size, np.uint64)
        self._heads = np.full(size, -1, np.int32)
        self._following = np.empty(len(xyz), np.int32)
        _link(voxel_keys(xyz, radius, np.ones(len(xyz), np.float32)), self._table, self._heads, self._following)

    def __len__(self) -> int:
        return len(self._xyz)

    def holds_near(self, xyz: Points, radius: Float32[np.ndarray, " k"], reach: float = 0.5) -> Bool[np.ndarray, " k"]:
        """(k,) True for points that lie within `reach` (at most 1) half sides of a held one, so on its footprint.

        Held points more than four times larger or smaller than the asked one are not looked at.
        """
        out = np.zeros(len(xyz), bool)
        if len(self) and len(xyz):
            tables = (self._table, self._heads, self._following)
            _near(xyz, levels(radius), self._xyz, self._radius, *tables, np.float64(reach), out)
        return out
