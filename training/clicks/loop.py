"""The training loop of the click networks: every click is a step; checkpoints, log, resume."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from training.clicks.crew import GROUPS, Crew, Sheets
from training.students import Student, quick_arithmetic, rate_at, resumed, save, share_of

_WARM_UP = 200
_CLICKS = (2, 6)
"""Fewest and most looks at one picture."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how."""

    steps: int = 3600
    """Optimisation steps in all, unless `minutes` is given."""
    minutes: float | None = None
    """Wall time in all; the schedule follows the clock."""
    rate: float = 2e-3
    checkpoint: Path = Path("click.pt")
    every: int = 250
    """Steps between checkpoints."""
    sides: tuple[tuple[float, int], ...] = ((0.5, 160), (1.0, 192))
    """Up to which share of the training: side of the pictures."""


@dataclass(eq=False, slots=True)
class _Group:
    """Where one group of pictures stands."""

    side: int
    clicks: int
    """Looks at these pictures still to come."""
    looks: int = 0
    """Looks already had."""


@dataclass(eq=False, slots=True)
class _Log:
    losses: list[float] = field(default_factory=list)
    overlaps: list[tuple[int, float]] = field(default_factory=list)

    def report(self, step: int, side: int, seconds: float) -> None:
        by_look = [[o for k, o in self.overlaps if k == look] for look in range(_CLICKS[1])]
        overlaps = " ".join(f"{np.mean(v):.3f}" for v in by_look if v)
        print(f"step {step} side {side} minutes {seconds / 60:.1f} ", end="")
        print(f"loss {np.mean(self.losses):.4f} overlap by click {overlaps}", flush=True)
        self.losses.clear()
        self.overlaps.clear()


def train(students: Sequence[Student], crew: Crew, plan: Plan, seed: int = 0) -> None:
    """Trains until the plan is done, going on from the checkpoint where there is one; the averages are the result.

    As in the product the first network sees the pictures, the second their mirror images, and the next click corrects
    the mean of what both say.
    """
    step, before = resumed(plan.checkpoint, students)
    rng, log, started = np.random.default_rng([seed, step]), _Log(), time.perf_counter()

    def seconds() -> float:
        return before + time.perf_counter() - started

    def share() -> float:
        return share_of(step, seconds(), plan.steps, plan.minutes)

    def fresh(group: int) -> _Group:
        side = next((s for end, s in plan.sides if share() < end), plan.sides[-1][1])
        crew.begin(group, side)
        return _Group(side, int(rng.integers(*_CLICKS, endpoint=True)))

    groups = [fresh(g) for g in range(GROUPS)]
    while share() < 1:
        for number, group in enumerate(groups):
            crew.wait(number)
            for student in students:
                student.set_rate(rate_at(share(), step, plan.rate, _WARM_UP))
            written = log if step % min(5, plan.every) == 0 else None
            _look(students, crew.sheets[group.side], number, (group.looks, step), written)
            group.looks += 1
            if group.looks < group.clicks:
                crew.click(number, group.side)
            else:
                groups[number] = fresh(number)
            step += 1
            if step % plan.every == 0:
                log.report(step, group.side, seconds())
                save(plan.checkpoint, students, step, seconds())
    for number in range(GROUPS):
        crew.wait(number)
    save(plan.checkpoint, students, step, seconds())


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross entropy, edges counting three times, and soft intersection over union; truth is soft, sizes equal."""
    probability = torch.sigmoid(logits)
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wide = functional.max_pool2d(truth[:, None], 5, 1, 2) + functional.max_pool2d(-truth[:, None], 5, 1, 2)
    weight = 1 + 2 * (4 * truth * (1 - truth) + wide[:, 0]).clamp(0, 1)
    both = (probability * truth).sum((1, 2))
    either = (probability + truth - probability * truth).sum((1, 2)) + 1
    return ((entropy * weight).mean((1, 2)) + 1 - both / either).mean()


def start_from(network: nn.Module, weights: Path) -> int:
    """Takes what fits from finished weights, of depth or of clicks; returns how many tensors."""
    own = network.state_dict()
    fitting = {k: v.float() for k, v in load_file(weights).items() if k in own and own[k].shape == v.shape}
    network.load_state_dict(own | {k: v.to(own[k].dtype) for k, v in fitting.items()})
    return len(fitting)


def _look(students: Sequence[Student], sheet: Sheets, group: int, at: tuple[int, int], log: _Log | None) -> None:
    """One optimisation step of every network on a group of pictures; the mean answer goes to the sheet."""
    looks, step = at
    device = next(students[0].network.parameters()).device
    rgb = (sheet.rgb[group].to(device).permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=torch.channels_last)
    cues = sheet.cues[group].to(device).float().contiguous(memory_format=torch.channels_last)
    soft = sheet.soft[group].to(device).float()[:, None] / 255
    truth = functional.avg_pool2d(soft, 2)[:, 0]
    answers: list[Tensor] = []
    for k, student in enumerate(students):
        mirrored = k % 2 == 1
        pictures, told, wanted = (x.flip(-1) if mirrored else x for x in (rgb, cues, truth))
        with quick_arithmetic(device):
            logits = student.network(pictures, told)
        loss = loss_of(logits.float(), wanted)
        student.improve(loss, step)
        answers.append((logits.flip(-1) if mirrored else logits).detach().float())
        if log is not None:
            log.losses.append(float(loss.detach()))
    full = functional.interpolate(torch.stack(answers).mean(0)[:, None], scale_factor=2, mode="bilinear")
    probability = torch.sigmoid(full)
    sheet.answers[group].copy_(probability[:, 0].half())
    if log is not None:
        found, there = probability > 0.5, soft > 0.5
        overlap = (found & there).sum((1, 2, 3)) / (found | there).sum((1, 2, 3)).clamp(min=1)
        log.overlaps.append((looks, float(overlap.mean())))
