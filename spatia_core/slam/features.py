"""Sparse features: found, described, matched, and a pose from matches."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from spatia_core import se3
from spatia_core.arrays import Intrinsics, Pose

RATIO = 0.85
"""A match must be this much nearer than the next best."""
FARTHEST = 70
"""Most differing bits of a match."""
MIN_INLIERS = 20
"""Fewest matches that make a pose believable."""
_TABLES, _BITS = 6, 10


@dataclass(eq=False, slots=True)
class Features:
    """n features of a picture."""

    xy: Float32[np.ndarray, "n 2"]
    """Pixels; pixel i covers [i, i + 1)."""
    descriptors: UInt8[np.ndarray, "n 32"]
    xyz: Float32[np.ndarray, "n 3"]
    """Places in the camera frame; NaN where depth is unknown."""
    sigma: Float32[np.ndarray, " n"]
    """Uncertainty of xy, pixels."""
    words: Float32[np.ndarray, " m"]
    """What the picture shows, as a histogram of sampled descriptor bits of length 1."""

    def __len__(self) -> int:
        return len(self.xy)


def detect(
    gray: np.ndarray, depth: np.ndarray, K: Intrinsics, dynamic: np.ndarray | None, most: int = 1000
) -> Features:
    """ORB features spread over the picture; `depth` may be smaller than the picture, 0 = unknown."""
    mask = None
    if dynamic is not None and dynamic.any():
        mask = np.where(cv2.dilate(dynamic.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0, 0, 255).astype(np.uint8)
    orb = cv2.ORB.create(2 * most, 1.2, 8, 15, 0, 2, cv2.ORB_HARRIS_SCORE, 31, 7)
    found = orb.detect(gray, mask)
    found = _spread(found, gray.shape, most)
    found, descriptors = orb.compute(gray, found)
    if not found or descriptors is None:
        empty = np.empty
        return Features(empty((0, 2), np.float32), empty((0, 32), np.uint8), empty((0, 3), np.float32),
                        empty(0, np.float32), np.zeros(_TABLES << _BITS, np.float32))  # fmt: skip
    xy = np.array([p.pt for p in found], np.float32) + np.float32(0.5)
    sigma = np.float32(1.2) ** np.array([p.octave for p in found], np.float32)
    return Features(xy, descriptors, lift(xy, depth, K, gray.shape), sigma, words_of(descriptors))


def _spread(found: Sequence[cv2.KeyPoint], shape: tuple, most: int) -> list:
    """The strongest features of every cell of a grid."""
    if not found:
        return []
    xy = np.array([p.pt for p in found])
    strength = np.array([p.response for p in found])
    size = max(16, int(np.sqrt(shape[0] * shape[1] / most * 6)))
    cell = (xy[:, 1] // size).astype(int) * 1000 + (xy[:, 0] // size).astype(int)
    order = np.lexsort((-strength, cell))
    starts = np.r_[0, np.flatnonzero(np.diff(cell[order])) + 1]
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return [found[i] for i in order[np.argsort(rank, kind="stable")][:most]]


def lift(xy: np.ndarray, depth: np.ndarray, K: Intrinsics, shape: tuple) -> np.ndarray:
    """(n, 3) camera-frame places of pixels by the depth map (0 = unknown); NaN at unknown depth and at steps."""
    h, w = depth.shape
    columns = np.clip((xy[:, 0] * w / shape[1]).astype(int), 1, w - 2)
    rows = np.clip((xy[:, 1] * h / shape[0]).astype(int), 1, h - 2)
    around = np.stack([depth[rows + a, columns + b] for a in (-1, 0, 1) for b in (-1, 0, 1)])
    z = depth[rows, columns]
    good = (around.min(axis=0) > 0) & (around.max(axis=0) < 1.1 * around.min(axis=0))
    z = np.where(good, z, np.nan)
    rays = np.stack([(xy[:, 0] - K[0, 2]) / K[0, 0], (xy[:, 1] - K[1, 2]) / K[1, 1], np.ones(len(xy))], axis=1)
    return (rays * z[:, None]).astype(np.float32)


def words_of(descriptors: np.ndarray) -> np.ndarray:
    """Histogram over sampled bits (locality-sensitive hashing), square roots, length 1."""
    rng = np.random.default_rng(5)
    bits = np.unpackbits(descriptors, axis=1)
    out = np.zeros(_TABLES << _BITS, np.float32)
    for table in range(_TABLES):
        chosen = rng.choice(bits.shape[1], _BITS, replace=False)
        word = bits[:, chosen] @ (1 << np.arange(_BITS))
        out[table << _BITS : (table + 1) << _BITS] = np.sqrt(np.bincount(word, minlength=1 << _BITS))
    return out / max(float(np.linalg.norm(out)), 1e-9)


def match(a: Features, b: Features, ratio: float = RATIO) -> np.ndarray:
    """(m, 2) indices into `a` and `b`: nearest, distinct and mutual."""
    if len(a) < 2 or len(b) < 2:
        return np.empty((0, 2), np.int64)
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(a.descriptors, b.descriptors, k=2)
    best: dict[int, tuple[float, int]] = {}
    for first, second in pairs:
        if first.distance <= FARTHEST and first.distance < ratio * second.distance:
            known = best.get(first.trainIdx)
            if known is None or first.distance < known[0]:
                best[first.trainIdx] = (first.distance, first.queryIdx)
    return np.array([(i, j) for j, (_, i) in best.items()], np.int64).reshape(-1, 2)


def place(xyz: np.ndarray, xy: np.ndarray, K: Intrinsics, threshold: float = 3.0) -> tuple[Pose, np.ndarray] | None:
    """The camera (w2c in the frame of `xyz`) that sees the places at the pixels, and which pairs agree; or None."""
    good = np.flatnonzero(np.isfinite(xyz).all(axis=1))
    if len(good) < MIN_INLIERS // 2:
        return None
    points, pixels = np.ascontiguousarray(xyz[good], np.float64), np.ascontiguousarray(xy[good], np.float64)
    try:
        ok, rvec, tvec, inliers = cv2.solvePnPRansac(
            points, pixels, K, None, iterationsCount=300, reprojectionError=threshold, confidence=0.999,
            flags=cv2.SOLVEPNP_AP3P,
        )  # fmt: skip
    except cv2.error:
        return None
    if not ok or inliers is None or len(inliers) < MIN_INLIERS // 2:
        return None
    keep = inliers.ravel().astype(np.int64)
    rvec, tvec = cv2.solvePnPRefineLM(points[keep], pixels[keep], K, None, rvec, tvec)
    pose = se3.rigid(se3.so3_exp(rvec.ravel()), tvec.ravel())
    return (pose, good[keep]) if np.isfinite(pose).all() else None
