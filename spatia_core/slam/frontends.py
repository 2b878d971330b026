"""Two ways to place a frame among keyframes, behind one contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.slam.align import AlignSettings, Fit, align
from spatia_core.slam.features import MIN_INLIERS, match, place
from spatia_core.slam.keyframes import Map, MapKeyframe, depth_of
from spatia_core.slam.values import FrontEndName, SlamOptions
from spatia_core.slam.views import View

LEAST_NEAR = 0.55
"""Share of the points on known depth that must lie on the surface."""
LEAST_KNOWN = 0.12
"""Share of the points that must fall on known depth."""
ENOUGH = 150
"""Matches after which no further keyframe is asked."""
FAR_TURN, FAR_STEP = 6.0, 0.1
"""Degrees and share of the depth in view beyond which a pose from features must prove itself against the expected."""
LEAST_TEXTURE = 0.25
"""Mean slope of intensity (grey levels a pixel) below which a picture shows nothing."""
LEAST_DEPTH = 0.02
"""Share of known depth below which a frame has none."""


@dataclass(frozen=True, eq=False, slots=True)
class Placement:
    """Where a frame was placed and why that is believed."""

    c2w: Pose
    fit: Fit | None
    """None when placed by features alone."""
    inliers: int
    """Features that agree; 0 when none were used."""


class FrontEnd(Protocol):
    """Places a frame against some keyframes, given where it is expected."""

    def place(self, view: View, guess: Pose, targets: Sequence[MapKeyframe]) -> Placement | None:
        """The placement, or None when it cannot be believed; the first target sees most of what is expected."""
        ...


def believable(fit: Fit) -> bool:
    """True when the surfaces agree well enough."""
    return fit.near >= LEAST_NEAR and fit.known >= LEAST_KNOWN


def _targets(keyframes: Sequence[MapKeyframe]) -> list[tuple[View, Pose]]:
    return [(k.view, k.c2w) for k in keyframes]


class DirectFrontEnd:
    """Dense: depth and intensity of the frame laid on those of the keyframes, coarse to fine (LSD-SLAM's family)."""

    def __init__(self, options: SlamOptions) -> None:
        self._photo = options.photo

    def place(self, view: View, guess: Pose, targets: Sequence[MapKeyframe]) -> Placement | None:
        """Starts where the camera is expected."""
        if view.known < LEAST_DEPTH:
            return None
        settings = AlignSettings(photo=self._photo if view.texture > LEAST_TEXTURE else 0.0)
        c2w, fit, _ = align(view, guess, _targets(targets), settings)
        return Placement(c2w, fit, 0) if believable(fit) else None


class FeatureFrontEnd:
    """Sparse first: matches to the keyframes' landmarks, PnP with RANSAC; then depth polishes (ORB-SLAM's family)."""

    def __init__(self, options: SlamOptions) -> None:
        self._photo = options.photo

    def place(self, view: View, guess: Pose, targets: Sequence[MapKeyframe]) -> Placement | None:
        """Starts from matches; where there are too few the expected pose stands in."""
        found = by_landmarks(view, targets[:2])
        if found is None and view.known < LEAST_DEPTH:
            return None
        inliers = 0 if found is None else found[1]
        start = guess if found is None else found[0]
        polished = polish(view, start, targets, self._photo, 2 if found is None else 1)
        if found is not None and _far(start, guess, targets[0]):  # repeated patterns match in the wrong place
            polished = likelier(polished, polish(view, guess, targets, self._photo, 2))
        if polished is None and found is not None and inliers >= 2 * MIN_INLIERS:
            return Placement(start, None, inliers)
        return None if polished is None else Placement(polished[0], polished[1], inliers)


def polish(
    view: View, start: Pose, targets: Sequence[MapKeyframe], photo: float, first_level: int
) -> tuple[Pose, Fit] | None:
    """The pose near `start` at which the frame's surfaces agree with the keyframes'; None when they do not."""
    if view.known < LEAST_DEPTH:
        return None
    settings = AlignSettings(first_level, photo if view.texture > LEAST_TEXTURE else 0.0)
    c2w, fit, _ = align(view, start, _targets(targets), settings)
    return (c2w, fit) if believable(fit) else None


def likelier(new: tuple[Pose, Fit] | None, expected: tuple[Pose, Fit] | None) -> tuple[Pose, Fit] | None:
    """The new pose unless the expected one lies clearly better on the surfaces, or as well there and on the picture."""
    if new is None or expected is None:
        return new or expected
    a, b = new[1], expected[1]
    closer = b.near * b.known > 1.1 * a.near * a.known
    alike = b.near * b.known > 0.95 * a.near * a.known and b.photo < 0.95 * a.photo
    return expected if closer or alike else new


def _far(start: Pose, guess: Pose, target: MapKeyframe) -> bool:
    apart = se3.inverse(guess) @ start
    turn = np.rad2deg(np.linalg.norm(se3.so3_log(apart[:3, :3])))
    return bool(turn > FAR_TURN or np.linalg.norm(apart[:3, 3]) > FAR_STEP * depth_of(target.view))


def by_landmarks(view: View, targets: Sequence[MapKeyframe], enough: int = ENOUGH) -> tuple[Pose, int] | None:
    """c2w from matches to what the keyframes saw where, and the number that agree; None when too few do.

    Keyframes are asked in turn until there are `enough` matches.
    """
    xyz: list[np.ndarray] = []
    xy: list[np.ndarray] = []
    for target in targets:
        if sum(map(len, xy)) >= enough:
            break
        pairs = match(target.view.features, view.features)
        xyz.append(se3.transform(target.c2w, target.view.features.xyz[pairs[:, 0]].astype(np.float64)))
        xy.append(view.features.xy[pairs[:, 1]])
    if not xyz:
        return None
    found = place(np.concatenate(xyz), np.concatenate(xy), view.K)
    if found is None or len(found[1]) < MIN_INLIERS:
        return None
    return se3.inverse(found[0]), len(found[1])


def make_frontend(name: FrontEndName, options: SlamOptions) -> FrontEnd:
    """The front end of that name."""
    return DirectFrontEnd(options) if name == "direct" else FeatureFrontEnd(options)


@dataclass(frozen=True, eq=False, slots=True)
class Recognition:
    """A keyframe that shows the same place as a view."""

    keyframe: int
    relative: Pose
    """(4, 4) keyframe from view."""
    information: np.ndarray
    """(6, 6), left perturbation of `relative`."""
    inliers: int


def recognise(view: View, graph: Map, among: Sequence[int], options: SlamOptions, most: int = 5) -> Recognition | None:
    """The first keyframe, by likeness of appearance, that matches in geometry too: features, then surfaces."""
    if not len(view.features) or not among:
        return None
    words = np.stack([graph.keyframes[k].view.features.words for k in among]) @ view.features.words
    for i in np.argsort(-words)[:most]:
        found = verify(view, graph.keyframes[among[i]], options)
        if found is not None:
            return Recognition(among[i], *found)
    return None


def verify(view: View, keyframe: MapKeyframe, options: SlamOptions) -> tuple[Pose, np.ndarray, int] | None:
    """keyframe_from_view, its information and inliers, when features and surfaces both say it is the same place."""
    pairs = match(keyframe.view.features, view.features)
    if len(pairs) < MIN_INLIERS:
        return None
    found = place(keyframe.view.features.xyz[pairs[:, 0]], view.features.xy[pairs[:, 1]], view.K)
    if found is None or len(found[1]) < MIN_INLIERS:
        return None
    relative = se3.inverse(found[0])
    settings = AlignSettings(1, options.photo)
    aligned, fit, H = align(view, relative, [(keyframe.view, np.eye(4))], settings)
    if not believable(fit) or np.linalg.norm((se3.inverse(relative) @ aligned)[:3, 3]) > 0.25:
        return None
    return aligned, H, len(found[1])
