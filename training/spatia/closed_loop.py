"""Out and back in worlds the tiny model has never seen: does the last frame show the first again?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from spatia_core.backends.spatia.latents import signed, to_frames, unsigned
from spatia_core.backends.spatia.sampler import Start, draw_noise, make_scheduler, round_seed, sample
from spatia_core.backends.spatia.transformer import SpatiaTransformer3DModel
from spatia_core.metrics import psnr, ssim
from training.spatia.codec import PatchCodec
from training.spatia.examples import memory_of, project, retrieve
from training.spatia.sequences import PosedVideo, world_video
from training.spatia.tiny import ARMS, CLIP, FRAMES, HELD_OUT, REFERENCES, SHIFT, SIZE, TINY

STEPS = 12
"""Denoising steps of a round."""


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """One world, one arm."""

    psnr_c: float
    """Last frame against the input picture, dB."""
    ssim_c: float
    psnr_truth: float
    """All new frames against what the cameras would have seen, dB."""
    camera_error: float
    """How far along its way the camera seems to be, against where it was told to be: share of the way, 0 to 1."""


def held_out(count: int) -> list[PosedVideo]:
    """Films of worlds beyond HELD_OUT, each out and back, nothing moving."""
    return [world_video(HELD_OUT + k, FRAMES, SIZE, returns=True) for k in range(count)]


@torch.no_grad()
def roll_out(
    model: SpatiaTransformer3DModel, codec: PatchCodec, videos: Sequence[PosedVideo], arm: str, seed: int = 0
) -> np.ndarray:
    """(n, 17, h, w, 3) uint8: the input picture and 16 generated frames for every video, in two rounds.

    Both rounds see the memory of the input picture; the second may look at pictures of the first.
    """
    with_projection, with_references = ARMS[arm]
    out = np.stack([v.images[:1] for v in videos])
    memories = [memory_of(v, 0) for v in videos]
    for number, span in enumerate((range(0, CLIP), range(CLIP - 1, FRAMES))):
        known = torch.cat([codec.encode(signed(frames[-1:])) for frames in out])
        control = None
        if with_projection:
            pictures = [project(m.cloud, [v.cameras[k] for k in span]) for m, v in zip(memories, videos, strict=True)]
            control = torch.cat(
                [torch.cat([codec.encode(signed(p)), codec.encode(unsigned(u))], 1) for p, u in pictures]
            )
        references = None
        if with_references and number:
            references = torch.cat([_references(codec, v, f) for v, f in zip(videos, out, strict=True)])
        latents = _denoise(model, Start(_noise(known, seed, number), known, references), control)
        new = np.stack([to_frames(codec.decode(z[None]))[1:] for z in latents])
        out = np.concatenate([out, new], 1)
    return out


def _noise(known: torch.Tensor, seed: int, number: int) -> torch.Tensor:
    shape = (len(known), known.shape[1], 1 + (CLIP - 1) // 4, *known.shape[3:])
    return draw_noise(shape, round_seed(seed, number))


def _denoise(model: SpatiaTransformer3DModel, start: Start, control: torch.Tensor | None) -> torch.Tensor:
    text = torch.zeros(len(start.noise), 1, TINY["text_dim"])
    R = 0 if start.references is None else start.references.shape[2]

    def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return model(x, t, text, control, num_reference_frames=R).sample

    return sample(velocity, start, make_scheduler("unipc", STEPS, SHIFT), lambda done, all_: None)


def _references(codec: PatchCodec, video: PosedVideo, frames: np.ndarray) -> torch.Tensor:
    """(1, 48, r, h, w) latents of the frames of the first round that the second round's cameras see most of."""
    pool = list(range(0, CLIP - 1, 2))
    picked = retrieve([memory_of(video, k) for k in pool], video.cameras[CLIP - 1 :: 2], REFERENCES) or (0,)
    chosen = [pool[picked[min(k, len(picked) - 1)]] for k in range(REFERENCES)]
    return torch.cat([codec.encode(signed(frames[k : k + 1])) for k in chosen], 2)


def figures(video: PosedVideo, frames: np.ndarray) -> LoopFigures:
    """What a generated film of the video is worth."""
    truth = video.images
    out_way = truth[:CLIP].astype(np.float64)
    errors = []
    for k in range(1, FRAMES):
        told = min(k, FRAMES - 1 - k)
        looks_like = int(np.argmin([np.mean((frames[k] - t) ** 2) for t in out_way]))
        errors.append(abs(looks_like - told) / (CLIP - 1))
    last, first = frames[-1], truth[0]
    return LoopFigures(psnr(last, first), ssim(last, first), psnr(frames[1:], truth[1:]), float(np.mean(errors)))


def ceiling(codec: PatchCodec, videos: Sequence[PosedVideo]) -> float:
    """What PSNR_C a perfect model would reach through this codec, dB."""
    values = []
    for v in videos:
        clip = v.images[CLIP - 1 :]
        values.append(psnr(to_frames(codec.decode(codec.encode(signed(clip))))[-1], clip[-1]))
    return float(np.mean(values))
