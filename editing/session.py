"""A session: the one object that changes. It holds values and replaces them only when the work is done."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from editing.comparison import compare
from editing.filmed import open_video
from editing.filming import Footage, Shot, film, fingerprint, rounds_of, staged
from editing.history import History
from editing.journal import Journal
from editing.opening import Opening, open_source
from editing.planning import Planning
from editing.selecting import Tools
from editing.state import Picking, Source, State, Take
from editing.takes import carried_over, films, kept
from editing.trail import SELECTION, Trail
from editing.versions import Version, Versions
from spatia_core.backends.protocols import Progress, silent
from spatia_core.camera_path import CameraPath
from spatia_core.errors import InvalidInput
from spatia_core.io.recordings import is_video
from spatia_core.pipeline import start_memory

MOST_STEPS = 200
"""Steps of one selection that undo can go back; older ones are forgotten."""

MOST_MEMORIES = 40
"""Different memories that undo can go back to; together they are what a session costs."""


class Session(Planning):
    """One person's work on one photo, in a folder of its own; nothing in it is shared between sessions."""

    def __init__(self, tools: Tools, folder: Path, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(tools, clock)
        self.folder = folder
        self.journal: Journal | None = None
        """Where finished rounds of long films are written down, so that a crash costs one round only."""
        self._source: Source | None = None
        self._history: History[State] | None = None
        self._versions = Versions()
        self._trail = Trail()
        folder.mkdir(parents=True, exist_ok=True)

    # --- what there is ---------------------------------------------------------------------------------------------

    @property
    def source(self) -> Source:
        """The photo; raises InvalidInput before one was opened."""
        if self._source is None:
            raise InvalidInput("Open a photo first.")
        return self._source

    @property
    def state(self) -> State:
        """The present state; raises InvalidInput before a photo was opened."""
        return self.history.state

    @property
    def history(self) -> History[State]:
        """All states."""
        if self._history is None:
            raise InvalidInput("Open a photo first.")
        return self._history

    @property
    def is_open(self) -> bool:
        """True when a photo was opened."""
        return self._history is not None

    @property
    def unit(self) -> float:
        """Median depth of the scene: what moves and camera amounts are fractions of."""
        return self.state.original.median_depth()

    # --- photo -----------------------------------------------------------------------------------------------------

    def open(self, opening: Opening, progress: Progress = silent) -> None:
        """The session starts anew with this photo or video; an earlier one is kept when anything goes wrong."""
        if is_video(opening.photo):
            with self._timed("video"):
                source, state = open_video(opening, self.tools.turn.depth, progress)
            self.begin(source, state)
            return
        progress(0.0, "Reading the photo")
        with self._timed("depth"):
            source = open_source(opening, self.tools.turn.depth)
        with self._timed("memory"):
            memory = start_memory(source.image, source.prediction, lambda s, d: progress(0.2 + 0.8 * s, d))
        self.begin(source, State(memory, memory, memory.keyframes[0].camera))

    def begin(self, source: Source, state: State, label: str = "Open", versions: Versions | None = None) -> None:
        """The session holds this source and state, with a history of its own and these clips."""
        self._source = source
        self._history = History.starting(label, state)
        self._versions = (versions or Versions()).with_state(state, state)
        self._trail = Trail()
        self._forget_selection()

    # --- time ------------------------------------------------------------------------------------------------------

    def _advance(self, label: str, state: State) -> None:
        """A new present; files of clips that nobody can go back to any more are removed."""
        self._trail = replace(self._trail, undone=()).leaving(self.state, self._pickings)
        history = self.history.then(label, state)
        while len({id(m) for _, s in history.states for m in (s.memory, s.original)}) > MOST_MEMORIES and history.at:
            history = history.later()
        self._history = history
        self._trail = self._trail.arriving(self._pickings)
        self._tidy()

    def _tidy(self) -> None:
        takes = [take for _, s in self.history.states for take in (s.before, s.after) if take is not None]
        shown = {take.file.stem for take in (*takes, *self._versions.takes())}
        for file in self.folder.glob("*-*.*"):
            if file.stem.startswith(("original-", "edited-")) and file.stem not in shown:
                with suppress(OSError):  # a system that cannot remove open files keeps them until the session closes
                    file.unlink()

    @property
    def can_undo(self) -> bool:
        """True when a selection, an edit, a camera or a clip can be taken back."""
        return self._trail.can_take_back(self._pickings) or self.history.can_undo

    @property
    def can_redo(self) -> bool:
        """True when something taken back can be done again."""
        return bool(self._trail.undone) or self.history.can_redo

    @property
    def undo_label(self) -> str:
        """What undo takes back; empty when there is nothing."""
        if self._trail.can_take_back(self._pickings):
            return SELECTION
        return self.history.label if self.history.can_undo else ""

    @property
    def redo_label(self) -> str:
        """What redo does again; empty when there is nothing."""
        if self._trail.undone:
            return SELECTION
        return self.history.states[self.history.at + 1][0] if self.history.can_redo else ""

    def undo(self) -> str:
        """One step back over selections, edits, cameras and clips; says which. A state is the identical object."""
        label = self.undo_label
        if self._trail.can_take_back(self._pickings):
            self.take_back()
            return label
        history = self.history.undo()
        self._trail = self._trail.leaving(self.state, self._pickings)
        self._history = history
        self._return()
        return label

    def redo(self) -> str:
        """One step forward again; says which."""
        label = self.redo_label
        if self._trail.undone:
            self._pickings, self._trail = self._trail.again(self._pickings)
            return label
        history = self.history.redo()
        self._trail = self._trail.leaving(self.state, self._pickings)
        self._history = history
        self._return()
        return label

    def _return(self) -> None:
        """The selection is what it was when this state was left."""
        self._forget_selection()
        self._pickings, self._trail = self._trail.returning(self.state, self._pickings)

    def take_back(self) -> None:
        """The selection as it was one click before; redo brings the click again."""
        last = self.picking
        super().take_back()
        self._trail = self._trail.took_back(last, self._pickings)

    def select_nothing(self) -> None:
        """No selection; undo brings it back."""
        if self.picking.mask is not None or self.picking.clicks or self.picking.box:
            self._pick(Picking())

    def _pick(self, picking: Picking) -> None:
        super()._pick(picking)
        self._trail = replace(self._trail, undone=())
        floor = self._trail.floor
        if len(self._pickings) > floor + MOST_STEPS:
            self._pickings = (*self._pickings[:floor], *self._pickings[floor + 1 :])

    def _forget_selection(self) -> None:
        super()._forget_selection()
        self._trail = self._trail.arriving(self._pickings)

    # --- clips -----------------------------------------------------------------------------------------------------

    def generate(self, shot: Shot, progress: Progress = silent) -> None:
        """Clips of the shot: of the original memory, and of the edited one where there are edits."""
        path, state = self.path(shot), self.state
        label = f"Film {path.name}"
        before = state.before
        original, memory = state.original, state.memory
        edited = bool(len(state.log))
        if before is None or not films(before, path, shot):
            share = 0.5 if edited else 1.0
            unfinished = before.footage if before is not None and films(before, path, shot, wholly=False) else None
            with self._timed("original_clip"):
                footage = self._film(unfinished or Footage(original), path, shot, lambda s, d: progress(share * s, d))
            before = self._kept(footage, path, 0, shot, self._pace("original_clip", unfinished, footage))
            memory = carried_over(state, before.memory) if edited else before.memory
            original = before.memory
        after = None
        if edited and not before.footage.stopped:
            done, unfinished = 0.0 if before is state.before else 0.5, None
            if state.after is not None and films(state.after, path, shot, wholly=False):
                unfinished = state.after.footage if state.after.footage.stopped else None
            with self._timed("edited_clip"):
                footage = self._film(
                    unfinished or Footage(memory), path, shot, lambda s, d: progress(done + (1 - done) * s, d), True
                )
            pace = self._pace("edited_clip", unfinished, footage)
            take = self._kept(footage, path, len(state.log), shot, pace)
            with self._timed("compare"):
                seen = compare(before.clip, before.memory, take.clip, take.memory) if not footage.stopped else None
            after = replace(take, comparison=seen)
            memory = take.memory
        new = replace(state, original=original, memory=memory, before=before, after=after, keys=shot.keys)
        self._versions = self._versions.with_state(new, state)
        self._advance(label, new)

    def _film(
        self, footage: Footage, path: CameraPath, shot: Shot, progress: Progress, edited: bool = False
    ) -> Footage:
        rounds = rounds_of(list(path), shot, self.tools.turn.generator)
        if edited:
            rounds = staged(rounds, self.state.walkers, self.state.left_open)
        if self.journal is None or len(rounds) == 1:
            return film(footage, rounds, shot, self.tools.turn, progress)
        key, journal = fingerprint(footage.memory, rounds, shot, self.tools.turn), self.journal
        kept = footage if footage.clips else journal.read(key, footage)
        return film(kept, rounds, shot, self.tools.turn, progress, lambda f: journal.write(key, f))

    def _kept(self, footage: Footage, path: CameraPath, edits: int, shot: Shot, pace: float | None) -> Take:
        with self._timed("encode"):
            return replace(kept(self.folder, footage, path, edits, shot), pace=pace)

    def _pace(self, stage: str, before: Footage | None, after: Footage) -> float | None:
        """Seconds a frame that filming just took."""
        frames = sum(map(len, after.clips)) - (0 if before is None else sum(map(len, before.clips)))
        return self.timings[stage] / frames if frames else None

    # --- versions --------------------------------------------------------------------------------------------------

    @property
    def versions(self) -> Versions:
        """Every clip of the session; undo does not take any away."""
        return self._versions

    @property
    def version(self) -> Version | None:
        """The clip that is shown now."""
        return self._versions.shown_by(self.state)

    def fork(self, number: int, progress: Progress = silent) -> None:
        """The state of a clip becomes the present one; later clips stay. Undo goes back to where one was.

        Of a clip whose frames are gone the edits are made and the path is filmed again from the photo.
        """
        version = self._versions[number]
        if version.state is not None:
            self._advance(f"Go on from clip {number}", version.state)
            self._forget_selection()
            return
        recipe, source, present = version.recipe, self.source, self.state
        base = start_memory(source.image, source.prediction, lambda s, d: progress(0.3 * s, d))
        progress(0.3, "Making the edits again")
        played = recipe.log.played(base)
        state = State(base, played.memory, present.camera, recipe.log, played.walkers, played.left_open)
        earlier, label = self.history, f"Go on from clip {number}"
        self._history = earlier.then(label, replace(state, objects=present.objects))
        try:
            self.generate(recipe.shot, lambda s, d: progress(0.35 + 0.65 * s, d))
        except BaseException:
            self._history = earlier
            raise
        self._history = earlier.then(label, self.state)
        self._forget_selection()

    def close(self) -> None:
        """The session's folder and all files in it are removed."""
        shutil.rmtree(self.folder, ignore_errors=True)
