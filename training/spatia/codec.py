"""Pixels to latents and back: the real VAE, or a fixed linear stand-in small enough for a CPU."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file

from spatia_core.backends.spatia import latents as real
from spatia_core.errors import InvalidInput

GROUP = 4
"""Frames that share one latent frame; the first frame of a clip has its own."""
FLOOR = 0.1
"""Least standard deviation that a component is divided by, as a share of the strongest one's."""


class Codec(Protocol):
    """Videos (b, 3, t, h, w) in [-1, 1] to normalised latents (b, c, 1 + (t - 1) / 4, h', w') and back."""

    channels: int

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """The latents."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The video; differentiable."""
        ...


class VaeCodec:
    """Wan's VAE."""

    channels = 48

    def __init__(self, vae: Any) -> None:
        self.vae = vae.requires_grad_(False)

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """The latents' means, normalised."""
        return real.encode(self.vae, video)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The video, not clamped."""
        mean, std = (torch.tensor(self.vae.config[n]).view(1, -1, 1, 1, 1) for n in ("latents_mean", "latents_std"))
        return self.vae.decode(latents * std.to(latents) + mean.to(latents)).sample


class PatchCodec(torch.nn.Module):
    """Principal components of 8x8 patches: of one frame for the first, of four frames for every later latent frame.

    It keeps Wan's rhythm in time (1 + (t - 1) / 4) and halves its step in space.
    """

    single_mean: torch.Tensor
    single_basis: torch.Tensor
    single_std: torch.Tensor
    group_mean: torch.Tensor
    group_basis: torch.Tensor
    group_std: torch.Tensor

    def __init__(self, channels: int = 48, side: int = 8) -> None:
        super().__init__()
        self.channels, self.side = channels, side
        for name, frames in (("single", 1), ("group", GROUP)):
            size = 3 * side * side * frames
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_basis", torch.zeros(size, channels))
            self.register_buffer(f"{name}_std", torch.ones(channels))

    def fit(self, videos: Iterable[torch.Tensor]) -> "PatchCodec":
        """Components and scales from videos (3, t, h, w) in [-1, 1]; returns itself."""
        single, group = [], []
        for video in videos:
            one, more = self._split(video[None])
            single += [one.flatten(0, -2)]
            single += [
                self._patches(video[None, :, k : k + 1], 1).flatten(0, -2)
                for k in (len(video[0]) // 2, len(video[0]) - 1)
            ]
            group += [more.flatten(0, -2)]
        for name, rows in (("single", torch.cat(single)), ("group", torch.cat(group))):
            mean = rows.mean(0)
            _, _, vt = torch.linalg.svd((rows - mean).T @ (rows - mean) / len(rows))
            basis = vt[: self.channels].T.contiguous()
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_basis").copy_(basis)
            std = ((rows - mean) @ basis).std(0)
            # weak components keep less than unit variance: they would cost as much as strong ones and show as little
            getattr(self, f"{name}_std").copy_(std.clamp_min(FLOOR * float(std.max())))
        return self

    def _patches(self, video: torch.Tensor, frames: int) -> torch.Tensor:
        """(b, t / frames, h', w', 3 * frames * side * side)."""
        b, _, t, h, w = video.shape
        s = self.side
        if h % s or w % s or t % frames:
            raise InvalidInput(f"The codec takes sides that are multiples of {s}, got {w}x{h}.")
        x = video.reshape(b, 3, t // frames, frames, h // s, s, w // s, s)
        return x.permute(0, 2, 4, 6, 3, 1, 5, 7).flatten(4)

    def _split(self, video: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if (video.shape[2] - 1) % GROUP:
            raise InvalidInput(f"A clip has 4k + 1 frames, got {video.shape[2]}.")
        return self._patches(video[:, :, :1], 1), self._patches(video[:, :, 1:], GROUP)

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """(b, 48, f, h / 8, w / 8)."""
        one, more = self._split(video)
        first = (one - self.single_mean) @ self.single_basis / self.single_std
        rest = (more - self.group_mean) @ self.group_basis / self.group_std
        return torch.cat([first, rest], 1).permute(0, 4, 1, 2, 3).contiguous()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """(b, 3, t, h, w), not clamped."""
        z = latents.permute(0, 2, 3, 4, 1)
        one = (z[:, :1] * self.single_std) @ self.single_basis.T + self.single_mean
        more = (z[:, 1:] * self.group_std) @ self.group_basis.T + self.group_mean
        return torch.cat([self._pixels(one, 1), self._pixels(more, GROUP)], 2)

    def _pixels(self, x: torch.Tensor, frames: int) -> torch.Tensor:
        b, t, h, w, _ = x.shape
        s = self.side
        x = x.reshape(b, t, h, w, frames, 3, s, s).permute(0, 5, 1, 4, 2, 6, 3, 7)
        return x.reshape(b, 3, t * frames, h * s, w * s)

    def save(self, file: str | Path) -> None:
        """As safetensors."""
        save_file({k: v.contiguous() for k, v in self.state_dict().items()}, str(file))

    @classmethod
    def load(cls, file: str | Path) -> "PatchCodec":
        """From safetensors."""
        weights = load_file(str(file))
        codec = cls(channels=weights["single_std"].shape[0], side=round((len(weights["single_mean"]) / 3) ** 0.5))
        codec.load_state_dict(weights)
        return codec
