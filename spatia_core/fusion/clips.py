"""A tracked clip into the memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from spatia_core.alignment import MIN_SHARED, fit_inverse_depth
from spatia_core.arrays import Depth, Image, Mask
from spatia_core.backends.protocols import DepthEstimator, DepthPrediction, Tracking
from spatia_core.frames import Clip, DepthMap
from spatia_core.fusion.draft import RANK, Draft, Taken, Witness, differs, opened
from spatia_core.memory import Keyframe, Provenance, SpatialMemory
from spatia_core.render import Rendering
from spatia_core.upkeep import within_budget

COMMON = 0.02
"""Share of a view that must be known to carry its alignment; views of less are left out."""

NEWS = 0.005
"""Share of a view that must be unknown, or shown otherwise, before its depth is worth estimating."""

MISFIT = 0.15
"""Median relative difference from the memory above which an estimated depth is not believed at all."""

PROVING = 0.03
"""The same, up to which it is good enough to prove that places are empty."""

NEARBY = 0.04
"""How far beyond the known part, in widths of the picture, its deviation from the fit is carried on."""


@dataclass(frozen=True, eq=False, slots=True)
class FusionOptions:
    """How a clip is fused."""

    provenance: Provenance = Provenance.GENERATED
    """OBSERVED for a video that a person took."""
    depths: Sequence[DepthMap] | None = None
    """Measured depth of every frame in the memory's unit; None = estimated where needed."""
    predictions: Sequence[DepthPrediction] | None = None
    """Estimated depth of every frame, made beforehand, its sky on one shell in the memory's unit; used in place of the
    estimator's. They refine nothing that is known, because estimates of neighbouring frames bend alike."""
    budget: int | None = None
    """Most points the memory may have afterwards; it is thinned when there are more."""


@dataclass(frozen=True, slots=True)
class FusionReport:
    """What a clip changed."""

    added: int
    """Points added."""
    examined: int
    """Frames whose coverage was looked at."""
    merged: int = 0
    """Points whose place and colour were refined."""
    carved: int = 0
    """Points removed, because a view saw through them or knew better."""
    growth: float = 0.0
    """Points more than before, as a share of those before."""
    depth_residual: float | None = None
    """Median relative difference of known depth and the memory's, over all views; None where no depth was known."""
    reprojection_px: float | None = None
    """Median distance in pixels between what the memory shows and where the clip shows it; None = nothing shared."""
    skipped: tuple[str, ...] = ()
    """Views that were not fused, one sentence each."""


def fuse_clip(
    memory: SpatialMemory,
    clip: Clip,
    tracking: Tracking,
    estimator: DepthEstimator,
    options: FusionOptions | None = None,
) -> tuple[SpatialMemory, FusionReport]:
    """The memory with what the clip's keyframes show, and a report.

    Commanded poses (`tracking.measured` False) only fill what the memory leaves unknown. Measured ones also refine
    points of equal origin, replace points of lower origin and carve what they see through. A revisit adds nothing.
    What `clip.dynamic` marks stays out.
    """
    options = options or FusionOptions()
    fusing = _Fusing(Draft(memory), clip, tracking, estimator, options)
    for i in tracking.keyframes:
        fusing.frame(i)
    fused = fusing.draft.finish()
    if options.budget is not None:
        fused = within_budget(fused, options.budget)
    growth = (len(fused) - len(memory)) / max(len(memory), 1)
    return fused, fusing.report(growth)


def frame_dynamic(clip: Clip, i: int) -> Mask:
    """(h, w) what moves in frame i."""
    return np.zeros(clip.images.shape[1:3], bool) if clip.dynamic is None else clip.dynamic[i]


def aligned(depth: Depth, known: Depth) -> tuple[Depth, float]:
    """An estimated depth brought to the memory's scale, and the fit's median relative error.

    After the fit of scale and shift, what is left between both is carried on smoothly for a little way into the
    unknown, so that new points meet the old ones without a step.
    """
    fit = fit_inverse_depth(depth, known)
    out = fit.apply(depth)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.log(known / out)
    shared = np.isfinite(left) & (np.abs(left) < 0.25)
    sigma = NEARBY * depth.shape[1]
    weight = cv2.GaussianBlur(shared.astype(np.float32), (0, 0), sigma)
    mean = cv2.GaussianBlur(np.where(shared, left, 0).astype(np.float32), (0, 0), sigma) / (weight + np.float32(0.05))
    return (out * np.exp(mean)).astype(np.float32), fit.error


def shift_between(a: Image, b: Image, where: Mask) -> float | None:
    """Median displacement in pixels from picture `a` to picture `b`, over the pixels of `where`; None = too few."""
    if np.count_nonzero(where) < MIN_SHARED or min(a.shape[:2]) < 16:
        return None
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    grey = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (np.where(where[..., None], a, b), b)]
    found = flow.calc(grey[0], grey[1], np.zeros((*where.shape, 2), np.float32))
    return float(np.median(np.hypot(found[..., 0], found[..., 1])[where]))


class _Fusing:
    """One clip's way into a draft."""

    def __init__(
        self, draft: Draft, clip: Clip, tracking: Tracking, estimator: DepthEstimator, options: FusionOptions
    ) -> None:
        self.draft = draft
        self._clip, self._tracking, self._estimator, self._options = clip, tracking, estimator, options
        self._taken: list[Taken] = []
        self._residuals: list[float] = []
        self._shifts: list[float] = []
        self._skipped: list[str] = []

    def report(self, growth: float) -> FusionReport:
        """All frames together."""
        return FusionReport(
            added=sum(t.added for t in self._taken),
            examined=len(self._tracking.keyframes),
            merged=sum(t.merged for t in self._taken),
            carved=sum(t.carved for t in self._taken),
            growth=growth,
            depth_residual=float(np.median(self._residuals)) if self._residuals else None,
            reprojection_px=float(np.median(self._shifts)) if self._shifts else None,
            skipped=tuple(self._skipped),
        )

    def frame(self, i: int) -> None:
        """Frame i fused, or a sentence why not."""
        camera, image = self._tracking.cameras[i], self._clip.images[i]
        given = None if self._options.depths is None else self._options.depths[i].depth
        if given is not None and given.shape != (camera.height, camera.width):
            size = f"{given.shape[1]}x{given.shape[0]}"
            self._skipped.append(f"Frame {i + 1}: its depth is {size}, its picture {camera.width}x{camera.height}.")
            return
        dynamic = frame_dynamic(self._clip, i)
        seen = self.draft.seen(camera)
        known = np.where(dynamic, np.float32(np.nan), seen.depth)
        if len(self.draft) and self._tracking.measured:
            shift = shift_between(seen.rgb, image, seen.coverage & ~dynamic)
            self._shifts += [] if shift is None else [shift]
        if given is None:
            self._estimated(i, seen, known)
            return
        self._compare(given, known)
        view = Keyframe(image, given, camera, dynamic, np.zeros(dynamic.shape, bool))
        self._taken.append(self.draft.take_in(view, self._witness(True)))

    def _estimated(self, i: int, seen: Rendering, known: Depth) -> None:
        """The same for a frame whose depth has to be estimated."""
        camera, image, dynamic = self._tracking.cameras[i], self._clip.images[i], frame_dynamic(self._clip, i)
        first = not len(self.draft)
        if not first and np.mean(self._news(i, seen) & ~dynamic) < NEWS:
            return
        # a view that shares next to nothing with the memory cannot be brought to its scale
        if not first and np.isfinite(known).mean() < COMMON:
            self._skipped.append(f"Frame {i + 1} shares less than {COMMON:.0%} of its picture with the memory.")
            return
        made = self._options.predictions
        prediction = self._estimator.estimate(image, camera.K) if made is None else made[i]
        depth, error = prediction.depth.depth, 0.0
        if not first:
            depth, error = aligned(depth, self._ruler(seen, known))
        if error > MISFIT:
            self._skipped.append(f"Frame {i + 1}: its estimated depth differs from the memory by {error:.0%}.")
            return
        self._compare(depth, known)
        view = Keyframe(image, depth, camera, dynamic, prediction.sky)
        self._taken.append(self.draft.take_in(view, self._witness(error < PROVING)))

    def _ruler(self, seen: Rendering, known: Depth) -> Depth:
        """What a depth map is fitted to: what was seen, and what was invented only where too little was seen."""
        sure = np.where(self.draft.ranks(seen) > RANK[Provenance.COMPLETED], known, np.float32(np.nan))
        return sure if np.isfinite(sure).mean() >= COMMON else known

    def _witness(self, measured: bool) -> Witness:
        posed = self._tracking.measured
        return Witness(self._options.provenance, posed, posed and measured, self._options.predictions is None)

    def _news(self, i: int, seen: Rendering) -> Mask:
        """(h, w) where the frame may teach the memory something."""
        if not self._tracking.measured:
            return ~seen.coverage
        lower = self.draft.ranks(seen) < RANK[self._options.provenance]
        if self._options.provenance != Provenance.OBSERVED:
            lower &= opened(differs(self._clip.images[i], seen.rgb))
        return ~seen.coverage | lower

    def _compare(self, depth: Depth, known: Depth) -> None:
        with np.errstate(invalid="ignore"):
            off = np.abs(depth - known) / known
        if np.isfinite(off).any():
            self._residuals.append(float(np.nanmedian(off)))
