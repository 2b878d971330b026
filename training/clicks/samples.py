"""Training pictures with the mask of one thing: real photos, cut-outs on photos, painted blobs, rendered scenes."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from spatia_core.arrays import Image
from training.clicks import painting
from training.clicks.painting import Dice, Layer, Soft
from training.clicks.photos import Photo

_SHARES = {"scene": 0.16, "photo": 0.5, "paste": 0.24, "blobs": 0.1}
_LEAST, _MOST = 0.004, 0.75
"""Share of the picture that the thing covers."""

Sample = tuple[Image, Soft]


class Scenes:
    """Rendered scenes with the number of the thing at every pixel: `NAME.rgb.npy`, `NAME.ids.npy`, `NAME.n`.

    Shards still being written grow at `refresh`.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._shards: list[tuple[np.ndarray, np.ndarray, int]] = []
        self.refresh()

    def refresh(self) -> None:
        """Counts what is ready now."""
        self._shards.clear()
        for count in sorted(self._folder.glob("*.n")) if self._folder else ():
            base, ready = count.with_suffix(""), count.read_text().strip()
            ids = base.with_suffix(".ids.npy")
            if ids.exists() and ready:
                rgb = np.load(base.with_suffix(".rgb.npy"), mmap_mode="r")
                self._shards.append((rgb, np.load(ids, mmap_mode="r"), int(ready)))
        self.total = sum(n for *_, n in self._shards)

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        for rgb, ids, n in self._shards:
            if i < n:
                return np.asarray(rgb[i]), np.asarray(ids[i])
            i -= n
        raise IndexError(i)


class Bank:
    """Draws samples."""

    def __init__(self, photos: Sequence[Photo], backgrounds: Sequence[Image], scenes: Scenes, seed: int) -> None:
        self.dice = Dice(seed)
        self._photos = [p for p in photos if p.mask.sum() > 60]
        self._cutouts = [c for c in map(_cut_out, self._photos) if c[1].sum() >= 300]
        self._backgrounds = [p.image for p in photos] + list(backgrounds)
        self.scenes = scenes
        self._kinds = [k for k in _SHARES if k != "scene" or scenes.total]
        weights = np.array([_SHARES[k] for k in self._kinds])
        self._weights = weights / weights.sum()

    def draw(self, size: int) -> Sample:
        """A picture of size x size and a thing's mask in it."""
        while True:
            kind = self.dice.rng.choice(self._kinds, p=self._weights)
            sample = getattr(self, f"_{kind}")(size)
            if sample is not None and _LEAST < (sample[1] > 127).mean() < _MOST:
                return painting.photographed(self.dice, sample[0]), sample[1]

    def _photo(self, size: int) -> Sample | None:
        photo = self._photos[self.dice.index(len(self._photos))]
        image, mask = painting.warped(self.dice, photo.image, photo.mask, size)
        return image, _known(mask)

    def _paste(self, size: int) -> Sample | None:
        return self._composed(size, blobs=False)

    def _blobs(self, size: int) -> Sample | None:
        return self._composed(size, blobs=True)

    def _scene(self, size: int) -> Sample | None:
        image, ids = self.scenes[self.dice.index(self.scenes.total)]
        numbers, counts = np.unique(ids, return_counts=True)
        keep = (numbers > 1) & (counts > 0.004 * ids.size) & (counts < 0.6 * ids.size)
        if not keep.any():
            return None
        weights = np.sqrt(counts[keep])
        chosen = self.dice.rng.choice(numbers[keep], p=weights / weights.sum())
        mask = cv2.morphologyEx((ids == chosen).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
        image, soft = painting.warped(self.dice, image, mask, size)
        return image, _known(soft)

    def _background(self, size: int) -> Image:
        if self.scenes.total and self.dice.chance(0.25):
            image = self.scenes[self.dice.index(self.scenes.total)][0]
        else:
            image = self._backgrounds[self.dice.index(len(self._backgrounds))]
        return painting.warped(self.dice, image, None, size)[0]

    def _composed(self, size: int, blobs: bool) -> Sample | None:
        """Several things before a background; the mask is what can be seen of one of them."""
        picture = self._background(size).astype(np.float32)
        seen: list[Soft] = []
        for _ in range(1 + self.dice.index(8 if blobs else 5)):
            colours, mask = self._painted(size) if blobs and self.dice.chance(0.75) else self._pasted(size)
            if self.dice.chance(0.3):
                picture = painting.shadowed(self.dice, picture, mask)
            soft = cv2.GaussianBlur(mask, (0, 0), self.dice.between(0.3, 0.9)).astype(np.float32)[..., None] / 255
            picture = picture * (1 - soft) + colours * soft
            seen = [np.minimum(m, 255 - mask) for m in seen] + [mask]
        large = [m for m in seen if (m > 127).sum() > 0.006 * size * size]
        if not large:
            return None
        return np.clip(picture, 0, 255).astype(np.uint8), large[self.dice.index(len(large))]

    def _pasted(self, size: int) -> Layer:
        return painting.placed(self.dice, *self._cutouts[self.dice.index(len(self._cutouts))], size)

    def _painted(self, size: int) -> Layer:
        """A blob with a photo's texture; some are of two parts."""
        mask = painting.blob(self.dice, size)
        colours = painting.surface(self.dice, self._background(size), mask)
        if self.dice.chance(0.35):
            other = painting.blob(self.dice, size)
            here, there = np.argwhere(mask > 127), np.argwhere(other > 127)
            if len(here) and len(there):
                y, x = here[self.dice.index(len(here))] - there.mean(0)
                other = cv2.warpAffine(other, np.array([[1, 0, x], [0, 1, y]], np.float32), (size, size))
                more = painting.surface(self.dice, self._background(size), other)
                soft = other[..., None].astype(np.float32) / 255
                colours, mask = colours * (1 - soft) + more * soft, np.maximum(mask, other)
        return colours, mask


def _known(mask: Soft | None) -> Soft:
    assert mask is not None
    return mask


def _cut_out(photo: Photo) -> tuple[Image, np.ndarray]:
    y, x = np.nonzero(photo.mask)
    part = np.s_[max(0, y.min() - 3) : y.max() + 4, max(0, x.min() - 3) : x.max() + 4]
    return photo.image[part], photo.mask[part]
