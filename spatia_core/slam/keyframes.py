"""The map: keyframes, what they share, and the frames that hang on them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.slam import kernels
from spatia_core.slam.bending import Bend
from spatia_core.slam.graph import Edge
from spatia_core.slam.laying import Registration
from spatia_core.slam.views import View, refresh

COMMON = 0.25
"""Share of points that two keyframes must have in common to be aligned with each other."""
OVERLAP_GATE = 0.15
"""How far surfaces may lie apart to count as common (scene units at a depth of 2)."""
AVERAGE_GATE = 0.05
REFRESH_EVERY = 6
"""Depth maps averaged into a keyframe between two recomputations of its normals."""


@dataclass(eq=False, slots=True)
class MapKeyframe:
    """A frame that later frames are tracked against."""

    view: View
    c2w: Pose
    """(4, 4) camera to the world of its piece."""
    piece: int
    averaged: int = 0

    def average(self, other: View, c2w: Pose) -> None:
        """Takes in the depth of a tracked frame."""
        level = self.view.levels[0]
        if not self.view.weight.size:
            self.view.weight = np.ones_like(level.depth)
        relative = se3.inverse(c2w) @ self.c2w
        kernels.average_depth(level.depth, self.view.weight, other.levels[0].depth, relative, level.lens, AVERAGE_GATE)
        self.averaged += 1
        if self.averaged % REFRESH_EVERY == 0:
            refresh(self.view)


@dataclass(eq=False, slots=True)
class Record:
    """A frame as it hangs on its keyframe."""

    view: View | None
    """Kept for the last refinement."""
    keyframe: int
    """Index in the map, -1 = lost."""
    relative: Pose
    """(4, 4) keyframe from frame."""
    relocalised: bool = False


@dataclass(eq=False, slots=True)
class Map:
    """All keyframes of all pieces."""

    keyframes: list[MapKeyframe] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    """Chain and loops, for the pose graph."""
    loops: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of keyframes."""
    revisits: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of frames: an old keyframe, and the frame that came back to it without any loop to close."""
    bend: Bend | None = None
    """How depth bends, once the film has shown it; later frames are straightened too."""
    registration: Registration | None = None
    """How colour lies to depth, once the film has shown it; later frames are laid by it too."""

    def as_known(self, view: View) -> None:
        """Gives the view all that is known of the sensor."""
        if self.bend is not None:
            self.bend.apply(view)
        if self.registration is not None:
            self.registration.apply(view)

    def overlap(self, view: View, c2w: Pose, k: int) -> float:
        """Share of the view's points that lie on the surface keyframe `k` saw."""
        frame = self.keyframes[k]
        points = view.levels[2].points
        points = points[:: max(1, len(points) // 400)]
        return float(on_surface(frame.view, points, se3.inverse(frame.c2w) @ c2w).mean()) if len(points) else 0.0

    def near(self, view: View, c2w: Pose, piece: int, most: int, among: Iterable[int] | None = None) -> list[int]:
        """Keyframes of the piece that see most of what the view sees, best first; each at least COMMON."""
        reach = 1.5 * depth_of(view)
        found = []
        for k in range(len(self.keyframes)) if among is None else among:
            frame = self.keyframes[k]
            if frame.piece != piece or np.linalg.norm(frame.c2w[:3, 3] - c2w[:3, 3]) > reach:
                continue
            if frame.c2w[:3, 2] @ c2w[:3, 2] < 0.3:
                continue
            share = self.overlap(view, c2w, k)
            if share >= COMMON:
                found.append((share, k))
        return [k for _, k in sorted(found, reverse=True)[:most]]

    def pairs(self, most: int = 10) -> list[tuple[int, int]]:
        """Pairs of keyframes that see the same surfaces, each keyframe with its best partners."""
        chosen = set()
        for k, frame in enumerate(self.keyframes):
            for other in self.near(frame.view, frame.c2w, frame.piece, most + 1):
                if other != k:
                    chosen.add((min(k, other), max(k, other)))
        chosen |= {(min(e.a, e.b), max(e.a, e.b)) for e in self.edges}
        return sorted(chosen)


def on_surface(view: View, points: np.ndarray, T: Pose) -> np.ndarray:
    """(n,) which points (their first three columns), moved by `T` into the view, lie on the surface it saw."""
    level, out = view.levels[1], np.empty(len(points), np.bool_)
    kernels.on_surface(points, T, level.lens, level.depth, OVERLAP_GATE, out)
    return out


def depth_of(view: View) -> float:
    """Typical depth of what a view sees, scene units; 2 when unknown."""
    points = view.levels[-1].points
    return float(np.median(points[:, 2])) if len(points) else 2.0
