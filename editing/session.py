"""A session: the one object that changes. It holds values and replaces them only when the work is done."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from editing.changing import Changing
from editing.comparison import compare
from editing.filming import Footage, Shot, film, fingerprint, rounds_of, staged
from editing.history import History
from editing.journal import Journal
from editing.opening import Opening, open_source
from editing.selecting import Tools
from editing.state import Source, State, Take
from editing.takes import carried_over, films, kept
from spatia_core.backends.protocols import Progress, silent
from spatia_core.camera_path import CameraPath, SceneScale, make_path
from spatia_core.camera_path.makers import PATH_NAMES
from spatia_core.errors import InvalidInput
from spatia_core.io.trajectories import read_path
from spatia_core.pipeline import start_memory

MAX_FRAMES = 481
"""Longest clip, frames: 20 seconds."""


class Session(Changing):
    """One person's work on one photo, in a folder of its own; nothing in it is shared between sessions."""

    def __init__(self, tools: Tools, folder: Path, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(tools, clock)
        self.folder = folder
        self.journal: Journal | None = None
        """Where finished rounds of long films are written down, so that a crash costs one round only."""
        self._source: Source | None = None
        self._history: History[State] | None = None
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
        """The session starts anew with this photo; an earlier one is kept untouched when anything goes wrong."""
        progress(0.0, "Reading the photo")
        with self._timed("depth"):
            source = open_source(opening, self.tools.turn.depth)
        with self._timed("memory"):
            memory = start_memory(source.image, source.prediction, lambda s, d: progress(0.2 + 0.8 * s, d))
        self.begin(source, State(memory, memory, memory.keyframes[0].camera))

    def begin(self, source: Source, state: State, label: str = "Open") -> None:
        """The session holds this source and state, with a history of its own."""
        self._source = source
        self._history = History.starting(label, state)
        self._forget_selection()

    # --- time ------------------------------------------------------------------------------------------------------

    def _advance(self, label: str, state: State) -> None:
        """A new present; files of clips that no state shows any more are removed."""
        self._history = self.history.then(label, state)
        takes = [take for _, s in self.history.states for take in (s.before, s.after) if take is not None]
        shown = {take.file.stem for take in takes}
        for file in self.folder.glob("*-*.*"):
            if file.stem.startswith(("original-", "edited-")) and file.stem not in shown:
                with suppress(OSError):  # a system that cannot remove open files keeps them until the session closes
                    file.unlink()

    def undo(self) -> None:
        """One step back over edits and clips; the state is the identical object it was."""
        self._history = self.history.undo()
        self._forget_selection()

    def redo(self) -> None:
        """One step forward again."""
        self._history = self.history.redo()
        self._forget_selection()

    # --- clips -----------------------------------------------------------------------------------------------------

    def path(self, shot: Shot) -> CameraPath:
        """The camera path of a shot, starting at the photo's camera."""
        if not 1 <= shot.frames <= MAX_FRAMES:
            raise InvalidInput(f"A clip can have 1 to {MAX_FRAMES} frames, not {shot.frames}.")
        start = self.state.camera
        if shot.path not in PATH_NAMES and Path(shot.path).suffix:
            return read_path(shot.path, start).resampled(shot.frames)
        return make_path(
            shot.path, start, shot.frames, SceneScale.before(start, self.state.original.stage_depth()), shot.amount
        )

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
            before = self._kept(footage, path, 0, shot)
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
            take = self._kept(footage, path, len(state.log), shot)
            with self._timed("compare"):
                seen = compare(before.clip, before.memory, take.clip, take.memory) if not footage.stopped else None
            after = replace(take, comparison=seen)
            memory = take.memory
        self._advance(label, replace(state, original=original, memory=memory, before=before, after=after))

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

    def _kept(self, footage: Footage, path: CameraPath, edits: int, shot: Shot) -> Take:
        with self._timed("encode"):
            return kept(self.folder, footage, path, edits, shot)

    def close(self) -> None:
        """The session's folder and all files in it are removed."""
        shutil.rmtree(self.folder, ignore_errors=True)
