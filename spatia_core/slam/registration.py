"""How colour lies to depth, found from the film itself: a sensor's two cameras seldom see through one lens.

A point of the depth camera at (x, y, 1) z meets the colour picture at
x + scale x - roll y + shift_x + base_x / z (y alike); the six terms are those at which keyframes show one intensity at
one place. Poses and terms are refined in turns.
"""

from collections.abc import Sequence

import numpy as np

from spatia_core import se3
from spatia_core.slam import kernels
from spatia_core.slam.align import LEAST_PHOTO
from spatia_core.slam.keyframes import MapKeyframe
from spatia_core.slam.laying import Registration, warped
from spatia_core.slam.refine import refine
from spatia_core.slam.views import Level, relight

TERMS = 6
"""Scale, roll, shift x, shift y, base x, base y."""
TURNS = 4
"""Rounds of refining poses and terms in turns."""
STEPS = {2: 6, 1: 4, 0: 3}
"""Gauss-Newton steps a level."""
MOST_PAIRS, LEAST_PAIRS = 40, 6
"""Pairs of keyframes the terms are sought from."""
LEAST_SEEN = 100
"""Points below which a pair says nothing."""
PRIOR = 1 / np.array([0.1, 0.03, 0.03, 0.03, 0.05, 0.05]) ** 2
"""Information of the expectation that colour lies on depth; it decides only what the film leaves open."""
BETTER = 0.9
"""Share to which the difference of intensities must fall, on pairs that were not fitted, for the terms to be used."""
LEAST_SHIFT = 2.0
"""Pixels of the working picture below which colour is taken to lie on depth."""
LARGEST = np.array([0.25, 0.1, 0.12, 0.12, 0.12, 0.12])
"""Terms beyond these are no sensor's (the last two in scene units at a depth of 2)."""
PHOTO = 0.5
"""Weight of intensity while the terms are sought."""


def find_registration(
    keyframes: Sequence[MapKeyframe], pairs: Sequence[tuple[int, int]], fixed: set[int]
) -> Registration | None:
    """The terms that pairs of keyframes agree on; None when colour lies on depth already, or too little is seen.

    Every other pair is fitted, the rest judge. Keyframes are left as they were.
    """
    chosen = list(pairs[:: max(1, -(-len(pairs) // MOST_PAIRS))])
    if len(chosen) < LEAST_PAIRS:
        return None
    kept = {k: _Given(keyframes[k]) for p in chosen for k in p}
    before = _difference(keyframes, chosen[1::2], np.zeros(TERMS))
    try:
        terms, after = _in_turns(keyframes, chosen, kept, fixed & set(kept) or {min(kept)})
    finally:
        for given in kept.values():
            given.restore()
    if after >= BETTER * before or (np.abs(terms) > LARGEST).any():
        return None
    if _largest_shift(keyframes[chosen[0][0]].view.levels[0], terms) < LEAST_SHIFT:
        return None
    return Registration(terms, before, after)


def _largest_shift(level: Level, terms: np.ndarray) -> float:
    """Pixels by which the terms move what is seen in the corner they move most, at the usual depth."""
    h, w = level.depth.shape
    fx, fy, cx, cy = level.lens
    known = level.depth[level.depth > 0]
    inverse = 1 / float(np.median(known)) if known.size else 0.0
    scale, roll, shift_x, shift_y, base_x, base_y = terms
    x, y = np.array([-cx, w - cx, -cx, w - cx]) / fx, np.array([-cy, -cy, h - cy, h - cy]) / fy
    right = fx * (scale * x - roll * y + shift_x + base_x * inverse)
    down = fy * (scale * y + roll * x + shift_y + base_y * inverse)
    return float(np.hypot(right, down).max())


class _Given:
    """A keyframe as it was."""

    def __init__(self, keyframe: MapKeyframe) -> None:
        self._keyframe, self._c2w = keyframe, keyframe.c2w
        self._levels = [(level.shading, level.points) for level in keyframe.view.levels]

    def unlit(self) -> None:
        """Its own intensities again, at the present pose."""
        for level, (shading, points) in zip(self._keyframe.view.levels, self._levels, strict=True):
            level.shading, level.points = shading, points

    def restore(self) -> None:
        """All as it was."""
        self.unlit()
        self._keyframe.c2w = self._c2w

    def lit(self, terms: np.ndarray) -> None:
        """Its intensities laid on its depth by the terms."""
        for i, level in enumerate(self._keyframe.view.levels):
            relight(level, warped(level, self._levels[i][0][..., 0], terms), i)


def _in_turns(
    keyframes: Sequence[MapKeyframe], pairs: list[tuple[int, int]], given: dict[int, _Given], fixed: set[int]
) -> tuple[np.ndarray, float]:
    """The terms and the difference they leave on the pairs that judge."""
    terms, after = np.zeros(TERMS), np.inf
    for turn in range(TURNS):
        for one in given.values():
            one.unlit()
        for level in (2, 1, 0) if turn == 0 else (1, 0):
            for _ in range(STEPS[level]):
                terms = terms + _step(keyframes, pairs[::2], terms, level)
        after = _difference(keyframes, pairs[1::2], terms)
        if (np.abs(terms) > LARGEST).any():
            break
        if turn + 1 < TURNS:
            for one in given.values():
                one.lit(terms)
            refine(keyframes, pairs, fixed, PHOTO, levels=(1, 0, 0))
    return terms, after


def _step(keyframes: Sequence[MapKeyframe], pairs: list[tuple[int, int]], terms: np.ndarray, level: int) -> np.ndarray:
    """One Gauss-Newton step on the terms over all pairs; gain and offset of every pair are free."""
    H, g = np.diag(PRIOR), PRIOR * terms
    for a, b in pairs:
        for source, target in ((a, b), (b, a)):
            part, pull, seen, _ = _equations(keyframes[source], keyframes[target], terms, level)
            if seen >= LEAST_SEEN:
                H, g = H + part, g + pull
    return -np.linalg.solve(H, g)


def _difference(keyframes: Sequence[MapKeyframe], pairs: list[tuple[int, int]], terms: np.ndarray) -> float:
    """Mean difference of intensity over the pairs, grey levels."""
    total, count = 0.0, 0
    for a, b in pairs:
        for source, target in ((a, b), (b, a)):
            _, _, seen, mean = _equations(keyframes[source], keyframes[target], terms, 0)
            total, count = total + seen * mean, count + seen
    return total / count if count else np.inf


def _equations(source: MapKeyframe, target: MapKeyframe, terms: np.ndarray, level: int) -> tuple:
    """(6, 6) and (6,) of the normal equations, points compared and their mean difference, at the best gain."""
    near, far = source.view.levels[level], target.view.levels[level]
    T = se3.inverse(target.c2w) @ source.c2w
    light = np.array([1.0, 0.0, 12.0])
    H, g = np.zeros((TERMS + 2, TERMS + 2)), np.zeros(TERMS + 2)
    seen, mean = 0, 0.0
    for _ in range(3):
        H[:], g[:] = 0, 0
        seen, total = kernels.colour_system(
            near.points, T, near.lens, far.lens, far.depth, near.shading, far.shading, terms, light, H, g
        )
        if seen < LEAST_SEEN:
            return H[:TERMS, :TERMS], g[:TERMS], seen, 0.0
        mean = total / seen
        change = np.linalg.solve(H[TERMS:, TERMS:] + 1e-9 * np.eye(2) * np.trace(H[TERMS:, TERMS:]), g[TERMS:])
        light[:2] -= change
        light[2] = max(LEAST_PHOTO, 1.3 * mean)
    inner = H[:TERMS, TERMS:] @ np.linalg.inv(H[TERMS:, TERMS:] + 1e-9 * np.eye(2) * np.trace(H[TERMS:, TERMS:]))
    return H[:TERMS, :TERMS] - inner @ H[TERMS:, :TERMS], g[:TERMS] - inner @ g[TERMS:], seen, mean
