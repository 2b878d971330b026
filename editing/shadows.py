"""The soft dark patch that a thing throws on the ground beside it."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32
from scipy.spatial import KDTree

from editing.ground import Ground
from editing.placing import Similarity
from editing.selection import grown
from spatia_core.arrays import Mask, Points
from spatia_core.camera import Camera
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import Rendering

DARKER = (0.4, 0.9)
"""Lightness (L of CIELAB) of a shadow as a share of the darkest fifth of the ground around: a pattern is no shadow."""

REACH = 0.9
"""How far from the thing's foot a shadow is looked for, in heights of the thing."""

SAME_HUE = 14.0
"""Largest difference in colour (a, b of CIELAB) to the lit ground: a dark patch of another hue is no shadow."""

LEAST, MOST = 0.02, 1.5
"""Sizes of shadows, in sizes of the thing."""


@dataclass(frozen=True, eq=False, slots=True)
class Shadow:
    """A shadow taken off the ground."""

    xyz: Points
    """(n, 3) where it lay, world frame."""
    light: Float32[np.ndarray, " n"]
    """(n,) share of the light that was left there."""
    spread: float
    """Distance between its points, scene units."""

    @classmethod
    def between(cls, mask: Mask, dark: Rendering, lit: Rendering, camera: Camera) -> "Shadow":
        """What makes the one picture darker than the other under the mask."""
        known = mask & dark.coverage & lit.coverage
        ratio = dark.rgb.astype(np.float32).mean(-1) / np.maximum(lit.rgb.astype(np.float32).mean(-1), 1)
        ratio = cv2.GaussianBlur(np.where(known, ratio, 1).astype(np.float32), (0, 0), max(1.0, 0.006 * camera.width))
        xyz = camera.unproject(np.where(known, dark.depth, np.float32(np.nan)))[known]
        spread = float(np.median(dark.depth[known])) / float(camera.K[0, 0]) if known.any() else 1.0
        return cls(xyz, np.clip(ratio[known], 0.2, 1.0).astype(np.float32), spread)

    def cast(self, memory: SpatialMemory, motion: Similarity, ground: Ground) -> SpatialMemory:
        """The memory with the ground darkened where the motion takes the shadow."""
        if not len(self.xyz):
            return memory
        at = motion.points(self.xyz.astype(np.float64))
        # on a plane: a shadow has no height
        at -= np.outer(at @ ground.normal - ground.offset, ground.normal)
        xyz = memory.xyz
        low, high = at.min(0) - 4 * self.spread, at.max(0) + 4 * self.spread
        near = np.flatnonzero(((xyz >= low) & (xyz <= high)).all(1))
        reach = 3 * self.spread * motion.size
        nearest = np.array(KDTree(at).query(xyz[near], distance_upper_bound=reach)[1], np.int64)
        hit = nearest < len(at)
        rgb = memory.cloud.rgb.copy()
        dark = rgb[near[hit]] * self.light[nearest[hit]][:, None]
        rgb[near[hit]] = np.rint(dark).astype(np.uint8)
        cloud = PointCloud(memory.cloud.xyz, rgb, memory.cloud.radius)
        return replace(memory, cloud=cloud)


def shadow_of(pixels: Mask, seen: Rendering, camera: Camera, ground: Ground) -> Mask | None:
    """(h, w) the shadow of the thing that the mask shows, or None where none can be told from the ground.

    It lies on the plane the thing stands on, touches the thing near its foot, is darker than the ground farther out by
    a plain factor and of the same hue.
    """
    ys = np.nonzero(pixels)[0]
    if ground.guessed or len(ys) < 30:
        return None
    lab = cv2.cvtColor(seen.rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    soft = cv2.GaussianBlur(lab, (0, 0), max(1.0, 0.004 * camera.width))
    near, far = _ground_around(pixels, seen, camera, ground)
    if np.count_nonzero(far) < 50:
        return None
    lit = np.percentile(soft[far][:, 0], 20)
    hue = np.median(soft[far][:, 1:], axis=0)
    light = soft[..., 0] / max(float(lit), 1.0)
    dark = near & (light > DARKER[0]) & (light < DARKER[1])
    dark &= np.linalg.norm(soft[..., 1:] - hue, axis=-1) < SAME_HUE
    dark = grown(grown(dark, -1), 1)
    count, parts = cv2.connectedComponents(dark.astype(np.uint8))
    low = pixels & (np.arange(pixels.shape[0])[:, None] >= np.percentile(ys, 80))
    touching = np.unique(parts[grown(low, max(2, round(0.01 * camera.width))) & dark])
    out = np.isin(parts, touching[touching > 0]) if count > 1 else np.zeros_like(pixels)
    size = np.count_nonzero(out) / len(ys)
    return out & ~pixels if LEAST < size < MOST else None


def _ground_around(pixels: Mask, seen: Rendering, camera: Camera, ground: Ground) -> tuple[Mask, Mask]:
    """Ground near the thing's foot, where a shadow may lie, and ground farther out, which is taken for lit."""
    world = camera.unproject(np.where(seen.coverage, seen.depth, np.float32(np.nan))).astype(np.float64)
    tall = max(float(np.ptp(world[pixels & seen.coverage] @ ground.normal)), 1e-6)
    with np.errstate(invalid="ignore"):
        flat = np.abs(world @ ground.normal - ground.offset) < 0.12 * tall
        away = np.linalg.norm(world - ground.contact, axis=-1)
        around = flat & ~grown(pixels, 1)
        return around & (away < REACH * tall), around & (away > 0.6 * tall) & (away < 3 * tall)
