"""The page as named components, and the one function that shows a desk on them."""

import html
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from editing.filming import Shot
from editing.panels import listing, pictures, things, timeline, versions, viewport
from editing.panels.desk import Desk
from editing.panels.downloads import OTHER_FORMS
from editing.planning import reads_prompts
from spatia_core.camera_path import BASE_NAMES, PATH_DESCRIPTIONS

Updates = dict[Any, Any]


@dataclass(frozen=True, eq=False)
class Page:
    """Every component that a handler reads or changes."""

    desk: gr.State
    # 1 photo
    upload: gr.File
    examples: gr.HTML
    facts: gr.HTML
    first: gr.HTML
    # 2 select
    stage: gr.HTML
    viewport: gr.HTML
    find: gr.Button
    things: gr.HTML
    candidates: gr.HTML
    grow: gr.Slider
    take_back: gr.Button
    start_over: gr.Button
    join: gr.Button
    cut: gr.Button
    overlap: gr.Button
    # 3 change
    delete: gr.Button
    x: gr.Number
    y: gr.Number
    z: gr.Number
    on_ground: gr.Checkbox
    move: gr.Button
    turn_x: gr.Number
    turn_y: gr.Number
    turn_z: gr.Number
    times: gr.Number
    duplicate: gr.Button
    fill: gr.Radio
    shadow: gr.Checkbox
    reflection: gr.Checkbox
    everywhere: gr.Checkbox
    tint: gr.ColorPicker
    strength: gr.Slider
    brightness: gr.Slider
    saturation: gr.Slider
    recolour: gr.Button
    add_stop: gr.Button
    clear_way: gr.Button
    animate: gr.Button
    way_says: gr.HTML
    guest: gr.File
    donor: gr.Image
    objects: gr.HTML
    keep: gr.Button
    show_all: gr.Button
    # 4 film
    path: gr.Dropdown
    back: gr.Checkbox
    amount: gr.Slider
    frames: gr.Slider
    seed: gr.Number
    trajectory: gr.UploadButton
    path_says: gr.HTML
    timeline: gr.HTML
    preview_large: gr.Button
    prompts: gr.Textbox
    regenerate: gr.Button
    go_on: gr.Button
    # 5 compare
    clips: gr.HTML
    result: gr.HTML
    trust: gr.HTML
    save_clip: gr.Button
    save_pair: gr.Button
    save_pack: gr.Button
    save_page: gr.Button
    save_session: gr.Button
    save_camera: gr.Button
    save_memory: gr.Button
    save_glb: gr.Button
    save_gaussians: gr.Button
    save_splat: gr.Button
    save_dataset: gr.Button
    link: gr.HTML
    # dock
    message: gr.HTML
    undo: gr.Button
    redo: gr.Button
    cancel: gr.Button

    @property
    def outputs(self) -> list[Any]:
        """What `shown`, `busy` and `said` may change."""
        reads_only = ("examples",)
        return [getattr(self, f.name) for f in fields(self) if f.name not in reads_only]

    @property
    def shot(self) -> list[Any]:
        """The components that say how to film."""
        return [self.path, self.back, self.amount, self.frames, self.seed]

    @property
    def sharing(self) -> tuple[gr.Button, ...]:
        """The downloads that need both clips."""
        return self.save_pair, self.save_pack, self.save_page

    def buttons(self) -> list[gr.Button]:
        """Everything that starts work."""
        return [getattr(self, f.name) for f in fields(self) if f.type is gr.Button and f.name != "cancel"]

    def busy(self, doing: str) -> Updates:
        """The page while something longer is under way: nothing but Cancel can be pressed."""
        off: Updates = {b: gr.update(interactive=False) for b in self.buttons()}
        return off | {self.cancel: gr.update(interactive=True), self.message: note(doing, "working")}

    def shown(self, desk: Desk, message: str | dict[str, Any] = "") -> Updates:
        """The page for the desk's present state."""
        note_ = message if isinstance(message, dict) else note(message)
        out: Updates = {self.desk: desk, self.message: note_, self.cancel: gr.update(interactive=False)}
        if not desk.ready:
            return out | {b: gr.update(interactive=False) for b in self.buttons()}
        session = desk.session
        state = session.state
        return (
            out
            | self._selecting(desk)
            | self.camera(desk)
            | {
                self.find: gr.update(interactive=session.things is None),
                self.everywhere: gr.update(visible=len(state.memory.keyframes) > 1),
                self.things: things.value(session),
                self.link: desk.link,
                self.facts: pictures.facts(session),
                self.first: pictures.player([("Initial clip", state.before)]),
                self.clips: versions.value(session, desk.pair),
                self.result: pictures.player(versions.shown(session, desk.pair)),
                self.trust: pictures.trust(desk),
                self.regenerate: gr.update(interactive=True),
                self.prompts: gr.update(visible=reads_prompts(session.tools.turn.generator)),
                self.preview_large: gr.update(interactive=True),
                self.go_on: gr.update(
                    interactive=True,
                    visible=any(t is not None and t.footage.stopped for t in (state.before, state.after)),
                ),
                self.save_clip: gr.update(interactive=state.before is not None),
                **{b: gr.update(interactive=bool(state.after or desk.chosen)) for b in self.sharing},
                self.save_session: gr.update(interactive=True),
                self.save_camera: gr.update(interactive=state.before is not None or state.keys is not None),
                **{getattr(self, f"save_{form}"): gr.update(interactive=True) for form in ("memory", *OTHER_FORMS)},
            }
        )

    def selected(self, desk: Desk, message: str | dict[str, Any] = "") -> Updates:
        """What changes on the page with the selection alone."""
        told = {self.message: message if isinstance(message, dict) else note(message)}
        return self._selecting(desk) | self.history(desk) | told

    def _selecting(self, desk: Desk) -> Updates:
        picking = desk.session.picking
        stage = pictures.stage(desk)
        some = (stage is not None and stage["mask"] is not None) or desk.session.selects_in_space
        in_space = picking.solid is not None and picking.drawn is not None
        touched = bool(picking.clicks or picking.box or picking.mask is not None or in_space)
        x, y, z = desk.offset
        return {
            self.stage: stage,
            self.candidates: pictures.candidates(desk.session),
            self.viewport: viewport.value(desk.session, desk.window, desk.placing, desk.hint),
            self.grow: gr.update(value=picking.grow, interactive=some and not in_space),
            self.take_back: gr.update(interactive=touched),
            self.start_over: gr.update(interactive=touched),
            **{b: gr.update(interactive=some) for b in (self.join, self.cut, self.overlap, self.delete)},
            **{n: gr.update(value=v, interactive=some) for n, v in ((self.x, x), (self.y, y), (self.z, z))},
            self.on_ground: gr.update(value=desk.on_ground, interactive=some),
            self.move: gr.update(interactive=some and desk.placing.changes),
        } | listing.shown(self, desk, some)

    def history(self, desk: Desk) -> Updates:
        """What undo and redo say."""
        session = desk.session
        back, on = session.undo_label, session.redo_label
        return {
            self.undo: gr.update(value=f"Undo: {back}" if back else "Undo", interactive=session.can_undo),
            self.redo: gr.update(value=f"Redo: {on}" if on else "Redo", interactive=session.can_redo),
        }

    def camera(self, desk: Desk) -> Updates:
        """The camera controls, for a named move, a file or keys."""
        keys, shot = desk.session.state.keys, desk.drafts.shot
        named = shot.path.removesuffix("-and-back") if keys is None else None
        update: Updates = {
            self.path: gr.update(value=named if named in BASE_NAMES else None),
            self.amount: gr.update(interactive=named in BASE_NAMES),
            self.back: gr.update(interactive=named in BASE_NAMES),
            self.timeline: timeline.value(desk.session, desk.drafts),
        }
        if keys is not None:
            update[self.frames] = gr.update(value=keys.frames)
        return update | self.history(desk) | self.says(desk)

    def shot_said(self, shot: Shot) -> Updates:
        """The camera controls as a shot that was filmed from them."""
        return {self.frames: shot.frames, self.amount: gr.update(value=shot.amount), self.seed: shot.seed} | {
            self.back: gr.update(value=shot.path.endswith("-and-back"))
        }

    def said_before(self, desk: Desk) -> Updates:
        """The controls that a page loaded anew has forgotten."""
        along = desk.session.along
        said: Updates = {self.shadow: along.shadow, self.reflection: along.reflection}
        several = len(desk.session.state.memory.keyframes) > 1
        said[self.everywhere] = gr.update(value=desk.session.everywhere, visible=several)
        return self.shot_said(desk.drafts.shot) | said | {self.prompts: "\n".join(desk.prompts)}

    def says(self, desk: Desk) -> Updates:
        """The camera move in plain words."""
        sentence = timeline.camera_sentence(desk.session, desk.drafts.shot)
        return {self.path_says: f'<p class="how">{html.escape(sentence)}</p>'}


def note(text: str, kind: str = "said") -> dict[str, Any]:
    """One line in the dock; kind is said, working or wrong."""
    return gr.update(value=f'<p class="note {kind}" role="status">{html.escape(text)}</p>')


def path_sentence(name: str, trajectory: str | None = None) -> str:
    """What the camera will do, as HTML."""
    says = f"The camera follows the file {trajectory}." if trajectory else PATH_DESCRIPTIONS[name].capitalize() + "."
    return f'<p class="how">{html.escape(says)}</p>'
