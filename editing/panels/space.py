"""What happens when something in the 3D view is drawn, clicked or dragged."""

from typing import Any

import gradio as gr

from editing.chosen import thing_in_view
from editing.edits import MOST_SIZE, Placing
from editing.panels import viewport
from editing.panels.changes import ChangeHandlers
from editing.panels.desk import Desk
from editing.panels.handlers import heard
from editing.panels.page import Updates
from editing.session import Session
from editing.viewport import fields_of, number, numbers, read_camera, read_step
from editing.volume_selection import Drawn, InView, Step
from spatia_core.errors import InvalidInput, SpatiaError

MOST_STEPS = 50
"""Shapes of one message."""


class SpaceHandlers(ChangeHandlers):
    """The page's events with those of the 3D view."""

    def ask(self, desk: Desk | None) -> Updates:
        """The view has come into sight and wants the points."""
        try:
            if desk is None or not desk.ready:
                return {self.page.viewport: gr.skip()}
            with desk.quick(wait=20.0) as session:
                desk.window.write(session.state.memory, session.folder)
                return {self.page.viewport: viewport.value(session, desk.window, desk.placing, desk.hint)}
        except SpatiaError:  # it asks again after the work under way
            return {self.page.viewport: gr.skip()}
        except Exception as e:
            return {self.page.message: self._wrong(e)}

    def pick(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """A shape was drawn, or the selection changed as a whole; or all that while an answer was awaited."""
        data = heard(None if desk is None else desk.window, event)

        def work(session: Session) -> str:
            assert desk is not None
            steps = [self._step_of(session, told) for told in steps_of(data)]
            points = session.select_in_space(*steps)
            desk.forget_move()
            return counted(session, steps[-1], int(points.sum()))

        return self._quick(desk, work)

    def _step_of(self, session: Session, data: Any) -> Step:
        data, memory = fields_of(data), session.state.memory
        if data.get("kind") != "click":
            return read_step(data, memory)
        camera = read_camera(data.get("camera"))
        x, y = numbers(data.get("at"), "the place", 2, 1e5)
        # what else the message says is read as for a shape
        how = read_step({**data, "kind": "everything"}, memory)
        assert isinstance(how, Drawn)
        return Drawn(thing_in_view(session.tools.segmenter, memory, camera, x, y), how.how)

    def place(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """The gizmo was let go: the same preview and numbers as for any other move."""

        def work(session: Session) -> str:
            assert desk is not None
            data = fields_of(event._data)
            x, y, z = numbers(data.get("offset"), "the move", 3, 1e3)
            turn = numbers(data.get("turn", [0, 0, 0]), "the turn", 3, 7.0)
            size = number(data.get("size", 1), "the size", 1 / MOST_SIZE, MOST_SIZE)
            a, b, c = (round(float(v), 5) for v in session.state.camera.w2c[:3, :3] @ turn)
            offset = session.along_camera((x, y, z), desk.on_ground)
            desk.target = None
            self._try(desk, session, Placing(offset, (a, b, c), size, desk.on_ground))
            return f"This is how it would look. {desk.hint} Press Move it here to keep it, or drag on."

        return self._quick(desk, work)

    def object(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """A key of the view that hides the selection or shows all."""

        def work(session: Session) -> str:
            assert desk is not None
            wanted = fields_of(event._data).get("do")
            if wanted not in ("hide", "show"):
                raise InvalidInput("The 3D view asked for something unknown. Reload the page and try again.")
            desk.forget_move()
            if wanted == "show":
                session.show_all()
                return "Everything is shown again."
            session.hide()
            return "It is hidden in the picture and in 3D; the clips still hold it. U shows it again."

        return self._quick(desk, work, whole=True)


def steps_of(data: dict[str, Any]) -> list[Any]:
    """The steps of a message, from the last shape that takes the place of everything; InvalidInput for none."""
    told = data.get("steps")
    if not isinstance(told, list) or not told:
        raise InvalidInput("What the 3D view sent cannot be used. Reload the page and try again.")
    anew = [i for i, step in enumerate(told) if isinstance(step, dict) and step.get("how") == "replace"]
    anew = [i for i in anew if told[i].get("kind") not in ("invert", "grow")]
    told = told[anew[-1] if anew else 0 :]
    if len(told) > MOST_STEPS:
        raise InvalidInput(
            f"{len(told)} shapes came at once, and {MOST_STEPS} are the most; the selection is as it was. "
            "Draw the last one again."
        )
    return told


def counted(session: Session, step: Step, count: int) -> str:
    """What is selected now, by the name of how it was selected."""
    if not count:
        return "Nothing is selected."
    said = f"{count:,} points are selected"
    shape = step.shape if isinstance(step, Drawn) else None
    if not isinstance(shape, InView) or (isinstance(step, Drawn) and step.how != "replace"):
        return f"{said}. Refine it, or go on to step 3."
    other = int(InView(shape.camera, shape.mask, not shape.through).points(session.state.memory).sum())
    if shape.through:
        return f"Through: {said}; {other:,} of them are seen from here."
    return f"Only what you see: {said}; through, it would be {other:,}."
