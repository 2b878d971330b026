"""Where pixels of one picture went in another, and how far that can be believed."""

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.arrays import Image, Mask

Flow = Float32[np.ndarray, "h w 2"]
"""Pixels."""


def flow_between(a: Image, b: Image) -> Flow:
    """(h, w, 2) where every pixel of `a` went in `b`, pixels (DIS optical flow)."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (a, b)]
    return np.asarray(finder.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32)), np.float32)


def pixel_grid(shape: tuple[int, int]) -> Flow:
    """(h, w, 2) column and row of every pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.stack([x, y], -1)


def sampled(values: np.ndarray, flow: Flow, nearest: bool = False) -> np.ndarray:
    """`values` of the other picture at the places the flow leads to; outside of it NaN, or 0 for whole numbers."""
    at = pixel_grid(flow.shape[:2]) + flow
    outside = np.nan if values.dtype.kind == "f" else 0
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.remap(values, at[..., 0], at[..., 1], how, borderMode=cv2.BORDER_CONSTANT, borderValue=(outside,) * 4)


def consistent(there: Flow, back: Flow) -> Mask:
    """(h, w) True where going there and back ends where it began: where the flow can be believed."""
    gap = np.hypot(*np.moveaxis(there + sampled(back, there), -1, 0))
    return np.nan_to_num(gap, nan=np.inf) < 1 + 0.05 * np.hypot(there[..., 0], there[..., 1])
