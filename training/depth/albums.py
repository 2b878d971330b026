"""Pictures with inverse depth, kept on the device that trains: rendered shards, measured frames, outlined photos.

A measured folder holds `NAME.jpg` and `NAME.log.png`: 0 unknown, 1 sky, 2 to 255 the logarithm of inverse depth
over a factor of 200 below the picture's nearest point. `python -m training.depth.measured` writes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from training.clicks.photos import Photo, held_out, rgb
from training.depth.render import shape_of

UNKNOWN = -1.0
"""Inverse depth where none was measured; 0 is the sky."""
LOG_REACH = float(np.log(200))


@dataclass(frozen=True, eq=False, slots=True)
class Album:
    """Pictures of one size."""

    rgb: Tensor
    """(n, 3, h, w) uint8."""
    inverse: Tensor
    """(n, h, w) float16 inverse z-depth, 0 = sky, `UNKNOWN` = not measured."""
    things: Tensor
    """(n, h, w) uint8 number of the thing, 0 = none known."""

    def __len__(self) -> int:
        return len(self.rgb)

    def at(self, which: Tensor) -> "Album":
        """Some of the pictures, by number."""
        which = which.to(self.rgb.device)
        return Album(self.rgb[which], self.inverse[which], self.things[which])


class Rendered:
    """The shards of a folder, see `training.depth.render`; those still being written grow at `refresh`."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder, self._device = folder, device
        self._shards: dict[Path, tuple[list[np.ndarray], Album]] = {}
        self._ready: dict[Path, int] = {}
        self.refresh()

    def refresh(self) -> None:
        """Takes over what was rendered since."""
        for count in sorted(self._folder.glob("*.n")):
            text = count.read_text().strip()
            if text:
                self._take(count.with_suffix(""), int(text))

    def _take(self, base: Path, ready: int) -> None:
        if base not in self._shards:
            files = [np.load(base.with_suffix(f".{k}.npy"), mmap_mode="r") for k in ("rgb", "inv", "ids")]
            n, h, w = files[1].shape
            kinds = ((n, 3, h, w), torch.uint8), ((n, h, w), torch.float16), ((n, h, w), torch.uint8)
            self._shards[base] = files, Album(*(torch.empty(s, dtype=k, device=self._device) for s, k in kinds))
        (rgb, inverse, ids), album = self._shards[base]
        new = slice(self._ready.get(base, 0), ready)
        if new.start < new.stop:
            album.rgb[new] = torch.from_numpy(np.array(rgb[new])).permute(0, 3, 1, 2).to(self._device)
            album.inverse[new] = torch.from_numpy(np.array(inverse[new])).to(self._device)
            album.things[new] = torch.from_numpy(np.array(ids[new])).to(self._device)
        self._ready[base] = ready

    def __len__(self) -> int:
        return sum(self._ready.values())

    def shapes(self) -> list[str]:
        """The shapes of which there are pictures, see `render.SHAPES`."""
        return sorted({shape_of(b.name) for b, n in self._ready.items() if n})

    def draw(self, shape: str, count: int, dice: torch.Generator) -> Album:
        """Any pictures of a shape, all equally likely."""
        bases = [b for b, n in self._ready.items() if n and shape_of(b.name) == shape]
        shares = torch.tensor([float(self._ready[b]) for b in bases])
        picked = torch.multinomial(shares, count, replacement=True, generator=dice).bincount(minlength=len(bases))
        parts = []
        for base, n in zip(bases, picked.tolist(), strict=True):
            album = self._shards[base][1]
            parts.append(album.at(torch.randint(self._ready[base], (n,), generator=dice)))
        return Album(*(torch.cat([getattr(p, k) for p in parts]) for k in ("rgb", "inverse", "things")))


def read_measured(folder: Path, width: int, height: int, device: torch.device) -> tuple[Album, list[str]]:
    """All frames of a measured folder, filled to width x height (what stands out is cut), and their scenes.

    A frame's scene is its name up to the first `@`; scenes with many frames are not to weigh more.
    """
    pictures, depths, scenes = [], [], []
    for file in sorted(folder.glob("*.jpg")):
        coded = cv2.imread(str(file.with_suffix(".log.png")), cv2.IMREAD_GRAYSCALE)
        if coded is None:
            raise ValueError(f"The depth of {file.name} cannot be read.")
        inverse = np.exp((coded.astype(np.float32) - 255) / 253 * LOG_REACH)
        inverse[coded == 1], inverse[coded == 0] = 0, UNKNOWN
        pictures.append(filled(rgb(file), width, height, cv2.INTER_AREA).transpose(2, 0, 1))
        depths.append(filled(inverse, width, height, cv2.INTER_NEAREST))
        scenes.append(file.stem.partition("@")[0])
    if not pictures:
        raise ValueError(f"No measured frames (NAME.jpg with NAME.log.png) in {folder}.")
    colours, inverse = torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(depths)).half()
    things = torch.zeros_like(inverse, dtype=torch.uint8)
    return Album(colours.to(device), inverse.to(device), things.to(device)), scenes


def read_photos(folder: Path, width: int, height: int, device: torch.device) -> Tensor:
    """(n, 3, height, width) uint8: all photos of a folder but those held out, filled to that size."""
    files = [f for f in sorted(folder.glob("*.jpg")) if not held_out(f.stem)]
    photos = [filled(rgb(f), width, height, cv2.INTER_AREA).transpose(2, 0, 1) for f in files]
    return torch.from_numpy(np.stack(photos)).to(device)


@dataclass(frozen=True, eq=False, slots=True)
class Outlined:
    """Photos with the mask of one thing each."""

    rgb: Tensor
    """(n, 3, h, w) uint8."""
    mask: Tensor
    """(n, h, w) uint8, 255 on the thing."""


def outlined(photos: Sequence[Photo], width: int, height: int, device: torch.device) -> Outlined:
    """The photos filled to width x height; those of which the thing then covers too little or too much are left out."""
    pairs = [
        (filled(p.image, width, height, cv2.INTER_AREA), filled(p.mask.astype(np.uint8) * 255, width, height))
        for p in photos
    ]
    pairs = [(image, mask) for image, mask in pairs if 0.01 < (mask > 127).mean() < 0.7]
    colours = np.stack([image.transpose(2, 0, 1) for image, _ in pairs])
    return Outlined(torch.from_numpy(colours).to(device), torch.from_numpy(np.stack([m for _, m in pairs])).to(device))


@dataclass(frozen=True, eq=False, slots=True)
class CutOuts:
    """Things cut from photos, to be stood in other pictures."""

    layers: Tensor
    """(n, 5, s, s) float16 in [0, 1]: colours, softness of the outline, how far inside; stretched to squares."""
    slim: Tensor
    """(n,) width over height."""


def cut_outs(photos: Sequence[Photo], device: torch.device, side: int = 96) -> CutOuts:
    """One cut-out of every photo whose thing is large enough to be looked at."""
    layers, slim = [], []
    for photo in photos:
        rows, columns = np.nonzero(photo.mask)
        if len(rows) < 300:
            continue
        part = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        colours = cv2.resize(photo.image[part], (side, side), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(photo.mask[part].astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        deep = cv2.distanceTransform((soft > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        layers.append(np.dstack([colours / 255, soft, deep / (deep.max() + 1e-3)]).transpose(2, 0, 1))
        slim.append((np.ptp(columns) + 1) / (np.ptp(rows) + 1))
    stacked = torch.from_numpy(np.stack(layers)).half()
    return CutOuts(stacked.to(device), torch.tensor(slim, dtype=torch.float32, device=device))


def filled(picture: np.ndarray, width: int, height: int, method: int = cv2.INTER_LINEAR) -> np.ndarray:
    """The picture scaled until it covers width x height, its middle part."""
    h, w = picture.shape[:2]
    scale = max(width / w, height / h)
    size = max(width, round(w * scale)), max(height, round(h * scale))
    grown = cv2.resize(np.ascontiguousarray(picture), size, interpolation=method)
    y, x = (size[1] - height) // 2, (size[0] - width) // 2
    return np.ascontiguousarray(grown[y : y + height, x : x + width])
