"""What rendering gives back and the constants both renderers share."""

from dataclasses import dataclass

import numpy as np

from spatia_core.arrays import Depth, Image, IndexMap, Mask, read_only

MAX_HALF_SIDE = 12.0
"""Largest half side of a footprint, pixels: a point just before the lens must not paint the whole picture."""

NEAR = 1e-3
"""Points nearer than this share of the focal plane's unit are not drawn (scene units)."""


@dataclass(frozen=True, eq=False, slots=True)
class Rendering:
    """The picture of a cloud from one camera."""

    rgb: Image
    """(h, w, 3) uint8, black where nothing is known."""
    depth: Depth
    """(h, w) float32 z-depth, NaN where nothing is known."""
    point_index: IndexMap
    """(h, w) int32 index of the point each pixel shows, -1 = none."""

    def __post_init__(self) -> None:
        for name, dtype in (("rgb", np.uint8), ("depth", np.float32), ("point_index", np.int32)):
            object.__setattr__(self, name, read_only(getattr(self, name), dtype))

    @property
    def coverage(self) -> Mask:
        """(h, w) True where some point is seen."""
        return self.point_index >= 0
