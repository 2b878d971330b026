"""What happens on the timeline and on the strip of clips, and how both are wired."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from editing.filming import Shot
from editing.panels import timeline, versions
from editing.panels.desk import Desk
from editing.panels.handlers import Handlers, shot_of
from editing.panels.page import Page, Updates, note
from editing.session import Session
from editing.timeline import Timeline
from editing.viewport import fields_of, number, read_camera
from spatia_core.backends.protocols import Progress
from spatia_core.errors import InvalidInput, SpatiaError

LABELS = {
    "add": "Add a camera key",
    "move": "Move a camera key",
    "duplicate": "Copy a camera key",
    "delete": "Delete a camera key",
    "ease": "Ease a camera key",
    "lens": "Change a key's lens",
    "aim": "Aim a camera key",
    "loop": "Loop the camera",
    "speed": "Change the camera's speed",
}
SAID = "Press Regenerate to film it."


def change_keys(session: Session, shot: Shot, message: Any) -> int | None:
    """One change of the keys as the page asks for it; gives the key to choose. Nothing here trusts the message."""
    data = fields_of(message)
    do = data.get("do")
    if do == "drop":
        session.set_keys(None, "Remove the camera keys")
        return None
    if do == "keys":
        session.set_keys(session.timeline(shot), "Edit the camera as keys")
        return 0
    if do not in LABELS:
        raise InvalidInput("The timeline sent something that is not known. Reload the page and try again.")
    frame = round(number(data.get("frame", 0), "the frame", 0, 10_000))
    view = None if data.get("view") is None else read_camera(data["view"])
    if do == "add":
        session.add_key(shot, frame, view)
        assert session.state.keys is not None
        return next(i for i, k in enumerate(session.state.keys.keys) if k.frame == frame)
    index = round(number(data.get("key", 0), "the key", -1, 1000))
    if do == "aim":
        if view is None:
            raise InvalidInput("The 3D view told no camera. Scroll to it once and try again.")
        session.aim_key(index, view)
        return index
    if session.state.keys is None:
        raise InvalidInput("There are no keys. Press Edit as keys first.")
    session.change_keys(shot, lambda t: _changed(t, str(do), index, frame, data.get("value")), LABELS[str(do)])
    keys = session.state.keys.keys
    return {"move": next((i for i, k in enumerate(keys) if k.frame == frame), index), "duplicate": index + 1}.get(
        do, index
    )


def _changed(t: Timeline, do: str, index: int, frame: int, value: Any) -> Timeline:
    if do == "move":
        return t.moved(index, frame)
    if do == "duplicate":
        return t.duplicated(index)
    if do == "delete":
        return t.without(index)
    if do == "ease":
        return t.eased(index, str(value))
    if do == "loop":
        return t.looped(bool(value))
    amount = number(value, "the number", -1e6, 1e6)
    return t.zoomed(index, amount) if do == "lens" else t.at_speed(amount)


def prompts_of(text: str | None) -> tuple[str, ...]:
    """The prompts, one line a round; a line left empty is a round without, empty lines at the end do not count."""
    return tuple(line.strip() for line in (text or "").rstrip().splitlines()[:100])


class FilmingHandlers:
    """The events of the timeline and of the strip, on top of the page's other handlers."""

    def __init__(self, handlers: Handlers) -> None:
        self.of = handlers
        self.page: Page = handlers.page

    def look(self, desk: Desk | None, *shot: Any) -> Updates:
        """The timeline wants the plan and the preview of what the camera controls say."""
        try:
            if desk is None or not desk.ready or desk.working:  # it asks again after the work under way
                return {self.page.timeline: gr.skip()}
            # nothing waits for this: the state is a value, and what was drawn for an earlier one does not count
            desk.drafts.draw(desk.session, shot_of(desk, *shot))
            return {self.page.timeline: timeline.value(desk.session, desk.drafts)}
        except SpatiaError as e:
            return {self.page.message: note(str(e), "wrong")}
        except Exception as e:
            return {self.page.message: self.of._wrong(e)}

    def controls(self, desk: Desk | None, *shot: Any) -> Updates:
        """A camera control was changed; keys last as long as the clip."""
        try:
            if desk is None or not desk.ready:
                return {self.page.timeline: gr.skip()}
            with desk.quick() as session:
                keys, new = session.state.keys, shot_of(desk, *shot)
                if keys is not None:
                    session.set_keys(keys.lasting(int(shot[3])), "Change the clip's length")
                desk.drafts.say(new)
                return self._shown(desk)
        except Exception as e:
            return {self.page.message: self.of._wrong(e)}

    def named(self, desk: Desk | None, *shot: Any) -> Updates:
        """A named move takes the place of keys and of a file."""
        try:
            if desk is None or not desk.ready:
                return {self.page.timeline: gr.skip()}
            with desk.quick() as session:
                desk.trajectory = None
                session.set_keys(None, "Choose a camera move")
                desk.drafts.say(shot_of(desk, *shot))
                return self._shown(desk)
        except Exception as e:
            return {self.page.message: self.of._wrong(e)}

    def prompts(self, desk: Desk | None, text: str | None) -> None:
        """The prompts as they are typed."""
        if desk is not None:
            desk.prompts = prompts_of(text)

    def edit(self, desk: Desk | None, shot: Any, data: Any) -> Updates:
        """The keys were changed."""
        try:
            if desk is None:
                raise InvalidInput("Open a photo first.")
            with desk.quick() as session:
                said = shot_of(desk, *shot)
                desk.drafts.say(said)
                desk.drafts.chosen = change_keys(session, said, data)
                return self._shown(desk) | {self.page.message: note(f"{self._said(desk)} {SAID}")}
        except Exception as e:
            line = {self.page.message: self.of._wrong(e)}
            # what was typed or dragged gives way to what is true
            return line | self._shown(desk) if desk is not None and desk.ready else line

    def _said(self, desk: Desk) -> str:
        return timeline.camera_sentence(desk.session, desk.drafts.shot)

    def _shown(self, desk: Desk) -> Updates:
        return self.page.camera(desk) | self.page.history(desk)

    def large(self, desk: Desk | None, shot: Any, progress: gr.Progress) -> Iterator[Updates]:
        """The preview at full size."""
        desk = desk or Desk(self.of.studio)

        def work(told: Progress) -> str:
            with desk.long(told):
                told(0.1, "Rendering the memory along the path")
                desk.drafts.draw_large(desk.session, shot_of(desk, *shot))
            return "This is the memory along the path, at full size."

        yield from self.of._long(desk, "Rendering the preview", work, progress)

    # --- clips -------------------------------------------------------------------------------------------------------

    def pick(
        self,
        desk: Desk | None,
        event: gr.EventData,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Updates]:
        """A button under one of the clips."""
        desk = desk or Desk(self.of.studio)
        data = event._data if isinstance(event._data, dict) else {}
        if data.get("do") == "fork":
            yield from self._fork(desk, data.get("number"), progress)
            return
        yield self._pair(desk, data)

    def _fork(self, desk: Desk, chosen: Any, progress: gr.Progress) -> Iterator[Updates]:
        def work(told: Progress) -> str:
            with desk.long(told):
                wanted = round(number(chosen, "the clip", 1, 1e6))
                desk.session.fork(wanted, told)
                desk.forget_move()
                desk.pair = (None, None)
            return f"You are back at clip {wanted}. What you do now starts from it; all other clips stay."

        yield from self.of._long(desk, "Going back", work, progress)

    def _pair(self, desk: Desk, data: dict[str, Any]) -> Updates:
        def work(session: Session) -> str:
            wanted = round(number(data.get("number"), "the clip", 1, 1e6))
            pair = versions.put(desk.pair, str(data.get("do")), wanted)
            versions.checked(session, pair)
            desk.pair = pair
            a, b = pair
            if a is not None and b is not None:
                return f"Clip {a} is A and clip {b} is B: compare them below, or take both home."
            return "Choose the other one: A or B under another clip." if a or b else "Original and edited are compared."

        return self.of._quick(desk, work, whole=True)

    def go_on(
        self,
        desk: Desk | None,
        text: str | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Updates]:
        """A clip that stopped early is filmed on, with the prompts as they are now."""
        desk = desk or Desk(self.of.studio)
        desk.prompts = prompts_of(text)  # what was typed just before may still be on its way

        def work(told: Progress) -> str:
            state = desk.session.state
            take = next((t for t in (state.after, state.before) if t is not None and t.footage.stopped), None)
            if take is None:
                raise InvalidInput("The clip is filmed to its end; there is nothing to continue.")
            desk.generate(replace(take.shot, prompts=desk.prompts or take.shot.prompts), told)
            return "Done."

        yield from self.of._long(desk, "Filming on", work, progress)


def wire(page: Page, handlers: Handlers, lanes: dict[str, dict[str, Any]]) -> None:
    """Which event calls which handler."""
    h, shot = FilmingHandlers(handlers), [page.desk, *page.shot]

    # Gradio counts the arguments of a handler that is also told the event or the progress
    def edit(desk: Any, path: Any, back: Any, amount: Any, frames: Any, seed: Any, event: gr.EventData) -> Updates:
        return h.edit(desk, (path, back, amount, frames, seed), event._data)

    def large(
        desk: Any,
        path: Any,
        back: Any,
        amount: Any,
        frames: Any,
        seed: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Updates]:
        yield from h.large(desk, (path, back, amount, frames, seed), progress)

    page.timeline.look(h.look, shot, **lanes["newest"])
    page.timeline.edit(edit, shot, **lanes["quick"])
    page.path.input(h.named, shot, **lanes["newest"])
    for control in (page.back.input, page.amount.release, page.frames.release):
        control(h.controls, shot, **lanes["newest"])
    page.prompts.input(h.prompts, [page.desk, page.prompts], None, trigger_mode="always_last", api_visibility="private")
    page.preview_large.click(large, shot, **lanes["work"])
    page.clips.pick(h.pick, page.desk, **lanes["work"])
    page.go_on.click(h.go_on, [page.desk, page.prompts], **lanes["work"])
