"""Where the camera of a film went whose depth is only estimated: points followed from frame to frame, cameras and
points refined together, places seen before recognised.

An estimated depth map bends from frame to frame, so surfaces are never laid on each other here. It only gives followed
points their first depth and the scene its size; what the camera's own motion shows of their depth corrects it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from spatia_core import se3
from spatia_core.arrays import Depth, Intrinsics, Pose
from spatia_core.bundle import WRONG, Problem, adjusted, placed
from spatia_core.errors import TrackingLost
from spatia_core.landmarks import Landmarks, fitted, lifted
from spatia_core.slam.features import Features, detect, match, place

FOLLOWED = 700
"""Most points that are followed at a time."""
APART = 0.016
"""Least distance of followed points, widths of the picture."""
NEWS = 0.045
"""Median way of followed points, widths of the picture, after which a frame is kept."""
SURVIVING = 0.6
"""Share of a keyframe's points below which a frame is kept."""
LEAST = 25
"""Fewest points that place a frame."""
AGREEING = 0.4
"""Share of them that must agree."""
NEAR = 4.0
"""Pixels within which a point agrees with a camera that is still to be refined."""
MOST_KEYFRAMES = 72
"""Keyframes; where they come faster, a frame must show more news to be kept."""
RECENT = 6
"""Keyframes back to which a likeness is no loop."""
LOOP = 30
"""Matches that must agree in space for a place to be recognised."""
BLANK = 30
"""Points below which a picture shows nothing that can be followed."""

_FLOW = {
    "winSize": (17, 17),
    "maxLevel": 4,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02),
}


@dataclass(frozen=True, eq=False, slots=True)
class Followed:
    """Where the camera of a film went."""

    K: Intrinsics
    """The lens, refined unless it was known."""
    w2c: tuple[Pose | None, ...]
    """World to camera of every frame, the world being the first frame's camera; None = not placed."""
    keyframes: tuple[int, ...]
    """Frames whose depth was estimated."""
    known: tuple[Depth, ...]
    """Per keyframe (h, w) the depth of followed points, NaN elsewhere, in the unit of the first frame's estimate."""
    loops: tuple[tuple[int, int], ...]
    """Pairs of frames that show the same place."""
    lost: tuple[tuple[int, str], ...]
    """Frames after which the camera was lost, and why."""
    error: float
    """Median distance in pixels of followed points from where they should be."""
    parallax: float
    """Largest way of the camera, in median depths of the first frame."""


class Follower:
    """Follows a film frame by frame. `estimate` gives the depth of a frame by its number, NaN = sky or unknown."""

    def __init__(self, K: Intrinsics, lens_known: bool, estimate: Callable[[int], Depth]) -> None:
        self._K, self._lens_known, self._estimate = K.astype(np.float64), lens_known, estimate
        self._points = Landmarks()
        self._problem: Problem | None = None
        self._keyframes: list[int] = []
        self._w2c: list[Pose] = []
        self._dense: list[Depth] = []
        self._features: list[Features] = []
        self._grey: UInt8[np.ndarray, "h w"] | None = None
        self._at, self._ids = np.empty((0, 2), np.float32), np.empty(0, np.int64)
        self._start: dict[int, np.ndarray] = {}
        self._pose: Pose = np.eye(4)
        self._tracks: list[tuple[np.ndarray, np.ndarray] | None] = []
        self._rough: list[Pose | None] = []
        self._loops: list[tuple[int, int]] = []
        self._lost: list[tuple[int, str]] = []
        self._is_lost = False
        self._steady = np.empty(0, bool)

    def track(self, grey: UInt8[np.ndarray, "h w"]) -> bool:
        """Takes the next frame; False when it cannot be placed."""
        i = len(self._tracks)
        before, self._grey = self._grey, grey
        if before is None:
            self._begin()
            return True
        if self._is_lost:
            return self._find_again(i)
        why = self._follow(before, grey)
        if why:
            self._lost.append((i - 1, why))
            self._is_lost = True
            return self._find_again(i)
        self._tracks.append((self._ids.copy(), self._at + 0.5))
        self._rough.append(self._pose)
        if self._is_news():
            self._keep(i)
        return True

    # --- one frame -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        assert self._grey is not None
        self._tracks.append((np.empty(0, np.int64), np.empty((0, 2))))
        self._rough.append(np.eye(4))
        self._keep(0)
        if len(self._ids) < BLANK:
            raise TrackingLost(
                f"The video's first picture shows only {len(self._ids)} points that could be followed: it is "
                "blank, dark or blurred. Begin with a sharp picture of something with texture, or open it as a photo."
            )

    def _follow(self, before: np.ndarray, grey: np.ndarray) -> str:
        """Moves the followed points into this frame and places its camera; says why it cannot."""
        if not len(self._at):
            return "nothing was left to follow"
        a = self._at.reshape(-1, 1, 2)
        b, ok, _ = cv2.calcOpticalFlowPyrLK(before, grey, a, a.copy(), **_FLOW)
        back, ok2, _ = cv2.calcOpticalFlowPyrLK(grey, before, b, a.copy(), **_FLOW)
        h, w = grey.shape
        b = b.reshape(-1, 2)
        good = (ok.ravel() > 0) & (ok2.ravel() > 0) & (np.abs(back - a).max((1, 2)) < 0.8)
        good &= ((b > 2) & (b < [w - 3, h - 3])).all(1)
        enough = max(LEAST, 0.12 * len(a))
        if good.sum() < enough:
            return "the picture changed at once" if good.mean() < 0.2 else "too little was left to follow"
        at, ids = b[good], self._ids[good]
        pose, error = placed(self._K, self._pose, self._places(ids), at + 0.5)
        agree = error < NEAR * w / 416
        if agree.sum() < LEAST or agree.mean() < AGREEING:
            return "what is seen does not move as one scene"
        self._pose = pose
        # what strays a little may be right when cameras are refined; what strays far moves by itself
        stay = error < 6 * NEAR * w / 416
        self._at, self._ids = at[stay], ids[stay]
        return ""

    def _places(self, ids: np.ndarray) -> np.ndarray:
        """World places of points by the present cameras."""
        return self._points.places(self._K, self._w2c, ids)

    def _is_news(self) -> bool:
        assert self._grey is not None
        way = [
            np.linalg.norm(p - self._start[k])
            for k, p in zip(self._ids.tolist(), self._at, strict=True)
            if k in self._start
        ]
        crowd = 1.0 if len(self._keyframes) < 0.6 * MOST_KEYFRAMES else 2.5
        if len(self._keyframes) >= MOST_KEYFRAMES:
            return False
        surviving = len(way) / max(1, len(self._start))
        return not way or surviving < SURVIVING / crowd or float(np.median(way)) > crowd * NEWS * self._grey.shape[1]

    # --- keyframes -------------------------------------------------------------------------------------------------

    def _keep(self, i: int) -> None:
        """Frame i becomes a keyframe: its points are seen, its depth fitted to them, new points begin."""
        assert self._grey is not None
        k = len(self._keyframes)
        depth = self._estimate(i)
        self._points.see(self._ids, k, self._at + 0.5)
        if k:
            z = se3.transform(self._pose, self._places(self._ids))[:, 2] if len(self._ids) else np.empty(0)
            depth = fitted(depth, self._at + 0.5, z)
        self._keyframes.append(i)
        self._w2c.append(self._pose)
        self._dense.append(depth)
        self._features.append(detect(self._grey, np.nan_to_num(depth), self._K, None, 800))
        self._new_points(k, depth)
        self._start = {int(n): p.copy() for n, p in zip(self._ids, self._at, strict=True)}
        self._recognise(k)
        if k and (k < 6 or k % (4 if k < 24 else 12) == 0):
            self._refine(4)

    def _new_points(self, k: int, depth: Depth) -> None:
        assert self._grey is not None
        w = self._grey.shape[1]
        free = np.where(np.isfinite(depth), 255, 0).astype(np.uint8)
        for x, y in self._at.astype(int):
            cv2.circle(free, (int(x), int(y)), round(APART * w), 0, -1)
        free[:4], free[-4:], free[:, :4], free[:, -4:] = 0, 0, 0, 0
        wanted = FOLLOWED - len(self._ids)
        if wanted < 10:
            return
        found = cv2.goodFeaturesToTrack(self._grey, wanted, 0.004, APART * w, mask=free, blockSize=5)
        if found is None:
            return
        at = found.reshape(-1, 2).astype(np.float32)
        pixels = at + 0.5  # the centre of the first pixel is 0 for cv2
        inverse = 1 / depth[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
        ids = self._points.add(k, pixels.astype(np.float64), inverse.astype(np.float64))
        self._at, self._ids = np.concatenate([self._at, at]), np.concatenate([self._ids, ids])

    def _refine(self, rounds: int) -> None:
        p = self._points
        if not p.point:
            return
        problem = p.problem(self._K, self._w2c, self._lens_known)
        self._take(adjusted(problem, rounds))

    def _take(self, done: Problem) -> None:
        self._K, self._w2c = done.K, list(done.w2c)
        self._points.inverse = list(done.inverse)
        self._problem = done
        if not self._is_lost and len(self._ids):
            self._pose = self._w2c[-1]

    # --- places seen before ----------------------------------------------------------------------------------------

    def _likely(self, features: Features, among: int) -> list[int]:
        if among <= 0 or not len(features):
            return []
        like = np.stack([f.words for f in self._features[:among]]) @ features.words
        return [int(k) for k in np.argsort(-like)[:2]]

    def _same_place(self, old: int, features: Features) -> tuple[Pose, np.ndarray] | None:
        """Camera that sees keyframe `old`'s points as these features, and the pairs that agree."""
        pairs = match(self._features[old], features)
        if len(pairs) < LOOP:
            return None
        found = place(
            lifted(self._features[old].xy[pairs[:, 0]], self._dense[old], self._K), features.xy[pairs[:, 1]], self._K
        )
        if found is None or len(found[1]) < LOOP:
            return None
        return found[0] @ self._w2c[old], pairs[found[1]]

    def _recognise(self, k: int) -> None:
        for old in self._likely(self._features[k], k - RECENT):
            same = self._same_place(old, self._features[k])
            if same is not None:
                self._tie(old, k, same[1])
                self._loops.append((self._keyframes[old], self._keyframes[k]))
                return

    def _tie(self, old: int, k: int, pairs: np.ndarray) -> None:
        """Matches between two keyframes as points of the older one that the newer one sees."""
        xy = self._features[old].xy[pairs[:, 0]].astype(np.float64)
        z = self._dense[old][xy[:, 1].astype(int), xy[:, 0].astype(int)]
        usable = np.isfinite(z)
        ids = self._points.add(old, xy[usable], 1 / z[usable].astype(np.float64))
        self._points.see(ids, k, self._features[k].xy[pairs[usable, 1]].astype(np.float64))

    def _find_again(self, i: int) -> bool:
        """A lost camera is looked for at all places known."""
        assert self._grey is not None
        features = detect(self._grey, np.ones(self._grey.shape, np.float32), self._K, None, 800)
        for old in (*self._likely(features, len(self._features)), len(self._features) - 1):
            same = self._same_place(old, features)
            if same is None:
                continue
            self._pose, self._is_lost = same[0], False
            xy = self._features[old].xy[same[1][:, 0]].astype(np.float64)
            z = self._dense[old][xy[:, 1].astype(int), xy[:, 0].astype(int)]
            usable = np.isfinite(z)
            self._ids = self._points.add(old, xy[usable], 1 / z[usable].astype(np.float64))
            self._at = features.xy[same[1][usable, 1]] - np.float32(0.5)
            self._tracks.append((self._ids.copy(), self._at + 0.5))
            self._rough.append(self._pose)
            self._keep(i)
            return True
        self._tracks.append(None)
        self._rough.append(None)
        return False

    # --- the end ---------------------------------------------------------------------------------------------------

    def finish(self) -> Followed:
        """All cameras, after everything that can be known is known."""
        self._refine(12)
        if self._problem is not None:
            self._clean()
        poses = self._all_poses()
        errors = np.linalg.norm(self._problem.errors(), axis=1) if self._problem is not None else np.zeros(1)
        first = self._dense[0]
        way = max((float(np.linalg.norm(se3.inverse(T)[:3, 3])) for T in poses if T is not None), default=0.0)
        return Followed(
            self._K, tuple(poses), tuple(self._keyframes), tuple(map(self._known, range(len(self._keyframes)))),
            tuple(self._loops), tuple(self._lost), float(np.median(errors)), way / float(np.nanmedian(first)),
        )  # fmt: skip

    def _clean(self) -> None:
        """Points that stray are left out, and all is refined once more."""
        assert self._problem is not None
        p = self._problem
        off = np.linalg.norm(p.errors(), axis=1)
        worst = np.zeros(len(p.home))
        np.maximum.at(worst, p.point, off)
        count = np.bincount(p.point, minlength=len(p.home))
        sum_off = np.bincount(p.point, off, len(p.home))
        self._steady = (count > 0) & (sum_off / np.maximum(count, 1) < WRONG)
        done = adjusted(p.kept(self._steady), 10)
        self._K, self._w2c, self._problem = done.K, list(done.w2c), done
        inverse = np.array(self._points.inverse)
        inverse[self._steady] = done.inverse
        self._points.inverse = list(inverse)

    def _all_poses(self) -> list[Pose | None]:
        out: list[Pose | None] = []
        by_frame = dict(zip(self._keyframes, self._w2c, strict=True))
        if not len(self._steady):
            return [*self._rough]
        for i, track in enumerate(self._tracks):
            if i in by_frame:
                out.append(by_frame[i])
                continue
            rough = self._rough[i]
            if track is None or rough is None:
                out.append(None)
                continue
            near = max((k for k in self._keyframes if k <= i), default=0)
            later = min((k for k in self._keyframes if k >= i), default=near)
            s = 0.0 if later == near else (i - near) / (later - near)
            guess = se3.inverse(se3.interpolate(se3.inverse(by_frame[near]), se3.inverse(by_frame[later]), s))
            ids, at = track
            steady = self._steady[ids]
            if steady.sum() < LEAST:
                out.append(guess if later != near else rough)
                continue
            out.append(placed(self._K, guess, self._places(ids[steady]), at[steady])[0])
        return out

    def _known(self, k: int) -> Depth:
        """Depths of followed points seen in keyframe k."""
        p = self._points
        sparse = np.full(self._dense[k].shape, np.nan, np.float32)
        if not len(self._steady):
            return sparse
        point, view = np.array(p.point, np.int64), np.array(p.view, np.int64)
        mine = np.flatnonzero(view == k)
        mine = mine[self._steady[point[mine]]]
        own = np.flatnonzero((np.array(p.home) == k) & self._steady)
        ids = np.concatenate([point[mine], own]).astype(np.int64)
        if not len(ids):
            return sparse
        at = np.concatenate([np.array(p.seen).reshape(-1, 2)[mine], np.stack(p.pixel)[own].reshape(-1, 2)])
        z = se3.transform(self._w2c[k], self._places(ids))[:, 2]
        ahead = z > 0
        sparse[at[ahead, 1].astype(int), at[ahead, 0].astype(int)] = z[ahead]
        return sparse
