"""Camera moves by name, each sized for one photo with estimated depth.

Left, right, up and down are where the camera goes (orbit, truck, pedestal) or where it looks (pan, tilt). Amplitudes
at amount 1: orbit and pan 8 degrees, tilt 5 degrees, dolly 14 %, truck 8 %, pedestal 6 % and spiral 4 % of the scene's
median depth, zoom 1.2 times.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from spatia_core import se3
from spatia_core.arrays import read_only
from spatia_core.camera import Camera
from spatia_core.camera_path.path import CameraPath, check_frames
from spatia_core.errors import InvalidInput

MAX_AMOUNT = 20.0
"""Largest multiple of a move's default amplitude."""


@dataclass(frozen=True, eq=False, slots=True)
class SceneScale:
    """What a move must know about the scene to be of a sensible size."""

    centre: se3.Vec3
    """(3,) world point that orbits turn around."""
    depth: float
    """Median depth of what the start camera sees, scene units, > 0."""
    up: se3.Vec3
    """(3,) world direction that points up; any length but 0."""

    def __post_init__(self) -> None:
        for name in ("centre", "up"):
            value = read_only(getattr(self, name), np.float64)
            if value.shape != (3,) or not np.isfinite(value).all():
                raise InvalidInput(f"The scene's {name} must be three finite numbers.")
            object.__setattr__(self, name, value)
        if not (np.isfinite(self.depth) and self.depth > 0):
            raise InvalidInput(f"The scene's median depth must be greater than 0, got {self.depth}.")
        if np.linalg.norm(self.up) < 1e-9:
            raise InvalidInput("The scene's up direction has no length.")

    @classmethod
    def before(cls, camera: Camera, depth: float) -> Self:
        """The scale of a scene in front of `camera`: centre on its axis at `depth`, up as in its picture."""
        c2w = camera.c2w
        return cls(c2w[:3, 3] + depth * c2w[:3, 2], depth, -c2w[:3, 1])


_Move = Callable[[Camera, SceneScale, float], Camera]
"""Start, scene and signed progress (1 = the whole move at amount 1) to the camera there."""


def _upward(start: Camera, scene: SceneScale) -> np.ndarray:
    """Unit up; the picture's own when the camera looks almost straight along the scene's."""
    up = scene.up / np.linalg.norm(scene.up)
    return up if abs(up @ start.c2w[:3, 2]) < 0.95 else -start.c2w[:3, 1]


def _turned(start: Camera, pivot: np.ndarray, axis: np.ndarray, angle: float) -> Camera:
    R = se3.so3_exp(axis * angle)
    return start.moved(start.w2c @ se3.inverse(se3.rigid(R, pivot - R @ pivot)))


def _shifted(start: Camera, offset: np.ndarray) -> Camera:
    return start.moved(start.w2c @ se3.translation(-offset))


def _orbit(degrees: float) -> _Move:
    return lambda start, scene, s: _turned(start, scene.centre, _upward(start, scene), s * np.deg2rad(degrees))


def _pan(degrees: float) -> _Move:
    return lambda start, scene, s: _turned(start, start.centre, _upward(start, scene), s * np.deg2rad(degrees))


def _tilt(degrees: float) -> _Move:
    return lambda start, scene, s: _turned(start, start.centre, start.c2w[:3, 0], s * np.deg2rad(degrees))


def _slide(axis: int, share: float) -> _Move:
    return lambda start, scene, s: _shifted(start, s * share * scene.depth * start.c2w[:3, axis])


def _pedestal(share: float) -> _Move:
    return lambda start, scene, s: _shifted(start, s * share * scene.depth * _upward(start, scene))


def _zoom(factor: float) -> _Move:
    return lambda start, scene, s: start.zoomed(factor**s)


def _spiral(start: Camera, scene: SceneScale, s: float) -> Camera:
    """One turn (at amount 1) with a growing radius and a slow dolly; the scene's centre stays at its pixel."""
    c2w = start.c2w
    angle, radius = 2 * np.pi * s, 0.04 * s * scene.depth
    offset = c2w[:3, :3] @ [radius * np.cos(angle), -radius * np.sin(angle), 0.05 * s * scene.depth]
    before, after = scene.centre - start.centre, scene.centre - start.centre - offset
    lengths = np.linalg.norm(before) * np.linalg.norm(after)
    moved = _shifted(start, offset)
    turn = np.cross(before, after)
    sine, cosine = np.linalg.norm(turn), before @ after
    if sine < 1e-12 * max(lengths, 1e-12):
        return moved
    return _turned(moved, moved.centre, turn / sine, float(np.arctan2(sine, cosine)))


_MOVES: dict[str, tuple[_Move, str]] = {
    "orbit-left": (_orbit(-8), "the camera travels left on an arc around the scene and keeps facing it"),
    "orbit-right": (_orbit(8), "the camera travels right on an arc around the scene and keeps facing it"),
    "pan-left": (_pan(8), "the camera stays where it is and turns to look left"),
    "pan-right": (_pan(-8), "the camera stays where it is and turns to look right"),
    "tilt-up": (_tilt(5), "the camera stays where it is and turns to look up"),
    "tilt-down": (_tilt(-5), "the camera stays where it is and turns to look down"),
    "dolly-in": (_slide(2, 0.14), "the camera moves forward, into the scene"),
    "dolly-out": (_slide(2, -0.14), "the camera moves backward, out of the scene"),
    "truck-left": (_slide(0, -0.08), "the camera slides left without turning"),
    "truck-right": (_slide(0, 0.08), "the camera slides right without turning"),
    "pedestal-up": (_pedestal(0.06), "the camera rises without turning"),
    "pedestal-down": (_pedestal(-0.06), "the camera sinks without turning"),
    "zoom-in": (_zoom(1.2), "the camera stays where it is and the lens narrows; nothing shifts in depth"),
    "zoom-out": (_zoom(1 / 1.2), "the camera stays where it is and the lens widens; nothing shifts in depth"),
    "spiral": (_spiral, "the camera winds outward in one turn while moving forward a little, facing the scene"),
}
_BACK = "-and-back"

BASE_NAMES: tuple[str, ...] = tuple(_MOVES)
"""The one-way moves."""

PATH_DESCRIPTIONS: dict[str, str] = {name: says for name, (_, says) in _MOVES.items()} | {
    name + _BACK: f"{says}, then comes back to the exact first view" for name, (_, says) in _MOVES.items()
}
"""What moves, one plain line per name."""

PATH_NAMES: tuple[str, ...] = tuple(PATH_DESCRIPTIONS)
"""Every name `make_path` knows: the moves, then each as a closed loop."""


def make_path(name: str, start: Camera, frames: int, scene: SceneScale, amount: float = 1.0) -> CameraPath:
    """The named move from `start`, eased in and out; frame 0 is `start`, and the last frame too for "...-and-back".

    `amount` scales the default amplitude, 0 to 20. Raises InvalidInput for an unknown name, frames or amount.
    """
    if name not in PATH_DESCRIPTIONS:
        close = difflib.get_close_matches(name.lower().replace("_", "-").replace(" ", "-"), PATH_NAMES, 1, 0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidInput(
            f"There is no camera move called {name!r}.{hint} The moves are {', '.join(BASE_NAMES)}; each also with "
            f"{_BACK} at its end."
        )
    check_frames(frames)
    if not 0 <= amount <= MAX_AMOUNT:
        raise InvalidInput(f"The amount of a camera move must lie between 0 and {MAX_AMOUNT:g}, got {amount}.")
    closed = name.endswith(_BACK)
    move = _MOVES[name.removesuffix(_BACK)][0]
    t = np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)
    progress = amount * ((1 - np.cos(2 * np.pi * t)) / 2 if closed else t * t * (3 - 2 * t))
    cameras = [move(start, scene, float(s)) for s in progress]
    cameras[0] = start
    if closed:
        cameras[-1] = start
    return CameraPath(tuple(cameras), name, closed)
