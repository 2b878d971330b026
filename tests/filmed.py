"""Small films of a textured place with known cameras: what tests of video in stand on."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from spatia_core import se3
from spatia_core.backends.protocols import DepthPrediction
from spatia_core.camera import Camera
from spatia_core.frames import DepthMap
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render

W, H = 208, 128
F = 180.0


@cache
def place() -> PointCloud:
    """A textured wall, and a textured box before it."""
    rng = np.random.default_rng(3)

    def square(cx: float, cy: float, z: float, half: float, n: int) -> PointCloud:
        x, y = np.meshgrid(np.linspace(cx - half, cx + half, n), np.linspace(cy - half, cy + half, n))
        coarse = rng.integers(20, 235, (n // 7 + 1, n // 7 + 1, 3))
        colour = np.repeat(np.repeat(coarse, 7, 0), 7, 1)[:n, :n].reshape(-1, 3)
        xyz = np.stack([x, y, np.full_like(x, z)], -1).reshape(-1, 3).astype(np.float32)
        return PointCloud(xyz, colour.astype(np.uint8), np.full(n * n, 1.6 * half / n, np.float32))

    return square(0, 0, 4, 4, 560) + square(0.3, 0.2, 2.4, 0.5, 140)


@dataclass(frozen=True, eq=False, slots=True)
class TinyFilm:
    """A film and the truth about it."""

    images: np.ndarray
    depths: list[np.ndarray]
    cameras: list[Camera]
    times: np.ndarray


def lens() -> np.ndarray:
    return np.array([[F, 0, W / 2], [0, F, H / 2], [0, 0, 1.0]])


def filmed(poses: list[np.ndarray]) -> TinyFilm:
    """The place from these camera-to-world poses."""
    first = Camera(lens(), np.eye(4), W, H)
    cameras = [first.moved(se3.inverse(T)) for T in poses]
    seen = [render(place(), c) for c in cameras]
    return TinyFilm(np.stack([s.rgb for s in seen]), [s.depth for s in seen], cameras, np.arange(len(poses)) / 12)


def sideways(frames: int, step: float = 0.03) -> list[np.ndarray]:
    """Going right, turning a little to the left."""
    return [se3.rigid(se3.so3_exp(np.array([0, -0.004 * i, 0])), np.array([step * i, 0, 0.0])) for i in range(frames)]


@dataclass(eq=False)
class BentDepth:
    """An estimator whose every answer has a scale of its own and bends by a tenth from left to right."""

    film: TinyFilm
    name: str = "bent"
    asked: int = 0

    def estimate(self, image: np.ndarray, K: np.ndarray | None) -> DepthPrediction:
        """The depth of the frame that looks like this."""
        i = int(np.argmin([np.abs(image.astype(int) - f).mean() for f in self.film.images]))
        self.asked += 1
        h, w = image.shape[:2]
        bend = np.linspace(0.95, 1.05, w, dtype=np.float32) * np.float32(1 + 0.3 * np.sin(i))
        known = np.nan_to_num(self.film.depths[i], nan=4.0)
        return DepthPrediction(DepthMap(known * bend, self.name), lens() if K is None else K, np.zeros((h, w), bool))
