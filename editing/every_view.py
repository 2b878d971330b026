"""A thing selected in one view, found in the other keyframes too: projected, asked for again, and agreed upon.

What a person's mask shows of a thing is one side of it. Where the memory was seen from several places, the other sides
are points that the mask's view does not see. Each keyframe that shows part of what is selected is asked for the thing;
its answer counts when it agrees with what is known: points selected so far lie in it, points that the person's view
shows outside the mask do not. Points that no keyframe with a vote disputes by majority join the selection.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy import ndimage

from editing.chosen import asked_at
from editing.selection import edge_width, grown, lift_mask, shown_mask
from editing.volume_selection import Drawn, InView, Volume
from spatia_core.arrays import Mask, Selection, parts_touching
from spatia_core.backends.protocols import Following, Progress, Prompt, Segmenter, silent
from spatia_core.camera import Camera, Pixels
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.render import Rendering, render

MOST_VIEWS = 12
"""Keyframes that are asked."""

AGREEING = 0.6
"""Overlap, in points of which something is known, from which an answer counts."""

BELIEVED = 1 / 3
"""Share of the views asked that must agree: one answer among many is chance."""

CERTAIN = 0.85
"""Overlap from which nothing more is asked."""

LEAST_SHOWN = 6e-4
"""Share of a picture in which the selection must be seen for the picture to be asked."""

LEAST_NEW = 0.01
"""Points whose side is unknown, in units of those selected, from which a further view is worth asking."""

SURFACE = 1.006
"""Points up to this ratio behind what a view shows are seen by it."""

CELLS = 16
"""Cells of space, along the longest side, in which it is told what hangs together."""

REACH = 1.6
"""A thing is looked for this far around what is selected of it, in units of its extent."""


@dataclass(frozen=True, slots=True)
class EveryView:
    """What the other views added."""

    volume: Volume | None
    """The selection in space; None where they added nothing."""
    asked: int
    """Views that were asked."""
    agreed: int
    """Those of them that showed the thing as it was known."""


def in_every_view(
    segmenter: Segmenter, memory: SpatialMemory, camera: Camera, mask: Mask, progress: Progress = silent
) -> EveryView:
    """The thing under a mask as all keyframes show it; `progress` may raise Cancelled.

    Raises InvalidInput when the mask shows nothing.
    """
    search = _Search(memory, camera, mask)
    follow = getattr(segmenter, "follow", None)
    following: Following | None = None
    asked = 0
    for view in search.views():
        progress(asked / MOST_VIEWS, "Looking for it in other views")
        if follow is not None and not asked:
            following = follow(search.own.seen.rgb, mask)
        asked += 1
        answer = _answer(segmenter, following, view, search)
        if answer is not None:
            search.vote(view, answer)
    if len(search.answers) < BELIEVED * asked:
        return EveryView(None, asked, len(search.answers))
    added = [(view, view.showing(search.found) & answer) for view, answer in search.answers]
    new = search.found & ~search.given
    if not any(view.showing(new)[found].any() for view, found in added):
        return EveryView(None, asked, len(search.answers))
    taken = [(view, view.showing(search.refused & search.near)) for view, _ in search.answers]
    steps = [Drawn(InView(view.camera, found), "add") for view, found in added]
    steps += [Drawn(InView(view.camera, refused), "subtract") for view, refused in taken]
    # what the person's own view shows is as the person said
    steps += [Drawn(InView(camera, ~mask), "subtract"), Drawn(InView(camera, mask), "add")]
    return EveryView(Volume(tuple(steps)), asked, len(search.answers))


@dataclass(frozen=True, eq=False, slots=True)
class _View:
    """A keyframe's camera and what it shows of the memory."""

    camera: Camera
    seen: Rendering
    points: Int64[np.ndarray, " k"]
    """(k,) the points of interest that it shows."""
    at: Pixels
    """Row and column of each."""

    @classmethod
    def of(cls, memory: SpatialMemory, camera: Camera, among: Int64[np.ndarray, " m"]) -> "_View":
        """What a camera shows of some points; those just behind the surface that is seen count as seen."""
        seen = render(memory.cloud, camera)
        ahead, z, (rows, columns) = camera.in_view(memory.xyz[among])
        with np.errstate(invalid="ignore"):
            shown = z[ahead] <= seen.depth[rows, columns] * SURFACE
        return cls(camera, seen, among[ahead][shown], (rows[shown], columns[shown]))

    def showing(self, selection: Selection) -> Mask:
        """(h, w) where it shows selected points."""
        return shown_mask(selection, self.seen)


class _Search:
    """What is known of every point: selected, refused, or neither."""

    def __init__(self, memory: SpatialMemory, camera: Camera, mask: Mask) -> None:
        self.given = lift_mask(memory, camera, mask)
        """(n,) what the mask shows."""
        near = self._near(memory)
        self.own = own = _View.of(memory, camera, near)
        """The person's view."""
        self.near, self._outside, self._yes, self._no = (np.zeros(len(memory), kind) for kind in (bool, bool, int, int))
        self.near[near] = True
        self._cells = _Cells(memory.xyz[near], near)
        self._outside[own.points[~grown(mask, edge_width(camera))[own.at]]] = True
        self._outside &= ~self.given
        self._left = [
            _View.of(memory, asked_at(k.camera), near)
            for k in memory.keyframes
            if not (np.allclose(k.camera.w2c, camera.w2c) and np.allclose(k.camera.K, camera.K))
        ]
        self.answers: list[tuple[_View, Mask]] = []
        self._judge()

    def _near(self, memory: SpatialMemory) -> Int64[np.ndarray, " m"]:
        """Seen points near enough to be of the thing."""
        there = memory.xyz[self.given]
        middle = np.median(there, axis=0)
        reach = REACH * float(np.quantile(np.linalg.norm(there - middle, axis=1), 0.98))
        away = memory.xyz - middle
        near = np.einsum("ij,ij->i", away, away) <= reach**2
        return np.flatnonzero(near & (memory.labels.provenance != Provenance.COMPLETED))

    def _judge(self) -> None:
        """What is found and refused by the votes as they stand."""
        believed = self.given | (~self._outside & (self._yes > self._no))
        self.found = self.given | self._cells.hanging_on(believed, self.given)
        """(n,) what belongs to the thing as far as is known now."""
        self.refused = ~self.given & (self._outside | (self._no > self._yes))
        """(n,) what does not."""

    def cut(self, view: _View, answer: Mask) -> Mask:
        """An answer without what is refused, and of the rest what hangs together with what is known."""
        return parts_touching(answer & ~view.showing(self.refused), view.showing(self.found))

    def views(self) -> Iterator[_View]:
        """The views worth asking, always the one that tells most of what is not known yet."""
        for _ in range(MOST_VIEWS):
            worth = 1 / (1 + 3.0 * (self._yes + self._no))
            worth[self.given | self._outside] = 0
            news = [
                float(worth[v.points].sum()) if v.showing(self.found).mean() > LEAST_SHOWN else 0.0 for v in self._left
            ]
            if not news or max(news) < LEAST_NEW * self.given.sum():
                return
            yield self._left.pop(int(np.argmax(news)))

    def agreement(self, view: _View, answer: Mask) -> float:
        """Overlap of an answer with what is known, counted in points that the view shows."""
        inside, found, refused = answer[view.at], self.found[view.points], self.refused[view.points]
        either = found.sum() + (inside & refused).sum()
        return float((inside & found).sum() / either) if either else 0.0

    def vote(self, view: _View, answer: Mask) -> None:
        """Counts the answer of a view for every point that it shows."""
        inside = answer[view.at]
        self._yes[view.points[inside]] += 1
        self._no[view.points[~inside]] += 1
        self.answers.append((view, answer))
        self._judge()


class _Cells:
    """Points in cells of space, to tell what hangs together."""

    def __init__(self, xyz: Float[np.ndarray, "m 3"], points: Int64[np.ndarray, " m"]) -> None:
        low = xyz.min(0)
        cell = float(np.ptp(xyz, axis=0).max()) / CELLS + 1e-9
        self._points = points
        self._at = tuple(((xyz - low) / cell).astype(np.int64).T + 1)
        self._shape = tuple(int(a.max()) + 2 for a in self._at)

    def hanging_on(self, selection: Selection, seeds: Selection) -> Selection:
        """(n,) the selected points that are joined to a seed through selected ones, gaps of a cell passed over."""
        chosen, begun = selection[self._points], seeds[self._points]
        full = np.zeros(self._shape, bool)
        full[tuple(a[chosen] for a in self._at)] = True
        labels = np.zeros(self._shape, np.int32)
        ndimage.label(ndimage.binary_dilation(full), np.ones((3, 3, 3)), labels)
        of_point = labels[self._at]
        kept = np.isin(of_point, np.unique(of_point[chosen & begun]))
        out = np.zeros(len(selection), bool)
        out[self._points[chosen & kept]] = True
        return out


def _answer(segmenter: Segmenter, following: Following | None, view: _View, search: _Search) -> Mask | None:
    """The thing as the segmenter sees it in a view, where it agrees with what is known of it."""
    possible = view.showing(search.near)
    best, mask = AGREEING, None
    for candidates in _candidates(segmenter, following, view, search):
        for candidate in candidates & possible:
            agrees = search.agreement(view, candidate)
            if agrees > best:
                best, mask = agrees, candidate
        if best > CERTAIN:
            break
    return None if mask is None else search.cut(view, mask)


def _candidates(
    segmenter: Segmenter, following: Following | None, view: _View, search: _Search
) -> Iterator[Bool[np.ndarray, "k h w"]]:
    """What the segmenter says: of the thing it follows, where it can, then when it is pointed at it."""
    picture = view.seen.rgb
    if following is not None:
        yield following(picture)[None]
    embedding = segmenter.embed(picture)
    for prompt in _prompts(view.showing(search.found)):
        yield segmenter.segment(embedding, prompt).masks


def _prompts(shown: Mask) -> Iterator[Prompt]:
    """What the segmenter is asked: a click in the middle of what is known to be the thing; failing that, its box."""
    whole = cv2.morphologyEx(shown.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    distance = cv2.distanceTransform(np.pad(whole, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = divmod(int(distance.argmax()), shown.shape[1])
    yield Prompt(np.array([[column + 0.5, row + 0.5]]), np.array([True]))
    rows, columns = np.nonzero(whole)
    margin = 2 + 0.04 * max(np.ptp(rows), np.ptp(columns))
    h, w = shown.shape
    low = max(0.0, columns.min() - margin), max(0.0, rows.min() - margin)
    high = min(float(w), columns.max() + 1 + margin), min(float(h), rows.max() + 1 + margin)
    yield Prompt(np.empty((0, 2)), np.empty(0, bool), (*low, *high))
