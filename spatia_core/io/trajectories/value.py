"""A trajectory as a file tells it: poses, perhaps a lens per pose, perhaps times; no picture size."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from spatia_core import se3
from spatia_core.arrays import Pose, read_only
from spatia_core.camera import Camera
from spatia_core.camera_path import CameraPath
from spatia_core.errors import InvalidInput

MAX_POSES = 10_000
_ROUNDED = 0.02
"""Largest deviation of R R^T from the identity that passes for rounding; beyond it the matrix is no rotation."""


@dataclass(frozen=True, eq=False, slots=True)
class Trajectory:
    """Poses in file order, already in this program's convention."""

    w2c: Float[np.ndarray, "n 4 4"]
    """(n, 4, 4) world to camera, OpenCV axes, the file's own world and unit."""
    lenses: Float[np.ndarray, "n 4"] | None = None
    """(n, 4) fx, cx as shares of the width, fy, cy of the height, in the order fx fy cx cy; None when not told."""
    times: tuple[int, ...] | None = None
    """Time stamp of every pose, microseconds; None when not told."""
    name: str = "trajectory"
    """The file's name."""
    title: str = ""
    """RealEstate10K's first line: the address of the video."""
    size: tuple[int, int] | None = None
    """(width, height) of the pictures when the file tells it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "w2c", read_only(self.w2c, np.float64))
        if self.lenses is not None:
            object.__setattr__(self, "lenses", read_only(self.lenses, np.float64))

    def __len__(self) -> int:
        return len(self.w2c)

    def path(self, start: Camera | None = None, rebase: bool = True, scale: float = 1.0) -> CameraPath:
        """The trajectory as a camera path, its translations multiplied by `scale` (a file's unit is its own secret).

        With `rebase` the first camera is `start` itself and the file's motion, including how the focal length changes
        from the first frame on, is made relative to it. Without, poses and lenses are the file's; `start` gives the
        picture size and stands in for a lens that the file lacks. `start` may be missing only when the file tells
        lens and picture size. Raises InvalidInput otherwise.
        """
        if not (np.isfinite(scale) and scale > 0):
            raise InvalidInput(f"The scale of a trajectory must be greater than 0, got {scale}.")
        if start is None:
            if self.lenses is None or self.size is None:
                raise InvalidInput(f"{self.name} does not tell lens and picture size; give the camera of your photo.")
            cameras = [_camera(T, scale, lens, self.size) for T, lens in zip(self.w2c, self.lenses, strict=True)]
        elif rebase:
            cameras = [start, *(self._relative(i, start, scale) for i in range(1, len(self)))]
        else:
            own = start.K[[0, 1, 0, 1], [0, 1, 2, 2]] / [start.width, start.height, start.width, start.height]
            lenses = np.tile(own, (len(self), 1)) if self.lenses is None else self.lenses
            size = (start.width, start.height)
            cameras = [_camera(T, scale, lens, size) for T, lens in zip(self.w2c, lenses, strict=True)]
        first, last = cameras[0], cameras[-1]
        closed = len(cameras) > 2 and np.allclose(first.w2c, last.w2c, atol=1e-6) and first.same_lens(last)
        return CameraPath(tuple(cameras), self.name, bool(closed))

    def _relative(self, i: int, start: Camera, scale: float) -> Camera:
        step = self.w2c[i] @ se3.inverse(self.w2c[0])
        step[:3, 3] *= scale
        camera = start.moved(step @ start.w2c)
        if self.lenses is None:
            return camera
        K = start.K.copy()
        K[0, 0] *= self.lenses[i, 0] / self.lenses[0, 0]
        K[1, 1] *= self.lenses[i, 1] / self.lenses[0, 1]
        return Camera(K, camera.w2c, start.width, start.height)


def _camera(w2c: Pose, scale: float, lens: Float[np.ndarray, "4"], size: tuple[int, int]) -> Camera:
    fx, fy, cx, cy = lens * [size[0], size[1], size[0], size[1]]
    T = w2c.copy()
    T[:3, 3] *= scale
    return Camera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), T, *size)


def checked_pose(numbers: object, where: str) -> Pose:
    """The 4x4 rigid motion of 12 or 16 numbers (flat or nested, row by row), its rotation cleaned of rounding.

    Raises InvalidInput, with `where` naming the line, for other shapes, NaN, mirrors, scales and shears.
    """
    try:
        values = np.array(numbers, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{where} is not a matrix of numbers.") from None
    if values.size not in (12, 16):
        raise InvalidInput(f"{where} holds {values.size} numbers; a pose has 12 (3x4) or 16 (4x4).")
    if not np.isfinite(values).all():
        raise InvalidInput(f"{where} holds NaN or infinity.")
    T = np.eye(4)
    T[: values.size // 4] = values.reshape(-1, 4)
    if np.abs(T[3] - [0, 0, 0, 1]).max() > 1e-4:
        raise InvalidInput(f"{where} has the last row {T[3].tolist()}; it must be 0 0 0 1.")
    R = T[:3, :3]
    if np.abs(R @ R.T - np.eye(3)).max() > _ROUNDED:
        raise InvalidInput(f"{where} is not a rigid motion: its 3x3 part scales or shears instead of only turning.")
    if np.linalg.det(R) < 0:
        raise InvalidInput(f"{where} mirrors the world (determinant -1): its axes are left-handed.")
    T[:3, :3] = se3.nearest_rotation(R)
    return T


def checked_lens(lens: object, where: str) -> Float[np.ndarray, "4"]:
    """Four finite numbers fx fy cx cy with positive focal lengths; raises InvalidInput, `where` naming the line."""
    try:
        values = np.array(lens, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{where} has a lens that is not four numbers.") from None
    if values.shape != (4,) or not np.isfinite(values).all() or values[:2].min() <= 0:
        raise InvalidInput(f"{where} has a lens that is not fx fy cx cy with focal lengths greater than 0.")
    return values
