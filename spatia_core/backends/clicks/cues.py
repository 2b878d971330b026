"""What clicks say about a picture, as maps: discs, geodesic distance, colour likeness, colours of the last mask."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Float32
from numba import njit

from spatia_core.arrays import Image, Mask

Map = Float32[np.ndarray, "h w"]
Clicks = Float[np.ndarray, "_n 2"]
"""(n, 2) x, y in pixels of the picture at hand; pixel i covers [i, i + 1)."""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1."""

FARTHEST = 10.0
"""Geodesic distances end here."""


@dataclass(frozen=True, eq=False)
class CuePicture:
    """A small picture and all that can be said about it before any click."""

    rgb: Image

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @cached_property
    def lab(self) -> Float32[np.ndarray, "h w 3"]:
        """Softened Lab colours, lightness counting less (shadows)."""
        lab = cv2.cvtColor(cv2.GaussianBlur(self.rgb, (0, 0), 0.7), cv2.COLOR_RGB2LAB).astype(np.float32)
        lab[..., 0] *= 0.7
        return lab

    @cached_property
    def change_unit(self) -> float:
        """Colour change that costs one unit of geodesic distance: ten times the picture's mean change per pixel."""
        down, right = (np.abs(np.diff(self.lab, axis=axis)).sum(2) for axis in (0, 1))
        means = [float(d.mean()) if d.size else 0.0 for d in (down, right)]
        return 10 * (sum(means) / 2 + 1.0)

    @cached_property
    def from_border(self) -> Map:
        """Geodesic distance from the picture's border."""
        border = np.ones(self.shape, bool)
        border[1:-1, 1:-1] = False
        return self.distance(border, 1)

    @cached_property
    def colour_bins(self) -> np.ndarray:
        """(h, w) int32 index of each pixel's colour among 16 x 16 x 16."""
        r, g, b = np.moveaxis((self.rgb >> 4).astype(np.int32), 2, 0)
        return (r * 16 + g) * 16 + b

    def distance(self, seeds: Mask, sweeps: int) -> Map:
        """Geodesic distance from the seeds: length plus colour change on the way; `FARTHEST` without seeds."""
        if not seeds.any():
            return np.full(self.shape, FARTHEST, np.float32)
        out = np.where(seeds, 0, 1e9).astype(np.float32)
        _sweep(self.lab, out, 1 / self.change_unit, 1.5 / max(self.shape), sweeps)
        return np.minimum(out, np.float32(FARTHEST))

    def discs(self, clicks: Clicks, radius: int) -> Mask:
        """True within `radius` pixels of a click."""
        out = np.zeros(self.shape, np.uint8)
        for x, y in clicks:
            cv2.circle(out, (int(x), int(y)), radius, 1, -1)
        return out > 0

    def squares(self, clicks: Clicks) -> Mask:
        """True in the 3 x 3 pixels around each click."""
        out = np.zeros(self.shape, bool)
        for x, y in clicks.astype(int):
            out[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = True
        return out

    def likeness(self, clicks: Clicks) -> Map:
        """1 where the colour is that around some click, falling to 0 with the distance in Lab."""
        nearest = np.full(self.shape, 1e9, np.float32)
        for x, y in clicks.astype(int):
            colour = self.lab[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].mean((0, 1))
            nearest = np.minimum(nearest, ((self.lab - colour) ** 2).sum(2))
        return np.exp(-nearest / (2 * 25.0**2))

    def odds(self, mask: Map) -> Map:
        """Log odds of each pixel's colour inside against outside a mask of probabilities, a third of it, within 1.5."""

        def density(weight: Map) -> np.ndarray:
            counts = np.bincount(self.colour_bins.ravel(), weight.ravel(), 4096).reshape(16, 16, 16)
            for axis in range(3):
                counts = _smooth_along(counts, axis)
            return counts / (counts.sum() + 1e-6) + 2e-5

        ratio = np.log(density(mask)) - np.log(density(1 - mask))
        return np.clip(ratio.ravel()[self.colour_bins] / 3, -1.5, 1.5).astype(np.float32)

    def maps(
        self, positive: Clicks, negative: Clicks, box: Box | None, previous: Map | None
    ) -> Float32[np.ndarray, "11 h w"]:
        """The network's cues: discs + -, last mask, box, nearness to + - and border, likeness + -, odds, box flag."""
        out = np.zeros((11, *self.shape), np.float32)
        radius = max(2, round(max(self.shape) * 0.018))
        inside = box_mask(self.shape, box)
        for k, clicks in enumerate((positive, negative)):
            out[k] = self.discs(clicks, radius)
            seeds = self.squares(clicks)
            if box is not None and k == 1:
                seeds |= ~inside
            elif box is not None and not len(clicks):
                seeds |= self.squares(box_centre(box))
            if seeds.any():
                out[4 + k] = np.exp(-self.distance(seeds, 1))
            if len(clicks):
                out[7 + k] = self.likeness(clicks)
        out[6] = np.exp(-self.from_border)
        if previous is not None:
            out[2], out[9] = previous, self.odds(previous)
        if box is not None:
            out[3], out[10] = inside, 1
        return out


def box_mask(shape: tuple[int, int], box: Box | None) -> Mask:
    """True inside the box; everywhere without one."""
    out = np.ones(shape, bool)
    if box is not None:
        x0, y0, x1, y1 = (int(v) for v in box)
        out[:] = False
        out[max(0, y0) : y1 + 1, max(0, x0) : x1 + 1] = True
    return out


def box_centre(box: Box) -> Clicks:
    """The middle of the box as a click."""
    return np.array([[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]])


def _smooth_along(counts: np.ndarray, axis: int) -> np.ndarray:
    padded = np.pad(counts, [(1, 1) if i == axis else (0, 0) for i in range(3)], mode="edge")
    before, at, after = (np.take(padded, range(i, i + 16), axis) for i in range(3))
    return 0.25 * before + 0.5 * at + 0.25 * after


@njit(cache=True, fastmath=True, nogil=True)
def _sweep(lab, out, per_change, per_pixel, sweeps):  # pragma: no cover - compiled
    """Raster sweeps down and up: every pixel takes the cheapest way over one of its four neighbours already passed."""
    h, w, _ = lab.shape
    behind = ((0, -1, 1.0), (-1, 0, 1.0), (-1, -1, 1.414), (-1, 1, 1.414))
    for sweep in range(2 * sweeps):
        sign = 1 if sweep % 2 == 0 else -1
        for i in range(h):
            y = i if sign > 0 else h - 1 - i
            for j in range(w):
                x = j if sign > 0 else w - 1 - j
                best, a, b, c = out[y, x], lab[y, x, 0], lab[y, x, 1], lab[y, x, 2]
                for dy, dx, length in behind:
                    yy, xx = y + sign * dy, x + sign * dx
                    if yy < 0 or yy >= h or xx < 0 or xx >= w:
                        continue
                    cost = out[yy, xx] + np.float32(length * per_pixel)
                    if cost < best:
                        change = abs(lab[yy, xx, 0] - a) + abs(lab[yy, xx, 1] - b) + abs(lab[yy, xx, 2] - c)
                        best = min(best, cost + np.float32(per_change) * change)
                out[y, x] = best
