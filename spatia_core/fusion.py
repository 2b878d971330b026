"""Views into the memory: pixels become points, and a clip adds only what the memory did not know."""

from dataclasses import dataclass, replace

import numpy as np

from spatia_core.alignment import fit_inverse_depth, settled
from spatia_core.arrays import Depth, Image, Mask
from spatia_core.backends.protocols import DepthEstimator, Tracking
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render

OVERLAP = 1.3
"""Side of a point's square in units of the pixel it came from: neighbours overlap, so a moving camera sees no gaps."""

STEEPEST = 1.5
"""Most that a slant may widen points: in the view they come from, footprints stay below two pixels."""

COMMON = 0.02
"""Share of a view that must be known to carry its alignment; views of less are left out."""

NEWS = 0.005
"""Share of a view that must be unknown before its depth is worth estimating."""


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


@dataclass(frozen=True, slots=True)
class FusionReport:
    """What a clip changed."""

    added: int
    """Points added."""
    examined: int
    """Frames whose coverage was looked at."""


def fuse_clip(
    memory: SpatialMemory, clip: Clip, tracking: Tracking, estimator: DepthEstimator
) -> tuple[SpatialMemory, FusionReport]:
    """The memory with what the clip's keyframes show where the memory was empty, and a report.

    The depth of a frame is estimated only when the memory leaves more than NEWS of it unknown, brought to the memory's
    scale over the known part and never overwrites what is there; a revisit therefore adds nothing.
    """
    added = 0
    for i in tracking.keyframes:
        camera = tracking.cameras[i]
        seen = render(memory.cloud, camera)
        # a view that shares next to nothing with the memory cannot be brought to its scale
        if np.mean(~seen.coverage) < NEWS or np.mean(seen.coverage) < COMMON:
            continue
        prediction = estimator.estimate(clip.images[i], camera.K)
        depth = fit_inverse_depth(prediction.depth.depth, seen.depth).apply(prediction.depth.depth)
        view = Keyframe.static(clip.images[i], depth, camera)
        before = len(memory)
        memory = remember_view(memory, view, Provenance.GENERATED, add=~seen.coverage)
        added += len(memory) - before
    return memory, FusionReport(added, len(tracking.keyframes))
