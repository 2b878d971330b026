"""Two clips of the same camera, before and after an edit: where they may differ, and whether they agree elsewhere."""

from dataclasses import dataclass

import numpy as np

from editing.selection import grown
from spatia_core import metrics
from spatia_core.arrays import Mask, Points, Selection
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip
from spatia_core.memory import SpatialMemory
from spatia_core.render import render

BORDER = 3
"""Pixels around changed points that count as edited: interpolation mixes neighbours."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How well an edit kept to itself and how much of the thing is left."""

    outside_psnr: float
    """dB between the clips over all pixels the edit did not touch; 100 = identical."""
    residue: float | None
    """Share of pixels where the removed thing still shows (see metrics.residue); None when nothing was removed."""
    edited_share: float
    """Share of all pixels that the edit touched."""


def _fingerprints(points: Points) -> np.ndarray:
    """(n,) uint64 that are equal for bit-equal positions and almost surely different otherwise."""
    bits = np.ascontiguousarray(points).view(np.uint32).astype(np.uint64)
    mixed = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    for column, factor in ((1, 0xC2B2AE3D27D4EB4F), (2, 0x165667B19E3779F9)):
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(factor) + bits[:, column]
    return mixed ^ (mixed >> np.uint64(32))


def missing_from(points: Points, others: Points) -> Selection:
    """(n,) True for the points that have no bit-equal twin among `others`."""
    return ~np.isin(_fingerprints(points), _fingerprints(others))


def edited_region(
    before: SpatialMemory, after: SpatialMemory, gone: Selection, new: Selection, camera: Camera
) -> tuple[Mask, Mask]:
    """(h, w) True where the picture may differ, and True where something that is gone was seen, from one camera."""
    a, b = render(before.cloud, camera).point_index, render(after.cloud, camera).point_index
    seen_gone = (a >= 0) & gone[np.maximum(a, 0)]
    seen_new = (b >= 0) & new[np.maximum(b, 0)]
    return grown(seen_gone | seen_new | ((a >= 0) != (b >= 0)), BORDER), seen_gone


def compare(before: Clip, memory_before: SpatialMemory, after: Clip, memory_after: SpatialMemory) -> Comparison:
    """What the edit between the two clips did; raises InvalidInput unless both follow the same cameras."""
    if len(before) != len(after) or before.images.shape != after.images.shape:
        raise InvalidInput("Only clips of the same camera path and size can be compared.")
    gone = missing_from(memory_before.xyz, memory_after.xyz)
    new = missing_from(memory_after.xyz, memory_before.xyz)
    regions = np.zeros(before.images.shape[:3], bool)
    removed = np.zeros_like(regions)
    background = np.zeros_like(before.images)
    for i, camera in enumerate(before.cameras):
        regions[i], removed[i] = edited_region(memory_before, memory_after, gone, new, camera)
        background[i] = render(memory_after.cloud, camera).rgb
    outside = metrics.outside_psnr(before.images, after.images, regions)
    left = metrics.residue(before.images, background, after.images, removed) if removed.any() else None
    return Comparison(outside, left, float(regions.mean()))
