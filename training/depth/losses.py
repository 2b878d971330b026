"""What is asked of the depth networks."""

import torch
from torch import Tensor
from torch.nn import functional


def depth_loss(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(level, gradient, shape) of inverse depth, each free of scale; 0 = sky, negative = unknown, not asked for.

    Level compares logarithms relative to the picture's mean, gradient their steps at four sizes, shape what is left
    after the best scale and shift.
    """
    known = (truth >= 0).float()
    share = known.mean((1, 2), keepdim=True).clamp(min=1e-3)

    def mean(x: Tensor) -> Tensor:
        return (x * known).mean((1, 2), keepdim=True) / share

    a, b = found / (mean(found) + 1e-6), truth.clamp(min=0) / (mean(truth) + 1e-6)
    apart = (torch.log(a + 0.05) - torch.log(b + 0.05)) * known
    shape = _shape(a, b, mean) * known
    return mean(apart.abs()).mean(), _gradient(apart, known), mean(shape).mean()


def _gradient(apart: Tensor, known: Tensor) -> Tensor:
    total = apart.new_zeros(())
    for k in range(4):
        q, sure = (x if k == 0 else functional.avg_pool2d(x[:, None], 2**k)[:, 0] for x in (apart, known))
        for dim in (1, 2):
            both = (sure.narrow(dim, 1, sure.shape[dim] - 1) > 0.99) & (sure.narrow(dim, 0, sure.shape[dim] - 1) > 0.99)
            total = total + (q.diff(dim=dim).abs() * both).sum() / both.sum().clamp(min=1)
    return total


def _shape(a: Tensor, b: Tensor, mean) -> Tensor:
    am, bm = a - mean(a), b - mean(b)
    slope = mean(am * bm) / (mean(am * am) + 1e-4)
    spread = mean(bm.abs()) + 0.05
    return ((slope.clamp(0, 5) * am - bm).abs() / spread).clamp(max=6)


def outline_loss(found: Tensor, mask: Tensor) -> Tensor:
    """What stands before something is nearer: inside a real thing's outline nearer than beside and above it.

    `mask` is 1 inside; below the thing nothing is asked (it stands there). Half the pull of a hinge on log depth at
    0.1, over thin bands on both sides of the outline.
    """
    inside = mask[:, None]
    log = torch.log(found + 0.02 * found.mean((1, 2), keepdim=True))[:, None]
    window = 7
    wide = functional.max_pool2d(inside, window, 1, window // 2)
    above_only = functional.pad(inside, (0, 0, 0, 4))[:, :, 4:]  # the mask moved up by 4 rows
    beside = wide * (1 - inside) * functional.max_pool2d(above_only, (1, window), 1, (0, window // 2))
    core = inside * functional.max_pool2d(1 - inside, window, 1, window // 2)

    def near_mean(weight: Tensor) -> tuple[Tensor, Tensor]:
        total = functional.avg_pool2d(weight, 9, 1, 4)
        return functional.avg_pool2d(log * weight, 9, 1, 4) / (total + 1e-4), total

    (inner, a), (outer, b) = near_mean(core), near_mean(beside)
    both = ((a > 0.03) & (b > 0.03)).float()
    return (functional.relu(outer + 0.1 - inner) * both).sum() / (both.sum() + 1)
