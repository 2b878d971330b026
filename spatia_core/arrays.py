"""Read-only arrays and the array types that signatures name."""

from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8
from scipy.ndimage import distance_transform_edt

Image = UInt8[np.ndarray, "h w 3"]
Depth = Float32[np.ndarray, "h w"]
Mask = Bool[np.ndarray, "h w"]
Points = Float32[np.ndarray, "n 3"]
Colours = UInt8[np.ndarray, "n 3"]
Pose = Float[np.ndarray, "4 4"]
Intrinsics = Float[np.ndarray, "3 3"]
IndexMap = Int32[np.ndarray, "h w"]
Selection = Bool[np.ndarray, " n"]


def read_only(array: Any, dtype: Any, order: Literal["C", "F"] = "C") -> np.ndarray:
    """The array as contiguous `dtype`, not writable through this view; copied only when dtype or layout differ."""
    view = np.asarray(array, dtype=dtype, order=order).view()
    view.flags.writeable = False
    return view


def parts_touching(mask: Mask, seeds: Mask, corners: bool = True) -> Mask:
    """The connected parts of the mask that hold a seed; `corners`: pixels that meet at a corner hang together."""
    labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8 if corners else 4)[1].astype(np.int32)
    hit = np.zeros(labels.max(initial=0) + 1, bool)
    hit[labels[seeds & mask]] = True
    hit[0] = False
    return hit[labels]


def nearest_false(mask: Mask) -> np.ndarray:
    """(2, h, w) row and column of the nearest pixel outside the mask (itself where it lies outside)."""
    nearest = distance_transform_edt(mask, return_distances=False, return_indices=True)
    assert nearest is not None
    return np.asarray(nearest)
