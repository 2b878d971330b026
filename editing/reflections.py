"""The mirror image of a thing in water, wet sand or a polished floor below it."""

from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
from jaxtyping import Float32

from editing.ground import Ground
from editing.mirrors import Folded, FootLine, Homography, folded, foot_lines, upright_on, warped
from editing.placing import Similarity
from editing.selection import edge_width, grown
from spatia_core.arrays import Mask
from spatia_core.camera import Camera
from spatia_core.completion import MARGIN
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import Rendering, render

PLACES = tuple(product((0.85, 1.0, 1.18), (-0.1, 0.0, 0.1), (-0.12, -0.06, 0.0, 0.06, 0.12)))
"""How a mirror image may differ from where the ground says it is: times as high, leaning, shifted (Folded.placed)."""

ASIDE = (-1.6, -1.1, -0.6, 0.6, 1.1, 1.6)
"""Where the same is looked for in vain, in widths of the thing beside it."""

ALIKE, STRUCTURE = 0.42, 0.3
"""Least correlation of the ground with the mirror image, and of the pattern inside the outline alone."""

ALONE = 0.6
"""Least correlation where there is no room beside the thing to compare with."""

BETTER_ASIDE, BETTER_UPRIGHT = 0.12, 0.1
"""How much better it must be than the same beside the thing, and than the thing's upright copy below it."""

FAINTEST = 0.03
"""Share of the thing's light below which nobody sees its mirror image."""

SMOOTHEST = 0.008
"""Least variation of the ground under it (0 to 1): below it there is nothing but noise to compare."""

IN_PICTURE = 0.35
"""Least share of the mirror image that must be seen."""

ON_GROUND = 0.25
"""A reflection is painted on what lies within so many heights of the thing from its ground."""


@dataclass(frozen=True, slots=True)
class Match:
    """How well a mirror image explains the ground."""

    alike: float
    """Correlation of what is not even in the ground with strength * (thing - what would be mirrored without it)."""
    structure: float
    """Correlation of the patterns inside the outline, whatever the outline's own brightness."""
    strength: float
    """Share of the thing's light that is mirrored."""
    other: tuple[float, ...]
    """The colour (0 to 1) that would be mirrored without the thing."""
    varies: float
    """Root mean square of what is not even in the ground (0 to 1)."""


@dataclass(frozen=True, eq=False, slots=True)
class Reflection:
    """The mirror image of a thing on its ground."""

    mask: Mask
    """(h, w) the pixels that show it in a view, with a border for its ripples."""
    change: Float32[np.ndarray, "h w 3"]
    """What it adds to the ground's colours there (0 to 255), without the water's own ripples; 0 elsewhere."""
    camera: Camera
    """That view."""
    foot: FootLine
    """The line that its thing stood on there."""
    tall: int
    """Height of the thing there, pixels."""

    def cast(self, memory: SpatialMemory, motion: Similarity, ground: Ground) -> SpatialMemory:
        """The memory with the mirror image where its view sees it after the thing's motion.

        It is painted on the ground, whatever the ground is there: a picture does not tell what else would mirror.
        """
        wide = self.camera.widened(MARGIN)
        moved = self._moved(motion, ground, wide)
        if moved is None:
            return memory
        change = warped(self.change, np.linalg.inv(moved), (wide.width, wide.height), outside=False)
        seen = render(memory.cloud, wide)
        at = np.nonzero(seen.coverage & (np.abs(change).max(-1) > 0.5))
        index = seen.point_index[at]
        depth = float(self.camera.w2c[2, :3] @ ground.contact + self.camera.w2c[2, 3])
        height = self.tall * depth / self.camera.K[1, 1] * motion.size
        # what stands on the ground there is before the mirror image
        flat = np.abs(memory.xyz[index].astype(np.float64) @ ground.normal - ground.offset) < ON_GROUND * height
        rgb = memory.cloud.rgb.copy()
        rgb[index[flat]] = np.clip(np.rint(rgb[index[flat]] + change[at][flat]), 0, 255).astype(np.uint8)
        return replace(memory, cloud=PointCloud(memory.cloud.xyz, rgb, memory.cloud.radius))

    def _moved(self, motion: Similarity, ground: Ground, wide: Camera) -> Homography | None:
        """Pixels of the mirror image to pixels of the wider view after the motion, or None when it is out of sight."""
        rows, columns = np.nonzero(np.abs(self.change).max(-1) > 0.5)
        upright = upright_on(self.foot, self.camera, ground)
        if upright is None or not len(rows):
            return None
        xs, ys = (columns.min(), columns.max() + 1), (rows.min(), rows.max() + 1)
        corners = np.array([(x, y) for x, y in zip((*xs, *xs[::-1]), np.repeat(ys, 2), strict=True)], np.float64)
        hanging = upright.seen_at(corners, self.camera)
        if hanging is None:
            return None
        moved = upright.mirrored(motion.points(upright.mirrored(hanging)))
        uv, z = wide.project(moved.astype(np.float32))
        if (z <= 0).any() or abs(cv2.contourArea(uv.astype(np.float32))) < 4:
            return None
        return cv2.getPerspectiveTransform(corners.astype(np.float32), uv.astype(np.float32)).astype(np.float64)


def reflection_of(pixels: Mask, seen: Rendering, camera: Camera, ground: Ground) -> Reflection | None:
    """Where the thing that the mask shows is mirrored below itself, or None where that is not clear.

    The ground is folded up at the thing's feet and compared with the thing. It must be alike in pattern, clearly more
    so than ground beside the thing and than an upright copy of the thing would be; an outline alone could be a shadow.
    """
    if np.count_nonzero(pixels) < 150:
        return None
    rows = np.nonzero(pixels)[0]
    best: tuple[Match, Homography, Folded] | None = None
    for line in foot_lines(pixels):
        view = folded(pixels, seen, camera, ground, line)
        found = None if view is None else _best(view)
        if view is not None and found is not None and (best is None or found[0].alike > best[0].alike):
            best = (*found, view)
            foot = line
    if best is None or not _clear(best[0], best[2]):
        return None
    match, place, view = best
    exact = np.linalg.inv(view.fold @ view.coarse @ place @ np.linalg.inv(view.coarse))
    size, tall = (camera.width, camera.height), int(np.ptp(rows)) + 1
    share = pixels.astype(np.float32)[..., None]
    light = share * (seen.rgb - 255 * np.array(match.other, np.float32))
    # a mirror image is as blurred as the scale it was found at, and more so up and down
    soft = cv2.GaussianBlur(match.strength * light, (0, 0), 0.01 * tall, sigmaY=0.03 * tall)
    mask = warped(pixels.astype(np.float32), exact, size, outside=False) > 0.3
    mask = grown(mask, edge_width(camera) + round(0.04 * tall)) & seen.coverage & ~pixels
    change = warped(soft, exact, size, outside=False) * mask[..., None]
    return Reflection(mask, change.astype(np.float32), camera, foot, tall)


def _clear(found: Match, view: Folded) -> bool:
    """True when the evidence is."""
    if found.alike < ALIKE or found.structure < STRUCTURE or found.strength < FAINTEST or found.varies < SMOOTHEST:
        return False
    beside = [match[0].alike for aside in ASIDE if (match := _best(view, aside)) is not None]
    if len(beside) < 2 and found.alike < ALONE:
        return False
    copy = _best(view, upright=True)
    return found.alike > max(beside, default=0) + BETTER_ASIDE and (
        copy is None or found.alike > copy[0].alike + BETTER_UPRIGHT
    )


def _best(view: Folded, aside: float = 0.0, upright: bool = False) -> tuple[Match, Homography] | None:
    """The best match of all places a mirror image may have, or None where too little of it is in the picture."""
    best: tuple[Match, Homography] | None = None
    whole = float(view.share[view.window].sum())
    for height, lean, shift in PLACES:
        place = (view.upright if upright else view.placed)(height, lean, shift)
        ground, free = view.beside(place, aside)
        weight = view.window & (free > 0.9)
        if float(view.share[weight].sum()) < IN_PICTURE * whole:
            continue
        match = _match(view, ground, weight)
        if best is None or match.alike > best[0].alike:
            best = match, place
    return best


def _match(view: Folded, ground: np.ndarray, weight: Mask) -> Match:
    """How well `ground = even + strength * (thing - other) * share` holds where the weight is, with `other` a colour.

    Even is what each column has in common and what changes slowly from row to row: patterns that run to the viewer,
    and the ground's own light. `other` is what would be mirrored without the thing, so it lies between black and white.
    """
    rows = np.linspace(-1, 1, len(weight))[:, None, None] * np.ones((1, weight.shape[1], 1))
    stacked = np.concatenate([rows, rows**2, view.share[..., None], ground, view.thing], -1)
    known = weight[..., None]
    mean = (stacked * known).sum(0) / np.maximum(known.sum(0), 1)
    values = (stacked - mean)[weight]
    slow, _ = np.linalg.qr(values[:, :2])
    values = values[:, 2:] - slow @ (slow.T @ values[:, 2:])
    share, g, t = values[:, 0], values[:, 1:4], values[:, 4:7]
    power = max(float(share @ share), 1e-9)
    g_inside, t_inside = (v - np.outer(share, share @ v) / power for v in (g, t))
    common = float((g_inside * t_inside).sum())
    own = max(float((t_inside**2).sum()), 1e-9)
    structure = common / np.sqrt(own * max(float((g_inside**2).sum()), 1e-9))
    varies = float(np.sqrt((g**2).mean()))
    strength, other = common / own, np.zeros(3)
    # the outline's brightness and the pattern must agree on one strength: alternately, the one given the other
    for _ in range(3):
        if strength < 1e-3:
            return Match(0.0, structure, 0.0, (0.0, 0.0, 0.0), varies)
        other = np.clip(-(share @ (g - strength * t)) / power / strength, 0, 1)
        image = t - np.outer(share, other)
        strength = min(float((g * image).sum()) / max(float((image**2).sum()), 1e-9), 1.2)
    left = float(((g - strength * (t - np.outer(share, other))) ** 2).sum())
    alike = np.sqrt(max(1 - left / max(float((g**2).sum()), 1e-9), 0.0))
    return Match(float(alike), float(structure), float(strength), tuple(other.tolist()), varies)
