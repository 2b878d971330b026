"""The click network: a picture and what the clicks say about it to a mask."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spatia_core.backends.nano import layers

CUES = 11
"""Number of cue maps, see `cues.CuePicture.maps`."""
Widths = tuple[int, int, int, int, int]
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input size."""
DESIGNS: dict[str, Widths] = {"click_hybrid": (20, 36, 60, 116, 192), "click_hybrid_mirrored": (16, 28, 48, 96, 160)}
"""By weight file: one network looks at the picture, the other at its mirror image."""


class ClickNetwork(nn.Module):
    """Residual U-Net of 1.6 to 2.4 M parameters, trained at 192 x 192 pixels; sides must be multiples of 32."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        w = widths
        self.stem = layers.convolution(5, w[0], 3, 2)
        self.cue_stem = nn.Sequential(nn.Conv2d(CUES, w[0], 3, 2, 1), nn.Hardswish(), nn.Conv2d(w[0], w[0], 3, 1, 1))
        self.cue_at_eighth = nn.Conv2d(CUES, w[2], 1)
        self.encoder = layers.encoder_stages(w)
        self.context = layers.GlobalContext(w[-1])
        self.decoder = layers.decoder_stages(w)
        self.merge = layers.convolution(w[0] + CUES, 24)
        self.head = nn.Conv2d(24, 1, 3, padding=1)

    def forward(self, rgb: Float[Tensor, "b 3 h w"], cues: Float[Tensor, "b 11 h w"]) -> Float[Tensor, "b h//2 w//2"]:
        """Logits of the mask at half size of RGB in [0, 1]."""
        skips = [self.stem(layers.with_coordinates(rgb)) + self.cue_stem(cues)]
        for i, stage in enumerate(self.encoder):
            x = stage(skips[-1])
            skips.append(x + self.cue_at_eighth(functional.avg_pool2d(cues, 8)) if i == 1 else x)
        features = layers.join_upward(self.context(skips[-1]), skips[:-1], self.decoder)
        return self.head(self.merge(torch.cat([features, functional.avg_pool2d(cues, 2)], 1)))[:, 0]
