"""Edits: (memory, selection, parameters) -> memory. Every one of them leaves no pixel of what it took away."""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool

from editing.ground import Ground, ground_under
from editing.selection import checked, edge_width, grown, lift_mask, points_under, selected_pixels, shown_mask
from editing.volume_selection import Volume, checked_points
from spatia_core import se3
from spatia_core.arrays import Depth, Mask, Selection, nearest_false, read_only
from spatia_core.camera import Camera
from spatia_core.completion import MARGIN, complete_hole
from spatia_core.depth_edges import stand_up
from spatia_core.errors import InvalidInput
from spatia_core.fusion import lift
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import Rendering, render

FARTHEST_MOVE = 20.0
"""Largest move, in median depths of the scene."""


@dataclass(frozen=True, eq=False, slots=True)
class Edit:
    """One change a person made, complete enough to be made again on a rebuilt memory."""

    kind: Literal["delete", "move"]
    camera: Camera
    """View the mask was drawn in."""
    mask: Mask
    """(h, w) what was selected in that view, at that point of the log."""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of a move: along the camera's axes (x right, y down, z forward), in median depths of the scene."""
    on_ground: bool = True
    """Of a move: the thing stays on the surface it stands on; offset y then lifts it off."""
    solid: bool = True
    """Of a move: the thing is stood upright at its ground contact first, because its depth is an estimate."""
    volume: Volume | None = None
    """What was selected in space; then it counts, and the mask only says where the camera saw it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", read_only(self.mask, bool))
        if not all(np.isfinite(self.offset)) or max(abs(v) for v in self.offset) > FARTHEST_MOVE:
            raise InvalidInput(
                f"A move of {self.offset} is not possible: give three finite numbers of at most {FARTHEST_MOVE:g}, in "
                "median depths of the scene."
            )

    @property
    def label(self) -> str:
        """What a person reads in the history."""
        if self.kind == "delete":
            return "Delete"
        return "Move by " + ", ".join(f"{v:+.2f}" for v in self.offset)


@dataclass(frozen=True, eq=False, slots=True)
class Cleared:
    """A memory without a thing, its background completed, and the thing itself."""

    memory: SpatialMemory
    """What is left, completed where the thing stood."""
    thing: PointCloud
    """The thing's points as they were."""
    solid_thing: PointCloud
    """The thing stood upright at its ground contact."""
    labels: PointLabels
    """What was known of the thing's points, in the order of both clouds."""
    ground: Ground
    """What it stands on."""
    up: se3.Vec3
    """(3,) up direction of the view, world frame."""


def _padded(mask: Mask, camera: Camera) -> tuple[Bool[np.ndarray, "wide_h wide_w"], Camera]:
    """The mask in the view widened by MARGIN; where it touches the frame it goes on outside."""
    wide = camera.widened(MARGIN)
    x, y = (wide.width - camera.width) // 2, (wide.height - camera.height) // 2
    return np.pad(mask, ((y, y), (x, x)), mode="edge"), wide


def completed_beside(memory: SpatialMemory, camera: Camera, mask: Mask) -> Selection:
    """The completed points behind a thing and at its border, which continued it or its edge."""
    under, _ = points_under(memory, camera, grown(mask, edge_width(camera)))
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


def clear(memory: SpatialMemory, camera: Camera, mask: Mask, volume: Volume | None = None) -> Cleared:
    """The memory without what the mask shows, or what the volume holds, and the thing as points of its own.

    The mask is widened by its uncertain border, completed points behind it are taken away as well (they continued the
    thing or its edge), and the place is completed anew from what surrounds it.
    """
    if volume is not None:
        return _clear_volume(memory, camera, volume)
    seen = render(memory.cloud, camera)
    chosen = lift_mask(memory, camera, mask, seen)
    pixels = selected_pixels(checked(mask, camera), seen, camera)
    hole, wide = _padded(grown(mask, edge_width(camera)), camera)
    completed = _vacated(memory, wide, render(memory.cloud, wide), hole, chosen)
    background = render(completed.cloud, camera)
    depth = np.where(np.isfinite(background.depth), background.depth, seen.depth)
    solid = smoothed(stand_up(np.where(pixels, seen.depth, depth), pixels), pixels)
    thing = lift(seen.rgb, seen.depth, camera, pixels)
    labels = memory.labels[seen.point_index[pixels]]
    solid_thing = lift(seen.rgb, solid, camera, pixels)
    ground = ground_under(pixels, depth, camera)
    return Cleared(completed, thing, solid_thing, labels, ground, -camera.c2w[:3, 1])


def _vacated(memory: SpatialMemory, wide: Camera, seen: Rendering, hole: Mask, chosen: Selection) -> SpatialMemory:
    """The memory without the chosen points and all that belonged to them; the hole in the view is completed anew."""
    gone = chosen.copy()
    shown = seen.point_index[hole]
    gone[shown[shown >= 0]] = True
    gone |= copies_of(memory, gone) | completed_beside(memory, wide, hole)
    hole = hole | gone[np.maximum(seen.point_index, 0)] & seen.coverage
    left = memory.without(gone)
    if not len(left):
        raise InvalidInput("The selection covers everything that is known. Select one thing and keep its surroundings.")
    return complete_hole(left, wide, hole)


def _clear_volume(memory: SpatialMemory, camera: Camera, volume: Volume) -> Cleared:
    """The memory without what was selected in space, completed where the camera saw it.

    Where the camera never saw it nothing is invented: filming completes what its path will see.
    """
    chosen = checked_points(volume.points(memory))
    wide = camera.widened(MARGIN)
    seen = render(memory.cloud, wide)
    hole = grown(shown_mask(chosen, seen), edge_width(camera))
    completed = _vacated(memory, wide, seen, hole, chosen)
    thing, up = memory.cloud[chosen], -camera.c2w[:3, 1]
    pixels = shown_mask(chosen, render(memory.cloud, camera))
    if pixels.any():
        ground = ground_under(pixels, _known(render(completed.cloud, camera).depth), camera)
    else:
        xyz = thing.xyz.astype(np.float64)
        lowest = xyz[np.argmin(xyz @ up)]
        ground = Ground(up, float(up @ lowest), lowest, guessed=True)
    return Cleared(completed, thing, thing, memory.labels[chosen], ground, up)


def _known(depth: Depth) -> Depth:
    """The depth with its gaps closed by their nearest neighbours."""
    gaps = ~np.isfinite(depth)
    if gaps.all() or not gaps.any():
        return depth
    rows, columns = nearest_false(gaps)
    return depth[rows, columns]


def displacement(cleared: Cleared, edit: Edit, unit: float) -> se3.Vec3:
    """(3,) the world translation of a move; `unit` is the scene's median depth."""
    x, y, z = (v * unit for v in edit.offset)
    axes = edit.camera.c2w[:3, :3]
    if not edit.on_ground:
        return axes @ np.array([x, y, z])
    along = cleared.ground.slide(axes @ np.array([x, 0.0, z]), cleared.up)
    return along + axes @ np.array([0.0, y, 0.0])


def place(cleared: Cleared, edit: Edit, unit: float) -> SpatialMemory:
    """The cleared memory with the thing put where the move ends, as an object of its own."""
    thing = cleared.solid_thing if edit.solid else cleared.thing
    moved = thing.transformed(se3.translation(displacement(cleared, edit, unit)))
    z = se3.transform(edit.camera.w2c, moved.xyz)[:, 2]
    if len(z) and float(np.median(z)) <= 0:
        raise InvalidInput("The move would put the thing behind the first camera. Give a smaller z.")
    number = np.int16(cleared.memory.labels.object_id.max(initial=0) + 1)
    return cleared.memory.insert(moved, replace(cleared.labels, object_id=np.full(len(moved), number)))


def offset_to_pixel(cleared: Cleared, camera: Camera, x: float, y: float, unit: float) -> tuple[float, float, float]:
    """The move, in median depths along the camera's axes, that brings the thing's contact under pixel (x, y).

    Where the ray misses the ground (above its horizon) or meets it absurdly far, the thing stays at its depth.
    """
    ray = camera.c2w[:3, :3] @ np.array(
        [(x - camera.K[0, 2]) / camera.K[0, 0], (y - camera.K[1, 2]) / camera.K[1, 1], 1]
    )
    target = cleared.ground.hit(camera.centre, ray)
    depth = float(se3.transform(camera.w2c, cleared.ground.contact[None])[0, 2])
    if target is None or float(se3.transform(camera.w2c, target[None])[0, 2]) > 6 * depth:
        target = camera.centre + ray * depth
    move = camera.w2c[:3, :3] @ (target - cleared.ground.contact) / unit
    limit = FARTHEST_MOVE
    return (float(np.clip(move[0], -limit, limit)), 0.0, float(np.clip(move[2], -limit, limit)))


def apply(edit: Edit, memory: SpatialMemory, cleared: Cleared | None = None) -> SpatialMemory:
    """The memory after the edit; `cleared` spares the work when the same mask was cleared before."""
    cleared = clear(memory, edit.camera, edit.mask, edit.volume) if cleared is None else cleared
    return cleared.memory if edit.kind == "delete" else place(cleared, edit, memory.median_depth())
