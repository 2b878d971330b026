"""Depth by Depth Anything V2 (Yang et al. 2024) through transformers: relative or metric, from hub or local folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from jaxtyping import Float32
from transformers import DepthAnythingForDepthEstimation

from spatia_core.arrays import Depth, Image, Intrinsics, Mask, read_only
from spatia_core.backends import hub
from spatia_core.backends.hub_model import HubModel, reading
from spatia_core.backends.model_files import read_json
from spatia_core.backends.nano.sky import find_sky
from spatia_core.backends.protocols import DepthPrediction
from spatia_core.depth_edges import snap_to_edges
from spatia_core.errors import BackendUnavailable, InvalidInput
from spatia_core.frames import DepthMap
from spatia_core.lens import likely_lens

SOURCE = hub.Source("depth-anything/Depth-Anything-V2-Small-hf", 0.1, "The depth 'nano' works here without a download.")
NEAR, FAR, SKY = 0.15, 20.0, 30.0
"""In median depths: nearest and farthest depth of things, and the shell on which the sky lies."""
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
_SIDE, _MULTIPLE, _LONGEST = 518, 14, 1288
"""The shorter side the network sees and what both sides are multiples of; a panorama's longer side stops growing."""


@dataclass(eq=False)
class DepthAnything(HubModel):
    """DepthEstimator. Relative weights give depth up to scale (median 1 beside the sky), metric ones give metres.

    Weights are in transformers' layout; None = V2 small (Apache-2.0).
    """

    name: ClassVar[str] = "depth-anything"
    source: ClassVar[hub.Source] = SOURCE

    sharpen: bool = True
    """Depth steps are moved onto the photo's edges."""

    def _loaded(self, folder: Path, device: str) -> Any:
        kind = read_json(folder / "config.json").get("model_type")
        if kind != "depth_anything":
            raise BackendUnavailable(
                f"{folder} holds a model of type {kind!r}; this backend runs 'depth_anything'. {SOURCE.instead}"
            )
        with reading(folder, "Depth Anything", SOURCE):
            model = DepthAnythingForDepthEstimation.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        placed: Any = model.eval().requires_grad_(False)
        return placed.to(device)

    def estimate(self, image: Image, K: Intrinsics | None = None) -> DepthPrediction:
        """Depth at the photo's size, finite and positive everywhere; equal photos give equal depth."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise InvalidInput(f"A photo must be (h, w, 3) uint8 RGB, got {image.dtype} of shape {image.shape}.")
        self.prepare()
        if K is None:
            K = likely_lens(image)
        said = self._said(np.ascontiguousarray(image))
        if not np.isfinite(said).all():
            raise BackendUnavailable(
                "The depth network gave numbers that are no depths (NaN): its weights are damaged. Fetch them again. "
                + SOURCE.instead
            )
        metric = self._model.config.depth_estimation_type == "metric"
        inverse = 1 / np.maximum(said, 1e-3) if metric else np.maximum(said, 0)
        unit = max(float(np.median(inverse)), 1e-9)
        full = _at_photo_size(inverse / unit, image, self.sharpen)
        sky = find_sky(full, image)
        depth = to_metres(full * unit, sky) if metric else to_depth(full, sky)
        return DepthPrediction(DepthMap(depth, self.name, metric), read_only(K, np.float64), read_only(sky, bool))

    def _said(self, image: Image) -> Float32[np.ndarray, "rows columns"]:
        """The network's own numbers at its own size: metres of metric weights, else inverse depth up to scale."""
        small = cv2.resize(image, network_size(image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
        x = (small.astype(np.float32) / 255 - _MEAN) / _STD
        with torch.inference_mode():
            pixels = torch.from_numpy(x.transpose(2, 0, 1)[None].copy()).to(self._model.device)
            return self._model(pixel_values=pixels).predicted_depth[0].float().cpu().numpy()


def network_size(width: int, height: int) -> tuple[int, int]:
    """Width and height the network sees: the shorter side 518, both multiples of 14, the shape kept as far as that."""
    scale = min(_SIDE / min(width, height), max(_LONGEST / max(width, height), 1e-9))
    sides = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (width, height)]
    return sides[0], sides[1]


def _at_photo_size(inverse: np.ndarray, image: Image, sharpen: bool) -> Float32[np.ndarray, "h w"]:
    positive = np.maximum(inverse, 1e-4).astype(np.float32)
    if sharpen and min(image.shape[:2]) >= 8:
        return snap_to_edges(positive, image)
    return cv2.resize(positive, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)


def to_depth(inverse: Float32[np.ndarray, "h w"], sky: Mask) -> Depth:
    """z-depth with median 1 over all but the sky, from inverse depth up to scale; the sky on its shell.

    Relative networks leave a shift open as well; their zero is taken for infinitely far, as they were trained.
    """
    depth = 1 / np.maximum(inverse, 1e-6)
    depth = np.clip(depth / _typical(depth, sky), NEAR, FAR).astype(np.float32)
    depth[sky] = SKY
    return depth


def to_metres(inverse: Float32[np.ndarray, "h w"], sky: Mask) -> Depth:
    """z-depth from inverse metres; the sky on its shell."""
    depth = np.clip(1 / np.maximum(inverse, 1e-6), 0.05, 500).astype(np.float32)
    depth[sky] = SKY * _typical(depth, sky)
    return depth


def _typical(depth: np.ndarray, sky: Mask) -> float:
    return float(np.median(depth[~sky] if not sky.all() else depth))
