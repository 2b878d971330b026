"""Coloured points with a size."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Float32, Int
from scipy.spatial import KDTree

from spatia_core import se3
from spatia_core.arrays import Colours, Points, Selection, read_only
from spatia_core.errors import InvalidInput
from spatia_core.growing import Store, continued, picked
from spatia_core.voxels import Blocks


def by_columns(array: Any) -> np.ndarray:
    """The array as float32 whose columns each lie in one piece, not writable through this view."""
    view = np.asarray(array, np.float32)
    in_columns = view.ndim == 2 and view.strides[0] == view.itemsize
    return read_only(view, np.float32, order="F") if not in_columns else _locked(view)


def _locked(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False, slots=True)
class PointCloud:
    """n coloured points; all arrays are read-only and finite."""

    xyz: Points
    """(n, 3) float32 positions, world frame, scene units."""
    rgb: Colours
    """(n, 3) uint8."""
    radius: Float32[np.ndarray, " n"]
    """(n,) float32 half the side of the square the point covers, scene units, >= 0."""
    store: Store | None = field(default=None, init=False, repr=False)
    """What its arrays are views of, once it was continued."""
    _blocks: Blocks | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        # positions lie column by column in memory: rendering streams x, y and z through vector registers
        object.__setattr__(self, "xyz", by_columns(self.xyz))
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
        if keep.dtype == bool and len(keep) == len(self):
            return self._of_valid(*(picked(c, keep) for c in self._columns))
        xyz = np.stack([self.xyz[:, k][keep] for k in range(3)])
        return self._of_valid(xyz.T, self.rgb[keep], self.radius[keep])

    def __add__(self, other: Self) -> Self:
        """Both clouds, the points of `other` last; continuing the newest value costs no copy of its points."""
        if not len(other):
            return self
        store, columns = continued(self.store, self._columns, other._columns)
        out = self._of_valid(*columns)
        object.__setattr__(out, "store", store)
        if self._blocks is not None:
            object.__setattr__(out, "_blocks", self._blocks.extended(out.xyz))
        return out

    def owned(self) -> Self:
        """A copy with a store that nobody else knows: its maker may write there until handing the value on."""
        store, columns = continued(None, self._columns, [c[:0] for c in self._columns])
        out = self._of_valid(*columns)
        object.__setattr__(out, "store", store)
        object.__setattr__(out, "_blocks", self._blocks)
        return out

    def closed_up(self, alive: Selection) -> Self:
        """The points where `alive` is True, for the maker of an owned copy: its arrays are closed up where they lie."""
        assert self.store is not None
        store = self.store
        out = self._of_valid(*store.close_up(alive))
        object.__setattr__(out, "store", store)
        return out

    def moved_in_place(self, points: Int[np.ndarray, " k"]) -> None:
        """To be told of the points that the maker of an owned copy has moved."""
        if self._blocks is not None:
            object.__setattr__(self, "_blocks", self._blocks.widened(self.xyz, points.astype(np.int64)))

    @property
    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.xyz, self.rgb, self.radius

    @classmethod
    def _of_valid(cls, xyz: np.ndarray, rgb: np.ndarray, radius: np.ndarray) -> Self:
        """A cloud of values that were checked before."""
        out = object.__new__(cls)
        for name, value in (("xyz", by_columns(xyz)), ("rgb", _locked(rgb)), ("radius", _locked(radius))):
            object.__setattr__(out, name, value)
        object.__setattr__(out, "store", None)
        object.__setattr__(out, "_blocks", None)
        return out

    @property
    def blocks(self) -> Blocks:
        """The boxes around every run of points, found once and continued with the cloud."""
        if self._blocks is None:
            object.__setattr__(self, "_blocks", Blocks.around(self.xyz))
        assert self._blocks is not None
        return self._blocks

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
