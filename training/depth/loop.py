"""The training loop of the depth network: losses, checkpoints, log, resume."""

import copy
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from spatia_core.backends.nano.depth_network import DepthNetwork
from training.depth.examples import Studio

_SIZES = ((0.45, (128, 96), 24), (0.75, (192, 128), 14), (1.0, (224, 160), 10))
"""Up to which share of the steps: width, height and batch."""
_REAL = 4
"""Real photos with one outlined thing in every batch."""
_OUTLINE = 0.25
"""Weight of the outlines' loss."""
_WARM_UP = 150


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how."""

    steps: int
    rate: float = 1e-3
    checkpoint: Path = Path("depth.pt")
    every: int = 200
    """Steps between checkpoints."""


def train(network: DepthNetwork, studio: Studio, plan: Plan) -> nn.Module:
    """Trains for `plan.steps` steps in all, going on from the checkpoint where there is one; returns the average."""
    network.to(memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = _optimizer(network)
    step = 0
    if plan.checkpoint.exists():
        state = torch.load(plan.checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
        studio.dice.rng = np.random.default_rng(step)
    log: list[tuple[float, ...]] = []
    started = time.perf_counter()
    while step < plan.steps:
        share = step / plan.steps
        size, batch = next((s, b) for end, s, b in _SIZES if share < end)
        cosine = 0.5 * (1 + np.cos(np.pi * share)) + 0.005
        for group in optimizer.param_groups:
            group["lr"] = float(plan.rate * min(1.0, (step + 1) / _WARM_UP) * cosine)
        log.append(_step(network, optimizer, studio, size, batch))
        _follow(average, network, step)
        step += 1
        if step % plan.every == 0:
            studio.rendered.refresh()
            means = " ".join(f"{v:.4f}" for v in np.mean(log, 0))
            minutes = (time.perf_counter() - started) / 60
            print(f"step {step} size {size} pictures {len(studio.rendered)} minutes {minutes:.1f} ", end="")
            print(f"loss, level, gradient, shape, outline: {means}", flush=True)
            log.clear()
            _save(plan.checkpoint, network, average, optimizer, step)
    return average


def depth_loss(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(level, gradient, shape) of inverse depth, each free of scale; 0 = sky.

    Level compares logarithms relative to the picture's mean, gradient their steps at four sizes, shape what is left
    after the best scale and shift.
    """
    a = found / (found.mean((1, 2), keepdim=True) + 1e-6)
    b = truth / (truth.mean((1, 2), keepdim=True) + 1e-6)
    apart = torch.log(a + 0.05) - torch.log(b + 0.05)
    gradient = torch.zeros(())
    for k in range(4):
        q = apart if k == 0 else functional.avg_pool2d(apart[:, None], 2**k)[:, 0]
        gradient = gradient + q.diff(dim=2).abs().mean() + q.diff(dim=1).abs().mean()
    am, bm = a - 1, b - 1
    slope = (am * bm).sum((1, 2), keepdim=True) / ((am * am).sum((1, 2), keepdim=True) + 1e-4)
    spread = bm.abs().mean((1, 2), keepdim=True) + 0.05
    shape = ((slope.clamp(0, 5) * am - bm).abs() / spread).clamp(max=6).mean()
    return apart.abs().mean(), gradient, shape


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


def export(network: nn.Module, path: Path) -> None:
    """Half-precision weights as the product reads them."""
    state = network.state_dict().items()
    save_file({k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state}, path)


def start_from(network: DepthNetwork, weights: Path) -> None:
    """Goes on from finished weights."""
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()})


def _optimizer(network: nn.Module) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98))


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, studio: Studio, size: tuple[int, int], batch: int
) -> tuple[float, ...]:
    examples = [studio.synthetic(*size) for _ in range(batch)]
    real = [studio.real(*size) for _ in range(_REAL)]
    rgb = _pictures([e[0] for e in examples] + [r[0] for r in real])
    truth = torch.from_numpy(np.stack([e[1] for e in examples]))[:, ::2, ::2]
    masks = torch.from_numpy(np.stack([r[1] for r in real])).float()[:, ::2, ::2]
    with torch.autocast("cpu", torch.bfloat16):
        found = network(rgb)
    found = found.float()
    level, gradient, shape = depth_loss(found[:batch], truth)
    outline = outline_loss(found[batch:], masks)
    loss = level + 0.5 * gradient + 0.3 * shape + _OUTLINE * outline
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return tuple(float(v.detach()) for v in (loss, level, gradient, shape, outline))


def _pictures(images: Sequence[np.ndarray]) -> Tensor:
    rgb = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return rgb.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Exponential moving average, quick in the beginning."""
    keep = min(0.997, 1 - 1 / (step / 4 + 1))
    for a, b in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if a.is_floating_point():
            a.lerp_(b, 1 - keep)
        else:
            a.copy_(b)


def _save(path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    temporary = path.with_suffix(".tmp")
    state = {"network": network.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state | {"step": step}, temporary)
    os.replace(temporary, path)
    export(average, path.with_suffix(".safetensors"))
