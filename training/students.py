"""A small network in training: the slow average of its weights, its optimiser, checkpoints, finished files."""

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn


@dataclass(eq=False, slots=True)
class Student:
    """A network, the slow average of its weights, and what improves it."""

    network: nn.Module
    keep: float = 0.998
    """Share of the average that a step leaves."""
    weight_decay: float = 0.02
    average: nn.Module = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.network.to(memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        large = [p for p in self.network.parameters() if p.ndim > 1]
        small = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": large, "weight_decay": self.weight_decay}, {"params": small, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98))

    def set_rate(self, rate: float) -> None:
        """The step size from now on."""
        for group in self.optimizer.param_groups:
            group["lr"] = float(rate)

    def improve(self, loss: torch.Tensor, step: int) -> None:
        """One optimisation step; the average follows, quickly in the beginning."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self._follow(min(self.keep, 1 - 1 / (step / 4 + 1)))

    @torch.no_grad()
    def _follow(self, keep: float) -> None:
        pairs = list(zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True))
        floats = [(a, b) for a, b in pairs if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - keep)
        for a, b in pairs:
            if not a.is_floating_point():
                a.copy_(b)

    def state(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {k: getattr(self, k).state_dict() for k in ("network", "average", "optimizer")}

    def restore(self, state: dict[str, Any]) -> None:
        """The opposite of `state`."""
        for key, value in state.items():
            getattr(self, key).load_state_dict(value)


def quick_arithmetic(device: torch.device) -> torch.autocast:
    """bfloat16 where the device counts in it; a CPU that must imitate it takes eight times as long as with float32."""
    known = torch.cpu.get_capabilities()
    able = device.type != "cpu" or any(known.get(k, False) for k in ("amx_bf16", "avx512_bf16", "bf16"))
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def share_of(step: int, seconds: float, steps: int, minutes: float | None) -> float:
    """How much of a training is done: by the clock where it has minutes, else by steps."""
    return seconds / 60 / minutes if minutes else step / steps


def rate_at(share: float, step: int, highest: float, warm_up: int) -> float:
    """Step size: a short rise, then half a cosine down to nearly nothing."""
    return highest * min(1.0, (step + 1) / warm_up) * (0.5 * (1 + float(np.cos(np.pi * min(share, 1.0)))) + 0.004)


def save(path: Path, students: Sequence[Student], step: int, seconds: float) -> None:
    """A checkpoint, and the averages as finished weights beside it: `NAME_1.safetensors` and so on."""
    temporary = path.with_suffix(".tmp")
    torch.save({"students": [s.state() for s in students], "step": step, "seconds": seconds}, temporary)
    os.replace(temporary, path)
    for k, student in enumerate(students):
        export(student.average, path.with_name(f"{path.stem}_{k + 1}.safetensors"))


def resumed(path: Path, students: Sequence[Student]) -> tuple[int, float]:
    """(steps, seconds) already done, the students as they were then; zeros without a checkpoint."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    for student, kept in zip(students, state["students"], strict=True):
        student.restore(kept)
    return state["step"], state["seconds"]


def export(network: nn.Module, path: Path) -> None:
    """Half-precision weights as the product reads them."""
    state = network.state_dict().items()
    save_file({k: (v.half() if v.is_floating_point() else v).contiguous().cpu() for k, v in state}, path)
