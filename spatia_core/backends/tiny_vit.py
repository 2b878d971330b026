"""The picture encoder of MobileSAM (Zhang et al. 2023): TinyViT (Wu et al. 2022), names as in the published weights.

It keeps its last stage at a sixteenth of the picture, so that SAM's decoder finds the grid it knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Design:
    """Sizes of a TinyViT; the defaults are those of MobileSAM."""

    side: int = 1024
    """Pixels of the square that is looked at, a multiple of 16."""
    widths: tuple[int, int, int, int] = (64, 128, 160, 320)
    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    heads: tuple[int, int, int] = (4, 5, 10)
    """Of the stages with attention: all but the first."""
    windows: tuple[int, int, int] = (7, 14, 7)
    """Attention reaches this far, likewise."""
    out: int = 256


class TinyVit(nn.Module):
    """A square picture to features at a sixteenth of its side."""

    def __init__(self, design: Design | None = None) -> None:
        super().__init__()
        design = Design() if design is None else design
        self.design = design
        self.img_size = design.side  # asked for by SAM's predictor
        widths = design.widths
        self.patch_embed = _named(
            seq=nn.Sequential(_Normed(3, widths[0] // 2, 3, 2), nn.GELU(), _Normed(widths[0] // 2, widths[0], 3, 2))
        )
        strides = (2, 2, 1)
        stages = [_stage([_Inverted(widths[0]) for _ in range(design.depths[0])], _Merging(*widths[:2], strides[0]))]
        for i, (heads, window) in enumerate(zip(design.heads, design.windows, strict=True), 1):
            blocks = [_Windowed(widths[i], heads, window) for _ in range(design.depths[i])]
            stages.append(_stage(blocks, _Merging(widths[i], widths[i + 1], strides[i]) if i < len(strides) else None))
        self.layers = nn.Sequential(*stages)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], design.out, 1, bias=False),
            _ChannelNorm(design.out),
            nn.Conv2d(design.out, design.out, 3, padding=1, bias=False),
            _ChannelNorm(design.out),
        )

    def forward(self, picture: Float[Tensor, "b 3 side side"]) -> Float[Tensor, "b out side//16 side//16"]:
        """Features of pictures with mean 0 and deviation 1."""
        return self.neck(self.layers(self.patch_embed.seq(picture)))


def encoder_weights(state: dict[str, Tensor], prefix: str = "image_encoder.") -> dict[str, Tensor]:
    """A published state without what its encoder does not use: the head that once told classes."""
    unused = tuple(prefix + name for name in ("head.", "norm_head."))
    return {name: value for name, value in state.items() if not name.startswith(unused)}


def _named(**modules: nn.Module) -> Any:
    """Modules under names of their own."""
    out = nn.Module()
    for name, module in modules.items():
        out.add_module(name, module)
    return out


def _stage(blocks: Sequence[nn.Module], downsample: nn.Module | None) -> nn.Sequential:
    stage = nn.Sequential()
    stage.add_module("blocks", nn.Sequential(*blocks))
    if downsample is not None:
        stage.add_module("downsample", downsample)
    return stage


class _Normed(nn.Sequential):
    """A convolution and its batch normalisation."""

    def __init__(self, before: int, after: int, side: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.add_module("c", nn.Conv2d(before, after, side, stride, side // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(after))


class _Inverted(nn.Module):
    """Inverted bottleneck: wide inside, each channel looks about by itself."""

    def __init__(self, width: int, expansion: int = 4) -> None:
        super().__init__()
        inner = expansion * width
        self.conv1 = _Normed(width, inner)
        self.conv2 = _Normed(inner, inner, 3, groups=inner)
        self.conv3 = _Normed(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.gelu(self.conv2(functional.gelu(self.conv1(x))))
        return functional.gelu(x + self.conv3(inner))


class _Merging(nn.Module):
    """To the next stage's width, and to half the size where the stride is 2."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _Normed(before, after)
        self.conv2 = _Normed(after, after, 3, stride, groups=after)
        self.conv3 = _Normed(after, after)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))


class _Windowed(nn.Module):
    """Attention within windows, then each channel looks at its neighbours, then each pixel at its channels."""

    def __init__(self, width: int, heads: int, window: int, expansion: int = 4) -> None:
        super().__init__()
        self._window = window
        self.attn = _Attention(width, heads, window)
        self.local_conv = _Normed(width, width, 3, groups=width)
        self.mlp = _named(
            norm=nn.LayerNorm(width), fc1=nn.Linear(width, expansion * width), fc2=nn.Linear(expansion * width, width)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        x = self.local_conv(x + self._attended(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        pixels = x.permute(0, 2, 3, 1)
        told = self.mlp.fc2(functional.gelu(self.mlp.fc1(self.mlp.norm(pixels))))
        return (pixels + told).permute(0, 3, 1, 2)

    def _attended(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        b, h, w, c = x.shape
        side = self._window
        x = functional.pad(x, (0, 0, 0, -w % side, 0, -h % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        windows = x.reshape(b, rows, side, columns, side, c).transpose(2, 3).reshape(-1, side * side, c)
        told = self.attn(windows).reshape(b, rows, columns, side, side, c).transpose(2, 3)
        return told.reshape(b, rows * side, columns * side, c)[:, :h, :w]


class _Attention(nn.Module):
    """Attention between the pixels of a window, with a learnt liking for every distance."""

    _distance: Tensor
    """(pixels, pixels) which of the likings holds."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self._heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        place = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        apart = (place[:, None] - place[None]).abs()
        self.register_buffer("_distance", apart[..., 0] * window + apart[..., 1], persistent=False)

    def forward(self, x: Float[Tensor, "windows pixels c"]) -> Float[Tensor, "windows pixels c"]:
        n, pixels, c = x.shape
        query, key, value = self.qkv(self.norm(x)).reshape(n, pixels, self._heads, -1).transpose(1, 2).chunk(3, -1)
        liking = self.attention_biases[:, self._distance]
        told = functional.scaled_dot_product_attention(query, key, value, attn_mask=liking)
        return self.proj(told.transpose(1, 2).reshape(n, pixels, c))


class _ChannelNorm(nn.Module):
    """Normalises the channels of every pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        normed = functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, 1e-6)
        return normed.permute(0, 3, 1, 2)
