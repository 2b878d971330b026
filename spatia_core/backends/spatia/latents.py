"""Pictures to latents and back: what the denoiser is shown and what comes out of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from spatia_core.errors import InvalidInput

WAN22_MEAN = (
    *(-0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891),
    *(0.1570, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502),
    *(-0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230, -0.0313, -0.1649, 0.0117, 0.0723),
    *(-0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667),
)
"""Mean of every channel of Wan 2.2's latents, as published with its autoencoder."""
WAN22_STD = (
    *(0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901),
    *(0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659),
    *(0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944),
    *(0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744),
)
"""Standard deviation of every channel, likewise."""

WAN22_VAE: dict[str, Any] = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "scale_factor_temporal": 4,
    "latents_mean": list(WAN22_MEAN),
    "latents_std": list(WAN22_STD),
}
"""Options of diffusers' `AutoencoderKLWan` that make it Wan 2.2's."""


def latent_frames(frames: int) -> int:
    """How many latent frames a clip of 4k + 1 frames has; raises InvalidInput for other lengths."""
    if frames < 1 or frames % 4 != 1:
        near = max(1, frames - (frames - 1) % 4)
        raise InvalidInput(
            f"A clip of {frames} frames cannot be made: the number must be 4k + 1 (5, 9, ..., 81, 121). "
            f"Next to it lie {near} and {near + 4}."
        )
    return 1 + (frames - 1) // 4


def check_size(height: int, width: int) -> None:
    """Raises InvalidInput unless both sides are positive multiples of 32."""
    if height < 32 or width < 32 or height % 32 or width % 32:
        fit = [max(32, round(n / 32) * 32) for n in (width, height)]
        raise InvalidInput(
            f"Pictures of {width}x{height} cannot be made: width and height must be multiples of 32. "
            f"Nearest is {fit[0]}x{fit[1]}; the model was trained at 1248x704."
        )


def signed(frames: np.ndarray | torch.Tensor) -> torch.Tensor:
    """8-bit frames (t, h, w, 3) as (1, 3, t, h, w) float32 in [-1, 1]."""
    return _channels_first(frames) * (2 / 255) - 1


def unsigned(frames: np.ndarray | torch.Tensor) -> torch.Tensor:
    """8-bit frames (t, h, w, 3) or (t, h, w) as (1, 3, t, h, w) float32 in [0, 1]."""
    return _channels_first(frames) / 255


def _channels_first(frames: np.ndarray | torch.Tensor) -> torch.Tensor:
    video = torch.from_numpy(np.array(frames)) if isinstance(frames, np.ndarray) else frames
    if video.dtype != torch.uint8 or video.ndim not in (3, 4) or (video.ndim == 4 and video.shape[3] != 3):
        raise InvalidInput(f"Frames must be uint8 (t, h, w, 3), got {video.dtype} {tuple(video.shape)}.")
    if video.ndim == 3:
        video = video[..., None].expand(-1, -1, -1, 3)
    return video.permute(3, 0, 1, 2).float()[None]


def to_frames(video: torch.Tensor) -> np.ndarray:
    """A video (1, 3, t, h, w) in [-1, 1] as uint8 (t, h, w, 3), rounded to the nearest value."""
    return ((video[0].float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 3, 0).cpu().numpy()


def _statistics(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and inverse standard deviation of the autoencoder's channels."""
    mean, std = (torch.tensor(vae.config[name]).view(1, -1, 1, 1, 1) for name in ("latents_mean", "latents_std"))
    return mean.to(like.device), (1 / std).to(like.device)


@torch.no_grad()
def encode(vae: Any, video: torch.Tensor, device: Any = None) -> torch.Tensor:
    """Normalised latents (1, c, 1 + (t - 1) / 4, h / 16, w / 16) float32 of a video; the mean, no sampling.

    `device` is where the autoencoder computes, when that is not where it is kept (offloading).
    """
    latents = vae.encode(video.to(device or vae.device, vae.dtype)).latent_dist.mode().float()
    mean, inverse = _statistics(vae, latents)
    return (latents - mean) * inverse


@torch.no_grad()
def decode(vae: Any, latents: torch.Tensor, device: Any = None) -> torch.Tensor:
    """The video (1, 3, t, h, w) float32 in [-1, 1] of normalised latents."""
    latents = latents.float().to(device or vae.device)
    mean, inverse = _statistics(vae, latents)
    return vae.decode((latents / inverse + mean).to(vae.dtype)).sample.float().clamp(-1, 1)


def encode_references(vae: Any, frames: np.ndarray | torch.Tensor, device: Any = None) -> torch.Tensor:
    """Latents (1, c, n, h, w) of n pictures, each encoded by itself."""
    return torch.cat([encode(vae, signed(frames[k : k + 1]), device) for k in range(len(frames))], 2)


def encode_control(
    vae: Any,
    projection: np.ndarray | torch.Tensor | None,
    holes: np.ndarray | torch.Tensor | None = None,
    device: Any = None,
) -> torch.Tensor:
    """The control branch's input (1, 2c, F, h, w): latents of the rendered memory, then of where nothing is known.

    `projection` is scaled to [-1, 1], `holes` (white = unknown) to [0, 1]; without holes all is unknown, without a
    projection it is 0 everywhere.
    """
    unknown = None if holes is None else unsigned(holes)
    shown = torch.zeros_like(unknown) if projection is None and unknown is not None else signed(projection)  # type: ignore[arg-type]
    unknown = torch.ones_like(shown) if unknown is None else unknown
    if shown.shape != unknown.shape:
        raise InvalidInput(
            f"The projection has the shape {tuple(shown.shape[2:])}, the holes {tuple(unknown.shape[2:])}; both "
            "must have the same frames and size."
        )
    return torch.cat([encode(vae, shown, device), encode(vae, unknown, device)], 1)


def joined(rounds: Sequence[torch.Tensor], history: int = 3) -> torch.Tensor:
    """Latents of a whole film: the first round's, then every later round's without its `history` first frames."""
    return torch.cat([rounds[0], *(latents[:, :, history:] for latents in rounds[1:])], 2)
