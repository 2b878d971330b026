"""What one training step is shown: a clip, what came before it, a memory of one other frame, and references."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatia_core.backends.protocols import DepthEstimator
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.fusion import remember_view
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.references import iou, visible_points
from spatia_core.render import render
from training.spatia.sequences import PosedVideo


@dataclass(frozen=True, slots=True)
class Split:
    """Frame numbers of a video (specification 11)."""

    clip: range
    """Preceding frames and target frames together, the form the generator sees: 4k + 1 frames."""
    history: int
    """How many of them precede, 4k + 1; 1 = the clip starts from a single picture."""
    candidates: tuple[int, ...]
    """The other frames of the video: memory and references come from them."""


def split_video(length: int, frames: int, history: int, rng: np.random.Generator) -> Split:
    """A random clip of `frames` frames that leaves candidates: frames before its history ends, and those behind it."""
    if length < frames:
        raise InvalidInput(f"A clip of {frames} frames does not fit into a video of {length}.")
    start = int(rng.integers(0, length - frames + 1))
    rest = tuple(k for k in range(length) if k < start or k >= start + frames)
    return Split(range(start, start + frames), history, rest or (start,))


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """One example, as pictures."""

    images: np.ndarray
    """(t, h, w, 3) uint8 the clip: history first."""
    history: int
    projection: np.ndarray
    """(t, h, w, 3) uint8 the memory rendered along the clip, black where nothing is known."""
    unknown: np.ndarray
    """(t, h, w) uint8, 255 where the memory knows nothing (the inverted coverage)."""
    references: np.ndarray
    """(r, h, w, 3) uint8."""
    depths: np.ndarray | None
    """(t, h, w) z-depth of the clip where known, else None."""
    cameras: tuple[Camera, ...]


def memory_of(video: PosedVideo, index: int, estimator: DepthEstimator | None = None) -> SpatialMemory:
    """The memory that one frame gives, moving things left out."""
    return remember_view(SpatialMemory.empty(), video.keyframe(index, estimator))


def project(cloud: PointCloud, cameras: Sequence[Camera]) -> tuple[np.ndarray, np.ndarray]:
    """(projection, unknown) of a cloud along cameras, as `Shown` holds them."""
    seen = [render(cloud, c) for c in cameras]
    return np.stack([s.rgb for s in seen]), np.stack([np.where(s.coverage, 0, 255).astype(np.uint8) for s in seen])


def retrieve(
    views: Sequence[SpatialMemory], cameras: Sequence[Camera], count: int, least: float = 0.02
) -> tuple[int, ...]:
    """Numbers of up to `count` one-frame memories that share most points with the target cameras, best last.

    The paper's rule (specification 5): 3D IoU between what a candidate shows and what the target sees of it.
    """
    scores = []
    for k, view in enumerate(views):
        own = visible_points(view.cloud, view.keyframes[0].camera)
        score = max(iou(own, visible_points(view.cloud, camera)) for camera in cameras)
        if score > least:
            scores.append((score, k))
    return tuple(k for _, k in sorted(scores)[-count:])


def show(
    video: PosedVideo,
    split: Split,
    references: int,
    rng: np.random.Generator,
    estimator: DepthEstimator | None = None,
) -> Shown:
    """The example of a split: memory of ONE random candidate, references by overlap among the others."""
    chosen = int(rng.choice(split.candidates))
    cameras = tuple(video.cameras[k] for k in split.clip)
    projection, unknown = project(memory_of(video, chosen, estimator).cloud, cameras)
    pool = sorted({int(k) for k in rng.choice(split.candidates, min(len(split.candidates), 2 * references + 2), False)})
    picked: tuple[int, ...] = ()
    if references:
        targets = cameras[split.history - 1 :: max(1, len(cameras) // max(references, 1))]
        views = [memory_of(video, k, estimator) for k in pool]
        picked = tuple(pool[k] for k in retrieve(views, targets, references))
    depths = None if video.depths is None else video.depths[list(split.clip)]
    images = video.images[list(split.clip)]
    empty = np.zeros((0, *images.shape[1:]), np.uint8)
    shown = np.stack([video.images[k] for k in picked]) if picked else empty
    return Shown(images, split.history, projection, unknown, shown, depths, cameras)
