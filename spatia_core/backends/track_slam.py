"""Trackers `slam-feature` and `slam-direct`: where the camera of a clip really was, measured against the memory."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.backends.protocols import Tracking
from spatia_core.errors import InvalidInput, TrackingLost
from spatia_core.frames import Clip, DepthMap
from spatia_core.memory import SpatialMemory
from spatia_core.slam import FrontEndName, SlamOptions
from spatia_core.slam.anchors import DEPTH, anchors_of, scaled, unit_of
from spatia_core.slam.following import Follower, apart, keyframes_of, revisits

GAP, LOST_SHARE = 12, 0.3
"""Longest run and largest share of frames without a place that may be bridged."""
KEY_DEGREES, KEY_STEP, KEY_FRAMES = 8.0, 0.1, 24
"""Degrees, travel (share of the depth) or frames after which a frame is kept."""
SAME_PLACE = 1.0
"""Pixels below which nine of ten frames count as taken exactly where they were sent: splats say no more than that."""


class SlamTracker:
    """SlamTracker that holds every frame against renderings of the memory; one frame's error is not the next one's."""

    def __init__(self, frontend: FrontEndName = "feature") -> None:
        self.name = f"slam-{frontend}"
        self._frontend: FrontEndName = frontend

    def track(self, clip: Clip, depths: Sequence[DepthMap] | None, memory: SpatialMemory) -> Tracking:
        """Cameras in the memory's world; a few frames that show nothing known are bridged, more raise TrackingLost."""
        _check(clip, depths, memory)
        unit = unit_of(memory, clip.cameras[0])
        options = SlamOptions()
        anchors = anchors_of(memory, clip.cameras, unit, options.features)
        if not anchors:
            raise TrackingLost("The memory shows next to nothing along the path: a clip cannot be placed in it.")
        sent = [scaled(c.c2w, unit) for c in clip.cameras]
        follower = Follower(anchors, self._frontend, options)
        found = self._follow(clip, depths, sent, follower, unit)
        placed = [T is not None for T in found]
        poses = _bridged(found, sent)
        away = [follower.shift(a, b, c.K) for a, b, c in zip(sent, poses, clip.cameras, strict=True)]
        obeyed = np.quantile(away, 0.9) < SAME_PLACE and all(placed)
        if obeyed:
            poses = sent  # exact where the generator is
        kept = keyframes_of(poses, placed, DEPTH, (KEY_DEGREES, KEY_STEP, KEY_FRAMES))
        loops = revisits(list(clip.images), poses, kept, clip.cameras[0].K, (KEY_DEGREES, KEY_STEP * DEPTH))
        cameras = clip.cameras
        if not obeyed:
            cameras = tuple(c.moved(se3.inverse(scaled(T, 1 / unit))) for c, T in zip(clip.cameras, poses, strict=True))
        return Tracking(cameras, kept, loops, True, _note(poses, sent, placed, unit if memory.metric else None))

    def _follow(
        self, clip: Clip, depths: Sequence[DepthMap] | None, sent: list[Pose], follower: Follower, unit: float
    ) -> list[Pose | None]:
        """Each frame is expected where it was sent, off by as much as the frame before it was."""
        found: list[Pose | None] = []
        off = np.eye(4)
        for i, image in enumerate(clip.images):
            depth = None if depths is None else depths[i].depth * np.float32(unit)
            dynamic = None if clip.dynamic is None else clip.dynamic[i]
            c2w = follower.place(image, clip.cameras[i].K, sent[i] @ off, depth, dynamic)
            if c2w is not None:
                off = se3.inverse(sent[i]) @ c2w
            found.append(c2w)
        return found


def feature_tracker() -> SlamTracker:
    """The tracker `slam-feature`."""
    return SlamTracker("feature")


def direct_tracker() -> SlamTracker:
    """The tracker `slam-direct`."""
    return SlamTracker("direct")


def _check(clip: Clip, depths: Sequence[DepthMap] | None, memory: SpatialMemory) -> None:
    if not len(memory):
        raise InvalidInput("The memory is empty: there is nothing to place a clip in. Open a photo first.")
    if depths is None:
        return
    if len(depths) != len(clip):
        raise InvalidInput(f"{len(depths)} depth maps for {len(clip)} frames: give one for every frame, or none.")
    for i, given in enumerate(depths):
        if given.depth.shape != clip.images.shape[1:3]:
            raise InvalidInput(
                f"Depth map {i} has shape {given.depth.shape}, its frame {clip.images.shape[1:3]}; give both at one "
                "size."
            )


def _bridged(found: Sequence[Pose | None], sent: Sequence[Pose]) -> list[Pose]:
    """Poses for all frames: between placed ones the deviation from the path is interpolated."""
    at = [i for i, T in enumerate(found) if T is not None]
    lost = [i for i, T in enumerate(found) if T is None]
    if not at:
        raise TrackingLost("No frame of the clip shows anything that the memory knows: the camera cannot be placed.")
    edges = [-1, *at, len(found)]
    longest = max(b - a - 1 for a, b in pairwise(edges))
    if longest > GAP or len(lost) > max(1, LOST_SHARE * len(found)):
        raise TrackingLost(
            f"{len(lost)} of {len(found)} frames show too little of what the memory knows (the first is frame "
            f"{lost[0] + 1}); film closer to what was seen, or make the clip shorter."
        )
    off = {i: se3.inverse(sent[i]) @ T for i, T in enumerate(found) if T is not None}
    out: list[Pose] = []
    for i, T in enumerate(found):
        if T is not None:
            out.append(T)
            continue
        before = max((k for k in at if k < i), default=at[0])
        after = min((k for k in at if k > i), default=at[-1])
        share = 0.0 if before == after else min(max((i - before) / (after - before), 0.0), 1.0)
        out.append(sent[i] @ se3.interpolate(off[before], off[after], share))
    return out


def _note(poses: list[Pose], sent: list[Pose], placed: list[bool], metres: float | None) -> str:
    """What a person should know, in one sentence or two."""
    away = [apart(a, b) for a, b in zip(sent, poses, strict=True)]
    turn, step = away[-1]
    most = max(s for _, s in away)

    def length(x: float) -> str:
        return f"{100 * x / DEPTH:.1f} % of the depth" if metres is None else f"{100 * x / metres:.0f} cm"

    if most == 0:
        said = "The camera flew where it was sent."
    else:
        said = f"The camera ended {length(step)} and {turn:.1f} degrees from where it was sent, at most {length(most)}."
    missing = placed.count(False)
    return said if not missing else f"{said} {missing} frames showed nothing known; their camera is interpolated."
