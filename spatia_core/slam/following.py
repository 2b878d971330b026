"""A clip followed through known surroundings: every frame is placed against anchors, so drift cannot build up."""

from collections.abc import Sequence

import cv2
import numpy as np

from spatia_core import se3
from spatia_core.arrays import Depth, Image, Intrinsics, Mask, Pose
from spatia_core.slam.align import AlignSettings, align
from spatia_core.slam.anchored import nearest, place_by_pictures
from spatia_core.slam.depth_input import brought_to_map
from spatia_core.slam.features import MIN_INLIERS, match
from spatia_core.slam.frontends import believable, make_frontend
from spatia_core.slam.keyframes import MapKeyframe
from spatia_core.slam.values import FrontEndName, SlamOptions
from spatia_core.slam.views import View, prepare

TARGETS = 3
"""Anchors a frame is placed against."""
AGREEING = 0.03
"""Relative error of a depth map from which it is fitted to the anchors before use."""
NEW_SHARE = 0.6
"""A frame with depth of its own of which less than this lies on known surfaces becomes an anchor."""


class Follower:
    """Poses of frames in the world of the anchors; frames may bring depth or not."""

    def __init__(self, anchors: Sequence[MapKeyframe], frontend: FrontEndName, options: SlamOptions) -> None:
        self._name: FrontEndName = frontend
        self._anchors, self._options = list(anchors), options
        self._frontend = make_frontend(frontend, options)

    def place(
        self, image: Image, K: Intrinsics, guess: Pose, depth: Depth | None = None, dynamic: Mask | None = None
    ) -> Pose | None:
        """c2w of the frame, expected at `guess`; None when it cannot be placed."""
        nothing = np.asarray(~image.any(axis=2))
        unused = nothing if dynamic is None else nothing | dynamic
        view = prepare(0, image, depth, K, unused, self._options.features)
        without(view, unused)
        targets = nearest(self._anchors, guess, view, TARGETS)
        placed = place_by_pictures(view, guess, targets, self._name) if targets else None
        if placed is None:  # wherever else it may be
            placed = place_by_pictures(view, guess, self._by_look(view), "feature")
        if placed is None and depth is None:
            return None
        c2w = guess if placed is None else placed.c2w
        if depth is None:
            return c2w
        return self._with_depth(view, (image, depth, K, unused), c2w, placed is not None)

    def shift(self, a: Pose, b: Pose, K: Intrinsics) -> float:
        """By how many pixels the anchors' points lie elsewhere in a picture taken at `b` instead of `a` (median)."""
        apart_by = []
        for anchor in self._anchors:
            places = se3.transform(anchor.c2w, anchor.view.levels[-1].points[:, :3].astype(np.float64))
            p, q = (se3.transform(se3.inverse(c2w), places) for c2w in (a, b))
            front = (p[:, 2] > 0.05) & (q[:, 2] > 0.05)
            p, q = p[front], q[front]
            apart_by.append(np.hypot(*(np.diag(K)[:2] * (p[:, :2] / p[:, 2:] - q[:, :2] / q[:, 2:])).T))
        return float(np.median(np.concatenate(apart_by)))

    def _with_depth(self, view: View, given: tuple, c2w: Pose, placed: bool) -> Pose | None:
        """The pose at which the frame's own surfaces lie on the anchors'; without agreement that of the pictures."""
        image, depth, K, unused = given
        near = nearest(self._anchors, c2w, view, TARGETS)
        if not near:
            return c2w if placed else None
        fitted = brought_to_map(depth, view, c2w, near)
        if fitted is not None and _differs(depth, fitted):
            view = prepare(0, image, fitted, K, unused, self._options.features)
        found, fit, _ = align(view, c2w, [(a.view, a.c2w) for a in near], AlignSettings(1, self._options.photo))
        if not believable(fit):
            return c2w if placed else None
        if fit.known * fit.near < NEW_SHARE:
            self._anchors.append(MapKeyframe(view, found, 0))
        return found

    def _by_look(self, view: View) -> list[MapKeyframe]:
        if not len(view.features):
            return []
        like = [float(a.view.features.words @ view.features.words) for a in self._anchors]
        return [self._anchors[i] for i in np.argsort([-x for x in like], kind="stable")[:TARGETS]]


def without(view: View, unused: Mask) -> None:
    """Marks pixels of the view that take part in nothing, not even as intensities."""
    if not unused.any():
        return
    for level in view.levels:
        h, w = level.depth.shape
        small = cv2.resize(unused.astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
        level.depth[cv2.dilate(small, np.ones((3, 3))) > 0] = -1


def _differs(depth: Depth, fitted: Depth) -> bool:
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.abs(fitted / depth - 1)
    return bool(np.nanmedian(off) > AGREEING)


def keyframes_of(poses: Sequence[Pose], placed: Sequence[bool], depth: float, limits: tuple[float, float, int]):
    """Frames worth keeping: the first and last placed, and one for every (degrees, share of depth, frames) between."""
    degrees, share, frames = limits
    usable = [i for i, ok in enumerate(placed) if ok]
    kept = usable[:1]
    for i in usable[1:]:
        turn, step = apart(poses[kept[-1]], poses[i])
        if turn > degrees or step > share * depth or i - kept[-1] >= frames or i == usable[-1]:
            kept.append(i)
    return tuple(kept)


def apart(a: Pose, b: Pose) -> tuple[float, float]:
    """Degrees and distance between two poses."""
    relative = se3.inverse(a) @ b
    return float(np.rad2deg(np.linalg.norm(se3.so3_log(relative[:3, :3])))), float(np.linalg.norm(relative[:3, 3]))


def revisits(
    images: Sequence[Image], poses: Sequence[Pose], kept: Sequence[int], K: Intrinsics, limits: tuple[float, float]
) -> tuple[tuple[int, int], ...]:
    """Pairs of kept frames at one place with a stay elsewhere between them, when their pictures match too."""
    degrees, step = limits

    def close(a: int, b: int) -> bool:
        turn, distance = apart(poses[a], poses[b])
        return turn < degrees and distance < step

    found: list[tuple[int, int]] = []
    views: dict[int, View] = {}
    for b in kept:
        for a in (k for k in kept if k < b):
            left = any(not close(a, k) and not close(k, b) for k in kept if a < k < b)
            if not left or not close(a, b):
                continue
            for k in (a, b):
                if k not in views:
                    views[k] = prepare(k, images[k], None, K, None, 500)
            if len(match(views[a].features, views[b].features)) >= 2 * MIN_INLIERS:
                found.append((a, b))
                break
    return tuple(found)
