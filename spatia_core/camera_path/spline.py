"""A smooth curve through cameras.

Position, principal point and the logarithm of the focal lengths follow a cubic Hermite spline with Catmull-Rom
tangents; the rotation follows the matching cumulative Bezier curve (Kim, Kim and Shin, A General Construction Scheme
for Unit Quaternion Curves, 1995). Both are C1 and pass through every key. A stretch that is eased otherwise than
"smooth" goes along the same curve at a speed of its own, or straight.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float

from spatia_core import se3
from spatia_core.camera import Camera

Ends = Literal["rest", "slope", "loop"]
"""At the ends the motion starts and stops at rest, keeps its slope, or runs on from the last key into the first."""

Easing = Literal["smooth", "gentle", "gather", "settle", "even"]
"""How the camera goes from one key to the next: without stopping, starting and stopping gently, only starting or only
stopping gently, or straight at an even speed."""

_SPEED: dict[str, Callable[[float], float]] = {
    "smooth": lambda s: s,
    "gentle": lambda s: s * s * (3 - 2 * s),
    "gather": lambda s: s * s,
    "settle": lambda s: s * (2 - s),
    "even": lambda s: s,
}
"""Share of the time to share of the way."""

EASINGS: tuple[str, ...] = tuple(_SPEED)

Times = Float[np.ndarray, " n"]


def interpolate(
    times: Times,
    cameras: Sequence[Camera],
    at: Float[np.ndarray, " m"],
    ends: Ends,
    easings: Sequence[Easing] = (),
) -> tuple[Camera, ...]:
    """The camera at every time of `at`; at a key's time it is the key's camera itself.

    `times` grow strictly; all cameras share one picture size. With `ends="loop"` the last camera repeats the first.
    `easings` are those of the stretches from the first on; the rest are smooth.
    """
    if len(cameras) == 1:
        return (cameras[0],) * len(at)
    R = np.stack([c.c2w[:3, :3] for c in cameras])
    flat = np.stack([_flat(c) for c in cameras])
    h = np.diff(times)
    turns = np.stack([se3.so3_log(a.T @ b) for a, b in pairwise(R)])
    spin = _tangents(turns / h[:, None], h, ends)
    slope = _tangents(np.diff(flat, axis=0) / h[:, None], h, ends)
    out = []
    for t in at:
        i = int(np.clip(np.searchsorted(times, t, "right") - 1, 0, len(h) - 1))
        s = float((t - times[i]) / h[i])
        if min(abs(s), abs(s - 1)) < 1e-9:
            out.append(cameras[i + round(s)])
            continue
        easing = easings[i] if i < len(easings) else "smooth"
        s = _SPEED[easing](s)
        if easing == "even":
            turned, state = R[i] @ se3.so3_exp(s * turns[i]), flat[i] + s * (flat[i + 1] - flat[i])
        else:
            turned = _rotation(R[i], R[i + 1], spin[i] * h[i], spin[i + 1] * h[i], s)
            state = _hermite(flat[i], flat[i + 1], slope[i] * h[i], slope[i + 1] * h[i], s)
        out.append(_camera(cameras[0], turned, state))
    return tuple(out)


def _tangents(rate: Float[np.ndarray, "g k"], h: Float[np.ndarray, " g"], ends: Ends) -> Float[np.ndarray, "n k"]:
    """Velocity at every key from the mean velocities between keys; zero beside a gap in which nothing moves."""
    before, after = np.vstack([rate[-1:], rate]), np.vstack([rate, rate[:1]])
    h0, h1 = np.append(h[-1], h)[:, None], np.append(h, h[0])[:, None]
    tangent = (h1 * before + h0 * after) / (h0 + h1)
    still = np.linalg.norm(rate, axis=1) == 0
    tangent[np.append(still[-1], still) | np.append(still, still[0])] = 0
    if ends == "rest":
        tangent[[0, -1]] = 0
    elif ends == "slope":
        tangent[0], tangent[-1] = rate[0], rate[-1]
    return tangent


def _flat(camera: Camera) -> Float[np.ndarray, "7"]:
    K = camera.K
    return np.array([*camera.centre, np.log(K[0, 0]), np.log(K[1, 1]), K[0, 2], K[1, 2]])


def _camera(like: Camera, R: Float[np.ndarray, "3 3"], state: Float[np.ndarray, "7"]) -> Camera:
    fx, fy = np.exp(state[3:5])
    K = np.array([[fx, 0, state[5]], [0, fy, state[6]], [0, 0, 1]])
    return Camera(K, se3.inverse(se3.rigid(R, state[:3])), like.width, like.height)


def _hermite(a: np.ndarray, b: np.ndarray, va: np.ndarray, vb: np.ndarray, s: float) -> np.ndarray:
    u = 1 - s
    return u * u * (1 + 2 * s) * a + s * s * (3 - 2 * s) * b + s * u * u * va - s * s * u * vb


def _rotation(a: np.ndarray, b: np.ndarray, va: np.ndarray, vb: np.ndarray, s: float) -> np.ndarray:
    """The cubic Bezier curve on SO(3) from `a` to `b` with angular velocities `va`, `vb` in the turning frame."""
    first, last = se3.so3_exp(va / 3), se3.so3_exp(vb / 3)
    middle = se3.so3_log(first.T @ a.T @ b @ last.T)
    u = 1 - s
    b1, b2, b3 = 1 - u**3, 3 * s**2 - 2 * s**3, s**3
    return a @ se3.so3_exp(b1 * va / 3) @ se3.so3_exp(b2 * middle) @ se3.so3_exp(b3 * vb / 3)
