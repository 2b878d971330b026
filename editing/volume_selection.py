"""Selections in space: shapes drawn in any view, balls, boxes, colours, put together step by step.

A selection is kept as its steps, not as point numbers: numbers do not survive a rebuilt memory, steps do.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from editing.selection import Combination, points_under
from spatia_core import se3
from spatia_core.arrays import Depth, Mask, Selection, read_only
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.memory import SpatialMemory
from spatia_core.render import Rendering, render

SAME_SURFACE = 1.02
"""Points up to this ratio behind what a view shows belong to the surface that is seen."""

MOST_STEPS = 200
"""Steps of one selection."""

ALIKE = 12.0
"""Distance in CIELAB up to which colours count as the same, unless said otherwise."""

MOST_GROWTH = 30
"""Largest growth of one step, in sizes of a point."""

MOST_SELECTED = 0.95
"""Share of the memory that a selection to be changed may hold."""


@dataclass(frozen=True, eq=False, slots=True)
class InView:
    """What lies under a mask drawn in a view."""

    camera: Camera
    mask: Mask
    """(h, w) of the camera's picture."""
    through: bool = False
    """True: everything under the mask, however deep; False: only what is seen there."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", read_only(self.mask, bool))
        if self.mask.shape != (self.camera.height, self.camera.width):
            raise InvalidInput(
                f"The mask is {self.mask.shape[1]}x{self.mask.shape[0]} pixels, its view "
                f"{self.camera.width}x{self.camera.height}."
            )

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) True under the mask."""
        inside, z, pixel = points_under(memory, self.camera, self.mask)
        if self.through or not inside.any():
            return inside
        seen = render(memory.cloud, self.camera)
        inside[inside] = z[inside] <= _reach(seen)[pixel] * SAME_SURFACE
        shown = seen.point_index[self.mask]
        inside[shown[shown >= 0]] = True
        return inside


@dataclass(frozen=True, slots=True)
class Ball:
    """What lies in a ball."""

    centre: tuple[float, float, float]
    """World frame."""
    radius: float
    """Scene units."""

    def __post_init__(self) -> None:
        _finite((*self.centre, self.radius), "A ball")
        if self.radius <= 0:
            raise InvalidInput(f"A ball needs a radius greater than 0, not {self.radius:g}.")

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) True inside."""
        away = memory.xyz - np.array(self.centre, np.float32)
        return np.einsum("ij,ij->i", away, away) <= self.radius**2


@dataclass(frozen=True, slots=True)
class Box:
    """What lies in a box along the axes of the world."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        _finite((*self.low, *self.high), "A box")
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise InvalidInput("A box needs a lower corner that is smaller than its upper one along every axis.")

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) True inside."""
        inside = np.ones(len(memory), bool)
        for k, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            column = memory.xyz[:, k]
            inside &= (column >= low) & (column <= high)
        return inside


@dataclass(frozen=True, slots=True)
class Colour:
    """What has about this colour."""

    rgb: tuple[int, int, int]
    tolerance: float = ALIKE
    """Largest distance in CIELAB; 2 is hardly seen, 20 is another shade."""

    def __post_init__(self) -> None:
        _finite((*self.rgb, self.tolerance), "A colour")
        if not all(0 <= v <= 255 for v in self.rgb) or not 0 < self.tolerance <= 100:
            raise InvalidInput("A colour has three values from 0 to 255 and a tolerance of at most 100.")

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) True for similar colours."""
        if not len(memory):
            return np.zeros(0, bool)
        colours = np.vstack([memory.cloud.rgb, np.array([self.rgb], np.uint8)]).astype(np.float32) / 255
        lab = cv2.cvtColor(colours[None], cv2.COLOR_RGB2LAB)[0]
        away = lab[:-1] - lab[-1]
        return np.einsum("ij,ij->i", away, away) <= self.tolerance**2


@dataclass(frozen=True, slots=True)
class Thing:
    """The points of one object."""

    object_id: int

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) True for its points."""
        return memory.labels.object_id == self.object_id


@dataclass(frozen=True, slots=True)
class Everything:
    """All that is known."""

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) True."""
        return np.ones(len(memory), bool)


@dataclass(frozen=True, eq=False, slots=True)
class Whole:
    """All that another selection holds."""

    volume: "Volume"

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) True for its points."""
        return self.volume.points(memory)


Shape = InView | Ball | Box | Colour | Thing | Everything | Whole


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """A shape put together with what was selected before."""

    shape: Shape
    how: Combination = "replace"

    def after(self, before: Selection, memory: SpatialMemory) -> Selection:
        """(n,) the selection with the shape."""
        new = self.shape.points(memory)
        if self.how == "add":
            return before | new
        if self.how == "subtract":
            return before & ~new
        return before & new if self.how == "intersect" else new


@dataclass(frozen=True, slots=True)
class Inverted:
    """All that was not selected before."""

    def after(self, before: Selection, memory: SpatialMemory) -> Selection:
        """(n,) the other points."""
        return ~before


@dataclass(frozen=True, slots=True)
class Grown:
    """The selection with its border further out (or in, when negative)."""

    sizes: float
    """Distance in sizes of the selected points; one size is twice their median radius."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.sizes) or self.sizes == 0 or abs(self.sizes) > MOST_GROWTH:
            raise InvalidInput(f"A selection can be grown or shrunk by at most {MOST_GROWTH} sizes of a point a step.")

    def after(self, before: Selection, memory: SpatialMemory) -> Selection:
        """(n,) the selection with everything near it, or without what is near its border."""
        if not before.any() or before.all():
            return before
        size = 2 * float(np.median(memory.cloud.radius[before]))
        if size <= 0:
            return before
        if self.sizes > 0:
            return before | _near(memory.xyz, before, ~before, self.sizes * size)
        return before & ~_near(memory.xyz, ~before, before, -self.sizes * size)


Step = Drawn | Inverted | Grown


@dataclass(frozen=True, eq=False, slots=True)
class Volume:
    """A selection as the steps that led to it; immutable, so a step is taken back by keeping the old value."""

    steps: tuple[Step, ...] = ()

    def then(self, step: Step) -> "Volume":
        """The selection after one more step; steps before one that replaces everything are dropped."""
        kept = () if isinstance(step, Drawn) and step.how == "replace" else self.steps
        if len(kept) >= MOST_STEPS:
            raise InvalidInput(f"A selection can be put together from at most {MOST_STEPS} steps. Start it over.")
        return Volume((*kept, step))

    def points(self, memory: SpatialMemory) -> Selection:
        """(n,) what is selected of this memory."""
        chosen = np.zeros(len(memory), bool)
        for step in self.steps:
            chosen = step.after(chosen, memory)
        return chosen

    @property
    def views(self) -> tuple[Camera, ...]:
        """The views that shapes were drawn in, newest first."""
        shapes = [s.shape for s in reversed(self.steps) if isinstance(s, Drawn)]
        return tuple(s.camera for s in shapes if isinstance(s, InView))


def checked_points(chosen: Selection) -> Selection:
    """The selection itself; raises InvalidInput for an empty one and for one that leaves no surroundings."""
    if not chosen.any():
        raise InvalidInput("Nothing is selected. Draw around a thing in the 3D view, or click on it in the picture.")
    if chosen.mean() > MOST_SELECTED:
        raise InvalidInput(
            f"{chosen.mean():.0%} of the memory is selected, which leaves nothing to rebuild the surroundings from. "
            "Select one thing; Ctrl and a shape take parts away."
        )
    return chosen


def _finite(values: tuple[float, ...], what: str) -> None:
    if not np.isfinite(values).all():
        raise InvalidInput(f"{what} needs finite numbers.")


def _reach(seen: Rendering) -> Depth:
    """(h, w) the depth at the far side of the surface that a pixel shows: surfaces slant, and a pixel is not a point.

    The slant is the smaller of the steps to both sides, so that the edge of a thing does not count as one.
    """
    depth = np.pad(np.where(seen.coverage, seen.depth, np.float32(np.inf)), 1, mode="edge")
    middle = depth[1:-1, 1:-1]
    out = middle.copy()
    with np.errstate(invalid="ignore"):
        for one, other in ((depth[1:-1, :-2], depth[1:-1, 2:]), (depth[:-2, 1:-1], depth[2:, 1:-1])):
            slant = np.minimum(np.abs(one - middle), np.abs(other - middle))
            out += np.where(np.isfinite(slant), slant, 0)
    return out


def _near(xyz: np.ndarray, of: Selection, among: Selection, distance: float) -> Selection:
    """(n,) the points of `among` that lie within the distance of a point of `of`."""
    low, high = xyz[among].min(0) - distance, xyz[among].max(0) + distance
    source = np.flatnonzero(of)
    source = source[((xyz[source] >= low) & (xyz[source] <= high)).all(1)]
    out = np.zeros(len(xyz), bool)
    if not len(source):
        return out
    low, high = xyz[source].min(0) - distance, xyz[source].max(0) + distance
    where = np.flatnonzero(among)
    where = where[((xyz[where] >= low) & (xyz[where] <= high)).all(1)]
    nearest, _ = KDTree(xyz[source]).query(xyz[where], distance_upper_bound=distance)
    out[where[np.isfinite(nearest)]] = True
    return out


# --- from what a hand drew to shapes ---------------------------------------------------------------------------------


def outline_mask(points: Float[np.ndarray, "k 2"], camera: Camera) -> Mask:
    """The inside of a closed outline in pixels, its border included; any part outside the picture is cut off."""
    mask = np.zeros((camera.height, camera.width), np.uint8)
    cv2.fillPoly(mask, [_fixed(points)], 1, lineType=cv2.LINE_8, shift=_SHIFT)
    return mask.astype(bool)


def stroke_mask(points: Float[np.ndarray, "k 2"], radius: float, camera: Camera) -> Mask:
    """What a round brush of this radius in pixels covers along a line."""
    mask = np.zeros((camera.height, camera.width), np.uint8)
    at = _fixed(points)
    cv2.polylines(mask, [at], False, 1, thickness=max(1, round(2 * radius)), shift=_SHIFT)
    for x, y in (at[0], at[-1]):
        cv2.circle(mask, (int(x), int(y)), max(1, round(radius * 2**_SHIFT)), 1, -1, shift=_SHIFT)
    return mask.astype(bool)


_SHIFT = 4


def _fixed(points: np.ndarray) -> np.ndarray:
    # pixel i covers [i, i + 1); the drawing functions put it at i
    limit = 30_000.0
    return np.round((np.clip(points, -limit, limit) - 0.5) * 2**_SHIFT).astype(np.int32)


def spot(memory: SpatialMemory, camera: Camera, x: float, y: float) -> int:
    """The point that a view shows at pixel (x, y), or at the nearest one within a hundredth of its width."""
    seen = render(memory.cloud, camera)
    ys, xs = np.nonzero(seen.coverage)
    if len(ys):
        away = (xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2
        k = int(away.argmin())
        if away[k] <= max(2.0, 0.01 * camera.width) ** 2:
            return int(seen.point_index[ys[k], xs[k]])
    raise InvalidInput("There is nothing under the pointer. Begin on a part of the scene.")


def ball_at(memory: SpatialMemory, camera: Camera, x: float, y: float, pixels: float) -> Ball:
    """The ball around what is seen at pixel (x, y), so many pixels large there."""
    centre, unit = _measured(memory, camera, x, y)
    return Ball((float(centre[0]), float(centre[1]), float(centre[2])), pixels * unit)


def box_at(memory: SpatialMemory, camera: Camera, x: float, y: float, pixels: float) -> Box:
    """The cube around what is seen at pixel (x, y), with half a side of so many pixels there."""
    centre, unit = _measured(memory, camera, x, y)
    low, high = centre - pixels * unit, centre + pixels * unit
    return Box((float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2])))


def colour_at(memory: SpatialMemory, camera: Camera, x: float, y: float, tolerance: float) -> Colour:
    """The colour that is seen at pixel (x, y)."""
    r, g, b = (int(v) for v in memory.cloud.rgb[spot(memory, camera, x, y)])
    return Colour((r, g, b), tolerance)


def _measured(memory: SpatialMemory, camera: Camera, x: float, y: float) -> tuple[np.ndarray, float]:
    """Where the point at a pixel lies and how large a pixel is there."""
    at = memory.xyz[spot(memory, camera, x, y)].astype(np.float64)
    z = float(se3.transform(camera.w2c, at[None])[0, 2])
    return at, z / float(camera.K[0, 0])
