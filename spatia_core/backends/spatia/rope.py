"""Where a token stands in time, row and column, as rotations of queries and keys; and time as a sinusoid."""

import math

import torch
from torch import nn

THETA = 10000.0
"""Base of all frequencies."""


def angles(positions: torch.Tensor, dim: int) -> torch.Tensor:
    """(n, dim / 2) float64 angles of integer positions, negative ones included."""
    exponents = torch.arange(0, dim, 2, dtype=torch.float64) / dim
    return positions.to(torch.float64)[:, None] / THETA**exponents


class SpatiaRotaryPosEmbed(nn.Module):
    """Rotary embedding of [references | clip].

    Clip frames stand at times 0, 1, ...; references at times -R .. -1 and one picture height further down, so that no
    reference token shares a place with a clip token. Angles are worked out in float64 whenever they are needed:
    nothing is stored that a cast of the model could round, and no length is too long.
    """

    def __init__(self, attention_head_dim: int, patch_size: tuple[int, ...]) -> None:
        super().__init__()
        self.patch_size = patch_size
        spatial = 2 * (attention_head_dim // 6)
        self.dims = (attention_head_dim - 2 * spatial, spatial, spatial)

    def forward(self, hidden_states: torch.Tensor, num_reference_frames: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (1, tokens, 1, head dim) float32 for latents (b, c, R + F, h, w)."""
        frames, rows, columns = (n // p for n, p in zip(hidden_states.shape[2:], self.patch_size, strict=True))
        refs = num_reference_frames
        parts = [
            (torch.arange(refs) - refs, torch.arange(rows) + rows),
            (torch.arange(frames - refs), torch.arange(rows)),
        ]
        cosines, sines = [], []
        for time, height in parts:
            axes = (time, height, torch.arange(columns))
            size = [len(axis) for axis in axes]
            for whole, function in ((cosines, torch.cos), (sines, torch.sin)):
                # short tables travel to the device, the grid is spread out there
                tables = [
                    function(angles(a, d)).float().repeat_interleave(2, -1)
                    for a, d in zip(axes, self.dims, strict=True)
                ]
                grid = [
                    table.to(hidden_states.device).view(*(size[i] if i == k else 1 for i in range(3)), dim)
                    for k, (table, dim) in enumerate(zip(tables, self.dims, strict=True))
                ]
                spread = [table.expand(*size, dim) for table, dim in zip(grid, self.dims, strict=True)]
                whole.append(torch.cat(spread, -1).flatten(0, 2))
        return torch.cat(cosines)[None, :, None], torch.cat(sines)[None, :, None]


class ExactTimesteps(nn.Module):
    """Timesteps to sinusoids, cosines first, in float64: at t = 999 a float32 angle is wrong in the fifth digit."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.num_channels = num_channels

    def forward(self, timesteps: torch.Tensor) -> torch.Tensor:
        """(n, channels) float32 on the timesteps' device."""
        half = self.num_channels // 2
        # float64 is unknown to one kind of accelerator; the list is short, so it goes to the CPU and back
        place = torch.device("cpu") if timesteps.device.type == "mps" else timesteps.device
        frequencies = torch.exp(-math.log(THETA) * torch.arange(half, dtype=torch.float64, device=place) / half)
        phase = timesteps.detach().to(place).to(torch.float64)[:, None] * frequencies
        return torch.cat([phase.cos(), phase.sin()], -1).float().to(timesteps.device)
