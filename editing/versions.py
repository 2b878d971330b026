"""Every clip of a session: what it was made from and, while there is room, the state that it belongs to.

The clips form a tree: each went on from another one. Going back to a clip and on from there starts a new branch;
nothing is lost, because every clip keeps its own state.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PilImage

from editing.edit_log import EditLog
from editing.filming import Shot
from editing.state import State, Take
from editing.timeline import Timeline
from spatia_core.arrays import Image
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.point_cloud import PointCloud

MOST_STATES = 24
"""Clips that are kept with frames and memory; of older ones the recipe is left."""

MOST_VERSIONS = 200
THUMBNAIL = 192
"""Longer side of a clip's small picture."""


@dataclass(frozen=True, eq=False, slots=True)
class Recipe:
    """All that is needed to make a clip again, and to tell it from others."""

    shot: Shot
    log: EditLog
    """The edits that it shows."""
    maker: str
    """The generator."""
    frames: int
    thumbnail: Image
    """(h, w, 3) its last frame, small."""
    stopped: str = ""
    """Why it was not filmed to its end."""

    @classmethod
    def of(cls, take: Take, log: EditLog) -> Self:
        """The recipe of a take that shows these edits."""
        stopped, clip = take.footage.stopped, take.clip
        return cls(take.shot, log, clip.maker, len(clip), small(clip.images[-1]), stopped)

    def makes(self, other: "Recipe") -> bool:
        """True when both give the same clip."""
        a, b = self.shot, other.shot
        same_shot = replace(a, keys=None) == replace(b, keys=None) and same_keys(a.keys, b.keys)
        same_log = len(self.log) == len(other.log) and all(x is y for x, y in zip(self.log, other.log, strict=True))
        return same_shot and same_log and self.maker == other.maker


@dataclass(frozen=True, eq=False, slots=True)
class Version:
    """One clip."""

    number: int
    """Counted from 1 in the order of filming."""
    recipe: Recipe
    parent: int | None = None
    """The clip it went on from; None for the first."""
    state: State | None = None
    """The state that this clip is the newest of; None when only the recipe is left."""

    @property
    def take(self) -> Take | None:
        """The clip itself."""
        return None if self.state is None else self.state.after or self.state.before

    @property
    def label(self) -> str:
        """What it shows, in a few words."""
        edits = [e.label for e in self.recipe.log]
        return edits[-1] if edits else "Original"

    @property
    def camera(self) -> str:
        """Its camera, in a few words."""
        shot = self.recipe.shot
        if shot.keys is not None:
            return f"{len(shot.keys.keys)} keys"
        return shot.path.rsplit("/", 1)[-1].replace("-", " ")


@dataclass(frozen=True, eq=False, slots=True)
class Versions:
    """All clips, oldest first."""

    all: tuple[Version, ...] = ()

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Version]:
        return iter(self.all)

    def __getitem__(self, number: int) -> Version:
        for version in self.all:
            if version.number == number:
                return version
        raise InvalidInput(f"There is no clip {number}; the session has {len(self.all)}.")

    def shown_by(self, state: State) -> Version | None:
        """The clip that is the newest of a state."""
        take = state.after or state.before
        return next((v for v in reversed(self.all) if take is not None and v.take is take), None)

    def with_state(self, state: State, before: State) -> Self:
        """The clips with those that came with a state; `before` is the state they were filmed from."""
        known = {id(t) for v in self.all if v.state is not None for t in (v.take,)}
        went_on_from = self.shown_by(before)
        out = self
        for take in (state.before, state.after):
            if take is not None and id(take) not in known:
                own = state if take is (state.after or state.before) else original_of(state)
                out = out._with(own, Recipe.of(take, own.log), went_on_from)
        return out._bounded(state)

    def _with(self, state: State, recipe: Recipe, parent: Version | None) -> Self:
        for k, v in enumerate(self.all):
            if (v.state is None or v.recipe.stopped) and v.recipe.makes(recipe):
                again = replace(v, state=state, recipe=recipe)
                return replace(self, all=(*self.all[:k], again, *self.all[k + 1 :]))
        number = max((v.number for v in self.all), default=0) + 1
        return replace(self, all=(*self.all, Version(number, recipe, parent and parent.number, state)))

    def _bounded(self, present: State) -> Self:
        """Of the oldest clips beyond MOST_STATES only the recipes, and no more than MOST_VERSIONS of these."""
        full = [v.number for v in self.all if v.state is not None]
        full.sort(key=lambda n: (self[n].state is present, n))
        old = set(full[: max(0, len(full) - MOST_STATES)])
        kept = tuple(replace(v, state=None) if v.number in old else v for v in self.all)
        return replace(self, all=kept[-MOST_VERSIONS:])

    def takes(self) -> Iterator[Take]:
        """Every take that is still there."""
        for v in self.all:
            if v.state is not None:
                yield from (t for t in (v.state.before, v.state.after) if t is not None)


def original_of(state: State) -> State:
    """The state without any edit whose newest clip is the original one."""
    bare = replace(state, memory=state.original, log=EditLog(), walkers=(), left_open=PointCloud.empty())
    return replace(bare, after=None)


def small(image: Image) -> UInt8[np.ndarray, "small_h small_w 3"]:
    """The picture at thumbnail size."""
    picture = PilImage.fromarray(np.ascontiguousarray(image))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture)


def same_keys(a: Timeline | None, b: Timeline | None) -> bool:
    """True when both lead the camera the same way."""
    if a is None or b is None:
        return a is b
    if (len(a.keys), a.length, a.loop, a.speed) != (len(b.keys), b.length, b.loop, b.speed):
        return False
    return all(
        (x.frame, x.easing) == (y.frame, y.easing) and _same_camera(x.camera, y.camera)
        for x, y in zip(a.keys, b.keys, strict=True)
    )


def _same_camera(a: Camera, b: Camera) -> bool:
    return np.array_equal(a.w2c, b.w2c) and np.array_equal(a.K, b.K)


def comparable(a: Take, b: Take) -> None:
    """Returns when two clips can be played side by side; raises InvalidInput otherwise."""
    if a.clip.images.shape != b.clip.images.shape:
        raise InvalidInput(
            f"Clips of the same length can be compared; these have {len(a.clip)} and {len(b.clip)} frames."
            if len(a.clip) != len(b.clip)
            else "Clips of the same size can be compared; these have different sizes."
        )
