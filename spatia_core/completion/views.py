"""Completion of a memory: from a view with holes to points without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spatia_core.arrays import Depth, Image, IndexMap, Mask, nearest_false
from spatia_core.camera import Camera
from spatia_core.completion.patchmatch import FAST, FillGuide, FillOptions, paint_from
from spatia_core.completion.surfaces import continue_depth, disocclusion_bands
from spatia_core.fusion import lift
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.render import Rendering, render

MARGIN = 0.15
"""How much of its size a photo is continued past its frame on each side."""

REACH = 0.06
"""How far background is continued behind a nearer edge, in widths of the photo."""

LARGE = 0.08
"""Share of a view above which a hole is filled with fewer rounds: seconds matter more than its finest detail."""

BRISK = FillOptions(coarse_rounds=6, fine_rounds=1)
"""How such a hole is filled."""

ENOUGH = 5e-4
"""Share of a frame that may stay unknown: a clip's generator fills such specks by itself."""

LAYER = 30.0
"""Grey levels that a source at e times the depth is worth less: floor comes from floor, wall from wall."""

STRIP = 120.0
"""The same for the strips that a moving camera uncovers: the near side of the step is beside them and must stay out."""

SET_BACK = np.float32(1.01)
"""What continues a far surface behind a step stands this much behind it, so that it never covers its neighbours."""

BEHIND = 1.02
"""A completed point must lie this much farther than what a keyframe saw on the same ray, or it would be seen there."""


def _guide(depth: Depth, forbidden: Mask | None, layer: float = LAYER) -> FillGuide:
    """Floor from floor, wall from wall: sources at another log depth are worth less."""
    return FillGuide(forbidden, np.log(depth)[..., None], (layer,))


@dataclass(frozen=True, eq=False, slots=True)
class _Filled:
    """A view without holes."""

    image: Image
    depth: Depth
    shown: IndexMap
    """(h, w) the point whose colour every pixel has: the one it shows, or the one its colour was copied from."""


def _filled(
    seen: Rendering,
    depth: Depth,
    hole: Mask,
    guide: FillGuide,
    options: FillOptions,
    at: Callable[[float], None] = lambda share: None,
) -> _Filled:
    image, origin = paint_from(seen.rgb, hole, guide, options, at)
    shown = seen.point_index.copy()
    copied = hole & (origin[..., 0] >= 0)
    shown[hole] = -1
    shown[copied] = seen.point_index[origin[copied][:, 0], origin[copied][:, 1]]
    return _Filled(image, depth, shown)


def _colour_and_depth(
    seen: Rendering, camera: Camera, hole: Mask, forbidden: Mask | None, options: FillOptions
) -> _Filled:
    """The view with the hole filled; forbidden pixels are nobody's source."""
    depth = continue_depth(np.where(hole, np.float32(np.nan), seen.depth), hole, camera, forbidden)
    return _filled(seen, depth, hole, _guide(depth, forbidden), options)


def _insert(memory: SpatialMemory, view: _Filled, camera: Camera, keep: Mask) -> SpatialMemory:
    """The memory with the completed pixels as points; the deeper in the hole, the less they are believed.

    Each remembers the keyframe pixel that its colour comes from: when that is removed, its copies go too.
    """
    inside = cv2.distanceTransform(keep.astype(np.uint8), cv2.DIST_L2, 3)
    cloud = lift(view.image, view.depth, camera, keep)
    shown = view.shown[keep]
    known, at = shown >= 0, np.maximum(shown, 0)
    old = memory.labels
    labels = PointLabels(
        confidence=(0.5 * np.exp(-inside[keep] / (0.1 * camera.width))).astype(np.float32),
        keyframe=np.where(known, old.keyframe[at], np.int32(max(len(memory.keyframes) - 1, 0))),
        object_id=np.zeros(len(cloud), np.int16),
        provenance=np.full(len(cloud), int(Provenance.COMPLETED), np.uint8),
        source=np.where(known, np.asarray(old.source)[at], np.int32(-1)),
    )
    return memory.insert(cloud, labels)


def _hidden_from_keyframes(memory: SpatialMemory, depth: Depth, camera: Camera, hole: Mask) -> Mask:
    """The part of the hole whose completed points no keyframe would see in front of what it really saw."""
    keep = hole.copy()
    ys, xs = np.nonzero(hole)
    points = camera.unproject(depth)[ys, xs]
    for view in memory.keyframes:
        uv, z = view.camera.project(points)
        with np.errstate(invalid="ignore"):
            inside = (z > 0) & (uv >= -1).all(1) & (uv < np.array([view.camera.width, view.camera.height]) + 1).all(1)
        x, y = np.clip(uv[inside].astype(int), 0, [view.camera.width - 1, view.camera.height - 1]).T
        known = np.nan_to_num(view.depth)
        # a footprint reaches into the next pixel, so the point must not stand before what is seen there either
        around = cv2.dilate(known, np.ones((3, 3), np.uint8))
        keep[ys[inside], xs[inside]] &= (z[inside] >= known[y, x] * BEHIND) & (z[inside] >= around[y, x])
    return keep


def complete_hole(
    memory: SpatialMemory,
    camera: Camera,
    hole: Mask,
    foreign: Mask | None = None,
    at: Callable[[float], None] = lambda share: None,
) -> SpatialMemory:
    """The memory with the place completed that an edit has cleared; hole: (h, w) of the camera's picture.

    foreign: (h, w) pixels that have nothing to do with it: neither their depth nor their colour runs into it. `at`
    hears the share that is done and may raise.
    """
    seen = render(memory.cloud, camera)
    hole = hole & ~seen.coverage
    if not hole.any() or not seen.coverage.any():
        return memory
    options = BRISK if hole.mean() > LARGE else FillOptions()
    unknown = ~seen.coverage
    depth = continue_depth(np.where(unknown, np.float32(np.nan), seen.depth), unknown, camera, foreign)
    # colours are evened out from a hole's border, so what is foreign counts as unknown as well
    view = _filled(seen, depth, unknown if foreign is None else unknown | foreign, _guide(depth, None), options, at)
    return _insert(memory, view, camera, hole)


def _from_far_side(depth: Depth) -> Depth:
    """Unknown depth taken over from the side that lies farther; holes open to the frame from what is nearest.

    What a moving camera uncovers is a strip that continues the far side of a step.
    """
    hole = ~np.isfinite(depth)
    rows, columns = nearest_false(hole)
    out = depth[rows, columns].copy()
    count, parts = cv2.connectedComponents(hole.astype(np.uint8))
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    closed = hole & ~np.isin(parts, border)
    if count == 1 or not closed.any():
        return out
    filled = np.where(hole, np.float32(0), depth)
    left = closed.copy()
    while left.any():
        grown = cv2.dilate(filled, np.ones((3, 3), np.uint8))
        reached = left & (grown > 0)
        filled[reached] = grown[reached]
        left &= ~reached
    out[closed] = filled[closed]
    return out


def complete_view(memory: SpatialMemory, camera: Camera) -> SpatialMemory:
    """The memory with points wherever `camera` saw none, behind all that keyframes saw."""
    seen = render(memory.cloud, camera)
    hole = ~seen.coverage
    if not hole.any() or hole.all():
        return memory
    depth = _from_far_side(seen.depth) * SET_BACK
    view = _filled(seen, depth, hole, _guide(depth, None, STRIP), FAST)
    return _insert(memory, view, camera, _hidden_from_keyframes(memory, depth, camera, hole))


def complete_around(
    memory: SpatialMemory, camera: Camera, at: Callable[[float], None] = lambda share: None
) -> SpatialMemory:
    """The memory continued past the camera's frame by MARGIN and behind near edges by REACH.

    at: told the share done, 0 to 1; what it raises ends the work.
    """
    at(0.0)
    wide = camera.widened(MARGIN)
    seen = render(memory.cloud, wide)
    margin = ~seen.coverage
    memory = _insert(memory, _colour_and_depth(seen, wide, margin, None, FAST), wide, margin)
    at(0.4)
    seen = render(memory.cloud, wide)
    depth = seen.depth
    reach = round(REACH * camera.width)
    bands = disocclusion_bands(depth, reach)
    if not bands.any():
        return memory
    # the near surface goes on beyond its band; it must not be taken for what lies behind itself
    at(0.6)
    nearer = disocclusion_bands(depth, 3 * reach) & ~bands
    behind = _colour_and_depth(seen, wide, bands, nearer, FAST)
    return _insert(memory, behind, wide, bands & (behind.depth > depth * BEHIND))


def complete_along(
    memory: SpatialMemory, path: Sequence[Camera], at: Callable[[float], None] = lambda share: None, views: int = 4
) -> tuple[SpatialMemory, float]:
    """The memory completed from the cameras of the path that see most unknown, and the largest share they saw.

    At most `views` views are completed, worst first; each sees what the one before added.
    """
    worst = 0.0
    candidates = [path[i] for i in sorted({round(s * (len(path) - 1)) for s in (0, 0.25, 0.5, 0.75, 1)})]
    for k in range(views):
        at(k / views)
        unknown = [float(np.mean(~render(memory.cloud, c).coverage)) for c in candidates]
        most = int(np.argmax(unknown))
        worst = max(worst, unknown[most])
        if unknown[most] < ENOUGH:
            break
        memory = complete_view(memory, candidates.pop(most))
        if not candidates:
            break
    return memory, worst
