"""Things that were taken out of the memory to move in the clip."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float64

from editing.edits import Edit, Placing
from editing.ground import Ground
from editing.placing import displacement
from spatia_core.arrays import read_only
from spatia_core.movers import Mover
from spatia_core.point_cloud import PointCloud


@dataclass(frozen=True, eq=False, slots=True)
class Walker:
    """A thing and its way; how fast it goes is settled by the length of the clip."""

    cloud: PointCloud
    """Its points where it stood in the memory."""
    stops: Float64[np.ndarray, "k 3"]
    """(k, 3) world offsets from there, the first of them where it sets out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stops", read_only(self.stops, np.float64))

    @classmethod
    def along(cls, thing: PointCloud, ground: Ground, edit: Edit, unit: float) -> Self:
        """The thing of an edit going along its way, on the ground where it is asked to stay there."""
        stops = [displacement(ground, Placing(stop, on_ground=edit.on_ground), edit.camera, unit) for stop in edit.way]
        return cls(thing, np.array(stops))

    def mover(self, frames: int) -> Mover:
        """The thing in a clip of so many frames: it is at its first stop in the first and at its last in the last."""
        return Mover.travelling(self.cloud, self.stops, frames)

    def at(self, share: float) -> PointCloud:
        """Where it is after a share of its way."""
        mover = self.mover(100)
        return mover.at(round(99 * min(max(share, 0.0), 1.0)))
