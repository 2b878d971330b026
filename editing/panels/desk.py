"""One browser tab's place of work: its session, a lock around it, and a stop button that works."""

import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from editing.edits import Fill, Placing, Triple
from editing.filming import Shot
from editing.guests import Donor
from editing.opening import Opening
from editing.panels.links import Links
from editing.panels.timeline import Drafts
from editing.panels.viewport import Window
from editing.project_file import open_project
from editing.session import Session
from editing.state import Source, State, Take
from editing.tools import Choice, tools
from editing.trust import Trust, trust
from editing.volume_selection import Volume
from spatia_core.backends.pool import Pool
from spatia_core.backends.protocols import Progress, silent
from spatia_core.camera_path import PATH_NAMES
from spatia_core.errors import Cancelled, InvalidInput, SpatiaError
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud

log = logging.getLogger(__name__)

MOST_READY = 24
"""Examples kept ready; one takes about 40 MB, and 60 MB on disk."""

STILL_WORKING = "The last step is still being worked on. Wait for it, or press Cancel."
SESSION_FILE = ".spatia"


@dataclass
class Studio:
    """What all tabs share: the backends and the folder that their own folders lie in. No one's data."""

    root: Path
    """Only this folder is served."""
    choice: Choice = field(default_factory=Choice)
    pool: Pool = field(default_factory=Pool)
    links: "Links[Desk]" = field(default_factory=Links)
    _ready: dict[tuple[Opening, Shot], tuple[Source, State]] = field(default_factory=dict)
    _preparing: threading.Lock = field(default_factory=threading.Lock)

    def session(self) -> Session:
        """A new session in a folder that nobody can guess."""
        return Session(tools(self.pool, self.choice), self.root / secrets.token_urlsafe(18))

    def warm(self, examples: Sequence[Path] = (), shot: Shot | None = None) -> None:
        """The backends are loaded and the examples ready; meant for a thread at launch that gives way to others."""
        started = time.perf_counter()
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            tools(self.pool, self.choice)
            log.info("backends loaded in %.1f s", time.perf_counter() - started)
            for example in examples:
                self.example(Opening(str(example)), shot or Shot())
        except SpatiaError as e:
            log.warning("%s", e)
        log.info("examples ready after %.1f s", time.perf_counter() - started)

    def example(self, opening: Opening, shot: Shot, progress: Progress = silent) -> tuple[Source, State]:
        """A shipped photo opened and filmed, worked out once; the values are immutable, so tabs may share them."""
        key = (opening, shot)
        ready = self._ready.get(key)
        if ready is not None:
            return ready
        with self._preparing:
            if key not in self._ready:
                maker = self.session()
                maker.open(opening, lambda s, d: progress(0.5 * s, d))
                maker.generate(shot, lambda s, d: progress(0.5 + 0.5 * s, d))
                if len(self._ready) >= MOST_READY:
                    self._ready.pop(next(iter(self._ready)))
                self._ready[key] = (maker.source, maker.state)
            return self._ready[key]


def _take_over(session: Session, source: Source, state: State) -> None:
    """The session begins with these values; the clip is copied into its folder, the only one that it serves."""
    take = state.before
    if take is not None:
        state = replace(state, before=replace(take, file=Path(shutil.copy(take.file, session.folder))))
    session.begin(source, state)


class Desk:
    """The state of one tab. Handlers change the session only inside `quick` and `long`."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.offset = (0.0, 0.0, 0.0)
        """The move that is being tried out, median depths."""
        self.on_ground = True
        self.turn = (0.0, 0.0, 0.0)
        """How it is turned meanwhile, axis times angle in radians."""
        self.size = 1.0
        """How many times as large it is made."""
        self.hint = ""
        """What is to be known of the place it is tried out in."""
        self.fill: Fill = "completed"
        """What comes where a thing stood."""
        self.way: tuple[Triple, ...] = ()
        """Stops of a way in the making."""
        self.guest: PointCloud | None = None
        """What the next click on the picture inserts."""
        self.donor: Donor | None = None
        """The photo that it is cut from."""
        self._counts: tuple[tuple[Volume, SpatialMemory, int], ...] = ()
        self.preview: str | None = None
        """The picture of that move, as a data URL."""
        self.target: tuple[float, float] | None = None
        """Working pixel the thing was dragged to."""
        self.link: str | None = None
        """What the address of the page calls this desk."""
        self.heard = 0
        """The last message of the picture that was heard; the page sends the next one then."""
        self.drafts = Drafts()
        """What the timeline was given."""
        self.pair: tuple[int | None, int | None] = (None, None)
        """The clips that are played side by side, where they were chosen."""
        self.prompts: tuple[str, ...] = ()
        """One for every round."""
        self.trajectory: str | None = None
        """A trajectory file in place of a named camera move."""
        self.pictures: tuple[tuple[SpatialMemory, tuple[Volume, ...], str], ...] = ()
        """The last memories shown, what was hidden in them, and the addresses of their pictures, each written once."""
        self.window = Window()
        """What the 3D view was given."""
        self._measured: tuple[tuple[Take, Trust], ...] = ()
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._working = False
        self._expected = False
        self._tabs = 1

    def __deepcopy__(self, memo: dict[int, object]) -> "Desk":
        """A desk is a place: it cannot be doubled."""
        return self

    @property
    def ready(self) -> bool:
        """True when a photo is open."""
        return self._session is not None

    @property
    def session(self) -> Session:
        """The session; raises InvalidInput before a photo was opened."""
        if self._session is None:
            raise InvalidInput("Open a photo first.")
        return self._session

    # --- taking turns ----------------------------------------------------------------------------------------------

    @contextmanager
    def quick(self, wait: float = 3.0) -> Iterator[Session]:
        """The session to oneself for a moment; raises InvalidInput while something longer is under way."""
        session = self.session
        self._take(wait)
        try:
            yield session
        finally:
            self._lock.release()

    def expect_work(self) -> None:
        """Who presses Cancel from now on is heard by the work that comes, though it may not have begun."""
        if not self._working and not self._expected:
            self._stop.clear()
            self._expected = True

    def forget_work(self) -> None:
        """The work that was expected is over, or never came."""
        self._expected = False

    @contextmanager
    def long(self, progress: Progress) -> Iterator[Progress]:
        """The desk to oneself for longer; the progress handed out raises Cancelled once `cancel` was called."""
        self.expect_work()
        self._expected = False
        self._take(wait=10.0)
        self._working = True

        def told(share: float, doing: str) -> None:
            if self._stop.is_set():
                raise Cancelled("Cancelled. Nothing was changed.")
            progress(share, doing)

        try:
            told(0.0, "Starting")
            yield told
        finally:
            self._working = False
            self._lock.release()

    def _take(self, wait: float) -> None:
        # a click is worth waiting for, a film is not
        if self._working or not self._lock.acquire(timeout=wait):
            raise InvalidInput(STILL_WORKING)

    @property
    def working(self) -> bool:
        """True while something longer is under way."""
        return self._working

    def cancel(self) -> bool:
        """Asks the work under way to stop; False when there is none."""
        self._stop.set()
        return self._working or self._expected

    # --- photo in, clips out ---------------------------------------------------------------------------------------

    def open(self, opening: Opening, shot: Shot, progress: Progress, example: bool = False) -> None:
        """The tab starts anew with this photo or session file and its first clip, or stays wholly as it was."""
        with self.long(progress) as told:
            new = self.studio.session()
            try:
                if example:
                    _take_over(new, *self.studio.example(opening, shot, told))
                elif isinstance(opening.photo, str) and opening.photo.lower().endswith(SESSION_FILE):
                    told(0.1, "Reading the session")
                    shot = open_project(new, opening.photo) or shot
                else:
                    new.open(opening, lambda s, d: told(0.5 * s, d))
                keys = new.state.keys
                if new.state.before is None:
                    told(0.5, "Filming")
                    new.generate(shot, lambda s, d: told(0.5 + 0.5 * s, d))
                # undo ends here: there is nothing to see before the first clip
                new.begin(new.source, replace(new.state, keys=keys), versions=new.versions)
            except BaseException:
                new.close()
                raise
            old, self._session = self._session, new
            self.forget_move()
            self.pictures, self.trajectory, self.window = (), None, Window()
            plain = shot if shot.path in PATH_NAMES else replace(shot, path=Shot().path)
            self.drafts, self.pair = Drafts(replace(plain, keys=None)), (None, None)
            if old is not None:
                old.close()
            if self.left:
                new.close()

    def generate(self, shot: Shot, progress: Progress) -> None:
        """Clips of the present state on this shot's camera path."""
        session = self.session
        with self.long(progress) as told:
            session.generate(shot, told)
            take = session.state.after or session.state.before
            if take is not None:
                progress(0.97, "Judging the clip")
                self.trust(take)

    def trust(self, take: Take) -> Trust:
        """What was measured of a take; the last few are kept."""
        for known, measured in self._measured:
            if known is take:
                return measured
        measured = trust(take, self.session.unit)
        self._measured = (*self._measured[-5:], (take, measured))
        return measured

    def counted(self, volume: Volume, memory: SpatialMemory) -> int:
        """How many points a selection has; the last few are kept."""
        for v, m, known in self._counts:
            if v is volume and m is memory:
                return known
        count = int(volume.points(memory).sum())
        self._counts = (*self._counts[-200:], (volume, memory, count))
        return count

    @property
    def some_selected(self) -> bool:
        """True when something is selected."""
        mask = self.session.picking.mask
        return (mask is not None and bool(mask.any())) or self.session.selects_in_space

    @property
    def chosen(self) -> tuple[int, int] | None:
        """The two clips that were chosen as A and B; None as long as one is missing."""
        a, b = self.pair
        return None if a is None or b is None or a == b else (a, b)

    @property
    def placing(self) -> Placing:
        """Where the selection is tried out."""
        return Placing(self.offset, self.turn, self.size, self.on_ground)

    def forget_move(self) -> None:
        """No move is being tried out any more."""
        self.offset, self.preview, self.target, self.on_ground = (0.0, 0.0, 0.0), None, None, True
        self.turn, self.size, self.hint, self.way = (0.0, 0.0, 0.0), 1.0, "", ()

    @property
    def left(self) -> bool:
        """True when no tab is here any more."""
        return self._tabs < 1

    def join(self) -> None:
        """One more tab is here."""
        self._tabs += 1

    def leave(self) -> None:
        """A tab is gone. After the last one work stops and the files are removed, once the work has noticed."""
        self._tabs -= 1
        if self.left:
            self._stop.set()
            threading.Thread(target=self._clear_away, daemon=True).start()

    def _clear_away(self) -> None:
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None
