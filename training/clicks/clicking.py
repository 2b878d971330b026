"""Simulated clicks during training: one picture being clicked on until its mask is right."""

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.arrays import Mask
from spatia_core.backends.clicks import colour_cut
from spatia_core.backends.clicks.cues import Box, CuePicture, Map
from training.clicks.painting import Dice, Soft
from training.clicks.samples import Sample

_BELIEF = 0.9
"""Probability that the product gives to the pixels of an earlier mask."""

Point = tuple[float, float]


class Clicked:
    """One training picture with the clicks made so far and the mask they correct."""

    def __init__(self, sample: Sample, dice: Dice) -> None:
        image, self.soft = sample
        self.picture = CuePicture(image)
        self.truth: Mask = self.soft > 127
        self.positive: list[Point] = []
        self.negative: list[Point] = []
        self.box: Box | None = None
        self.previous: Map | None = None
        self._dice = dice
        if dice.chance(0.27):
            self.box = _loose_box(dice, self.truth)
        else:
            self.positive.append(_first_click(dice, self.truth))
        if dice.chance(0.06):
            self.negative.append(_any_of(dice, ~self.truth))
        if dice.chance(0.3):
            self._start_by_colour()

    def cues(self) -> Float32[np.ndarray, "11 h w"]:
        """What the network is told."""
        return self.picture.maps(_points(self.positive), _points(self.negative), self.box, self.previous)

    def step(self, probability: Map) -> None:
        """The network's answer becomes the earlier mask and the next click corrects it."""
        found = probability > 0.5
        missing, wrong = self.truth & ~found, ~self.truth & found
        (a, depth_a), (b, depth_b) = deepest(missing), deepest(wrong)
        hard = self._dice.chance(0.6)
        self.previous = np.where(found, _BELIEF, 1 - _BELIEF).astype(np.float32) if hard else probability
        if max(depth_a, depth_b) < 1:
            return
        inside = depth_a >= depth_b
        point = a if inside else b
        if self._dice.chance(0.25):
            point = _any_of(self._dice, missing if inside else wrong)
        (self.positive if inside else self.negative).append(point)

    def _start_by_colour(self) -> None:
        """The colour cut as the mask before the first look, as in the product; the network learns to mend it."""
        cut = colour_cut.first_cut(self.picture, _points(self.positive), _points(self.negative), self.box)
        self.previous = np.where(cut, _BELIEF, 1 - _BELIEF).astype(np.float32)


def deepest(region: Mask) -> tuple[Point, float]:
    """The point of a region that is farthest from its border (the picture's border counts), and how far."""
    distance = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = divmod(int(distance.argmax()), region.shape[1])
    return (float(x), float(y)), float(distance[y, x])


def box_of(mask: Mask | Soft) -> Box:
    """The tight box of a mask."""
    y, x = np.nonzero(mask)
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _first_click(dice: Dice, truth: Mask) -> Point:
    """Mostly the deepest point, else any point well inside: people click so."""
    if dice.chance(0.6):
        return deepest(truth)[0]
    distance = cv2.distanceTransform(np.pad(truth, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    return _any_of(dice, distance >= 0.3 * distance.max())


def _any_of(dice: Dice, region: Mask) -> Point:
    y, x = divmod(int(dice.rng.choice(np.flatnonzero(region))), region.shape[1])
    return float(x), float(y)


def _loose_box(dice: Dice, truth: Mask) -> Box:
    x0, y0, x1, y1 = box_of(truth)
    jitter = float(dice.rng.choice([0, 0.03, 0.06]))
    extent = np.array([x1 - x0, y1 - y0] * 2)
    corners = np.array([x0, y0, x1, y1]) + dice.rng.normal(size=4) * extent * jitter
    side = len(truth) - 1
    bx0, by0, bx1, by1 = np.clip(corners, 0, side).tolist()
    return min(bx0, bx1 - 2), min(by0, by1 - 2), bx1, by1


def _points(points: list[Point]) -> np.ndarray:
    return np.array(points, float).reshape(-1, 2)
