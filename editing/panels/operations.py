"""Turning, resizing, copying, recolouring, walking, inserting and the list of objects: their controls and handlers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from editing import views
from editing.edits import NOTHING, Along, Triple
from editing.guests import MODELS, Donor, read_thing
from editing.panels import pictures
from editing.panels.desk import Desk
from editing.panels.handlers import clicks_of, heard
from editing.panels.page import Page, Updates, note
from editing.panels.space import SpaceHandlers
from editing.recolouring import look_of
from editing.session import Session
from editing.viewport import fields_of
from spatia_core.errors import InvalidInput

FILL_WORDS = {
    "Completed from around": "completed",
    "Left to the generator": "hole",
    "Plain": "plain",
}

_LIST = """
<ul class="objects" aria-label="Objects">
{{#each value}}<li data-key="{{key}}" class="{{state}}">
<input type="color" value="{{colour}}" aria-label="Colour of {{name}}" data-do="colour">
<input type="text" value="{{name}}" maxlength="60" aria-label="Name" data-do="name">
<span class="count">{{points}}</span>
<button type="button" data-do="select" aria-pressed="{{chosen}}">Select</button>
<button type="button" data-do="hidden" aria-pressed="{{hidden}}" title="Not shown in the picture and the 3D view, nor selected; clips still hold it">Hide</button>
<button type="button" data-do="locked" aria-pressed="{{locked}}" title="Not selected by clicks and shapes">Lock</button>
<button type="button" data-do="drop" aria-label="Take {{name}} off the list" title="Off the list; its points stay">&times;</button>
</li>{{/each}}
</ul>
"""  # noqa: E501

_LIST_EVENTS = """
const tell = (e, value) => {
  const item = e.target.closest('li');
  const what = e.target.dataset.do;
  if (item && what) trigger('pick', { key: item.dataset.key, do: what, value });
};
element.addEventListener('click', (e) => {
  const pressed = e.target.getAttribute('aria-pressed');
  if (e.target.tagName === 'BUTTON') tell(e, pressed !== 'true');
});
element.addEventListener('change', (e) => tell(e, e.target.value));
"""


def turn_step() -> dict[str, Any]:
    """Below step 3's numbers: turn, size, copy, fill."""
    with gr.Accordion("Turn, resize, copy", open=False, elem_id="turning"):
        with gr.Row(elem_classes="numbers"):
            turns = [
                gr.Number(
                    0, label=label, step=5, minimum=-360, maximum=360, interactive=False, min_width=72, elem_id=name
                )
                for name, label in (
                    ("tip", "tip °"),
                    ("turn", "turn °"),
                    ("roll", "roll °"),
                )
            ]
        size = gr.Number(
            1, label="times as large", step=0.1, minimum=0.05, maximum=20, interactive=False, elem_id="times"
        )
        gr.HTML('<p class="how">Turn goes clockwise, seen from above. Press Move it here to keep it.</p>')
        copy = gr.Button("Copy it here", size="sm", interactive=False, elem_id="duplicate")
    with gr.Accordion("What comes where it stood", open=False, elem_id="filling"):
        fill = gr.Radio(
            list(FILL_WORDS), value="Completed from around", show_label=False, container=False, elem_id="fill"
        )
        shadow = gr.Checkbox(False, label="Take its shadow along", elem_id="shadow")
        reflection = gr.Checkbox(False, label="Take its reflection along", elem_id="reflection")
        everywhere = gr.Checkbox(True, label="Change it as every view shows it", visible=False, elem_id="everywhere")
    return dict(zip(("turn_x", "turn_y", "turn_z"), turns, strict=True)) | {
        "times": size,
        "duplicate": copy,
        "fill": fill,
        "shadow": shadow,
        "reflection": reflection,
        "everywhere": everywhere,
    }


def colour_step() -> dict[str, Any]:
    """Other colours for the selection."""
    with gr.Accordion("Colour", open=False, elem_id="colouring"):
        tint = gr.ColorPicker("#c0392b", label="Tint", interactive=True, elem_id="tint")
        strength = gr.Slider(0, 1, value=0, step=0.05, label="How much of it", interactive=True, elem_id="strength")
        brightness = gr.Slider(0.2, 2, value=1, step=0.05, label="Brightness", interactive=True, elem_id="brightness")
        saturation = gr.Slider(0, 2, value=1, step=0.05, label="Saturation", interactive=True, elem_id="saturation")
        recolour = gr.Button("Recolour", size="sm", interactive=False, elem_id="recolour")
    named = {"tint": tint, "strength": strength, "brightness": brightness, "saturation": saturation}
    return named | {"recolour": recolour}


def walk_step() -> dict[str, Any]:
    """A way for the selection."""
    with gr.Accordion("Let it move in the clip", open=False, elem_id="walking"):
        gr.HTML(
            '<p class="how">Drag it to where it should go and press Add stop, as often as you like; then Animate.</p>'
        )
        with gr.Row(elem_classes="buttons"):
            add_stop = gr.Button("Add stop", size="sm", interactive=False, elem_id="add-stop")
            clear_way = gr.Button("Clear", size="sm", interactive=False, elem_id="clear-way")
            animate = gr.Button("Animate", size="sm", variant="primary", interactive=False, elem_id="animate")
        way_says = gr.HTML("", elem_id="way-says")
    return {"add_stop": add_stop, "clear_way": clear_way, "animate": animate, "way_says": way_says}


def insert_step() -> dict[str, Any]:
    """A thing from elsewhere."""
    with gr.Accordion("Insert a thing", open=False, elem_id="inserting"):
        gr.HTML('<p class="how">From another photo (click on the thing in it), or a .ply or .glb file.</p>')
        guest = gr.File(
            file_types=["image", *MODELS], show_label=False, height=110, elem_id="guest", label="Photo or model"
        )
        donor = gr.Image(
            visible="hidden",
            interactive=False,
            show_label=False,
            buttons=[],
            elem_id="donor",
            label="Click on the thing",
        )
    return {"guest": guest, "donor": donor}


def object_list() -> dict[str, Any]:
    """Below the 3D view: selections that were kept."""
    gr.HTML('<p class="how objects-head"><b>Objects</b> Keep a selection to find it again, hide it or lock it.</p>')
    objects = gr.HTML([], html_template=_LIST, js_on_load=_LIST_EVENTS, elem_id="objects")
    with gr.Row(elem_classes="buttons"):
        keep = gr.Button("Keep the selection", size="sm", interactive=False, elem_id="keep")
        show_all = gr.Button("Show all", size="sm", interactive=False, elem_id="show-all")
    return {"objects": objects, "keep": keep, "show_all": show_all}


class OperationsHandlers(SpaceHandlers):
    """The page's events with those of these controls."""

    def placed(self, desk: Desk | None, x: Any, y: Any, z: Any, size: Any) -> Updates:
        """The preview of a turn and a size typed as numbers."""

        try:
            if desk is None:
                raise InvalidInput("Open a photo first.")
            with desk.quick() as session:
                a, b, c = (float(v) for v in np.deg2rad([float(v or 0) for v in (x, y, z)]))
                self._try(desk, session, replace(desk.placing, turn=(a, b, c), size=float(size or 1)))
                return self._tried(desk)
        except Exception as e:
            return {self.page.message: self._wrong(e)}

    def chose_fill(self, desk: Desk | None, words: str) -> None:
        """What comes where a thing stood, from now on."""
        if desk is not None:
            desk.fill = FILL_WORDS.get(words, "completed")  # type: ignore[assignment]

    def chose_along(self, desk: Desk | None, shadow: bool, reflection: bool, everywhere: bool) -> Updates:
        """What goes the way of the thing, from now on; says at once whether it is found."""
        if desk is None or not desk.ready:
            return {}

        def work(session: Session) -> str:
            if session.everywhere != bool(everywhere):
                session.everywhere = bool(everywhere)
                what = "looked for in every view of the memory" if everywhere else "what this view shows of it"
                return f"What is changed next is {what}."
            session.along = along = Along(bool(shadow), bool(reflection))
            if along == NOTHING:
                return "Shadows and reflections stay where they are."
            if desk.some_selected:
                return session.along_says
            what = " and ".join(n for n, yes in (("shadow", along.shadow), ("reflection", along.reflection)) if yes)
            return f"What is changed next takes its {what} along."

        return self._quick(desk, work)

    def duplicate(self, desk: Desk | None, progress: gr.Progress = gr.Progress()) -> Iterator[Updates]:  # noqa: B008
        """A copy stands where the preview shows it."""
        yield from self._change(
            desk, "Copying", lambda d: d.session.duplicate(d.placing), "A copy stands there.", progress
        )

    def recolour(
        self,
        desk: Desk | None,
        tint: Any,
        strength: Any,
        brightness: Any,
        saturation: Any,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Updates]:
        """The selection has other colours."""

        def change(d: Desk) -> None:
            d.session.recolour(look_of(tint, strength, brightness, saturation))

        yield from self._change(desk, "Recolouring", change, "It has new colours.", progress, clears=False)

    def recoloured(self, desk: Desk | None, tint: Any, strength: Any, brightness: Any, saturation: Any) -> Updates:
        """The preview of new colours."""

        def work(session: Session) -> str:
            assert desk is not None
            look = look_of(tint, strength, brightness, saturation)
            desk.preview = None
            if look.changes:
                desk.preview = pictures.jpeg(session.preview_edit(session.recolouring(look)), 80)
            return "These would be its colours. Press Recolour to keep them."

        return self._quick(desk, work) if desk is not None and desk.ready and desk.some_selected else {}

    def add_stop(self, desk: Desk | None) -> Updates:
        """Where the thing is tried out becomes a stop of its way."""

        def work(session: Session) -> str:
            assert desk is not None
            if not any(desk.offset):
                raise InvalidInput("Drag the thing to where it should go first.")
            start: tuple[Triple, ...] = desk.way or ((0.0, 0.0, 0.0),)
            desk.way = (*start, desk.offset)
            return "It will go there. Drag it on to the next stop, or press Animate."

        return self._quick(desk, work)

    def clear_way(self, desk: Desk | None) -> Updates:
        """No stops."""

        def work(session: Session) -> str:
            assert desk is not None
            desk.way = ()
            return "The way is empty again."

        return self._quick(desk, work)

    def animate(self, desk: Desk | None, progress: gr.Progress = gr.Progress()) -> Iterator[Updates]:  # noqa: B008
        """The selection leaves the memory and goes its way in the clip."""

        def change(d: Desk) -> None:
            way = d.way or ((0.0, 0.0, 0.0),)
            if any(d.offset) and d.offset != way[-1]:
                way = (*way, d.offset)
            d.session.animate(way, d.on_ground, d.fill)

        yield from self._change(desk, "Taking it out", change, "It moves in the next clip.", progress)

    # --- insert ----------------------------------------------------------------------------------------------------

    def guest(self, desk: Desk | None, file: str | None, progress: gr.Progress = gr.Progress()) -> Updates:  # noqa: B008
        """A file to insert from: a model is ready at once, a photo wants a click."""
        hidden = gr.update(visible="hidden", value=None)
        if file is None:
            return {self.page.donor: hidden}
        try:
            if desk is None or not desk.ready:
                raise InvalidInput("Open a photo first; then insert a thing into it.")
            desk.guest = desk.donor = None
            progress(0.2, desc="Reading it")
            if Path(file).suffix.lower() in MODELS:
                desk.guest = read_thing(file)
                said = f"{len(desk.guest):,} points. Click in the picture above where it is to stand."
                return {self.page.donor: hidden, self.page.message: note(said)}
            desk.donor = Donor.opened(file, desk.session.tools)
            picture = gr.update(visible=True, value=desk.donor.image)
            return {self.page.donor: picture, self.page.message: note("Click on the thing in your other photo.")}
        except Exception as e:
            return {self.page.donor: hidden, self.page.message: self._wrong(e)}

    def cut_out(self, desk: Desk | None, event: gr.SelectData) -> Updates:
        """A click on the other photo."""
        try:
            if desk is None or desk.donor is None:
                raise InvalidInput("Give the other photo again.")
            x, y = (float(v) for v in event.index)
            mask = desk.donor.mask(desk.session.tools, x, y)
            desk.guest = desk.donor.cut(mask)
            said = "Now click in the picture above where it is to stand; or click another thing here."
            return {self.page.donor: views.overlay(desk.donor.image, mask), self.page.message: note(said)}
        except Exception as e:
            return {self.page.message: self._wrong(e)}

    def point(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """A click on the stage; the first after something was brought along puts it there."""
        if desk is None or desk.guest is None:
            return super().point(desk, event)
        data = heard(desk, event)

        def work(session: Session) -> str:
            assert desk is not None
            at = clicks_of(data)[0]
            guest, desk.guest = desk.guest, None
            assert guest is not None
            session.insert(guest, at.x, at.y)
            desk.forget_move()
            return "It stands there and is selected: drag it, turn or resize it, or undo."

        return self._quick(desk, work, whole=True)

    # --- objects ---------------------------------------------------------------------------------------------------

    def keep(self, desk: Desk | None) -> Updates:
        """The selection is in the list."""

        def work(session: Session) -> str:
            key = session.keep()
            return f"{session.state.objects[key].name} is in the list of objects."

        return self._quick(desk, work, whole=True)

    def show_all(self, desk: Desk | None) -> Updates:
        """Nothing is hidden."""

        def work(session: Session) -> str:
            session.show_all()
            return "Everything is shown again."

        return self._quick(desk, work, whole=True)

    def in_list(self, desk: Desk | None, event: gr.EventData) -> Updates:
        """A button or field of the list."""

        def work(session: Session) -> str:
            data = fields_of(event._data)
            key, what, value = str(data.get("key")), data.get("do"), data.get("value")
            item = session.state.objects[key]
            if what == "select":
                assert desk is not None
                desk.forget_move()
                return f"{item.name}: {int(session.select_object(key).sum()):,} points are selected."
            if what == "drop":
                session.drop_object(key)
                return f"{item.name} is off the list; its points stay."
            if what in ("hidden", "locked"):
                session.change_object(key, **{what: bool(value)})
                hidden, locked = ("hidden here; clips still hold it", "shown again"), ("locked", "free again")
                words = hidden if what == "hidden" else locked
                return f"{item.name} is {words[0] if value else words[1]}."
            if what in ("name", "colour"):
                session.change_object(key, **{what: value})
                return "The list is changed."
            raise InvalidInput("The list asked for something unknown. Reload the page and try again.")

        return self._quick(desk, work, whole=True)


def wire(page: Page, h: OperationsHandlers, lanes: dict[str, dict[str, Any]]) -> None:
    """Which event calls which handler; `lanes` are how quick, newest and work events run."""
    quick, newest, work = lanes["quick"], lanes["newest"], lanes["work"]
    numbers = [page.turn_x, page.turn_y, page.turn_z, page.times]
    for field in numbers:
        field.input(h.placed, [page.desk, *numbers], **newest)
    page.fill.input(h.chose_fill, [page.desk, page.fill], None, api_visibility="private")
    along = [page.shadow, page.reflection, page.everywhere]
    for field in along:
        field.input(h.chose_along, [page.desk, *along], **newest)
    page.duplicate.click(h.duplicate, page.desk, **work)
    look = [page.tint, page.strength, page.brightness, page.saturation]
    for field in look:
        field.input(h.recoloured, [page.desk, *look], **newest)
    page.recolour.click(h.recolour, [page.desk, *look], **work)
    for name in ("add_stop", "clear_way", "keep", "show_all"):
        getattr(page, name).click(getattr(h, name), page.desk, **quick)
    page.animate.click(h.animate, page.desk, **work)
    page.guest.change(h.guest, [page.desk, page.guest], **work)
    page.donor.select(h.cut_out, page.desk, **work)
    page.objects.pick(h.in_list, page.desk, **quick)
