"""Segment Anything (Kirillov et al. 2023) and MobileSAM (Zhang et al. 2023) behind the segmenter contract."""

import pickle
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float32
from safetensors import SafetensorError
from safetensors.torch import load_file

from spatia_core.arrays import Image, Mask, read_only
from spatia_core.backends import downloads
from spatia_core.backends.protocols import Progress, Prompt, Segmentation, silent
from spatia_core.backends.sam_compat import import_segment_anything
from spatia_core.backends.tiny_vit import TinyVit, encoder_weights
from spatia_core.errors import BackendUnavailable, InvalidInput

_sam = import_segment_anything()
_OFFICIAL = "https://dl.fbaipublicfiles.com/segment_anything/"
_MOBILE = "https://github.com/ChaoningZhang/MobileSAM/raw/f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/"


@dataclass(frozen=True, slots=True)
class SamModel:
    """One size of SAM."""

    build: Callable[[], Any]
    """Makes the network with weights still to be filled in."""
    weights: downloads.WeightFile
    """Its published weights."""


def _published(name: str, file: str, sha256: str) -> SamModel:
    return SamModel(_sam.sam_model_registry[name], downloads.WeightFile(_OFFICIAL + file, sha256))


def mobile_sam(encoder: TinyVit | None = None) -> Any:
    """SAM with the small encoder; prompts and masks are made as ever. Weights are still to be filled in."""
    parts = _sam.modeling
    encoder = TinyVit() if encoder is None else encoder
    width, side = encoder.design.out, encoder.design.side
    return parts.Sam(
        encoder,
        parts.PromptEncoder(
            embed_dim=width,
            image_embedding_size=(side // 16, side // 16),
            input_image_size=(side, side),
            mask_in_chans=16,
        ),
        parts.MaskDecoder(
            num_multimask_outputs=3,
            transformer=parts.TwoWayTransformer(depth=2, embedding_dim=width, mlp_dim=2048, num_heads=8),
            transformer_dim=width,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
    )


MODELS: Mapping[str, SamModel] = {
    "vit_b": _published(
        "vit_b", "sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"
    ),
    "vit_l": _published(
        "vit_l", "sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"
    ),
    "vit_h": _published(
        "vit_h", "sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"
    ),
    "vit_t": SamModel(
        mobile_sam,
        downloads.WeightFile(
            _MOBILE + "mobile_sam.pt", "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
        ),
    ),
}
"""What was published: 375 MB, 1.2 GB and 2.6 GB of weights; MobileSAM's are 41 MB. All are Apache-2.0."""
_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
"""Models by the width of their encoder."""
_INSTEAD = "The segmenter 'hybrid' works here without a download."
_MASK_LOGIT = 6.0
"""How sure SAM is told to be of an earlier mask."""


@dataclass(frozen=True, eq=False, slots=True)
class SamEmbedding:
    """What SAM's image encoder made of a picture."""

    size: tuple[int, int]
    """Height and width of the picture."""
    input_size: tuple[int, int]
    """Height and width at which the encoder saw it."""
    features: torch.Tensor
    """(1, c, h / 16, w / 16) on the device of the model."""


class SamSegmenter:
    """SAM's masks from clicks, a box and an earlier mask; the encoder runs once per picture, a click is quick."""

    name = "sam"
    usual = "vit_b"
    """The model type where none is asked for."""

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        model_type: str | None = None,
        device: str | None = None,
        *,
        download: bool = True,
        cache_dir: str | Path | None = None,
        models: Mapping[str, SamModel] = MODELS,
    ) -> None:
        """`checkpoint` is a .pth, .pt or .safetensors file; without it the published weights, fetched if allowed.

        The model type is the one that the file is seen to be made for, or `usual` without a file.
        """
        if model_type is not None and model_type not in models:
            raise InvalidInput(f"There is no SAM model {model_type!r}; choose one of {', '.join(sorted(models))}.")
        if checkpoint is not None and not Path(checkpoint).is_file():
            raise BackendUnavailable(
                f"The SAM checkpoint {checkpoint} does not exist. Give the path of a {model_type or self.usual} .pth "
                "or .safetensors file, or none to download it, or use the segmenter 'hybrid', which needs no file."
            )
        self._checkpoint = None if checkpoint is None else Path(checkpoint)
        self._model_type = model_type
        self._models = models
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._download = download
        self._folder = downloads.cache_folder() if cache_dir is None else Path(cache_dir)
        self._model: Any = None
        self._lock = threading.Lock()

    def prepare(self, progress: Progress = silent) -> None:
        """The model is loaded, its weights downloaded if need be; `embed` does this by itself."""
        with self._lock:
            if self._model is None:
                model = _filled(self._weights(progress), self._model_type, self._models, self.usual)
                self._model = model.eval().requires_grad_(False).to(self._device)

    def embed(self, image: Image) -> SamEmbedding:
        """The encoder's features of the picture: seconds on a CPU."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise InvalidInput(f"A photo must be (h, w, 3) uint8 RGB, got {image.dtype} of shape {image.shape}.")
        self.prepare()
        predictor = _sam.SamPredictor(self._model)
        with torch.inference_mode():
            predictor.set_image(np.ascontiguousarray(image))
        return SamEmbedding((image.shape[0], image.shape[1]), predictor.input_size, predictor.features)

    def segment(self, embedding: SamEmbedding, prompt: Prompt) -> Segmentation:
        """SAM's three masks with the IoU it predicts for each, best first."""
        prompt = prompt.checked_for(*embedding.size)
        self.prepare()
        predictor = _sam.SamPredictor(self._model)
        predictor.original_size, predictor.input_size = embedding.size, embedding.input_size
        predictor.features, predictor.is_image_set = embedding.features, True
        clicks = {}
        if len(prompt.points):
            clicks = {"point_coords": prompt.points.copy(), "point_labels": prompt.positive.astype(np.int64)}
        with torch.inference_mode():
            masks, scores, _ = predictor.predict(
                **clicks,
                box=None if prompt.box is None else np.array(prompt.box, np.float64),
                mask_input=self._earlier(prompt.previous, embedding),
                multimask_output=True,
            )
        order = np.argsort(-scores, kind="stable")
        return Segmentation(read_only(masks[order], bool), read_only(scores[order].clip(0, 1), np.float64))

    def _earlier(self, mask: Mask | None, embedding: SamEmbedding) -> Float32[np.ndarray, "1 side side"] | None:
        """A mask as SAM's low-resolution logits: a quarter of the encoder's square, padded below and right."""
        if mask is None:
            return None
        if mask.shape != embedding.size:
            raise InvalidInput(f"The earlier mask has shape {mask.shape}, the picture {embedding.size}.")
        side = self._model.image_encoder.img_size // 4
        height, width = (max(1, round(s / 4)) for s in embedding.input_size)
        out = np.full((1, side, side), -_MASK_LOGIT, np.float32)
        small = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        out[0, :height, :width] = (2 * small - 1) * _MASK_LOGIT
        return out

    def _weights(self, progress: Progress) -> Path:
        if self._checkpoint is not None:
            return self._checkpoint
        source = self._models[self._model_type or self.usual].weights
        return downloads.found(source, self._folder, self._download, "SAM", _INSTEAD, progress)


class MobileSamSegmenter(SamSegmenter):
    """The same with MobileSAM's small encoder: a photo takes seconds on a processor, not half a minute."""

    name = "mobile-sam"
    usual = "vit_t"


def _filled(path: Path, model_type: str | None, models: Mapping[str, SamModel], usual: str) -> Any:
    """The model that a state-dict file is made for, with its weights; code inside the file is never run."""
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        model_type = model_type or _recognised(state) or usual
        model = models[model_type].build()
        model.load_state_dict(encoder_weights(state))
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, OSError, AttributeError, TypeError) as e:
        raise BackendUnavailable(
            f"{path} cannot be used as a SAM {model_type or usual} checkpoint: {str(e).splitlines()[0]} Give a "
            "state-dict file (.pth or .safetensors) of vit_b, vit_l, vit_h or MobileSAM (vit_t), the model type the "
            "file was made for, or use 'hybrid'."
        ) from e
    return model


def _recognised(state: Mapping[str, torch.Tensor]) -> str | None:
    """The model type that weights belong to; None when they are of none of them."""
    if "image_encoder.patch_embed.seq.0.c.weight" in state:
        return "vit_t"
    first = state.get("image_encoder.patch_embed.proj.weight")
    return None if first is None else _WIDTHS.get(len(first))
