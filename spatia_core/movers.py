"""Things that move in a clip: cut out of the memory, drawn over what it shows, never part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from jaxtyping import Float, Float64
from scipy.interpolate import CubicSpline

from spatia_core import se3
from spatia_core.arrays import Depth, Image, Mask, read_only
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render

FINER = 2
"""Movers are drawn at this multiple of the picture's size and averaged, so that they glide and have soft borders."""


@dataclass(frozen=True, eq=False, slots=True)
class Mover:
    """A thing and where it is in every frame."""

    cloud: PointCloud
    """Its points where they stood in the memory."""
    poses: Float64[np.ndarray, "t 4 4"]
    """(t, 4, 4) rigid world motion that brings them to where they are in each frame."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "poses", read_only(self.poses, np.float64))
        if self.poses.ndim != 3 or not len(self.poses) or not all(se3.is_rigid(T) for T in self.poses):
            raise InvalidInput("A moving thing needs a rigid 4x4 motion for every frame (t, 4, 4).")

    @classmethod
    def travelling(cls, cloud: PointCloud, stops: Float[np.ndarray, "k 3"], frames: int) -> Self:
        """The thing going at even speed on a smooth way through `stops`: world offsets from where it stood.

        A ground path is a list of offsets along the ground; the thing keeps facing the way it faces.
        """
        stops = np.asarray(stops, np.float64).reshape(-1, 3)
        if not np.isfinite(stops).all() or not len(stops) or frames < 1:
            raise InvalidInput("A way needs at least one finite offset (x, y, z) and one frame.")
        steps = np.linalg.norm(np.diff(stops, axis=0), axis=1)
        stops = stops[np.concatenate([[True], steps > 1e-9])]
        offsets = np.repeat(stops[:1], frames, axis=0)
        if len(stops) > 1:
            times = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(stops, axis=0), axis=1))])
            fine = np.linspace(0, times[-1], 200 * len(stops))
            way = CubicSpline(times, stops, bc_type="natural")(fine)
            gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
            at = np.linspace(0, gone[-1], frames)
            offsets = np.stack([np.interp(at, gone, way[:, k]) for k in range(3)], 1)
        return cls(cloud, np.stack([se3.translation(o) for o in offsets]))

    def __len__(self) -> int:
        return len(self.poses)

    def at(self, frame: int) -> PointCloud:
        """Its points in a frame; it stays where it ended in later ones."""
        return self.cloud.transformed(self.poses[min(frame, len(self.poses) - 1)])

    def part(self, frames: range) -> Self:
        """The thing as a clip of these frames only has it."""
        return replace(self, poses=np.stack([self.poses[min(i, len(self.poses) - 1)] for i in frames]))


def draw(picture: Image, depth: Depth, camera: Camera, movers: Sequence[Mover], frame: int) -> tuple[Image, Mask]:
    """The picture with the movers of that frame drawn in, and (h, w) where they, or their soft borders, are seen.

    depth: z-depth of what the picture shows, NaN = nothing known, which hides nothing.
    """
    h, w = depth.shape
    cloud = PointCloud.empty()
    for mover in movers:
        cloud = cloud + mover.at(frame)
    seen = render(cloud, camera.resized(FINER * w, FINER * h))
    before = np.repeat(np.repeat(np.where(np.isfinite(depth), depth, np.inf), FINER, 0), FINER, 1)
    wins = seen.coverage & (np.nan_to_num(seen.depth, nan=np.inf) < before)
    if not wins.any():
        return picture, np.zeros((h, w), bool)

    def mean(fine: np.ndarray) -> np.ndarray:
        return fine.reshape(h, FINER, w, FINER, -1).mean((1, 3))

    share = mean(wins.astype(np.float32))
    colour = mean(seen.rgb * wins[..., None].astype(np.float32))
    mixed = np.rint(picture * (1 - share) + colour).astype(np.uint8)
    moving = share[..., 0] > 0
    drawn = np.where(moving[..., None], mixed, picture)
    return drawn, cv2.dilate(moving.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
