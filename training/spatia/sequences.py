"""Videos with poses: films of the procedural world, or a folder in RealEstate10K's layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spatia_core.arrays import Depth, Mask
from spatia_core.backends.protocols import DepthEstimator
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.io.trajectories import read_trajectory
from spatia_core.memory import Keyframe
from training.worlds import PATHS, RETURNS, film, make_world, path

ENDINGS = (".mp4", ".mov", ".mkv", ".webm")
STILL = 1e9
"""Frames per second at which nothing moves."""


@dataclass(frozen=True, eq=False)
class PosedVideo:
    """Frames, the camera of each, and what is known of their depth."""

    images: np.ndarray
    """(t, h, w, 3) uint8."""
    cameras: tuple[Camera, ...]
    depths: np.ndarray | None = None
    """(t, h, w) z-depth, inf = sky; None where an estimator has to say."""
    dynamic: np.ndarray | None = None
    """(t, h, w) True where something moves; None = nothing known to."""
    name: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def keyframe(self, index: int, estimator: DepthEstimator | None = None) -> Keyframe:
        """Frame `index` as a view to remember, with its moving things marked."""
        image, camera = self.images[index], self.cameras[index]
        still = np.zeros(image.shape[:2], bool) if self.dynamic is None else self.dynamic[index]
        depth, sky = self._depth(index, estimator)
        return Keyframe(image, depth, camera, still, sky)

    def _depth(self, index: int, estimator: DepthEstimator | None) -> tuple[Depth, Mask]:
        if self.depths is None:
            if estimator is None:
                raise InvalidInput(f"{self.name or 'The video'} has no depth; give the name of a depth estimator.")
            seen = estimator.estimate(self.images[index], self.cameras[index].K).depth.depth
            return seen, np.zeros(seen.shape, bool)
        depth = self.depths[index]
        sky = ~np.isfinite(depth)
        far = 20 * float(np.median(depth[~sky])) if not sky.all() else 1.0
        return np.where(sky, np.float32(far), depth), sky


def world_video(seed: int, frames: int, size: tuple[int, int], returns: bool = False, fps: float = STILL) -> PosedVideo:
    """A film of the world of that seed; `returns` draws only ways that come back. size is (width, height)."""
    ways = tuple(RETURNS) if returns else PATHS
    way = ways[int(np.random.default_rng([13, seed]).integers(len(ways)))]
    world = make_world(None, seed)
    clip = film(world, path(world, way, frames, seed, size), fps=fps)
    return PosedVideo(clip.images, clip.cameras, clip.depths, clip.dynamic, f"world {seed}")


def folder_names(folder: str | Path) -> list[str]:
    """Names of the trajectories `NAME.txt` in the folder that have a video `NAME.mp4` or a folder of frames `NAME/`."""
    root = Path(folder)
    names = [p.stem for p in sorted(root.glob("*.txt")) if _frames_of(root, p.stem) is not None]
    if not names:
        raise InvalidInput(
            f"No video with poses in {root}: RealEstate10K's layout is NAME.txt beside NAME/ (frames named by their "
            f"time stamp or in order) or NAME with one of {', '.join(ENDINGS)}."
        )
    return names


def folder_video(folder: str | Path, name: str, size: tuple[int, int]) -> PosedVideo:
    """A video of the folder with its RealEstate10K poses, frames resized to `size` (width, height).

    Frames are matched to poses by time stamp where a folder's files are named so, else in order; of a video file the
    frames next to the time stamps are taken.
    """
    root = Path(folder)
    told = read_trajectory(root / f"{name}.txt")
    source = _frames_of(root, name)
    if source is None or told.lenses is None:
        raise InvalidInput(f"{name} needs frames and a RealEstate10K trajectory with a lens on every line.")
    stamps = told.times or tuple(range(len(told.w2c)))
    images = _folder(source, stamps) if source.is_dir() else _video(source, stamps)
    w, h = size
    cameras = []
    for pose, (fx, fy, cx, cy) in zip(told.w2c, told.lenses, strict=True):
        cameras.append(Camera(np.array([[fx * w, 0, cx * w], [0, fy * h, cy * h], [0, 0, 1]]), pose, w, h))
    frames = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_AREA) for i in images])
    return PosedVideo(frames, tuple(cameras), name=name)


def _frames_of(root: Path, name: str) -> Path | None:
    places = [root / name, *(root / f"{name}{e}" for e in ENDINGS)]
    return next((p for p in places if p.exists()), None)


def _folder(source: Path, stamps: Sequence[int]) -> list[np.ndarray]:
    files = sorted(p for p in source.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    by_stamp = {int(p.stem): p for p in files if p.stem.isdigit()}
    chosen = [by_stamp[t] for t in stamps] if all(t in by_stamp for t in stamps) else files
    if len(chosen) != len(stamps):
        raise InvalidInput(f"{source.name} holds {len(files)} frames for {len(stamps)} poses.")
    out = []
    for file in chosen:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            raise InvalidInput(f"{source.name}/{file.name} is no picture that can be read.")
        out.append(np.ascontiguousarray(image[..., ::-1]))
    return out


def _video(source: Path, stamps: Sequence[int]) -> list[np.ndarray]:
    reader = cv2.VideoCapture(str(source))
    out: list[np.ndarray] = []
    fps = reader.get(cv2.CAP_PROP_FPS) or 30.0
    wanted = [round(t * 1e-6 * fps) for t in stamps]
    index, frame = -1, None
    for k in wanted:
        while index < k:
            good, image = reader.read()
            if not good:
                break
            index, frame = index + 1, image
        if frame is None:
            break
        out.append(np.ascontiguousarray(frame[..., ::-1]))
    reader.release()
    if len(out) != len(stamps) or index < wanted[-1] - 1:
        raise InvalidInput(f"{source.name} ends before the last pose of its trajectory.")
    return out
