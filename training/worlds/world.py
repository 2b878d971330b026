"""A world: what stands where, what moves, and what a camera sees of it, without error."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int16

from spatia_core.arrays import Depth, Image, Intrinsics, Mask, Pose, read_only
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.memory import Keyframe
from training.worlds import textures
from training.worlds.builder import Builder, Mover
from training.worlds.indoors import View, day
from training.worlds.light import Arrays, cast, ground_height, smooth_edges, tone_curve
from training.worlds.outlines import SIDE
from training.worlds.photos import Photos, no_photos
from training.worlds.places import PLACES, STILLS
from training.worlds.solids import AXES, CENTRE, COLUMNS, HALF, MATERIAL, THING
from training.worlds.tree import build_tree

KINDS = tuple(PLACES)
SKY, GROUND = 0, 1
"""Thing ids that every world has."""

_TO_SCENE = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Public axes (x right, y down, z forward) to scene axes (x right, y forward, z up)."""
_FIXED = {"floor", "wall", "ceiling", "skirting", "kerb", "window", "door"}
_TRIES = 12


@dataclass(frozen=True, eq=False, slots=True)
class WorldFrame:
    """What a camera sees of a world at a time."""

    rgb: Image
    """(h, w, 3) uint8."""
    depth: Depth
    """(h, w) float32 z-depth of the pixel centres, metres; inf where the sky is."""
    camera: Camera
    """The camera."""
    time: float
    """Seconds."""
    thing: Int16[np.ndarray, "h w"]
    """(h, w) which thing each pixel centre shows: 0 sky, 1 ground, then `World.names`."""
    dynamic: Mask
    """(h, w) True where the pixel shows a thing that moves (its shadow is not marked)."""
    sky: Mask
    """(h, w) True where the sky is."""

    def __post_init__(self) -> None:
        for name in ("rgb", "depth", "thing", "dynamic", "sky"):
            array = getattr(self, name)
            object.__setattr__(self, name, read_only(array, array.dtype))

    @property
    def K(self) -> Intrinsics:  # noqa: N802
        """(3, 3) pixels."""
        return self.camera.K

    @property
    def w2c(self) -> Pose:
        """(4, 4) world to camera, OpenCV axes."""
        return self.camera.w2c

    def known_depth(self, far: float | None = None) -> Depth:
        """Depth with the sky on a far shell (NaN when `far` is None), as the product wants it."""
        return np.where(self.sky, np.float32(np.nan if far is None else far), self.depth).astype(np.float32)

    def keyframe(self, far: float | None = None) -> Keyframe:
        """The frame as a view to remember: moving things and sky are marked."""
        return Keyframe(self.rgb, self.known_depth(far), self.camera, self.dynamic, self.sky)


@dataclass(frozen=True, eq=False)
class World:
    """An immutable place. Axes: x right, y down, z forward; metres; the ground is near y = 0."""

    kind: str
    seed: int
    scene: Arrays
    """Solids at time 0; the tree is of that time too."""
    movers: tuple[Mover, ...]
    names: tuple[str, ...]
    """Name of every thing by id: 0 sky, 1 ground."""
    view: View
    """Where the first camera stands."""
    stage: float = field(default=1.0)
    """The depth that camera moves are sized by, metres."""

    @property
    def moving(self) -> tuple[int, ...]:
        """Ids of the things that move."""
        return tuple(m.thing for m in self.movers)

    def camera(self, width: int = 320, height: int = 192) -> Camera:
        """The camera the first photo is taken with."""
        v = self.view
        c2w = self.pose(v.place, v.yaw, v.pitch)
        f = width / 2 / np.tan(np.deg2rad(v.fov) / 2)
        K = np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])
        return Camera(K, np.linalg.inv(c2w), width, height)

    @staticmethod
    def pose(place: tuple[float, float, float], yaw: float, pitch: float, roll: float = 0.0) -> Pose:
        """c2w of a camera at a scene place; yaw to the right (radians), pitch up (degrees), roll (radians)."""
        p = np.deg2rad(pitch)
        forward = np.array([np.sin(yaw) * np.cos(p), np.cos(yaw) * np.cos(p), np.sin(p)])
        right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
        down = np.cross(forward, right)
        right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
        c2w = np.eye(4)
        c2w[:3, :3] = _TO_SCENE.T @ np.stack([right, down, forward], 1)
        c2w[:3, 3] = _TO_SCENE.T @ np.asarray(place)
        return c2w

    def at(self, time: float) -> Arrays:
        """The scene with everything that moves where it is at `time`."""
        if not self.movers or time == 0:
            return self.scene
        solids = self.scene.solids.copy()
        for m in self.movers:
            dx, dy, turn = m.at(time)
            mine = solids[:, THING] == m.thing
            c, s = np.cos(turn), np.sin(turn)
            R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
            x, y = m.pivot
            rise = 0.0
            if self.scene.ground[0]:
                rise = ground_height(self.scene.ground, x + dx, y + dy) - ground_height(self.scene.ground, x, y)
            pivot = np.array([x, y, 0.0])
            solids[mine, CENTRE : CENTRE + 3] = (
                (solids[mine, CENTRE : CENTRE + 3] - pivot) @ R.T + pivot + np.array([dx, dy, rise])
            )
            axes = solids[mine, AXES : AXES + 9].reshape(-1, 3, 3)
            solids[mine, AXES : AXES + 9] = (axes @ R.T).reshape(-1, 9)
        nodes, order = build_tree(solids)
        return self.scene._replace(solids=solids, nodes=nodes, order=order)

    def render(self, camera: Camera, time: float = 0.0, shadows: bool = True, smooth: bool = True) -> WorldFrame:
        """The exact view; depth and ids are those of pixel centres, colours too unless `smooth` averages borders."""
        scene = self.at(time)
        rgb, depth, what = self._cast(scene, camera, shadows, smooth)
        things = np.append(scene.solids[:, THING], [GROUND, SKY]).astype(np.int16)
        thing = things[what]  # -1 is the last (sky), -2 the one before (ground)
        image = (rgb * 255 + np.float32(0.5)).astype(np.uint8)
        dynamic = np.isin(thing, np.array(self.moving, np.int16))
        return WorldFrame(image, depth, camera, float(time), thing, dynamic, thing == SKY)

    @staticmethod
    def _cast(scene: Arrays, camera: Camera, shadows: bool, smooth: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(rgb in [0, 1], z-depth, index of the solid that each pixel shows)."""
        h, w = camera.height, camera.width
        c2w = np.eye(4)
        c2w[:3] = _TO_SCENE @ camera.c2w[:3]
        tone = tone_curve(scene.air[6], scene.air[7])
        scene = scene._replace(
            tone=tone, stack=np.empty(64, np.int32), entry=np.empty(64), haze=np.empty(3), colour=np.empty(3)
        )
        rgb, depth, what = np.empty((h, w, 3), np.float32), np.empty((h, w), np.float32), np.empty((h, w), np.int32)
        rays, flags = camera.rays(), (shadows, float(1 / camera.K[0, 0]))
        cast(scene, rays, c2w, flags, rgb, depth, what)
        if smooth and min(h, w) > 1:
            smooth_edges(scene, rays, c2w, flags, rgb, what)
        return rgb, depth, what

    def free(self, place: np.ndarray, time: float = 0.0) -> float:
        """Distance from a place (public axes) to the nearest solid's box or the ground, metres; 0 inside."""
        p = _TO_SCENE @ place
        nearest = _distances(self.at(time).solids, p).min(initial=np.inf)
        if self.scene.ground[0]:
            nearest = min(nearest, max(0.0, p[2] - float(ground_height(self.scene.ground, p[0], p[1]))))
        return float(nearest)


def _distances(solids: np.ndarray, p: np.ndarray) -> np.ndarray:
    local = np.einsum("nij,nj->ni", solids[:, AXES : AXES + 9].reshape(-1, 3, 3), p - solids[:, CENTRE : CENTRE + 3])
    return np.linalg.norm(np.maximum(np.abs(local) - solids[:, HALF : HALF + 3], 0), axis=1)


def make_world(kind: str | None = None, seed: int = 0, photos: Photos | None = None) -> World:
    """The world of that kind and seed, the same in every process; any kind when None.

    `photos` (see `read_photos`) are used on pictures, walls and prints. Raises InvalidInput for an unknown kind.
    """
    if kind is not None and kind not in (*PLACES, *STILLS):
        raise InvalidInput(f"No kind of world is called {kind!r}; there are {', '.join((*PLACES, *STILLS))}.")
    photos = no_photos() if photos is None else photos
    best: tuple[float, World] | None = None
    for attempt in range(_TRIES):
        rng = np.random.default_rng([seed, attempt])
        shares = np.array([p[2] for p in PLACES.values()])
        drawn = KINDS[int(rng.choice(len(KINDS), p=shares / shares.sum()))]
        world, quality = _judged(_build(kind or drawn, seed, rng, photos), rng)
        if best is None or quality > best[0]:
            best = quality, world
        if quality >= 1:
            break
    assert best is not None
    return best[1]


def _build(kind: str, seed: int, rng: np.random.Generator, photos: Photos) -> World:
    put, inside = STILLS[kind] if kind in STILLS else PLACES[kind][:2]
    b = Builder(rng, photos=len(photos))
    view = put(b)
    sun, sky, air = day(b, inside)
    solids = np.array(b.solids).reshape(-1, COLUMNS)
    close = _distances(solids, np.asarray(view.place)) < view.near
    fixed = np.array([b.names[int(t)] in _FIXED for t in solids[:, THING]], bool)
    gone = set(solids[close & ~fixed, THING].astype(int))
    solids = np.ascontiguousarray(solids[~np.isin(solids[:, THING], list(gone))])
    materials = np.array(b.materials)
    glows = materials[solids[:, MATERIAL].astype(int), textures.GLOW] > 0.3
    shapes = np.array(b.outlines, np.float32) if b.outlines else np.zeros((1, SIDE, SIDE), np.float32)
    lamps = np.array(b.lamps).reshape(-1, 7)
    nodes, order = build_tree(solids)
    light = b.ground, sky, sun, lamps, air, np.empty(0), np.empty(0, np.int32), np.empty(0), np.empty(0), np.empty(0)
    scene = Arrays(solids, materials, shapes, np.ascontiguousarray(photos), nodes, order, glows, *light)
    movers = tuple(m for m in b.movers if m.thing not in gone)
    return World(kind, seed, scene, movers, tuple(b.names), view)


def _judged(world: World, rng: np.random.Generator) -> tuple[World, float]:
    """The world exposed and sized by its first view, and how good that view is (1 = good enough)."""
    camera = world.camera(48, 32)
    view = world.render(camera, smooth=False)
    linear = _linear(world, camera)
    known = view.depth[~view.sky]
    if known.size < 0.3 * view.depth.size:
        return world, 0.0
    bright = float(np.percentile(linear, 70))
    key = np.exp(0.25 * rng.normal()) * (0.45 if rng.random() < 0.12 else 1.8 if rng.random() < 0.08 else 1.0)
    air = world.scene.air.copy()
    air[6] = np.clip(0.42 * key / max(bright, 1e-4), 0.05, 60)
    stage = float(min(np.median(known), 2.5 * np.percentile(known, 5)))
    spread = float(np.std(np.log(known)))
    crowded = float((known < 1.6 * world.view.near).mean())
    contrast = float(np.std(np.clip(linear * air[6], 0, 1)))
    quality = min(spread / 0.3, contrast / 0.08, 1.0) if crowded < 0.25 else 0.2
    return replace(world, scene=world.scene._replace(air=air), stage=stage), quality


def _linear(world: World, camera: Camera) -> np.ndarray:
    """(h, w) brightness before exposure."""
    air = world.scene.air.copy()
    air[6], air[7] = 0.02, 0.0
    rgb, _, _ = world._cast(world.scene._replace(air=air), camera, True, False)
    return (rgb.astype(np.float64) ** 2.2 / air[6]).mean(axis=2)
