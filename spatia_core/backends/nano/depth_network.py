"""The depth networks: one photo to inverse depth up to scale."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spatia_core.backends.nano import layers

DESIGNS: dict[str, layers.Widths] = {"depth_nano": (20, 36, 64, 128, 216), "depth_nano_second": (16, 28, 48, 96, 160)}
"""The two networks whose answers are averaged, by the names of their weight files."""


class DepthNetwork(nn.Module):
    """Residual U-Net of 1.6 to 2.9 M parameters, trained at 160 x 224 pixels; sides must be multiples of 32."""

    def __init__(self, widths: layers.Widths) -> None:
        super().__init__()
        self.stem = layers.convolution(5, widths[0], 3, 2)
        self.encoder = layers.encoder_stages(widths)
        self.context = layers.GlobalContext(widths[-1])
        self.decoder = layers.decoder_stages(widths)
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h//2 w//2"]:
        """Inverse z-depth (up to one factor per picture, sky near 0) at half size of RGB in [0, 1]."""
        skips = [self.stem(layers.with_coordinates(rgb))]
        for stage in self.encoder:
            skips.append(stage(skips[-1]))
        features = layers.join_upward(self.context(skips[-1]), skips[:-1], self.decoder)
        return torch.exp(self.head(features)[:, 0].clamp(-6, 4))
