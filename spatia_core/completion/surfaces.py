"""Continue the surfaces around a hole behind it: depth where nothing was seen.

A plane in space is linear in inverse depth over the pixels of a pinhole camera. So the surroundings of the hole are
explained by a few such planes (RANSAC, Fischler 1981), every cell of the hole takes one of the planes met around it
(min-sum belief propagation, Felzenszwalb 2006: a change of plane is cheap where the two planes meet, so floor and
wall join at their line), and what the planes leave over at the outline fades into the hole.
"""

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Int32

from spatia_core.arrays import Depth, Mask
from spatia_core.camera import Camera
from spatia_core.completion import surfaces_kernels as kernels
from spatia_core.completion.patchmatch import spread
from spatia_core.errors import InvalidInput

_TOLERANCE = 0.02  # a pixel lies on a plane within this part of its depth
_SKIRT = 2  # pixels next to the hole whose depth may still be that of the removed thing
_MOST_PLANES = 20
_MOST_SAMPLES = 2000
_CHOICES = 5  # planes that one cell chooses from
_RESIDUAL = 0.12  # what a plane leaves over is followed up to this part of the depth
_INVALID = np.float32(8)

Inverse = Float32[np.ndarray, "h w"]
Planes = Float32[np.ndarray, "_ 3"]


class _Grid(NamedTuple):
    """Cells of `step` pixels over the picture; what is known of each."""

    step: int
    inverse: Inverse
    """Inverse depth at the cell's middle, NaN = not to be relied on."""
    hole: Mask
    """Cells with a pixel to be filled."""
    near: Mask
    """Cells whose inverse depth is known and which lie around the hole."""
    active: Mask
    """Cells that need a plane: the hole, what is near, and the skirt between them."""


def continue_depth(depth: Depth, hole: Mask, camera: Camera, forbidden: Mask | None = None) -> Depth:
    """The depth map with the hole filled by the surfaces around it, finite and positive there; the rest as given.

    Pixels that are unknown (NaN) or `forbidden` say nothing about the surroundings. Filled depth lies between 0.3 times
    the nearest and the farthest known depth; it is 1 where nothing is known at all.
    """
    if depth.shape != hole.shape or depth.shape != (camera.height, camera.width):
        raise InvalidInput(
            f"Depth {depth.shape}, hole {hole.shape} and the camera's picture {(camera.height, camera.width)} differ."
        )
    out = np.array(depth, np.float32)
    if not hole.any():
        return out
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(np.isfinite(depth) & (depth > 0) & ~hole, 1.0 / depth, np.nan).astype(np.float32)
    if forbidden is not None:
        inverse[forbidden] = np.nan
    inverse = _without_skirt(inverse, hole)
    known = np.isfinite(inverse)
    if not known.any():
        out[hole] = 1.0
        return out
    lowest, highest = inverse[known].min(), inverse[known].max() / 0.3
    window = _window(hole, known)
    filled = _continue(inverse[window], hole[window], lowest)
    inside = hole[window]
    out[window][inside] = 1.0 / np.clip(filled[inside], lowest, highest)
    return out


def disocclusion_bands(depth: Depth, reach_px: int, ratio: float = 1.06) -> Mask:
    """True at the near side of every depth step, up to `reach_px` pixels from it: a moved camera looks behind these.

    A step is a change of depth by `ratio` between neighbouring pixels beyond the change of the slope around it. To
    continue what is behind, forbid `disocclusion_bands(depth, 3 * reach_px)`: the rest of the near thing.
    """
    return _beside_steps(depth, reach_px, ratio, near=True)


def far_side(depth: Depth, reach_px: int, ratio: float = 1.06) -> Mask:
    """True at the far side of every depth step, up to `reach_px` from it: what continues behind the near side."""
    near, far = (_beside_steps(depth, reach_px, ratio, near=side) for side in (True, False))
    return far & ~near


def _beside_steps(depth: Depth, reach: int, ratio: float, near: bool) -> Mask:
    """Straight runs of at most `reach` pixels away from every depth step, on its near or its far side."""
    out = np.zeros(depth.shape, bool)
    if not np.isfinite(depth).any():
        return out
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.log(np.where(depth > 0, depth, np.nan))
    for axis, away in ((0, (1, 0)), (1, (0, 1))):
        change = np.diff(log, axis=axis)
        pad = [(1, 1) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(np.nan_to_num(change), pad, mode="edge" if change.size else "constant")
        n = change.shape[axis]
        before, after = np.take(padded, range(n), axis), np.take(padded, range(2, n + 2), axis)
        slope = np.where(np.abs(before) < np.abs(after), np.abs(before), np.abs(after))
        rises = np.abs(change) > np.log(ratio) + slope
        second_is_ours = (change < 0) == near
        for ours, shift, direction in ((second_is_ours, (1, 0), away), (~second_is_ours, (0, 1), (-away[0], -away[1]))):
            start = np.pad(rises & ours, [shift if a == axis else (0, 0) for a in (0, 1)])
            kernels.run(out, depth, start, direction, (reach, np.float32(ratio)))
    return out


def _without_skirt(inverse: Inverse, hole: Mask) -> Inverse:
    """Unknown next to the hole, unless nothing else is left."""
    side = 2 * _SKIRT + 1
    skirt = cv2.dilate(hole.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
    clean = np.where(skirt, np.float32(np.nan), inverse)
    return clean if np.isfinite(clean).sum() >= min(np.isfinite(inverse).sum(), 16) else inverse


def _window(hole: Mask, known: Mask) -> tuple[slice, slice]:
    """The hole's box with surroundings; the whole picture where they hold too little."""
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    H, W = hole.shape
    grow = max(48, (rows[-1] - rows[0] + columns[-1] - columns[0]) // 3)
    box = (
        slice(max(0, rows[0] - grow), min(H, rows[-1] + grow + 1)),
        slice(max(0, columns[0] - grow), min(W, columns[-1] + grow + 1)),
    )
    return box if known[box].sum() >= hole.sum() else (slice(0, H), slice(0, W))


def _continue(inverse: Inverse, hole: Mask, lowest: np.float32) -> Inverse:
    """Inverse depth of the hole's surroundings, continued into it."""
    grid = _grid(inverse, hole)
    rows, columns = np.nonzero(grid.near)
    if len(rows) < 8:
        return np.full(hole.shape, np.nanmedian(inverse), np.float32)
    samples = np.stack([columns, rows, grid.inverse[rows, columns]], -1).astype(np.float32)
    planes = np.vstack([[[0, 0, lowest]], _planes(samples, grid)]).astype(np.float32)
    labels = _labelled(grid, planes)
    chosen = _fine_labels(labels, grid, hole.shape)
    step = grid.step
    x = (np.arange(hole.shape[1], dtype=np.float32) + 0.5) / step - 0.5
    y = ((np.arange(hole.shape[0], dtype=np.float32) + 0.5) / step - 0.5)[:, None]
    plane = planes[chosen]
    flat = np.maximum(plane[..., 0] * x + plane[..., 1] * y + plane[..., 2], lowest * np.float32(0.2))
    return _with_residual(flat, inverse, hole, grid)


def _grid(inverse: Inverse, hole: Mask) -> _Grid:
    depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max()
    step = int(np.clip(depth / 10, 1, 8))
    h, w = hole.shape
    rows = np.minimum(np.arange(0, h, step) + step // 2, h - 1)
    columns = np.minimum(np.arange(0, w, step) + step // 2, w - 1)
    cells = inverse[np.ix_(rows, columns)]
    pad = np.pad(hole, ((0, len(rows) * step - h), (0, len(columns) * step - w)))
    covered = pad.reshape(len(rows), step, len(columns), step).max((1, 3))
    cells = np.where(covered, np.float32(np.nan), cells)
    known = np.isfinite(cells)
    distance = cv2.distanceTransform(np.logical_not(covered).astype(np.uint8), cv2.DIST_L2, 3)
    reach = max(14.0, 0.8 * depth / step)
    near = known & (distance <= reach)
    while near.sum() < 64 and near.sum() < known.sum():
        reach *= 2
        near = known & (distance <= reach)
    return _Grid(step, cells, covered, near, near | (distance <= _SKIRT / step + 3))


def _planes(samples: Float32[np.ndarray, "n 3"], grid: _Grid) -> Planes:
    """Few planes (a, b, c), inverse depth = a column + b row + c, that explain most of the samples around the hole."""
    found, tile = [], 10
    extent = max(grid.inverse.shape)
    rng = np.random.default_rng(0)
    while True:
        places = np.unique((samples[:, :2] // tile).astype(int), axis=0)
        for place in places:
            middle = (place + 0.5) * tile
            inside = (np.abs(samples[:, :2] - middle) <= 0.8 * tile).all(1)
            some = samples[inside]
            if len(some) < 8:
                continue
            some = some[rng.permutation(len(some))[:400]]
            found.append(kernels.ransac(some, 3, np.float32(_TOLERANCE), 40, len(found)))
        if tile >= extent:
            break
        tile *= 3
    if not found:
        return np.array([[0, 0, np.median(samples[:, 2])]], np.float32)
    return _cover(np.vstack(found), samples[:: len(samples) // _MOST_SAMPLES + 1])


def _cover(candidates: Planes, samples: Float32[np.ndarray, "m 3"]) -> Float32[np.ndarray, "k 3"]:
    """The candidates that explain the samples together, the one with the most new samples first."""
    at = np.column_stack([samples[:, :2], np.ones(len(samples))])
    error = np.abs(candidates @ at.T - samples[:, 2]) / samples[:, 2]
    fits = np.exp(-((error / _TOLERANCE) ** 2))
    explained = np.zeros(len(samples))
    chosen: list[int] = []
    for _ in range(_MOST_PLANES):
        gain = np.maximum(fits - explained, 0).sum(1)
        best = int(gain.argmax())
        if gain[best] < max(4.0, 0.01 * len(samples)):
            break
        chosen.append(best)
        explained = np.maximum(explained, fits[best])
    return candidates[chosen] if chosen else np.array([[0, 0, np.median(samples[:, 2])]], np.float32)


def _labelled(grid: _Grid, planes: Planes) -> Int32[np.ndarray, "h w"]:
    """The plane of every cell in and around the hole."""
    h, w = grid.hole.shape
    columns, rows = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
    values = planes[:, 0, None, None] * columns + planes[:, 1, None, None] * rows + planes[:, 2, None, None]
    lowest = planes[0, 2]
    with np.errstate(invalid="ignore"):
        error = np.abs(values - grid.inverse) / (_TOLERANCE * grid.inverse)
    fits = np.where(grid.near, np.exp(-np.square(np.nan_to_num(error, nan=9.0))), 0).astype(np.float32)
    support = np.stack([_reaching(f, grid.near) for f in fits])
    support[0] += 1e-3
    valid = values >= 0.5 * lowest
    ranked = np.where(valid, support, -1.0)
    k = min(_CHOICES, len(planes))
    choices = np.argsort(-ranked, axis=0, kind="stable")[:k].astype(np.int32)
    at = np.take_along_axis
    share = at(support, choices, 0) / np.maximum(at(support, choices, 0).sum(0), 1e-6)
    unary = 0.15 * (1 - share)
    unary[~at(valid, choices, 0)] = _INVALID
    observed = np.minimum(np.nan_to_num(at(error, choices, 0), nan=4.0), 4.0)
    unary = np.where(grid.near, observed, unary).astype(np.float32)
    log = np.log(np.maximum(values, 0.2 * lowest)).astype(np.float32)
    unary, choices, log = (np.ascontiguousarray(np.moveaxis(a, 0, -1)) for a in (unary, choices, log))
    return kernels.propagate(unary, choices, log, grid.active, 12)


def _reaching(fits: Inverse, near: Mask) -> Inverse:
    """How much of the surroundings, near first, lies on a plane."""
    total = np.zeros(fits.shape, np.float32)
    weight = near.astype(np.float32)
    for sigma in (4.0, 12.0, 36.0):
        total += cv2.GaussianBlur(fits, (0, 0), sigma) / (cv2.GaussianBlur(weight, (0, 0), sigma) + 1e-2)
    return total


def _fine_labels(labels: Int32[np.ndarray, "h w"], grid: _Grid, shape: tuple[int, ...]) -> Int32[np.ndarray, "h2 w2"]:
    """Labels of cells as labels of pixels, their borders straightened."""
    h, w = shape
    chosen = np.repeat(np.repeat(labels, grid.step, 0), grid.step, 1)[:h, :w].copy()
    if grid.step == 1:
        return chosen
    most = np.zeros(chosen.shape, np.float32)
    for label in np.unique(labels[grid.active]):
        share = cv2.resize(((labels == label) & grid.active).astype(np.float32), None, fx=grid.step, fy=grid.step)[
            :h, :w
        ]
        better = share > most
        chosen[better], most[better] = label, share[better]
    return chosen


def _with_residual(flat: Inverse, inverse: Inverse, hole: Mask, grid: _Grid) -> Inverse:
    """The planes bent at the hole's outline to what is known there, so that no step shows."""
    with np.errstate(invalid="ignore"):
        residual = inverse / flat - 1
        usable = np.abs(residual) < _RESIDUAL
    if not usable.any():
        return flat
    distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3)
    fade = np.exp(-distance / (10.0 * grid.step))
    bend = spread(np.where(usable, residual, 0)[..., None].astype(np.float32), usable)[..., 0]
    return flat * (1 + bend * fade)
