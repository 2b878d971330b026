"""A camera path as a value, and paths through key cameras."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, overload

import numpy as np

from spatia_core.camera import Camera
from spatia_core.camera_path.spline import Easing, interpolate
from spatia_core.errors import InvalidInput

MAX_FRAMES = 10_000
"""Longest path anybody may ask for, frames."""


@dataclass(frozen=True, eq=False, slots=True)
class CameraPath:
    """One camera per frame, all with the same picture size."""

    cameras: tuple[Camera, ...]
    """At least one camera; world frame of the memory."""
    name: str = "custom"
    """A name from PATH_NAMES, "keyed", a file's name or anything a person chose."""
    closed: bool = False
    """True when the last camera is the first one again."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cameras", tuple(self.cameras))
        if not self.cameras:
            raise InvalidInput("A camera path needs at least one camera.")
        first, last = self.cameras[0], self.cameras[-1]
        if any((c.width, c.height) != (first.width, first.height) for c in self.cameras):
            raise InvalidInput("All cameras of a path must have the same picture size.")
        if self.closed and not (np.allclose(first.w2c, last.w2c, atol=1e-6) and first.same_lens(last)):
            raise InvalidInput("A closed camera path must end with the camera it started from.")

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    @overload
    def __getitem__(self, index: int) -> Camera: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> "Camera | CameraPath":
        if isinstance(index, slice):
            return CameraPath(self.cameras[index], self.name)
        return self.cameras[index]

    @property
    def start(self) -> Camera:
        """The first camera."""
        return self.cameras[0]

    def resampled(self, frames: int) -> Self:
        """The same motion in `frames` frames: first and last camera stay themselves, the rest follow a C1 curve."""
        check_frames(frames)
        if frames == len(self):
            return self
        at = np.linspace(0, len(self) - 1, frames) if frames > 1 else np.zeros(1)
        ends = "loop" if self.closed else "slope"
        cameras = interpolate(np.arange(len(self), dtype=np.float64), self.cameras, at, ends)
        return type(self)(cameras, self.name, self.closed)

    def resized(self, width: int, height: int) -> Self:
        """The same motion on a picture of another size."""
        return type(self)(tuple(c.resized(width, height) for c in self), self.name, self.closed)


@dataclass(frozen=True, eq=False, slots=True)
class Key:
    """A camera the path must pass through."""

    time: float
    """Seconds or any other unit; only ratios matter."""
    camera: Camera
    """Where the camera is at that time."""
    easing: Easing = "smooth"
    """How it goes on from here to the next key."""


def keyed(keys: Sequence[Key], frames: int, closed: bool = False, name: str = "keyed") -> CameraPath:
    """A smooth path through every key, evenly sampled in time; it starts and stops at rest.

    With `closed` it runs on from the last key back to the first (after the mean gap, unless the last key already is
    the first camera) without a kink in between. Two equal neighbours hold the camera still. A key's easing says how
    the camera goes on from it. Raises InvalidInput for fewer than two keys, times that do not grow, or mixed picture
    sizes.
    """
    check_frames(frames)
    if len(keys) < 2:
        raise InvalidInput(f"A keyed path needs at least two keys, got {len(keys)}.")
    times = np.array([k.time for k in keys], dtype=np.float64)
    cameras = [k.camera for k in keys]
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise InvalidInput("The times of the keys must be finite and grow from key to key.")
    if any((c.width, c.height) != (cameras[0].width, cameras[0].height) for c in cameras):
        raise InvalidInput("All keys of a path must have the same picture size.")
    if closed:
        if np.allclose(cameras[0].w2c, cameras[-1].w2c, atol=1e-9) and cameras[0].same_lens(cameras[-1]):
            cameras[-1] = cameras[0]
        else:
            times = np.append(times, times[-1] + np.diff(times).mean())
            cameras.append(cameras[0])
    at = np.linspace(times[0], times[-1], frames) if frames > 1 else times[:1]
    eased: list[Easing] = [k.easing for k in keys]
    return CameraPath(
        interpolate(times, cameras, at, "loop" if closed else "rest", eased[: len(times) - 1]), name, closed
    )


def check_frames(frames: int) -> None:
    """Returns when a path may have that many frames, raises InvalidInput otherwise."""
    if not 1 <= frames <= MAX_FRAMES:
        raise InvalidInput(f"A camera path can have 1 to {MAX_FRAMES} frames, got {frames}.")
