"""Golden data without files: rooms with boxes and spheres, ray cast exactly.

Every pixel is the ray through its centre. World axes are those of an upright camera (x right, y down, z forward), so
up is (0, -1, 0); the unit is called metre. Things have object ids 1, 2, ...; the room is 0. There are no shadows
and no reflections: a thing that is taken away changes nothing but the pixels it covered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int16

from spatia_core import se3
from spatia_core.arrays import Depth, Image, Mask, Pose
from spatia_core.camera import Camera
from spatia_core.camera_path import SceneScale

UP = np.array([0.0, -1.0, 0.0])
SEEDS = tuple(range(20))
"""Seeds of the scenes that benchmarks use."""

_LIGHT = np.array([0.35, -0.8, -0.5]) / np.linalg.norm([0.35, -0.8, -0.5])

Pattern = Literal["checker", "stripes", "noise"]


@dataclass(frozen=True, eq=False, slots=True)
class Texture:
    """A solid pattern of two colours: a function of the place inside the thing."""

    pattern: Pattern
    colours: Float[np.ndarray, "2 3"]
    """0 to 255."""
    period: float
    """Metres."""
    waves: Float[np.ndarray, "k 4"]
    """(k, 4) wave vectors (radians per metre) and phases of the fine grain."""

    def colour(self, p: Float[np.ndarray, "3 n"]) -> Float[np.ndarray, "3 n"]:
        """The colours at places `p`, thing's frame, 0 to 255."""
        grain = np.cos(self.waves[:, :3] @ p + self.waves[:, 3:]).mean(axis=0)
        if self.pattern == "noise":
            share = 0.5 + 1.1 * grain
        else:
            cells = np.floor((p + 0.1234) / self.period).astype(np.int64)
            share = (cells.sum(axis=0) if self.pattern == "checker" else cells[0] + cells[1]) % 2 * 0.7 + 0.3 * grain
        share = np.clip(share, 0, 1)
        return self.colours[0][:, None] * (1 - share) + self.colours[1][:, None] * share


@dataclass(frozen=True, eq=False, slots=True)
class Thing:
    """A box or a ball."""

    object_id: int
    shape: Literal["box", "ball"]
    half: Float[np.ndarray, "3"]
    """Half sides of a box; the radius, three times, of a ball."""
    pose: Pose
    """(4, 4) thing to world."""
    texture: Texture


@dataclass(frozen=True, eq=False, slots=True)
class SceneView:
    """What a camera sees, without error."""

    image: Image
    """(h, w, 3) uint8 RGB."""
    depth: Depth
    """(h, w) float32 z-depth, metres."""
    object_id: Int16[np.ndarray, "h w"]
    """(h, w) which thing each pixel shows, 0 = room."""

    def mask(self, object_id: int) -> Mask:
        """(h, w) where the thing is seen."""
        return self.object_id == object_id


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A room, seen from inside, with things on its floor."""

    room: Thing
    things: tuple[Thing, ...]

    def start(self, width: int = 416, height: int = 240) -> Camera:
        """The camera the first photo is taken with: at the origin, looking a little down along +z."""
        eye = np.zeros(3)
        return Camera.from_fov(width, height, np.deg2rad(58), se3.look_at(eye, np.array([0, 0.25, 4.0]), UP))

    def scale(self, camera: Camera) -> SceneScale:
        """What camera moves need to know of the scene as `camera` sees it."""
        depth = float(np.median(self.render(camera).depth))
        c2w = camera.c2w
        return SceneScale(c2w[:3, 3] + depth * c2w[:3, 2], depth, UP)

    def render(
        self,
        camera: Camera,
        without: int | None = None,
        moved: Mapping[int, Pose] | None = None,
        smooth: bool = False,
    ) -> SceneView:
        """The exact view; `without` leaves a thing out, `moved` applies world motions to things by object id.

        `smooth` averages 2x2 rays a pixel for the colours; depth and object id stay those of the pixel's centre.
        """
        things = [t for t in self.things if t.object_id != without]
        motions = moved or {}
        things = [replace(t, pose=motions[t.object_id] @ t.pose) if t.object_id in motions else t for t in things]
        view = _cast(camera, self.room, things)
        if not smooth:
            return view
        fine = _cast(camera.resized(2 * camera.width, 2 * camera.height), self.room, things).image
        h, w = view.depth.shape
        mean = fine.reshape(h, 2, w, 2, 3).mean(axis=(1, 3))
        return replace(view, image=np.rint(mean).astype(np.uint8))


def make_scene(seed: int) -> Scene:
    """The scene of that seed: two to four things, clear of each other and of the walls, in view of the start camera."""
    rng = np.random.default_rng(seed)
    half = np.array([rng.uniform(2.6, 3.4), rng.uniform(1.4, 1.7), rng.uniform(4.5, 5.5)])
    floor = rng.uniform(1.0, 1.3)
    centre = np.array([rng.uniform(-0.3, 0.3), floor - half[1], half[2] - 2.5])
    room = Thing(0, "box", half, se3.translation(centre), _texture(rng, rng.uniform(0.5, 0.9)))
    things: list[Thing] = []
    taken: list[tuple[float, float, float]] = []
    wanted = int(rng.integers(2, 5))
    for _ in range(200):
        size = rng.uniform(0.22, 0.5, 3)
        if rng.random() < 0.4:
            size[:] = size[0]
        reach = float(np.hypot(size[0], size[2]))
        z = float(rng.uniform(2.8, 5.0))
        x = float(rng.uniform(-0.38, 0.38) * z)
        if any(np.hypot(x - a, z - b) < reach + c + 0.15 for a, b, c in taken):
            continue
        taken.append((x, z, reach))
        shape = "ball" if size[0] == size[1] == size[2] else "box"
        turn = se3.so3_exp(np.array([0, rng.uniform(-0.8, 0.8), 0]))
        pose = se3.rigid(turn, np.array([x, floor - size[1], z]))
        things.append(Thing(len(things) + 1, shape, size, pose, _texture(rng, rng.uniform(0.12, 0.25))))
        if len(things) == wanted:
            break
    return Scene(room, tuple(things))


def _texture(rng: np.random.Generator, period: float) -> Texture:
    colours = rng.uniform(30, 225, (2, 3))
    colours[1] = np.clip(colours[0] + rng.choice([-1, 1], 3) * rng.uniform(50, 110, 3), 0, 255)
    directions = rng.normal(size=(5, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = period * np.geomspace(0.25, 1.2, 5)[:, None]
    waves = np.hstack([directions * 2 * np.pi / lengths, rng.uniform(0, 2 * np.pi, (5, 1))])
    patterns: tuple[Pattern, ...] = ("checker", "stripes", "noise")
    return Texture(patterns[int(rng.integers(3))], colours, period, waves)


def _cast(camera: Camera, room: Thing, things: list[Thing]) -> SceneView:
    h, w = camera.height, camera.width
    rays = np.ascontiguousarray(camera.rays().transpose(2, 0, 1))
    depth = np.full((h, w), np.inf)
    colour = np.zeros((3, h, w))
    ids = np.zeros((h, w), np.int16)
    for thing in (room, *things):
        window = np.s_[:, :] if thing is room else _window(camera, thing)
        d = rays[(slice(None), *window)]
        if not d.size:
            continue
        t, place, normal = _hit(camera, thing, d.reshape(3, -1), inside=thing is room)
        t = t.reshape(d.shape[1:])
        nearer = t < depth[window]
        if not nearer.any():
            continue
        flat = nearer.ravel()
        light = 0.62 + 0.38 * np.clip(normal[:, flat].T @ (thing.pose[:3, :3].T @ _LIGHT), 0, 1)
        depth[window][nearer] = t[nearer]
        ids[window][nearer] = thing.object_id
        colour[(slice(None), *window)][:, nearer] = thing.texture.colour(place[:, flat]) * light
    image = np.ascontiguousarray(np.rint(colour).astype(np.uint8).transpose(1, 2, 0))
    return SceneView(image, depth.astype(np.float32), ids)


def _window(camera: Camera, thing: Thing) -> tuple[slice, slice]:
    """Rows and columns outside of which the thing cannot be seen."""
    x, y, z = se3.transform(camera.w2c, thing.pose[:3, 3])
    reach = float(np.linalg.norm(thing.half)) if thing.shape == "box" else float(thing.half[0])
    if z - reach < 0.05:
        return (slice(None), slice(None)) if z + reach > 0 else (slice(0, 0), slice(0, 0))
    out = []
    for axis, (place, size) in enumerate(((y, camera.height), (x, camera.width))):
        f, c = camera.K[1 - axis, 1 - axis], camera.K[1 - axis, 2]
        ends = [f * (place + s * reach) / zz + c for s in (-1, 1) for zz in (z - reach, z + reach)]
        low, high = int(np.floor(min(ends))), int(np.ceil(max(ends)))
        out.append(slice(min(max(low, 0), size), min(max(high, 0), size)))
    return out[0], out[1]


def _hit(
    camera: Camera, thing: Thing, rays: Float[np.ndarray, "3 n"], inside: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z-depth (inf = missed), place and normal (towards the camera's side) in the thing's frame, per ray."""
    to_thing = se3.inverse(thing.pose) @ camera.c2w
    o, d = to_thing[:3, 3][:, None], to_thing[:3, :3] @ rays
    if thing.shape == "ball":
        a, b = (d * d).sum(0), (o * d).sum(0)
        root = b * b - a * ((o * o).sum() - thing.half[0] ** 2)
        t = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        t[t <= 0] = np.inf
        place = o + np.where(np.isfinite(t), t, 0) * d
        return t, place, place / thing.half[0]
    d = np.where(np.abs(d) < 1e-12, 1e-12, d)
    half = thing.half[:, None]
    one, two = (-half - o) / d, (half - o) / d
    entry, leave = np.minimum(one, two), np.maximum(one, two)
    first, last = entry.max(0), leave.min(0)
    if inside:
        t, axis = last, leave.argmin(0)
    else:
        t, axis = np.where((first <= last) & (first > 0), first, np.inf), entry.argmax(0)
    place = o + np.where(np.isfinite(t), t, 0) * d
    columns = np.arange(d.shape[1])
    normal = np.zeros_like(d)
    normal[axis, columns] = -np.sign(d[axis, columns])
    return t, place, normal
