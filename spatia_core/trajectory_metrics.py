"""How far a tracked trajectory is from the true one (Sturm et al. 2012, a benchmark for RGB-D SLAM)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class TrajectoryError:
    """Errors over the frames that were tracked."""

    ate: float
    """Root mean square distance after the best rigid motion, scene units."""
    ate_similarity: float
    """The same after the best similarity (scale forgiven)."""
    scale: float
    """Scale of that similarity: true size over tracked size."""
    rpe: float
    """Root mean square error of the motion from one frame to the next, scene units."""
    rpe_degrees: float
    """Root mean square error of the turn from one frame to the next."""


def trajectory_error(found: Sequence[Pose | None], true: Sequence[Pose]) -> TrajectoryError:
    """Errors of camera-to-world poses against the true ones; None = lost. Raises InvalidInput below three frames."""
    if len(found) != len(true):
        raise InvalidInput(f"{len(found)} tracked poses against {len(true)} true ones: give one for every frame.")
    kept = [i for i, T in enumerate(found) if T is not None]
    if len(kept) < 3:
        raise InvalidInput(f"Only {len(kept)} frames were tracked; a trajectory is judged from three on.")
    a = np.array([_pose(found[i])[:3, 3] for i in kept])
    b = np.array([true[i][:3, 3] for i in kept])
    _, R, t = se3.align_similarity(a, b, with_scale=False)
    rigid = a @ R.T + t
    s, R, t = se3.align_similarity(a, b)
    similar = s * a @ R.T + t
    steps = [
        se3.inverse(se3.inverse(true[i]) @ true[j]) @ se3.inverse(_pose(found[i])) @ _pose(found[j])
        for i, j in pairwise(kept)
        if j == i + 1
    ]
    moved = [float(np.linalg.norm(T[:3, 3])) for T in steps]
    turned = [float(np.rad2deg(np.linalg.norm(se3.so3_log(T[:3, :3])))) for T in steps]
    return TrajectoryError(_rms(rigid - b), _rms(similar - b), s, _root(moved), _root(turned))


def _pose(T: Pose | None) -> Pose:
    assert T is not None
    return T


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt((difference**2).sum(axis=1).mean()))


def _root(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else float("nan")
