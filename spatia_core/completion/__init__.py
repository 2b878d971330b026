"""What no camera saw gets colour and depth once, in the memory, marked as completed, for every later frame."""

from spatia_core.completion.views import MARGIN, complete_along, complete_around, complete_hole, complete_view

__all__ = ["MARGIN", "complete_along", "complete_around", "complete_hole", "complete_view"]
