"""Batches for a saved model: videos become clips, memories, references and latents while training goes on."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from diffusers import AutoencoderKLWan
from safetensors.torch import load_file

from spatia_core.backends.protocols import DepthEstimator
from spatia_core.backends.spatia.latents import signed, unsigned
from spatia_core.backends.spatia.transformer import SPATIA_5B, SpatiaTransformer3DModel
from spatia_core.backends.spatia.weights import assemble, expected_shapes, is_control, matched, read, spatia_config
from spatia_core.errors import InvalidInput
from training.spatia.codec import Codec, VaeCodec
from training.spatia.config import TrainConfig
from training.spatia.examples import Shown, show, split_video
from training.spatia.loop import Trainer
from training.spatia.losses import Batch, Geometry
from training.spatia.sequences import PosedVideo, folder_names, folder_video, world_video


class Examples:
    """Batches of a run as a function of the step (and of the process)."""

    def __init__(self, config: TrainConfig, codec: Codec, source: str, estimator: DepthEstimator | None = None) -> None:
        self.config, self.codec, self.estimator = config, codec, estimator
        self.folder = None if source == "worlds" else Path(source)
        self.names = [] if self.folder is None else folder_names(self.folder)
        self.texts: dict[str, torch.Tensor] = {}
        self.text_dim = 4096

    def video(self, rng: np.random.Generator) -> PosedVideo:
        """A random video: of the folder, or of a world that nobody has seen yet."""
        if self.folder is None:
            return world_video(int(rng.integers(1 << 30)), 2 * self.config.frames, self.config.size, fps=12)
        return folder_video(self.folder, self.names[int(rng.integers(len(self.names)))], self.config.size)

    def __call__(self, step: int) -> Batch:
        """The batch of a step: examples of one batch have equally many references, the fewest that one of them has."""
        c = self.config
        rng = np.random.default_rng([c.seed, step, PartialState().process_index])
        shown, texts = [], []
        for _ in range(c.batch):
            video = self.video(rng)
            split = split_video(len(video), c.frames, c.history, rng)
            shown.append(show(video, split, c.references, rng, self.estimator))
            texts.append(self.texts.get(video.name, torch.zeros(1, self.text_dim)))
        least = min(len(s.references) for s in shown)
        parts = [self._encoded(s, least) for s in shown]
        clip, control = (torch.cat([p[k] for p in parts]) for k in range(2))
        references = torch.cat([p[2] for p in parts]) if least else None
        geometry = None
        if (c.reprojection or c.pose) and all(s.depths is not None for s in shown):
            geometry = geometry_of(shown)
        words = max(len(t) for t in texts)
        text = torch.stack([torch.nn.functional.pad(t, (0, 0, 0, words - len(t))) for t in texts])
        return Batch(clip, text, control, references, geometry)

    def _encoded(self, s: Shown, references: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        encode = self.codec.encode
        clip = encode(signed(s.images))
        control = torch.cat([encode(signed(s.projection)), encode(unsigned(s.unknown))], 1)
        best = s.references[len(s.references) - references :]
        latents = [encode(signed(best[k : k + 1])) for k in range(references)]
        return clip, control, torch.cat(latents, 2) if latents else clip[:, :, :0]


def geometry_of(shown: list[Shown]) -> Geometry:
    """Depth and cameras of clips, for the consistency terms."""
    depth = torch.from_numpy(np.stack([s.depths for s in shown if s.depths is not None]))
    K = torch.from_numpy(np.stack([[c.K for c in s.cameras] for s in shown])).float()
    w2c = torch.from_numpy(np.stack([[c.w2c for c in s.cameras] for s in shown])).float()
    return Geometry(depth, K, w2c)


_OPTIONS = tuple(SPATIA_5B)


def begin_control(model: SpatiaTransformer3DModel) -> None:
    """Control blocks begin as copies of the main blocks they hint at, and say nothing: their projectors are 0.

    The paper does not tell how they begin; this is how VACE's begin.
    """
    with torch.no_grad():
        for layer, block in zip(model.config["vace_layers"], model.vace_blocks, strict=True):
            own = block.state_dict()
            own.update({n: t for n, t in model.blocks[layer].state_dict().items() if n in own})
            block.load_state_dict(own)
            projector: Any = block.proj_out
            projector.weight.zero_()
            projector.bias.zero_()


def load_model(base: Path, control: Path | None) -> SpatiaTransformer3DModel:
    """The transformer in `base`/transformer (Wan's or Spatia's, diffusers' form), every weight accounted for.

    The control branch comes from the file `control`, else from the base, else it begins anew (`begin_control`).
    """
    place = base / "transformer"
    if not (place / "config.json").is_file():
        raise InvalidInput(f"{base} has no transformer/config.json; give a folder in diffusers' form.")
    config = {k: v for k, v in json.loads((place / "config.json").read_text()).items() if k in _OPTIONS}
    weights = read(place)
    main = {n: t for n, t in weights.items() if not is_control(n)}
    own = {n: t for n, t in weights.items() if is_control(n)} if control is None else read(control)
    if own:
        return assemble(spatia_config(config, own), main, own, sources=(base.name, str(control or base.name)))
    layers = list(range(0, int(config["num_layers"]), 4))
    model = SpatiaTransformer3DModel(**config | {"vace_layers": layers, "vace_in_channels": 2 * config["in_channels"]})
    shapes = {n: s for n, s in expected_shapes(model).items() if not is_control(n)}
    model.load_state_dict(matched(main, shapes, base.name), strict=False)
    begin_control(model)
    return model


def make_trainer(given: argparse.Namespace, config: TrainConfig) -> Trainer:
    """The run that the command line asks for."""
    model = load_model(given.base, given.control)
    vae: Any = AutoencoderKLWan.from_pretrained(given.base / "vae")
    device = PartialState(cpu=not torch.cuda.is_available()).device
    codec = VaeCodec(vae.to(device))
    estimator = None
    if given.data != "worlds":
        from spatia_core.backends.registry import create

        estimator = create("depth", given.depth)
    examples = Examples(config, codec, given.data, estimator)
    examples.text_dim = int(model.config["text_dim"])
    if given.text is not None:
        examples.texts = load_file(str(given.text))
    return Trainer(model, config, examples, given.out, codec)
