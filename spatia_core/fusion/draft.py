"""A memory in the making: views are taken in one after the other at the cost of what each of them touches.

A value is immutable, so changing one point of it copies it. A draft copies once, when something first has to be changed
in place, and removes what was carved when it is finished; in between every view costs what it sees. A draft of a
memory that only gains points copies nothing.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Int

from spatia_core.alignment import settled
from spatia_core.arrays import Depth, Image, Mask
from spatia_core.camera import Camera
from spatia_core.fusion.carving import MARGIN, contradicted, free_depth, seen_through
from spatia_core.fusion.lifting import lift, measured_confidence
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.render import Rendering, render
from spatia_core.voxels import VoxelIndex

RANK = {Provenance.COMPLETED: 0, Provenance.GENERATED: 1, Provenance.OBSERVED: 2}
"""What beats what: observed beats generated beats completed."""
_RANK = np.array([RANK[p] for p in sorted(Provenance)])

AGREE = 0.03
"""Relative difference of depth up to which a view and the memory speak of the same surface."""

OTHER_COLOUR = 28
"""Grey levels of difference, any channel, from which a picture shows something else."""

DOUBT = 0.6
"""What one view that sees through a point leaves of its confidence, where a single view is not believed."""

GIVEN_UP = 0.25
"""Confidence below which such a point is removed."""

STRICT = 0.01
"""Share of the depth by which new points of no better depth may stand before what a keyframe saw: they would be specks
on its surfaces."""

SURE = 0.99
"""Most confidence that repeated measurement gives; what is believed fully (a photo) is never moved."""


@dataclass(frozen=True, slots=True)
class Witness:
    """How far a view may be believed."""

    provenance: Provenance = Provenance.GENERATED
    posed: bool = False
    """True when its pose was measured; a commanded pose may only fill what is unknown."""
    measured: bool = False
    """True when its depth is good enough to prove that places are empty."""
    refines: bool = True
    """False when its depth is no better than that of what is known already: it then only adds and carves."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a view changed, points."""

    added: int = 0
    merged: int = 0
    carved: int = 0
    """Removed, because the view sees through them or knows their place better."""


class Draft:
    """The working copy of a memory that a clip, or a whole video, is fused into."""

    def __init__(self, memory: SpatialMemory) -> None:
        self._memory = memory
        self._dead = np.empty(0, np.int64)
        self._owned = False

    @property
    def keyframes(self) -> tuple[Keyframe, ...]:
        """The views remembered so far."""
        return self._memory.keyframes

    def __len__(self) -> int:
        return len(self._memory) - len(self._dead)

    def finish(self) -> SpatialMemory:
        """The memory with all views taken in; the very same one when nothing changed."""
        if len(self._dead):
            alive = np.ones(len(self._memory), bool)
            alive[self._dead] = False
            m = self._memory  # its arrays are the draft's own, because something was removed from them
            self._memory = replace(m, cloud=m.cloud.closed_up(alive), labels=m.labels.closed_up(alive))
            self._dead = self._dead[:0]
        self._owned = False  # nobody writes there any more
        return self._memory

    def seen(self, camera: Camera) -> Rendering:
        """What `camera` sees of the draft."""
        if len(self._dead):
            # carved points wait at the camera's centre, where nothing is drawn
            self._columns("xyz")[self._dead] = camera.centre
        return render(self._memory.cloud, camera)

    def ranks(self, seen: Rendering) -> Int[np.ndarray, "h w"]:
        """(h, w) rank of the point that each pixel of a rendering of the draft shows; the highest where none."""
        if not len(self._memory):
            return np.full(seen.point_index.shape, max(RANK.values()))
        shown = _RANK[self._memory.labels.provenance[np.maximum(seen.point_index, 0)]]
        return np.where(seen.coverage, shown, max(RANK.values()))

    def take_in(self, view: Keyframe, witness: Witness) -> Taken:
        """The view fused: known surfaces refined, what it sees through carved, what is missing added."""
        depth = settled(view.depth)
        valid = np.isfinite(depth) & ~view.dynamic
        before = len(self._dead)
        solid = valid & ~view.sky
        if witness.posed and witness.measured:
            self._carve(view.camera, free_depth(depth, solid), witness.provenance)
        seen = self.seen(view.camera)
        add = valid & ~seen.coverage
        unchecked = np.zeros_like(add)
        merged = 0
        if witness.posed and len(self._memory):
            merged = self._merge(view, depth, solid, seen, witness) if witness.refines else 0
            unchecked = self._replace(view, depth, valid, seen, witness)
            if witness.measured:
                ahead = solid & seen.coverage & (depth < seen.depth * (1 - MARGIN))
                add |= cv2.morphologyEx(ahead.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
            add &= ~unchecked
            add[add] = self._is_news(view, depth, add, MARGIN if witness.refines else STRICT)
        added = self._append(view, depth, add | unchecked, witness)
        return Taken(added, merged, len(self._dead) - before)

    # --- parts of taking in ----------------------------------------------------------------------------------------

    def _columns(self, name: str) -> np.ndarray:
        """A column that may be written to; the first call copies the memory."""
        if not self._owned:
            m = self._memory
            self._memory = replace(m, cloud=m.cloud.owned(), labels=m.labels.owned())
            self._owned = True
        store = self._memory.cloud.store if name in ("xyz", "rgb", "radius") else self._memory.labels.store
        assert store is not None
        return store.columns[_PLACE[name]]

    def _remove(self, points: Int[np.ndarray, " k"]) -> None:
        if len(points):
            self._columns("confidence")[points] = 0
            self._dead = np.concatenate([self._dead, points.astype(np.int64)])

    def _carve(self, camera: Camera, free: Depth, provenance: Provenance) -> None:
        """Invented points in the way go at once, seen ones when repeatedly seen through, placed objects never."""
        if len(self._dead):
            self._columns("xyz")[self._dead] = camera.centre
        labels = self._memory.labels
        hit = seen_through(self._memory.cloud, camera, free)
        hit = hit[(labels.object_id[hit] == 0) & (_RANK[labels.provenance[hit]] <= RANK[provenance])]
        if not len(hit):
            return
        # a view beats what ranks below it; against its equals it is one voice
        equal = labels.provenance[hit] == provenance
        doubted = hit[equal]
        left = labels.confidence[doubted] * np.float32(DOUBT)
        self._columns("confidence")[doubted] = left
        self._remove(np.concatenate([hit[~equal], doubted[left < GIVEN_UP]]))

    def _merge(self, view: Keyframe, depth: Depth, solid: Mask, seen: Rendering, witness: Witness) -> int:
        """Points of the view's own rank that it sees where they are: moved along their ray, by confidence."""
        with np.errstate(invalid="ignore"):
            agree = solid & seen.coverage & (np.abs(seen.depth - depth) <= AGREE * depth)
        points = np.unique(seen.point_index[agree])
        labels = self._memory.labels
        points = points[
            (labels.provenance[points] == witness.provenance)
            & (labels.object_id[points] == 0)
            & (labels.confidence[points] < 0.999)
        ]
        uv, z = view.camera.project(self._memory.xyz[points])
        at = np.floor(uv).astype(int)
        inside = ((at >= 0) & (at < [view.camera.width, view.camera.height])).all(1)
        points, uv, z, at = points[inside], uv[inside], z[inside], at[inside]
        own = agree[at[:, 1], at[:, 0]] & (seen.point_index[at[:, 1], at[:, 0]] == points)
        points, uv, z, at = points[own], uv[own], z[own], at[own]
        if not len(points):
            return 0
        believed = measured_confidence(depth, view.camera)[at[:, 1], at[:, 0]].astype(np.float64)
        old = labels.confidence[points].astype(np.float64)
        weight, more = old / (1 - old), believed / (1 - believed)
        share = more / np.maximum(weight + more, 1e-9)
        stretch = 1 + share * (_between(depth, uv, depth[at[:, 1], at[:, 0]]) / z - 1)
        centre = view.camera.centre
        xyz, rgb = self._columns("xyz"), self._columns("rgb")
        xyz[points] = centre + (xyz[points] - centre) * stretch[:, None]
        self._memory.cloud.moved_in_place(points)
        shown = _colour_between(view.image, uv)
        rgb[points] = np.rint(rgb[points] * (1 - share[:, None]) + shown * share[:, None]).astype(np.uint8)
        total = weight + more
        self._columns("confidence")[points] = np.minimum(total / (1 + total), SURE)
        return len(points)

    def _replace(self, view: Keyframe, depth: Depth, valid: Mask, seen: Rendering, witness: Witness) -> Mask:
        """(h, w) pixels that take the place of lower-ranking points, which are removed.

        What completion invented stays where a generated clip shows the same: it is no new knowledge.
        """
        index = np.maximum(seen.point_index, 0)
        labels = self._memory.labels
        lower = seen.coverage & (_RANK[labels.provenance[index]] < RANK[witness.provenance])
        lower &= labels.object_id[index] == 0
        with np.errstate(invalid="ignore"):
            better = lower & valid & (depth >= seen.depth * (1 - AGREE))
            if witness.provenance != Provenance.OBSERVED:
                better &= opened(differs(view.image, seen.rgb) | (depth > seen.depth * (1 + AGREE)))
        points = np.setdiff1d(seen.point_index[better], seen.point_index[lower & ~valid])
        if not len(points):
            return np.zeros_like(valid)
        self._remove(points)
        gone = np.isin(seen.point_index, points)
        return gone & valid

    def _is_news(self, view: Keyframe, depth: Depth, add: Mask, margin: float) -> np.ndarray:
        """Which of the pixels of `add` the memory really lacks: no footprint there, and no keyframe saw air there."""
        if not add.any():
            return np.zeros(0, bool)
        new = lift(view.image, depth, view.camera, add)
        cloud = self._memory.cloud
        runs = cloud.blocks.seen_by(view.camera, float(1.05 * np.nanmax(depth[add])))
        near = np.concatenate([np.arange(a, b) for a, b in runs]) if len(runs) else np.empty(0, np.int64)
        if len(self._dead):
            near = near[self._memory.labels.confidence[near] > 0]
        known = VoxelIndex(cloud.xyz[near], cloud.radius[near]).holds_near(new.xyz, new.radius)
        return ~known & ~contradicted(new, view.camera, self.keyframes, margin)

    def _append(self, view: Keyframe, depth: Depth, add: Mask, witness: Witness) -> int:
        n = int(np.count_nonzero(add))
        if n:
            labels = replace(
                PointLabels.uniform(n, witness.provenance, keyframe=len(self.keyframes)),
                confidence=measured_confidence(depth, view.camera)[add],
                source=np.flatnonzero(add).astype(np.int32),
            )
            self._memory = self._memory.insert(lift(view.image, depth, view.camera, add), labels, [view])
        return n


_PLACE = {"xyz": 0, "rgb": 1, "radius": 2, "confidence": 0, "keyframe": 1, "object_id": 2, "provenance": 3, "source": 4}


def differs(a: Image, b: Image) -> Mask:
    """(h, w) True where two pictures show different things, beyond what sharpness and a shift of a pixel explain."""
    low, high = (f(b, np.ones((3, 3), np.uint8)).astype(np.int16) for f in (cv2.erode, cv2.dilate))
    a16 = cv2.blur(a, (3, 3)).astype(np.int16)
    return np.asarray((np.maximum(low - a16, a16 - high) > OTHER_COLOUR).any(-1))


def opened(mask: Mask) -> Mask:
    """The mask without parts thinner than three pixels."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)


def _corners(uv: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (4, n), columns (4, n) and weights (4, n) of the pixel centres around each place."""
    p = uv - 0.5
    base = np.floor(p).astype(int)
    f = p - base
    weights = np.stack([(1 - f[:, 0]) * (1 - f[:, 1]), f[:, 0] * (1 - f[:, 1]), (1 - f[:, 0]) * f[:, 1], f.prod(1)])
    rows = np.clip(base[:, 1] + np.array([[0], [0], [1], [1]]), 0, shape[0] - 1)
    columns = np.clip(base[:, 0] + np.array([[0], [1], [0], [1]]), 0, shape[1] - 1)
    return rows, columns, weights


def _between(depth: Depth, uv: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """The depth between pixel centres; that of the pixel where its neighbours lie on other surfaces."""
    rows, columns, weights = _corners(uv, depth.shape)
    around = depth[rows, columns]
    with np.errstate(invalid="ignore"):
        same = (np.abs(around - nearest) <= AGREE * nearest).all(0)
        return np.where(same, (around * weights).sum(0), nearest)


def _colour_between(image: Image, uv: np.ndarray) -> np.ndarray:
    rows, columns, weights = _corners(uv, image.shape)
    return (image[rows, columns] * weights[..., None]).sum(0)
