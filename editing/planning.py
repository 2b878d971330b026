"""The planning half of a session: where the camera will go, and what can be said of it before it is filmed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from editing.changing import Changing
from editing.filming import Shot, rounds_of
from editing.path_check import PathReport, inspected
from editing.takes import carried_over, films
from editing.timeline import MAX_FRAMES, Timeline, TimelineKey, as_seen, keys_of
from spatia_core.backends import registry
from spatia_core.backends.protocols import Progress, VideoGenerator, silent
from spatia_core.camera import Camera
from spatia_core.camera_path import PATH_NAMES, CameraPath, SceneScale, make_path
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip
from spatia_core.io.trajectories import read_path
from spatia_core.pipeline import Backends, Request, run_turn

SKETCH = 240
"""Longer side of the quick preview, pixels."""

SKETCHED = 36
"""Frames of the quick preview at most."""


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """A path before it is filmed."""

    path: CameraPath
    report: PathReport
    seconds: float | None
    """About how long filming it will take; None before anything was filmed."""
    gpu_seconds: float | None
    """About how long a large GPU will be busy; None where none is used."""


def reads_prompts(generator: VideoGenerator) -> bool:
    """True for generators that follow a prompt; they say so in an attribute `reads_prompts`."""
    return bool(getattr(generator, "reads_prompts", False))


class Planning(Changing):
    """Camera paths: by name, from files, or through keys that are part of the state."""

    _plain: Backends | None = None

    # --- the way -----------------------------------------------------------------------------------------------------

    def path(self, shot: Shot) -> CameraPath:
        """The camera path of a shot; unless it has keys it starts at the photo's camera."""
        if shot.keys is not None:
            return self._fitting(shot.keys).path()
        if not 1 <= shot.frames <= MAX_FRAMES:
            raise InvalidInput(f"A clip can have 1 to {MAX_FRAMES} frames, not {shot.frames}.")
        start = self.state.camera
        if shot.path not in PATH_NAMES and Path(shot.path).suffix:
            return read_path(shot.path, start).resampled(shot.frames)
        scale = SceneScale.before(start, self.state.original.stage_depth())
        return make_path(shot.path, start, shot.frames, scale, shot.amount)

    def _fitting(self, keys: Timeline) -> Timeline:
        camera, start = keys.keys[0].camera, self.state.camera
        if (camera.width, camera.height) != (start.width, start.height):
            raise InvalidInput(
                f"The keys are for pictures of {camera.width}x{camera.height}, this photo is worked at "
                f"{start.width}x{start.height}."
            )
        return keys

    # --- keys --------------------------------------------------------------------------------------------------------

    def timeline(self, shot: Shot) -> Timeline:
        """The present keys, or the shot's path as keys."""
        return self.state.keys or keys_of(self.path(shot), self.unit)

    def set_keys(self, keys: Timeline | None, label: str = "Camera keys") -> None:
        """The camera follows these keys from now on (None: no keys); undo brings the earlier ones back."""
        if keys is not None:
            self._fitting(keys)
        if keys is not self.state.keys:
            self._advance(label, replace(self.state, keys=keys))

    def change_keys(self, shot: Shot, change: Callable[[Timeline], Timeline], label: str) -> None:
        """The keys changed; a shot without keys becomes keys first. Raises InvalidInput and changes nothing."""
        self.set_keys(change(self.timeline(shot)), label)

    def add_key(self, shot: Shot, frame: int, view: Camera | None = None) -> None:
        """A key at a frame (of speed 1): where the path is then, or what a view of the 3D memory sees."""
        start = self.state.camera

        def change(timeline: Timeline) -> Timeline:
            room = replace(timeline, length=max(timeline.length, frame + (2 if timeline.loop else 1)))
            return room.with_key(frame, room.camera_at(frame) if view is None else as_seen(view, start))

        if self.state.keys is None and view is not None and frame == 0:
            only = Timeline((TimelineKey(0, as_seen(view, start)),), max(len(self.path(shot)), 2))
            self.set_keys(only, "First camera key")
        else:
            self.change_keys(shot, change, "Add a camera key")

    def aim_key(self, index: int, view: Camera) -> None:
        """A key sees what a view of the 3D memory sees."""
        keys, seen = self.state.keys, as_seen(view, self.state.camera)
        if keys is None:
            raise InvalidInput("There are no camera keys yet. Add one first.")
        self.set_keys(keys.aimed(index, seen), "Aim a camera key")

    # --- in advance --------------------------------------------------------------------------------------------------

    def plan(self, shot: Shot) -> Plan:
        """What can be said of a shot before it is filmed; takes about half a second."""
        path, state = self.path(shot), self.state
        return Plan(path, inspected(state.memory, list(path)), *self._estimated(shot, path))

    def _estimated(self, shot: Shot, path: CameraPath) -> tuple[float | None, float | None]:
        state, generator = self.state, self.tools.turn.generator
        known = [t.pace for t in (state.after, state.before) if t is not None and t.pace is not None]
        filmed = state.before is not None and films(state.before, path, shot)
        clips = (0 if filmed else 1) + (1 if len(state.log) else 0)
        frames = len(path) * shot.turns
        seconds = known[0] * frames * max(clips, 1) if known else None
        asks: Any = getattr(generator, "gpu_seconds", None)
        if asks is None:
            return seconds, None
        size, rounds = (path[0].width, path[0].height), rounds_of(list(path), shot, generator)
        return seconds, float(max(clips, 1) * sum(asks(len(r.cameras), *size) for r in rounds))

    def preview(self, shot: Shot, most: int | None = SKETCHED, side: int | None = SKETCH) -> Clip:
        """The memory along the shot's path, made exactly as the reproject generator makes its clips; nothing changes.

        most: frames at most, evenly spread; side: longer side in pixels. With None for both, and reproject as the
        session's generator, it is the clip that filming the shot would give.
        """
        return self._filmed_plainly(self._sketch(self.path(shot), most, side))

    def _sketch(self, path: CameraPath, most: int | None, side: int | None) -> CameraPath:
        if most is not None and len(path) > most:
            frames = [round(k * (len(path) - 1) / (most - 1)) for k in range(most)]
            path = CameraPath(tuple(path[k] for k in frames), path.name)
        if side is None:
            return path
        scale = min(1.0, side / max(path[0].width, path[0].height))
        return path.resized(max(1, round(path[0].width * scale)), max(1, round(path[0].height * scale)))

    def _filmed_plainly(self, path: CameraPath, progress: Progress = silent) -> Clip:
        """A clip of the present memory without a network; what completion adds is forgotten again."""
        state, memory, plain = self.state, self.state.memory, self._plainly()
        if len(state.log):
            original = run_turn(state.original, Request(list(path)), plain, lambda s, d: progress(0.5 * s, d))
            memory = carried_over(state, original.memory)
        movers = [w.mover(len(path)) for w in state.walkers]
        request = Request(list(path), movers=movers, left_open=state.left_open)
        return run_turn(memory, request, plain, lambda s, d: progress(0.5 + 0.5 * s, d)).clip

    def _plainly(self) -> Backends:
        if self._plain is None:
            turn = self.tools.turn
            generator = registry.create("generator", "reproject")
            self._plain = Backends(turn.depth, generator, registry.create("tracker", "commanded"))
        return self._plain
