"""Films of worlds, and sequence folders on disk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spatia_core import se3
from spatia_core.arrays import Image
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip
from training.worlds.paths import PATHS, path
from training.worlds.world import World, WorldFrame, make_world


@dataclass(frozen=True, eq=False, slots=True)
class WorldClip:
    """A film with everything known about it."""

    world: World
    """Where it was shot."""
    frames: tuple[WorldFrame, ...]
    """In order."""
    fps: float
    """Frames per second; things move by it."""

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[WorldFrame]:
        return iter(self.frames)

    def __getitem__(self, index: int) -> WorldFrame:
        return self.frames[index]

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Camera of every frame."""
        return tuple(f.camera for f in self.frames)

    @property
    def images(self) -> np.ndarray:
        """(t, h, w, 3) uint8."""
        return np.stack([f.rgb for f in self.frames])

    @property
    def depths(self) -> np.ndarray:
        """(t, h, w) float32, inf = sky."""
        return np.stack([f.depth for f in self.frames])

    @property
    def dynamic(self) -> np.ndarray:
        """(t, h, w) True where something moves."""
        return np.stack([f.dynamic for f in self.frames])

    def clip(self) -> Clip:
        """The film as the product's clips are."""
        return Clip(self.images, self.cameras, fps=max(1, round(self.fps)), maker="world", seed=self.world.seed)


def film(
    world: World,
    cameras: Sequence[Camera],
    fps: float = 12,
    shadows: bool = True,
    smooth: bool = True,
    start: float = 0,
) -> WorldClip:
    """The world along a camera path, `fps` frames a second from time `start` on."""
    frames = tuple(world.render(c, start + k / fps, shadows, smooth) for k, c in enumerate(cameras))
    return WorldClip(world, frames, fps)


def sample_clip(
    seed: int,
    frames: int = 13,
    size: tuple[int, int] = (320, 192),
    kind: str | None = None,
    way: str | None = None,
    smooth: bool = True,
) -> WorldClip:
    """A film of `size` (width, height) in the world of that seed; kind of place and way of the camera are drawn."""
    world = make_world(kind, seed)
    if way is None:
        way = PATHS[int(np.random.default_rng([9, seed]).integers(len(PATHS)))]
    return film(world, path(world, way, frames, seed, size), smooth=smooth)


def write_sequence(
    folder: str | Path, clip: WorldClip, spoil: Callable[[Image, int], Image] | None = None, quality: int = 95
) -> None:
    """Writes images/%05d.jpg, depth/%05d.png (uint16 mm, 0 = sky or beyond 65 m), poses.txt (camera to world), K.txt.

    dynamic/%05d.png (255 = moves) and thing/%05d.png (uint16 ids) stand beside them. `spoil` is a `Degradation`.
    """
    root = Path(folder)
    for name in ("images", "depth", "dynamic", "thing"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for k, f in enumerate(clip):
        image = f.rgb if spoil is None else spoil(f.rgb, k)
        near = f.depth < 65.535
        mm = np.where(near, np.round(np.where(near, f.depth, 0) * 1000), 0).astype(np.uint16)
        written = [
            cv2.imwrite(str(root / f"images/{k:05d}.jpg"), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]),
            cv2.imwrite(str(root / f"depth/{k:05d}.png"), mm),
            cv2.imwrite(str(root / f"dynamic/{k:05d}.png"), f.dynamic.astype(np.uint8) * 255),
            cv2.imwrite(str(root / f"thing/{k:05d}.png"), f.thing.astype(np.uint16)),
        ]
        if not all(written):
            raise InvalidInput(f"Frame {k} could not be written to {root}.")
    np.savetxt(root / "poses.txt", [se3.inverse(c.w2c).ravel() for c in clip.cameras], fmt="%.9f")
    np.savetxt(root / "K.txt", clip.cameras[0].K, fmt="%.6f")
