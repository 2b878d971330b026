"""The selection half of a session: clicks, boxes, shapes in space, and what is selected by them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from editing.chosen import Chosen, chosen, points_of, usable
from editing.edits import NOTHING
from editing.every_view import EveryView, in_every_view
from editing.operations import Cleared
from editing.selection import Combination, checked, shown_mask
from editing.state import Click, Picking, State
from editing.volume_selection import Step, Volume
from spatia_core.arrays import Image, Mask, Selection
from spatia_core.backends.protocols import Progress, Segmentation, Segmenter, silent
from spatia_core.errors import InvalidInput
from spatia_core.everything import Things, find_things
from spatia_core.memory import SpatialMemory
from spatia_core.pipeline import Backends
from spatia_core.render import Rendering, render

SIDE = 8
"""Clicks a side with which all things of a picture are looked for."""

MOST_THINGS = 30
"""Things that are offered; more than that nobody looks through."""

MOST_CLICKS = 200
"""Clicks that one selection may hold."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The backends of a session."""

    turn: Backends
    segmenter: Segmenter


class Selecting(ABC):
    """What is selected in the present memory; every step can be taken back one by one."""

    def __init__(self, tools: Tools, clock: Callable[[], float]) -> None:
        self.tools = tools
        self.timings: dict[str, float] = {}
        self._clock = clock
        self._pickings: tuple[Picking, ...] = (Picking(),)
        self._embedding: tuple[SpatialMemory, Any] | None = None
        self._cleared: tuple[Chosen, Cleared] | None = None
        self.along = NOTHING
        """What is changed takes this along, where it is found."""
        self.everywhere = True
        """What is selected in the picture is changed as every keyframe shows it, not only as this view does."""
        self._chosen: Chosen | None = None
        self._spread: tuple[Chosen, Chosen, EveryView] | None = None
        self._things: tuple[SpatialMemory, Things] | None = None

    @property
    @abstractmethod
    def state(self) -> State:
        """The present state."""

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = self._clock()
        yield
        self.timings[stage] = self._clock() - started

    @property
    def picking(self) -> Picking:
        """The selection in the making."""
        return self._pickings[-1]

    @property
    def stage(self) -> Image:
        """(h, w, 3) what selections are made on: the present memory seen by the photo's camera."""
        return render(self.state.memory.cloud, self.state.camera).rgb

    @property
    def shown(self) -> Image:
        """(h, w, 3) the stage without what is hidden; chequered where nothing is known of what is behind it."""
        return self._without_hidden(self.state.memory)[0]

    def _without_hidden(self, memory: SpatialMemory) -> tuple[Image, Rendering]:
        """The photo's camera's view of a memory without what is hidden in it, gaps chequered, and the bare rendering.

        Clips are filmed of the whole memory; a list of hidden things is for the eyes of who works.
        """
        seen = render(memory.cloud, self.state.camera)
        hidden = self.state.objects.hidden(memory)
        if not hidden.any():
            return seen.rgb, seen
        known = seen.coverage
        seen = render(memory.cloud[~hidden], self.state.camera)
        picture, gaps = seen.rgb.copy(), known & ~seen.coverage
        y, x = np.nonzero(gaps)
        picture[gaps] = np.where((x // 8 + y // 8) % 2, 176, 208)[:, None]
        return picture, seen

    def click(self, x: float, y: float, positive: bool = True) -> Mask:
        """The mask after one more click at working pixel (x, y); a first - click raises InvalidInput."""
        return self.clicks([Click(x, y, positive)])

    def clicks(self, clicks: Sequence[Click]) -> Mask:
        """The mask after several clicks at once, which are one step: what was clicked while an answer was awaited."""
        picking = self.picking
        most = MOST_CLICKS - len(picking.clicks)
        if len(clicks) > most:
            raise InvalidInput(
                f"A selection holds at most {MOST_CLICKS} clicks; these {len(clicks)} were too many and were left out. "
                "Draw a box around the thing, or start over."
            )
        for click in clicks:
            picking = picking.asked(click=click)
        return self._ask(picking)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Mask:
        """The mask for a box in working pixels, any two opposite corners."""
        return self._ask(self.picking.asked(box=(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))))

    def take_back(self) -> None:
        """The selection as it was before the last click, box, choice or growth; raises InvalidInput without one."""
        if len(self._pickings) < 2:
            raise InvalidInput("There is no click to take back.")
        self._pickings = self._pickings[:-1]

    def choose(self, index: int) -> None:
        """Another of the segmenter's candidates."""
        found = self.picking.candidates
        if found is None or not 0 <= index < len(found.masks):
            raise InvalidInput("There is no such mask to choose. Click on the thing first.")
        self._pick(replace(self.picking, choice=index))

    def grow(self, pixels: int) -> None:
        """The selection's border `pixels` further out than the segmenter put it (negative: further in)."""
        if not -60 <= pixels <= 60:
            raise InvalidInput(f"A selection can be grown or shrunk by at most 60 pixels, not {pixels}.")
        self._pick(replace(self.picking, grow=pixels))

    @property
    def things(self) -> Things | None:
        """The things found in the present picture, the surest first; None until they were looked for."""
        return self._things[1] if self._things is not None and self._things[0] is self.state.memory else None

    def find_things(self, progress: Progress = silent) -> Things:
        """Looks for all things of the present picture; an edit makes it another picture."""
        if self.things is None:
            memory, picture = self.state.memory, self.stage
            with self._timed("things"):
                found = find_things(self.tools.segmenter, self._embedded(), picture.shape[:2], SIDE, progress=progress)
            self._things = (memory, Things(found.masks[:MOST_THINGS], found.scores[:MOST_THINGS]))
        assert self.things is not None
        return self.things

    def select_thing(self, number: int, how: Combination | None = None) -> Mask:
        """The mask after the thing of that number was picked.

        With `how`, or right after `combine_next`, it is put together with the selection, else it takes its place.
        """
        things = self.things
        if things is None or not 0 <= number < len(things.masks):
            raise InvalidInput("There is no such thing in the list any more. Press Find things again.")
        found = Segmentation(things.masks[number][None], things.scores[number][None])
        base = self.picking
        if how is not None and base.mask is not None:
            solid = None if base.solid is None else base.volume(self.state.camera)
            base = Picking(base=base.mask, how=how, solid=solid)
        elif base.candidates is not None or base.drawn is not None:
            base = Picking()
        picking = replace(base, clicks=(), box=None, grow=0, drawn=None, choice=0)
        self._pick(replace(picking, candidates=self._open(found, picking)))
        mask = self.picking.mask
        assert mask is not None
        return mask

    def select_mask(self, mask: Mask) -> None:
        """A mask of the working picture's size, taken as it is."""
        self._pick(Picking(drawn=checked(mask, self.state.camera)))

    def combine_next(self, how: Combination) -> None:
        """What is clicked from now on is added to, taken from or intersected with the present selection."""
        picking = self.picking
        solid = None if picking.solid is None else picking.volume(self.state.camera)
        self._pick(Picking(base=picking.mask, how=how, solid=solid))

    def select_in_space(self, *steps: Step) -> Selection:
        """(n,) the points selected after more steps in the 3D view, put together with what was selected before."""
        volume = self.picking.volume(self.state.camera) or Volume()
        for step in steps:
            volume = volume.then(step)
        return self._pick_volume(self.state.objects.kept_out(volume))

    def select_object(self, key: str) -> Selection:
        """(n,) the points of a kept object, which are the selection now."""
        return self._pick_volume(self.state.objects[key].volume)

    def _pick_volume(self, volume: Volume) -> Selection:
        with self._timed("select"):
            found = chosen(Picking(solid=volume), self.state)
        assert found.points is not None
        picking = replace(found.picking, drawn=found.mask)
        self._pick(picking)
        self._chosen = replace(found, picking=picking)
        return found.points

    @property
    def selected_points(self) -> Selection | None:
        """(n,) the points of the present selection, or None without one; those of other views once they are known."""
        spread = self._asked_views
        return points_of(self._found() if spread is None else spread[0], self.state)

    @property
    def everywhere_says(self) -> str:
        """What the other views showed of the selection; empty where they were not asked."""
        spread = self._asked_views
        if spread is None or not spread[1].asked:
            return ""
        seen = spread[1]
        views = f"{seen.asked} other view{'s' if seen.asked > 1 else ''}"
        if seen.volume is None:
            return f"Nothing more of it was found in {views}."
        return f"More of it was found in {seen.agreed} of {views}."

    @property
    def _asked_views(self) -> tuple[Chosen, EveryView] | None:
        """The present selection as every view shows it, and what they said; None while they were not asked."""
        kept = self._spread
        return None if kept is None or kept[0] is not self._found() else kept[1:]

    @property
    def selects_in_space(self) -> bool:
        """True when some point is selected in space, seen by the photo's camera or not."""
        found = self._found()
        return found.points is not None and bool(found.points.any())

    def _found(self) -> Chosen:
        kept = self._chosen
        if kept is None or kept.picking is not self.picking or kept.memory is not self.state.memory:
            self._chosen = kept = chosen(self.picking, self.state)
        return kept

    def select_nothing(self) -> None:
        """No selection; the clicks are gone."""
        self._forget_selection()

    def _ask(self, picking: Picking) -> Mask:
        state = self.state
        prompt = picking.prompt.checked_for(state.camera.height, state.camera.width)
        with self._timed("click"):
            found = self.tools.segmenter.segment(self._embedded(), prompt)
        self._pick(replace(picking, candidates=self._open(found, picking), choice=0))
        mask = self.picking.mask
        assert mask is not None
        return mask

    def _embedded(self) -> Any:
        """What the segmenter knows of the present picture."""
        memory = self.state.memory
        if self._embedding is None or self._embedding[0] is not memory:
            self._embedding = (memory, self.tools.segmenter.embed(self.stage))
        return self._embedding[1]

    def _open(self, found: Segmentation, picking: Picking) -> Segmentation:
        """The masks without what is locked or hidden; raises InvalidInput for a click on that."""
        closed = self.state.objects.closed(self.state.memory)
        if not closed.any():
            return found
        out = ~shown_mask(closed, render(self.state.memory.cloud, self.state.camera))
        masks = found.masks & out
        if not masks[0].any() or not all(out[int(c.y), int(c.x)] for c in picking.clicks if c.positive):
            raise InvalidInput("That thing is locked or hidden. Change that in the list of objects first.")
        return Segmentation(masks, found.scores)

    def _pick(self, picking: Picking) -> None:
        self._pickings = (*self._pickings, picking)

    def _forget_selection(self) -> None:
        self._pickings = (Picking(),)
        self._cleared = self._chosen = self._spread = None

    def _selected(self, progress: Progress = silent) -> Chosen:
        """What an edit changes: what was picked in this view, as every keyframe shows it where that is wanted."""
        found = usable(self._found(), self.state)
        memory = self.state.memory
        if not self.everywhere or found.volume is not None or len(memory.keyframes) < 2:
            return found
        spread = self._asked_views
        if spread is None:
            with self._timed("everywhere"):
                seen = in_every_view(self.tools.segmenter, memory, self.state.camera, found.mask, progress)
            wide = found
            if seen.volume is not None:
                volume = self.state.objects.kept_out(seen.volume)
                wide = replace(chosen(Picking(solid=volume), self.state), picking=found.picking)
            self._spread = found, wide, seen
            return wide
        return spread[0]
