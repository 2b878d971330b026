"""The network over a picture: once over all of it, once more over the part where it found the thing."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32

from spatia_core.arrays import Image
from spatia_core.backends.clicks.cues import Box, Clicks, CuePicture, Map
from spatia_core.backends.clicks.network import ClickNetwork
from spatia_core.backends.nano import layers

_SIDE = 192
"""The network sees about this many pixels squared."""

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 in the picture."""
Views = Callable[[Window], CuePicture]
Networks = tuple[ClickNetwork, ClickNetwork]
"""Two networks of different training: one looks at the picture, the other at its mirror image."""


@dataclass(frozen=True, eq=False, slots=True)
class Pointed:
    """Clicks and box in pixels of one picture."""

    positive: Clicks
    negative: Clicks
    box: Box | None

    def within(self, window: Window, scale_x: float, scale_y: float) -> "Pointed":
        """The same as seen through a window: clicks outside it are left out, the box is cut at its border."""
        x0, y0, x1, y1 = window
        scale = np.array([scale_x, scale_y])

        def moved(clicks: Clicks) -> Clicks:
            inside = (clicks >= [x0, y0]).all(1) & (clicks < [x1, y1]).all(1)
            return (clicks[inside] - [x0, y0]) * scale

        box = None
        if self.box is not None:
            corners = (np.reshape(self.box, (2, 2)) - [x0, y0]) * scale
            corners = np.clip(corners, 0, np.array([x1 - x0, y1 - y0]) * scale - 1)
            box = (corners[0, 0], corners[0, 1], corners[1, 0], corners[1, 1])
        return Pointed(moved(self.positive), moved(self.negative), box)

    def scaled(self, scale_x: float, scale_y: float) -> "Pointed":
        """The same in a picture of another size."""
        box = self.box and (self.box[0] * scale_x, self.box[1] * scale_y, self.box[2] * scale_x, self.box[3] * scale_y)
        scale = np.array([scale_x, scale_y])
        return Pointed(self.positive * scale, self.negative * scale, box)


def view(image: Image, window: Window) -> CuePicture:
    """The window of the picture at the network's area, sides multiples of 32."""
    x0, y0, x1, y1 = window
    ratio = _SIDE / ((x1 - x0) * (y1 - y0)) ** 0.5
    width, height = (min(1024, max(64, round(side * ratio / 32) * 32)) for side in (x1 - x0, y1 - y0))
    method = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    return CuePicture(cv2.resize(np.ascontiguousarray(image[y0:y1, x0:x1]), (width, height), interpolation=method))


def probabilities(networks: Networks, views: Views, whole: Window, pointed: Pointed, previous: Map | None) -> Map:
    """How likely each pixel belongs to the thing; `whole` is the window of the full picture."""
    found = _glance(networks, views(whole), whole, pointed, previous)
    window = _around(found > 0.5, pointed)
    if window is None:
        return found
    x0, y0, x1, y1 = window
    out = np.zeros_like(found)
    out[y0:y1, x0:x1] = _glance(networks, views(window), window, pointed, found)
    return out


def _glance(
    networks: Networks, picture: CuePicture, window: Window, pointed: Pointed, previous: Map | None
) -> Float32[np.ndarray, "window_h window_w"]:
    """The same in a window with one look: what one network says, averaged with the other's of the mirror image."""
    x0, y0, x1, y1 = window
    height, width = picture.shape
    here = pointed.within(window, width / (x1 - x0), height / (y1 - y0))
    before = previous
    if before is not None:
        before = cv2.resize(before[y0:y1, x0:x1], (width, height), interpolation=cv2.INTER_AREA)
    cues = torch.from_numpy(picture.maps(here.positive, here.negative, here.box, before))[None]
    rgb = torch.from_numpy(picture.rgb).permute(2, 0, 1)[None].float() / 255
    sides = ((rgb, cues), (rgb.flip(3), cues.flip(3)))
    with torch.inference_mode(), layers.one_thread():
        straight, mirrored = (
            network(*(x.contiguous(memory_format=torch.channels_last) for x in side))[0]
            for network, side in zip(networks, sides, strict=True)
        )
    logits = ((straight + mirrored.flip(1)) / 2).numpy()
    logits = cv2.resize(logits, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return 1 / (1 + np.exp(-logits))


def _around(mask: np.ndarray, pointed: Pointed) -> Window | None:
    """A window around the mask, the + clicks and the box with a margin; None when it is nearly the whole picture.

    Its corners lie on a coarse grid, so that it seldom changes from click to click.
    """
    height, width = mask.shape
    if pointed.box is None and not mask.any():
        return None
    rows, columns = np.nonzero(mask)
    corners = np.empty((0, 2)) if pointed.box is None else np.reshape(pointed.box, (2, 2))
    x = np.concatenate([columns, pointed.positive[:, 0], corners[:, 0]])
    y = np.concatenate([rows, pointed.positive[:, 1], corners[:, 1]])
    margin = 0.25 * max(np.ptp(x) + 1, np.ptp(y) + 1) + 8
    grid = max(1.0, (height * width) ** 0.5 / 40)

    def span(v: np.ndarray, side: int) -> tuple[int, int]:
        low, high = max(0, int(v.min() - margin)), min(side, int(v.max() + 1 + margin))
        return int(low // grid * grid), int(min(side, np.ceil(high / grid) * grid))

    (x0, x1), (y0, y1) = span(x, width), span(y, height)
    return (x0, y0, x1, y1) if (x1 - x0) * (y1 - y0) < 0.7 * height * width else None
