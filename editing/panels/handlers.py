"""What happens when something on the page is clicked. Every handler returns the page as it is afterwards."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from editing.filming import Shot
from editing.opening import Opening, parse_size
from editing.panels.desk import Desk, Studio
from editing.panels.downloads import saved
from editing.panels.page import Page, Updates, note
from editing.panels.viewport import Window
from editing.session import Session
from editing.state import Click
from editing.viewport import fields_of, number
from spatia_core.backends.protocols import Progress
from spatia_core.camera_path import BASE_NAMES
from spatia_core.errors import Cancelled, InvalidInput, SpatiaError
from spatia_core.io.files import disc_full, is_full

log = logging.getLogger(__name__)

UNEXPECTED = "Something went wrong on our side, and nothing was changed. Please try again."
MOST_TOLD = 2000
"""Clicks of one message that are read."""

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"

Step = Callable[[Progress], str]
"""Does the work and says in one sentence what is true now."""


def shot_of(desk: Desk | None, path: Any, back: Any, amount: Any, frames: Any, seed: Any) -> Shot:
    """The shot that the camera controls describe; raises InvalidInput for empty or foreign values."""
    path = path or BASE_NAMES[0]  # the list is empty while a trajectory file is used
    if path not in BASE_NAMES:
        raise InvalidInput(f"Choose a camera move from the list, not {path!r}.")
    try:
        numbers = float(amount), int(frames), int(seed)
    except (TypeError, ValueError):
        raise InvalidInput("Amount, frames and seed must be numbers; one of them is empty.") from None
    name = f"{path}-and-back" if back else str(path)
    if desk is None:
        return Shot(name, numbers[1], numbers[0], numbers[2])
    keys = desk.session.state.keys if desk.ready else None
    shot = Shot(desk.trajectory or name, numbers[1], numbers[0], numbers[2], prompts=desk.prompts)
    return shot if keys is None else replace(shot, keys=keys, frames=keys.frames)


def in_words(error: Exception) -> str:
    """What a person is told of an error; what nobody expected is logged."""
    if isinstance(error, SpatiaError):
        return str(error)
    if is_full(error):
        return disc_full("a file of your session")
    log.error("unexpected error", exc_info=error)
    return UNEXPECTED


def heard(listener: Desk | Window | None, event: gr.EventData) -> dict[str, Any]:
    """What the picture or the 3D view says; the listener remembers which message it has heard, taken or not."""
    data = event._data if isinstance(event._data, dict) else {}
    told = data.get("message")
    if listener is not None and isinstance(told, int) and 0 <= told < 2**53:
        listener.heard = told
    return data


def clicks_of(data: dict[str, Any]) -> list[Click]:
    """The clicks of a message, the same place clicked again left out; raises InvalidInput for whatever is none."""
    told = data.get("clicks")
    if not isinstance(told, list) or not told:
        raise InvalidInput("The page told of a click without its place. Reload the page and click again.")
    clicks: dict[tuple[int, int, bool], Click] = {}
    for at in told[:MOST_TOLD]:
        if not isinstance(at, list) or len(at) != 3:
            raise InvalidInput("The page told of a click without its place. Reload the page and click again.")
        x, y = (number(v, "the place of a click", -1e6, 1e6) for v in at[:2])
        clicks[(round(x), round(y), bool(at[2]))] = Click(x, y, bool(at[2]))
    return list(clicks.values())


def chosen_number(event: gr.EventData) -> int:
    """The number of the small picture that was pressed; raises InvalidInput for whatever is none."""
    name = str(fields_of(event._data).get("name"))
    if not name.isdecimal() or len(name) > 4:
        raise InvalidInput("There is no such mask to choose. Click on the thing first.")
    return int(name)


class Handlers:
    """The page's events, bound to the page's components."""

    def __init__(self, studio: Studio, page: Page) -> None:
        self.studio = studio
        self.page = page

    # --- frame around everything -------------------------------------------------------------------------------------

    def _wrong(self, error: Exception) -> dict[str, Any]:
        """The error as a line for the dock; unexpected ones are logged and described plainly."""
        if isinstance(error, Cancelled):
            gr.Info(str(error), duration=4)
            return note(str(error))
        text = in_words(error)
        gr.Warning(text, duration=12, title="That did not work")
        return note(text, "wrong")

    def _long(self, desk: Desk, doing: str, work: Step, progress: gr.Progress) -> Iterator[Updates]:
        def told(share: float, what: str) -> None:
            progress(share, desc=what)

        desk.expect_work()
        yield self.page.busy(doing)
        try:
            said: Any = work(told)
        except Exception as e:
            said = self._wrong(e)
        finally:
            desk.forget_work()
        try:
            yield self.page.shown(desk, said)
        except Exception as e:  # the tab may have been closed meanwhile
            yield {self.page.message: self._wrong(e)}

    def _quick(self, desk: Desk | None, work: Callable[[Session], str], whole: bool = False) -> Updates:
        try:
            if desk is None:
                raise InvalidInput("Open a photo first.")
            with desk.quick() as session:
                said = work(session)
                return self.page.shown(desk, said) if whole else self.page.selected(desk, said)
        except Exception as e:
            line = self._wrong(e)
            # the picture may hold a click that was not accepted: show it as it is
            return self.page.selected(desk, line) if desk is not None and desk.ready else {self.page.message: line}

    # --- 1 photo -------------------------------------------------------------------------------------------------

    def start(self, asked: str | None = None, key: str | None = None) -> Iterator[Updates]:
        """A new tab, or one that comes back to the session that its address names."""
        said: Any = "Open a photo or pick an example to begin."
        try:
            if asked:
                yield from self._back(self.studio.links.find(asked, key))
                return
        except InvalidInput as e:
            said = note(str(e), "wrong")
        desk = Desk(self.studio)
        self.studio.links.give(desk, key)
        yield self.page.shown(desk, said)

    def _back(self, desk: Desk) -> Iterator[Updates]:
        """The page as it was left; what was under way is waited for."""
        desk.join()
        if desk.working:
            yield self.page.busy("Still at work on your last step") | {self.page.desk: desk}
        while desk.working:
            time.sleep(0.2)
        yield self.page.shown(desk, "You are back where you were; nothing is lost.") | self.page.said_before(desk)

    def open(
        self,
        desk: Desk | None,
        file: str | None,
        depth: str | None,
        lens: str | None,
        size: str | None,
        path: Any,
        back: Any,
        amount: Any,
        frames: Any,
        seed: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        shipped: bool = False,
    ) -> Iterator[Updates]:
        """A photo or a saved session."""
        desk = desk or Desk(self.studio)

        def work(told: Progress) -> str:
            if file is None:
                raise InvalidInput("Choose a photo first.")
            opening = Opening(file, depth, lens, parse_size(size) if size and size.strip() else None)
            shot = shot_of(None, path, back, amount, frames, seed)
            desk.open(opening, shot, told, shipped)
            return "The memory is built. Now click on the thing you want to change."

        yield from self._long(desk, "Opening", work, progress)
        # the drop zone is free for the next photo
        yield {self.page.upload: None} | (self.page.shot_said(desk.drafts.shot) if desk.ready else {})

    def example(
        self,
        desk: Desk | None,
        size: str | None,
        path: Any,
        back: Any,
        amount: Any,
        frames: Any,
        seed: Any,
        event: gr.EventData,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Updates]:
        """One of the shipped photos."""
        names = {p.name: str(p) for p in EXAMPLES.glob("*.jpg")}
        file = names.get(str(event._data.get("name")))
        yield from self.open(desk, file, None, None, size, path, back, amount, frames, seed, progress, shipped=True)

    # --- 2 select ------------------------------------------------------------------------------------------------

    def _select(self, desk: Desk | None, change: Callable[[Session], object], said: str = "") -> Updates:
        def work(session: Session) -> str:
            change(session)
            assert desk is not None
            desk.forget_move()
            mask = session.picking.mask
            if said or mask is None or not mask.any():
                return said or "Nothing is selected."
            return f"{mask.mean():.1%} of the picture is selected. Refine it, or go on to step 3."

        return self._quick(desk, work)

    def point(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """Clicks on the stage: one, or all that were made while the page waited for the answer to an earlier one."""
        data = heard(desk, event)
        return self._select(desk, lambda s: s.clicks(clicks_of(data)))

    def frame(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """A box on the stage."""
        data, names = heard(desk, event), ("x0", "y0", "x1", "y1")
        return self._select(desk, lambda s: s.box(*(number(data.get(k), "a corner", -1e6, 1e6) for k in names)))

    def find_things(self, desk: Desk | None, progress: gr.Progress = gr.Progress()) -> Iterator[Updates]:  # noqa: B008
        """All things of the picture are offered."""
        desk = desk or Desk(self.studio)

        def work(told: Progress) -> str:
            with desk.long(told) as checked:
                found = len(desk.session.find_things(checked).masks)
            if not found:
                return "No thing stands out here. Click on what you want to change, or draw a box around it."
            return f"{found} {'thing' if found == 1 else 'things'} found. Point at one in the picture and click."

        yield from self._long(desk, "Looking for things", work, progress)

    def pick_thing(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """One of the things found; with Shift it is added to the selection."""
        how = "add" if fields_of(event._data).get("add") is True else None
        return self._select(desk, lambda s: s.select_thing(chosen_number(event), how))

    def choose(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """Another candidate mask."""
        return self._select(desk, lambda s: s.choose(chosen_number(event)))

    def grow(self, desk: Desk | None, pixels: float) -> Updates:
        """A wider or narrower selection."""
        return self._select(desk, lambda s: s.grow(int(pixels or 0)))

    def take_back(self, desk: Desk | None) -> Updates:
        """One click less."""
        return self._select(desk, lambda s: s.take_back())

    def start_over(self, desk: Desk | None) -> Updates:
        """No selection."""
        return self._select(desk, lambda s: s.select_nothing())

    def join(self, desk: Desk | None) -> Updates:
        """The next clicks add to the selection."""
        return self._select(desk, lambda s: s.combine_next("add"), "Click on the next thing: it is added.")

    def cut(self, desk: Desk | None) -> Updates:
        """The next clicks are cut out of the selection."""
        return self._select(desk, lambda s: s.combine_next("subtract"), "Click on what is to be cut out.")

    def overlap(self, desk: Desk | None) -> Updates:
        """The next clicks keep only what both selections share."""
        return self._select(desk, lambda s: s.combine_next("intersect"), "Click: only the overlap is kept.")

    # --- time ------------------------------------------------------------------------------------------------------

    def undo(self, desk: Desk | None) -> Updates:
        """One step back."""
        return self._step(desk, lambda s: s.undo(), "Undone: {}.")

    def redo(self, desk: Desk | None) -> Updates:
        """One step forward."""
        return self._step(desk, lambda s: s.redo(), "Done again: {}.")

    def _step(self, desk: Desk | None, change: Callable[[Session], str], said: str) -> Updates:
        def work(session: Session) -> str:
            assert desk is not None
            label = change(session)
            desk.forget_move()
            desk.pair = (None, None)
            return said.format(label)

        return self._quick(desk, work, whole=True)

    # --- 4 film --------------------------------------------------------------------------------------------------

    def trajectory(self, desk: Desk | None, file: str | None, *shot: Any) -> Updates:
        """A trajectory file takes the place of the named move, if it can be read."""

        def work(session: Session) -> str:
            assert desk is not None
            earlier, desk.trajectory = desk.trajectory, file
            try:
                new = replace(shot_of(desk, *shot), keys=None)
                path = session.path(new)
            except Exception:
                desk.trajectory = earlier
                raise
            desk.drafts.say(new)
            session.set_keys(None, "Use a camera file")
            return f"The camera follows {path.name}. Press Regenerate. Choose a move above to drop the file."

        return self._quick(desk, work, whole=True)

    def regenerate(
        self,
        desk: Desk | None,
        path: Any,
        back: Any,
        amount: Any,
        frames: Any,
        seed: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Updates]:
        """New clips of the present memory."""
        desk = desk or Desk(self.studio)

        def work(told: Progress) -> str:
            shot = shot_of(desk, path, back, amount, frames, seed)
            desk.drafts.say(shot)
            desk.generate(shot, told)
            desk.forget_move()
            desk.pair = (None, None)
            return "Done. Both clips have the same camera and seed." if desk.session.state.after else "Done."

        yield from self._long(desk, "Filming", work, progress)

    def cancel(self, desk: Desk | None) -> None:
        """The work under way is asked to stop; it says itself when it has."""
        if desk is not None and desk.cancel():
            gr.Info("Stopping", duration=2)

    # --- 5 files -------------------------------------------------------------------------------------------------

    def save(self, what: str) -> Callable[..., Any]:
        """A handler that writes one of the downloads and gives its path."""

        def handler(desk: Desk | None, progress: gr.Progress = gr.Progress()) -> tuple[str | None, Any]:  # noqa: B008
            def told(share: float, doing: str) -> None:
                progress(share, desc=doing)

            try:
                if desk is None:
                    raise InvalidInput("Open a photo first.")
                with desk.quick() as session:
                    progress(0.1, desc="Writing the file")
                    return str(saved(session, what, told, desk.chosen)), note("The file is ready.")
            except Exception as e:
                return None, self._wrong(e)

        return handler
