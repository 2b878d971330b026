"""A video becomes a memory: its camera followed, what moves left out, every kept frame's depth fused as observed."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from spatia_core.arrays import Depth, Image, Intrinsics, Mask
from spatia_core.backends.protocols import DepthEstimator, DepthPrediction, Progress, Tracking, silent
from spatia_core.camera import Camera
from spatia_core.completion import complete_around
from spatia_core.errors import InvalidInput, TrackingLost
from spatia_core.following import Followed, Follower
from spatia_core.frames import Clip, DepthMap
from spatia_core.fusion import FusionOptions, FusionReport, fuse_clip, lift, remember_view
from spatia_core.landmarks import fitted
from spatia_core.memory import Keyframe, Provenance, SpatialMemory
from spatia_core.motion import Film, moving_masks
from spatia_core.pipeline import sky_shell
from spatia_core.render import render

SHORTEST = 8
"""Frames that a video must have."""
STILL = 0.03
"""Way of the camera in depths of the scene below which depth is as good as from a single photo."""
FUSED = 24
"""Most frames whose points are remembered; more would cost more than they add."""
WATCHED = 420
"""Width of the pictures in which motion is looked for."""
WATCHING = 32
"""Most frames in which motion is looked for."""
STEADY = 0.5
"""Median error of followed points, pixels at a width of 540, above which motion cannot be told from wrong cameras."""
BEND = 0.05
"""Radius, in widths of the picture, within which a followed point corrects the estimated depth around it."""
SPOILT = 0.6
"""Share of a frame that may move; a frame of more is not remembered."""
MOST_POINTS = 3_000_000


@dataclass(frozen=True, eq=False, slots=True)
class Recorded:
    """What a video gave."""

    memory: SpatialMemory
    """Its world is the first frame's camera."""
    prediction: DepthPrediction
    """Depth and lens of the first frame, corrected by the others."""
    followed: Followed
    """Where the camera went."""
    fusion: FusionReport
    """What was fused."""
    notes: tuple[str, ...]
    """What a person should know, one sentence each."""


def remember_video(
    images: UInt8[np.ndarray, "t h w 3"],
    times: Float[np.ndarray, " t"],
    estimator: DepthEstimator,
    K: Intrinsics | None = None,
    progress: Progress = silent,
) -> Recorded:
    """The memory of a video. `K` is its lens where it is known; otherwise it is refined from an assumed one.

    Raises InvalidInput when the video is too short and TrackingLost when next to nothing of it can be followed.
    """
    if len(images) < SHORTEST:
        raise InvalidInput(
            f"The video gives {len(images)} frames; at least {SHORTEST} are needed to follow a camera. Give a longer "
            "one, or open a picture of it as a photo."
        )
    estimates = _Estimates(images, estimator, K)
    followed = _followed(images, estimates, K is not None, lambda s: progress(0.55 * s, "Following the camera"))
    _judged(followed, times)
    kept = _spread(followed.keyframes, FUSED)
    cameras = _cameras(followed, images.shape[2], images.shape[1])
    predictions = {i: estimates.corrected(i, followed) for i in kept}
    progress(0.6, "Looking for what moves")
    steady = followed.error <= STEADY * images.shape[2] / 540
    nothing = np.zeros(images.shape[1:3], bool)
    masks = _moving(images, times, cameras, predictions) if steady else dict.fromkeys(predictions, nothing)
    progress(0.8, "Remembering what was seen")
    memory, fusion = _fused(images, cameras, predictions, masks)
    memory = complete_around(memory, cameras[0], lambda s: progress(0.9 + 0.1 * s, "Completing what was not seen"))
    notes = _notes(followed, times, K is None, masks)
    if not steady:
        notes += ("The camera moved too fast to tell what moves by itself: nothing was kept out of the memory.",)
    return Recorded(memory, predictions[0], followed, fusion, notes)


class _Estimates:
    """Estimated depth of frames, each worked out once."""

    def __init__(self, images: np.ndarray, estimator: DepthEstimator, K: Intrinsics | None) -> None:
        self._images, self._estimator, self._known = images, estimator, K
        self._made: dict[int, DepthPrediction] = {}

    def of(self, i: int) -> DepthPrediction:
        """As the estimator says."""
        if i not in self._made:
            self._made[i] = self._estimator.estimate(self._images[i], self._known)
        return self._made[i]

    def depth(self, i: int) -> Depth:
        """(h, w) NaN where sky is."""
        made = self.of(i)
        return np.where(made.sky, np.float32(np.nan), made.depth.depth).astype(np.float32)

    def corrected(self, i: int, followed: Followed) -> DepthPrediction:
        """Fitted to the followed points, everywhere a little and near each of them more; its sky on one shell."""
        known = followed.known[followed.keyframes.index(i)]
        depth = bent(self.depth(i), known)
        made = self.of(i)
        depth = np.where(made.sky, np.float32(1), depth).astype(np.float32)
        unknown = ~np.isfinite(depth)
        if unknown.any():  # a fit may lose what lies farthest
            depth[unknown] = np.nanmax(depth)
        depth = sky_shell(depth, made.sky)
        return DepthPrediction(DepthMap(depth, made.depth.source), followed.K, made.sky)


def bent(depth: Depth, known: Depth) -> Depth:
    """The estimated depth brought to the known points: scale and shift first, then smoothly what is left over."""
    rows, columns = np.nonzero(np.isfinite(known))
    if len(rows) < 8:
        return depth
    out = fitted(depth, np.stack([columns, rows], 1) + 0.5, known[rows, columns])
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.log(known / out)
    good = np.isfinite(left) & (np.abs(left) < 0.4)
    sigma = BEND * depth.shape[1]
    # points are few: a pixel near one of them follows it, a pixel far from all of them keeps the fit
    weight = cv2.GaussianBlur(good.astype(np.float32), (0, 0), sigma)
    mean = cv2.GaussianBlur(np.where(good, left, 0).astype(np.float32), (0, 0), sigma)
    floor = np.float32(1.5 / (2 * np.pi * sigma**2))
    return (out * np.exp(mean / (weight + floor))).astype(np.float32)


def _followed(images: np.ndarray, estimates: _Estimates, lens_known: bool, told) -> Followed:
    follower = Follower(estimates.of(0).K, lens_known, estimates.depth)
    for i, image in enumerate(images):
        follower.track(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        told((i + 1) / len(images))
    return follower.finish()


def _judged(followed: Followed, times: np.ndarray) -> None:
    placed = sum(T is not None for T in followed.w2c)
    if placed < SHORTEST:
        why = followed.lost[0][1] if followed.lost else "nothing could be followed"
        raise TrackingLost(
            f"Only the first {placed} of {len(times)} frames could be followed ({why}). Film more slowly and with more "
            "light, or open a picture of the video as a photo."
        )


def _spread(keyframes: Sequence[int], most: int) -> list[int]:
    """Up to `most` of them, the first always, evenly taken."""
    chosen = np.unique(np.round(np.linspace(0, len(keyframes) - 1, min(most, len(keyframes)))).astype(int))
    return [keyframes[k] for k in chosen]


def _cameras(followed: Followed, width: int, height: int) -> dict[int, Camera]:
    return {i: Camera(followed.K, T, width, height) for i, T in enumerate(followed.w2c) if T is not None}


# --- what moves


def _moving(
    images: np.ndarray, times: np.ndarray, cameras: dict[int, Camera], predictions: dict[int, DepthPrediction]
) -> dict[int, Mask]:
    """(h, w) what moves, for every frame that has a prediction."""
    h, w = images.shape[1:3]
    size = (min(w, WATCHED), round(h * min(w, WATCHED) / w))
    frames = sorted({*predictions, *_spread(sorted(cameras), max(2, WATCHING - len(predictions)))})
    small = np.stack([cv2.resize(images[i], size, interpolation=cv2.INTER_AREA) for i in frames])
    lenses = [cameras[i].resized(*size) for i in frames]
    depths = [_depth_at(i, cameras, predictions, images, size) for i in frames]
    steps = np.diff(times[frames])
    fps = 1 / float(np.median(steps)) if len(steps) and np.median(steps) > 0 else 12.0
    found = moving_masks(Film(small, lenses, depths, fps, measured=False))
    full = {
        i: cv2.resize(m.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
        for i, m in zip(frames, found, strict=True)
    }
    return {i: full[i] for i in predictions}


def _depth_at(
    i: int,
    cameras: dict[int, Camera],
    predictions: dict[int, DepthPrediction],
    images: np.ndarray,
    size: tuple[int, int],
) -> Depth:
    """(h, w) depth of frame i as the nearest kept frame shows it."""
    near = min(predictions, key=lambda k: abs(k - i))
    there = cameras[near].resized(*size)
    depth = cv2.resize(predictions[near].depth.depth, size, interpolation=cv2.INTER_NEAREST)
    if near == i:
        return depth
    picture = cv2.resize(images[near], size, interpolation=cv2.INTER_AREA)
    return render(lift(picture, depth, there, np.ones(depth.shape, bool)), cameras[i].resized(*size)).depth


# --- into the memory


def _fused(
    images: np.ndarray, cameras: dict[int, Camera], predictions: dict[int, DepthPrediction], masks: dict[int, Mask]
) -> tuple[SpatialMemory, FusionReport]:
    """The first frame is believed fully, so that it is shown as it is; the others add what it does not show."""
    still = masks[0] if masks[0].mean() < SPOILT else np.zeros_like(masks[0])
    first = Keyframe(images[0], predictions[0].depth.depth, cameras[0], still, predictions[0].sky)
    memory = remember_view(SpatialMemory.empty(), first)
    frames = [i for i in predictions if i and masks[i].mean() < SPOILT]
    if not frames:
        return memory, FusionReport(len(memory), 1)
    clip = Clip(images[frames], tuple(cameras[i] for i in frames), dynamic=np.stack([masks[i] for i in frames]))
    made = [predictions[i] for i in frames]
    options = FusionOptions(Provenance.OBSERVED, predictions=made, budget=MOST_POINTS)
    tracking = Tracking(clip.cameras, tuple(range(len(frames))))
    return fuse_clip(memory, clip, tracking, _Never(), options)


class _Never:
    """All depth was estimated beforehand."""

    name = "none"

    def estimate(self, image: Image, K: Intrinsics | None) -> DepthPrediction:
        """Is never asked."""
        raise NotImplementedError


# --- what is said


def _notes(followed: Followed, times: np.ndarray, assumed: bool, masks: dict[int, Mask]) -> tuple[str, ...]:
    placed = [i for i, T in enumerate(followed.w2c) if T is not None]
    places = len(followed.loops)
    seen = f", {places} {'place' if places == 1 else 'places'} recognised" if places else ""
    notes = [f"Tracked {len(placed)} of {len(times)} frames, {len(masks)} kept{seen}."]
    for after, why in followed.lost[:3]:
        again = next((i for i in placed if i > after), None)
        then = (
            "what follows shows nothing known and was left out"
            if again is None
            else f"found again at {times[again]:.1f} s"
        )
        notes.append(f"The camera was lost at {times[after]:.1f} s ({why}); {then}.")
    if len(followed.lost) > 3:
        notes.append(f"It was lost {len(followed.lost) - 3} more times.")
    if followed.parallax < STILL:
        notes.append("The camera turned or stood, but hardly moved: depth is as uncertain as from a single photo.")
    if assumed:
        wide = np.rad2deg(2 * np.arctan(followed.K[0, 2] / followed.K[0, 0]))
        notes.append(f"The lens was worked out from the video: a view of {wide:.0f} degrees.")
    moving = sum(m.mean() > 0.002 for m in masks.values())
    if moving:
        notes.append(f"In {moving} of the {len(masks)} kept frames something moves; it was kept out of the memory.")
    return tuple(notes)
