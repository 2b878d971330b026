"""Rigid motions as 4x4 matrices.

`w2c` takes world coordinates to camera coordinates, `c2w` is its inverse. Camera axes follow OpenCV: x right, y down,
z forward. Angles are radians.
"""

import numpy as np
from jaxtyping import Float

from spatia_core.arrays import Pose
from spatia_core.errors import InvalidInput

Vec3 = Float[np.ndarray, "3"]
Twist = Float[np.ndarray, "6"]


def rigid(R: Float[np.ndarray, "3 3"], t: Vec3) -> Pose:
    """The 4x4 motion x -> R x + t."""
    T = np.eye(4)
    T[:3, :3] = R
    T[:3, 3] = t
    return T


def translation(t: Vec3) -> Pose:
    """The 4x4 motion x -> x + t."""
    return rigid(np.eye(3), t)


def inverse(T: Pose) -> Pose:
    """The motion that undoes the rigid motion `T`, exact to rounding (no matrix inversion)."""
    R = T[:3, :3].T
    return rigid(R, -R @ T[:3, 3])


def transform(T: Pose, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Every point moved by `T`, in the dtype of `points`."""
    return (points @ T[:3, :3].T + T[:3, 3]).astype(points.dtype)


def is_rigid(T: np.ndarray, tolerance: float = 1e-3) -> bool:
    """True when `T` is finite, 4x4, its rotation orthonormal and right-handed, its last row 0 0 0 1."""
    if T.shape != (4, 4) or not np.isfinite(T).all():
        return False
    R = T[:3, :3]
    orthonormal = np.abs(R @ R.T - np.eye(3)).max() < tolerance and np.linalg.det(R) > 0
    return bool(orthonormal and np.abs(T[3] - [0, 0, 0, 1]).max() < tolerance)


def nearest_rotation(R: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation nearest to `R` in the Frobenius norm (orthogonal Procrustes)."""
    U, _, Vt = np.linalg.svd(R)
    return U @ np.diag([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))]) @ Vt


def _skew(w: Vec3) -> Float[np.ndarray, "3 3"]:
    return np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])


def so3_exp(w: Vec3) -> Float[np.ndarray, "3 3"]:
    """The rotation about axis w/|w| by |w| radians (Rodrigues)."""
    angle = float(np.linalg.norm(w))
    S = _skew(w)
    if angle < 1e-8:
        return np.eye(3) + S + 0.5 * S @ S
    return np.eye(3) + np.sin(angle) / angle * S + (1 - np.cos(angle)) / angle**2 * S @ S


def so3_log(R: Float[np.ndarray, "3 3"]) -> Vec3:
    """The rotation vector of `R`, |w| in [0, pi]."""
    sine = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2
    length = float(np.linalg.norm(sine))
    angle = float(np.arctan2(length, (np.trace(R) - 1) / 2))
    if length > 1e-6:
        return sine / length * angle
    if angle < 1.0:
        return sine
    # near pi the skew part vanishes: the axis is the column of (R + I) / 2 with the largest diagonal entry
    B = (R + np.eye(3)) / 2
    k = int(np.argmax(np.diag(B)))
    axis = B[:, k] / np.linalg.norm(B[:, k])
    return axis * angle * (1 if sine @ axis >= 0 else -1)


def _left_jacobian(w: Vec3) -> Float[np.ndarray, "3 3"]:
    angle = float(np.linalg.norm(w))
    S = _skew(w)
    if angle < 1e-5:
        return np.eye(3) + 0.5 * S + S @ S / 6
    return np.eye(3) + (1 - np.cos(angle)) / angle**2 * S + (angle - np.sin(angle)) / angle**3 * S @ S


def exp(twist: Twist) -> Pose:
    """The rigid motion of the twist (rotation vector, then translation part); Barfoot, State Estimation, 7.86."""
    return rigid(so3_exp(twist[:3]), _left_jacobian(twist[:3]) @ twist[3:])


def log(T: Pose) -> Twist:
    """The twist whose `exp` is `T`; rotation angles up to pi."""
    w = so3_log(T[:3, :3])
    return np.concatenate([w, np.linalg.solve(_left_jacobian(w), T[:3, 3])])


def interpolate(a: Pose, b: Pose, s: float) -> Pose:
    """Between poses `a` (s = 0) and `b` (s = 1): rotation along the geodesic, origin along the straight line."""
    R = a[:3, :3] @ so3_exp(s * so3_log(a[:3, :3].T @ b[:3, :3]))
    return rigid(R, (1 - s) * a[:3, 3] + s * b[:3, 3])


def look_at(eye: Vec3, target: Vec3, up: Vec3) -> Pose:
    """The w2c of a camera at `eye` that sees `target` in its centre, world direction `up` upwards in the image.

    Raises InvalidInput when eye and target coincide or `up` is parallel to the view.
    """
    forward = target - eye
    right = np.cross(forward, up)
    if np.linalg.norm(forward) < 1e-9 or np.linalg.norm(right) < 1e-9 * np.linalg.norm(forward):
        raise InvalidInput("look_at needs a target away from the eye and an up direction across the view.")
    z = forward / np.linalg.norm(forward)
    x = right / np.linalg.norm(right)
    R = np.stack([x, np.cross(z, x), z])
    return rigid(R, -R @ eye)


def align_similarity(
    source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"], with_scale: bool = True
) -> tuple[float, Float[np.ndarray, "3 3"], Vec3]:
    """Scale s, rotation R, translation t that minimise |s R source + t - target|^2 (Umeyama 1991).

    Raises InvalidInput for fewer than three pairs.
    """
    if len(source) < 3 or source.shape != target.shape:
        raise InvalidInput(f"Alignment needs at least 3 pairs of points, got {len(source)} and {len(target)}.")
    ms, mt = source.mean(0), target.mean(0)
    a, b = source - ms, target - mt
    U, D, Vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])
    R = U @ sign @ Vt
    spread = float((a**2).sum() / len(a))
    scale = float(np.trace(np.diag(D) @ sign) / spread) if with_scale and spread > 0 else 1.0
    return scale, R, mt - scale * R @ ms
