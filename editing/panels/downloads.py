"""What can be taken home: every file is written when it is asked for, into the session's own folder."""

from datetime import UTC, datetime
from pathlib import Path

from editing import views
from editing.project_file import save_project
from editing.session import Session
from editing.sharing import write_pack, write_page
from spatia_core.backends.protocols import Progress, silent


def saved(session: Session, what: str, progress: Progress = silent) -> Path:
    """One of the downloads (see editing.panels.page.DOWNLOADS), written into the session's folder."""
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(session.source.name).stem)[:60] or "photo"
    if what == "clip":
        return views.newest(session).file
    if what == "pair":
        return views.before_after(session, session.folder / f"{stem}-before-after.mp4")
    if what == "pack":
        return write_pack(session, session.folder / f"{stem}-share.zip", datetime.now(UTC), progress)
    if what == "page":
        return write_page(session, session.folder / f"{stem}-before-after.html", datetime.now(UTC))
    if what == "memory":
        return views.export_memory(session, session.folder / f"{stem}-memory.ply")
    return save_project(session, session.folder / f"{stem}.spatia")
