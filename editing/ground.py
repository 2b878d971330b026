"""The surface a thing stands on, and sliding along it."""

from dataclasses import dataclass

import numpy as np

from editing.selection import edge_width, grown
from spatia_core.arrays import Depth, Mask
from spatia_core.camera import Camera
from spatia_core.se3 import Vec3

UPRIGHT = 0.5
"""A ground's normal must have this much of the vertical for things to slide over it vertically."""


@dataclass(frozen=True, eq=False, slots=True)
class Ground:
    """A plane under a thing, world frame."""

    normal: Vec3
    """(3,) unit, towards the camera's side."""
    offset: float
    """normal @ x = offset on the plane."""
    contact: Vec3
    """(3,) where the thing touches it."""
    guessed: bool
    """True when no plane could be fitted and a level one through the contact is assumed."""

    def slide(self, move: Vec3, up: Vec3) -> Vec3:
        """The move with its end on the plane again: corrected along `up`, or projected where the plane is steep."""
        rise = float(self.normal @ up)
        if abs(rise) >= UPRIGHT:
            return move - up * float(self.normal @ move) / rise
        return move - self.normal * float(self.normal @ move)

    def hit(self, origin: Vec3, direction: Vec3) -> Vec3 | None:
        """Where the ray meets the plane in front of its origin, or None."""
        along = float(self.normal @ direction)
        if abs(along) < 1e-9:
            return None
        s = (self.offset - float(self.normal @ origin)) / along
        return origin + s * direction if s > 0 else None


def _fit_plane(points: np.ndarray, rounds: int = 10) -> tuple[np.ndarray, float, float]:
    """Normal, offset and robust residual of the plane through most of the points (re-weighted least squares)."""
    weights = np.ones(len(points))
    normal, offset, spread = np.array([0.0, -1.0, 0.0]), 0.0, np.inf
    for _ in range(rounds):
        mean = np.average(points, axis=0, weights=weights)
        centred = points - mean
        normal = np.linalg.svd(centred * np.sqrt(weights)[:, None], full_matrices=False)[2][2]
        offset = float(normal @ mean)
        residual = np.abs(points @ normal - offset)
        spread = float(1.4826 * np.median(residual)) + 1e-9
        weights = 1 / (1 + (residual / (2 * spread)) ** 2) ** 2
    return normal, offset, spread


def ground_under(mask: Mask, depth: Depth, camera: Camera) -> Ground:
    """The plane around the foot of what the mask shows; level (camera's y) through the contact where none fits.

    depth: (h, w) z-depth of the scene WITHOUT the thing, so that its ground is known under it too.
    """
    ys, xs = np.nonzero(mask)
    foot = ys >= np.percentile(ys, 97)
    cy, cx = float(ys[foot].max()), float(np.median(xs[foot]))
    extent = max(ys.max() - ys.min(), xs.max() - xs.min(), 8)
    near = np.zeros_like(mask)
    reach = max(6, round(0.3 * extent))
    y0, y1 = int(max(cy - reach, 0)), int(min(cy + reach, mask.shape[0] - 1))
    near[y0 : y1 + 1, max(int(xs.min()) - reach, 0) : int(xs.max()) + reach] = True
    ring = near & ~grown(mask, edge_width(camera)) & np.isfinite(depth)
    world = camera.unproject(depth).astype(np.float64)
    c2w = camera.c2w
    up = -c2w[:3, 1]
    spot = depth[min(int(cy), mask.shape[0] - 1), int(cx)]
    spot = float(spot) if np.isfinite(spot) else float(np.nanmedian(depth))
    x, y = (cx + 0.5 - camera.K[0, 2]) / camera.K[0, 0], (cy + 0.5 - camera.K[1, 2]) / camera.K[1, 1]
    ray = c2w[:3, :3] @ np.array([x, y, 1.0])
    contact = camera.centre + ray * spot
    if np.count_nonzero(ring) >= 30:
        sample = world[ring]
        sample = sample[:: max(1, len(sample) // 4000)]
        normal, offset, spread = _fit_plane(sample)
        if normal @ (camera.centre - contact) < 0:
            normal, offset = -normal, -offset
        # a wall behind the foot is not a ground: its normal looks along the view, not up
        if spread < 0.05 * spot and normal @ up > 0.3:
            plane = Ground(normal, offset, contact, guessed=False)
            touching = plane.hit(camera.centre, ray)
            return plane if touching is None else Ground(normal, offset, touching, guessed=False)
    return Ground(up, float(up @ contact), contact, guessed=True)


def ground_at(x: float, y: float, depth: Depth, camera: Camera) -> Ground:
    """The surface around pixel (x, y), with that spot as the contact; level where it is steep or nothing fits.

    depth: (h, w) z-depth of the scene, known everywhere.
    """
    h, w = depth.shape
    row, column = int(np.clip(y, 0, h - 1)), int(np.clip(x, 0, w - 1))
    reach = max(4, round(0.03 * w))
    part = np.zeros((h, w), bool)
    part[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = True
    c2w, up = camera.c2w, -camera.c2w[:3, 1]
    ray = c2w[:3, :3] @ np.array([(x - camera.K[0, 2]) / camera.K[0, 0], (y - camera.K[1, 2]) / camera.K[1, 1], 1.0])
    spot = float(depth[row, column])
    contact = camera.centre + ray * spot
    sample = camera.unproject(depth)[part].astype(np.float64)
    normal, offset, spread = _fit_plane(sample[np.isfinite(sample).all(1)])
    if normal @ (camera.centre - contact) < 0:
        normal, offset = -normal, -offset
    if spread < 0.05 * spot and normal @ up > UPRIGHT:
        return Ground(normal, float(normal @ contact), contact, guessed=False)
    return Ground(up, float(up @ contact), contact, guessed=True)
