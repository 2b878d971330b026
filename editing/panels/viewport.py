"""The 3D view in the page: its value, the files that it fetches, and how it is loaded."""

import hashlib
import secrets
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from editing.edits import Placing
from editing.panels.parts import WEB
from editing.placing import Similarity
from editing.session import Session
from editing.viewport import Payload, camera_value, pack
from spatia_core.arrays import Selection
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud

KEPT = 4
"""Files of points that a tab keeps; older memories are written again when they are looked at again."""

EVERY = 8
"""Frames between two cameras that are drawn on the path."""

HEADING = """
<div class="step"><h2>See it in 3D</h2></div>
<p class="how">Turn the memory around, select from any side, then drag the handles. The ? key shows all keys.</p>
"""

_FRAME = """
<div class="vp-tools"></div>
<div class="vp-select"></div>
<div class="vp-frame" tabindex="0" role="application" data-tool="look"
     aria-label="The memory in 3D. Arrow keys turn it, W A S D fly, the question mark shows all keys.">
  <canvas class="vp-points"></canvas><canvas class="vp-gl"></canvas><canvas class="vp-over"></canvas>
  <div class="vp-legend" hidden></div>
  <div class="vp-help" hidden></div>
</div>
<p class="vp-hint" aria-live="polite"></p>
<div class="vp-views"></div>
<p class="vp-status" role="status"></p>
<p class="placeholder">The memory appears here in 3D once a photo is open.</p>
"""

_LOAD = """
// the program's own events, named here for Gradio: 'ask', 'pick', 'aim', 'place', 'object'
element.classList.add('empty');
const seen = new IntersectionObserver(async ([entry]) => {
  if (!entry.isIntersecting) return;
  seen.disconnect();
  try {
    const answer = await fetch(new URL(props.bundle, document.baseURI));
    if (!answer.ok) throw new Error(String(answer.status));
    const source = new Blob([await answer.text()], { type: 'text/javascript' });
    const { mount } = await import(URL.createObjectURL(source));
    mount(element, props, trigger, watch);
  } catch (e) {
    console.warn(e);
    element.querySelector('.placeholder').textContent =
      'The 3D view could not be loaded in this browser. Everything else on this page works without it.';
  }
}, { rootMargin: '300px' });
seen.observe(element);
"""


@dataclass(frozen=True, eq=False, slots=True)
class _Sent:
    """A memory that was written for the page."""

    memory: SpatialMemory
    payload: Payload
    file: Path


@dataclass(eq=False)
class Window:
    """What one tab's 3D view was given; a new photo gets a new one."""

    scene: str = field(default_factory=lambda: secrets.token_hex(8))
    tokens: list[tuple[SpatialMemory, str]] = field(default_factory=list)
    sent: list[_Sent] = field(default_factory=list)
    bits: list[tuple[Selection, Path]] = field(default_factory=list)
    heard: int = 0
    """The last message of the view that was heard; the view sends the next one then."""

    def token(self, memory: SpatialMemory) -> str:
        """A name for the memory that the page can tell from others."""
        for known, token in self.tokens:
            if known is memory:
                return token
        self.tokens = [*self.tokens[-30:], (memory, secrets.token_hex(8))]
        return self.tokens[-1][1]

    def find(self, memory: SpatialMemory) -> _Sent | None:
        """The memory's file, if it was written and is still there."""
        return next((s for s in self.sent if s.memory is memory), None)

    def write(self, memory: SpatialMemory, folder: Path) -> _Sent:
        """The memory's file; the oldest one makes room."""
        found = self.find(memory)
        if found is None:
            payload = pack(memory)
            file = folder / f"points-{uuid.uuid4().hex}.bin"
            file.write_bytes(payload.data)
            found = _Sent(memory, Payload(b"", payload.order), file)
            for old in self.sent[: -KEPT + 1]:
                old.file.unlink(missing_ok=True)
            self.sent = [*self.sent[-KEPT + 1 :], found]
        return found

    def write_bits(self, selection: Selection, sent: _Sent, folder: Path) -> Path:
        """The selection's file, one bit a point."""
        for known, file in self.bits:
            if known is selection or np.array_equal(known, selection):
                return file
        file = folder / f"selected-{uuid.uuid4().hex}.bin"
        file.write_bytes(sent.payload.bits(selection))
        for _, old in self.bits[: -KEPT + 1]:
            old.unlink(missing_ok=True)
        self.bits = [*self.bits[-KEPT + 1 :], (selection, file)]
        return file


def viewport(root: Path, **props: Any) -> gr.HTML:
    """The view; its program is fetched when it comes into sight. Events ask, pick, aim, place, object."""
    source = WEB / "viewport.js"
    name = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    served = root / f"viewport-{name}.js"
    if not served.exists():
        shutil.copy(source, served)
    return gr.HTML(
        None,
        html_template=_FRAME,
        js_on_load=_LOAD,
        elem_classes="viewport",
        bundle=url(served),
        **props,
    )


def url(file: Path) -> str:
    """Where the page finds a served file, relative to the page."""
    return f"gradio_api/file={file}"


def value(session: Session, window: Window, placing: Placing, hint: str = "") -> dict[str, Any]:
    """What the view shows; points and selection only for a memory that it has asked for."""
    state, memory = session.state, session.state.memory
    camera = state.camera
    sent = window.find(memory)
    points = session.selected_points if sent is not None else None
    some = points is not None and bool(points.any())
    foothold = session.foothold
    hold = None if points is None or not some else pivot(memory, points) if foothold is None else foothold
    hidden = state.objects.hidden(memory) if sent is not None and any(o.hidden for o in state.objects) else None
    target = camera.centre + camera.c2w[:3, 2] * state.original.stage_depth()
    return {
        "scene": window.scene,
        "token": window.token(memory),
        "url": None if sent is None else url(sent.file),
        "total": len(memory),
        "selection": _bits(session, window, sent, points) if sent and points is not None and some else None,
        "hidden": _bits(session, window, sent, hidden) if sent and hidden is not None and hidden.any() else None,
        "photo": camera_value(camera),
        "target": target.tolist(),
        "unit": session.unit,
        "path": _path(session),
        "ways": [(pivot_of(w.cloud) + w.stops).tolist() for w in state.walkers],
        "gizmo": None if hold is None else hold.tolist(),
        "moved": _motion(session.motion(placing)) if some and placing.changes else None,
        "hint": hint,
        "heard": window.heard,
    }


def _motion(moved: Similarity) -> list[float]:
    """The motion as x -> A x + b: the rows of A, then b."""
    A = moved.size * moved.R
    return [*A.ravel().tolist(), *(moved.pivot + moved.move - A @ moved.pivot).tolist()]


def _bits(session: Session, window: Window, sent: _Sent, points: Selection) -> dict[str, Any]:
    return {"url": url(window.write_bits(points, sent, session.folder)), "count": int(points.sum())}


def _path(session: Session) -> dict[str, Any] | None:
    """The newest clip's camera path: all centres, and some of its cameras."""
    take = session.state.after or session.state.before
    if take is None:
        return None
    cameras = list(take.path)
    return {
        "centres": np.round([c.centre for c in cameras], 6).tolist(),
        "cameras": [camera_value(c) for c in (*cameras[EVERY:-1:EVERY], cameras[-1])],
    }


def pivot(memory: SpatialMemory, points: Selection) -> np.ndarray:
    """(3,) where the gizmo takes hold of the points: over their middle, at their foot."""
    return pivot_of(memory.cloud[points])


def pivot_of(cloud: PointCloud) -> np.ndarray:
    """(3,) the middle of a thing's foot."""
    xyz = cloud.xyz
    low, high = np.percentile(xyz, 2, axis=0), np.percentile(xyz, 98, axis=0)
    return np.array([(low[0] + high[0]) / 2, high[1], (low[2] + high[2]) / 2])
