"""Steps 4 and 5 of the page: the camera, the clips side by side, the downloads."""

from typing import Any

import gradio as gr

from editing.filming import Shot
from editing.panels import links, parts, timeline, versions
from editing.panels.downloads import DOWNLOADS, OTHER_FORMS
from editing.panels.page import path_sentence
from editing.timeline import MAX_FRAMES
from spatia_core.camera_path import BASE_NAMES


def head(number: int, title: str, how: str) -> None:
    """The heading of a step with its one-line instruction."""
    gr.HTML(f'<div class="step"><span>{number}</span><h2>{title}</h2></div><p class="how">{how}</p>')


def film_step() -> dict[str, Any]:
    """Step 4."""
    head(
        4,
        "Regenerate",
        "Films the memory as it is now; 24 frames are one second. Choose another camera if you like.",
    )
    shot = Shot()
    with gr.Row(elem_classes="camera"):
        names = [(n.replace("-", " ").capitalize(), n) for n in BASE_NAMES]
        with gr.Column(scale=3, min_width=220):
            path = gr.Dropdown(names, value=shot.path, label="Camera move", elem_id="path")
            back = gr.Checkbox(False, label="And back to the first view", elem_id="back")
        amount = gr.Slider(0.1, 3, value=shot.amount, step=0.1, label="Amount", min_width=160, elem_id="amount")
        frames = gr.Slider(2, MAX_FRAMES, value=shot.frames, step=1, label="Frames", min_width=160, elem_id="frames")
        seed = gr.Number(shot.seed, label="Seed", precision=0, min_width=80, elem_id="seed")
    says = gr.HTML(path_sentence(shot.path), elem_id="path-says")
    way = timeline.timeline(elem_id="timeline")
    prompts = gr.Textbox(
        label="Prompts, one line a round",
        info="The last line holds for all further rounds.",
        lines=2,
        max_lines=8,
        visible=False,
        elem_id="prompts",
    )
    with gr.Row(elem_classes="buttons"):
        regenerate = gr.Button("Regenerate", variant="primary", interactive=False, elem_id="regenerate")
        go_on = gr.Button("Continue the clip", variant="primary", visible=False, elem_id="go-on")
        large = gr.Button("Preview at full size", interactive=False, elem_id="preview-large")
        trajectory = gr.UploadButton(
            "Use a trajectory file", file_types=[".txt", ".json"], variant="secondary", elem_id="trajectory"
        )
    made = {"path": path, "back": back, "amount": amount, "frames": frames, "seed": seed, "path_says": says}
    buttons = {"regenerate": regenerate, "go_on": go_on, "preview_large": large, "trajectory": trajectory}
    return made | buttons | {"timeline": way, "prompts": prompts}


def compare_step() -> dict[str, Any]:
    """Step 5."""
    head(
        5, "Compare and take home", "Both clips play in step. Every clip is kept: compare any two, go on from any one."
    )
    clips = versions.strip(elem_id="clips")
    result = parts.player("Your clip appears here, and the edited one beside it.", elem_id="result")
    trust = gr.HTML("", elem_id="trust")
    gr.HTML('<p class="how">Film, share pack and share page show the two clips that play above.</p>')
    with gr.Row(elem_classes="buttons"):
        made = {f"save_{n}": _save(n) for n in DOWNLOADS if n not in OTHER_FORMS}
    with gr.Accordion("The memory for other programs", open=False, elem_id="forms"):
        gr.HTML('<p class="how">Blender and browsers open .glb, splat viewers .ply and .splat, trainers the .zip.</p>')
        with gr.Row(elem_classes="buttons"):
            made |= {f"save_{n}": _save(n) for n in OTHER_FORMS}
    link = links.link_button(elem_id="link")
    return made | {"clips": clips, "result": result, "trust": trust, "link": link}


def _save(name: str) -> gr.Button:
    return gr.Button(DOWNLOADS[name], size="sm", interactive=False, elem_id=f"save-{name}")
