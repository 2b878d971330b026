"""The named endpoints of camera keys, plans, previews and versions."""

import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Protocol

import gradio as gr

from editing.filming import Shot
from editing.panels.desk import Desk
from editing.panels.downloads import TWO, saved
from editing.panels.filming import change_keys
from editing.panels.timeline import described_keys
from editing.panels.versions import checked
from editing.session import Session
from editing.viewport import number
from spatia_core.backends.protocols import silent
from spatia_core.errors import InvalidInput
from spatia_core.io.video import write_mp4

KEYS = "keys"
"""What the path is called that follows the present keys."""


class Named(Protocol):
    """Adds an endpoint under a name."""

    def __call__(
        self, name: str, fn: Callable[..., Any], inputs: list[Any], outputs: list[Any], slow: bool = False
    ) -> None: ...


def versions_told(session: Session) -> list[dict[str, Any]]:
    """Every clip as plain values, oldest first."""
    here = session.version
    return [
        {
            "number": v.number,
            "label": v.label,
            "camera": v.camera,
            "frames": v.recipe.frames,
            "seed": v.recipe.shot.seed,
            "prompts": list(v.recipe.shot.prompts),
            "edits": [e.label for e in v.recipe.log],
            "maker": v.recipe.maker,
            "from": v.parent,
            "stopped": v.recipe.stopped,
            "has_frames": v.state is not None,
            "here": v is here,
        }
        for v in session.versions
    ]


def prompts_of(value: Any) -> tuple[str, ...]:
    """Prompts, one for every round; raises InvalidInput for what is no list of texts."""
    if not isinstance(value, list) or len(value) > 100 or not all(isinstance(p, str) for p in value):
        raise InvalidInput("Give the prompts as a list of at most 100 texts, one for every round.")
    return tuple(value)


class _Filming:
    """What the endpoints do, each for the client's own desk."""

    def __init__(self, of: Callable[[Desk | None], Desk], shot_told: Callable[..., Shot]) -> None:
        self.of, self.shot_told = of, shot_told

    def keys(self, held: Desk | None) -> dict[str, Any] | None:
        """The present keys, or None."""
        with self.of(held).quick(wait=60) as session:
            return described_keys(session.state.keys)

    def change(self, held: Desk | None, change: Any, path: Any, amount: Any, frames: Any, seed: Any) -> Any:
        """The keys after a change as the page makes it."""
        with self.of(held).quick(wait=60) as session:
            told = self.shot_told(path, amount, frames, seed)
            change_keys(session, replace(told, keys=session.state.keys), change)
            return described_keys(session.state.keys)

    def plan(self, held: Desk | None, path: Any, amount: Any, frames: Any, seed: Any) -> dict[str, Any]:
        """What can be said of a path before it is filmed."""
        with self.of(held).quick(wait=60) as session:
            made = session.plan(chosen_shot(session, self.shot_told(path, amount, frames, seed), path))
            more = {"seconds": made.seconds, "gpu_seconds": made.gpu_seconds, "warnings": list(made.report.warnings)}
            return {"frames": len(made.path)} | asdict(made.report) | more

    def preview(self, held: Desk | None, full_size: Any, path: Any, amount: Any, frames: Any, seed: Any) -> str:
        """The memory along a path as a film."""
        with self.of(held).long(silent):
            session = self.of(held).session
            told = chosen_shot(session, self.shot_told(path, amount, frames, seed), path)
            made = session.preview(told, None, None) if full_size else session.preview(told)
            target = session.folder / f"preview-{uuid.uuid4().hex}.mp4"
            write_mp4(target, made.images, made.fps, metadata={"title": "preview"})
            return str(target)

    def film(self, held: Desk | None, seed: Any, prompts: Any) -> tuple[Any, ...]:
        """Clips along the present keys."""
        held = self.of(held)
        shot = Shot(seed=round(number(seed, "the seed", 0, 2**63)), prompts=prompts_of(prompts))
        held.generate(chosen_shot(held.session, shot, KEYS), silent)
        state = held.session.state
        return versions_told(held.session), *(t and str(t.file) for t in (state.before, state.after))

    def versions(self, held: Desk | None) -> list[dict[str, Any]]:
        """Every clip."""
        with self.of(held).quick(wait=60) as session:
            return versions_told(session)

    def go_on_from(self, held: Desk | None, clip: Any) -> list[dict[str, Any]]:
        """The state of a clip is the present one."""
        with self.of(held).long(silent):
            self.of(held).session.fork(round(number(clip, "the clip", 1, 1e6)), silent)
            return versions_told(self.of(held).session)

    def compare(self, held: Desk | None, a: Any, b: Any) -> tuple[str, ...]:
        """Two clips of the same length."""
        with self.of(held).quick(wait=60) as session:
            pair = (round(number(a, "clip a", 1, 1e6)), round(number(b, "clip b", 1, 1e6)))
            checked(session, pair)
            takes = [session.versions[n].take for n in pair]
            return tuple(str(t.file) for t in takes if t is not None)

    def download_two(self, held: Desk | None, what: Any, a: Any, b: Any) -> str:
        """A film, a pack or a page of two clips."""
        with self.of(held).quick(wait=60) as session:
            if what not in TWO:
                raise InvalidInput(f"Give one of {', '.join(TWO)}, not {what!r}.")
            one, two = (round(number(n, "the clip", 1, 1e6)) for n in (a, b))
            return str(saved(session, what, silent, (one, two)))


def add_filming(
    named: Named,
    clear_errors: Callable[..., Any],
    of: Callable[[Desk | None], Desk],
    shot_told: Callable[..., Shot],
    desk: Any,
) -> None:
    """The endpoints; `shot_told` reads path, amount, frames and seed."""
    h = _Filming(of, shot_told)
    path, amount = gr.Textbox("orbit-left", label="path"), gr.Number(1, label="amount")
    frames, seed = gr.Number(49, label="frames"), gr.Number(0, label="seed")
    change, prompts = gr.JSON({"do": "keys"}, label="change"), gr.JSON([], label="prompts")
    full, clip = gr.Checkbox(False, label="full_size"), gr.Number(1, label="clip")
    a, b = gr.Number(1, label="a"), gr.Number(2, label="b")
    what = gr.Textbox("page", label="what")
    out, file, other = gr.JSON(label="told"), gr.File(label="clip"), gr.File(label="other clip")
    shot = [path, amount, frames, seed]
    for name, fn, inputs, outputs, slow in (
        ("camera_keys", h.keys, [], [out], False),
        ("change_keys", h.change, [change, *shot], [out], False),
        ("plan", h.plan, shot, [out], True),
        ("preview", h.preview, [full, *shot], [file], True),
        ("film_keys", h.film, [seed, prompts], [out, file, other], True),
        ("versions", h.versions, [], [out], False),
        ("go_on_from", h.go_on_from, [clip], [out], True),
        ("compare", h.compare, [a, b], [file, other], False),
        ("download_two", h.download_two, [what, a, b], [file], False),
    ):
        named(name, clear_errors(fn), [desk, *inputs], outputs, slow)


def chosen_shot(session: Session, shot: Shot, path: Any) -> Shot:
    """The shot, or the present keys where the path is called keys."""
    if path != KEYS:
        return shot
    if session.state.keys is None:
        raise InvalidInput("There are no camera keys yet; call /change_keys first.")
    return replace(shot, keys=session.state.keys, frames=session.state.keys.frames)
