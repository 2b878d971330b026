"""Edits: (memory, selection, parameters) -> memory. Every one of them leaves no pixel of what it took away."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import Bool

from editing.edits import NOTHING, Along, Edit, Fill
from editing.fringe import fringe
from editing.ground import Ground, ground_under
from editing.inserting import inserted
from editing.marks import Found, Marks
from editing.placing import Similarity, as_object, next_number, set_down, similarity
from editing.recolouring import recoloured
from editing.selection import checked, edge_width, grown, lift_mask, points_under, selected_pixels, shown_mask
from editing.volume_selection import Drawn, Thing, Volume, checked_points
from editing.walking import Walker
from spatia_core.arrays import Depth, Mask, Selection, nearest_false
from spatia_core.backends.protocols import Progress, silent
from spatia_core.camera import Camera
from spatia_core.completion import MARGIN, complete_hole
from spatia_core.depth_edges import stand_up
from spatia_core.errors import InvalidInput
from spatia_core.fusion import lift
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import Rendering, render
from spatia_core.se3 import Vec3


@dataclass(frozen=True, eq=False, slots=True)
class Cleared:
    """A memory without a thing, its background completed, and the thing itself."""

    base: SpatialMemory
    """The memory with the thing where it was."""
    memory: SpatialMemory
    """What is left, completed where the thing stood."""
    left: int
    """How many of its points were left; those after them were completed."""
    view: Camera
    """The widened view it was completed in."""
    thing: PointCloud
    """The thing's points as they were."""
    solid_thing: PointCloud
    """The thing stood upright at its ground contact."""
    labels: PointLabels
    """What was known of the thing's points, in the order of both clouds."""
    ground: Ground
    """What it stands on."""
    up: Vec3
    """(3,) up direction of the view, world frame."""
    marks: Marks
    """Its shadow and its reflection, where asked for and found."""

    @property
    def added(self) -> Selection:
        """(n,) True for the points of `memory` that were completed where the thing stood."""
        return np.arange(len(self.memory)) >= self.left

    def filled(self, fill: Fill) -> SpatialMemory:
        """What is left, with the place filled as asked."""
        if fill == "completed":
            return self.memory
        return self.memory.without(self.added) if fill == "hole" else _plain(self)

    def open_place(self, fill: Fill) -> PointCloud:
        """What would have filled the place where it was left open: nothing else may be invented there."""
        return self.memory.cloud[self.added] if fill == "hole" else PointCloud.empty()


@dataclass(frozen=True, eq=False, slots=True)
class Changed:
    """What an edit makes of a memory."""

    memory: SpatialMemory
    walker: Walker | None = None
    """What moves from now on; it is not in the memory."""
    left_open: PointCloud = field(default_factory=PointCloud.empty)
    """Places that only a generator may fill."""


def _padded(mask: Mask, camera: Camera) -> tuple[Bool[np.ndarray, "wide_h wide_w"], Camera]:
    """The mask in the view widened by MARGIN; where it touches the frame it goes on outside."""
    wide = camera.widened(MARGIN)
    x, y = (wide.width - camera.width) // 2, (wide.height - camera.height) // 2
    return np.pad(mask, ((y, y), (x, x)), mode="edge"), wide


def completed_beside(memory: SpatialMemory, camera: Camera, mask: Mask) -> Selection:
    """The completed points behind a thing and at its border, which continued it or its edge."""
    under, _, _ = points_under(memory, camera, grown(mask, edge_width(camera)))
    return under & memory.of(Provenance.COMPLETED)


def copies_of(memory: SpatialMemory, points: Selection) -> Selection:
    """The completed points that show a colour copied from one of the given points."""
    origin = memory.labels.origin
    copied = memory.of(Provenance.COMPLETED) & (origin >= 0)
    copied[copied] = np.isin(origin[copied], origin[points])
    return copied


def smoothed(depth: Depth, mask: Mask, share: float = 0.006) -> Depth:
    """The depth with its relief inside the mask smoothed by `share` of the picture's width, seeing only the mask.

    A thing that is moved is seen from where its estimated relief was not meant to be seen: steps in it would gape.
    """
    sigma = share * depth.shape[1]
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
    inside = cv2.GaussianBlur(np.where(mask, depth, 0).astype(np.float32), (0, 0), sigma)
    return np.where(mask, inside / np.maximum(weight, 1e-6), depth).astype(np.float32)


def clear(
    memory: SpatialMemory,
    camera: Camera,
    mask: Mask,
    volume: Volume | None = None,
    along: Along = NOTHING,
    progress: Progress = silent,
) -> Cleared:
    """The memory without what the mask shows, or what the volume holds, and the thing as points of its own.

    The mask is widened by its uncertain border and by the hair that sticks out of it, completed points behind it are
    taken away as well (they continued the thing or its edge), and the place is completed anew from what surrounds it.
    With it goes what is to go along, where it is found. `progress` may raise Cancelled.
    """

    def at(share: float) -> None:
        progress(share, "Completing what was behind it")

    at(0.0)
    if volume is not None:
        return _clear_volume(memory, camera, volume, along, at)
    seen = render(memory.cloud, camera)
    chosen = lift_mask(memory, camera, mask, seen)
    number = _object_shown(memory, seen, checked(mask, camera))
    if number:
        return _clear_volume(memory, camera, Volume((Drawn(Thing(number)),)), along, at)
    pixels = selected_pixels(checked(mask, camera), seen, camera)
    found = _marks(pixels, seen, camera, along)
    shade = np.zeros_like(mask) if found.shade is None else found.shade
    chosen |= _shown(seen, shade, len(memory))
    hole, wide = _padded(grown(mask | fringe(mask, seen.rgb) | shade, edge_width(camera)), camera)
    emptied = _dried(memory, camera, mask, chosen, found, at).without(wide, hole, chosen, at=at)
    completed, left = emptied.memory, int(emptied.kept.sum())
    background = render(completed.cloud, camera)
    depth = np.where(np.isfinite(background.depth), background.depth, seen.depth)
    solid = smoothed(stand_up(np.where(pixels, seen.depth, depth), pixels), pixels)
    thing = lift(seen.rgb, seen.depth, camera, pixels)
    labels = memory.labels[seen.point_index[pixels]]
    solid_thing = lift(seen.rgb, solid, camera, pixels)
    ground = ground_under(pixels, depth, camera)
    taken = found.taken(seen, background, camera)
    return Cleared(memory, completed, left, wide, thing, solid_thing, labels, ground, -camera.c2w[:3, 1], taken)


def _marks(pixels: Mask, seen: Rendering, camera: Camera, along: Along) -> Found:
    """Where the marks that go along with what the pixels show lie."""
    if along == NOTHING or not pixels.any():
        return Found()
    return Found.of(pixels, seen, camera, ground_under(pixels, _known(seen.depth), camera), along)


def _shown(seen: Rendering, mask: Mask, n: int) -> Selection:
    """(n,) the points that a view shows under the mask."""
    out = np.zeros(n, bool)
    index = seen.point_index[mask]
    out[index[index >= 0]] = True
    return out


def _object_shown(memory: SpatialMemory, seen: Rendering, mask: Mask) -> int:
    """The number of the object that a mask shows all but wholly and all but alone, else 0.

    An object has sides that the view does not show: they go where it goes.
    """
    index = np.where(seen.coverage, seen.point_index, 0)
    shown = np.where(seen.coverage, memory.labels.object_id[index], 0)
    inside = shown[mask]
    number = int(np.bincount(np.maximum(inside, 0)).argmax()) if inside.size else 0
    if number and np.mean(inside == number) > 0.8 and np.mean(mask[shown == number]) > 0.8:
        return number
    return 0


@dataclass(frozen=True, eq=False, slots=True)
class _Emptied:
    """A memory on its way to one without a thing."""

    memory: SpatialMemory
    kept: Selection
    """(n,) which of the points before the edit are left; they come first, in their order."""

    def without(
        self,
        wide: Camera,
        hole: Mask,
        chosen: Selection,
        foreign: Mask | None = None,
        at: Callable[[float], None] = lambda share: None,
    ) -> "_Emptied":
        """Without the points chosen of those before the edit and all that belonged to them.

        The hole in the view is completed anew; what that adds comes last. Foreign pixels do not run into it.
        """
        memory, old = self.memory, int(self.kept.sum())
        seen = render(memory.cloud, wide)
        gone = np.zeros(len(memory), bool)
        gone[:old] = chosen[self.kept]
        shown = seen.point_index[hole]
        gone[shown[shown >= 0]] = True
        gone |= copies_of(memory, gone) | completed_beside(memory, wide, hole)
        hole = hole | gone[np.maximum(seen.point_index, 0)] & seen.coverage
        left = memory.without(gone)
        if not len(left):
            raise InvalidInput(
                "The selection covers everything that is known. Select one thing and keep its surroundings."
            )
        kept = self.kept.copy()
        kept[kept] = ~gone[:old]
        return _Emptied(complete_hole(left, wide, hole, foreign, at), kept)


def _dried(
    memory: SpatialMemory, camera: Camera, mask: Mask, thing: Selection, found: Found, at: Callable[[float], None]
) -> _Emptied:
    """The memory with the ground completed where the mirror image of the thing under the mask was.

    It goes before the thing does: its place is ground, which neither the thing nor what is behind it continues.
    """
    whole = _Emptied(memory, np.ones(len(memory), bool))
    if found.mirrored is None:
        return whole
    hole, wide = _padded(found.mirrored.mask & ~mask, camera)
    around, _ = _padded(grown(mask, edge_width(camera)), camera)
    copies = shown_mask(copies_of(memory, thing), render(memory.cloud, wide))
    return whole.without(wide, hole, np.zeros(len(memory), bool), (around | copies) & ~hole, at)


def _clear_volume(
    memory: SpatialMemory, camera: Camera, volume: Volume, along: Along, at: Callable[[float], None]
) -> Cleared:
    """The memory without what was selected in space, completed where the camera saw it.

    Where the camera never saw it nothing is invented: filming completes what its path will see.
    """
    chosen = checked_points(volume.points(memory))
    wide = camera.widened(MARGIN)
    from_photo = render(memory.cloud, camera)
    pixels = shown_mask(chosen, from_photo)
    found = _marks(pixels, from_photo, camera, along)
    gone = chosen if found.shade is None else chosen | _shown(from_photo, found.shade, len(memory))
    hole = grown(shown_mask(gone, render(memory.cloud, wide)), edge_width(camera))
    emptied = _dried(memory, camera, pixels, chosen, found, at).without(wide, hole, gone, at=at)
    completed, left = emptied.memory, int(emptied.kept.sum())
    thing, up = memory.cloud[chosen], -camera.c2w[:3, 1]
    background = render(completed.cloud, camera)
    if pixels.any():
        ground = ground_under(pixels, _known(background.depth), camera)
    else:
        xyz = thing.xyz.astype(np.float64)
        lowest = xyz[np.argmin(xyz @ up)]
        ground = Ground(up, float(up @ lowest), lowest, guessed=True)
    taken = found.taken(from_photo, background, camera)
    return Cleared(memory, completed, left, wide, thing, thing, memory.labels[chosen], ground, up, taken)


def _known(depth: Depth) -> Depth:
    """The depth with its gaps closed by their nearest neighbours."""
    gaps = ~np.isfinite(depth)
    if gaps.all() or not gaps.any():
        return depth
    rows, columns = nearest_false(gaps)
    return depth[rows, columns]


def _plain(cleared: Cleared) -> SpatialMemory:
    """What is left, with one even surface where the thing stood: the colours around it run into each other."""
    bare = cleared.memory.without(cleared.added)
    seen = render(bare.cloud, cleared.view)
    cloud, added = cleared.memory.cloud, cleared.added
    uv, _ = cleared.view.project(cloud.xyz[added])
    x, y = np.clip(uv.astype(int), 0, [cleared.view.width - 1, cleared.view.height - 1]).T
    rgb = cloud.rgb.copy()
    rgb[added] = _run_together(seen.rgb, seen.coverage)[y, x]
    source = np.asarray(cleared.memory.labels.source).copy()
    source[added] = -1  # nobody's colour
    labels = replace(cleared.memory.labels, source=source)
    return replace(cleared.memory, cloud=PointCloud(cloud.xyz, rgb, cloud.radius), labels=labels)


def _run_together(image: np.ndarray, known: Mask) -> np.ndarray:
    """The picture with unknown pixels as means of the known ones around, over ever larger neighbourhoods."""
    out, open_ = image.astype(np.float32), ~known
    weight = known.astype(np.float32)
    for sigma in (3, 8, 20, 50, 120, 300):
        if not open_.any():
            break
        share = cv2.GaussianBlur(weight, (0, 0), sigma)
        mean = cv2.GaussianBlur(image.astype(np.float32) * weight[..., None], (0, 0), sigma)
        reached = open_ & (share > 0.02)
        out[reached] = mean[reached] / share[reached][:, None]
        open_ &= ~reached
    soft = cv2.GaussianBlur(out, (0, 0), 4)
    return np.where(known[..., None], image, np.rint(soft)).astype(np.uint8)


def motion(cleared: Cleared, edit: Edit, unit: float) -> Similarity:
    """Where a placing edit takes the thing; `unit` is the scene's median depth."""
    thing = cleared.solid_thing if edit.solid else cleared.thing
    return similarity(thing, cleared.ground, edit.placing, edit.camera, unit)


def placed(cleared: Cleared, edit: Edit, unit: float) -> PointCloud:
    """The thing where the edit puts it."""
    thing = cleared.solid_thing if edit.solid else cleared.thing
    return motion(cleared, edit, unit).cloud(thing)


def place(cleared: Cleared, edit: Edit, unit: float) -> SpatialMemory:
    """What is left, with the thing standing where the edit puts it, as an object of its own."""
    left = cleared.filled(edit.fill)
    left = cleared.marks.cast(left, motion(cleared, edit, unit), cleared.ground)
    return set_down(left, placed(cleared, edit, unit), cleared.labels, edit.camera)


def _recolour(memory: SpatialMemory, edit: Edit) -> SpatialMemory:
    """The memory with the thing, and what completion copied from it, in other colours and as an object of its own."""
    if edit.volume is not None:
        chosen = checked_points(edit.volume.points(memory))
    else:
        seen = render(memory.cloud, edit.camera)
        chosen = lift_mask(memory, edit.camera, edit.mask, seen)
        number = _object_shown(memory, seen, edit.mask)
        chosen = chosen | (memory.labels.object_id == number) if number else chosen
    chosen = chosen | copies_of(memory, chosen)
    cloud, labels = memory.cloud, memory.labels
    rgb = cloud.rgb.copy()
    rgb[chosen] = recoloured(rgb[chosen], edit.look)
    own = as_object(labels[chosen], next_number(memory), memory)
    source, number = np.asarray(labels.source).copy(), labels.object_id.copy()
    source[chosen], number[chosen] = own.source, own.object_id
    return replace(
        memory,
        cloud=PointCloud(cloud.xyz, rgb, cloud.radius),
        labels=replace(labels, source=source, object_id=number),
    )


def changed(edit: Edit, memory: SpatialMemory, cleared: Cleared | None = None) -> Changed:
    """What the edit makes of the memory; `cleared` spares the work when the same selection was cleared before."""
    unit = memory.median_depth()
    if edit.kind == "insert":
        return Changed(inserted(memory, edit, unit))
    if edit.kind == "recolour":
        return Changed(_recolour(memory, edit))
    if cleared is None or cleared.base is not memory:
        cleared = clear(memory, edit.camera, edit.mask, edit.volume, edit.along)
    if edit.kind == "duplicate":
        return Changed(set_down(memory, placed(cleared, edit, unit), cleared.labels, edit.camera))
    left_open = cleared.open_place(edit.fill)
    if edit.kind == "delete":
        return Changed(cleared.filled(edit.fill), left_open=left_open)
    if edit.kind == "animate":
        thing = cleared.solid_thing if edit.solid else cleared.thing
        return Changed(cleared.filled(edit.fill), Walker.along(thing, cleared.ground, edit, unit), left_open)
    return Changed(place(cleared, edit, unit), left_open=left_open)


def apply(edit: Edit, memory: SpatialMemory, cleared: Cleared | None = None) -> SpatialMemory:
    """The memory after the edit; see `changed` for what it leaves beside the memory."""
    return changed(edit, memory, cleared).memory
