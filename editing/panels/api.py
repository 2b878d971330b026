"""The named endpoints: the whole job without the page, one session per client. Errors arrive as errors."""

from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from inspect import signature
from typing import Any

import gradio as gr

from editing import views
from editing.filming import Shot
from editing.opening import Opening
from editing.panels.api_filming import KEYS, add_filming, chosen_shot
from editing.panels.api_operations import add_operations
from editing.panels.desk import Desk, Studio
from editing.panels.downloads import DOWNLOADS, saved
from editing.panels.handlers import in_words, shot_of
from editing.session import Session
from spatia_core.backends.protocols import silent
from spatia_core.camera_path import PATH_NAMES
from spatia_core.errors import InvalidInput


def summary(session: Session) -> dict[str, Any]:
    """The session's state as plain values."""
    state, mask = session.state, session.picking.mask
    take = state.after or state.before
    return views.facts(session) | {
        "selected_share": None if mask is None else round(float(mask.mean()), 6),
        "notes": [*session.source.notes, *(views.sentences(session) if take else [])],
        "comparison": None if state.after is None or state.after.comparison is None else asdict(state.after.comparison),
    }


def _clear_errors(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler with every error as one that the client shows: meant ones in words, others logged."""

    @wraps(handler)
    def safe(*args: Any) -> Any:
        try:
            return handler(*args)
        except Exception as e:
            raise gr.Error(in_words(e), print_exception=False) from e

    return safe


def _of(desk: Desk | None) -> Desk:
    if desk is None:
        raise InvalidInput("Open a photo first: call /open_photo.")
    return desk


def _shot(path: str, amount: float, frames: float, seed: float) -> Shot:
    if path not in (*PATH_NAMES, KEYS):
        raise InvalidInput(f"There is no camera move called {path!r}. The moves are {', '.join(PATH_NAMES)}.")
    back, named = path.endswith("-and-back"), None if path == KEYS else path.removesuffix("-and-back")
    return shot_of(None, named, back, amount, frames, seed)


def _clips(session: Session) -> tuple[str | None, str | None]:
    before, after = session.state.before, session.state.after
    return before and str(before.file), after and str(after.file)


def _changed(change: Callable[..., object]) -> Callable[..., Any]:
    """An endpoint that changes the session and returns its summary."""

    def handler(desk: Desk | None, *values: Any) -> dict[str, Any]:
        with _of(desk).quick(wait=60) as session:
            change(session, *values)
            return summary(session)

    handler.__signature__ = signature(change)  # type: ignore[attr-defined]  # clients see these names
    return _clear_errors(handler)


def add_endpoints(studio: Studio, desk: gr.State) -> None:
    """The endpoints, on components that nobody sees."""

    @_clear_errors
    def open_photo(held: Desk | None, photo: str, path: str, amount: float, frames: float, seed: float) -> Any:
        held = held or Desk(studio)
        held.open(Opening(photo), _shot(path, amount, frames, seed), silent)
        return held, summary(held.session), _clips(held.session)[0]

    @_clear_errors
    def regenerate(held: Desk | None, path: str, amount: float, frames: float, seed: float) -> Any:
        held = _of(held)
        held.generate(chosen_shot(held.session, _shot(path, amount, frames, seed), path), silent)
        return summary(held.session), *_clips(held.session)

    @_clear_errors
    def download(held: Desk | None, what: str) -> str:
        with _of(held).quick(wait=60) as session:
            if what not in DOWNLOADS:
                raise InvalidInput(f"Give one of {', '.join(DOWNLOADS)}, not {what!r}.")
            return str(saved(session, what))

    with gr.Group(visible=False):
        photo, out, first, second = (
            gr.File(label="photo"),
            gr.JSON(label="session"),
            gr.File(label="clip"),
            gr.File(label="edited clip"),
        )
        path = gr.Textbox("orbit-left", label="path")
        amount, frames, seed = gr.Number(1, label="amount"), gr.Number(49, label="frames"), gr.Number(0, label="seed")
        x, y, z = (gr.Number(0, label=n) for n in "xyz")
        x1, y1 = gr.Number(0, label="x1"), gr.Number(0, label="y1")
        yes, what = gr.Checkbox(True, label="yes"), gr.Textbox("clip", label="what")
        shot = [path, amount, frames, seed]
        go = gr.Button()

    def named(name: str, fn: Callable[..., Any], inputs: list[Any], outputs: list[Any], slow: bool = False) -> None:
        lane: dict[str, Any] = {"concurrency_id": "work"} if slow else {}
        go.click(fn, inputs, outputs, api_name=name, **lane)

    with gr.Group(visible=False):
        add_operations(named, _changed, _clear_errors, _of, desk)
        add_filming(named, _clear_errors, _of, _shot, desk)
    named("open_photo", open_photo, [desk, photo, *shot], [desk, out, first], slow=True)
    named("click", _changed(lambda s, x, y, positive: s.click(x, y, bool(positive))), [desk, x, y, yes], [out])
    named("box", _changed(lambda s, x0, y0, x1, y1: s.box(x0, y0, x1, y1)), [desk, x, y, x1, y1], [out])
    named("take_back", _changed(lambda s: s.take_back()), [desk], [out])
    named("delete", _changed(lambda s: s.delete()), [desk], [out], slow=True)
    named(
        "move",
        _changed(lambda s, x, y, z, on_ground: s.move((x, y, z), bool(on_ground))),
        [desk, x, y, z, yes],
        [out],
        True,
    )
    named("regenerate", regenerate, [desk, *shot], [out, first, second], slow=True)
    named("undo", _changed(lambda s: s.undo()), [desk], [out])
    named("redo", _changed(lambda s: s.redo()), [desk], [out])
    named("download", download, [desk, what], [first])
