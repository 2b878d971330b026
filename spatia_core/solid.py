"""A masked thing as one solid: what a depth estimate of one photo does not know about things, said by their outline."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from spatia_core.arrays import Depth, Mask, nearest_false, read_only
from spatia_core.camera import Camera
from spatia_core.completion.surfaces import continue_depth
from spatia_core.depth_edges import STEP
from spatia_core.errors import InvalidInput

Kind = Literal["auto", "upright", "flat", "own"]
"""upright: stands where its lowest pixels touch the ground; flat: lies on the surface around it, as a carpet or a
picture does; own: keeps the relief it was measured with."""

_BORDER = 4 / 832
"""Width of a mask's uncertain border, in widths of the picture."""
_SMOOTH = 0.006
"""How far relief is smoothed inside the mask, in widths of the picture."""
_RELIEF = 0.3
"""Power to which the relief of an upright thing is raised: an estimate's relief is half noise."""
_STANDS_OFF = 0.6
"""Share of the outline (its foot left out) with a depth step from which a thing's own depth is believed."""
_LONG = 2.2
"""A thing whose outline laid on the ground were this many times longer than wide stands; a shorter one lies."""
_FLAT = 0.05
"""Points with less thickness than this share of their second extent are one surface."""
_LEVEL = 0.35
"""A surface whose normal has more than this of the camera's vertical is a ground, else a wall."""
_STEEP = 0.5
"""Sine of the angle below the horizon from which standing and lying things look alike: then a thing stands."""
_BEHIND = 1.01
"""The background behind a thing is at least this many times as far away."""


@dataclass(frozen=True, eq=False, slots=True)
class Solid:
    """A depth map in which one thing is a solid of its own."""

    depth: Depth
    """(h, w) z-depth; nothing lies between the thing and what is behind it."""
    background: Depth
    """(h, w) z-depth without the thing: where it stood, the surfaces around it go on."""
    kind: Literal["upright", "flat", "own"]
    """How the thing was understood."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", read_only(self.depth, np.float32))
        object.__setattr__(self, "background", read_only(self.background, np.float32))


def solid(depth: Depth, mask: Mask, camera: Camera, kind: Kind = "auto") -> Solid:
    """The depth map with the masked thing made one solid, its outline sharp and the background behind it free of it.

    "auto" keeps the thing's own depth where it stands off its surroundings, lays it on the ground where its outline
    would be a short patch there, and else stands it upright. Unknown (NaN) depth in the mask becomes known; outside it
    stays as it was, but for a border as wide as masks are uncertain. Raises InvalidInput for a mask of another size,
    an empty one, or one that leaves no background.
    """
    _check(depth, mask, camera)
    border = 2 + round(_BORDER * mask.shape[1])
    hole = _changed(mask, border)
    background = continue_depth(depth, hole, camera)
    understood = kind if kind != "auto" else _understood(depth, background, mask, camera)
    if understood == "flat":
        thing = background
    elif understood == "own":
        thing = _own(depth, mask, border)
    else:
        thing = _upright(depth, background, mask)
    background = np.where(mask & (background < _BEHIND * thing), _BEHIND * thing, background)
    if understood == "flat":
        background = np.where(mask, thing, background)
    out = np.where(mask, thing, background)
    outside = ~hole & ~np.isfinite(depth)
    out[outside] = background[outside] = np.nan
    return Solid(out.astype(np.float32), background.astype(np.float32), understood)


def _check(depth: Depth, mask: Mask, camera: Camera) -> None:
    if mask.shape != depth.shape or depth.shape != (camera.height, camera.width):
        sizes = ", ".join(f"{w}x{h}" for h, w in (mask.shape, depth.shape, (camera.height, camera.width)))
        raise InvalidInput(f"The mask, the depth map and the camera's picture differ in size: {sizes}.")
    if not mask.any():
        raise InvalidInput("The mask is empty: select a thing first.")
    if not np.isfinite(depth[~mask]).any():
        raise InvalidInput("The mask leaves no known depth around the thing; select one thing, not everything.")


def _changed(mask: Mask, pixels: int) -> Mask:
    """The mask moved outwards."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0


def _core(mask: Mask, pixels: int) -> Mask:
    """The mask moved inwards, or the mask itself where nothing would be left."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    inner = cv2.erode(mask.astype(np.uint8), disc, borderValue=1) > 0
    return inner if inner.any() else mask


def _own(depth: Depth, mask: Mask, border: int) -> Depth:
    """The thing's own depth, its border taken from inside: there an estimate mixes it with what is behind."""
    inner = _core(mask, border) & np.isfinite(depth)
    if not inner.any():
        inner = mask & np.isfinite(depth)
    if not inner.any():
        return np.full(depth.shape, np.nanmedian(depth), np.float32)
    rows, columns = nearest_false(~inner)
    return _smoothed(depth[rows, columns], mask)


def _upright(depth: Depth, background: Depth, mask: Mask) -> Depth:
    """The thing stood where its lowest pixels touch the ground, with a little of its relief before the background.

    Relief is what the depth map says of the thing beyond what it says of the background: a map that missed the thing
    has none.
    """
    rows = np.nonzero(mask)[0]
    feet = mask & (np.arange(len(mask))[:, None] >= np.percentile(rows, 97))
    stands_at = float(np.median(background[feet]))
    nearness = np.where(np.isfinite(depth), background / np.where(np.isfinite(depth), depth, 1), 1)
    relief = nearness / np.median(nearness[mask])
    return _smoothed((stands_at / np.clip(relief, 0.5, 2.0) ** _RELIEF).astype(np.float32), mask)


def _smoothed(depth: Depth, mask: Mask) -> Depth:
    """Relief inside the mask smoothed, seeing only the mask."""
    sigma = max(0.5, _SMOOTH * depth.shape[1])
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
    inside = cv2.GaussianBlur(np.where(mask, depth, 0).astype(np.float32), (0, 0), sigma)
    return np.where(mask, inside / np.maximum(weight, 1e-6), depth).astype(np.float32)


def _understood(depth: Depth, background: Depth, mask: Mask, camera: Camera) -> Literal["upright", "flat", "own"]:
    if _stands_off(depth, background, mask):
        return "own"
    return "flat" if _would_lie(background, mask, camera) else "upright"


def _stands_off(depth: Depth, background: Depth, mask: Mask) -> bool:
    """True when the depth map itself shows the thing before its background along most of its outline."""
    width = max(2, round(2 * _BORDER * mask.shape[1]))
    rim = mask & ~_core(mask, 2 * width) & _core(mask, width)
    rim = rim if rim.any() else mask
    rows = np.nonzero(mask)[0]
    rim = rim & (np.arange(len(mask))[:, None] < np.percentile(rows, 85))  # its foot is where the ground is
    rim &= np.isfinite(depth)
    if not rim.any():
        return False
    return bool(np.mean(depth[rim] * (1 + STEP) < background[rim]) > _STANDS_OFF)


def _would_lie(background: Depth, mask: Mask, camera: Camera) -> bool:
    """True when all behind the thing is one wall, or one ground on which its outline would be no longer than wide.

    A standing thing laid on the ground behind it is a long shadow.
    """
    points = camera.unproject(background)[mask].astype(np.float64)
    if len(points) < 20:
        return False
    points = (points - camera.centre) @ camera.w2c[:3, :3].T
    centred = points - points.mean(0)
    _, extent, axes = np.linalg.svd(centred[:: max(1, len(centred) // 4000)], full_matrices=False)
    normal = axes[2]
    one_surface = extent[2] < _FLAT * extent[1]
    if not one_surface or mask[-1].any():  # hides several surfaces, or its foot is outside the picture
        return False
    if abs(normal[1]) < _LEVEL:  # all that it hides is a wall: it hangs there
        return True
    sideways = np.ptp(np.quantile(points[:, 0], [0.05, 0.95]))
    away = np.ptp(np.quantile(points[:, 2], [0.05, 0.95]))
    steep = points.mean(0)[1] / np.linalg.norm(points.mean(0))
    return bool(away < _LONG * sideways and abs(steep) < _STEEP)
