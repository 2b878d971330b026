"""One change a person made, as a value: complete enough to be made again on a rebuilt memory."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from editing.volume_selection import Volume
from spatia_core.arrays import Mask, read_only
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.point_cloud import PointCloud

FARTHEST_MOVE = 20.0
"""Largest move, in median depths of the scene."""

MOST_SIZE = 20.0
"""A thing can be made this many times larger or smaller at once."""

MOST_STOPS = 100
"""Stops of a way that a thing goes."""

Kind = Literal["delete", "move", "rotate", "scale", "duplicate", "recolour", "animate", "insert"]
KINDS: tuple[str, ...] = get_args(Kind)

Fill = Literal["completed", "hole", "plain"]
"""What comes where a thing stood: the surroundings continued, nothing (the generator's to invent), one even surface."""
FILLS: tuple[str, ...] = get_args(Fill)

About = Literal["ground", "centre"]

Triple = tuple[float, float, float]


def checked_triple(values: Triple, limit: float, what: str) -> Triple:
    """Three plain finite numbers of at most `limit`; raises InvalidInput for others."""
    x, y, z = (float(v) for v in values)
    if not all(np.isfinite((x, y, z))) or max(abs(x), abs(y), abs(z)) > limit:
        raise InvalidInput(f"{what} of {values} is not possible: give three finite numbers of at most {limit:g}.")
    return x, y, z


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a thing goes. The axes are those of the camera the mask was drawn in: x right, y down, z forward."""

    offset: Triple = (0.0, 0.0, 0.0)
    """In median depths of the scene."""
    turn: Triple = (0.0, 0.0, 0.0)
    """Axis times angle, radians; (0, 1, 0) turns about the upright axis, seen from above clockwise."""
    size: float = 1.0
    """Times as large."""
    on_ground: bool = True
    """The thing stays on the surface it stands on; offset y then lifts it off."""
    about: About = "ground"
    """What stays where it is when the thing turns or grows: its contact with the ground, or its centre."""

    def __post_init__(self) -> None:
        if not all(np.isfinite(self.offset)) or max(abs(v) for v in self.offset) > FARTHEST_MOVE:
            raise InvalidInput(
                f"A move of {self.offset} is not possible: give three finite numbers of at most {FARTHEST_MOVE:g}, in "
                "median depths of the scene."
            )
        checked_triple(self.turn, 2 * np.pi + 1e-6, "A turn (in radians)")
        if not np.isfinite(self.size) or not 1 / MOST_SIZE <= self.size <= MOST_SIZE:
            raise InvalidInput(
                f"A thing cannot be made {self.size} times as large: give a number from {1 / MOST_SIZE:g} to "
                f"{MOST_SIZE:g}."
            )
        if self.about not in get_args(About):
            raise InvalidInput(f"A thing turns about its ground or its centre, not about {self.about!r}.")

    @property
    def changes(self) -> bool:
        """True when the thing ends elsewhere or otherwise than it stands."""
        return any(self.offset) or any(self.turn) or self.size != 1.0

    @property
    def kind(self) -> Kind:
        """What it is called."""
        if any(self.offset) or not self.changes:
            return "move"
        return "rotate" if any(self.turn) else "scale"

    @property
    def words(self) -> str:
        """What a person reads of it."""
        parts = []
        if any(self.offset) or not self.changes:
            parts.append("by " + ", ".join(f"{v:+.2f}" for v in self.offset))
        if any(self.turn):
            parts.append(f"turned {np.rad2deg(np.linalg.norm(self.turn)):.0f} degrees")
        if self.size != 1:
            parts.append(f"{self.size:.2f} times as large")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Look:
    """How a thing's colours are changed."""

    tint: tuple[int, int, int] = (255, 255, 255)
    """The colour it is drawn towards; its light and shade stay."""
    strength: float = 0.0
    """0 = not tinted, 1 = wholly of that hue."""
    brightness: float = 1.0
    """Multiple."""
    saturation: float = 1.0
    """Multiple; 0 = grey."""

    def __post_init__(self) -> None:
        if not all(isinstance(v, int) and 0 <= v <= 255 for v in self.tint) or len(self.tint) != 3:
            raise InvalidInput("A tint has three whole numbers from 0 to 255.")
        for name, low, high in (("strength", 0, 1), ("brightness", 0.05, 5), ("saturation", 0, 5)):
            value = getattr(self, name)
            if not np.isfinite(value) or not low <= value <= high:
                raise InvalidInput(f"The {name} of a colour change lies between {low} and {high}, not at {value}.")

    @property
    def changes(self) -> bool:
        """True when colours change by it."""
        return self.strength > 0 or self.brightness != 1 or self.saturation != 1


@dataclass(frozen=True, slots=True)
class Along:
    """What goes the same way as a thing, where it is found on the ground.

    With a thing that is sent along a way it leaves the memory, and is not drawn in the clip.
    """

    shadow: bool = False
    reflection: bool = False


NOTHING = Along()
"""The thing alone."""


@dataclass(frozen=True, eq=False, slots=True)
class Edit:
    """One change a person made."""

    kind: Kind
    camera: Camera
    """View the mask was drawn in."""
    mask: Mask
    """(h, w) what was selected in that view, at that point of the log; empty for what was inserted."""
    offset: Triple = (0.0, 0.0, 0.0)
    """See Placing; of something inserted: where in the picture it stands, as pixel x, pixel y, 0."""
    on_ground: bool = True
    solid: bool = True
    """The thing is stood upright at its ground contact before it is placed, because its depth is an estimate."""
    volume: Volume | None = None
    """What was selected in space; then it counts, and the mask only says where the camera saw it."""
    turn: Triple = (0.0, 0.0, 0.0)
    size: float = 1.0
    """See Placing; of something inserted: its largest side in median depths of the scene."""
    about: About = "ground"
    look: Look = Look()
    """Of a recolouring."""
    way: tuple[Triple, ...] = ()
    """Of an animation: stops along the ground, offsets from where the thing stood."""
    thing: PointCloud | None = None
    """Of something inserted: its points, foot at the origin, largest side 1, axes as a camera's."""
    fill: Fill = "completed"
    shadow: bool = False
    """The thing's shadow on the ground goes the same way as the thing."""
    reflection: bool = False
    """And so does its mirror image."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", read_only(self.mask, bool))
        if self.kind not in KINDS or self.fill not in FILLS:
            raise InvalidInput(f"There is no edit {self.kind!r} with fill {self.fill!r}.")
        if self.kind == "insert":
            x, y, _ = checked_triple(self.offset, 1e5, "A place in the picture")
            if self.thing is None or not len(self.thing):
                raise InvalidInput("There is nothing to insert: give a thing with at least one point.")
            if not (0 <= x < self.camera.width and 0 <= y < self.camera.height):
                raise InvalidInput("The place to insert at lies outside the picture. Click on the ground in it.")
            Placing((0.0, 0.0, 0.0), self.turn, self.size)
        else:
            self.placing  # noqa: B018  # raises for what is not possible
        if self.kind == "animate" and not 2 <= len(self.way) <= MOST_STOPS:
            raise InvalidInput(f"A way has 2 to {MOST_STOPS} stops; the first is where the thing sets out.")
        for stop in self.way:
            checked_triple(stop, FARTHEST_MOVE, "A stop (in median depths)")

    @property
    def placing(self) -> Placing:
        """Where the thing goes."""
        return Placing(self.offset, self.turn, self.size, self.on_ground, self.about)

    @property
    def along(self) -> Along:
        """What goes with the thing."""
        return Along(self.shadow, self.reflection)

    @property
    def clears(self) -> bool:
        """True when the thing no longer stands where it stood."""
        return self.kind in ("delete", "move", "rotate", "scale", "animate")

    @property
    def label(self) -> str:
        """What a person reads in the history."""
        if self.kind in ("delete", "insert", "recolour"):
            return self.kind.capitalize()
        if self.kind == "animate":
            return f"Animate along {len(self.way)} stops"
        name = {"rotate": "Turn", "scale": "Resize"}.get(self.kind, self.kind.capitalize())
        return f"{name} {self.placing.words}"
