"""A thing as an upright cut-out along the line of its feet, and where a level mirror below it shows it."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

from editing.ground import Ground
from editing.selection import grown
from spatia_core.arrays import Mask
from spatia_core.camera import Camera
from spatia_core.render import Rendering
from spatia_core.se3 import Vec3

Homography = Float[np.ndarray, "3 3"]
"""Pixels to pixels; a pixel's centre is at i + 0.5."""

COARSE = 40
"""Rows of the thing that pictures are compared at: ripples and blur matter less there."""

STEEPEST = 0.4
"""A line of feet that rises faster than this in the picture is none: something hangs over."""

SIDES = 2.0
"""Ground that is looked at on each side of the thing, in widths of the thing."""

_CENTRE = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])


@dataclass(frozen=True, slots=True)
class FootLine:
    """Where a thing touches its ground in a picture: y = slope * x + height, between two columns."""

    slope: float
    height: float
    left: float
    right: float

    def y(self, x: float) -> float:
        """The row under column x."""
        return self.slope * x + self.height

    @property
    def middle(self) -> float:
        """The column half way."""
        return (self.left + self.right) / 2


def foot_lines(pixels: Mask) -> Iterator[FootLine]:
    """Lines that the thing may stand on: level through its lowest pixels, and the side of its hull under its middle."""
    ys, xs = np.nonzero(pixels)
    left, right = float(xs.min()), float(xs.max() + 1)
    yield FootLine(0.0, float(np.percentile(ys, 99.5)) + 1, left, right)
    columns = np.unique(xs)
    lowest = np.array([ys[xs == x].max() for x in columns])
    outline = np.stack([columns + 0.5, lowest + 1.0], -1).astype(np.float32)
    hull = cv2.convexHull(outline)[:, 0].astype(np.float64)
    under, middle = [], float(np.median(xs))
    for (xa, ya), (xb, yb) in zip(hull, np.roll(hull, -1, 0), strict=True):
        if min(xa, xb) <= middle <= max(xa, xb) and xa != xb:
            slope = (yb - ya) / (xb - xa)
            under.append((slope * middle + ya - slope * xa, slope, ya - slope * xa))
    if under:
        _, slope, height = max(under)
        if 0.03 < abs(slope) < STEEPEST:
            yield FootLine(float(slope), float(height), left, right)


@dataclass(frozen=True, eq=False, slots=True)
class Upright:
    """The plane that stands on a level ground along a line of feet, world frame; it goes on below the ground."""

    foot: Vec3
    """(3,) a point of it on the ground."""
    across: Vec3
    """(3,) unit, its normal."""
    up: Vec3
    """(3,) unit, the ground's normal."""

    def seen_at(self, pixels: Float[np.ndarray, "n 2"], camera: Camera) -> Float[np.ndarray, "n 3"] | None:
        """Its points behind the pixels, or None where a ray misses it."""
        rays = _rays(pixels, camera)
        along = rays @ self.across
        away = float((self.foot - camera.centre) @ self.across)
        if (np.abs(along) < 1e-9).any() or (away / along <= 0).any():
            return None
        return camera.centre + rays * (away / along)[:, None]

    def mirrored(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """The points on the other side of the ground."""
        return points - 2 * np.outer((points - self.foot) @ self.up, self.up)

    def fold(self, camera: Camera, line: FootLine, top: float) -> Homography | None:
        """Pixels of the thing to the pixels that mirror them, or None where the ground is not seen from above."""
        corners = np.array([(x, y) for x in (line.left, line.right) for y in (top, line.y(x))])
        standing = self.seen_at(corners, camera)
        if standing is None:
            return None
        uv, z = camera.project(self.mirrored(standing).astype(np.float32))
        if (z <= 0).any():
            return None
        return cv2.getPerspectiveTransform(corners.astype(np.float32), uv.astype(np.float32)).astype(np.float64)


def upright_on(line: FootLine, camera: Camera, ground: Ground) -> Upright | None:
    """The plane over a line of feet, or None where the ground is not seen from above there.

    What mirrors lies level and a photo is held level: a ground that leans sideways is taken for a wrong estimate.
    """
    normal = camera.w2c[:3, :3] @ ground.normal
    normal[0] = 0
    up = camera.c2w[:3, :3] @ (normal / np.linalg.norm(normal))
    rays = _rays(np.array([(x, line.y(x)) for x in (line.left, line.right)]), camera)
    with np.errstate(divide="ignore"):
        steps = float(up @ (ground.contact - camera.centre)) / (rays @ up)
    if not np.isfinite(steps).all() or (steps <= 0).any():
        return None
    one, two = camera.centre + rays * steps[:, None]
    across = np.cross(two - one, up)
    return Upright(one, across / np.linalg.norm(across), up)


def _rays(pixels: Float[np.ndarray, "n 2"], camera: Camera) -> Float[np.ndarray, "n 3"]:
    """World directions through places of the picture, z = 1 in the camera's frame."""
    rays = np.ones((len(pixels), 3))
    rays[:, :2] = (pixels - camera.K[:2, 2]) / [camera.K[0, 0], camera.K[1, 1]]
    return rays @ camera.c2w[:3, :3].T


@dataclass(frozen=True, eq=False, slots=True)
class Folded:
    """A thing, and the ground below it folded up at its feet so that a mirror image comes to lie on the thing; coarse.

    The ground goes on SIDES beside the thing: its columns are `thing`'s, with `before` more on the left.
    """

    thing: Float32[np.ndarray, "h w 3"]
    """Colours from 0 to 1, 0 beside the thing."""
    share: Float32[np.ndarray, "h w"]
    """How much of a pixel the thing covers."""
    window: Mask
    """(h, w) the thing and a border, above its feet: what is compared."""
    ground: Float32[np.ndarray, "h wide 3"]
    free: Float32[np.ndarray, "h wide"]
    """1 where the folded ground is in the picture and shows no part of the thing."""
    before: int
    line: FootLine
    """In pixels of `thing`."""
    tall: float
    """Height of the thing in pixels of `thing`."""
    fold: Homography
    """Pixels of the thing in the picture to those that mirror it."""
    coarse: Homography
    """Pixels of `thing` to pixels of the picture."""

    def beside(self, place: Homography, aside: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """The folded ground that `place` lays on the thing, and where it is free; `aside` in widths of the thing."""
        shift = np.eye(3)
        shift[0, 2] = self.before + aside * (self.line.right - self.line.left)
        h, w = self.share.shape
        return warped(self.ground, shift @ place, (w, h)), warped(self.free, shift @ place, (w, h), outside=False)

    def placed(self, height: float, lean: float, shift: float) -> Homography:
        """A mirror image of another height, leaning, and nearer to or farther from the feet by heights of the thing."""
        line = self.line
        foot = line.y(line.middle)
        row = [(1 - height) * line.slope, height, (1 - height) * line.height + shift * self.tall]
        return np.array([[1, -lean, lean * foot], row, [0, 0, 1.0]])

    def upright(self, height: float, lean: float, shift: float) -> Homography:
        """The same for a copy of the thing that stands upright where the mirror image would hang."""
        foot = self.line.y(self.line.middle)
        row = [0, -height, foot + height * (foot - self.tall) + shift * self.tall]
        return np.array([[1, -lean, lean * foot], row, [0, 0, 1.0]])


def folded(pixels: Mask, seen: Rendering, camera: Camera, ground: Ground, line: FootLine) -> Folded | None:
    """The ground below the thing folded up at its feet, or None where it is not seen from above."""
    ys, _ = np.nonzero(pixels)
    upright = upright_on(line, camera, ground)
    fold = None if upright is None else upright.fold(camera, line, float(ys.min()))
    if fold is None:
        return None
    tall = max(max(line.y(line.left), line.y(line.right)) - float(ys.min()), 4.0)
    wide = line.right - line.left
    scale = min(COARSE / tall, 1.5 * COARSE / np.sqrt(tall * wide), 1.0)
    left, top = line.left - 0.25 * wide, float(ys.min()) - 0.35 * tall
    coarse = np.array([[1 / scale, 0, left], [0, 1 / scale, top], [0, 0, 1]])
    size = max(round(1.5 * wide * scale), 3), max(round(1.35 * tall * scale), 3)
    before = round(SIDES * wide * scale)
    farther = coarse @ np.array([[1, 0, -before], [0, 1, 0], [0, 0, 1.0]])
    around = size[0] + 2 * before, size[1]
    # ripples smear mostly up and down
    soft = cv2.GaussianBlur(seen.rgb.astype(np.float32) / 255, (0, 0), 0.4 / scale, sigmaY=0.6 / scale)
    free = (seen.coverage & ~grown(pixels, max(1, round(1 / scale)))).astype(np.float32)
    rows, columns = np.arange(size[1])[:, None] + 0.5, np.arange(size[0])[None] + 0.5
    own = FootLine(line.slope, (line.y(left) - top) * scale, (line.left - left) * scale, (line.right - left) * scale)
    above = rows < own.slope * columns + own.height
    share = warped(pixels.astype(np.float32), coarse, size, outside=False) * above
    border = np.ones((2 * max(2, round(0.22 * tall * scale)) + 1, 2 * max(2, round(0.18 * wide * scale)) + 1), np.uint8)
    return Folded(
        thing=warped(soft, coarse, size) * share[..., None],
        share=share.astype(np.float32),
        window=cv2.dilate((share > 0.5).astype(np.uint8), border).astype(bool) & above,
        ground=warped(soft, fold @ farther, around),
        free=warped(free, fold @ farther, around, outside=False),
        before=before,
        line=own,
        tall=tall * scale,
        fold=fold,
        coarse=coarse,
    )


def warped(image: np.ndarray, to_source: Homography, size: tuple[int, int], outside: bool = True) -> np.ndarray:
    """The picture of that width and height whose pixels `to_source` finds in the image.

    outside: what lies past the image's border is its border; otherwise 0.
    """
    border = cv2.BORDER_REPLICATE if outside else cv2.BORDER_CONSTANT
    place = _CENTRE @ to_source @ np.linalg.inv(_CENTRE)
    return cv2.warpPerspective(image, place, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border)
