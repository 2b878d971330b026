"""Pictures with exact depth, from the procedural world, kept as memory-mapped arrays.

A folder holds shards: `NAME.rgb.npy` (n, h, w, 3) uint8, `NAME.inv.npy` float16 inverse z-depth (0 = sky),
`NAME.ids.npy` uint8 number of the thing, and `NAME.n`, how many of them are ready.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatia_core.camera import Camera
from training.clicks.photos import held_out
from training.worlds import World, WorldFrame, make_world, read_photos

SIZE = (224, 160)
"""Width and height of most pictures."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of pictures that shards are rendered in."""

    size: tuple[int, int]
    """Width and height."""
    lens: float
    """The world's angle of view is multiplied by this."""
    kinds: dict[str | None, float]
    """How often worlds of a kind are drawn; None = any of those that films have."""


SHAPES = {
    "world": Shape(SIZE, 1.0, {None: 0.58, "nook": 0.27, "road": 0.15}),
    "wide": Shape((320, 112), 1.3, {None: 0.1, "road": 0.65, "street": 0.25}),
    "tall": Shape((160, 224), 0.75, {None: 0.75, "nook": 0.2, "road": 0.05}),
}
"""By the first part of a shard's name."""
_VIEWS = 2
"""Pictures of one world."""
_CROWDED = 0.12
"""Metres: a view with much nearer than that is not kept."""


def fill(folder: Path, shard: str, count: int, photos: np.ndarray, minutes: float = np.inf) -> None:
    """Writes `count` pictures as one shard, fewer when the minutes are over; goes on where an earlier run stopped.

    A shard is named by a shape and a number, such as `tall12`.
    """
    shape = SHAPES[shape_of(shard)]
    until = time.monotonic() + 60 * minutes
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / shard
    width, height = shape.size
    done_file = base.with_suffix(".n")
    done = int(done_file.read_text()) if done_file.exists() else 0
    kinds = {"rgb": ((3,), np.uint8), "inv": ((), np.float16), "ids": ((), np.uint8)}
    arrays = {
        name: np.lib.format.open_memmap(
            base.with_suffix(f".{name}.npy"), "r+" if done else "w+", kind, (count, height, width, *more)
        )
        for name, (more, kind) in kinds.items()
    }
    for i, frame in enumerate(_frames(shape, seed_of(shard) + done, count - done, photos), done):
        arrays["rgb"][i] = frame.rgb
        arrays["inv"][i] = np.where(frame.sky, 0, 1 / np.maximum(frame.depth, 0.05))
        arrays["ids"][i] = np.where(frame.sky, 0, 1 + frame.thing % 250)
        if i % 20 == 19 or i == count - 1:
            done_file.write_text(str(i + 1))
        if time.monotonic() > until:
            break


def seed_of(shard: str) -> int:
    """Where the seeds of a shard's worlds begin."""
    shape = shape_of(shard)
    return (int(shard.removeprefix(shape)) * 10 + list(SHAPES).index(shape)) * 1_000_000


def shape_of(shard: str) -> str:
    """The shape a shard is rendered in, by its name."""
    return shard.rstrip("0123456789")


def fill_many(folder: Path, shards: Sequence[str], count: int, photos: np.ndarray, minutes: float = np.inf) -> None:
    """Writes every shard, of `count` pictures, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fill, args=(folder, shard, count, photos, minutes)) for shard in shards]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def photo_pieces(folders: Sequence[Path], count: int = 96) -> np.ndarray:
    """Crops of the folders' photos for walls, pictures and prints; held-out photos with masks are left out."""
    with tempfile.TemporaryDirectory() as temporary:
        for k, folder in enumerate(folders):
            for file in sorted(folder.glob("*.jpg")):
                if not held_out(file.stem):
                    (Path(temporary) / f"{k}_{file.name}").symlink_to(file.resolve())
        return read_photos(temporary, count)


def _frames(shape: Shape, seed: int, count: int, photos: np.ndarray) -> Iterator[WorldFrame]:
    made, kinds, shares = 0, list(shape.kinds), list(shape.kinds.values())
    while made < count:
        rng = np.random.default_rng([31, seed])
        world = make_world(kinds[rng.choice(len(kinds), p=shares)], seed, photos)
        seed += 1
        for view in range(_VIEWS):
            frame = world.render(_camera(shape, world, rng, view), float(rng.uniform(0, 5)))
            near = frame.depth < _CROWDED
            if made < count and near.mean() < 0.1 and frame.sky.mean() < 0.7:
                made += 1
                yield frame


def _camera(shape: Shape, world: World, rng: np.random.Generator, view: int) -> Camera:
    """The world's own first camera, then one turned, tilted, moved and of another lens."""
    width, height = shape.size
    camera = world.camera(width, height)
    v = world.view
    far = min(0.5, view)
    place = np.asarray(v.place) + rng.normal(size=3) * np.array([0.3, 0.3, 0.12]) * world.stage * far
    turn, tilt, roll = rng.normal() * 0.5 * far, rng.normal() * (4 + 22 * far), rng.normal() * 0.03
    fov = np.clip(shape.lens * v.fov * np.exp(rng.normal() * 0.22), 28, 105)
    focal = width / 2 / np.tan(np.deg2rad(fov) / 2)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    x, y, z = place.tolist()
    moved = world.pose((x, y, z), v.yaw + turn, float(np.clip(v.pitch + tilt, -55, 35)), roll)
    if world.free(moved[:3, 3]) < 0.25:
        moved = world.pose(v.place, v.yaw + turn, float(np.clip(v.pitch + tilt, -55, 35)), roll)
    return Camera(K, np.linalg.inv(moved), camera.width, camera.height)
