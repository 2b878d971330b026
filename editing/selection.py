"""Masks to points and back. Sets of points are boolean arrays, so their algebra is | & - ~ of numpy."""

from typing import Literal

import cv2
import numpy as np

from spatia_core.arrays import Depth, Mask, Selection, nearest_false
from spatia_core.camera import Camera, Pixels
from spatia_core.errors import InvalidInput
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.render import Rendering, render

Combination = Literal["replace", "add", "subtract", "intersect"]

EDGE = 4 / 832
"""Width of a mask's uncertain border, in widths of the picture: what was measured best for the fill behind it."""

FARTHER = 1.12
"""A border pixel this much farther than the thing beside it belongs to the background."""

THICKNESS = 1.05
"""Points up to this ratio behind the seen surface belong to it too (the same surface seen twice)."""


def combine(previous: Mask | None, new: Mask, how: Combination) -> Mask:
    """The new mask put together with the earlier one; without an earlier one, the new mask itself."""
    if previous is None or how == "replace":
        return new
    if how == "add":
        return previous | new
    return previous & new if how == "intersect" else previous & ~new


def grown(mask: Mask, pixels: int) -> Mask:
    """The mask with its border moved outwards (inwards when negative) by so many pixels."""
    if pixels == 0 or not mask.any():
        return mask
    size = 2 * abs(pixels) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    change = cv2.dilate if pixels > 0 else cv2.erode
    border = 0 if pixels > 0 else 1
    return change(mask.astype(np.uint8), disc, borderValue=border).astype(bool)


def edge_width(camera: Camera) -> int:
    """Pixels by which a mask drawn in this picture is widened before its background is filled."""
    return max(1, round(EDGE * camera.width))


def checked(mask: Mask, camera: Camera) -> Mask:
    """The mask itself; raises InvalidInput for a wrong size, for an empty one and for one that leaves no background."""
    if mask.shape != (camera.height, camera.width):
        raise InvalidInput(
            f"The mask is {mask.shape[1]}x{mask.shape[0]} pixels, the picture {camera.width}x{camera.height}. "
            "Give a mask of the picture's size."
        )
    if not mask.any():
        raise InvalidInput(
            "Nothing is selected. Click on a thing, draw a box around it or give a mask with white in it."
        )
    if mask.mean() > 0.9:
        raise InvalidInput(
            f"{mask.mean():.0%} of the picture is selected, which leaves nothing to rebuild the background from. "
            "Select one thing; use - clicks to take parts away."
        )
    return mask


def _without_background(mask: Mask, depth: Depth, width: int) -> Mask:
    """The mask without border pixels that lie on the far side of a depth step."""
    core = grown(mask, -width)
    if not core.any():
        return mask
    rows, columns = nearest_false(~core)
    beside = depth[rows, columns]
    with np.errstate(invalid="ignore"):
        return mask & ~(depth > beside * FARTHER)


def selected_pixels(mask: Mask, seen: Rendering, camera: Camera) -> Mask:
    """The pixels of the mask that show the thing itself: known, and not background past its edge."""
    return _without_background(mask & seen.coverage, seen.depth, max(3, 2 * edge_width(camera)))


def points_under(memory: SpatialMemory, camera: Camera, mask: Mask) -> tuple[Selection, np.ndarray, Pixels]:
    """The points that project into the mask, in front of the camera, the z-depth of every point, and their pixels.

    Hidden points count as well; see `lift_mask` for those that are seen.
    """
    inside, z, (rows, columns) = camera.in_view(memory.xyz)
    hit = mask[rows, columns]
    inside[inside] = hit
    return inside, z, (rows[hit], columns[hit])


def lift_mask(memory: SpatialMemory, camera: Camera, mask: Mask, seen: Rendering | None = None) -> Selection:
    """(n,) True for the points that the mask shows, cleaned at depth edges, with their doubles just behind.

    Raises InvalidInput when the mask is unusable or shows no point.
    """
    seen = render(memory.cloud, camera) if seen is None else seen
    pixels = selected_pixels(checked(mask, camera), seen, camera)
    chosen, z, at = points_under(memory, camera, pixels)
    real = memory.labels.provenance[chosen] != Provenance.COMPLETED
    chosen[chosen] = real & (z[chosen] <= seen.depth[at] * THICKNESS)
    chosen[seen.point_index[pixels]] = True
    if not chosen.any():
        raise InvalidInput("The selected pixels show nothing that is known. Select a part of the scene.")
    return chosen


def shown_mask(selection: Selection, seen: Rendering) -> Mask:
    """The pixels of a rendering that show selected points: the way back from points to a mask."""
    index = seen.point_index
    return (index >= 0) & selection[np.maximum(index, 0)]
