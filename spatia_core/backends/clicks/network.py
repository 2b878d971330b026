"""The click network: a picture and what the clicks say about it to a mask."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spatia_core.backends.nano import layers

CUES = 11
"""Number of cue maps, see `cues.CuePicture.maps`."""
DESIGNS: dict[str, layers.Widths] = {
    "click_hybrid": (20, 36, 60, 116, 192),
    "click_hybrid_mirrored": (16, 28, 48, 96, 160),
}
"""By weight file: one network looks at the picture, the other at its mirror image."""


class ClickNetwork(nn.Module):
    """Residual U-Net of 1.6 to 2.4 M parameters, trained at 192 x 192 pixels; sides must be multiples of 32."""

    def __init__(self, widths: layers.Widths) -> None:
        super().__init__()
        self.stem = layers.convolution(5, widths[0], 3, 2)
        self.cue_stem = nn.Sequential(
            nn.Conv2d(CUES, widths[0], 3, 2, 1), nn.Hardswish(), nn.Conv2d(widths[0], widths[0], 3, 1, 1)
        )
        self.cue_at_eighth = nn.Conv2d(CUES, widths[2], 1)
        self.encoder = layers.encoder_stages(widths)
        self.context = layers.GlobalContext(widths[-1])
        self.decoder = layers.decoder_stages(widths)
        self.merge = layers.convolution(widths[0] + CUES, 24)
        self.head = nn.Conv2d(24, 1, 3, padding=1)

    def forward(self, rgb: Float[Tensor, "b 3 h w"], cues: Float[Tensor, "b 11 h w"]) -> Float[Tensor, "b h//2 w//2"]:
        """Logits of the mask at half size of RGB in [0, 1]."""
        skips = [self.stem(layers.with_coordinates(rgb)) + self.cue_stem(cues)]
        for i, stage in enumerate(self.encoder):
            x = stage(skips[-1])
            skips.append(x + self.cue_at_eighth(functional.avg_pool2d(cues, 8)) if i == 1 else x)
        features = layers.join_upward(self.context(skips[-1]), skips[:-1], self.decoder)
        return self.head(self.merge(torch.cat([features, functional.avg_pool2d(cues, 2)], 1)))[:, 0]
