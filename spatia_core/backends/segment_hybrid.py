"""Clicks to masks without a download: a cut by colour, then our own networks started from that or the last mask."""

import threading
from dataclasses import dataclass
from functools import lru_cache, partial

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from spatia_core.arrays import Image, Mask, read_only
from spatia_core.backends.clicks import colour_cut, passes
from spatia_core.backends.clicks.changes import near_the_click, obeying
from spatia_core.backends.clicks.cues import Box, CuePicture, Map, box_mask
from spatia_core.backends.clicks.network import DESIGNS, ClickNetwork
from spatia_core.backends.clicks.passes import Pointed
from spatia_core.backends.nano import layers
from spatia_core.backends.protocols import Prompt, Segmentation
from spatia_core.errors import InvalidInput

_WORK_SIDE = 832
"""Longer side of the picture that masks are made on; larger photos cost only the resize."""
_COLOUR_SIDE = 256
"""Longer side for the cut by colour."""
_BAND_SIDE = 640
"""Longer side for the cut in a band."""
_BOX_SIDE = 512
"""Longer side for the cut in a box."""
_BELIEF = 0.9
"""Probability that the pixels of an earlier mask are taken to have."""
_POSSIBLE = 0.2
"""Probability from which a pixel belongs to the widest candidate of a first click."""
_ALIKE = 0.95
"""Overlap from which two candidates are one to the eye."""
_STABLE = 0.5
"""Overlap from which two cuts in a box, one started from the box and one from the networks, are the same answer."""
_SPANNED = 0.9
"""Share of the box's width and of its height that a cut spans; one that spans less has lost a part of the thing."""


@dataclass(frozen=True, eq=False, slots=True)
class ClickEmbedding:
    """A picture made ready for clicks."""

    size: tuple[int, int]
    """Height and width of the photo."""
    image: Image
    """The photo, at most `_WORK_SIDE` pixels long."""
    small: CuePicture
    """The photo for the cut by colour."""
    views: passes.Views
    """Windows of `image` at the network's size, the last few remembered."""


class HybridSegmenter:
    """Masks from clicks, a box, or both; the same picture and prompt always give the same masks."""

    name = "hybrid"

    def __init__(self) -> None:
        self._networks: passes.Networks | None = None
        self._lock = threading.Lock()

    def embed(self, image: Image) -> ClickEmbedding:
        """The picture made ready; takes milliseconds."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise InvalidInput(f"A photo must be (h, w, 3) uint8 RGB, got {image.dtype} of shape {image.shape}.")
        work = read_only(_shrunk(image, _WORK_SIDE), np.uint8)
        views = lru_cache(maxsize=8)(partial(passes.view, work))
        return ClickEmbedding((image.shape[0], image.shape[1]), work, CuePicture(_shrunk(work, _COLOUR_SIDE)), views)

    def segment(self, embedding: ClickEmbedding, prompt: Prompt) -> Segmentation:
        """Up to three masks, best first. + clicks lie inside every mask, - clicks outside; the newest wins a quarrel.

        From the second click on give `prompt.previous`, the mask the click corrects; without it clicks are replayed.
        """
        height, width = embedding.size
        prompt = prompt.checked_for(height, width)
        if prompt.previous is not None and prompt.previous.shape != embedding.size:
            raise InvalidInput(f"The earlier mask has shape {prompt.previous.shape}, the picture {embedding.size}.")
        h, w = embedding.image.shape[:2]
        scale = (w / width, h / height)
        masks = self._candidates(embedding, prompt, scale)
        full = [obeying(_resized(m, width, height), prompt.points, prompt.positive) for m in masks]
        return _ranked(full)

    def _candidates(self, e: ClickEmbedding, prompt: Prompt, scale: tuple[float, float]) -> list[Mask]:
        pointed = Pointed(prompt.points[prompt.positive], prompt.points[~prompt.positive], prompt.box).scaled(*scale)
        h, w = e.image.shape[:2]
        clicks = len(prompt.points)
        if clicks + (prompt.box is not None) <= 1 and prompt.previous is None:
            return self._first(e, pointed)
        previous = prompt.previous
        if previous is None:
            earlier = Prompt(prompt.points[: clicks - 1], prompt.positive[: clicks - 1], prompt.box)
            previous = self._candidates(e, earlier, scale)[0]
        previous = _resized(previous, w, h)
        if clicks == 0:
            return [self._cut(e, self._probability(e, pointed, _believed(previous)), pointed), previous]
        probability = self._probability(e, pointed, _believed(previous))
        corrected = self._cut(e, probability, pointed)
        newest = prompt.points[-1] * scale
        return [near_the_click(previous, corrected, probability, newest, bool(prompt.positive[-1])), corrected]

    def _first(self, e: ClickEmbedding, pointed: Pointed) -> list[Mask]:
        """Candidates for one click or one box.

        Click: by the networks started half way between what they say with and without a cut by colour; all that they
        hold possible; that cut. Box: by the networks, or by the colours within and outside their mask where that cut
        spans the box and a cut from the box alone ends alike; then the other of the two; by colour alone.
        """
        h, w = e.image.shape[:2]
        sh, sw = e.small.shape
        small = pointed.scaled(sw / w, sh / h)
        by_colour = _resized(colour_cut.first_cut(e.small, small.positive, small.negative, small.box), w, h)
        started = self._probability(e, pointed, _believed(by_colour))
        alone = self._probability(e, pointed, None)
        if pointed.box is not None:
            again = self._probability(e, pointed, started)
            return self._boxed(e, pointed.box, (started + alone + again) / 3, by_colour)
        agreed = self._probability(e, pointed, (started + alone) / 2)
        return [self._cut(e, agreed, pointed), alone > _POSSIBLE, by_colour]

    def _boxed(self, e: ClickEmbedding, box: Box, probability: Map, by_colour: Mask) -> list[Mask]:
        inside = box_mask(probability.shape, box)
        by_network = (probability > 0.5) & inside
        image, share = _shrunk(e.image, _BOX_SIDE), _share(box, inside)
        h, w = inside.shape
        from_box = _resized(colour_cut.in_the_box(image, share), w, h)
        from_network = _resized(colour_cut.in_the_box(image, share, probability), w, h) & inside
        masks = [by_network, from_network, by_colour]
        if _overlap(from_box, from_network) > _STABLE and _spanned(from_network, inside) > _SPANNED:
            masks[:2] = from_network, by_network
        return [m for m in masks if m.any()] or [inside]

    def _probability(self, e: ClickEmbedding, pointed: Pointed, previous: Map | None) -> Map:
        h, w = e.image.shape[:2]
        return passes.probabilities(self._loaded(), e.views, (0, 0, w, h), pointed, previous)

    def _cut(self, e: ClickEmbedding, probability: Map, pointed: Pointed) -> Mask:
        h, w = e.image.shape[:2]
        image = _shrunk(e.image, _BAND_SIDE)
        sh, sw = image.shape[:2]
        small = cv2.resize(probability, (sw, sh))
        there = pointed.scaled(sw / w, sh / h)
        return _resized(colour_cut.band_cut(image, small, there.positive, there.negative), w, h)

    def _loaded(self) -> passes.Networks:
        with self._lock:
            if self._networks is None:
                straight, mirrored = (_network(name, widths) for name, widths in DESIGNS.items())
                self._networks = straight, mirrored
            return self._networks


def _network(name: str, widths: layers.Widths) -> ClickNetwork:
    network = ClickNetwork(widths)
    layers.load_weights(network, layers.WEIGHTS / f"{name}.safetensors")
    return network


def _believed(mask: Mask) -> Map:
    return np.where(mask, _BELIEF, 1 - _BELIEF).astype(np.float32)


def _spanned(mask: Mask, box: Mask) -> float:
    """The smaller of the shares of the box's width and height from the mask's first pixel to its last."""
    if not mask.any():
        return 0.0
    return min(
        float((np.ptp(np.flatnonzero(mask.any(axis))) + 1) / (np.ptp(np.flatnonzero(box.any(axis))) + 1))
        for axis in (0, 1)
    )


def _share(box: Box, inside: Mask) -> Box:
    """The box in shares of the picture's width and height."""
    h, w = inside.shape
    return box[0] / w, box[1] / h, box[2] / w, box[3] / h


def _shrunk(image: Image, side: int) -> UInt8[np.ndarray, "small_h small_w 3"]:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _resized(mask: Mask, width: int, height: int) -> Bool[np.ndarray, "{height} {width}"]:
    if mask.shape == (height, width):
        return mask
    return cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR) > 127


def _ranked(masks: list[Mask]) -> Segmentation:
    """The masks without repeats; each scored by how far the candidates agree with it, the first one leading."""
    kept: list[Mask] = []
    for mask in masks:
        if all(_overlap(mask, other) < _ALIKE for other in kept):
            kept.append(mask)
    agreement = [float(np.mean([_overlap(m, other) for other in masks])) for m in kept]
    scores = np.minimum.accumulate(np.array(agreement))
    return Segmentation(read_only(np.stack(kept), bool), read_only(scores, np.float64))


def _overlap(a: Mask, b: Mask) -> float:
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 1.0
