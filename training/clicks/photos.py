"""Photos with masks, and which of them are never trained on."""

import hashlib
from dataclasses import dataclass
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
    return hashlib.sha256(name.rpartition("_")[2].encode()).digest()[0] < 80


def names(folder: Path) -> list[str]:
    """Names of all photos in `folder/img` that have a mask in `folder/gt`."""
    with_mask = {f.stem for f in (folder / "gt").glob("*.png")}
    return sorted(f.stem for f in (folder / "img").iterdir() if f.stem in with_mask)


def training_photos(folder: Path) -> list[Photo]:
    """All photos of a mask folder but the ones held out."""
    return [_read(folder, n) for n in names(folder) if not held_out(n)]


def textures(folder: Path) -> list[Image]:
    """Photos without masks, used as backgrounds and surfaces."""
    return [_shrunk(_rgb(f)) for f in sorted(folder.glob("*.jpg"))]


def _read(folder: Path, name: str) -> Photo:
    file = next(f for f in (folder / "img").iterdir() if f.stem == name)
    mask = cv2.imread(str(folder / "gt" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise ValueError(f"The mask of {name} cannot be read.")
    image = _shrunk(_rgb(file))
    size = (image.shape[1], image.shape[0])
    return Photo(name, image, cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 200)


def _rgb(file: Path) -> Image:
    image = cv2.imread(str(file))
    if image is None:
        raise ValueError(f"{file.name} cannot be read as a picture.")
    return np.ascontiguousarray(image[..., ::-1])


def _shrunk(image: Image) -> Image:
    ratio = _SIDE / max(image.shape[:2])
    if ratio >= 1:
        return image
    return cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
