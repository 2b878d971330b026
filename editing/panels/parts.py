"""The page's own components: HTML with a little JavaScript of ours, no outside request."""

import html
from pathlib import Path
from typing import Any

import gradio as gr

WEB = Path(__file__).parents[2] / "assets" / "web"

_STAGE = """
<div class="stage-tools" role="group" aria-label="Tools"></div>
<div class="stage-frame" tabindex="0" role="application" data-mode="add"
     aria-label="The picture. Arrow keys move a crosshair, Enter clicks, Shift+Enter excludes, Escape cancels.">
  <img class="stage-image" alt="The scene as the memory holds it" draggable="false">
  <img class="stage-preview" alt="The scene after the move" draggable="false" hidden>
  <canvas></canvas>
</div>
<p class="stage-hint" aria-live="polite"></p>
<p class="placeholder">Your picture appears here once a photo is open.</p>
"""

_STRIP = """
<div class="strip" role="group" aria-label="${strip_label}" data-empty="${strip_empty}">
{{#each value}}<button type="button" data-name="{{name}}" aria-pressed="{{chosen}}" title="{{label}}">
<img src="{{image}}" alt=""><span>{{label}}</span></button>{{/each}}
</div>
"""

_THINGS = """
<p class="how" hidden>Things found: point at one, here or in the picture. Shift adds it.</p>
<div class="strip" role="group" aria-label="Things found in the picture"></div>
"""

_PICK = """
element.addEventListener('click', (e) => {
  const b = e.target.closest('button');
  if (b) trigger('pick', { name: b.dataset.name });
});
"""


def _script(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def stage(**props: Any) -> gr.HTML:
    """The picture that is clicked on; events point, frame, aim, drag, drop."""
    js = _script("stage.js") + "\nmountStage(element, props, trigger, watch);"
    return gr.HTML(None, html_template=_STAGE, js_on_load=js, elem_classes="stage", **props)


def player(placeholder: str, **props: Any) -> gr.HTML:
    """One or two clips in step."""
    js = _script("player.js") + "\nmountPlayer(element, props, watch);"
    template = f'{_script("player.html")}<p class="placeholder">{html.escape(placeholder)}</p>'
    return gr.HTML(None, html_template=template, js_on_load=js, elem_classes="player", **props)


def picture_strip(label: str, value: list[dict[str, Any]] | None = None, empty: str = "", **props: Any) -> gr.HTML:
    """A row of small pictures to pick from; event pick.

    With `empty`, what is said as long as there are none, the row has its label above it and keeps its place, so that
    nothing below it moves away from under the pointer when the pictures come.
    """
    template = f'<p class="how">{html.escape(label)}</p>{_STRIP}' if empty else _STRIP
    words = {"strip_label": label, "strip_empty": empty}
    return gr.HTML(value or [], html_template=template, js_on_load=_PICK, **words, **props)


def things(**props: Any) -> gr.HTML:
    """The things found in the picture, as small pictures and as outlines on the stage; event pick."""
    js = _script("things.js") + "\nmountThings(element, props, trigger, watch);"
    return gr.HTML([], html_template=_THINGS, js_on_load=js, elem_classes="things", **props)


HAND_OVER = """(file) => {
  if (!file) return;
  const link = document.createElement('a');
  link.href = file.url;
  link.download = file.orig_name || file.path.split('/').pop();
  document.body.append(link);
  link.click();
  link.remove();
}"""
"""Client side: the browser saves the file that a handler has just written."""
