"""What happens when a selection is dragged, placed by numbers, deleted or moved."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import gradio as gr

from editing.edits import Placing
from editing.panels import pictures, viewport
from editing.panels.desk import Desk
from editing.panels.handlers import Handlers
from editing.panels.page import Updates, note
from editing.session import Session
from editing.viewport import fields_of, number
from spatia_core.backends.protocols import Progress
from spatia_core.errors import SpatiaError


def offset_of(x: Any, y: Any, z: Any) -> tuple[float, float, float]:
    """The move in the three number fields; an empty field is 0."""
    return float(x or 0), float(y or 0), float(z or 0)


def _place_of(event: gr.EventData) -> tuple[float, float]:
    """The pixel that a drag has reached; raises InvalidInput for whatever is none."""
    data = fields_of(event._data)
    x, y = (number(data.get(k), "the place", -1e6, 1e6) for k in "xy")
    return x, y


class ChangeHandlers(Handlers):
    """The page's events with those of step 3."""

    def aim(self, desk: Desk | None, progress: gr.Progress = gr.Progress()) -> Updates:  # noqa: B008
        """The place is cleared in advance, so that dragging is quick."""

        def work(session: Session) -> str:
            progress(0.3, desc="Completing what is behind it")
            session.cleared()
            return "Drag the thing to its new place, then press Move it here."

        return self._quick(desk, work)

    def drag(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """The thing as it would look under the pointer; dropped when the desk is taken."""
        try:
            assert desk is not None
            with desk.quick(wait=0.05) as session:
                at = _place_of(event)
                self._try_move(desk, session, session.offset_to(*at))
                desk.target = at
                return {self.page.stage: pictures.stage(desk)}
        except (SpatiaError, AssertionError):
            return {self.page.stage: gr.skip()}

    def drop(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """The thing let go: the numbers say where it would stand."""

        def work(session: Session) -> str:
            assert desk is not None
            at = _place_of(event)
            lifted = (0.0, desk.offset[1], 0.0)
            to = session.offset_to(*at)
            self._try_move(desk, session, (to[0], lifted[1], to[2]))
            desk.target = at
            return "This is how it would look. Press Move it here to keep it, or drag on."

        return self._quick(desk, work)

    def numbers(self, desk: Desk | None, x: Any, y: Any, z: Any, on_ground: bool) -> Updates:
        """The preview of a move typed as numbers."""
        try:
            if desk is None or not desk.ready:
                return {self.page.message: note("Open a photo first.")}
            with desk.quick() as session:
                desk.on_ground, desk.target = bool(on_ground), None
                self._try_move(desk, session, offset_of(x, y, z))
                return self._tried(desk)
        except Exception as e:
            return {self.page.message: self._wrong(e)}

    def _tried(self, desk: Desk) -> Updates:
        """The page after a number was typed; fields are left alone while somebody types in them."""
        placing, page = desk.placing, self.page
        return {
            page.stage: pictures.stage(desk),
            page.viewport: viewport.value(desk.session, desk.window, placing, desk.hint),
            page.message: note(f"This is how it would look. {desk.hint} Press Move it here to keep it."),
            page.add_stop: gr.update(interactive=any(placing.offset)),
            page.animate: gr.update(interactive=any(placing.offset) or bool(desk.way)),
            **{b: gr.update(interactive=placing.changes) for b in (page.move, page.duplicate)},
        }

    def _try_move(self, desk: Desk, session: Session, offset: tuple[float, float, float]) -> None:
        self._try(desk, session, replace(desk.placing, offset=offset))

    def _try(self, desk: Desk, session: Session, placing: Placing) -> None:
        """The desk shows the selection placed so; on any error it shows what it showed."""
        x, y, z = (round(v, 4) for v in placing.offset)
        placing = replace(placing, offset=(x, y, z), size=round(placing.size, 4))
        desk.preview = pictures.jpeg(session.preview_edit(session.placing_edit(placing)), 80)
        desk.offset, desk.turn, desk.size, desk.on_ground = (
            placing.offset,
            placing.turn,
            placing.size,
            placing.on_ground,
        )
        desk.hint = session.hint(placing)

    def delete(self, desk: Desk | None, progress: gr.Progress = gr.Progress()) -> Iterator[Updates]:  # noqa: B008
        """The selected thing is gone."""
        desk = desk or Desk(self.studio)
        yield from self._glimpse(desk)

        def change(d: Desk) -> None:
            d.session.delete(d.fill)

        yield from self._change(desk, "Deleting", change, "It is gone from the memory.", progress, glimpsed=True)

    def _glimpse(self, desk: Desk) -> Iterator[Updates]:
        """The picture without the selection, roughly and at once; nothing where there is nothing to be deleted."""
        with suppress(SpatiaError):  # what is wrong is said by the work itself
            with desk.quick(0.0) as session:
                desk.preview = pictures.jpeg(session.glimpse(), 80)
                shown = pictures.stage(desk)
            yield {self.page.stage: shown}

    def move(self, desk: Desk | None, progress: gr.Progress = gr.Progress()) -> Iterator[Updates]:  # noqa: B008
        """The selected thing stands where the preview shows it."""

        def change(d: Desk) -> None:
            d.session.transform(d.placing, d.fill)

        yield from self._change(desk, "Moving", change, "It stands in its new place.", progress)

    def _change(
        self,
        desk: Desk | None,
        doing: str,
        change: Callable[[Desk], None],
        said: str,
        progress: gr.Progress,
        clears: bool = True,
        glimpsed: bool = False,
    ) -> Iterator[Updates]:
        """A change of the memory; `glimpsed`: the page shows the change already, which must not outlive a failure."""
        desk = desk or Desk(self.studio)

        def work(told: Progress) -> str:
            try:
                with desk.long(told):
                    told(0.1, doing)
                    if clears:  # the long part, and the one that can be stopped
                        desk.session.cleared(told)
                    seen = desk.session.everywhere_says
                    change(desk)
                    desk.forget_move()
            finally:
                if glimpsed:
                    desk.preview = None
            return " ".join(filter(None, (said, seen, "Press Regenerate to see it in the clip.")))

        yield from self._long(desk, doing, work, progress)
