"""Layers shared by the small networks."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from spatia_core.errors import BackendUnavailable

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
"""Folder of the weights that travel with the package."""

Widths = tuple[int, int, int, int, int]
"""Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input size."""

FeatureMap = Float[Tensor, "b _c _h _w"]


def convolution(c_in: int, c_out: int, kernel: int = 3, stride: int = 1, activate: bool = True) -> nn.Sequential:
    """Convolution, batch normalisation and hard swish (or nothing)."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.Hardswish() if activate else nn.Identity(),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(c_in, c_out, 3, stride)
        self.second = convolution(c_out, c_out, 3, 1, activate=False)
        same = stride == 1 and c_in == c_out
        self.shortcut = nn.Identity() if same else convolution(c_in, c_out, 1, stride, activate=False)

    def forward(self, x: FeatureMap) -> FeatureMap:
        return functional.relu(self.shortcut(x) + self.second(self.first(x)))


class GlobalContext(nn.Module):
    """Lets the mean of the whole picture gate and shift every channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels)
        self.expand = nn.Linear(channels, 2 * channels)

    def forward(self, x: FeatureMap) -> FeatureMap:
        shift, gate = self.expand(functional.hardswish(self.squeeze(x.mean((2, 3))))).chunk(2, 1)
        return x * (1 + torch.tanh(gate))[..., None, None] + shift[..., None, None]


def encoder_stages(widths: Widths) -> nn.ModuleList:
    """Four stages of two residual blocks, each halving the size."""
    return nn.ModuleList(nn.Sequential(ResidualBlock(a, b, 2), ResidualBlock(b, b)) for a, b in pairwise(widths))


def decoder_stages(widths: Widths) -> nn.ModuleList:
    """Four convolutions that take the coarse map joined with the skip of the next finer size."""
    deep = tuple(reversed(widths))
    return nn.ModuleList(convolution(a + b, b) for a, b in pairwise(deep))


def join_upward(coarse: FeatureMap, skips: Sequence[FeatureMap], decoder: nn.ModuleList) -> FeatureMap:
    """Run the decoder: up-sample, join with the skip, convolve; `skips` are ordered fine to coarse."""
    for stage, skip in zip(decoder, reversed(skips), strict=True):
        up = functional.interpolate(coarse, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        coarse = stage(torch.cat([up, skip], 1))
    return coarse


def with_coordinates(rgb: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 5 h w"]:
    """RGB in [0, 1] stretched to [-2, 2], joined with x and y planes that run from -1 to 1."""
    b, _, h, w = rgb.shape
    x = torch.linspace(-1, 1, w).to(rgb).view(1, 1, 1, w).expand(b, 1, h, w)
    y = torch.linspace(-1, 1, h).to(rgb).view(1, 1, h, 1).expand(b, 1, h, w)
    return torch.cat([rgb * 4 - 2, x, y], 1)


def load_weights(network: nn.Module, path: Path) -> None:
    """Fills the network from a safetensors file and makes it ready to run, and only to run.

    Half precision is widened to float32, and normalisations become part of the convolutions before them.
    """
    if not path.is_file():
        raise BackendUnavailable(f"The weight file {path.name} is missing here; install the package again.")
    state = {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
    network.load_state_dict(state)
    network.requires_grad_(False)
    network.eval()
    for layer in network.modules():
        match list(layer.children()):
            case [nn.Conv2d() as first, nn.BatchNorm2d() as second, *_] if isinstance(layer, nn.Sequential):
                layer[0], layer[1] = fuse_conv_bn_eval(first, second), nn.Identity()
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


class _Alone:
    """How many threads torch had before the first of those who now run with one."""

    lock = threading.Lock()
    inside = 0
    threads = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch works with one thread here: in layers this small, threads of a busy machine wait for each other instead.

    On two cores shared with other work a click took 7.5 s with two threads and 0.3 s with one.
    """
    with _Alone.lock:
        if not _Alone.inside:
            _Alone.threads = torch.get_num_threads()
        _Alone.inside += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_Alone.threads)
        with _Alone.lock:
            _Alone.inside -= 1
