"""What cameras do to pictures, for whole batches on any device: light, colour, glare, blur, noise, compression."""

import math

import torch
from torch import Tensor
from torch.nn import functional


class Rolls:
    """Random draws, one per picture of a batch."""

    def __init__(self, count: int, device: torch.device, generator: torch.Generator) -> None:
        self._count, self._device, self._generator = count, device, generator

    def between(self, low: float, high: float, *more: int) -> Tensor:
        """(count, *more) evenly between."""
        return low + (high - low) * self._drawn(torch.rand, *more)

    def stretched(self, low: float, high: float) -> Tensor:
        """(count,) evenly between on the logarithm."""
        return self.between(math.log(low), math.log(high)).exp()

    def normal(self, sigma: float, *more: int) -> Tensor:
        """(count, *more) around zero."""
        return sigma * self._drawn(torch.randn, *more)

    def chance(self, p: float) -> Tensor:
        """(count,) True that often."""
        return self._drawn(torch.rand) < p

    def index(self, n: int) -> Tensor:
        """(count,) whole numbers below n."""
        return (self._drawn(torch.rand) * n).long().clamp(max=n - 1)

    def often(self, p: float, low: float, high: float) -> Tensor:
        """(count,) zero, or with probability p something between."""
        return torch.where(self.chance(p), self.between(low, high), 0.0)

    def _drawn(self, kind, *more: int) -> Tensor:
        on_device = self._generator.device == self._device
        out = kind(self._count, *more, generator=self._generator, device=self._generator.device)
        return out if on_device else out.to(self._device)


def taken(pictures: Tensor, rolls: Rolls) -> Tensor:
    """(n, 3, h, w) pictures in [0, 1] as everyday and bad cameras would have taken them."""
    x = _lit(pictures, rolls)
    x = _softened(x, rolls)
    noise = rolls.often(0.6, 0.003, 0.04)[:, None, None, None]
    x = x + noise * rolls.normal(1.0, *x.shape[1:])
    return _compressed(x.clamp(0, 1), rolls)


def _lit(x: Tensor, rolls: Rolls) -> Tensor:
    def wide(v: Tensor) -> Tensor:
        return v.reshape(len(v), -1, 1, 1)

    bright = rolls.normal(0.25) + rolls.often(0.08, 0.3, 0.8) - rolls.often(0.1, 0.3, 1.2)
    x = x.clamp(1e-4, 1) ** wide(rolls.normal(0.2).exp())
    x = x * wide(bright.exp()) * (wide(rolls.normal(0.07, 3))).exp()
    swap = rolls.chance(0.08)
    x = torch.where(wide(swap), x.roll(1, 1), x)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * wide(torch.where(rolls.chance(0.08), 0.0, rolls.between(0.4, 1.4)))
    middle = x.mean((1, 2, 3), keepdim=True)
    x = middle + (x - middle) * wide(rolls.between(0.6, 1.4))
    h, w = x.shape[2:]
    y = torch.linspace(-1, 1, h, device=x.device)[:, None]
    z = torch.linspace(-1, 1, w, device=x.device)
    x = x * (1 - wide(rolls.often(0.4, 0, 0.45)) * (y * y + z * z) / 2)
    gy, gx = wide(rolls.between(-1.2, 1.2)), wide(rolls.between(-1.2, 1.2))
    spread = wide(rolls.between(0.1, 0.8))
    x = x + wide(rolls.often(0.25, 0.2, 0.9)) * torch.exp(-((y - gy) ** 2 + (z - gx) ** 2) / spread)
    return x.clamp(0, 1.2)


def _softened(x: Tensor, rolls: Rolls, reach: int = 4) -> Tensor:
    """Out of focus or shaken: one kernel per picture; sometimes sharpened as phones do."""
    n, c, h, w = x.shape
    at = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    sigma = torch.where(rolls.chance(0.5), rolls.between(0.2, 1.3), 0.05)[:, None, None]
    round_ = torch.exp(-(at[:, None] ** 2 + at**2)[None] / (2 * sigma**2))
    length, angle = rolls.often(0.2, 1, 7)[:, None, None], rolls.between(0, math.pi)[:, None, None]
    along = at[:, None] * angle.sin() + at * angle.cos()
    across = at[:, None] * angle.cos() - at * angle.sin()
    line = ((along.abs() <= length / 2 + 0.5) & (across.abs() < 0.71)).to(x.dtype)
    kernel = torch.where(length > 0, line, round_)
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    kernels = kernel[:, None].expand(n, c, -1, -1).reshape(n * c, 1, 2 * reach + 1, 2 * reach + 1)
    padded = functional.pad(x, (reach,) * 4, mode="reflect").reshape(1, n * c, h + 2 * reach, w + 2 * reach)
    soft = functional.conv2d(padded, kernels.contiguous(), groups=n * c).reshape(n, c, h, w)
    sharp = rolls.often(0.3, 0.2, 0.8)[:, None, None, None]
    return soft + sharp * (soft - functional.avg_pool2d(soft, 3, 1, 1, count_include_pad=False))


def _compressed(x: Tensor, rolls: Rolls) -> Tensor:
    """Blocks of 8 x 8 lose their fine waves, as JPEG makes them."""
    n, c, h, w = x.shape
    k = torch.arange(8, device=x.device, dtype=x.dtype)
    waves = torch.cos((2 * k + 1) * k[:, None] * math.pi / 16) * 0.5
    waves[0] = 8**-0.5
    blocks = x.reshape(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    step = rolls.often(0.65, 0.004, 0.035).reshape(n, 1, 1, 1, 1, 1) * (1 + 0.6 * (k[:, None] + k))
    parts = waves @ blocks @ waves.T
    kept = torch.where(step > 0, (parts / step.clamp(min=1e-6)).round() * step, parts)
    return (waves.T @ kept @ waves).transpose(3, 4).reshape(n, c, h, w).clamp(0, 1)
