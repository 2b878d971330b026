"""Spatia Studio in the browser: layout and wiring. What happens is in editing.panels."""

import argparse
import importlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

if os.environ.get("SPACES_ZERO_GPU"):
    importlib.import_module("spaces")  # where GPUs are lent it must come before anything that may touch one

import gradio as gr

from editing import choosing
from editing.panels import filming, limits, links, operations, parts, pictures, viewport
from editing.panels.api import add_endpoints
from editing.panels.desk import Studio
from editing.panels.downloads import DOWNLOADS
from editing.panels.handlers import EXAMPLES
from editing.panels.page import Page
from editing.panels.steps import compare_step, film_step, head
from editing.panels.theme import studio_theme
from editing.tools import Choice, parse_options
from spatia_core.backends import registry

HOUR = 3600
MAX_UPLOAD = "620mb"
"""A session file may be this large; photos and depth maps have their own, lower limits."""

TITLE = """
<header class="masthead"><h1>Spatia Studio</h1>
<p>One photo becomes a 3D memory. Click a thing, delete or move it, and film the change.</p></header>
"""


def what_runs(choice: Choice) -> str:
    """The backends of this installation and how far to trust them."""
    depth, segmenter, generator, tracker = (choice.name(kind) for kind in registry.KINDS)
    trusts = ", which trusts the camera" if tracker == "commanded" else ", which measures the camera"
    grade = " Depth from one photo is layout-grade: good for small camera moves, not for measuring."
    return (
        f'<p class="runs"><b>What runs here</b> depth {depth} &middot; segmenter {segmenter} &middot; '
        f"generator {generator} &middot; tracker {tracker}{trusts}.{grade if depth == 'nano' else ''}</p>"
    )


def photo_step() -> dict[str, Any]:
    """Step 1."""
    head(1, "Open a photo", "Drop a photo, a short video, or a session you saved. It stays in this tab's own folder.")
    with gr.Row(elem_classes="split"):
        with gr.Column(scale=5, min_width=280):
            upload = gr.File(
                file_types=["image", "video", ".spatia"],
                show_label=False,
                height=150,
                elem_id="upload",
                label="Photo, video or session",
            )
            gr.HTML('<p class="how">Or pick an example:</p>')
            examples = parts.picture_strip("Example photos", pictures.example_strip(EXAMPLES), elem_id="examples")
            with gr.Accordion("Options: depth map, lens, size", open=False, elem_id="options"):
                depth = gr.File(label="Depth map (.npy, .npz, 16-bit .png in mm, .exr)", height=110, elem_id="depth")
                lens = gr.File(label="Lens (.txt: fx fy cx cy, or a 3x3 matrix)", height=110, elem_id="lens")
                size = gr.Textbox(label="Size of the clips", placeholder="832x480", max_lines=1, elem_id="size")
        with gr.Column(scale=6, min_width=280):
            first = parts.player("The initial clip appears here.", elem_id="first")
            facts = gr.HTML("", elem_id="facts")
    return {"upload": upload, "examples": examples, "facts": facts, "first": first} | {
        "_depth": depth,
        "_lens": lens,
        "_size": size,
    }


def select_step() -> dict[str, Any]:
    """The rest of step 2, beside the stage."""
    find = gr.Button("Find things for me", size="sm", interactive=False, elem_id="find")
    things = parts.things(elem_id="things")
    candidates = parts.picture_strip(
        "Masks for these clicks",
        empty="Where a click can mean things of several sizes, the others come here.",
        elem_id="candidates",
    )
    with gr.Row(elem_classes="buttons"):
        take_back = gr.Button("Take back", size="sm", interactive=False, elem_id="take-back")
        start_over = gr.Button("Start over", size="sm", interactive=False, elem_id="start-over")
    grow = gr.Slider(-30, 30, value=0, step=1, label="Grow or shrink, pixels", interactive=False, elem_id="grow")
    gr.HTML('<p class="how">Put together with the next clicks:</p>')
    with gr.Row(elem_classes="buttons"):
        join = gr.Button("Add", size="sm", interactive=False, elem_id="join")
        cut = gr.Button("Cut out", size="sm", interactive=False, elem_id="cut")
        overlap = gr.Button("Overlap", size="sm", interactive=False, elem_id="overlap")
    return {
        "find": find,
        "things": things,
        "candidates": candidates,
        "take_back": take_back,
        "start_over": start_over,
        "grow": grow,
        "join": join,
        "cut": cut,
        "overlap": overlap,
    }


def change_step() -> dict[str, Any]:
    """Step 3, beside the stage."""
    head(
        3, "Delete or move it", "What was behind is filled in. To move, choose Drag above the picture or type numbers."
    )
    delete = gr.Button("Delete", variant="primary", interactive=False, elem_id="delete")
    with gr.Row(elem_classes="numbers"):
        x, y, z = (
            gr.Number(0, label=label, step=0.05, minimum=-20, maximum=20, interactive=False, min_width=72, elem_id=name)
            for name, label in (("x", "x right"), ("y", "y down"), ("z", "z away"))
        )
    on_ground = gr.Checkbox(True, label="Keep it on the ground", interactive=False, elem_id="on-ground")
    gr.HTML('<p class="how">1 is the middle distance of the scene.</p>')
    move = gr.Button("Move it here", variant="primary", interactive=False, elem_id="move")
    more = operations.turn_step() | operations.colour_step() | operations.walk_step() | operations.insert_step()
    return more | {"delete": delete, "x": x, "y": y, "z": z, "on_ground": on_ground, "move": move}


def dock() -> dict[str, Any]:
    """The line that stays in sight: what is going on, undo, redo, cancel."""
    with gr.Row(elem_id="dock"):
        message = gr.HTML("", elem_id="message")
        undo = gr.Button("Undo", size="sm", interactive=False, elem_id="undo", min_width=80)
        redo = gr.Button("Redo", size="sm", interactive=False, elem_id="redo", min_width=80)
        cancel = gr.Button("Cancel", size="sm", variant="stop", interactive=False, elem_id="cancel", min_width=80)
    return {"message": message, "undo": undo, "redo": redo, "cancel": cancel}


def layout(studio: Studio) -> tuple[Page, list[Any]]:
    """All components of the page, and the inputs that only opening reads."""
    desk = gr.State(None, delete_callback=lambda d: d and d.leave())
    gr.HTML(TITLE + what_runs(studio.choice))
    with gr.Column(elem_classes="card"):
        made = photo_step()
    with gr.Row(elem_classes="card split"):
        with gr.Column(scale=7, min_width=300, elem_classes="sticky"):
            head(2, "Click the thing", "One click is often enough. More clicks, Not this, or a box refine it.")
            stage = parts.stage(elem_id="stage")
        with gr.Column(scale=4, min_width=260):
            made |= select_step() | change_step()
    with gr.Column(elem_classes="card"):
        gr.HTML(viewport.HEADING)
        made["viewport"] = viewport.viewport(studio.root, elem_id="viewport")
        made |= operations.object_list()
    with gr.Column(elem_classes="card"):
        made |= film_step()
    with gr.Column(elem_classes="card"):
        made |= compare_step()
    made |= dock()
    opening = [made.pop(f"_{name}") for name in ("depth", "lens", "size")]
    return Page(desk=desk, stage=stage, **made), opening


def build(studio: Studio) -> gr.Blocks:
    """The page, wired."""
    with gr.Blocks(title="Spatia Studio", delete_cache=(HOUR, 6 * HOUR), analytics_enabled=False) as blocks:
        page, opening = layout(studio)
        add_endpoints(studio, page.desk)  # first: who comes first has the name
        wire(page, operations.OperationsHandlers(studio, page), opening)
    return blocks


def wire(page: Page, h: operations.OperationsHandlers, opening: Sequence[Any]) -> None:
    """Which event calls which handler."""
    hidden: dict[str, Any] = {"outputs": page.outputs, "api_visibility": "private"}
    work: dict[str, Any] = {
        **hidden,
        "concurrency_id": "work",
        "concurrency_limit": 2,
        "show_progress_on": page.message,
    }
    quick: dict[str, Any] = {**hidden, "concurrency_limit": 8, "show_progress": "hidden"}
    newest: dict[str, Any] = {**quick, "trigger_mode": "always_last"}
    each: dict[str, Any] = {**quick, "trigger_mode": "multiple"}
    back = [gr.Textbox(visible=False), gr.Textbox(visible=False)]
    gr.on(None, h.start, back, js=links.ASKED, **quick)
    page.upload.upload(h.open, [page.desk, page.upload, *opening, *page.shot], **work)
    page.examples.pick(h.example, [page.desk, opening[-1], *page.shot], **work)
    page.stage.point(h.point, page.desk, **each)
    page.stage.frame(h.frame, page.desk, **each)
    page.stage.aim(h.aim, page.desk, **work)
    page.stage.drag(h.drag, page.desk, **newest)
    page.stage.drop(h.drop, page.desk, **newest)
    page.viewport.ask(h.ask, page.desk, **newest)
    page.viewport.pick(h.pick, page.desk, **each)
    page.viewport.aim(h.aim, page.desk, **work)
    page.viewport.place(h.place, page.desk, **newest)
    page.viewport.object(h.object, page.desk, **quick)
    operations.wire(page, h, {"quick": quick, "newest": newest, "work": work})
    page.find.click(h.find_things, page.desk, **work)
    page.things.pick(h.pick_thing, page.desk, **each)
    page.candidates.pick(h.choose, page.desk, **each)
    page.grow.release(h.grow, [page.desk, page.grow], **newest)
    for name in ("start_over", "join", "cut", "overlap"):
        getattr(page, name).click(getattr(h, name), page.desk, **quick)
    for name in ("take_back", "undo", "redo"):  # pressed three times quickly they mean three steps
        getattr(page, name).click(getattr(h, name), page.desk, **each)
    move = [page.desk, page.x, page.y, page.z, page.on_ground]
    for field in (page.x, page.y, page.z, page.on_ground):
        field.input(h.numbers, move, **newest)
    page.delete.click(h.delete, page.desk, **work)
    page.move.click(h.move, page.desk, **work)
    filming.wire(page, h, {"quick": quick, "newest": newest, "work": work})
    page.trajectory.upload(h.trajectory, [page.desk, page.trajectory, *page.shot], **quick)
    page.regenerate.click(h.regenerate, [page.desk, *page.shot], **work)
    page.cancel.click(h.cancel, page.desk, None, concurrency_limit=8, api_visibility="private")
    wire_downloads(page, h.save)


def wire_downloads(page: Page, save: Callable[[str], Callable[..., Any]]) -> None:
    """Each download is written when it is asked for, then handed to the browser."""
    file = gr.File(visible="hidden", elem_id="handed")
    for what in DOWNLOADS:
        getattr(page, f"save_{what}").click(
            save(what),
            page.desk,
            [file, page.message],
            concurrency_id="work",
            show_progress_on=page.message,
            api_visibility="private",
        ).then(None, file, None, js=parts.HAND_OVER, api_visibility="private")


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    p.add_argument("--port", type=int, default=None, help="default: GRADIO_SERVER_PORT, or a free one from 7860")
    p.add_argument("--share", action="store_true", help="a public link through Gradio's servers; off unless asked for")
    for kind in registry.KINDS:
        p.add_argument(f"--{kind}-backend", default=getattr(Choice(), kind), choices=choosing.names(kind))
    p.add_argument("--set", action="append", default=[], metavar="KIND.NAME=VALUE", help="tell a backend something")
    return p.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """The app runs until it is stopped."""
    args = arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    choice = Choice(
        args.depth_backend,
        args.segmenter_backend,
        args.generator_backend,
        args.tracker_backend,
        parse_options(args.set),
    )
    with tempfile.TemporaryDirectory(prefix="spatia-studio-") as folder:
        studio = Studio(Path(folder), choice)
        threading.Thread(target=studio.warm, args=(sorted(EXAMPLES.glob("*.jpg")),), daemon=True).start()
        blocks = build(studio).queue(max_size=40, default_concurrency_limit=8)
        blocks.launch(
            server_name=args.host,
            server_port=args.port,
            share=args.share,
            allowed_paths=[folder],
            max_file_size=MAX_UPLOAD,
            app_kwargs=limits.guarded(),
            theme=studio_theme(),
            css_paths=[parts.WEB / f"{sheet}.css" for sheet in ("app", "player", "viewport", "timeline")],
            footer_links=["api", "gradio"],
            ssr_mode=False,
        )


if __name__ == "__main__":
    main()
