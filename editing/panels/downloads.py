"""What can be taken home: every file is written when it is asked for, into the session's own folder."""

import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from editing import views
from editing.project_file import save_project
from editing.session import Session
from editing.sharing import Numbers, pair, write_pack, write_page
from spatia_core.backends.protocols import Progress, silent
from spatia_core.errors import InvalidInput
from spatia_core.frames import Frame
from spatia_core.io.exports import EXPORTS
from spatia_core.io.files import replacing
from spatia_core.io.trajectories import WRITERS

OTHER_FORMS = {
    "glb": "Points (.glb)",
    "gaussians": "3D Gaussians (.ply)",
    "splat": "Splats (.splat)",
    "dataset": "COLMAP and nerfstudio (.zip)",
}
"""The memory, as other programs read it; see spatia_core.io.exports."""

DOWNLOADS = {
    "clip": "Clip (.mp4)",
    "pair": "Both clips (.mp4)",
    "pack": "Share pack (.zip)",
    "page": "Share page (.html)",
    "memory": "Memory (.ply)",
    "session": "Session (.spatia)",
    "camera": "Camera path (.zip)",
} | OTHER_FORMS
"""What can be taken home, and what its button says."""

MOST_VIEWS = 120
"""Pictures in a data set; of a longer clip every n-th is written."""


TWO = ("pair", "pack", "page")
"""Downloads that show two clips."""


def saved(session: Session, what: str, progress: Progress = silent, chosen: Numbers | None = None) -> Path:
    """One of the downloads, written into the session's folder; those of two clips show the `chosen` ones."""
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(session.source.name).stem)[:60] or "photo"
    ab = "before-after" if chosen is None else "clips-{}-and-{}".format(*chosen)
    if what == "clip":
        return views.newest(session).file
    if what == "pair":
        both = pair(session, chosen)
        return views.before_after(session, session.folder / f"{stem}-{ab}.mp4", (both.before, both.after))
    if what == "pack":
        return write_pack(session, session.folder / f"{stem}-share.zip", datetime.now(UTC), progress, chosen)
    if what == "page":
        return write_page(session, session.folder / f"{stem}-{ab}.html", datetime.now(UTC), chosen)
    if what == "memory" or what in OTHER_FORMS:
        ending, write = EXPORTS["ply" if what == "memory" else what]
        file = session.folder / f"{stem}-memory{ending}"
        write(file, session.state.memory, _frames(session) if what == "dataset" else ())
        return file
    if what == "camera":
        return _camera_files(session, session.folder / f"{stem}-camera.zip")
    return save_project(session, session.folder / f"{stem}.spatia")


def _camera_files(session: Session, file: Path) -> Path:
    """The way of the keys, or of the newest clip, in every form that trajectories are written in."""
    keys = session.state.keys
    path = views.newest(session).path if keys is None else keys.path()
    with (
        replacing(file) as temporary,
        tempfile.TemporaryDirectory(dir=session.folder) as place,
        zipfile.ZipFile(temporary, "w") as z,
    ):
        for name, write in WRITERS.items():
            try:
                write(Path(place) / name, path)
            except InvalidInput as e:  # not every form can hold every path
                with (Path(place) / "not-written.txt").open("a", encoding="utf-8") as told:
                    told.write(f"{e}\n")
        for made in sorted(Path(place).iterdir()):
            z.write(made, made.name)
    return file


def _frames(session: Session) -> tuple[Frame, ...]:
    """Pictures of the newest clip: they show the memory as it is now."""
    take = session.state.after or session.state.before
    if take is None or take.edits != len(session.state.log):
        raise InvalidInput("The clip does not show your last change yet. Press Regenerate first.")
    return tuple(take.clip)[:: -(-len(take.clip) // MOST_VIEWS)]
