"""Photos with masks, and which of them are never trained on."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from spatia_core.arrays import Image, Mask

_SIDE = 480
"""Photos are kept at this longer side."""


@dataclass(frozen=True, eq=False, slots=True)
class Photo:
    """A photo and the mask of one thing in it."""

    name: str
    image: Image
    mask: Mask


def held_out(name: str) -> bool:
    """True for about three in ten photos, by a hash of the photo's number (the part after the last `_`).

    Masks of one photo stay on one side.
    """
    number = _photo_of(name).rpartition("_")[2]
    return hashlib.sha256(number.encode()).digest()[0] < 80


def names(folder: Path) -> list[str]:
    """Names of all masks in `folder/gt` whose photo is in `folder/img`; `NAME+2.png` is another mask of `NAME.jpg`."""
    photos = {f.stem for f in (folder / "img").iterdir()}
    return sorted(f.stem for f in (folder / "gt").glob("*.png") if _photo_of(f.stem) in photos)


def training_photos(*folders: Path) -> list[Photo]:
    """All masks of the mask folders but those of photos held out."""
    found: list[Photo] = []
    for folder in folders:
        files = {f.stem: f for f in (folder / "img").iterdir()}
        images = lru_cache(maxsize=1)(lambda photo, files=files: _shrunk(rgb(files[photo])))
        found += [_read(folder, n, images(_photo_of(n))) for n in names(folder) if not held_out(n)]
    return found


def textures(folder: Path) -> list[Image]:
    """Photos without masks, used as backgrounds and surfaces."""
    return [_shrunk(rgb(f)) for f in sorted(folder.glob("*.jpg"))]


def _photo_of(name: str) -> str:
    return name.partition("+")[0]


def _read(folder: Path, name: str, image: Image) -> Photo:
    mask = cv2.imread(str(folder / "gt" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ValueError(f"The mask of {name} cannot be read.")
    size = (image.shape[1], image.shape[0])
    return Photo(name, image, cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 200)


def rgb(file: Path) -> Image:
    """The picture of a file; raises ValueError when it cannot be read."""
    image = cv2.imread(str(file))
    if image is None:
        raise ValueError(f"{file.name} cannot be read as a picture.")
    return np.ascontiguousarray(image[..., ::-1])


def _shrunk(image: Image) -> Image:
    ratio = _SIDE / max(image.shape[:2])
    if ratio >= 1:
        return image
    return cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
