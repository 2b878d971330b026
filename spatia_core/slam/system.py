"""The tracker that takes one frame after another: places it, keeps keyframes, closes loops, says what it lost."""

import logging

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Image, Pose
from spatia_core.errors import InvalidInput
from spatia_core.slam import finish
from spatia_core.slam.anchored import place_by_pictures
from spatia_core.slam.depth_input import brought_to_map
from spatia_core.slam.frontends import (
    LEAST_DEPTH,
    LEAST_TEXTURE,
    Placement,
    Recognition,
    make_frontend,
    polish,
    recognise,
)
from spatia_core.slam.graph import Edge, optimise
from spatia_core.slam.keyframes import Map, MapKeyframe, Record, depth_of
from spatia_core.slam.refine import refine
from spatia_core.slam.values import FRONTENDS, FrameState, FrontEndName, SlamOptions, Trajectory
from spatia_core.slam.views import View, prepare

_LOG = logging.getLogger(__name__)

TARGETS = 3
"""Keyframes a frame is placed against."""
RECENT = 8
"""Keyframes back to which a likeness is no loop."""
WINDOW = 6
"""Newest keyframes that are refined together as soon as one is added."""
LOOP_WORTH = 1.0
"""Multiple of a keyframe's own accuracy from which a loop bends the graph."""


class Slam:
    """Poses of a stream of frames with depth.

    `track` answers at once, `finish` gives all poses after loops and refinement. World axes are those of the first
    frame's camera (or of `start`), the unit is that of the depth.
    """

    def __init__(
        self, K: np.ndarray, size: tuple[int, int], frontend: FrontEndName = "feature",
        options: SlamOptions | None = None, start: Pose | None = None,
    ) -> None:  # fmt: skip
        if frontend not in FRONTENDS:
            raise InvalidInput(f"There is no SLAM front end called {frontend!r}; choose from: {', '.join(FRONTENDS)}.")
        if np.shape(K) != (3, 3) or not np.isfinite(K).all() or K[0][0] <= 0 or K[1][1] <= 0:
            raise InvalidInput("K must be a finite 3x3 matrix with positive focal lengths in pixels.")
        self._K, self._size = np.asarray(K, np.float64), size
        self._options = options or SlamOptions()
        self._name: FrontEndName = frontend
        self._frontend = make_frontend(frontend, self._options)
        self._map, self._records = Map(), list[Record]()
        self._pose: Pose = np.eye(4) if start is None else np.asarray(start, np.float64)
        self._velocity: Pose = np.eye(4)
        self._piece, self._lost, self._reference = 0, 0, -1
        self._notes: list[str] = []

    @property
    def map(self) -> Map:
        """Keyframes and loops so far."""
        return self._map

    def track(self, image: Image, depth: np.ndarray | None, dynamic: np.ndarray | None = None) -> FrameState:
        """Places the next frame. Unknown depth is NaN or <= 0; `dynamic` marks what moves and must not be used."""
        index = len(self._records)
        if image.shape[:2] != self._size[::-1]:
            raise InvalidInput(
                f"Frame {index} is {image.shape[1]}x{image.shape[0]}; this film's frames are "
                f"{self._size[0]}x{self._size[1]}."
            )
        view = prepare(index, image, depth, self._K, dynamic, self._options.features)
        self._map.as_known(view)
        if self._reference < 0:
            return self._begin(view)
        guess = self._pose @ self._velocity
        targets = self._targets(view, guess)
        if self._options.unscaled_depth and depth is not None:
            view, guess = self._scaled(view, (image, depth, dynamic), guess, targets)
        found = self._frontend.place(view, guess, [self._map.keyframes[k] for k in targets])
        relocalised = False
        if found is None:
            found, relocalised = self._relocalise(view), True
        if found is None:
            return self._lose(view)
        return self._accept(view, found, relocalised)

    def finish(self) -> Trajectory:
        """All poses after loops, joined pieces and refinement. The tracker can go on afterwards."""
        if not self._records:
            raise InvalidInput("No frame was given: there is nothing to track.")
        return finish.conclude(self._map, self._records, self._options, self._notes)

    def _begin(self, view: View) -> FrameState:
        if view.known < LEAST_DEPTH:
            self._records.append(Record(None, -1, np.eye(4)))
            note = f"Frame {view.index} has next to no depth: a map cannot begin with it."
            return FrameState(view.index, None, "lost", False, note)
        c2w = self._pose
        self._add_keyframe(view, c2w, None)
        self._records.append(Record(view, self._reference, np.eye(4)))
        self._velocity, self._lost = np.eye(4), 0
        return FrameState(view.index, c2w, "tracked" if self._piece == 0 else "new piece", True)

    def _targets(self, view: View, guess: Pose) -> list[int]:
        near = self._map.near(view, guess, self._piece, TARGETS)
        return near if self._reference in near or len(near) >= TARGETS else [*near[: TARGETS - 1], self._reference]

    def _scaled(self, view: View, given: tuple, guess: Pose, targets: list[int]) -> tuple[View, Pose]:
        """The frame with its depth in the map's scale and the pose that pictures give; its own depth is not needed."""
        image, depth, dynamic = given
        frames = [self._map.keyframes[k] for k in targets]
        placed = place_by_pictures(view, guess, frames, self._name)
        guess = guess if placed is None else placed.c2w
        fitted = brought_to_map(depth, view, guess, frames)
        if fitted is None:
            return view, guess
        return prepare(view.index, image, fitted, self._K, dynamic, self._options.features), guess

    def _relocalise(self, view: View) -> Placement | None:
        """By appearance against all keyframes; the newest are tried at once, by surfaces too."""
        hit = recognise(view, self._map, range(len(self._map.keyframes)), self._options)
        if hit is not None:
            frame = self._map.keyframes[hit.keyframe]
            self._piece, self._reference = frame.piece, hit.keyframe
            return Placement(frame.c2w @ hit.relative, None, hit.inliers)
        near = [self._map.keyframes[self._reference]]
        polished = polish(view, self._pose, near, self._options.photo, 2)
        return None if polished is None else Placement(polished[0], polished[1], 0)

    def _lose(self, view: View) -> FrameState:
        self._lost += 1
        self._velocity = np.eye(4)
        self._records.append(Record(view, -1, np.eye(4)))
        if self._lost < self._options.patience or view.known < LEAST_DEPTH:
            return FrameState(view.index, None, "lost", False, _why(view))
        self._records.pop()
        self._piece = 1 + max(k.piece for k in self._map.keyframes)
        self._reference = -1
        state = self._begin(view)
        return FrameState(state.index, state.c2w, state.status, state.keyframe, "Nothing known is seen: a new piece.")

    def _accept(self, view: View, found: Placement, relocalised: bool) -> FrameState:
        c2w = found.c2w
        if self._lost == 0 and not relocalised:
            self._velocity = se3.inverse(self._pose) @ c2w
        else:
            self._velocity = np.eye(4)
        self._pose, self._lost = c2w, 0
        near = self._map.near(view, c2w, self._piece, 1)
        if near:
            recent = len(self._map.keyframes) - RECENT
            if near[0] < recent <= self._reference:
                self._map.revisits.append((self._map.keyframes[near[0]].view.index, view.index))
            self._reference = near[0]
        reference = self._map.keyframes[self._reference]
        relative = se3.inverse(reference.c2w) @ c2w
        key = self._is_news(view, relative, found)
        if key:
            self._add_keyframe(view, c2w, self._reference)
            self._pose = self._map.keyframes[-1].c2w
            self._records.append(Record(view, self._reference, np.eye(4), relocalised))
        else:
            if found.fit is not None:
                reference.average(view, c2w)
            self._records.append(Record(view, self._reference, relative, relocalised))
        note = "Found again by appearance." if relocalised else ""
        return FrameState(view.index, self._pose, "relocalised" if relocalised else "tracked", key, note)

    def _is_news(self, view: View, relative: Pose, found: Placement) -> bool:
        if view.known < 3 * LEAST_DEPTH or found.fit is None:
            return False
        o = self._options
        crowd = max(1.0, len(self._map.keyframes) / o.most_keyframes) ** 2
        angle = np.rad2deg(np.linalg.norm(se3.so3_log(relative[:3, :3])))
        step = float(np.linalg.norm(relative[:3, 3])) / depth_of(view)
        share = self._map.overlap(view, self._map.keyframes[self._reference].c2w @ relative, self._reference)
        return bool(angle > crowd * o.key_angle or step > crowd * o.key_step or share * crowd < o.key_overlap)

    def _add_keyframe(self, view: View, c2w: Pose, parent: int | None) -> None:
        frames = self._map.keyframes
        frames.append(MapKeyframe(view, c2w, self._piece))
        new = len(frames) - 1
        if parent is not None:
            relative = se3.inverse(frames[parent].c2w) @ c2w
            self._map.edges.append(Edge(parent, new, relative, _trust(depth_of(view))))
        self._reference = new
        if parent is None:
            return
        self._refine_window(new)
        if self._options.loops:
            self._close_loops(new)

    def _refine_window(self, new: int) -> None:
        frames = self._map.keyframes
        window = [k for k in range(max(0, new - WINDOW + 1), new + 1) if frames[k].piece == self._piece]
        pairs = set()
        for k in window:
            for other in self._map.near(frames[k].view, frames[k].c2w, self._piece, 4):
                if other != k:
                    pairs.add((min(k, other), max(k, other)))
        if pairs:
            members = {k for p in pairs for k in p}
            fixed = members - set(window[1:])
            refine(frames, sorted(pairs), fixed or {min(members)}, self._options.photo, levels=(1, 1))

    def _close_loops(self, new: int) -> None:
        frames = self._map.keyframes
        old = [k for k in range(len(frames) - RECENT) if frames[k].piece == self._piece]
        if not old:
            return
        hit = recognise(frames[new].view, self._map, old, self._options, most=2)
        if hit is not None:
            self._map.loops.append((hit.keyframe, new))
            self._bend(new, hit)

    def _bend(self, new: int, hit: Recognition) -> None:
        """Spreads what a loop found over the chain, unless it says nothing new."""
        frames = self._map.keyframes
        trust = _trust(depth_of(frames[new].view))
        self._map.edges.append(Edge(hit.keyframe, new, hit.relative, trust, robust=True))
        error = se3.log(se3.inverse(frames[hit.keyframe].c2w) @ frames[new].c2w @ se3.inverse(hit.relative))
        if error @ trust @ error < LOOP_WORTH**2:
            return
        poses = optimise([f.c2w for f in frames], self._map.edges, fixed=finish.anchors(self._map))
        for frame, c2w in zip(frames, poses, strict=True):
            frame.c2w = c2w
        _LOG.info("loop between keyframes %d and %d bent the graph", hit.keyframe, new)


def _trust(depth: float) -> np.ndarray:
    """Information of a keyframe's own relative pose: half a degree, 1 % of the depth."""
    return np.diag([1 / np.deg2rad(0.5) ** 2] * 3 + [1 / (0.01 * depth) ** 2] * 3)


def _why(view: View) -> str:
    if view.texture < LEAST_TEXTURE and view.known < LEAST_DEPTH:
        return f"Frame {view.index} shows neither texture nor depth: it cannot be placed."
    if view.texture < LEAST_TEXTURE:
        return f"Frame {view.index} is blank or dark and its depth fits nothing known."
    return f"Frame {view.index} fits nothing that was seen before."
