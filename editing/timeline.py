"""A camera path as keys on a timeline: a value; every change of it is a new one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, get_args

import numpy as np

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.camera_path import CameraPath, Easing, Key, keyed
from spatia_core.errors import InvalidInput, ProjectFormatError

FPS = 24
MAX_FRAMES = 481
"""Longest clip, frames: 20 seconds."""

MOST_KEYS = 60
SPEEDS = (0.25, 4.0)
FULL_FRAME = 36.0
"""Width in millimetres of the film that focal lengths are told for."""

LENSES = (8.0, 400.0)
"""Shortest and longest focal length, millimetres."""

NAME = "camera keys"
"""What a path through keys is called."""

CLOSE = 4e-3
"""How far keys may stray from the path they are made of: share of the scene's depth, radians, logarithm of the lens."""


@dataclass(frozen=True, eq=False, slots=True)
class TimelineKey:
    """A camera at a frame."""

    frame: int
    """Counted from 0, at speed 1."""
    camera: Camera
    easing: Easing = "smooth"
    """How it goes on to the next key."""

    @property
    def millimetres(self) -> float:
        """Its focal length for a film of full width."""
        return float(self.camera.K[0, 0] / self.camera.width * FULL_FRAME)


@dataclass(frozen=True, eq=False, slots=True)
class Timeline:
    """Keys in order; before the first and after the last the camera stands still."""

    keys: tuple[TimelineKey, ...]
    length: int
    """Frames at speed 1."""
    loop: bool = False
    """After the last key the camera goes back to the first."""
    speed: float = 1.0
    """Twice the speed has half the frames."""

    def __post_init__(self) -> None:
        frames = [k.frame for k in self.keys]
        if not 1 <= len(frames) <= MOST_KEYS:
            raise InvalidInput(f"A camera path can have 1 to {MOST_KEYS} keys, not {len(frames)}.")
        last = self.length - (2 if self.loop else 1)
        if frames != sorted(set(frames)) or frames[0] < 0 or frames[-1] > last:
            raise InvalidInput(f"Every key needs a frame of its own between 1 and {last + 1}.")
        if not SPEEDS[0] <= self.speed <= SPEEDS[1]:
            raise InvalidInput(f"The speed can be {SPEEDS[0]:g} to {SPEEDS[1]:g}, not {self.speed:g}.")
        if not 2 <= self.frames <= MAX_FRAMES:
            raise InvalidInput(f"A clip can have 2 to {MAX_FRAMES} frames; this path would have {self.frames}.")
        first = self.keys[0].camera
        if any((k.camera.width, k.camera.height) != (first.width, first.height) for k in self.keys):
            raise InvalidInput("All keys of a path must have the same picture size.")

    # --- what it says ------------------------------------------------------------------------------------------------

    @property
    def frames(self) -> int:
        """How many frames the clip has."""
        return round((self.length - 1) / self.speed) + 1

    def shown_at(self, key: TimelineKey) -> float:
        """The clip's frame at which a key is reached."""
        return key.frame / self.speed

    def path(self, frames: int | None = None) -> CameraPath:
        """The camera of every frame of the clip, or the same way in another number of frames."""
        keys = [Key(k.frame, k.camera, k.easing) for k in self.keys]
        if keys[0].time > 0:
            keys.insert(0, Key(0, keys[0].camera))
        last = self.length - 1
        if self.loop or keys[-1].time < last:
            keys.append(Key(last, self.keys[0].camera if self.loop else keys[-1].camera))
        return keyed(keys, frames or self.frames, closed=self.loop and len(self.keys) > 1, name=NAME)

    def camera_at(self, frame: float) -> Camera:
        """The camera at a frame of speed 1."""
        whole = int(np.clip(round(frame), 0, self.length - 1))
        return self.path(self.length)[whole]

    # --- changes: each gives a new value or raises InvalidInput ------------------------------------------------------

    def with_key(self, frame: int, camera: Camera) -> Self:
        """A key more; one that stood there gives way but keeps its easing."""
        before = [k for k in self.keys if k.frame <= frame]
        key = TimelineKey(frame, camera, before[-1].easing if before else "smooth")
        others = [k for k in self.keys if k.frame != frame]
        return self._with(sorted([*others, key], key=lambda k: k.frame))

    def moved(self, index: int, frame: int) -> Self:
        """The key at another frame; the path grows where the key goes beyond its end."""
        key = self._key(index)
        if any(k.frame == frame for k in self.keys if k is not key):
            raise InvalidInput(f"There is a key at frame {frame + 1} already.")
        others = [k for k in self.keys if k is not key]
        room = frame + (2 if self.loop else 1)
        longer = replace(self, length=max(self.length, room))
        return longer._with(sorted([*others, replace(key, frame=frame)], key=lambda k: k.frame))

    def duplicated(self, index: int) -> Self:
        """A copy half way to the next key, or as long after the last one as that is after the one before."""
        key = self._key(index)
        if index + 1 < len(self.keys):
            frame = (key.frame + self.keys[index + 1].frame) // 2
            if frame == key.frame:
                raise InvalidInput("There is no free frame between this key and the next; move one of them first.")
        else:
            frame = key.frame + (key.frame - self.keys[index - 1].frame if index else FPS)
        longer = replace(self, length=max(self.length, frame + (2 if self.loop else 1)))
        return longer._with([*longer.keys[: index + 1], replace(key, frame=frame), *longer.keys[index + 1 :]])

    def without(self, index: int) -> Self:
        """A key less."""
        key = self._key(index)
        if len(self.keys) == 1:
            raise InvalidInput("A path needs at least one key. Choose a camera move from the list to drop the keys.")
        return self._with([k for k in self.keys if k is not key])

    def aimed(self, index: int, camera: Camera) -> Self:
        """The key sees what this camera sees."""
        return self._changed(index, camera=camera)

    def eased(self, index: int, easing: str) -> Self:
        """The camera goes on from the key in this way."""
        if easing not in get_args(Easing):
            raise InvalidInput(f"There is no easing {easing!r}; give one of {', '.join(get_args(Easing))}.")
        return self._changed(index, easing=easing)

    def zoomed(self, index: int, millimetres: float) -> Self:
        """The key has this focal length."""
        if not LENSES[0] <= millimetres <= LENSES[1]:
            raise InvalidInput(f"A lens can have {LENSES[0]:g} to {LENSES[1]:g} mm, not {millimetres:g}.")
        key = self._key(index)
        return self._changed(index, camera=key.camera.zoomed(millimetres / key.millimetres))

    def looped(self, loop: bool) -> Self:
        """The way back is added after the last key, or taken away again; it takes as long as keys are apart."""
        if loop == self.loop:
            return self
        keys, last = self.keys, self.keys[-1].frame
        if not loop:
            return replace(self, loop=False)
        if len(keys) > 1 and _same_view(keys[0].camera, keys[-1].camera):
            return replace(self, keys=keys[:-1], length=last + 1, loop=True)
        gap = round((last - keys[0].frame) / (len(keys) - 1)) if len(keys) > 1 else 1
        length = self.length if last < self.length - 1 else last + 1 + max(gap, 1)
        return replace(self, loop=True, length=max(length, last + 2))

    def at_speed(self, speed: float) -> Self:
        """The same keys passed slower or faster."""
        return replace(self, speed=speed)

    def lasting(self, frames: int) -> Self:
        """The same way in a clip of so many frames: all keys move apart or together."""
        length = round((frames - 1) * self.speed) + 1
        if length == self.length or length < 2:
            return self
        share = (length - 1) / (self.length - 1)
        keys = [replace(k, frame=round(k.frame * share)) for k in self.keys]
        if len({k.frame for k in keys}) < len(keys):
            raise InvalidInput(f"{len(keys)} keys do not fit into {frames} frames; delete some of them first.")
        return replace(self, keys=tuple(keys), length=length)

    def _key(self, index: int) -> TimelineKey:
        if not 0 <= index < len(self.keys):
            raise InvalidInput(f"There is no key {index + 1}; the path has {len(self.keys)}.")
        return self.keys[index]

    def _changed(self, index: int, **values: Any) -> Self:
        key = replace(self._key(index), **values)
        return self._with([*self.keys[:index], key, *self.keys[index + 1 :]])

    def _with(self, keys: Sequence[TimelineKey]) -> Self:
        return replace(self, keys=tuple(keys))


def _same_view(a: Camera, b: Camera) -> bool:
    return a.same_lens(b) and np.allclose(a.w2c, b.w2c, atol=1e-6)


def _apart(a: CameraPath, b: CameraPath, depth: float) -> np.ndarray:
    """(n,) how far two paths are apart at every frame, in the units of CLOSE."""
    far = []
    for x, y in zip(a, b, strict=True):
        place = float(np.linalg.norm(x.centre - y.centre)) / depth
        turn = float(np.linalg.norm(se3.so3_log(x.w2c[:3, :3] @ y.w2c[:3, :3].T)))
        far.append(max(place, turn, abs(float(np.log(x.K[0, 0] / y.K[0, 0])))))
    return np.array(far)


def keys_of(path: CameraPath, depth: float) -> Timeline:
    """A path as keys, few that follow it closely; `depth` is the scene's. A closed path becomes a loop."""
    length = len(path)
    if length < 2:
        return Timeline((TimelineKey(0, path[0]),), 2)
    loop = path.closed and length > 3
    frames = {0, (length - 1) // 2} if loop else {0, length - 1}
    while True:
        made = Timeline(tuple(TimelineKey(k, path[k]) for k in sorted(frames)), length, loop)
        apart = _apart(made.path(), path, depth)
        if apart.max() <= CLOSE or len(frames) >= min(length - 1, MOST_KEYS):
            return made
        frames.add(_middle_of_gap(frames, int(np.argmax(apart)), length))


def _middle_of_gap(frames: set[int], worst: int, length: int) -> int:
    """The frame in the middle between the keys around the worst one: even keys make the smoothest path."""
    before = max((k for k in frames if k <= worst), default=0)
    after = min((k for k in frames if k > worst), default=length - 1)
    return (before + after) // 2 if after - before > 1 else worst


def as_seen(view: Camera, like: Camera) -> Camera:
    """The camera of a path (its picture as `like`'s) that stands where a view of any size does and sees as much of it.

    The picture's height sees what the view's height saw.
    """
    focal = view.K[1, 1] * like.height / view.height
    K = np.array([[focal, 0, like.K[0, 2]], [0, focal, like.K[1, 2]], [0, 0, 1]])
    return Camera(K, view.w2c, like.width, like.height)


# --- as plain values ------------------------------------------------------------------------------------------------


def described(timeline: Timeline, of_camera: Callable[[Camera], Any]) -> dict[str, Any]:
    """The timeline as JSON values."""
    keys = [{"frame": k.frame, "camera": of_camera(k.camera), "easing": k.easing} for k in timeline.keys]
    return {"keys": keys, "length": timeline.length, "loop": timeline.loop, "speed": timeline.speed}


def read_timeline(d: dict[str, Any], to_camera: Callable[[Any], Camera]) -> Timeline:
    """The timeline again; raises ProjectFormatError or InvalidInput for what none can be."""
    if len(d["keys"]) > MOST_KEYS:
        raise ProjectFormatError(f"A camera path in the session file has more than {MOST_KEYS} keys.")
    keys = []
    for k in d["keys"]:
        if k["easing"] not in get_args(Easing):
            raise ProjectFormatError(f"The session file has an easing {k['easing']!r} that is not known.")
        keys.append(TimelineKey(int(k["frame"]), to_camera(k["camera"]), k["easing"]))
    return Timeline(tuple(keys), int(d["length"]), bool(d["loop"]), float(d["speed"]))
