"""Folders of frames with depth: images/%05d.jpg, depth/%05d.png, poses.txt, K.txt."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from spatia_core import se3
from spatia_core.arrays import Depth, Image, Intrinsics, Pose, read_only
from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike

LAYOUT = (
    "images/00000.jpg ..., depth/00000.png ... (16-bit millimetres, 0 = none), K.txt (3x3, pixels) and, where known, "
    "poses.txt (16 numbers a line: camera to world, OpenCV axes, metres)"
)
MILLIMETRES = 1000.0
SATURATED = 65535
"""What sensors write where they measured nothing beside 0."""
NEAREST = 0.05
"""Metres; a picture whose usual depth is below this was not written in millimetres."""


@dataclass(frozen=True, eq=False, slots=True)
class RgbdSequence:
    """A film with depth in a folder; pictures are read when asked for."""

    folder: Path
    K: Intrinsics
    """(3, 3) pixels."""
    size: tuple[int, int]
    """Width, height of every frame."""
    count: int
    """Frames."""
    c2w: tuple[Pose, ...] | None
    """(4, 4) true camera-to-world poses, metres; None when the folder has none."""
    has_depth: bool
    """True when there is a depth folder."""

    def __len__(self) -> int:
        return self.count

    def first(self, count: int) -> Self:
        """The film's first frames."""
        count = min(count, self.count)
        return replace(self, count=count, c2w=None if self.c2w is None else self.c2w[:count])

    def image(self, i: int) -> Image:
        """(h, w, 3) uint8 RGB of frame i."""
        file = _file(self.folder / "images", i, (".jpg", ".jpeg", ".png"))
        picture = None if file is None else cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            raise InvalidInput(f"Frame {i} of {self.folder.name} has no readable picture images/{i:05d}.jpg.")
        if picture.shape[1::-1] != self.size:
            raise InvalidInput(
                f"Frame {i} of {self.folder.name} is {picture.shape[1]}x{picture.shape[0]}, the first is "
                f"{self.size[0]}x{self.size[1]}; all frames must have one size."
            )
        return picture

    def depth(self, i: int) -> Depth:
        """(h, w) float32 z-depth of frame i, metres, NaN = unknown."""
        values = cv2.imread(str(self.folder / "depth" / f"{i:05d}.png"), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise InvalidInput(f"Frame {i} of {self.folder.name} has no readable depth/{i:05d}.png.")
        if values.dtype != np.uint16 or values.ndim != 2:
            raise InvalidInput(
                f"depth/{i:05d}.png of {self.folder.name} holds {values.dtype} of shape {values.shape}; it must be "
                "16-bit grey, millimetres."
            )
        if values.shape[::-1] != self.size:
            raise InvalidInput(
                f"depth/{i:05d}.png of {self.folder.name} is {values.shape[1]}x{values.shape[0]}, its picture "
                f"{self.size[0]}x{self.size[1]}; give depth at the picture's size."
            )
        known = (values > 0) & (values < SATURATED)
        if known.any() and np.median(values[known]) < NEAREST * MILLIMETRES:
            raise InvalidInput(
                f"depth/{i:05d}.png of {self.folder.name} is usually {np.median(values[known]):.0f} mm away, which no "
                "camera sees; depth must be in millimetres: multiply metres by 1000."
            )
        return np.where(known, values / np.float32(MILLIMETRES), np.float32(np.nan)).astype(np.float32)

    def __iter__(self) -> Iterator[tuple[Image, Depth | None]]:
        return ((self.image(i), self.depth(i) if self.has_depth else None) for i in range(self.count))


def open_sequence(folder: PathLike) -> RgbdSequence:
    """The sequence in a folder; raises InvalidInput with the accepted layout when something is missing or wrong."""
    root = Path(folder)
    if not (root / "images").is_dir() or not (root / "K.txt").is_file():
        raise InvalidInput(f"{root.name} is no sequence folder; it must hold {LAYOUT}.")
    count = 0
    while _file(root / "images", count, (".jpg", ".jpeg", ".png")) is not None:
        count += 1
    if count == 0:
        raise InvalidInput(f"{root.name}/images has no frame 00000.jpg; a sequence folder holds {LAYOUT}.")
    K = _numbers(root / "K.txt", 9).reshape(-1, 3, 3)[0]
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise InvalidInput(f"{root.name}/K.txt has a focal length that is not positive.")
    first = cv2.imread(str(_file(root / "images", 0, (".jpg", ".jpeg", ".png"))))
    if first is None:
        raise InvalidInput(f"The first picture of {root.name} cannot be read.")
    poses = _poses(root / "poses.txt", count) if (root / "poses.txt").is_file() else None
    return RgbdSequence(root, read_only(K, np.float64), first.shape[1::-1], count, poses, (root / "depth").is_dir())


def _poses(file: Path, count: int) -> tuple[Pose, ...]:
    values = _numbers(file, 16).reshape(-1, 4, 4)
    if len(values) < count:
        raise InvalidInput(f"{file.name} has {len(values)} poses for {count} pictures; give one line a picture.")
    for i, T in enumerate(values):
        if not se3.is_rigid(T, 5e-3):
            mirror = np.isfinite(T).all() and np.linalg.det(T[:3, :3]) < 0
            why = "mirrors space" if mirror else "is no rigid motion"
            raise InvalidInput(f"Pose {i} of {file.name} {why}; give camera-to-world poses of 16 numbers a line.")
    return tuple(read_only(se3.rigid(se3.nearest_rotation(T[:3, :3]), T[:3, 3]), np.float64) for T in values[:count])


def _numbers(file: Path, each: int) -> np.ndarray:
    try:
        values = np.array(file.read_text().split(), np.float64)
    except (OSError, ValueError):
        raise InvalidInput(f"{file.name} cannot be read as numbers; it must hold {each} numbers an entry.") from None
    if values.size == 0 or values.size % each:
        raise InvalidInput(f"{file.name} holds {values.size} numbers; it must hold {each} an entry.")
    return values


def _file(folder: Path, i: int, endings: tuple[str, ...]) -> Path | None:
    return next((f for e in endings if (f := folder / f"{i:05d}{e}").is_file()), None)
