"""What each kind of backend takes and gives: numpy in, numpy out.

An adapter adapts units, colour order, pixel centres, depth kind and mask dtype, nothing else. It is loaded by name
through the registry and imported by nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float

from spatia_core.arrays import Depth, Image, Intrinsics, Mask, Selection, read_only
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip, DepthMap
from spatia_core.memory import SpatialMemory
from spatia_core.movers import Mover
from spatia_core.render import Rendering

Progress = Callable[[float, str], None]
"""Told the share done (0 to 1) and what is being done; it may raise Cancelled, which the work lets through."""


def silent(share: float, doing: str) -> None:
    """A Progress that tells nobody."""


@dataclass(frozen=True, eq=False, slots=True)
class DepthPrediction:
    """Depth of one photo and the lens it was taken with."""

    depth: DepthMap
    """Same size as the photo."""
    K: Intrinsics
    """(3, 3) pixels: the K that was given, or the estimate."""
    sky: Mask
    """(h, w) True where the photo shows sky; its depth is a far shell, not a measurement."""


class DepthEstimator(Protocol):
    """One photo to depth."""

    name: str

    def estimate(self, image: Image, K: Intrinsics | None) -> DepthPrediction:
        """Depth at the photo's size; unknown pixels are NaN. `K` in pixels, or None to have it estimated."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Prompt:
    """What a person pointed at, in pixels of the picture; pixel i covers [i, i + 1)."""

    points: Float[np.ndarray, "n 2"]
    """(n, 2) x, y of the clicks, oldest first."""
    positive: Bool[np.ndarray, " n"]
    """(n,) True = this belongs to the thing, False = this does not."""
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 around the thing, or None."""
    previous: Mask | None = None
    """(h, w) the mask the person saw when placing the newest click, or None."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", read_only(np.reshape(self.points, (-1, 2)), np.float64))
        object.__setattr__(self, "positive", read_only(np.reshape(self.positive, -1), bool))
        if len(self.points) != len(self.positive):
            raise InvalidInput(f"{len(self.points)} clicks but {len(self.positive)} signs.")
        if not self.positive.any() and self.box is None:
            raise InvalidInput("Point at the thing first: at least one + click or a box is needed.")

    def checked_for(self, height: int, width: int) -> "Prompt":
        """The prompt itself when every click lies in a picture of this size and the box has an area in it."""
        for x, y in self.points:
            if not (0 <= x < width and 0 <= y < height):
                raise InvalidInput(
                    f"The click ({x:g}, {y:g}) lies outside the picture (0..{width - 1}, 0..{height - 1})."
                )
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            if not (
                np.isfinite(self.box).all() and min(x1, width) - max(x0, 0) >= 2 and min(y1, height) - max(y0, 0) >= 2
            ):
                raise InvalidInput(
                    f"The box {tuple(float(v) for v in self.box)} has no area in the picture; give X0,Y0,X1,Y1 with "
                    f"X0 < X1 <= {width} and Y0 < Y1 <= {height}."
                )
        return self


@dataclass(frozen=True, eq=False, slots=True)
class Segmentation:
    """Candidate masks, best first."""

    masks: Bool[np.ndarray, "k h w"]
    """(k, h, w) k >= 1."""
    scores: Float[np.ndarray, " k"]
    """(k,) the backend's own belief in each mask, in [0, 1]."""


Following = Callable[[Image], Mask]
"""Takes the next picture and gives the mask of the thing that is followed, empty where it is not seen."""


class Segmenter(Protocol):
    """Clicks to masks, at SAM's two-step cost: embed a picture once, then ask often.

    One that knows things again in other pictures has a method `follow(image, mask)`: it gives a Following for the thing
    under a mask of a picture, or None where its weights cannot.
    """

    name: str

    def embed(self, image: Image) -> Any:
        """Whatever `segment` needs to know about the picture; opaque, held by the session."""
        ...

    def segment(self, embedding: Any, prompt: Prompt) -> Segmentation:
        """Up to three candidate masks at the picture's size, best first."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class ReferenceView:
    """A keyframe as the edited memory shows it: no pixel of anything removed."""

    image: Image
    """(h, w, 3) uint8, black where nothing is known."""
    depth: Depth
    """(h, w) float32 z-depth, NaN where nothing is known."""
    camera: Camera
    """Where it is seen from."""


@dataclass(frozen=True, eq=False, slots=True)
class Conditioning:
    """All that a generator is shown. Everything in it is a rendering of the edited memory (no-ghost rule)."""

    cameras: tuple[Camera, ...]
    """Commanded camera of every frame."""
    projections: Sequence[Rendering]
    """The memory seen from every camera; rendered when asked for."""
    references: tuple[ReferenceView, ...]
    """Keyframes that see what the path will see."""
    history: tuple[ReferenceView, ...] = ()
    """The last frames of the clip before this one, oldest first; empty in the first turn."""
    movers: tuple[Mover, ...] = ()
    """Things that move in the clip, frame 0 being its first; they are not in the projections and not in the memory."""
    invented: Selection | None = None
    """(n,) which points of the projections no picture ever showed: the memory completed itself with them. A generator
    that imagines may take their pixels for holes."""

    @property
    def first_frame(self) -> Rendering:
        """The memory seen from the first camera."""
        return self.projections[0]


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """How a clip is made; a generator ignores what it has no use for."""

    seed: int = 0
    fps: int = 24
    steps: int = 40
    guidance: float = 3.5
    round_index: int = 0
    """Which round of a long path, or which turn, this is; 0 = the first. Noise differs from round to round."""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rounds:
    """How a generator takes a path longer than it can film at once (Spatia: 121 frames, then 72 after 9 old ones)."""

    first: int = 121
    """Most frames filmed in a round without history."""
    later: int = 72
    """Most new frames filmed in a round that goes on from an earlier one."""
    history: int = 9
    """Frames before its own that a later round is shown; they are not filmed again."""

    def __post_init__(self) -> None:
        if self.first < 1 or self.later < 1 or self.history < 0:
            raise InvalidInput(
                f"Rounds of {self.first}, then {self.later} frames after {self.history} old ones film nothing: both "
                "numbers of frames must be at least 1."
            )

    def plan(self, frames: int, continues: bool = False) -> tuple[range, ...]:
        """The frames of a path that every round films, in order; `continues` when a clip lies before the path."""
        ranges: list[range] = []
        start = 0
        while start < frames:
            most = self.later if ranges or continues else self.first
            ranges.append(range(start, min(start + most, frames)))
            start = ranges[-1].stop
        return tuple(ranges)


class VideoGenerator(Protocol):
    """Conditioning to clip.

    A generator with an attribute `rounds` (a Rounds) is asked for at most that many frames at once; without one it
    takes paths of any length. One that follows prompts has a true attribute `reads_prompts`. `conditioning.history`
    lies before `conditioning.cameras`, is never filmed again, and is empty when nothing was filmed before.
    """

    name: str

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """A clip with one frame per camera, byte-equal for equal conditioning, prompt and settings."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Tracking:
    """Where the camera really went."""

    cameras: tuple[Camera, ...]
    """Tracked camera of every frame."""
    keyframes: tuple[int, ...]
    """Frames worth remembering."""
    loops: tuple[tuple[int, int], ...] = ()
    """Pairs of frames recognised as the same place."""
    measured: bool = True
    """False when the poses are the commanded ones, taken on trust."""
    note: str = ""
    """One sentence for the person."""


class SlamTracker(Protocol):
    """Clip to trajectory."""

    name: str

    def track(self, clip: Clip, depths: Sequence[DepthMap] | None, memory: SpatialMemory) -> Tracking:
        """The camera of every frame in the memory's world; raises TrackingLost when a frame cannot be placed."""
        ...
