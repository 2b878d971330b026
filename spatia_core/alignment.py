"""Bring a predicted depth map to the memory's scale and settle the pixels that float between surfaces."""

from dataclasses import dataclass

import numpy as np

from spatia_core.arrays import Depth, nearest_false
from spatia_core.depth_edges import flying_pixels
from spatia_core.errors import InvalidInput

MIN_SHARED = 50
"""Fewest pixels known to both maps that can carry a fit."""


@dataclass(frozen=True, slots=True)
class InverseDepthFit:
    """1/target = scale * 1/source + shift over the pixels both know."""

    scale: float
    shift: float
    error: float
    """Median relative depth error after the fit."""

    def apply(self, depth: Depth) -> Depth:
        """`depth` on the target's scale; NaN where the fitted inverse depth is not positive."""
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = self.scale / depth + self.shift
            return np.where(inverse > 1e-6, 1 / inverse, np.nan).astype(np.float32)


def fit_inverse_depth(source: Depth, target: Depth, with_shift: bool = True, rounds: int = 8) -> InverseDepthFit:
    """The robust fit of `source` to `target` where both are known (Huber weights, iterated least squares).

    A shift is kept only when it leaves the scale positive. Raises InvalidInput when fewer than MIN_SHARED pixels are
    shared.
    """
    shared = np.isfinite(source) & np.isfinite(target)
    if np.count_nonzero(shared) < MIN_SHARED:
        raise InvalidInput(
            f"Only {np.count_nonzero(shared)} pixels are known to both the new depth and the memory; {MIN_SHARED} are "
            "needed to bring them to one scale. Choose a camera that still sees a part of the known scene."
        )
    s, t = 1 / source[shared].astype(np.float64), 1 / target[shared].astype(np.float64)
    scale, shift = float(np.median(t / s)), 0.0
    for _ in range(rounds):
        residual = t - (scale * s + shift)
        spread = 1.4826 * np.median(np.abs(residual)) + 1e-9
        w = np.minimum(1, 1.345 * spread / (np.abs(residual) + 1e-12))
        if not with_shift:
            scale = float((w * s * t).sum() / (w * s * s).sum())
            continue
        ms, mt = (w * s).sum() / w.sum(), (w * t).sum() / w.sum()
        variance = (w * (s - ms) ** 2).sum()
        slope = (w * (s - ms) * (t - mt)).sum() / variance if variance > 1e-12 else 0.0
        if slope <= 0:
            return fit_inverse_depth(source, target, with_shift=False, rounds=rounds)
        scale, shift = float(slope), float(mt - slope * ms)
    fitted = InverseDepthFit(scale, shift, 0.0).apply(source)[shared]
    error = float(np.nanmedian(np.abs(fitted - target[shared]) / target[shared]))
    return InverseDepthFit(scale, shift, error)


def settled(depth: Depth) -> Depth:
    """The depth without values that float between two surfaces: each takes that of the nearest settled pixel."""
    flying = flying_pixels(depth)
    standing = ~flying & np.isfinite(depth)
    if not flying.any() or not standing.any():
        return depth
    rows, columns = nearest_false(~standing)
    return np.where(flying, depth[rows, columns], depth)
