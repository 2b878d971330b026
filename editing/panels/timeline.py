"""The timeline in the page: its value, and what was worked out for it."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image as PilImage

from editing.filming import Shot
from editing.panels.parts import WEB
from editing.planning import Plan
from editing.session import Session
from editing.timeline import FPS, Timeline
from spatia_core.camera_path import PATH_DESCRIPTIONS
from spatia_core.io.video import write_mp4
from spatia_core.memory import SpatialMemory

COLUMNS = 6
"""Frames beside each other on the sheet of the preview."""


@dataclass(frozen=True, eq=False, slots=True)
class _Drawn:
    """A plan with its pictures, and what it was made from."""

    memory: SpatialMemory
    keys: Timeline | None
    shot: Shot
    plan: Plan
    sheet: dict[str, Any]


@dataclass(eq=False)
class Drafts:
    """What one tab's timeline was given."""

    shot: Shot = field(default_factory=Shot)
    """What the camera controls said last."""
    drawn: _Drawn | None = None
    film: Path | None = None
    """The preview at full size, as long as it shows the present."""
    chosen: int | None = None
    """The key to choose in the page."""
    turn: int = 0
    """Grows with every value: answers may overtake each other on their way."""
    scene: str = field(default_factory=lambda: uuid.uuid4().hex)
    files: list[Path] = field(default_factory=list)

    def fresh(self, session: Session) -> _Drawn | None:
        """What was drawn, if it still is what the camera will see."""
        d, state = self.drawn, session.state
        same = d is not None and d.memory is state.memory and d.keys is state.keys
        return d if same and d is not None and (d.keys is not None or d.shot == self.shot) else None

    def say(self, shot: Shot) -> None:
        """Remembers what the camera controls say, for when there are no keys."""
        if shot.keys is None:
            self.shot = shot

    def draw(self, session: Session, shot: Shot) -> None:
        """The plan and the quick preview of a shot."""
        self.say(shot)
        if self.fresh(session) is not None:
            return
        state = session.state
        plan, clip = session.plan(shot), session.preview(shot)
        n, h, w = clip.images.shape[:3]
        sheet = np.zeros((-(-n // COLUMNS) * h, COLUMNS * w, 3), np.uint8)
        for k, image in enumerate(clip.images):
            row, column = divmod(k, COLUMNS)
            sheet[row * h : (row + 1) * h, column * w : (column + 1) * w] = image
        file = self._new(session, "sheet", "jpg")
        PilImage.fromarray(sheet).save(file, "JPEG", quality=82)
        told = {"url": _url(file), "columns": COLUMNS, "count": n, "width": w, "height": h}
        self.drawn = _Drawn(state.memory, state.keys, shot, plan, told)
        self.film = None

    def draw_large(self, session: Session, shot: Shot) -> None:
        """The preview with every frame at full size, as a film."""
        self.draw(session, shot)
        clip = session.preview(shot, most=None, side=None)
        file = self._new(session, "preview", "mp4")
        write_mp4(file, clip.images, clip.fps, metadata={"title": "preview"})
        self.film = file

    def _new(self, session: Session, stem: str, ending: str) -> Path:
        file = session.folder / f"{stem}-{uuid.uuid4().hex}.{ending}"
        for old in self.files[:-3]:
            old.unlink(missing_ok=True)
        self.files = [*self.files[-3:], file]
        return file


def _url(file: Path) -> str:
    return f"gradio_api/file={file}"


def timeline(**props: Any) -> gr.HTML:
    """The component; events look and edit."""
    js = (WEB / "timeline.js").read_text(encoding="utf-8")
    js += "\n// for Gradio: 'look', 'edit'\nmountTimeline(element, props, trigger, watch);"
    template = (WEB / "timeline.html").read_text(encoding="utf-8")
    return gr.HTML(None, html_template=template, js_on_load=js, elem_classes="timeline", **props)


def value(session: Session, drafts: Drafts) -> dict[str, Any]:
    """What the timeline shows; where nothing is worked out for the present yet, the last pictures, marked as stale."""
    keys, fresh, last = session.state.keys, drafts.fresh(session), drafts.drawn
    frames = keys.frames if keys else drafts.shot.frames
    chosen, drafts.chosen = drafts.chosen, None
    drafts.turn += 1
    report = last.plan.report if last is not None else None
    return {
        "token": uuid.uuid4().hex[:8] if fresh is None else fresh.sheet["url"],
        "turn": drafts.turn,
        "scene": drafts.scene,
        "frames": frames,
        "fps": FPS,
        "length": keys.length if keys else frames,
        "loop": bool(keys and keys.loop),
        "speed": keys.speed if keys else 1.0,
        "keys": [_key(keys, k) for k in range(len(keys.keys))] if keys else [],
        "stale": fresh is None,
        "known": _rounded(report.known) if report else [],
        "seen": _rounded(report.seen) if report else [],
        "through": list(fresh.plan.report.through) if fresh else [],
        "doubts": list(fresh.plan.report.warnings) if fresh else [],
        "says": [told] if fresh and (told := estimate(fresh.plan)) else [],
        "sheet": last.sheet if last is not None else None,
        "film": _url(drafts.film) if drafts.film is not None and fresh is not None else None,
        "chosen": chosen,
    }


def described_keys(keys: Timeline | None) -> dict[str, Any] | None:
    """The keys as plain values, without their cameras."""
    if keys is None:
        return None
    told = [_key(keys, k) for k in range(len(keys.keys))]
    return {"keys": told, "frames": keys.frames, "length": keys.length, "loop": keys.loop, "speed": keys.speed}


def _key(keys: Timeline, k: int) -> dict[str, Any]:
    key = keys.keys[k]
    at = keys.shown_at(key)
    return {"frame": key.frame, "at": round(at, 3), "mm": round(key.millimetres, 2), "easing": key.easing}


def _rounded(shares: tuple[float, ...]) -> list[float]:
    return [round(s, 4) for s in shares]


def estimate(plan: Plan) -> str:
    """How long filming will take, in words; empty before anything was measured."""
    said = []
    if plan.seconds is not None:
        said.append(f"Filming takes about {_span(plan.seconds)}.")
    if plan.gpu_seconds is not None:
        said.append(f"It keeps a large GPU busy for about {_span(plan.gpu_seconds)}.")
    return " ".join(said)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def camera_sentence(session: Session, shot: Shot) -> str:
    """What the camera will do, in one sentence."""
    keys = session.state.keys
    if keys is not None:
        n = len(keys.keys)
        back = " and goes back to the first" if keys.loop else ""
        return f"The camera follows {n} {'key' if n == 1 else 'keys'}{back}."
    if shot.path in PATH_DESCRIPTIONS:
        return PATH_DESCRIPTIONS[shot.path].capitalize() + "."
    return f"The camera follows the file {Path(shot.path).name}."
