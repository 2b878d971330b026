"""Points that were followed through a film, and estimated depth brought to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from spatia_core import se3
from spatia_core.alignment import fit_inverse_depth
from spatia_core.arrays import Depth, Intrinsics, Pose
from spatia_core.bundle import Problem
from spatia_core.errors import InvalidInput


@dataclass(eq=False, slots=True)
class Landmarks:
    """All points so far, as lists that grow."""

    home: list[int] = field(default_factory=list)
    pixel: list[np.ndarray] = field(default_factory=list)
    inverse: list[float] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)
    point: list[int] = field(default_factory=list)
    view: list[int] = field(default_factory=list)
    seen: list[np.ndarray] = field(default_factory=list)

    def add(self, home: int, pixels: np.ndarray, inverse: np.ndarray) -> np.ndarray:
        """Numbers of the new points."""
        first = len(self.home)
        self.home += [home] * len(pixels)
        self.pixel += list(pixels)
        self.inverse += list(inverse)
        self.expected += list(inverse)
        return np.arange(first, first + len(pixels))

    def see(self, points: np.ndarray, view: int, pixels: np.ndarray) -> None:
        """These points were seen in a keyframe."""
        self.point += list(points)
        self.view += [view] * len(points)
        self.seen += list(pixels)

    def places(self, K: Intrinsics, w2c: Sequence[Pose], ids: np.ndarray) -> np.ndarray:
        """(m, 3) world places of these points by these cameras."""
        pixel = np.stack([self.pixel[k] for k in ids])
        inverse = np.array([self.inverse[k] for k in ids])
        rays = np.concatenate([(pixel - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones((len(ids), 1))], 1)
        c2w = np.stack([se3.inverse(T) for T in w2c])[[self.home[k] for k in ids]]
        return np.einsum("mij,mj->mi", c2w[:, :3, :3], rays / inverse[:, None]) + c2w[:, :3, 3]

    def problem(self, K: Intrinsics, w2c: Sequence[Pose], lens_known: bool) -> Problem:
        """All of them as a problem to be adjusted; something must have been seen."""
        return Problem(
            K, np.stack(w2c), np.array(self.home), np.stack(self.pixel), np.array(self.inverse),
            np.array(self.expected), np.array(self.point), np.array(self.view), np.stack(self.seen), lens_known,
        )  # fmt: skip


def fitted(depth: Depth, at: np.ndarray, z: np.ndarray) -> Depth:
    """An estimated depth map brought to the scale (and shift of inverse depth) of the points at these pixels."""
    known = np.full(depth.shape, np.nan, np.float32)
    ahead = z > 0
    known[at[ahead, 1].astype(int), at[ahead, 0].astype(int)] = z[ahead]
    try:
        return fit_inverse_depth(depth, known).apply(depth)
    except InvalidInput:
        return depth


def lifted(xy: np.ndarray, depth: Depth, K: Intrinsics) -> np.ndarray:
    """(n, 3) camera-frame places of pixels by their depth."""
    z = depth[xy[:, 1].astype(int), xy[:, 0].astype(int)].astype(np.float64)
    return np.concatenate([(xy - K[:2, 2]) / K[[0, 1], [0, 1]], np.ones((len(xy), 1))], 1) * z[:, None]
