"""Where a photo shows sky, judged from what the depth network thinks is infinitely far and from the picture itself."""

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.arrays import Depth, Image, Mask, parts_touching

SHELL = 30.0
"""In median depths: the shell on which the sky of a metric depth lies."""
_SURE = 0.05
"""Inverse depth relative to the picture's mean below which the network means sky."""
_MAYBE = 0.45
"""Up to here the sky may spread (clouds), where the picture is smooth."""
_SIDE = 320
"""Longer side of the picture the decision is made on."""
_SMOOTH = 11.0
"""Change of brightness over three pixels (8-bit) above which a pixel stops the spreading."""
_LEAST, _MOST = 0.004, 0.93
"""A share of the picture outside these bounds is no sky: a speck, or a blank picture."""


def find_sky(inverse: Float32[np.ndarray, "h w"], image: Image) -> Mask:
    """True at sky: far for the network, smooth, and reached from the top border without crossing anything.

    Errs to False: sky seen through a window or branches may be missed, water, snow and white walls must not be taken.
    """
    height, width = inverse.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    relative = cv2.resize(inverse / inverse.mean(), size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    window = np.ones((3, 3), np.uint8)
    smooth = cv2.dilate(grey, window).astype(np.int16) - cv2.erode(grey, window) < _SMOOTH
    sure = (relative < _SURE) & smooth
    reached = parts_touching((relative < _MAYBE) & smooth, _top_rows(sure), corners=False)
    reached = parts_touching(reached & _below_share(reached, sure), _top_rows(reached), corners=False)
    # Noise and small clouds leave pinholes; the outline itself was eroded by the 3x3 test of smoothness.
    closed = cv2.morphologyEx(reached.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(bool)
    grown = cv2.dilate(closed.astype(np.uint8), window).astype(bool) & (relative < _MAYBE)
    if not _LEAST < grown.mean() < _MOST:
        return np.zeros((height, width), bool)
    full = cv2.resize(grown.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    edge = cv2.morphologyEx(full.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((7, 7), np.uint8)).astype(bool)
    return np.where(edge, inverse < 2 * _SURE * inverse.mean(), full) if scale < 1 else full


def _top_rows(mask: Mask) -> Mask:
    out = np.zeros_like(mask)
    rows = max(1, round(0.02 * len(mask)))
    out[:rows] = mask[:rows]
    return out


def _below_share(reached: Mask, sure: Mask) -> Mask:
    """Parts of `reached` of which the network is sure in good part; a bright wall it merely finds far is dropped."""
    labels = cv2.connectedComponents(reached.astype(np.uint8))[1].astype(np.int32)
    share = np.bincount(labels.ravel(), sure.ravel()) / np.bincount(labels.ravel())
    return share[labels] > 0.3


def with_sky(depth: Depth, image: Image) -> tuple[Depth, Mask]:
    """A metric depth, somewhere known, with its sky on `SHELL`, and (h, w) where that is.

    What is unknown (NaN) may be sky: what a network leaves out mostly is, but the picture decides.
    """
    known = ~np.isnan(depth)
    typical = float(np.median(depth[known]))
    sky = find_sky(np.where(known, typical / np.where(known, depth, 1), 1e-3).astype(np.float32), image)
    return np.where(sky, np.float32(SHELL * typical), depth).astype(np.float32), sky
