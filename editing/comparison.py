"""Two clips of the same camera, before and after an edit: where they may differ, and whether they agree elsewhere."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from editing.selection import grown
from spatia_core import metrics
from spatia_core.arrays import Image, Mask, Points, Selection
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip, Frame
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render

_ODD = np.uint64(0x9E3779B97F4A7C15)

BORDER = 3
"""Pixels around changed points that count as edited: interpolation mixes neighbours."""


@dataclass(frozen=True, slots=True)
class FrameComparison:
    """The same for one frame."""

    outside_psnr: float
    """dB; 100 = identical."""
    residue: float | None
    """None where nothing of the removed thing can be told from what lies behind it."""
    edited_share: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well an edit kept to itself and how much of the thing is left."""

    outside_psnr: float
    """dB between the clips over all pixels the edit did not touch; 100 = identical."""
    residue: float | None
    """Share of pixels where the removed thing still shows (see metrics.residue); None when nothing was removed."""
    edited_share: float
    """Share of all pixels that the edit touched."""
    frames: tuple[FrameComparison, ...] = ()
    """Frame by frame."""


def _fingerprints(points: Points) -> np.ndarray:
    """(n,) uint64 that are equal for bit-equal positions and almost surely different otherwise."""
    bits = np.ascontiguousarray(points).view(np.uint32).astype(np.uint64)
    mixed = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    for column, factor in ((1, 0xC2B2AE3D27D4EB4F), (2, 0x165667B19E3779F9)):
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(factor) + bits[:, column]
    return mixed ^ (mixed >> np.uint64(32))


def missing_from(points: Points, others: Float32[np.ndarray, "m 3"]) -> Selection:
    """(n,) True for the points that have no bit-equal twin among `others`."""
    return ~np.isin(_fingerprints(points), _fingerprints(others))


def changed_from(cloud: PointCloud, other: PointCloud) -> Selection:
    """(n,) True for the points that have no twin in the other cloud at the very place in the very colour."""
    mine, theirs = (
        _fingerprints(c.xyz) ^ (c.rgb.astype(np.uint64) @ np.array([1, 1 << 8, 1 << 16], np.uint64)) * _ODD
        for c in (cloud, other)
    )
    return ~np.isin(mine, theirs)


def edited_region(
    before: SpatialMemory, after: SpatialMemory, gone: Selection, new: Bool[np.ndarray, " m"], camera: Camera
) -> tuple[Mask, Mask, Image]:
    """From one camera: where the picture may differ, where something that is gone was seen, and what is there now."""
    seen_before, seen_after = render(before.cloud, camera), render(after.cloud, camera)
    a, b = seen_before.point_index, seen_after.point_index
    seen_gone = (a >= 0) & gone[np.maximum(a, 0)]
    seen_new = (b >= 0) & new[np.maximum(b, 0)]
    return grown(seen_gone | seen_new | ((a >= 0) != (b >= 0)), BORDER), seen_gone, seen_after.rgb


@dataclass(frozen=True, slots=True)
class _Tally:
    """Sums over one frame."""

    error: float
    outside: int
    telling: int
    left: int
    edited: int
    pixels: int

    @property
    def comparison(self) -> FrameComparison:
        """The sums as shares."""
        return FrameComparison(
            outside_psnr=metrics.psnr_of(self.error / max(3 * self.outside, 1)),
            residue=self.left / self.telling if self.telling else None,
            edited_share=self.edited / self.pixels,
        )


def _tally(
    pair: tuple[SpatialMemory, SpatialMemory],
    sets: tuple[Selection, Bool[np.ndarray, " m"]],
    frames: tuple[Frame, Frame, Mask | None],
) -> _Tally:
    (before, after), (gone, new), (a, b, moving) = pair, sets, frames
    region, removed, background = edited_region(before, after, gone, new, a.camera)
    if moving is not None:
        # what moves is part of the edit, and may pass where the thing stood
        region, removed = region | grown(moving, BORDER), removed & ~moving
    difference = cv2.absdiff(a.image, b.image)
    outside = (~region).astype(np.uint8)
    error = cv2.norm(difference, cv2.NORM_L2SQR, outside)
    telling = removed & (cv2.absdiff(a.image, background).max(2) > metrics.VISIBLE_CHANGE)
    left = telling & (difference.max(2) <= metrics.STILL_THERE)
    return _Tally(error, int(outside.sum()), int(telling.sum()), int(left.sum()), int(region.sum()), region.size)


def _moving(before: Clip, after: Clip, frame: int) -> Mask | None:
    """(h, w) where something moves in either clip."""
    masks = [c.dynamic[frame] for c in (before, after) if c.dynamic is not None]
    return None if not masks else masks[0] | masks[-1]


def compare(before: Clip, memory_before: SpatialMemory, after: Clip, memory_after: SpatialMemory) -> Comparison:
    """What the edit between the two clips did; raises InvalidInput unless both follow the same cameras."""
    if len(before) != len(after) or before.images.shape != after.images.shape:
        raise InvalidInput("Only clips of the same camera path and size can be compared.")
    pair = (memory_before, memory_after)
    sets = (
        changed_from(memory_before.cloud, memory_after.cloud),
        changed_from(memory_after.cloud, memory_before.cloud),
    )
    moving = [_moving(before, after, i) for i in range(len(before))]
    # frame by frame, so that a long clip needs no more room than a short one
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        tallies = list(pool.map(lambda frames: _tally(pair, sets, frames), zip(before, after, moving, strict=True)))
    outside, telling = sum(t.outside for t in tallies), sum(t.telling for t in tallies)
    mean_error = sum(t.error for t in tallies) / max(3 * outside, 1)
    return Comparison(
        outside_psnr=metrics.psnr_of(mean_error),
        residue=sum(t.left for t in tallies) / telling if telling else None,
        edited_share=sum(t.edited for t in tallies) / before.images[..., 0].size,
        frames=tuple(t.comparison for t in tallies),
    )
