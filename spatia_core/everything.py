"""All things of a picture to pick from, by any segmenter that answers clicks."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from spatia_core.arrays import Mask, read_only
from spatia_core.backends.protocols import Progress, Prompt, Segmenter, silent
from spatia_core.errors import InvalidInput

_SURE = 0.8
"""A click inside a mask found with this score asks nothing new."""
_SAME = 0.7
"""Masks that overlap more are one thing."""
_AT_ONCE = 4
"""Clicks asked together, on every machine, as what is known before a click decides whether it is asked."""


@dataclass(frozen=True, eq=False, slots=True)
class Things:
    """Masks of things, the surest first; none in a picture where nothing was found."""

    masks: Bool[np.ndarray, "k h w"]
    """(k, h, w) true where the thing is; a part of a thing may be a thing too."""
    scores: Float[np.ndarray, " k"]
    """(k,) the segmenter's own belief, in [0, 1], never rising."""

    def at(self, x: float, y: float) -> int | None:
        """The number of the smallest thing at pixel (x, y), or None."""
        _, h, w = self.masks.shape
        if not (0 <= x < w and 0 <= y < h):
            return None
        here = np.flatnonzero(self.masks[:, int(y), int(x)])
        return int(min(here, key=lambda k: int(self.masks[k].sum()))) if here.size else None


def find_things(
    segmenter: Segmenter,
    embedding: Any,
    size: tuple[int, int],
    side: int = 12,
    least_score: float = 0.5,
    progress: Progress = silent,
) -> Things:
    """What `side` x `side` clicks, spread evenly over a picture of `size` (height, width), find.

    Things under 0.1 % or over 60 % of the picture and masks scored under `least_score` are left out, and so are masks
    that show a thing already found. `progress` may raise Cancelled.
    """
    if side < 1:
        raise InvalidInput(f"The grid of clicks must have at least one click a side, got {side}.")
    h, w = size
    found: list[tuple[float, Mask]] = []
    known = np.zeros(size, bool)
    clicks = [((i + 0.5) * w / side, (j + 0.5) * h / side) for j in range(side) for i in range(side)]
    # far apart, so that clicks asked together seldom ask about the same thing
    todo = [clicks[k] for k in np.random.default_rng(0).permutation(len(clicks))]
    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
        while todo:
            progress(1 - len(todo) / len(clicks), f"Looking for things: {len(found)} so far")
            asked: list[tuple[float, float]] = []
            while todo and len(asked) < _AT_ONCE:
                x, y = todo.pop()
                if not known[int(y), int(x)]:
                    asked.append((x, y))
            prompts = [Prompt(np.array([at]), np.array([True])) for at in asked]
            for answer in pool.map(partial(segmenter.segment, embedding), prompts):
                for mask, score in zip(answer.masks, answer.scores.tolist(), strict=True):
                    if score >= least_score and 0.001 < mask.mean() < 0.6:
                        found.append((score, mask))
                        if score >= _SURE:
                            known |= mask
    kept = _without_repeats(sorted(found, key=lambda f: -f[0]))
    progress(1.0, f"{len(kept)} things found")
    masks = np.stack([m for _, m in kept]) if kept else np.zeros((0, h, w), bool)
    return Things(read_only(masks, bool), read_only(np.array([s for s, _ in kept]), np.float64))


def _without_repeats(found: list[tuple[float, Mask]]) -> list[tuple[float, Mask]]:
    kept: list[tuple[float, Mask]] = []
    for score, mask in found:
        area = int(mask.sum())
        for _, other in kept:
            common = np.count_nonzero(mask & other)
            if common > _SAME * (area + int(other.sum()) - common):
                break
        else:
            kept.append((score, mask))
    return kept
