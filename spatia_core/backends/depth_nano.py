"""Depth by our own two networks: the layout of a scene from one photo, no download, no GPU."""

import threading

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8

from spatia_core.arrays import Depth, Image, Intrinsics, Mask, read_only
from spatia_core.backends.nano import layers
from spatia_core.backends.nano.depth_network import DESIGNS, DepthNetwork
from spatia_core.backends.nano.sky import find_sky
from spatia_core.backends.protocols import DepthPrediction
from spatia_core.depth_edges import snap_to_edges
from spatia_core.errors import InvalidInput
from spatia_core.frames import DepthMap
from spatia_core.lens import likely_lens

NEAR, FAR, SKY = 0.15, 20.0, 30.0
"""Scene units: nearest and farthest depth of things, and the shell on which the sky lies."""
_AREA = 160 * 224
"""Pixels the network sees; it was trained at this size."""
_LARGEST = 1280
"""Longer side beyond which the depth map is made smaller and enlarged."""
_LEAST_INVERSE = 0.04
"""Inverse depth relative to the mean below which a thing that is not sky gets the depth of what is beside it."""


class NanoDepth:
    """Depth up to scale: the median z-depth of all that is not sky is one scene unit."""

    name = "nano"

    def __init__(self) -> None:
        self._networks: tuple[DepthNetwork, DepthNetwork] | None = None
        self._lock = threading.Lock()

    def estimate(self, image: Image, K: Intrinsics | None = None) -> DepthPrediction:
        """Depth at the photo's size, finite and positive everywhere; equal photos give equal depth."""
        image = _checked(image)
        height, width = image.shape[:2]
        if K is None:
            K = likely_lens(image)
        scale = min(1.0, _LARGEST / max(height, width))
        work_size = (max(1, round(width * scale)), max(1, round(height * scale)))
        work = image if scale == 1 else cv2.resize(image, work_size, interpolation=cv2.INTER_AREA)
        inverse = snap_to_edges(self._inverse_depth(work), work)
        sky = find_sky(inverse, work)
        depth = _to_scene_units(inverse, sky)
        if scale < 1:
            depth = _enlarged(depth, width, height)
            sky = cv2.resize(sky.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
            depth[sky] = SKY
        return DepthPrediction(DepthMap(depth, self.name), read_only(K, np.float64), read_only(sky, bool))

    def _inverse_depth(self, image: Image) -> Float32[np.ndarray, "h2 w2"]:
        """The mean of what both networks say of the photo and of its mirror image; half of their input size."""
        x = torch.from_numpy(_network_input(image)).permute(2, 0, 1)[None].float() / 255
        both = torch.cat([x, x.flip(3)]).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), layers.one_thread():
            said = [(straight, mirrored.flip(1)) for straight, mirrored in (n(both) for n in self._loaded())]
        maps = torch.stack([side / side.mean() for pair in said for side in pair])
        return maps.mean(0).numpy()

    def _loaded(self) -> tuple[DepthNetwork, DepthNetwork]:
        with self._lock:
            if self._networks is None:
                first, second = (_network(name, widths) for name, widths in DESIGNS.items())
                self._networks = first, second
            return self._networks


def _network(name: str, widths: layers.Widths) -> DepthNetwork:
    network = DepthNetwork(widths)
    layers.load_weights(network, layers.WEIGHTS / f"{name}.safetensors")
    return network


def _checked(image: Image) -> Image:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InvalidInput(f"A photo must be (h, w, 3) uint8 RGB, got {image.dtype} of shape {image.shape}.")
    return np.ascontiguousarray(image)


def _network_input(image: Image) -> UInt8[np.ndarray, "rows columns 3"]:
    """The photo at the network's area, its aspect kept as closely as sides that are multiples of 32 allow."""
    height, width = image.shape[:2]
    scale = (_AREA / (height * width)) ** 0.5
    rows, columns = (min(1024, max(32, round(side * scale / 32) * 32)) for side in (height, width))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, (columns, rows), interpolation=method)


def _to_scene_units(inverse: Float32[np.ndarray, "h w"], sky: Mask) -> Depth:
    """z-depth with median 1 over all but the sky; things the network lost in the sky take their neighbour's depth."""
    lost = ~sky & (inverse < _LEAST_INVERSE * inverse.mean())
    if lost.any() and not (lost | sky).all():
        inverse = _from_nearest(inverse, lost | sky, lost)
    depth = 1.0 / inverse
    depth = np.clip(depth / np.median(depth[~sky]), NEAR, FAR).astype(np.float32)
    depth[sky] = SKY
    return depth


def _from_nearest(values: Float32[np.ndarray, "h w"], unknown: Mask, fill: Mask) -> Float32[np.ndarray, "h w"]:
    """`values` with `fill` pixels taking the value of the nearest pixel that is not `unknown`."""
    _, labels = cv2.distanceTransformWithLabels(
        unknown.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    labels = labels.astype(np.int32)
    by_label = np.zeros(labels.max() + 1, np.float32)
    by_label[labels[~unknown]] = values[~unknown]
    out = values.copy()
    out[fill] = by_label[labels[fill]]
    return out


def _enlarged(depth: Depth, width: int, height: int) -> Float32[np.ndarray, "{height} {width}"]:
    """A larger depth map without new values at steps: linear on surfaces, nearest at outlines."""
    window = np.ones((3, 3), np.uint8)
    step = (cv2.dilate(depth, window) > 1.1 * cv2.erode(depth, window)).astype(np.uint8)
    out = cv2.resize(depth, (width, height), interpolation=cv2.INTER_LINEAR)
    at_step = cv2.resize(step, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    nearest = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST)
    out[at_step] = nearest[at_step]
    return out
