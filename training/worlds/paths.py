"""How a camera moves through a world: smooth, and never through a thing."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from training.worlds.world import World

Motion = Float[np.ndarray, "n 6"]
"""Right, up, forward (shares of the stage), yaw right, pitch up, roll (radians), relative to the first camera."""
Maker = Callable[[np.ndarray, np.random.Generator], Motion]


def _motion(s: np.ndarray, *rows: np.ndarray | float) -> Motion:
    return np.stack([np.broadcast_to(np.asarray(r, float), s.shape) for r in rows], 1)


def _dolly(s: np.ndarray, rng: np.random.Generator) -> Motion:
    return _motion(s, 0, 0, s * rng.choice([-1, 1]) * rng.uniform(0.2, 0.45), 0, 0, 0)


def _truck(s: np.ndarray, rng: np.random.Generator) -> Motion:
    return _motion(s, s * rng.choice([-1, 1]) * rng.uniform(0.2, 0.5), 0, 0, 0, 0, 0)


def _rise(s: np.ndarray, rng: np.random.Generator) -> Motion:
    high = rng.uniform(0.1, 0.35)
    return _motion(s, 0, s * high, 0, 0, -s * high * 0.6, 0)


def _pan(s: np.ndarray, rng: np.random.Generator) -> Motion:
    return _motion(s, 0, 0, 0, s * rng.choice([-1, 1]) * rng.uniform(0.3, 0.9), s * rng.uniform(-0.12, 0.12), 0)


def _orbit(s: np.ndarray, rng: np.random.Generator) -> Motion:
    a = s * rng.choice([-1, 1]) * rng.uniform(0.25, 0.7)
    return _motion(s, np.sin(a), 0, 1 - np.cos(a), -a, 0, 0)


def _walk(s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Forward with a hand's unsteadiness."""
    p = rng.uniform(0, 2 * np.pi, 6)
    turn = rng.uniform(-0.35, 0.35)
    steps = 2 * np.pi * s * rng.uniform(2, 4)
    sway, bob = 0.012 * (np.sin(steps / 2 + p[0]) - np.sin(p[0])), 0.008 * (np.sin(steps + p[1]) - np.sin(p[1]))
    yaw = s * turn + 0.015 * (np.sin(steps * 0.7 + p[2]) - np.sin(p[2]))
    pitch, roll = (0.01 * (np.sin(steps * f + p[k]) - np.sin(p[k])) for f, k in ((0.9, 3), (0.6, 4)))
    return _motion(s, sway, bob, s * rng.uniform(0.2, 0.5), yaw, pitch, roll)


def _drift(s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Any direction, turning a little as it goes."""
    go = rng.normal(size=3) * np.array([0.25, 0.08, 0.2])
    turn = rng.normal(size=3) * np.array([0.2, 0.06, 0.03])
    return s[:, None] * np.concatenate([go, turn])


def _away(s: np.ndarray, rng: np.random.Generator) -> Motion:
    """Sideways and turning, so that most of the first view is left."""
    side = rng.choice([-1, 1])
    right, up, ahead, yaw = rng.uniform([0.15, -0.05, -0.05, 0.45], [0.4, 0.08, 0.25, 0.85])
    return _motion(s, s * side * right, s * up, s * ahead, s * side * yaw, 0, 0)


MOVES: dict[str, Maker] = {
    "dolly": _dolly,
    "truck": _truck,
    "rise": _rise,
    "pan": _pan,
    "orbit": _orbit,
    "walk": _walk,
    "drift": _drift,
    "away": _away,
}
RETURNS = {"out_and_back": "away", "drift_and_back": "drift", "orbit_and_back": "orbit"}
PATHS = (*MOVES, *RETURNS)
"""Names of paths; those that come back end exactly where they began."""

_SHRINK = (1.0, 0.7, 0.5, 0.35, 0.2, 0.1, 0.0)


def path(world: World, kind: str, frames: int, seed: int = 0, size: tuple[int, int] = (320, 192)) -> tuple[Camera, ...]:
    """A camera path of that kind from the world's first view; size is (width, height).

    The way is shortened until no camera comes nearer to a thing than a third of the world's own nearness. Raises
    InvalidInput for an unknown kind.
    """
    if kind not in PATHS:
        raise InvalidInput(f"No path is called {kind!r}; there are {', '.join(PATHS)}.")
    rng = np.random.default_rng([5, seed])
    s = np.linspace(0.0, 1.0, frames) if frames > 1 else np.zeros(1)
    if kind in RETURNS:
        s = 0.5 - 0.5 * np.cos(2 * np.pi * s)
        s[-1] = 0.0
        s = (s + s[::-1]) / 2  # the way back is the way out, to the last bit
    else:
        s = s * s * (3 - 2 * s) if rng.random() < 0.5 else s
    motion = MOVES[RETURNS.get(kind, kind)](s, rng)
    for k in _SHRINK:
        cameras = tuple(moved(world, m * [k, k, k, 1, 1, 1], size) for m in motion)
        if k == 0 or all(world.free(c.centre) > 0.35 * world.view.near for c in cameras[:: max(1, frames // 12)]):
            return cameras
    raise AssertionError("the last shrink factor returns")


def moved(world: World, m: np.ndarray, size: tuple[int, int]) -> Camera:
    """The world's first camera after one row of a motion."""
    v, first = world.view, world.camera(*size)
    yaw = v.yaw
    right, ahead = np.array([np.cos(yaw), -np.sin(yaw), 0]), np.array([np.sin(yaw), np.cos(yaw), 0])
    place = np.asarray(v.place) + world.stage * (m[0] * right + m[1] * np.array([0, 0, 1]) + m[2] * ahead)
    c2w = world.pose((place[0], place[1], place[2]), yaw + m[3], v.pitch + float(np.rad2deg(m[4])), m[5])
    w2c = np.eye(4)
    w2c[:3, :3] = c2w[:3, :3].T
    w2c[:3, 3] = -c2w[:3, :3].T @ c2w[:3, 3]
    return first.moved(w2c)
