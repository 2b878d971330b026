"""The memory as Spatia's published code draws it, for exact comparison with what its weights were trained on.

Every point is a disc of one size on the picture however far it is; the five nearest at a pixel are blended, each by how
near its centre lies. Lenses are treated as there: everything is magnified by s / (s - 1), s the picture's shorter side,
and the principal point's offset from the centre has the other sign. Written from a description of it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from numba import njit

from spatia_core.arrays import Image, read_only
from spatia_core.camera import Camera
from spatia_core.point_cloud import PointCloud

RADIUS = 0.01
"""A disc's radius when the picture's shorter side spans [-1, 1]."""
PER_PIXEL = 5
"""How many points are blended at most."""

Lens = Literal["published", "exact"]
_OPTIONS = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy"}


@dataclass(frozen=True, eq=False, slots=True)
class SoftRendering:
    """A blended picture of a cloud."""

    rgb: Image
    """(h, w, 3) uint8, darker where few points lie, black where none."""
    coverage: UInt8[np.ndarray, "h w"]
    """(h, w) uint8, 255 = covered by the memory; the control branch is shown 255 minus this."""

    def __post_init__(self) -> None:
        for name in ("rgb", "coverage"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.uint8))

    @property
    def holes(self) -> UInt8[np.ndarray, "h w"]:
        """(h, w) uint8, 255 = nothing is known here."""
        return 255 - self.coverage


def voxel_size(round_index: int) -> float:
    """Side in metres of the cubes that the cloud is thinned to before round `round_index` is drawn."""
    return 0.01 + 0.005 * round_index


def published_pixels(xyz: np.ndarray, camera: Camera, lens: Lens = "published") -> np.ndarray:
    """(n, 3) float32 x, y in pixels and z-depth of world points, in the published code's lens or the exact one."""
    p = xyz.astype(np.float64) @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    K, size = camera.K, np.array([camera.width, camera.height])
    z = np.where(p[:, 2:] > 0, p[:, 2:], np.nan)
    seen = p[:, :2] / z * [K[0, 0], K[1, 1]]
    if lens == "exact":
        uv = seen + K[:2, 2]
    else:
        shorter = size.min()
        uv = size / 2 + shorter / (shorter - 1) * (seen - (K[:2, 2] - (size - 1) / 2))
    return np.concatenate([uv, z], 1).astype(np.float32)


def render_published(cloud: PointCloud, camera: Camera, lens: Lens = "published") -> SoftRendering:
    """What `camera` sees of `cloud` as the published code draws it, or so with the lens put right."""
    h, w = camera.height, camera.width
    depth = np.full((h, w, PER_PIXEL), np.inf, np.float32)
    point = np.full((h, w, PER_PIXEL), -1, np.int32)
    weight = np.zeros((h, w, PER_PIXEL), np.float32)
    radius = np.float32(RADIUS * min(h, w) / 2)
    _gather(published_pixels(cloud.xyz, camera, lens), radius, depth, point, weight)
    out = np.zeros((h, w, 4), np.uint8)
    _blend(point, weight, cloud.rgb, out)
    return SoftRendering(out[..., :3], out[..., 3])


@njit(**_OPTIONS)
def _gather(pixels, radius, depth, point, weight):  # pragma: no cover - compiled
    """Keeps the nearest points of every pixel, nearest first; equal depths keep the order of the cloud."""
    h, w, slots = depth.shape
    square = radius * radius
    for k in range(len(pixels)):
        u, v, z = pixels[k, 0], pixels[k, 1], pixels[k, 2]
        if not (z > 0 and u > -radius and v > -radius and u < w + radius and v < h + radius):
            continue
        x0, x1 = max(int(np.ceil(u - radius - 0.5)), 0), min(int(np.floor(u + radius - 0.5)), w - 1)
        y0, y1 = max(int(np.ceil(v - radius - 0.5)), 0), min(int(np.floor(v + radius - 0.5)), h - 1)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                dx, dy = np.float32(x + 0.5) - u, np.float32(y + 0.5) - v
                distance = dx * dx + dy * dy
                if distance > square or not z < depth[y, x, slots - 1]:
                    continue
                i = slots - 1
                while i > 0 and z < depth[y, x, i - 1]:
                    depth[y, x, i] = depth[y, x, i - 1]
                    point[y, x, i] = point[y, x, i - 1]
                    weight[y, x, i] = weight[y, x, i - 1]
                    i -= 1
                depth[y, x, i], point[y, x, i], weight[y, x, i] = z, k, 1 - distance / square


@njit(**_OPTIONS)
def _blend(point, weight, colours, out):  # pragma: no cover - compiled
    """Colours from front to back, then how much light is held back; black behind everything."""
    h, w, slots = point.shape
    for y in range(h):
        for x in range(w):
            left = 1.0
            red = green = blue = 0.0
            for i in range(slots):
                k = point[y, x, i]
                if k < 0:
                    break
                share = left * weight[y, x, i]
                red += share * colours[k, 0]
                green += share * colours[k, 1]
                blue += share * colours[k, 2]
                left *= 1.0 - weight[y, x, i]
            # a share of 1 may come out a hair below it; truncation must not take a whole step for that
            out[y, x, 0] = int(min(red + 1e-3, 255.0))
            out[y, x, 1] = int(min(green + 1e-3, 255.0))
            out[y, x, 2] = int(min(blue + 1e-3, 255.0))
            out[y, x, 3] = int(min(255.0 * (1.0 - left) + 1e-3, 255.0))
