"""A session as the values that the page's own components show: the stage, the player, strips of small pictures."""

import base64
import html
import io
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from editing import plots, views
from editing.panels.desk import Desk
from editing.session import Session
from editing.state import Take
from spatia_core.arrays import Image, Mask

THUMBNAIL = 160
"""Longer side of a small picture, pixels."""


def jpeg(image: Image, quality: int = 88) -> str:
    """The picture as a data URL."""
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def mask_url(mask: Mask) -> str:
    """The mask as a data URL: white where True, transparent elsewhere."""
    picture = PilImage.fromarray(mask.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0, optimize=False)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def file_url(file: Path) -> str:
    """Where the page finds a file of the session's folder, relative to the page."""
    return f"gradio_api/file={file}"


def small(image: Image, side: int = THUMBNAIL) -> str:
    """The picture at thumbnail size as a data URL."""
    picture = PilImage.fromarray(image)
    picture.thumbnail((side, side))
    return jpeg(np.asarray(picture), 80)


def foot(mask: Mask) -> tuple[float, float]:
    """Working pixel at which the selected thing meets the ground: the middle of its lowest rows."""
    ys, xs = np.nonzero(mask)
    low = ys >= np.percentile(ys, 97)
    return float(np.median(xs[low])), float(ys.max())


def stage(desk: Desk) -> dict[str, Any] | None:
    """Value of the stage, or None before a photo was opened."""
    if not desk.ready:
        return None
    session = desk.session
    picking, camera = session.picking, session.state.camera
    mask = picking.mask
    selected = mask is not None and bool(mask.any())
    return {
        "image": _picture_url(desk, session),
        "width": camera.width,
        "height": camera.height,
        "mask": mask_url(mask) if mask is not None and selected else None,
        "clicks": [(c.x, c.y, c.positive) for c in picking.clicks],
        "box": picking.box,
        "foot": foot(mask) if mask is not None and selected else None,
        "target": desk.target,
        "preview": desk.preview,
        "heard": desk.heard,
    }


def _picture_url(desk: Desk, session: Session) -> str:
    """Address of the picture without a selection; its file is written once per memory."""
    memory = session.state.memory
    hidden = tuple(item.volume for item in session.state.objects if item.hidden)
    for shown, without, url in desk.pictures:
        if shown is memory and without == hidden:
            return url
    file = session.folder / f"stage-{uuid.uuid4().hex}.jpg"
    PilImage.fromarray(session.shown).save(file, "JPEG", quality=92)
    desk.pictures = (*desk.pictures[-9:], (memory, hidden, file_url(file)))
    return file_url(file)


def candidates(session: Session) -> list[dict[str, Any]]:
    """The masks to choose from as small pictures; empty where there is only one."""
    found, chosen = session.picking.candidates, session.picking.choice
    if found is None or len(found.masks) < 2:
        return []
    picture = session.stage
    return [
        {
            "name": i,
            "image": small(views.overlay(picture, mask)),
            "label": f"{mask.mean():.1%} of the picture",
            "chosen": "true" if i == chosen else "false",
        }
        for i, mask in enumerate(found.masks)
    ]


def player(takes: Sequence[tuple[str, Take | None]]) -> dict[str, Any]:
    """Value of a player for the takes that there are."""
    there = [(label, take) for label, take in takes if take is not None]
    first = there[0][1] if there else None
    return {
        "clips": [{"label": label, "url": file_url(take.file)} for label, take in there],
        "fps": float(first.clip.fps) if first else 24.0,
        "frames": len(first.clip) if first else 1,
    }


def _row(term: str, value: str) -> str:
    return f"<dt>{html.escape(term)}</dt><dd>{html.escape(value)}</dd>"


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>" if lines else ""


def facts(session: Session) -> str:
    """What the photo became, as HTML: depth picture, counts, notes."""
    known, points = views.facts(session), session.state.memory.statistics()
    rows = [
        _row("Photo", f"{known['photo']}, worked at {known['size']}"),
        _row("Depth", f"{known['depth']}, {'in metres' if known['metric'] else 'scale unknown: layout-grade'}"),
        _row("Memory", f"{points.points:,} points: {points.observed:,} seen, {points.completed:,} completed"),
    ]
    depth = small(views.depth_picture(session), 360)
    return (
        f'<div class="facts"><img src="{depth}" alt="Depth of the photo, near is bright">'
        f"<div><dl>{''.join(rows)}</dl>{_list(known['notes'])}</div></div>"
    )


def trust(desk: Desk) -> str:
    """How far the newest clip can be trusted, as HTML: numbers over its frames, and what its makers say of it."""
    state = desk.session.state
    take = state.after or state.before
    if take is None:
        return ""
    stale = len(state.log) != take.edits
    lines = ["Your last change is not in the clip yet. Press Regenerate."] if stale else []
    return f'<div class="trust">{_list([*lines, *take.notes])}{plots.panel(desk.trust(take))}</div>'


def example_strip(folder: Path) -> list[dict[str, Any]]:
    """The example photos as small pictures with their names."""
    strip = []
    for file in sorted(folder.glob("*.jpg")):
        with PilImage.open(file) as photo:
            photo.draft("RGB", (2 * THUMBNAIL, 2 * THUMBNAIL))
            picture = np.asarray(photo.convert("RGB"))
        strip.append({"name": file.name, "image": small(picture), "label": file.stem.replace("-", " ")})
    return strip
