"""Fill a hole in a picture with texture from around it.

From coarse to fine: find for every patch that touches the hole the most similar patch outside (Barnes 2009), let all
patches that cover a pixel vote on its value (Wexler 2007), with texture channels so that rough stays rough (Newson
2014), and repeat. The last vote copies, so nothing is blurred; a screened Poisson correction takes away joins in light.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Int32

from spatia_core.arrays import Image, Mask, read_only
from spatia_core.completion import morphology
from spatia_core.completion import patchmatch_kernels as kernels
from spatia_core.errors import InvalidInput

_UNKNOWN_GREY = 127
_MIN_SIDE = 28  # no pyramid level is smaller than this
_FIRST_GUESS_WORK = 4e5  # comparisons per onion layer of the first guess

Values = Float32[np.ndarray, "h w c"]
Coarse = Float32[np.ndarray, "h2 w2 c"]
Share = Float32[np.ndarray, "h2 w2"]
Places = Int32[np.ndarray, "n 2"]
Origins = Int32[np.ndarray, "h w 2"]


@dataclass(frozen=True, eq=False, slots=True)
class FillGuide:
    """What else is known about the picture: where not to copy from, and what must agree between copy and place."""

    forbidden: Mask | None = None
    """(H, W) bool: never a source."""
    channels: Float32[np.ndarray, "h w k"] | None = None
    """(H, W, K) float32, finite, also inside the hole: log-depth, plane number, height above the ground ..."""
    weights: tuple[float, ...] = ()
    """K numbers: grey levels that a difference of one unit counts as; 1 each where empty."""

    def __post_init__(self) -> None:
        if self.forbidden is not None:
            object.__setattr__(self, "forbidden", read_only(self.forbidden, bool))
        if self.channels is None:
            return
        channels = read_only(self.channels, np.float32)
        object.__setattr__(self, "channels", channels)
        if channels.ndim != 3:
            raise InvalidInput(f"Guide channels must be (H, W, K), got an array of shape {channels.shape}.")
        if self.weights and len(self.weights) != channels.shape[2]:
            raise InvalidInput(f"{channels.shape[2]} guide channels need as many weights, got {len(self.weights)}.")


@dataclass(frozen=True, slots=True)
class FillOptions:
    """How thoroughly to fill; the default suits an object's hole, `FAST` a margin around the picture."""

    patch: int = 7
    """Width of a patch, pixels, odd."""
    fine_patch: int = 5
    """The same at the finest level, where all but detail is settled."""
    coarse_rounds: int = 8
    """Search-and-vote rounds at the coarsest level; they fall linearly to `fine_rounds`."""
    fine_rounds: int = 2
    """Rounds at the finest level."""
    sweeps: int = 4
    """Search sweeps a round."""
    fine_sweeps: int = 2
    """The same at the finest level."""
    reach: int = 0
    """First radius of the random search, pixels; 0 is the whole window."""
    texture: float = 1.5
    """Weight of the texture channels against colour."""
    stay: float = 2000.0
    """Squared grey levels a pixel that a source one picture width away costs: near sources are better."""
    stay_rows: float = 4.0
    """How much dearer a row is than a column: things at another height are at another depth or on another surface."""
    bias: float = 20.0
    """The most that a copy is lightened or darkened to fit, grey levels."""
    screen: float = 5e-4
    """How fast the last evening of light fades away from a join; 0 never."""
    seed: int = 0
    """Of the random search."""

    def __post_init__(self) -> None:
        for side in (self.patch, self.fine_patch):
            if side < 3 or side % 2 == 0:
                raise InvalidInput(f"A patch must be an odd number of pixels, at least 3, got {side}.")


FAST = FillOptions(
    coarse_rounds=6, fine_rounds=0, sweeps=2, reach=32, stay=4000.0, stay_rows=16.0, bias=8.0, screen=2e-3
)


class _Level(NamedTuple):
    """One floor of the pyramid."""

    values: Values
    hole: Mask
    banned: Mask
    guide: Values


class _Search(NamedTuple):
    """What one level leaves for the next finer one."""

    matches: np.ndarray
    trust: np.ndarray
    origin: np.ndarray
    """(h, w, 2) row and column that each filled pixel was copied from, -1 = from nowhere in particular."""


def paint(image: Image, hole: Mask, guide: FillGuide | None = None, options: FillOptions | None = None) -> Image:
    """The picture with the hole replaced by copies of places outside it; all other pixels are the given ones.

    The same input and seed give the same output. Where nothing is known at all the hole is grey.
    """
    return paint_from(image, hole, guide, options)[0]


def paint_from(
    image: Image,
    hole: Mask,
    guide: FillGuide | None = None,
    options: FillOptions | None = None,
    at: Callable[[float], None] = lambda share: None,
) -> tuple[Image, Origins]:
    """`paint`, and the row and column that every pixel of the hole was copied from.

    Origins are (-1, -1) outside the hole and where a pixel was not copied from one place. `at` hears the share that is
    done and may raise.
    """
    options = options or FillOptions()
    guide = guide or FillGuide()
    hole = np.ascontiguousarray(hole, dtype=bool)
    if image.ndim != 3 or image.shape[2] != 3 or image.shape[:2] != hole.shape:
        raise InvalidInput(f"A picture (H, W, 3) and a hole (H, W) are needed, got {image.shape} and {hole.shape}.")
    out = np.array(image, np.uint8)
    origins = np.full((*hole.shape, 2), -1, np.int32)
    if not hole.any():
        return out, origins
    if hole.all():
        out[:] = _UNKNOWN_GREY
        return out, origins
    weighted = _weighted_guide(guide, hole.shape)
    banned = hole | guide.forbidden if guide.forbidden is not None else hole
    window = _window(hole, banned)
    level = _first_level(out[window], hole[window], banned[window], weighted[window], options)
    filled, origin = _fill(level, options, hole.shape[1], at)
    inside = hole[window]
    out[window][inside] = np.clip(np.rint(filled[..., :3][inside]), 0, 255)
    if origin is not None:
        copied = inside & (origin[..., 0] >= 0)
        origins[window][copied] = origin[copied] + np.array([window[0].start, window[1].start], np.int32)
    return out, origins


def spread(values: Values, known: Mask) -> Values:
    """The values with unknown places filled smoothly from the known ones (pull-push, Gortler 1996)."""
    if known.all() or min(known.shape) <= 1 or not known.any():
        return values
    coarse, weight = _halved(values, known)
    coarse = spread(coarse, weight > 0)
    return np.where(known[..., None], values, _doubled(coarse, known.shape))


def _weighted_guide(guide: FillGuide, shape: tuple[int, ...]) -> Values:
    for given in (guide.forbidden, guide.channels):
        if given is not None and given.shape[:2] != shape:
            raise InvalidInput(f"The guide is {given.shape[:2]}, the picture {shape}.")
    if guide.channels is None:
        return np.zeros((*shape, 0), np.float32)
    weights = guide.weights or (1.0,) * guide.channels.shape[2]
    return np.nan_to_num(guide.channels) * np.asarray(weights, np.float32)


def _window(hole: Mask, banned: Mask) -> tuple[slice, slice]:
    """The hole's box grown until it holds several times as many sources as holes; the whole picture if it must."""
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    H, W = hole.shape
    grow = max(64, (bottom - top + right - left) // 3)
    while True:
        box = (
            slice(max(0, top - grow), min(H, bottom + grow)),
            slice(max(0, left - grow), min(W, right + grow)),
        )
        if box == (slice(0, H), slice(0, W)) or (~banned[box]).sum() >= 6 * hole.sum():
            return box
        grow *= 2


def _first_level(image: Image, hole: Mask, banned: Mask, guide: Values, options: FillOptions) -> _Level:
    """Full size: colour and local roughness along x and y (Newson 2014), both unknown in the hole."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    clear = 1.0 - cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    weight = cv2.blur(clear, (9, 9)) + 1e-6
    slopes = (np.diff(grey, axis=1, append=grey[:, -1:]), np.diff(grey, axis=0, append=grey[-1:]))
    rough = [cv2.blur(np.abs(s) * clear, (9, 9)) / weight * options.texture for s in slopes]
    values = np.dstack([image.astype(np.float32), *rough])
    return _Level(np.ascontiguousarray(values, np.float32), hole, banned, guide)


def _pyramid(level: _Level) -> list[_Level]:
    """Halved until the middle of the hole is a few pixels from its outline."""
    levels = [level]
    depth = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 3).max()
    while depth > 4 and min(levels[-1].hole.shape) // 2 >= _MIN_SIDE:
        fine = levels[-1]
        everywhere = np.ones(fine.hole.shape, bool)
        values, weight = _halved(fine.values, ~fine.hole)
        hole = weight < 0.5
        guide = _halved(fine.guide, everywhere)[0] if fine.guide.shape[2] else np.zeros((*hole.shape, 0), np.float32)
        banned = _halved(fine.banned[..., None].astype(np.float32), everywhere)[0][..., 0] > 0.3
        levels.append(_Level(values, hole, banned | hole, guide))
        depth /= 2
    return levels


def _fill(
    level: _Level, options: FillOptions, picture_width: int, at: Callable[[float], None]
) -> tuple[Values, np.ndarray | None]:
    levels = _pyramid(level)
    last, values = None, level.values
    for k in range(len(levels) - 1, -1, -1):
        level = levels[k]
        if last is not None:
            level.values[level.hole] = _doubled(values, level.hole.shape)[level.hole]
        share = k / max(1, len(levels) - 1)
        plan = _Plan(options, share, k, picture_width >> k)
        # a level has four times the pixels of the one before
        values, last = _fill_level(level, last, plan, lambda part, k=k: at((0.25 + 0.75 * part) / 4**k))
    return values, None if last is None else last.origin


class _Plan(NamedTuple):
    """How one level is worked on."""

    options: FillOptions
    share: float
    index: int
    width: int

    @property
    def rounds(self) -> int:
        fine, coarse = self.options.fine_rounds, self.options.coarse_rounds
        return round(fine + (coarse - fine) * self.share)

    @property
    def patch(self) -> int:
        return self.options.patch if self.index else self.options.fine_patch

    @property
    def sweeps(self) -> int:
        return self.options.sweeps if self.index else self.options.fine_sweeps


def _fill_level(
    level: _Level, last: _Search | None, plan: _Plan, at: Callable[[float], None]
) -> tuple[Values, _Search | None]:
    radius = plan.patch // 2
    touching = morphology.centres(level.hole, radius)
    usable = morphology.inner(~morphology.grown(level.banned, radius), radius)
    if not usable.any():
        usable = morphology.inner(~morphology.grown(level.hole, radius), radius)
    targets, points, sources = (np.argwhere(m).astype(np.int32) for m in (touching, level.hole, usable))
    if not len(targets) or not len(sources):
        return spread(level.values, ~level.hole), None
    rng = np.random.default_rng(plan.options.seed + plan.index)
    if last is None:
        _first_guess(_field(level, plan), level.hole, sources)
        matches = np.full((*level.hole.shape, 2), -1, np.int32)
        matches[touching] = sources[rng.integers(0, len(sources), len(targets))]
    else:
        matches, trust = _inherited(last, targets, usable, sources[rng.integers(0, len(sources), len(targets))])
        last = _Search(matches, trust, last.origin)
    origin = np.full((*level.hole.shape, 2), -1, np.int32)
    if last is not None:  # begin sharp: paint with the coarse field, not with the doubled picture
        level.values[level.hole] = kernels.vote(_field(level, plan), points, matches, last.trust, origin, True)
    costs = np.full(level.hole.shape, kernels.FAR)
    reach = plan.options.reach or max(level.hole.shape)
    near = morphology.nearness(level.hole)
    trust = last.trust if last is not None else near
    for k in range(plan.rounds):
        at(k / plan.rounds)
        extra = 4 if last is None and k == 0 else 0
        field = _field(level, plan)
        kernels.search(
            field, targets, usable, matches, costs,
            (plan.sweeps + extra, reach if last is None else max(1, reach >> k), plan.options.seed + 17 * k),
        )  # fmt: skip
        spread_ = max(np.percentile(costs[touching], 75 if plan.index else 50), 50.0)
        trust = (np.exp(-np.maximum(costs, 0) / np.float32(spread_)) * near + 1e-12).astype(np.float32)
        copy = k == plan.rounds - 1
        level.values[level.hole] = kernels.vote(field, points, matches, trust, origin, copy)
    if plan.options.screen > 0:
        _even_light(level, points, origin, plan.options.screen)
    return level.values, _Search(matches, trust, origin)


def _field(level: _Level, plan: _Plan) -> kernels.Field:
    options, side = plan.options, plan.patch
    values = np.ascontiguousarray(level.values)
    return kernels.Field(
        values=values,
        means=cv2.blur(np.ascontiguousarray(values[..., :3]), (side, side)),
        guide=np.ascontiguousarray(level.guide * np.float32(side)),
        radius=side // 2,
        stay=np.float32(options.stay * side * side / max(plan.width, 1) ** 2),
        stay_rows=np.float32(options.stay_rows),
        bias_limit=np.float32(options.bias),
        bias_cost=np.float32(0.3),
    )


def _first_guess(field: kernels.Field, hole: Mask, sources: Places) -> None:
    """The hole filled from its outline inwards, layer by layer, into `field.values`."""
    known = ~hole
    field.values[hole] = 0
    while not known.all():
        edge = ~known & morphology.grown(known, 1)
        layer = np.argwhere(edge).astype(np.int32)
        thin = int(len(sources) * len(layer) / _FIRST_GUESS_WORK) + 1
        field.values[edge] = kernels.best_by_known(field, known, np.ascontiguousarray(sources[::thin]), layer)
        known |= edge


def _inherited(last: _Search, targets: Places, usable: Mask, fallback: Places) -> tuple[np.ndarray, np.ndarray]:
    """Matches and trust of the coarser level at this one; `fallback` where a source is no longer usable."""
    h, w = usable.shape
    y, x = targets.T
    inner = np.argwhere(last.matches[..., 0] >= 0)
    (top, left), (bottom, right) = inner.min(0), inner.max(0)
    cy, cx = np.clip(y // 2, top, bottom), np.clip(x // 2, left, right)
    coarse = last.matches[cy, cx]
    match = 2 * coarse + np.stack([y - 2 * cy, x - 2 * cx], -1)
    bad = (coarse[:, 0] < 0) | (match < 0).any(1) | (match[:, 0] >= h) | (match[:, 1] >= w)
    match[bad] = 0
    bad |= ~usable[match[:, 0], match[:, 1]]
    match[bad] = fallback[bad]
    matches, trust = np.full((h, w, 2), -1, np.int32), np.zeros((h, w), np.float32)
    matches[y, x] = match
    trust[y, x] = np.where(bad, np.float32(1e-12), last.trust[cy, cx])
    return matches, trust


def _even_light(level: _Level, points: Places, origin: np.ndarray, screen: float) -> None:
    """Takes the steps of light at the joins out of the hole's colours (Perez 2003, screened), in place."""
    (top, left), (bottom, right) = np.maximum(points.min(0) - 1, 0), points.max(0) + 2
    box = np.s_[top:bottom, left:right]
    error = kernels.light_error(level.values, points, origin, np.float32(60))
    level.values[box][..., :3] += _solved(np.ascontiguousarray(error[box]), level.hole[box], screen)


def _solved(error: Values, hole: Mask, screen: float) -> Values:
    """Solution of the screened Poisson equation, zero outside the hole, from coarse to fine."""
    correction, rounds = np.zeros(error.shape, np.float32), 60
    if min(hole.shape) > 16:
        rounds = 16
        everywhere = np.ones(hole.shape, bool)
        small_hole = _halved(hole[..., None].astype(np.float32), everywhere)[0][..., 0] > 0.5
        small = _solved(4 * _halved(error, everywhere)[0], small_hole, 4 * screen)
        correction = np.ascontiguousarray(_doubled(small, hole.shape) * hole[..., None], np.float32)
    kernels.relax(correction, error, np.ascontiguousarray(hole), np.float32(screen), rounds)
    return correction


def _halved(values: Values, known: Mask) -> tuple[Coarse, Share]:
    """Half size: the mean of the known pixels, and how large a part of each pixel was known."""
    h, w = known.shape
    size = ((w + 1) // 2, (h + 1) // 2)
    pad = ((0, h % 2), (0, w % 2))
    weight = np.pad(known.astype(np.float32), pad)
    padded = np.pad(values, (*pad, (0, 0)), mode="edge") * weight[..., None]
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(padded, size, interpolation=cv2.INTER_AREA).reshape(*share.shape, values.shape[2])
    return (total / np.maximum(share, 1e-6)[..., None]).astype(np.float32), share


def _doubled(values: Values, shape: tuple[int, ...]) -> Coarse:
    """Twice the size, cut to `shape`."""
    h, w, c = values.shape
    up = cv2.resize(values, (2 * w, 2 * h), interpolation=cv2.INTER_LINEAR).reshape(2 * h, 2 * w, c)
    return up[: shape[0], : shape[1]]
