"""Views into the memory: pixels become points, and a clip changes only what it knows better than the memory."""

from spatia_core.fusion.clips import COMMON, NEWS, FusionOptions, FusionReport, fuse_clip
from spatia_core.fusion.draft import Draft, Witness
from spatia_core.fusion.lifting import (
    MEASURED,
    OVERLAP,
    STEEPEST,
    lift,
    measured_confidence,
    point_radius,
    remember_view,
)

__all__ = [
    "COMMON",
    "MEASURED",
    "NEWS",
    "OVERLAP",
    "STEEPEST",
    "Draft",
    "FusionOptions",
    "FusionReport",
    "Witness",
    "fuse_clip",
    "lift",
    "measured_confidence",
    "point_radius",
    "remember_view",
]
