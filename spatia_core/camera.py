"""A pinhole camera: where it stands, how it projects."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Float, Int32

from spatia_core import se3
from spatia_core.arrays import Depth, Intrinsics, Points, Pose, Selection, read_only
from spatia_core.errors import InvalidInput

Pixels = tuple[Int32[np.ndarray, " k"], Int32[np.ndarray, " k"]]
"""Rows and columns."""


@dataclass(frozen=True, eq=False, slots=True)
class Camera:
    """A pinhole camera without distortion; pixel i covers [i, i + 1), its centre is i + 0.5."""

    K: Intrinsics
    """(3, 3) float64, pixels: fx, fy on the diagonal, cx, cy in the last column, no skew."""
    w2c: Pose
    """(4, 4) float64, world to camera, rigid."""
    width: int
    """Image width, pixels."""
    height: int
    """Image height, pixels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", read_only(self.K, np.float64))
        object.__setattr__(self, "w2c", read_only(self.w2c, np.float64))
        if self.width < 1 or self.height < 1:
            raise InvalidInput(f"A camera needs a picture of at least 1x1 pixels, got {self.width}x{self.height}.")
        K = self.K
        if K.shape != (3, 3) or not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
            raise InvalidInput("K must be a finite 3x3 matrix with positive focal lengths in pixels.")
        if not se3.is_rigid(self.w2c):
            raise InvalidInput("w2c must be a 4x4 rigid motion: orthonormal rotation, translation, last row 0 0 0 1.")

    @classmethod
    def from_fov(cls, width: int, height: int, fov: float, w2c: Pose | None = None) -> Self:
        """A camera whose longer image side spans `fov` radians, principal point in the centre."""
        f = 0.5 * max(width, height) / np.tan(0.5 * fov)
        K = np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])
        return cls(K, np.eye(4) if w2c is None else w2c, width, height)

    @property
    def c2w(self) -> Pose:
        """(4, 4) camera to world."""
        return se3.inverse(self.w2c)

    @property
    def centre(self) -> se3.Vec3:
        """(3,) where the camera stands, world frame."""
        return self.c2w[:3, 3]

    def moved(self, w2c: Pose) -> Self:
        """The same lens and picture at another pose."""
        return replace(self, w2c=w2c)

    def resized(self, width: int, height: int) -> Self:
        """The same view on a picture of another size: K scaled per axis."""
        scale = np.array([[width / self.width], [height / self.height], [1.0]])
        return replace(self, K=self.K * scale, width=width, height=height)

    def cropped(self, x: int, y: int, width: int, height: int) -> Self:
        """The view through the window whose top left pixel is (x, y); a negative or larger window widens the view."""
        K = self.K.copy()
        K[:2, 2] -= x, y
        return replace(self, K=K, width=width, height=height)

    def widened(self, share: float) -> Self:
        """The view with `share` of its width and height added on every side, rounded to whole pixels."""
        x, y = round(share * self.width), round(share * self.height)
        return self.cropped(-x, -y, self.width + 2 * x, self.height + 2 * y)

    def zoomed(self, factor: float) -> Self:
        """The same pose with focal lengths multiplied by `factor`."""
        K = self.K.copy()
        K[0, 0] *= factor
        K[1, 1] *= factor
        return replace(self, K=K)

    def project(self, points: Points) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
        """Pixel coordinates (x, y) and z-depth of world points; coordinates are NaN where z <= 0."""
        p = points.astype(np.float64) @ self.w2c[:3, :3].T + self.w2c[:3, 3]
        z = p[:, 2]
        safe = np.where(z > 0, z, np.nan)
        uv = p[:, :2] / safe[:, None] * [self.K[0, 0], self.K[1, 1]] + self.K[:2, 2]
        return uv, z

    def in_view(self, points: Points) -> tuple[Selection, Float[np.ndarray, " n"], Pixels]:
        """Which world points lie before the camera and within its picture, every point's z-depth, and their pixels."""
        uv, z = self.project(points)
        with np.errstate(invalid="ignore"):
            inside = (uv >= 0).all(1) & (uv[:, 0] < self.width) & (uv[:, 1] < self.height)
        x, y = uv[inside].astype(np.int32).T
        return inside, z, (y, x)

    def rays(self) -> Float[np.ndarray, "h w 3"]:
        """Directions through the pixel centres in the camera frame, z = 1."""
        x = (np.arange(self.width) + 0.5 - self.K[0, 2]) / self.K[0, 0]
        y = (np.arange(self.height) + 0.5 - self.K[1, 2]) / self.K[1, 1]
        out = np.ones((self.height, self.width, 3))
        out[..., 0], out[..., 1] = x, y[:, None]
        return out

    def unproject(self, depth: Depth) -> Float[np.ndarray, "h w 3"]:
        """World points (float32) of the pixel centres at the given z-depth; NaN where depth is NaN."""
        if depth.shape != (self.height, self.width):
            raise InvalidInput(
                f"The depth map is {depth.shape[1]}x{depth.shape[0]}, the camera's picture {self.width}x{self.height}."
            )
        points = self.rays() * depth[..., None]
        return se3.transform(self.c2w, points).astype(np.float32)

    def same_lens(self, other: "Camera") -> bool:
        """True when both have equal K and picture size."""
        return (self.width, self.height) == (other.width, other.height) and np.allclose(self.K, other.K)
