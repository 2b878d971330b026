"""Random but repeatable values that several tests need."""

import numpy as np
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud

MISSHAPEN = (InvalidInput, TypeCheckError)
"""What arrays of disagreeing shapes raise: the value itself, or the check of its signature that runs in tests only."""

numbers = st.floats(-3, 3, allow_nan=False, width=64)
vectors = st.tuples(numbers, numbers, numbers).map(np.array)
rotation_vectors = vectors.filter(lambda w: float(np.linalg.norm(w)) < 3.1)
twists = st.tuples(rotation_vectors, vectors).map(np.concatenate)
poses = twists.map(se3.exp)


def camera(width: int = 64, height: int = 48, w2c: np.ndarray | None = None) -> Camera:
    return Camera.from_fov(width, height, 1.0, w2c)


def cloud(n: int, seed: int = 0, radius: float = 0.02) -> PointCloud:
    """n points in the box (-1..1, -1..1, 1..4) in front of the identity camera."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-1, -1, 1], [1, 1, 4], (n, 3)).astype(np.float32)
    rgb = rng.integers(0, 256, (n, 3), dtype=np.uint8)
    return PointCloud(xyz, rgb, (radius * rng.uniform(0.2, 2, n)).astype(np.float32))


def lifted(image: np.ndarray, depth: np.ndarray, view: Camera) -> PointCloud:
    """One point per pixel, each as large as its pixel."""
    xyz = view.unproject(depth).reshape(-1, 3)
    return PointCloud(xyz, image.reshape(-1, 3), (0.5 * depth / view.K[0, 0]).astype(np.float32).ravel())


def memory(n: int = 50, seed: int = 0) -> SpatialMemory:
    view = camera(16, 12)
    none = np.zeros((12, 16), dtype=bool)
    frame = Keyframe(np.zeros((12, 16, 3), np.uint8), np.full((12, 16), 2, np.float32), view, none, none)
    return SpatialMemory(cloud(n, seed), PointLabels.uniform(n, Provenance.OBSERVED), (frame,))
