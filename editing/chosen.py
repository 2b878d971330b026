"""A selection worked out against a memory: where the photo's camera sees it, and its points."""

from dataclasses import dataclass

import numpy as np

from editing.selection import checked, lift_mask, shown_mask
from editing.state import Picking, State
from editing.volume_selection import InView, Volume
from spatia_core.arrays import Mask, Selection
from spatia_core.backends.protocols import Prompt, Segmenter
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.memory import SpatialMemory
from spatia_core.render import render


@dataclass(frozen=True, eq=False, slots=True)
class Chosen:
    """What a picking selects of a memory."""

    picking: Picking
    memory: SpatialMemory
    mask: Mask
    """(h, w) where the photo's camera sees it."""
    volume: Volume | None = None
    """Its steps where it was made in space, else None."""
    points: Selection | None = None
    """(n,) its points where it was made in space."""

    def same_as(self, other: "Chosen") -> bool:
        """True when both select the same of the same memory."""
        if self.memory is not other.memory or (self.volume is None) != (other.volume is None):
            return False
        return (self.volume is None or self.picking is other.picking) and np.array_equal(self.mask, other.mask)


def chosen(picking: Picking, state: State) -> Chosen:
    """The selection of the present memory; its mask is empty where nothing is selected."""
    camera, memory = state.camera, state.memory
    if picking.solid is None:
        mask = picking.mask
        return Chosen(picking, memory, np.zeros((camera.height, camera.width), bool) if mask is None else mask)
    volume = picking.volume(camera)
    assert volume is not None
    points = volume.points(memory)
    return Chosen(picking, memory, shown_mask(points, render(memory.cloud, camera)), volume, points)


def usable(found: Chosen, state: State) -> Chosen:
    """The selection itself; raises InvalidInput for a mask that no edit can take."""
    if found.volume is None:
        checked(found.mask, state.camera)
    return found


def points_of(found: Chosen, state: State) -> Selection | None:
    """(n,) the selected points, or None where nothing that can be used is selected."""
    if found.points is not None:
        return found.points
    try:
        return lift_mask(state.memory, state.camera, found.mask)
    except InvalidInput:
        return None


LARGEST_ASKED = 832
"""Longer side of a view that the segmenter is shown, pixels."""


def asked_at(camera: Camera) -> Camera:
    """The view at the size at which the segmenter is shown it."""
    share = min(1.0, LARGEST_ASKED / max(camera.width, camera.height))
    return camera.resized(max(8, round(share * camera.width)), max(8, round(share * camera.height)))


def thing_in_view(segmenter: Segmenter, memory: SpatialMemory, camera: Camera, x: float, y: float) -> InView:
    """What the segmenter finds at pixel (x, y) of what a view shows of the memory."""
    view = asked_at(camera)
    seen = render(memory.cloud, view)
    at = np.array([[x * view.width / camera.width, y * view.height / camera.height]])
    inside = (at >= 0).all() and (at < [view.width, view.height]).all()
    if not inside or not seen.coverage[int(at[0, 1]), int(at[0, 0])]:
        raise InvalidInput("There is nothing under the pointer. Click on a part of the scene.")
    prompt = Prompt(at, np.array([True])).checked_for(view.height, view.width)
    found = segmenter.segment(segmenter.embed(seen.rgb), prompt)
    return InView(view, found.masks[0] & seen.coverage)
