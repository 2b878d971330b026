"""The share pack: a zip with everything a person needs to show an edit, every file marked as AI-edited."""

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from editing.session import Session
from editing.sharing import marks, pictures
from editing.sharing.page import page
from editing.sharing.provenance import Numbers, caption, pair, provenance, what_was_done
from editing.state import Take
from editing.trust import trust
from spatia_core.backends.protocols import Progress, silent
from spatia_core.io.files import PathLike, read_bytes, replacing, room_on_disc
from spatia_core.io.video import MAX_VIDEO_BYTES, side_by_side, write_mp4, write_with_metadata

BUDGET = 25_000_000
"""Bytes a pack of 49 frames at 832x480 may have; longer or larger clips may have in proportion."""

QUALITIES = (18, 24, 30, 36)
"""Constant rate factors that are tried in turn until a film keeps to its share of the budget."""

_USUAL = 49 * 832 * 480
_SHARES = {"edited": 0.11, "original": 0.11, "wipe": 0.22, "both": 0.2}
"""Of the budget; both clips are in the pack twice, as files or in the page."""

TEXT = (".txt", ".json", ".html")


def _metadata(told: dict[str, Any], title: str) -> dict[str, str]:
    said = f"{told['statement']} {title}: {what_was_done(told)} in {told['photo']['name']}."
    short = {k: told[k] for k in ("digital_source_type", "edits", "camera", "seed", "backends", "made_at")}
    return {"title": title, "comment": said, "software": marks.tool(), "provenance": json.dumps(short)}


def _within(file: Path, limit: float, write: Callable[[Path, int], object]) -> None:
    """Writes the film at the first quality that keeps it within `limit` bytes, or at the last one."""
    for crf in QUALITIES:
        write(file, crf)
        if file.stat().st_size <= limit:
            return


def _clip(folder: Path, name: str, take: Take, told: dict[str, Any], limit: float) -> Path:
    """A take's own mp4 with marks; encoded anew only where it is too large."""
    file, notes = folder / f"{name}.mp4", _metadata(told, f"{name.capitalize()} clip")
    write_with_metadata(file, take.file, notes)
    if file.stat().st_size > limit:
        _within(file, limit, lambda f, crf: write_mp4(f, take.clip.images, take.clip.fps, notes, crf))
    return file


def members(
    session: Session, made_at: datetime, folder: Path, progress: Progress = silent, chosen: Numbers | None = None
) -> Iterator[Path]:
    """Writes the files of the pack into `folder` and gives each as soon as it is there."""
    shown = pair(session, chosen)
    before, after, labels = shown.before, shown.after, shown.labels
    told = provenance(session, made_at, chosen)
    one, two, fps = before.clip.images, after.clip.images, after.clip.fps
    budget = BUDGET * max(1.0, one[..., 0].size / _USUAL)
    limits = {name: share * budget for name, share in _SHARES.items()}

    progress(0.05, "Marking the clips")
    edited = _clip(folder, shown.names[1], after, told, limits["edited"])
    original = _clip(folder, shown.names[0], before, told, limits["original"])
    yield edited
    yield original

    def wipe(file: Path, crf: int) -> None:
        frames = _watched(pictures.moving_wipe(one, two, fps, labels), lambda: progress(0.2, "Drawing the wipe"))
        write_mp4(file, frames, fps, _metadata(told, "Before and after, wiped"), crf)

    def both(file: Path, crf: int) -> None:
        frames = _watched(side_by_side(iter(one), iter(two)), lambda: progress(0.5, "Putting both side by side"))
        write_mp4(file, frames, fps, _metadata(told, "Before and after, side by side"), crf)

    for name, write, limit in (
        ("before-after-wipe.mp4", wipe, limits["wipe"]),
        ("side-by-side.mp4", both, limits["both"]),
    ):
        _within(folder / name, limit, write)
        yield folder / name

    progress(0.75, "Making poster and preview")
    done = f"{what_was_done(told)} in {told['photo']['name']}"
    poster = marks.jpeg(pictures.poster(one, two, labels), done)
    moving = marks.webp(pictures.preview(one, two, fps, labels), pictures.PREVIEW_FPS, done)
    progress(0.9, "Writing the page")
    clips = [
        (label, f.name, read_bytes(f, MAX_VIDEO_BYTES, "clip"))
        for label, f in zip(labels, (original, edited), strict=True)
    ]
    texts = {
        "poster.jpg": poster,
        "preview.webp": moving,
        "caption.txt": caption(told).encode(),
        "provenance.json": (json.dumps(told, indent=1) + "\n").encode(),
        "index.html": page(told, clips, poster, trust(after, session.unit)).encode(),
    }
    for name, data in texts.items():
        (folder / name).write_bytes(data)
        yield folder / name


def _watched(frames: Iterator[np.ndarray], told: Callable[[], None]) -> Iterator[np.ndarray]:
    """The frames; at every one the work may be cancelled."""
    for frame in frames:
        told()
        yield frame


def write_pack(
    session: Session, file: PathLike, made_at: datetime, progress: Progress = silent, chosen: Numbers | None = None
) -> Path:
    """Writes the pack as a zip: clips, wipe, side by side, poster, preview, caption, provenance and the page.

    It shows original and edited clip, or two chosen from the strip. The zip appears whole or not at all. Raises
    InvalidInput until there are two.
    """
    pair(session, chosen)
    day = made_at.timetuple()[:6]
    with (
        room_on_disc(Path(file).name),
        tempfile.TemporaryDirectory(prefix="pack-", dir=session.folder) as folder,
        replacing(file) as temporary,
        zipfile.ZipFile(temporary, "w") as z,
    ):
        z.comment = marks.describe("Made with " + marks.tool() + ".").encode()
        for member in members(session, made_at, Path(folder), progress, chosen):
            info = zipfile.ZipInfo(member.name, day)  # type: ignore[arg-type]
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if member.suffix in TEXT else zipfile.ZIP_STORED
            z.writestr(info, member.read_bytes())
    return Path(file)
