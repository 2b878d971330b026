"""The training loop of the click network: every click is a step; checkpoints, log, resume."""

import copy
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from spatia_core.backends.clicks.network import ClickNetwork
from training.clicks.clicking import Clicked, overlap
from training.clicks.samples import Bank

_WARM_UP = 300
LARGE = ((0.5, 160, 16), (1.0, 192, 12))
"""Picture sides and batches up to the size the product works at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how."""

    steps: int
    rate: float = 2e-3
    checkpoint: Path = Path("click.pt")
    every: int = 250
    """Steps between checkpoints."""
    sizes: tuple[tuple[float, int, int], ...] = ((0.7, 128, 24), (1.0, 160, 18))
    """Up to which share of the steps: picture side and batch."""


def train(network: ClickNetwork, bank: Bank, plan: Plan) -> nn.Module:
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
        bank.dice.rng = np.random.default_rng(step)
    log: list[tuple[float, int, float]] = []
    started = time.perf_counter()
    while step < plan.steps:
        share = step / plan.steps
        size, batch = next((s, b) for end, s, b in plan.sizes if share < end)
        pictures = [Clicked(bank.draw(size), bank.dice) for _ in range(batch)]
        for click in range(int(bank.dice.rng.integers(2, 5))):
            _set_rate(optimizer, plan, step)
            probabilities, loss = _step(network, optimizer, pictures)
            _follow(average, network, step)
            overlaps = [overlap(p, c.truth) for p, c in zip(probabilities, pictures, strict=True)]
            log.append((loss, click, float(np.mean(overlaps))))
            for p, c in zip(probabilities, pictures, strict=True):
                c.step(p)
            step += 1
            if step % plan.every == 0:
                _report(step, size, time.perf_counter() - started, log)
                _save(plan.checkpoint, network, average, optimizer, step)
                bank.scenes.refresh()
                log.clear()
    return average


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy, edges counting three times, and soft intersection over union; truth is soft, sizes equal."""
    probability = torch.sigmoid(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wide = functional.max_pool2d(truth[:, None], 5, 1, 2) + functional.max_pool2d(-truth[:, None], 5, 1, 2)
    weight = 1 + 2 * (4 * truth * (1 - truth) + wide[:, 0]).clamp(0, 1)
    both = (probability * truth).sum((1, 2))
    either = (probability + truth - probability * truth).sum((1, 2)) + 1
    return ((entropy * weight).mean((1, 2)) + 1 - both / either).mean()


def start_from_depth(network: ClickNetwork, weights: Path) -> int:
    """Takes what fits from the depth network's weights; returns how many tensors."""
    own = network.state_dict()
    fitting = {k: v.float() for k, v in load_file(weights).items() if k in own and own[k].shape == v.shape}
    network.load_state_dict(own | {k: v.to(own[k].dtype) for k, v in fitting.items()})
    return len(fitting)


def export(network: nn.Module, path: Path) -> None:
    """Half-precision weights as the product reads them."""
    state = network.state_dict().items()
    save_file({k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state}, path)


def _optimizer(network: nn.Module) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 0.03},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98))


def _set_rate(optimizer: torch.optim.Optimizer, plan: Plan, step: int) -> None:
    cosine = 0.5 * (1 + np.cos(np.pi * min(1.0, step / plan.steps))) + 0.004
    for group in optimizer.param_groups:
        group["lr"] = float(plan.rate * min(1.0, (step + 1) / _WARM_UP) * cosine)


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, pictures: Sequence[Clicked]
) -> tuple[np.ndarray, float]:
    """One optimisation step; the probabilities at full size and the loss."""
    rgb = torch.from_numpy(np.stack([c.picture.rgb for c in pictures])).permute(0, 3, 1, 2).float() / 255
    cues = torch.from_numpy(np.stack([c.cues() for c in pictures]))
    half = [cv2.resize(c.soft, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for c in pictures]
    truth = torch.from_numpy(np.stack(half)).float() / 255
    rgb, cues = (x.contiguous(memory_format=torch.channels_last) for x in (rgb, cues))
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(rgb, cues)
    loss = loss_of(logits.float(), truth)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    full = functional.interpolate(logits.detach().float()[:, None], scale_factor=2, mode="bilinear")
    return torch.sigmoid(full)[:, 0].numpy(), float(loss.detach())


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Exponential moving average, quick in the beginning."""
    keep = min(0.998, 1 - 1 / (step / 4 + 1))
    for a, b in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if a.is_floating_point():
            a.lerp_(b, 1 - keep)
        else:
            a.copy_(b)


def _report(step: int, size: int, seconds: float, log: list[tuple[float, int, float]]) -> None:
    by_click = [[o for _, c, o in log if c == k] for k in range(4)]
    overlaps = " ".join(f"{np.mean(v):.3f}" for v in by_click if v)
    loss = np.mean([entry[0] for entry in log])
    print(f"step {step} side {size} minutes {seconds / 60:.1f} loss {loss:.4f} overlap by click {overlaps}", flush=True)


def _save(path: Path, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    temporary = path.with_suffix(".tmp")
    state = {"network": network.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state | {"step": step}, temporary)
    os.replace(temporary, path)
    export(average, path.with_suffix(".safetensors"))
