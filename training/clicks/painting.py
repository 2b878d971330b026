"""Pieces that training pictures are put together from: warps, blobs, textures, shadows, photographic change."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from spatia_core.arrays import Image

Soft = UInt8[np.ndarray, "s s"]
"""A mask with a soft edge, 0..255."""
Layer = tuple[Float32[np.ndarray, "s s 3"], Soft]
"""Colours (0..255) and where they count."""


class Dice:
    """A random generator with the few draws that are needed all the time."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def stretched(self, low: float, high: float) -> float:
        """Between two positive numbers, evenly on the logarithm."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def normal(self, sigma: float) -> float:
        return float(self.rng.normal() * sigma)

    def index(self, n: int) -> int:
        return int(self.rng.integers(n))


def window(dice: Dice, shape: tuple[int, int], mask: np.ndarray | None) -> tuple[float, float, float]:
    """Centre and side of a random square; with a mask, of one that shows most of the masked thing."""
    h, w = shape
    if mask is None:
        side = min(h, w) * dice.between(0.3, 1.0)
        return dice.between(side / 2, w - side / 2), dice.between(side / 2, h - side / 2), side
    y, x = np.nonzero(mask)
    extent = max(np.ptp(y), np.ptp(x)) + 4
    side = max(extent * dice.stretched(0.85, 4.5), 40)
    play = 0.5 * abs(side - extent) + 0.08 * extent
    middle = ((x.min() + x.max()) / 2, (y.min() + y.max()) / 2)
    return middle[0] + dice.between(-play, play), middle[1] + dice.between(-play, play), side


def warped(dice: Dice, image: Image, mask: np.ndarray | None, size: int) -> tuple[Image, Soft | None]:
    """A random similarity crop of size x size; the mask's thing stays mostly in view."""
    h, w = image.shape[:2]
    cx, cy, side = window(dice, (h, w), mask)
    aspect = np.exp(dice.normal(0.12))
    sx, sy = min(side * aspect, w), min(side / aspect, h)
    cx, cy = np.clip(cx, sx / 2, w - sx / 2), np.clip(cy, sy / 2, h - sy / 2)
    angle = dice.normal(0.15) if dice.chance(0.4) else 0.0
    flip = -1 if dice.chance(0.5) else 1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([size / sx * flip, size / sy])
    shift = np.array([size / 2, size / 2]) - linear @ np.array([cx, cy])
    return _applied(image, mask, np.column_stack([linear, shift]), size, cv2.BORDER_REFLECT_101)


def placed(dice: Dice, image: Image, mask: np.ndarray, size: int) -> Layer:
    """A cut-out at a random place, size and slant, its colours a little changed."""
    h, w = mask.shape
    scale = size * dice.stretched(0.15, 1.1) / max(h, w)
    angle, aspect = dice.normal(0.3), np.exp(dice.normal(0.15))
    flip = -1 if dice.chance(0.5) else 1
    linear = np.array([[np.cos(angle) * aspect, -np.sin(angle)], [np.sin(angle), np.cos(angle) / aspect]]) * scale
    linear[:, 0] *= flip
    centre = np.array([dice.between(0.05, 0.95), dice.between(0.05, 0.95)]) * size
    matrix = np.column_stack([linear, centre - linear @ np.array([w / 2, h / 2])])
    colours, soft = _applied(image, mask, matrix, size, cv2.BORDER_REPLICATE)
    colours = colours.astype(np.float32)
    if dice.chance(0.5):
        colours = colours * dice.between(0.6, 1.35) + dice.rng.normal(size=3).astype(np.float32) * 12
    assert soft is not None
    return np.clip(colours, 0, 255), soft


def _applied(
    image: Image, mask: np.ndarray | None, matrix: np.ndarray, size: int, border: int
) -> tuple[Image, Soft | None]:
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), 0.35 / scale)
    out = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)
    if mask is None:
        return out, None
    soft = mask.astype(np.uint8) * 255
    if scale < 0.7:
        soft = cv2.GaussianBlur(soft, (0, 0), 0.35 / scale)
    return out, cv2.warpAffine(soft, matrix, (size, size), flags=cv2.INTER_LINEAR)


def blob(dice: Dice, size: int) -> Soft:
    """A random closed outline: smooth, lobed or cornered."""
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = np.ones(64)
    decay = dice.between(0.7, 1.5)
    for k in range(1, 3 + dice.index(6)):
        radius += dice.normal(0.45) / k**decay * np.cos(k * angles + dice.between(0, 6.3))
    radius = np.clip(radius, 0.15, None)
    radius *= size * dice.between(0.06, 0.32) / radius.mean()
    stretch, turn = np.exp(dice.normal(0.35)), dice.between(0, 6.3)
    x, y = radius * np.cos(angles) * stretch, radius * np.sin(angles) / stretch
    middle = dice.rng.uniform(0.1, 0.9, 2) * size
    points = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1) + middle
    if dice.chance(0.3):
        points = points[:: 4 + dice.index(8)]
    out = np.zeros((size, size), np.uint8)
    cv2.fillPoly(out, [np.round(points * 8).astype(np.int32)], (255,), cv2.LINE_AA, 3)
    return out


def surface(dice: Dice, picture: Image, mask: Soft) -> Float32[np.ndarray, "s s 3"]:
    """A piece of a photo turned into the surface of a thing: paler, tinted, shaded, rounded."""
    colours = picture.astype(np.float32)
    if dice.chance(0.45):
        mean = colours.mean((0, 1))
        colours = mean + (colours - mean) * dice.between(0, 0.6)
    if dice.chance(0.6):
        colours = colours * dice.between(0.4, 1.5) + dice.rng.normal(size=3).astype(np.float32) * 25
    if dice.chance(0.6):
        y, x = np.mgrid[-1 : 1 : len(mask) * 1j, -1 : 1 : len(mask) * 1j].astype(np.float32)
        angle = dice.between(0, 6.3)
        colours = colours * (1 + dice.between(0, 0.6) * (np.cos(angle) * x + np.sin(angle) * y))[..., None]
    if dice.chance(0.4):
        inside = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
        inside /= inside.max() + 1e-3
        colours = colours * (dice.between(0.4, 0.9) + 0.6 * np.sqrt(inside))[..., None]
    return np.clip(colours, 0, 255).astype(np.float32)


def shadowed(dice: Dice, picture: np.ndarray, mask: Soft) -> np.ndarray:
    """The picture with a soft shadow of the mask, shifted."""
    shift = np.array([[1, 0, dice.between(-8, 8)], [0, 1, dice.between(0, 10)]], np.float32)
    shade = cv2.warpAffine(mask, shift, mask.shape)
    shade = cv2.GaussianBlur(shade, (0, 0), dice.between(2, 6)).astype(np.float32) / 255
    return picture * (1 - dice.between(0.2, 0.6) * shade[..., None])


def photographed(dice: Dice, picture: Image) -> Image:
    """Another exposure, white balance, saturation, sharpness, noise and compression."""
    x = picture.astype(np.float32) / 255
    x = x ** np.exp(dice.normal(0.25)) * np.exp(dice.rng.normal(size=3) * 0.08 + dice.normal(0.12))
    if dice.chance(0.6):
        grey = x.mean(2, keepdims=True)
        x = grey + (x - grey) * dice.between(0.1, 1.5)
    if dice.chance(0.15):
        x = x[..., dice.rng.permutation(3)]
    x = x.astype(np.float32)
    if dice.chance(0.25):
        x = cv2.GaussianBlur(x, (0, 0), dice.between(0.4, 1.2))
    if dice.chance(0.5):
        x = x + dice.rng.normal(size=x.shape).astype(np.float32) * dice.between(0, 0.03)
    out = (np.clip(x, 0, 1) * 255).astype(np.uint8)
    if dice.chance(0.3):
        coded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, 25 + dice.index(60)])[1]
        out = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(out)
