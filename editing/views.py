"""A session as images, tables, text and files, for any front end."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from editing.session import Session
from editing.state import Take
from spatia_core import metrics
from spatia_core.arrays import Image, Mask
from spatia_core.errors import InvalidInput
from spatia_core.io.clouds import write_ply
from spatia_core.io.images import save_png
from spatia_core.io.video import side_by_side, write_mp4

SELECTED = (255, 64, 129)
"""Colour of a selection: seldom met in photos, seen on light and dark."""


def overlay(image: Image, mask: Mask | None) -> Image:
    """The picture with the mask tinted and outlined."""
    if mask is None or not mask.any():
        return image
    out = image.copy()
    out[mask] = np.clip(0.55 * out[mask] + 0.45 * np.array(SELECTED), 0, 255)
    return outlined(out, mask)


def outlined(image: Image, mask: Mask) -> Image:
    """The picture with a line around the mask."""
    out = image.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thickness = max(1, round(max(image.shape[:2]) / 500))
    cv2.drawContours(out, outlines, -1, (255, 255, 255), thickness + 2)
    cv2.drawContours(out, outlines, -1, SELECTED, thickness)
    return out


def stage(session: Session) -> Image:
    """What selections are made on, with the present selection and its clicks."""
    image = overlay(session.stage, session.picking.mask)
    radius = max(4, round(max(image.shape[:2]) / 130))
    out = np.ascontiguousarray(image).copy()
    for click in session.picking.clicks:
        centre = (int(click.x), int(click.y))
        cv2.circle(out, centre, radius + 2, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(out, centre, radius, (22, 163, 74) if click.positive else (220, 38, 38), -1, cv2.LINE_AA)
    return out


def depth_picture(session: Session) -> Image:
    """The photo's depth as colours, near is bright; unknown is black."""
    depth = session.source.prediction.depth.depth
    inverse = 1 / depth
    low, high = np.nanpercentile(inverse, (1, 99))
    share = np.clip((inverse - low) / max(high - low, 1e-9), 0, 1)
    grey = np.nan_to_num(share * 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB)


def facts(session: Session) -> dict[str, Any]:
    """What is known about the session, for a table or a report."""
    state, source = session.state, session.source
    return {
        "photo": source.name,
        "size": f"{state.camera.width}x{state.camera.height}",
        "depth": source.prediction.depth.source,
        "metric": source.prediction.depth.metric,
        "points": asdict(state.memory.statistics()),
        "edits": [e.label for e in state.log],
        "undo": session.history.label if session.history.can_undo else None,
        "notes": list(source.notes),
    }


def _require(take: Take | None) -> Take:
    if take is None:
        raise InvalidInput("There is no clip yet. Generate one first.")
    return take


def newest(session: Session) -> Take:
    """The edited clip, or the original where nothing was edited; raises InvalidInput before the first clip."""
    return _require(session.state.after or session.state.before)


def before_after(session: Session, file: Path, both: tuple[Take, Take] | None = None) -> Path:
    """Writes two clips side by side; original and edited one unless told, InvalidInput until there are both."""
    before, after = both or (_require(session.state.before), session.state.after)
    if after is None:
        raise InvalidInput("There is no edited clip yet. Delete or move something and regenerate first.")
    frames: Iterator[Image] = side_by_side(iter(before.clip.images), iter(after.clip.images))
    write_mp4(file, frames, before.clip.fps, metadata={"title": "before / after", "comment": "AI-edited"})
    return file


def export_memory(session: Session, file: Path, original: bool = False) -> Path:
    """Writes the present memory (or the unedited one) as PLY."""
    write_ply(file, session.state.original if original else session.state.memory)
    return file


def export_mask(mask: Mask, file: Path) -> Path:
    """Writes a mask as a black and white PNG."""
    save_png(file, mask)
    return file


def closed_loop(take: Take) -> dict[str, float] | None:
    """PSNR and SSIM of the last against the first frame, or None when the path does not return."""
    return asdict(metrics.closed_loop(take.clip)) if take.path.closed else None


def sentences(session: Session) -> list[str]:
    """What a person should know about the newest clip, one plain sentence each."""
    take = newest(session)
    out = list(take.notes)
    seen = take.comparison
    if seen is not None:
        exact = seen.outside_psnr >= 99
        same = "identical" if exact else f"the same to the eye (PSNR {seen.outside_psnr:.0f} dB; 40 is hard to tell)"
        out.insert(0, f"Outside the edit ({1 - seen.edited_share:.0%} of the picture) both clips are {same}.")
        if seen.residue is not None:
            out.insert(1, f"Of the removed thing {seen.residue:.1%} is still to be seen.")
    return out
