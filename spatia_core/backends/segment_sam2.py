"""Segment Anything 2.1 (Ravi et al. 2024) through transformers, for pictures and from one picture to the next.

Its preparation of pictures is our own: that of transformers needs torchvision, which is not used here.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional
from transformers import Sam2Model, Sam2VideoInferenceSession, Sam2VideoModel

from spatia_core.arrays import Image, Mask, read_only
from spatia_core.backends import hub
from spatia_core.backends.hub_model import HubModel, reading
from spatia_core.backends.model_files import read_json
from spatia_core.backends.protocols import Following, Prompt, Segmentation
from spatia_core.errors import BackendUnavailable, InvalidInput

SOURCE = hub.Source("facebook/sam2.1-hiera-tiny", 0.16, "The segmenter 'hybrid' works here without a download.")
_MEAN, _STD = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
_FOLLOWS = "sam2_video"
"""The kind of model that is published: one of pictures and of what was seen before."""
_MASK_LOGIT = 10.0
"""How sure an earlier mask is taken to be; the published code clamps its own logits to about this."""


@dataclass(frozen=True, eq=False, slots=True)
class Sam2Embedding:
    """A picture made ready for clicks."""

    size: tuple[int, int]
    """Height and width of the photo."""
    features: tuple[Tensor, ...]
    """The encoder's maps, fine to coarse."""


@dataclass(eq=False)
class Sam2Segmenter(HubModel):
    """Segmenter: a second or two a picture on a CPU, then milliseconds a click.

    Weights are in transformers' layout; None = SAM 2.1 tiny (Apache-2.0).
    """

    name: ClassVar[str] = "sam2"
    source: ClassVar[hub.Source] = SOURCE
    _follower: Any = field(init=False, default=None)
    _follower_lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def _loaded(self, folder: Path, device: str) -> Any:
        kind = _kind(folder)
        if kind not in ("sam2", _FOLLOWS):
            raise BackendUnavailable(
                f"{folder} holds a model of type {kind!r}; this backend runs 'sam2'. {SOURCE.instead}"
            )
        with reading(folder, "SAM 2", SOURCE):
            model = Sam2Model.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        placed: Any = model.eval().requires_grad_(False)
        return placed.to(device)

    def embed(self, image: Image) -> Sam2Embedding:
        """The encoder's features of the picture, which is stretched to the network's square."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise InvalidInput(f"A photo must be (h, w, 3) uint8 RGB, got {image.dtype} of shape {image.shape}.")
        self.prepare()
        with torch.inference_mode():
            features = self._model.get_image_embeddings(self._square(image))
        return Sam2Embedding((image.shape[0], image.shape[1]), tuple(features))

    def segment(self, embedding: Sam2Embedding, prompt: Prompt) -> Segmentation:
        """Three masks with the IoU the network predicts for each, best first."""
        prompt = prompt.checked_for(*embedding.size)
        self.prepare()
        height, width = embedding.size
        scale = self._side / np.array([width, height])
        asked: dict[str, Tensor] = {}
        if len(prompt.points):
            asked["input_points"] = torch.from_numpy((prompt.points * scale).astype(np.float32))[None, None]
            asked["input_labels"] = torch.from_numpy(prompt.positive.astype(np.int64))[None, None]
        if prompt.box is not None:
            corners = np.array(prompt.box) * np.tile(scale, 2)
            asked["input_boxes"] = torch.from_numpy(corners.astype(np.float32))[None, None]
        if prompt.previous is not None:
            asked["input_masks"] = torch.from_numpy(self._earlier(prompt.previous, embedding.size))[None, None]
        with torch.inference_mode():
            said = self._model(
                image_embeddings=list(embedding.features),  # the model takes the list apart
                multimask_output=True,
                **{k: v.to(self._model.device) for k, v in asked.items()},
            )
            logits = functional.interpolate(
                said.pred_masks[0].float(), (height, width), mode="bilinear", align_corners=False
            )
            masks, scores = (logits[0] > 0).cpu().numpy(), said.iou_scores[0, 0].float().cpu().numpy()
        if not np.isfinite(scores).all():
            raise BackendUnavailable(
                "The segmenter gave numbers that are no scores (NaN): its weights are damaged. Fetch them again. "
                + SOURCE.instead
            )
        order = np.argsort(-scores, kind="stable")
        return Segmentation(read_only(masks[order], bool), read_only(scores[order].clip(0, 1), np.float64))

    def follow(self, image: Image, mask: Mask) -> Following | None:
        """Follows the thing under a mask of a picture through further ones; None with weights of the picture model.

        Every answer is remembered with the picture, as in a film: the next is found by what was seen so far.
        """
        if mask.shape != image.shape[:2]:
            raise InvalidInput(f"The mask has shape {mask.shape}, the picture {image.shape[:2]}.")
        self.prepare()
        if _kind(self._folder) != _FOLLOWS:
            return None
        model, thing = self._following_model(), 0
        seen = Sam2VideoInferenceSession(inference_device=model.device, dtype=model.dtype)
        whole = torch.from_numpy(mask.astype(np.float32))[None, None]
        square = functional.interpolate(whole, (self._side, self._side), mode="bilinear", antialias=True)
        seen.add_mask_inputs(seen.obj_id_to_idx(thing), 0, (square >= 0.5).float())
        seen.obj_with_new_inputs = [thing]
        model(seen, frame=self._square(image))

        def found(image: Image) -> Mask:
            logits = model(seen, frame=self._square(image)).pred_masks.float()
            full = functional.interpolate(logits, image.shape[:2], mode="bilinear", align_corners=False)
            return read_only((full[0, 0] > 0).cpu().numpy(), bool)

        return found

    def _following_model(self) -> Any:
        """The video model; it shares the encoder of pictures with the picture model."""
        with self._follower_lock:
            if self._follower is None:
                with reading(self._folder, "SAM 2", SOURCE):
                    model: Any = Sam2VideoModel.from_pretrained(
                        self._folder, local_files_only=True, use_safetensors=True
                    )
                model.vision_encoder = self._model.vision_encoder
                self._follower = model.eval().requires_grad_(False).to(self._model.device)
            return self._follower

    def _square(self, image: Image) -> Float32[Tensor, "1 3 side side"]:
        """The picture as the network sees it: stretched to its square, colours normalised."""
        side = self._side
        pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
        square = functional.interpolate(pixels[None], (side, side), mode="bilinear", antialias=True)
        return ((square - _MEAN) / _STD).to(self._model.device)

    @property
    def _side(self) -> int:
        return int(self._model.config.prompt_encoder_config.image_size)

    def _earlier(self, mask: Mask, size: tuple[int, int]) -> Float32[np.ndarray, "side side"]:
        """A mask as logits at a quarter of the network's square."""
        if mask.shape != size:
            raise InvalidInput(f"The earlier mask has shape {mask.shape}, the picture {size}.")
        side = self._side // 4
        small = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
        return (2 * small - 1) * np.float32(_MASK_LOGIT)


def _kind(folder: Path) -> object:
    """What the folder says its model is."""
    return read_json(folder / "config.json").get("model_type")
