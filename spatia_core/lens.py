"""The lens of a photo from what it shows: lines of things built at right angles tell the focal length.

Two vanishing points v, w of orthogonal directions, seen from the principal point, satisfy v . w = -f^2 (Caprile and
Torre 1990). Hypotheses are drawn from pairs of lines; the one that most line length agrees with wins, if all about as
good ones say about the same.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float

from spatia_core.arrays import Image, Intrinsics, read_only
from spatia_core.camera import Camera

USUAL = np.radians(60.0)
"""What the longer side of a photo of unknown lens is taken to span."""
_SIDE = 640
"""Longer side at which lines are looked for."""
_SHORTEST = 0.04
"""Shortest line, in longer sides."""
_MOST = 240
"""Lines at most, the longest ones."""
_DRAWS = 4000
_AIM = np.sin(np.radians(1.5))
"""Sine of the angle within which a line aims at a vanishing point."""
_FOCAL = (0.55, 1.6)
"""Bounds in longer sides: 84 to 35 degrees."""
_LEAST_SHARE, _LEAST_LINES = 0.12, 5
"""Of all line length, and how many lines, must aim at each of the two vanishing points that were used."""
_EXPLAINED = 0.6
"""Share of all line length that must aim at one of the three directions."""
_AS_GOOD, _SPREAD = 0.96, 1.25
"""Hypotheses with this share of the best support must agree on the focal length within this factor."""

Vectors = Float[np.ndarray, "k n 3"]


class _Lines(NamedTuple):
    """Straight lines, in longer sides from the principal point."""

    middle: Float[np.ndarray, "n 2"]
    along: Float[np.ndarray, "n 2"]
    length: Float[np.ndarray, " n"]
    line: Float[np.ndarray, "n 3"]


def focal_from_lines(image: Image, seed: int = 0) -> float | None:
    """The focal length in pixels of the photo, square pixels and a centred principal point taken for granted.

    None where the photo does not tell: no lines at right angles, or only such as are seen face on. Equal photos and
    seeds give equal answers.
    """
    lines = _lines(image)
    if lines is None:
        return None
    directions, focal = _hypotheses(lines, np.random.default_rng(seed))
    if not len(focal):
        return None
    aims = _aiming(lines, directions, focal)
    support = (aims.any(1) * lines.length).sum(1)
    total = lines.length.sum()
    used = aims[:, :2]
    enough = ((used * lines.length).sum(2) > _LEAST_SHARE * total).all(1) & (used.sum(2) >= _LEAST_LINES).all(1)
    support = np.where(enough, support, 0)
    best = float(support.max())
    if best < _EXPLAINED * total:
        return None
    alike = np.sort(focal[support >= _AS_GOOD * best])
    low, high = np.quantile(alike, [0.1, 0.9])
    if high > _SPREAD * low:
        return None
    return float(np.median(alike)) * max(image.shape[:2])


def likely_lens(image: Image) -> Intrinsics:
    """K of a photo of unknown lens: half way, in proportion, from the usual one to what its lines tell."""
    height, width = image.shape[:2]
    K = np.array(Camera.from_fov(width, height, USUAL).K)
    told = focal_from_lines(image)
    if told is not None:
        K[[0, 1], [0, 1]] = np.sqrt(K[0, 0] * told)
    return read_only(K, np.float64)


def _lines(image: Image) -> _Lines | None:
    h, w = image.shape[:2]
    scale = min(1.0, _SIDE / max(h, w))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    if found is None:
        return None
    side = max(grey.shape)
    ends = (np.reshape(found, (-1, 2, 2)).astype(np.float64) - np.array(grey.shape[::-1]) / 2) / side
    along = ends[:, 1] - ends[:, 0]
    length = np.linalg.norm(along, axis=1)
    order = np.argsort(-length, kind="stable")[:_MOST]
    order = order[length[order] > _SHORTEST]
    if len(order) < 4 * _LEAST_LINES:
        return None
    ends, along, length = ends[order], along[order], length[order]
    ones = np.ones(len(ends))
    line = np.cross(np.column_stack([ends[:, 0], ones]), np.column_stack([ends[:, 1], ones]))
    return _Lines(ends.mean(1), along / length[:, None], length, line)


def _hypotheses(lines: _Lines, rng: np.random.Generator) -> tuple[Vectors, Float[np.ndarray, " k"]]:
    """(k, 3, 3) three orthogonal directions each, in camera axes, and the (k,) focal length they were drawn with."""
    weight = lines.length / lines.length.sum()
    picked = rng.choice(len(weight), (_DRAWS, 4), p=weight)
    v, w = (np.cross(lines.line[picked[:, i]], lines.line[picked[:, i + 1]]) for i in (0, 2))
    finite = v[:, 2] * w[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = -(v[:, 0] * w[:, 0] + v[:, 1] * w[:, 1]) / finite
    good = (np.abs(finite) > 1e-12) & (squared > _FOCAL[0] ** 2) & (squared < _FOCAL[1] ** 2)
    v, w, focal = v[good], w[good], np.sqrt(squared[good])
    a, b = (_unit(np.column_stack([p[:, :2] / focal[:, None], p[:, 2]])) for p in (v, w))
    return np.stack([a, b, _unit(np.cross(a, b))], 1), focal


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def _aiming(lines: _Lines, directions: Vectors, focal: Float[np.ndarray, " k"]) -> np.ndarray:
    """(k, 3, n) True where a line aims at the vanishing point of a direction."""
    points = directions[..., :2] * focal[:, None, None]
    toward = points[:, :, None] - directions[..., 2, None, None] * lines.middle
    across = toward[..., 0] * lines.along[:, 1] - toward[..., 1] * lines.along[:, 0]
    return np.abs(across) < _AIM * np.linalg.norm(toward, axis=-1)
