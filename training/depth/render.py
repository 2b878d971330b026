"""Pictures with exact depth, from the procedural world, kept as memory-mapped arrays.

A folder holds shards: `NAME.rgb.npy` (n, h, w, 3) uint8, `NAME.inv.npy` float16 inverse z-depth (0 = sky),
`NAME.ids.npy` uint8 number of the thing, and `NAME.n`, how many of them are ready.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from spatia_core.camera import Camera
from training.clicks.photos import held_out
from training.worlds import World, WorldFrame, make_world, read_photos

SIZE = (224, 160)
"""Width and height of the pictures."""
_VIEWS = 2
"""Pictures of one world."""
_CROWDED = 0.12
"""Metres: a view with much nearer than that is not kept."""


def fill(folder: Path, shard: int, count: int, photos: np.ndarray) -> None:
    """Writes `count` pictures as one shard; goes on where an interrupted run stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / f"world{shard}"
    width, height = SIZE
    done_file = base.with_suffix(".n")
    done = int(done_file.read_text()) if done_file.exists() else 0
    kinds = {"rgb": ((3,), np.uint8), "inv": ((), np.float16), "ids": ((), np.uint8)}
    arrays = {
        name: np.lib.format.open_memmap(
            base.with_suffix(f".{name}.npy"), "r+" if done else "w+", kind, (count, height, width, *more)
        )
        for name, (more, kind) in kinds.items()
    }
    for i, frame in enumerate(_frames(shard * 1_000_000 + done, count - done, photos), done):
        arrays["rgb"][i] = frame.rgb
        arrays["inv"][i] = np.where(frame.sky, 0, 1 / np.maximum(frame.depth, 0.05))
        arrays["ids"][i] = np.where(frame.sky, 0, 1 + frame.thing % 250)
        if i % 20 == 19 or i == count - 1:
            done_file.write_text(str(i + 1))


def photo_pieces(folders: Sequence[Path], count: int = 96) -> np.ndarray:
    """Crops of the folders' photos for walls, pictures and prints; held-out photos with masks are left out."""
    with tempfile.TemporaryDirectory() as temporary:
        for k, folder in enumerate(folders):
            for file in sorted(folder.glob("*.jpg")):
                if not held_out(file.stem):
                    (Path(temporary) / f"{k}_{file.name}").symlink_to(file.resolve())
        return read_photos(temporary, count)


def _frames(seed: int, count: int, photos: np.ndarray) -> Iterator[WorldFrame]:
    made = 0
    while made < count:
        rng = np.random.default_rng([31, seed])
        world = make_world(None, seed, photos)
        seed += 1
        for view in range(_VIEWS):
            frame = world.render(_camera(world, rng, view), float(rng.uniform(0, 5)))
            near = frame.depth < _CROWDED
            if made < count and near.mean() < 0.1 and frame.sky.mean() < 0.7:
                made += 1
                yield frame


def _camera(world: World, rng: np.random.Generator, view: int) -> Camera:
    """The world's own first camera, then one turned, tilted, moved and of another lens."""
    width, height = SIZE
    camera = world.camera(width, height)
    v = world.view
    far = min(0.5, view)
    place = np.asarray(v.place) + rng.normal(size=3) * np.array([0.3, 0.3, 0.12]) * world.stage * far
    turn, tilt, roll = rng.normal() * 0.5 * far, rng.normal() * (4 + 22 * far), rng.normal() * 0.03
    fov = np.clip(v.fov * np.exp(rng.normal() * 0.22), 28, 105)
    focal = width / 2 / np.tan(np.deg2rad(fov) / 2)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    x, y, z = place.tolist()
    moved = world.pose((x, y, z), v.yaw + turn, float(np.clip(v.pitch + tilt, -55, 35)), roll)
    if world.free(moved[:3, 3]) < 0.25:
        moved = world.pose(v.place, v.yaw + turn, float(np.clip(v.pitch + tilt, -55, 35)), roll)
    return Camera(K, np.linalg.inv(moved), camera.width, camera.height)
