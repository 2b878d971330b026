"""What the depth network learns from: rendered pictures with cut-out photos standing in them, real outlines."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.arrays import Image, Mask
from training.clicks import painting
from training.clicks.painting import Dice
from training.clicks.photos import Photo
from training.worlds import degradation

Inverse = Float32[np.ndarray, "h w"]
Example = tuple[Image, Inverse]


class Rendered:
    """The shards of a folder, see `training.depth.render`; those still being written grow at `refresh`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[Path, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._counts: dict[Path, int] = {}
        self.refresh()

    def refresh(self) -> None:
        for count in sorted(self._folder.glob("*.n")):
            base = count.with_suffix("")
            if base not in self._open:
                rgb, inverse, ids = (
                    np.load(base.with_suffix(f".{k}.npy"), mmap_mode="r") for k in ("rgb", "inv", "ids")
                )
                self._open[base] = rgb, inverse, ids
            text = count.read_text().strip()
            self._counts[base] = int(text) if text else self._counts.get(base, 0)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def draw(self, dice: Dice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Colours, inverse depth and thing numbers of one picture; small shards are drawn from more often."""
        bases = [b for b, n in self._counts.items() if n]
        weights = np.sqrt([self._counts[b] for b in bases])
        base = bases[int(dice.rng.choice(len(bases), p=weights / weights.sum()))]
        i = dice.index(self._counts[base])
        return tuple(np.asarray(a[i]) for a in self._open[base])  # pyright: ignore[reportReturnType]


class Studio:
    """Makes training examples of any size."""

    def __init__(self, rendered: Rendered, photos: Sequence[Photo], surfaces: Sequence[Image], seed: int) -> None:
        self.dice = Dice(seed)
        self.rendered = rendered
        self._photos = [p for p in photos if 0.01 < p.mask.mean() < 0.7]
        self._surfaces = [p.image for p in photos] + list(surfaces)

    def synthetic(self, width: int, height: int) -> Example:
        """A rendered picture with exact inverse depth (0 = sky), photographed by an everyday camera."""
        dice = self.dice
        image, inverse, ids = _cropped(dice, self.rendered.draw(dice), width, height)
        if dice.chance(0.4):
            image = self._papered(image, ids)
        for _ in range(int(dice.rng.choice(4, p=[0.4, 0.3, 0.2, 0.1]))):
            image, inverse = self._with_billboard(image, inverse)
        return self._taken(image), inverse

    def real(self, width: int, height: int) -> tuple[Image, Mask]:
        """A photo, cropped around a thing, and the thing's mask."""
        photo = self._photos[self.dice.index(len(self._photos))]
        h, w = photo.mask.shape
        share = self.dice.between(0.75, 1.0)
        ch, cw = int(h * share), int(w * share)
        y, x = self.dice.index(h - ch + 1), self.dice.index(w - cw + 1)
        image = cv2.resize(photo.image[y : y + ch, x : x + cw], (width, height), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(photo.mask[y : y + ch, x : x + cw].astype(np.uint8), (width, height)) > 0
        if self.dice.chance(0.5):
            image, mask = image[:, ::-1], mask[:, ::-1]
        return self._taken(np.ascontiguousarray(image)), np.ascontiguousarray(mask)

    def _taken(self, image: Image) -> Image:
        seed = int(self.dice.rng.integers(1 << 30))
        return degradation(seed, self.dice.between(0.4, 1.5))(image, seed)

    def _surface(self, size: int) -> Image:
        return painting.warped(self.dice, self._surfaces[self.dice.index(len(self._surfaces))], None, size)[0]

    def _papered(self, image: Image, ids: np.ndarray) -> Image:
        """One thing gets a photo for a surface and keeps its own light."""
        numbers, counts = np.unique(ids, return_counts=True)
        keep = (counts > 0.03 * ids.size) & (numbers > 0)
        if not keep.any():
            return image
        on = ids == self.dice.rng.choice(numbers[keep])
        paper = cv2.resize(self._surface(128), (image.shape[1], image.shape[0])).astype(np.float32)
        light = image.astype(np.float32).mean(2, keepdims=True)
        light = light / (light[on].mean() + 1)
        out = image.astype(np.float32)
        out[on] = (paper * light)[on]
        return np.clip(out, 0, 255).astype(np.uint8)

    def _with_billboard(self, image: Image, inverse: Inverse) -> Example:
        """A cut-out photo stands upright somewhere on what is seen, hidden by what is nearer."""
        dice = self.dice
        h, w = inverse.shape
        photo = self._photos[dice.index(len(self._photos))]
        rows, columns = np.nonzero(photo.mask)
        part = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        tall = h * dice.stretched(0.15, 1.0)
        wide = tall * (np.ptp(columns) + 1) / (np.ptp(rows) + 1) * np.exp(dice.normal(0.1))
        size = max(4, round(min(wide, 1.2 * w))), max(4, round(tall))
        colours = cv2.resize(photo.image[part], size, interpolation=cv2.INTER_AREA)
        soft = cv2.resize(photo.mask[part].astype(np.float32), size, interpolation=cv2.INTER_AREA)
        if dice.chance(0.5):
            colours, soft = colours[:, ::-1], soft[:, ::-1]
        x0, foot = round(dice.between(-0.3, 1) * w), round(dice.between(0.4, 1.25) * h)
        y0 = foot - size[1]
        ground = float(inverse[min(foot, h - 1), int(np.clip(x0 + size[0] // 2, 0, w - 1))])
        stands = ground * max(1.0, foot / (h - 1)) ** 1.5 * dice.stretched(1.0, 1.15)
        ys, xs = np.s_[max(0, y0) : min(h, foot)], np.s_[max(0, x0) : min(w, x0 + size[0])]
        if ground <= 0 or ys.stop - ys.start < 4 or xs.stop - xs.start < 4:
            return image, inverse
        inner = np.s_[ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0]
        bulge = cv2.distanceTransform((soft > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
        nearness = stands * (1 + dice.between(0, 0.12) * bulge / (bulge.max() + 1e-3))[inner]
        shown = np.where(nearness > inverse[ys, xs], soft[inner], 0)[..., None]
        out, there = image.copy(), inverse.copy()
        toned = colours[inner].astype(np.float32) * dice.between(0.6, 1.2)
        out[ys, xs] = np.clip(image[ys, xs] * (1 - shown) + toned * shown, 0, 255).astype(np.uint8)
        there[ys, xs] = np.where(shown[..., 0] > 0.5, nearness, there[ys, xs])
        return out, there


def _cropped(
    dice: Dice, drawn: tuple[np.ndarray, np.ndarray, np.ndarray], width: int, height: int
) -> tuple[Image, Inverse, np.ndarray]:
    image, inverse, ids = drawn
    h, w = inverse.shape
    share = dice.between(0.5, 1) if dice.chance(0.65) else 1.0
    ch = share * h
    cw = ch * width / height * np.exp(dice.between(-0.2, 0.2))
    if cw > w:
        ch, cw = ch * w / cw, w
    ch, cw = int(ch), int(min(cw, w))
    y, x = dice.index(h - ch + 1), dice.index(w - cw + 1)
    part = np.s_[y : y + ch, x : x + cw]
    method = cv2.INTER_AREA if ch > height else cv2.INTER_LINEAR
    image = cv2.resize(image[part], (width, height), interpolation=method)
    inverse = cv2.resize(inverse[part].astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST)
    ids = cv2.resize(ids[part], (width, height), interpolation=cv2.INTER_NEAREST)
    if dice.chance(0.5):
        image, inverse, ids = image[:, ::-1], inverse[:, ::-1], ids[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(inverse), np.ascontiguousarray(ids)
