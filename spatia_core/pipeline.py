"""The order of things: a photo becomes a memory; a turn takes memory and path to a clip and an updated memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from spatia_core.arrays import Depth, Image, Mask
from spatia_core.backends.protocols import (
    DepthEstimator,
    DepthPrediction,
    GenerationSettings,
    Progress,
    SlamTracker,
    Tracking,
    VideoGenerator,
    silent,
)
from spatia_core.camera import Camera
from spatia_core.completion import complete_along, complete_around
from spatia_core.conditioning import condition
from spatia_core.errors import TrackingLost
from spatia_core.frames import Clip
from spatia_core.fusion import FusionReport, fuse_clip, remember_view
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.movers import Mover
from spatia_core.point_cloud import PointCloud


@dataclass(frozen=True, slots=True)
class Backends:
    """The foreign parts of a turn."""

    depth: DepthEstimator
    generator: VideoGenerator
    tracker: SlamTracker
    told: str = ""
    """The options they were made with, as text: a film made with others is another film."""


@dataclass(frozen=True, eq=False, slots=True)
class Turn:
    """What one turn gave."""

    memory: SpatialMemory
    clip: Clip
    tracking: Tracking
    fusion: FusionReport
    unknown_before: float = 0.0
    """Largest share of a frame that no point covered before completion."""
    notes: tuple[str, ...] = field(default=())


SHELL = 1.5
"""Depth of the sky in units of the farthest thing: behind all of them, yet moving along with the horizon."""


def sky_shell(depth: Depth, sky: Mask) -> Depth:
    """The depth with sky on one shell behind the farthest thing (98th percentile).

    A shell much farther out would tear sky from mountains whenever the camera moves, wherever the line between them
    is uncertain; the true parallax of both is next to nothing.
    """
    things = depth[~sky & np.isfinite(depth)]
    if not sky.any() or not things.size:
        return depth
    return np.where(sky, np.float32(SHELL * np.percentile(things, 98)), depth)


def start_memory(image: Image, prediction: DepthPrediction, progress: Progress = silent) -> SpatialMemory:
    """The memory of one photo, whose camera becomes the world frame, completed behind edges and past the frame."""
    progress(0.0, "Building the memory")
    h, w = prediction.depth.depth.shape
    camera = Camera(prediction.K, np.eye(4), w, h)
    depth = sky_shell(prediction.depth.depth, prediction.sky)
    view = Keyframe(image, depth, camera, np.zeros((h, w), bool), prediction.sky)
    memory = remember_view(SpatialMemory.empty(), view, Provenance.OBSERVED)
    return complete_around(memory, camera, lambda s: progress(0.3 + 0.7 * s, "Completing what the photo does not show"))


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a turn."""

    path: Sequence[Camera]
    """Commanded camera of every frame."""
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    prompt: str = ""
    """Read by generators that read prompts."""
    history: Sequence[Camera] = ()
    """Cameras of the last frames before this path, as many as the generator is to be shown."""
    movers: Sequence[Mover] = ()
    """What moves, frame by frame of the path; it is not in the memory and does not get there."""
    left_open: PointCloud = field(default_factory=PointCloud.empty)
    """What would fill the places that are left to the generator: nothing is completed there."""


def _completed(memory: SpatialMemory, request: Request, at: Callable[[float], None]) -> tuple[SpatialMemory, float]:
    """The memory completed along the path but for the places left open, and the largest share of a frame unknown."""
    n, k = len(memory), len(request.left_open)
    if not k:
        return complete_along(memory, request.path, at)
    known = memory.insert(request.left_open, PointLabels.uniform(k, Provenance.COMPLETED, confidence=0.0))
    known, unknown = complete_along(known, request.path, at)
    index = np.arange(len(known))
    return known.without((index >= n) & (index < n + k)), unknown


def _tracked(clip: Clip, memory: SpatialMemory, tracker: SlamTracker) -> Tracking:
    """Where the camera was; a clip that cannot be placed is kept, but nothing of it is remembered."""
    try:
        return tracker.track(clip, None, memory)
    except TrackingLost as e:
        return Tracking(
            clip.cameras, (), measured=False, note=f"{e} The clip is kept; the memory learnt nothing from it."
        )


def run_turn(memory: SpatialMemory, request: Request, backends: Backends, progress: Progress = silent) -> Turn:
    """One turn: complete what the path will see, show it to the generator, track the clip, fuse what is new."""
    memory, unknown = _completed(memory, request, lambda s: progress(0.2 * s, "Completing what the path will see"))
    progress(0.2, "Rendering the memory along the path")
    conditioning = condition(memory, request.path, request.history, request.movers)
    clip = backends.generator.generate(
        conditioning, request.prompt, request.settings, lambda share, doing: progress(0.2 + 0.7 * share, doing)
    )
    progress(0.9, "Updating the memory")
    tracking = _tracked(clip, memory, backends.tracker)
    memory, fusion = fuse_clip(memory, clip, tracking, backends.depth)
    notes = (*clip.notes, *((tracking.note,) if tracking.note else ()))
    return Turn(memory, clip, tracking, fusion, unknown, notes)
