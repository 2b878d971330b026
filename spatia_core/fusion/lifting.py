"""Pixels become points."""

from dataclasses import replace

import numpy as np

from spatia_core.alignment import settled
from spatia_core.arrays import Depth, Image, Mask
from spatia_core.camera import Camera
from spatia_core.depth_edges import flying_pixels
from spatia_core.errors import InvalidInput
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud

OVERLAP = 1.3
"""Side of a point's square in units of the pixel it came from: neighbours overlap, so a moving camera sees no gaps."""

STEEPEST = 1.5
"""Most that a slant may widen points: in the view they come from, footprints stay below two pixels."""

MEASURED = 0.5
"""Confidence of a surface measured once, seen squarely. A confidence c weighs like c / (1 - c) such measurements."""

DOUBTFUL = 0.3
"""What is left of it at pixels that float between two surfaces."""


def point_radius(depth: Depth, camera: Camera) -> Depth:
    """(h, w) half side of the square that one pixel covers at `depth`, wider where the surface is slanted."""
    pixel = depth / np.float32(min(camera.K[0, 0], camera.K[1, 1]))
    known = np.where(np.isfinite(depth), depth, 0)
    gy, gx = np.gradient(known) if min(depth.shape) > 1 else (np.zeros_like(known), np.zeros_like(known))
    slope = np.hypot(gx, gy) / np.maximum(pixel, 1e-12)
    return (0.5 * OVERLAP * pixel * np.minimum(np.sqrt(1 + (0.25 * slope) ** 2), STEEPEST)).astype(np.float32)


def lift(image: Image, depth: Depth, camera: Camera, keep: Mask) -> PointCloud:
    """One point for every pixel of `keep`, row by row, placed at the pixel's centre; depth must be known there."""
    xyz = camera.unproject(depth)[keep]
    return PointCloud(xyz, image[keep], point_radius(depth, camera)[keep])


def measured_confidence(depth: Depth, camera: Camera) -> Depth:
    """(h, w) how far every pixel of a measured depth is believed: less on slants and between two surfaces."""
    squarely = 0.5 * OVERLAP * depth / np.float32(min(camera.K[0, 0], camera.K[1, 1]))
    with np.errstate(invalid="ignore"):
        out = MEASURED * squarely / point_radius(depth, camera)
    out[flying_pixels(depth)] *= DOUBTFUL
    return np.nan_to_num(out).astype(np.float32)


def remember_view(
    memory: SpatialMemory, view: Keyframe, provenance: Provenance = Provenance.OBSERVED, add: Mask | None = None
) -> SpatialMemory:
    """The memory with the view as a keyframe and its static pixels (those of `add`, all when None) as points.

    Every pixel of known depth becomes a point, so the memory seen from the view's own camera is the view's picture;
    depths that float between two surfaces are settled on one of them.
    """
    keep = np.isfinite(view.depth) & ~view.dynamic
    if add is not None:
        keep &= add
    if not keep.any() and not len(memory):
        raise InvalidInput(
            "No pixel of this view has a known depth: there is nothing to remember. Give a depth map that is not empty."
        )
    cloud = lift(view.image, settled(view.depth), view.camera, keep)
    uniform = PointLabels.uniform(len(cloud), provenance, keyframe=len(memory.keyframes))
    labels = replace(uniform, source=np.flatnonzero(keep).astype(np.int32))
    return memory.insert(cloud, labels, [view])
