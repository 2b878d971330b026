"""Tracker `commanded`: measures nothing and says so."""

from collections.abc import Sequence

from spatia_core.backends.protocols import Tracking
from spatia_core.frames import Clip, DepthMap
from spatia_core.memory import SpatialMemory


class CommandedTracker:
    """SlamTracker that takes the commanded poses on trust; exact for `reproject`, a guess for other generators."""

    name = "commanded"

    def __init__(self, every: int = 24) -> None:
        self._every = every

    def track(self, clip: Clip, depths: Sequence[DepthMap] | None, memory: SpatialMemory) -> Tracking:
        """The commanded cameras; every 24th frame and the last are keyframes."""
        keyframes = tuple(sorted({*range(0, len(clip), self._every), len(clip) - 1}))
        note = "Camera poses were not measured: the commanded path is taken on trust."
        return Tracking(clip.cameras, keyframes, measured=False, note=note)
