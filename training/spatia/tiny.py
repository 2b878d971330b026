"""The small proof: a tiny Spatia of the same classes, its data, its training, and the loop it is judged by.

A video has 17 frames, a clip 9: the first is known (a picture, or the last frame before), eight are new. Round 0 goes
out from a picture; round 1 comes back and may look at the memory and at frames of round 0.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from spatia_core.backends.spatia.latents import signed, unsigned
from spatia_core.backends.spatia.transformer import SpatiaTransformer3DModel
from spatia_core.errors import InvalidInput
from training.spatia.codec import PatchCodec
from training.spatia.config import TrainConfig
from training.spatia.examples import Shown, Split, show
from training.spatia.losses import Batch
from training.spatia.sequences import PosedVideo, world_video

SIZE = (64, 48)
FRAMES, CLIP, REFERENCES = 17, 9, 2
SHIFT = 2.0
"""Of the noise schedule: a picture of a few tokens needs less than a large one."""
HELD_OUT = 1_000_000
"""Worlds from this seed on are never trained on."""
ROUNDS = (Split(range(0, CLIP), 1, (0,)), Split(range(CLIP - 1, FRAMES), 1, tuple(range(CLIP - 1))))
ARMS: dict[str, tuple[bool, bool]] = {
    "none": (False, False),
    "references": (False, True),
    "projection": (True, False),
    "both": (True, True),
}
"""Name: with projection, with references."""

TINY: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 8,
    "attention_head_dim": 32,
    "in_channels": 48,
    "out_channels": 48,
    "text_dim": 16,
    "freq_dim": 64,
    "ffn_dim": 512,
    "num_layers": 4,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "eps": 1e-6,
    "rope_max_seq_len": 64,
    "vace_layers": [0, 2],
    "vace_in_channels": 96,
}
"""Its width, 256, must exceed the 192 numbers of a token: a narrower model cannot carry the noise it is to remove."""


def tiny_model(seed: int) -> SpatiaTransformer3DModel:
    """A tiny Spatia with random weights of that seed; it starts by predicting nothing."""
    torch.manual_seed(seed)
    model = SpatiaTransformer3DModel(**TINY)
    for block in model.vace_blocks:
        projector: Any = block.proj_out
        torch.nn.init.zeros_(projector.weight)
        torch.nn.init.zeros_(projector.bias)
    torch.nn.init.zeros_(model.proj_out.weight)
    return model


def shown_rounds(video: PosedVideo, seed: int) -> tuple[Shown, Shown]:
    """The examples of both rounds of a video."""
    rng = np.random.default_rng([17, seed])
    return show(video, ROUNDS[0], 0, rng), show(video, ROUNDS[1], REFERENCES, rng)


@dataclass(frozen=True, eq=False, slots=True)
class Encoded:
    """Examples of one round as latents, float16."""

    clip: torch.Tensor
    """(n, 48, 3, 6, 8)"""
    control: torch.Tensor
    """(n, 96, 3, 6, 8) latents of the projection, then of where nothing is known."""
    references: torch.Tensor
    """(n, 48, r, 6, 8)"""

    def __len__(self) -> int:
        return len(self.clip)


def encode(codec: PatchCodec, shown: Shown, references: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(clip, control, references) latents of one example; missing references repeat the last, or are none at all."""
    clip = codec.encode(signed(shown.images))
    control = torch.cat([codec.encode(signed(shown.projection)), codec.encode(unsigned(shown.unknown))], 1)
    pictures = shown.references if len(shown.references) else shown.images[:1]
    picked = [pictures[min(k, len(pictures) - 1)][None] for k in range(references)]
    latents = [codec.encode(signed(p)) for p in picked]
    return clip, control, torch.cat(latents, 2) if latents else clip[:, :, :0]


def prepare(folder: Path, worlds: int, first: int = 0) -> None:
    """Writes codec.safetensors and examples.pt for that many worlds from seed `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    codec_file = folder / "codec.safetensors"
    if not codec_file.exists():
        films = (world_video(HELD_OUT // 2 + s, CLIP, SIZE) for s in range(120))
        PatchCodec().fit(signed(v.images)[0] for v in films).save(codec_file)
    codec = PatchCodec.load(codec_file)
    rows: list[list[tuple[torch.Tensor, ...]]] = [[], []]
    for seed in range(first, first + worlds):
        video = world_video(seed, FRAMES, SIZE, returns=seed % 2 == 0)
        for k, shown in enumerate(shown_rounds(video, seed)):
            rows[k].append(tuple(t.half() for t in encode(codec, shown, k * REFERENCES)))
    torch.save([[torch.cat(part) for part in zip(*r, strict=True)] for r in rows], folder / f"examples{first}.pt")


def load(folder: Path) -> tuple[Encoded, Encoded]:
    """All prepared examples, by round."""
    files = sorted(folder.glob("examples*.pt"))
    parts = [torch.load(f, weights_only=True) for f in files]
    return tuple(Encoded(*(torch.cat([p[k][i] for p in parts]) for i in range(3))) for k in range(2))  # type: ignore


def tiny_config(seed: int, iterations: int, batch: int = 16) -> TrainConfig:
    """How the tiny model is trained: everything at once, projection and references left out half the time each.

    So one model learns all four arms, and each arm gets a quarter of the steps.
    """
    return TrainConfig(
        stage="all",
        iterations=iterations,
        lr=1e-3,
        batch=batch,
        warmup=50,
        cosine=True,
        ema=0.99,
        betas=(0.9, 0.98),
        size=SIZE,
        frames=CLIP,
        history=1,
        references=REFERENCES,
        shift=SHIFT,
        drop_text=0.0,
        drop_projection=0.5,
        drop_references=0.5,
        seed=seed,
        save_every=200,
    )


def batch_at(data: tuple[Encoded, Encoded], config: TrainConfig, step: int) -> Batch:
    """Examples of a step: round 0 one time in three."""
    rng = np.random.default_rng([config.seed, 29, step])
    part = data[0 if rng.random() < 1 / 3 else 1]
    rows = torch.from_numpy(rng.integers(0, len(part), config.batch))
    clip, control, references = (t[rows].float() for t in (part.clip, part.control, part.references))
    text = torch.zeros(len(rows), 1, TINY["text_dim"])
    return Batch(clip, text, control, references if references.shape[2] else None)


def write_checkpoint(file: Path, weights: dict[str, torch.Tensor], codec: PatchCodec, facts: dict[str, str]) -> None:
    """One fp16 safetensors file of the model and its codec."""
    tensors = {f"model/{n}": t.half().contiguous() for n, t in weights.items()}
    tensors |= {f"codec/{n}": t.half().contiguous() for n, t in codec.state_dict().items()}
    save_file(tensors, str(file), metadata=facts)


def read_checkpoint(file: Path) -> tuple[SpatiaTransformer3DModel, PatchCodec]:
    """(model, codec) of `write_checkpoint`'s file."""
    tensors = load_file(str(file))
    model = tiny_model(0)
    own = {n.removeprefix("model/"): t.float() for n, t in tensors.items() if n.startswith("model/")}
    missing, strange = model.load_state_dict(own, strict=False)
    if strange or any(n in dict(model.named_parameters()) for n in missing):
        raise InvalidInput(f"{file.name} is no tiny Spatia: {[*strange, *missing][0]!r} does not fit.")
    codec = PatchCodec()
    codec.load_state_dict({n.removeprefix("codec/"): t.float() for n, t in tensors.items() if n.startswith("codec/")})
    return model.eval(), codec
