"""Coloured points with a size."""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from jaxtyping import Float32, Int
from scipy.spatial import KDTree

from spatia_core import se3
from spatia_core.arrays import Colours, Points, Selection, read_only
from spatia_core.errors import InvalidInput


@dataclass(frozen=True, eq=False, slots=True)
class PointCloud:
    """n coloured points; all arrays are read-only and finite."""

    xyz: Points
    """(n, 3) float32 positions, world frame, scene units."""
    rgb: Colours
    """(n, 3) uint8."""
    radius: Float32[np.ndarray, " n"]
    """(n,) float32 half the side of the square the point covers, scene units, >= 0."""

    def __post_init__(self) -> None:
        # positions lie column by column in memory: rendering streams x, y and z through vector registers
        object.__setattr__(self, "xyz", read_only(self.xyz, np.float32, order="F"))
        object.__setattr__(self, "rgb", read_only(self.rgb, np.uint8))
        object.__setattr__(self, "radius", read_only(self.radius, np.float32))
        n = len(self.xyz)
        if self.xyz.shape != (n, 3) or self.rgb.shape != (n, 3) or self.radius.shape != (n,):
            raise InvalidInput(
                f"A point cloud needs xyz (n, 3), rgb (n, 3), radius (n,), got {self.xyz.shape}, {self.rgb.shape}, "
                f"{self.radius.shape}."
            )
        if not (np.isfinite(self.xyz).all() and np.isfinite(self.radius).all()):
            raise InvalidInput("A point cloud cannot hold NaN or infinite positions; drop unknown pixels first.")

    @classmethod
    def empty(cls) -> Self:
        """A cloud of no points."""
        return cls(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.xyz)

    def __getitem__(self, keep: Selection | Int[np.ndarray, " k"]) -> Self:
        """The points picked by a boolean mask or by indices."""
        return type(self)(*(getattr(self, f.name)[keep] for f in fields(self)))

    def __add__(self, other: Self) -> Self:
        """Both clouds, the points of `other` last."""
        return type(self)(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def transformed(self, T: se3.Pose) -> Self:
        """The cloud moved by the rigid motion `T`."""
        return replace(self, xyz=se3.transform(T, self.xyz))

    def bounds(self) -> tuple[se3.Vec3, se3.Vec3]:
        """Lowest and highest corner of the axis-aligned box around the points; raises InvalidInput when empty."""
        if not len(self):
            raise InvalidInput("An empty point cloud has no bounds.")
        return self.xyz.min(0).astype(np.float64), self.xyz.max(0).astype(np.float64)

    def voxel_down_sampled(self, size: float) -> Self:
        """One point per occupied cube of side `size`: mean position and colour, largest radius, at least size / 2."""
        if not size > 0:
            raise InvalidInput(f"The voxel size must be greater than 0, got {size}.")
        if not len(self):
            return self
        _, inverse, count = np.unique(
            np.floor(self.xyz / size).astype(np.int64), axis=0, return_inverse=True, return_counts=True
        )
        inverse = inverse.ravel()

        def mean(a: np.ndarray) -> np.ndarray:
            return np.stack([np.bincount(inverse, a[:, k], len(count)) for k in range(3)], 1) / count[:, None]

        radius = np.full(len(count), size / 2, np.float32)
        np.maximum.at(radius, inverse, self.radius)
        rgb = np.rint(mean(self.rgb.astype(np.float64))).astype(np.uint8)
        return type(self)(mean(self.xyz.astype(np.float64)).astype(np.float32), rgb, radius)

    def outliers(self, neighbours: int = 16, deviations: float = 3.0) -> Selection:
        """True for points whose mean distance to their neighbours lies `deviations` standard deviations above the mean.

        Distances are taken in units of each point's radius where it has one, so far points are not punished for
        being sparse.
        """
        if len(self) <= neighbours:
            return np.zeros(len(self), bool)
        distance = KDTree(self.xyz).query(self.xyz, k=neighbours + 1)[0][:, 1:].mean(1)
        distance = distance / np.where(self.radius > 0, self.radius, 1)
        return distance > distance.mean() + deviations * distance.std()
