"""The depth networks: one photo to inverse depth up to scale."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spatia_core.backends.nano import layers


@dataclass(frozen=True, slots=True)
class DepthDesign:
    """What one depth network is made of."""

    widths: tuple[int, int, int, int, int]
    """Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input size."""
    looks: int = 0
    """Blocks of attention at 1/32: every place looks at every other."""


CONVOLVING = DepthDesign((20, 36, 64, 128, 216))
LOOKING = DepthDesign((20, 36, 64, 120, 184), looks=2)
DESIGNS = {"depth_nano": CONVOLVING, "depth_nano_second": LOOKING}
"""The two networks whose answers are averaged, by the names of their weight files."""


class DepthNetwork(nn.Module):
    """Residual U-Net of about 3 M parameters, trained at 160 x 224 pixels; sides must be multiples of 32."""

    def __init__(self, design: DepthDesign = CONVOLVING) -> None:
        super().__init__()
        widths = design.widths
        self.stem = layers.convolution(5, widths[0], 3, 2)
        self.encoder = layers.encoder_stages(widths)
        self.context = layers.GlobalContext(widths[-1])
        self.looks = nn.Sequential(*(Look(widths[-1]) for _ in range(design.looks)))
        self.decoder = layers.decoder_stages(widths)
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h//2 w//2"]:
        """Inverse z-depth (up to one factor per picture, sky near 0) at half size of RGB in [0, 1]."""
        skips = [self.stem(layers.with_coordinates(rgb))]
        for stage in self.encoder:
            skips.append(stage(skips[-1]))
        features = layers.join_upward(self.looks(self.context(skips[-1])), skips[:-1], self.decoder)
        return torch.exp(self.head(features)[:, 0].clamp(-6, 4))


class Look(nn.Module):
    """Attention between all places of a coarse map, which also says where each place is."""

    _HEADS = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.place = nn.Conv2d(2, channels, 1)
        self.before = nn.GroupNorm(1, channels)
        self.ask = nn.Conv2d(channels, 3 * channels, 1)
        self.tell = nn.Conv2d(channels, channels, 1)
        self.then = nn.GroupNorm(1, channels)
        self.think = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        b, c, h, w = x.shape
        asked = self.ask(self.before(x + self.place(layers.coordinates(x))))
        q, k, v = (a.reshape(b, self._HEADS, c // self._HEADS, h * w).mT for a in asked.chunk(3, 1))
        seen = functional.scaled_dot_product_attention(q, k, v).mT.reshape(b, c, h, w)
        x = x + self.tell(seen)
        return x + self.think(self.then(x))
