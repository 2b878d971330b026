"""What scenes are put together with. Scene axes: x right, y forward, z up, metres."""

import math
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from training.worlds import outlines, textures
from training.worlds.solids import BALL, BOX, COLUMNS, CONE, CYLINDER, PRISM, SILHOUETTE

T = TypeVar("T")
WALLS = (textures.PLAIN, textures.PLAIN, textures.CLOUDY, textures.STRIPES, textures.BRICKS, textures.TILES)
WOODEN = (textures.PLANKS, textures.PLANKS, textures.PLAIN, textures.MARBLE, textures.CLOUDY)
ANYTHING = (
    textures.PLAIN,
    textures.PLAIN,
    textures.CLOUDY,
    textures.STRIPES,
    textures.TILES,
    textures.BRICKS,
    textures.PLANKS,
    textures.PICTURE,
    textures.MARBLE,
    textures.CELLS,
)


@dataclass(frozen=True, slots=True)
class Mover:
    """A thing on its way: to and fro on a line, or round in a circle, always on the ground."""

    thing: int
    pivot: tuple[float, float]
    """Where it stands at time 0 (x, y)."""
    heading: float
    """Direction it sets out in, radians from x to y."""
    speed: float
    """Metres a second."""
    length: float
    """Of the line before it turns back; 0 for a circle."""
    radius: float = 0.0
    """Of the circle."""

    def at(self, time: float) -> tuple[float, float, float]:
        """(dx, dy, turn): how far from its place and how turned it is at `time` seconds."""
        way = self.speed * time
        c, s = math.cos(self.heading), math.sin(self.heading)
        if self.radius > 0:
            a = way / self.radius
            forward, left = self.radius * math.sin(a), self.radius * (1 - math.cos(a))
            return c * forward - s * left, s * forward + c * left, a
        lap = way % (2 * self.length)
        back = lap > self.length
        forward = 2 * self.length - lap if back else lap
        return c * forward, s * forward, math.pi if back else 0.0


@dataclass(eq=False, slots=True)
class Builder:
    """Solids, materials and light of a scene in the making."""

    rng: np.random.Generator
    solids: list[np.ndarray] = field(default_factory=list)
    materials: list[np.ndarray] = field(default_factory=list)
    outlines: list[np.ndarray] = field(default_factory=list)
    names: list[str] = field(default_factory=lambda: ["sky", "ground"])
    movers: list[Mover] = field(default_factory=list)
    ground: np.ndarray = field(default_factory=lambda: np.zeros(22))
    lamps: list[list[float]] = field(default_factory=list)
    photos: int = 0
    """How many photos there are to paper things with."""
    pale: bool = False
    """The whole scene keeps to dull colours."""

    def __post_init__(self) -> None:
        self.ground[16] = -1
        self.pale = self.rng.random() < 0.5

    def u(self, low: float, high: float) -> float:
        """A number between."""
        return low + (high - low) * self.rng.random()

    def chance(self, p: float) -> bool:
        """True that often."""
        return bool(self.rng.random() < p)

    def some(self, low: int, high: int) -> range:
        """As many turns as a number from `low` to `high`, both included."""
        return range(int(self.rng.integers(low, high + 1)))

    def pick(self, *choices: T) -> T:
        """One of them."""
        return choices[int(self.rng.integers(len(choices)))]

    def thing(self, name: str) -> int:
        """Begins a new thing: solids added from now on belong to it."""
        self.names.append(name)
        return len(self.names) - 1

    def colour(self, low: float = 0.03, high: float = 0.9, saturation: float | None = None) -> np.ndarray:
        """Any colour, linear."""
        value = low + (high - low) * self.rng.random() ** 1.2
        s = self.u(0, 0.35 if self.pale else 0.85) if saturation is None else saturation
        hue = 6 * self.rng.random()
        pure = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
        return value * (1 - s + s * pure)

    def warm(self, low: float = 0.05, high: float = 0.6) -> np.ndarray:
        """Wood, earth, skin, brick."""
        return self.u(low, high) * np.array([1, self.u(0.55, 0.85), self.u(0.25, 0.7)])

    def green(self) -> np.ndarray:
        """Plants."""
        return self.u(0.06, 0.4) * np.array([self.u(0.4, 1.0), 1, self.u(0.15, 0.5)])

    def grey(self, low: float, high: float) -> np.ndarray:
        """No hue."""
        return np.full(3, self.u(low, high))

    def material(
        self,
        kind: int | None = None,
        first: ArrayLike | None = None,
        second: ArrayLike | None = None,
        third: ArrayLike | None = None,
        **more: float,
    ) -> int:
        """A new material; `more` overrides scale, p1, p2, grain, glow, gloss by name."""
        u = self.u
        kind = self.pick(*ANYTHING) if kind is None else kind
        if kind == textures.PICTURE and self.photos and self.chance(0.8):
            kind = textures.PHOTO
        c1 = self.colour() if first is None else np.asarray(first)
        changed = np.clip(c1 * u(0.5, 1.6), 0, 1)
        c2 = np.asarray(second) if second is not None else (self.colour() if self.chance(0.4) else changed)
        c3 = self.colour() if self.chance(0.3) else np.clip(c1 * u(0.3, 1.5), 0, 1)
        c3 = c3 if third is None else np.asarray(third)
        scale, p1, p2 = self._pattern(kind)
        row = np.zeros(textures.COLUMNS)
        row[0], row[1:4], row[4:7], row[7:10] = kind, c1, c2, c3
        row[10:16] = scale, p1, p2, u(0.03, 0.5) if self.chance(0.8) else 0, 0, u(0.05, 0.5) if self.chance(0.3) else 0
        for name, column in (("scale", 10), ("p1", 11), ("p2", 12), ("grain", 13), ("glow", 14), ("gloss", 15)):
            row[column] = more.get(name, row[column])
        row[16:19] = self.rng.random(3) * 50
        row[19] = self.rng.integers(max(self.photos, 1))
        self.materials.append(row)
        return len(self.materials) - 1

    def _pattern(self, kind: int) -> tuple[float, float, float]:
        u, pick = self.u, self.pick
        return {
            textures.PLAIN: (1, 0, 0),
            textures.CLOUDY: (u(0.5, 8), u(0.4, 1.5), 0),
            textures.STRIPES: (u(1, 20), u(0.2, 0.7), pick(0, 0, 1)),
            textures.TILES: (u(0.8, 8), pick(0, 1), u(0, 1)),
            textures.BRICKS: (u(2.5, 6), 0, u(0.1, 0.9)),
            textures.PLANKS: (u(3, 12), pick(0, 0.7, 1), 0),
            textures.GRASS: (u(0.5, 3), u(0.6, 1.3), pick(0, 1)),
            textures.FACADE: (u(0.25, 0.6), u(0.3, 0.7), u(0.4, 0.75)),
            textures.PICTURE: (u(0.5, 3), 0, 0),
            textures.PATCHES: (u(1.5, 4), u(-0.1, 0.25), 0),
            textures.MARBLE: (u(0.5, 3), 0, 0),
            textures.CELLS: (u(1, 12), u(0.4, 1), u(0.2, 1)),
            textures.FOLIAGE: (u(3, 10), 0, 0),
            textures.PHOTO: (u(0.6, 2.5), 0, 0),
        }[kind]

    def add(
        self, kind: int, centre: ArrayLike, half: ArrayLike, material: int, turn: float | np.ndarray = 0.0, leafy=None
    ) -> None:
        """A solid of the current thing; `turn` is an angle about up or a rotation (rows: the solid's axes).

        `leafy` (cut, scale) makes holes between leaves.
        """
        row = np.zeros(COLUMNS)
        if isinstance(turn, np.ndarray):
            axes = turn
        else:
            c, s = math.cos(turn), math.sin(turn)
            axes = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
        row[0], row[1:4], row[4:13] = kind, np.asarray(centre), axes.ravel()
        row[13:16] = np.maximum(np.asarray(half), 1e-3)
        row[16], row[17], row[18:20] = material, len(self.names) - 1, leafy or (-2.0, 1.0)
        self.solids.append(row)

    def box(self, centre: ArrayLike, half: ArrayLike, material: int, turn: float | np.ndarray = 0.0) -> None:
        """A box by centre and half sides."""
        self.add(BOX, centre, half, material, turn)

    def ball(self, centre: ArrayLike, half: ArrayLike, material: int, turn: float = 0.0, leafy=None) -> None:
        """An ellipsoid; `half` may be one radius."""
        self.add(BALL, centre, np.broadcast_to(np.asarray(half, float), 3), material, turn, leafy)

    def rod(self, a: ArrayLike, b: ArrayLike, radius: float, material: int, kind: int = CYLINDER) -> None:
        """A round bar (or cone) from `a` to `b`."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        z = b - a
        length = float(np.linalg.norm(z)) + 1e-9
        z = z / length
        x = np.cross(z, [0, 0, 1.0] if abs(z[2]) < 0.9 else [1.0, 0, 0])
        x /= np.linalg.norm(x)
        self.add(kind, (a + b) / 2, [radius, radius, length / 2], material, np.stack([x, np.cross(z, x), z]))

    def silhouette(self, kind: str, foot: ArrayLike, half: ArrayLike, material: int, turn: float) -> None:
        """An inflated outline standing at `foot`; half = half width, half thickness, half height."""
        half, foot = np.asarray(half, float), np.asarray(foot, float)
        self.outlines.append(outlines.draw(kind, self.rng))
        self.add(SILHOUETTE, foot + np.array([0, 0, half[2]]), half, material, turn)
        self.solids[-1][20] = len(self.outlines) - 1

    def roof(self, centre: ArrayLike, half: ArrayLike, material: int, turn: float) -> None:
        """A gable roof along the solid's x."""
        self.add(PRISM, centre, half, material, turn)

    def cone(self, centre: ArrayLike, half: ArrayLike, material: int, leafy=None) -> None:
        """A cone with its tip up."""
        self.add(CONE, centre, half, material, 0.0, leafy)

    def cylinder(self, centre: ArrayLike, half: ArrayLike, material: int, turn: float = 0.0) -> None:
        """An upright cylinder."""
        self.add(CYLINDER, centre, half, material, turn)

    def lamp(self, place: ArrayLike, strength: float, warmth: float = 0.0) -> None:
        """A lamp that throws shadows."""
        self.lamps.append([*np.asarray(place, float), strength, 1, 1 - 0.4 * warmth, 1 - warmth])

    def placed(self, x: float, y: float, z: float, yaw: float):
        """(point, box) of a thing's own frame: u right, v back, w up from its foot at (x, y, z)."""
        c, s = math.cos(yaw), math.sin(yaw)

        def point(a: float, b: float, w: float) -> np.ndarray:
            return np.array([x + c * a - s * b, y + s * a + c * b, z + w])

        def box(place: tuple[float, float, float], half: tuple[float, float, float], material: int) -> None:
            self.box(point(*place), half, material, yaw)

        return point, box
