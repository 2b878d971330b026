"""Depth at the outlines of things: steps kept sharp, pixels between near and far found, masked things stood upright."""

import cv2
import numpy as np
from jaxtyping import Float32
from numba import njit

from spatia_core.arrays import Depth, Image, Mask
from spatia_core.errors import InvalidInput

STEP = 0.10
"""A change of log depth that counts as a step."""
_COLOUR_SIGMA = 12.0
"""Lab units (8-bit scale) within which two pixels count as alike."""
_SLOPE = 1.9
"""Where a three times wider window spans more than this times the range, depth slopes; it does not step."""

Map = Float32[np.ndarray, "h w"]


def snap_to_edges(coarse: Float32[np.ndarray, "small_h small_w"], image: Image) -> Map:
    """A small positive map at the photo's size, its steps lying where the photo's colours change.

    At a step every pixel takes the near or the far side, whichever side's nearby colours it resembles, never a blend.
    `coarse` is best inverse depth: steps are judged on the logarithm. Doubles the size until the photo's is reached.
    """
    height, width = image.shape[:2]
    values = np.ascontiguousarray(coarse, np.float32)
    softener = float(np.percentile(values, 95)) * 0.02 + 1e-9
    small_width = values.shape[1]
    widths, w = [small_width], width
    while w > small_width * 1.01:
        widths.insert(1, w)
        w = -(-w // 2)
    for i, w in enumerate(widths):
        h = max(1, round(height * w / width)) if w != width else height
        shown = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
        colours = cv2.GaussianBlur(cv2.cvtColor(shown, cv2.COLOR_RGB2LAB), (0, 0), 0.6)
        values = cv2.resize(values, (w, h), interpolation=cv2.INTER_LINEAR)
        for _ in range(2 if i == 0 else 1):
            values = _snap_once(values, colours, 3 if w <= 700 else 2, softener)
    return values if values.shape == (height, width) else cv2.resize(values, (width, height))


def _snap_once(values: Map, colours: Image, radius: int, softener: float) -> Map:
    log = np.log(values + np.float32(softener))
    low, high = _window_range(log, radius)
    wide_low, wide_high = _window_range(log, 3 * radius)
    step = (high - low > STEP) & (wide_high - wide_low < _SLOPE * (high - low))
    rows, columns = np.nonzero(step)
    if rows.size == 0:
        return values
    snapped = _vote(log, low, high, colours, rows, columns, radius)
    out = values.copy()
    out[rows, columns] = np.maximum(np.exp(snapped) - softener, values.min())
    return out


def _window_range(x: Map, radius: int) -> tuple[Map, Map]:
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.erode(x, window), cv2.dilate(x, window)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def _vote(log, low, high, colours, rows, columns, radius):  # pragma: no cover - compiled
    """Per listed pixel the mean of its near or far neighbours, of whichever are more alike in colour and closer.

    A neighbour counts less the more it lies between `low` and `high`: it may be a blend itself.
    """
    h, w = log.shape
    reach = 2 * radius
    stride = 1 if reach <= 4 else 2
    per_colour = np.float32(-1.0 / (2 * _COLOUR_SIGMA**2))
    per_pixel = np.float32(-1.0 / (2 * (1.2 * radius) ** 2))
    out = np.empty(len(rows), np.float32)
    for i in range(len(rows)):
        y, x = rows[i], columns[i]
        lo, hi = low[y, x], high[y, x]
        middle = np.float32(0.5) * (lo + hi)
        per_blend = np.float32(-1.0) / (np.float32(0.25) * (hi - lo) + np.float32(1e-6))
        far_sum = far_weight = near_sum = near_weight = np.float32(0)
        for dy in range(-reach, reach + 1, stride):
            yy = min(max(y + dy, 0), h - 1)
            for dx in range(-reach, reach + 1, stride):
                xx = min(max(x + dx, 0), w - 1)
                v = log[yy, xx]
                a = np.float32(colours[yy, xx, 0]) - np.float32(colours[y, x, 0])
                b = np.float32(colours[yy, xx, 1]) - np.float32(colours[y, x, 1])
                c = np.float32(colours[yy, xx, 2]) - np.float32(colours[y, x, 2])
                exponent = per_colour * (a * a + b * b + c * c) + per_pixel * np.float32(dx * dx + dy * dy)
                if v < middle:
                    weight = np.exp(exponent + per_blend * max(v - lo, np.float32(0)))
                    far_sum += weight * v
                    far_weight += weight
                else:
                    weight = np.exp(exponent + per_blend * max(hi - v, np.float32(0)))
                    near_sum += weight * v
                    near_weight += weight
        if max(far_weight, near_weight) <= np.float32(1e-6):
            out[i] = log[y, x]
        elif near_weight > far_weight:
            out[i] = near_sum / near_weight
        else:
            out[i] = far_sum / far_weight
    return out


def flying_pixels(depth: Depth) -> Mask:
    """True at pixels that lie between the near and the far side of a depth step and belong to neither.

    Such a pixel is at least `STEP` of log depth away from two opposite neighbours, nearer than one and farther than the
    other, and the step ends there: on a steep slope depth goes on changing. Unknown (NaN) depth is never marked.
    """
    log = np.pad(np.log(depth), 3, mode="edge")
    h, w = depth.shape
    at = log[3 : 3 + h, 3 : 3 + w]
    flying = np.zeros((h, w), bool)

    def shifted(dy: int, dx: int) -> Map:
        return log[3 + dy : 3 + dy + h, 3 + dx : 3 + dx + w]

    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        before, after = shifted(-dy, -dx), shifted(dy, dx)
        rising = (at - before > STEP) & (after - at > STEP)
        falling = (before - at > STEP) & (at - after > STEP)
        wide = np.abs(shifted(3 * dy, 3 * dx) - shifted(-3 * dy, -3 * dx))
        slope = wide > _SLOPE * np.abs(after - before)  # False where the wider neighbours are unknown
        flying |= (rising | falling) & ~slope
    return flying


def stand_up(depth: Depth, mask: Mask, relief: float = 0.3) -> Depth:
    """The depth map with the masked thing made one solid that stands where its lowest pixels touch the ground.

    Its inverse depth becomes that of the ground around its feet, times its own relief raised to `relief` (0 = flat,
    1 = as it was). Where no ground is seen around the feet, its own lowest part says where it stands.
    """
    if mask.shape != depth.shape:
        raise InvalidInput(
            f"The mask is {mask.shape[1]}x{mask.shape[0]}, the depth map {depth.shape[1]}x{depth.shape[0]}."
        )
    inside = mask & np.isfinite(depth)
    rows = np.nonzero(inside)[0]
    if rows.size < 20:
        return depth
    inverse = 1.0 / depth.astype(np.float64)
    feet = inside & (np.arange(len(depth))[:, None] >= np.percentile(rows, 97))
    reach = max(2, round(0.006 * max(depth.shape)))
    below = np.zeros_like(feet)
    below[reach:] = feet[:-reach]
    window = np.ones((2 * reach + 1, 4 * reach + 1), np.uint8)
    around = cv2.dilate((feet | below).astype(np.uint8), window).astype(bool) & ~mask & np.isfinite(depth)
    own = inverse[inside]
    stands_at = np.median(inverse[around]) if np.count_nonzero(around) > 5 else np.median(inverse[feet])
    shape = np.clip(own / np.median(own), 0.5, 2.0) ** relief
    out = depth.copy()
    out[inside] = 1.0 / (stands_at * shape)
    return out
