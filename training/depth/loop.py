"""The training loop of the depth networks: they learn side by side from the same pictures; checkpoints, log, resume."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from training.depth.albums import Album, Rendered
from training.depth.examples import Studio
from training.depth.losses import depth_loss, outline_loss
from training.students import Student, quick_arithmetic, rate_at, resumed, save, share_of

_SIZES = {
    "world": ((0.4, (128, 96)), (0.65, (192, 128)), (1.0, (224, 160))),
    "wide": ((0.4, (192, 64)), (0.65, (256, 96)), (1.0, (320, 96))),
    "tall": ((0.4, (96, 128)), (0.65, (128, 192)), (1.0, (160, 224))),
}
"""By shape of the pictures, up to which share of the training: width and height."""
_OFTEN = {"world": 0.68, "wide": 0.17, "tall": 0.15}
"""How often a batch is of that shape."""
_WEIGHTS = (1.0, 0.5, 0.3, 0.25)
"""Of level, gradient, shape and outline."""
_WARM_UP = 150
_TEACHING = 0.3
"""Share of the training after which photos without depth are learned from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how."""

    steps: int = 3000
    """Optimisation steps in all, unless `minutes` is given."""
    minutes: float | None = None
    """Wall time in all; the schedule follows the clock."""
    batch: int = 10
    """Rendered pictures in a batch."""
    measured: int = 0
    """Measured frames in a batch."""
    unlabelled: int = 0
    """Photos without depth in a batch, once the networks can teach each other."""
    outlined: int = 4
    """Photos with one outlined thing in a batch."""
    rate: float = 1e-3
    checkpoint: Path = Path("depth.pt")
    every: int = 200
    """Steps between checkpoints."""


@dataclass(frozen=True, eq=False, slots=True)
class Material:
    """What is learned from."""

    studio: Studio
    rendered: Rendered
    measured: Album | None = None
    shares: Tensor | None = None
    """How often each measured frame is drawn."""
    unlabelled: Tensor | None = None
    """(n, 3, h, w) uint8 photos without depth."""


Batch = tuple[Tensor, Tensor, Tensor]
"""Colours of all pictures, inverse depth of the first ones, masks of the others."""


def train(students: Sequence[Student], material: Material, plan: Plan) -> None:
    """Trains until the plan is done, going on from the checkpoint where there is one; the averages are the result."""
    step, before = resumed(plan.checkpoint, students)
    material.studio.reseed(step)
    log: list[tuple[float, ...]] = []
    started = time.perf_counter()
    while (share := share_of(step, before + time.perf_counter() - started, plan.steps, plan.minutes)) < 1:
        batch = _batch(students, material, plan, share)
        for student in students:
            student.set_rate(rate_at(share, step, plan.rate, _WARM_UP))
        losses = [_step(s, batch, step) for s in students]
        step += 1
        if step % min(10, plan.every) == 0:
            log.append(tuple(torch.stack(losses).mean(0).tolist()))
        if step % plan.every == 0:
            seconds = before + time.perf_counter() - started
            _report(step, share, len(material.rendered), seconds, log)
            log.clear()
            save(plan.checkpoint, students, step, seconds)
            material.rendered.refresh()
    save(plan.checkpoint, students, step, before + time.perf_counter() - started)


def start_from(network: nn.Module, weights: Path) -> None:
    """Goes on from finished weights."""
    network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()})


def _batch(students: Sequence[Student], material: Material, plan: Plan, share: float) -> Batch:
    studio, shapes = material.studio, material.rendered.shapes()
    shape = shapes[int(_drawn(torch.tensor([_OFTEN[s] for s in shapes]), 1, studio.dice))]
    size = next(s for end, s in _SIZES[shape] if share < end)
    albums = [material.rendered.draw(shape, plan.batch, studio.dice)]
    if material.measured is not None and material.shares is not None and plan.measured:
        albums.append(material.measured.at(_drawn(material.shares, plan.measured, studio.dice)))
    if material.unlabelled is not None and plan.unlabelled and share > _TEACHING:
        photos = material.unlabelled
        at = torch.randint(len(photos), (plan.unlabelled,), generator=studio.dice)
        albums.append(_taught(students, photos[at.to(photos.device)]))
    pairs = [studio.pictures(album, *size) for album in albums]
    rgb, mask = studio.outlines(plan.outlined, *size)
    pictures = torch.cat([*(colours for colours, _ in pairs), rgb]).contiguous(memory_format=torch.channels_last)
    return pictures, torch.cat([inverse for _, inverse in pairs])[:, ::2, ::2], mask[:, ::2, ::2]


def _drawn(shares: Tensor, count: int, dice: torch.Generator) -> Tensor:
    return torch.multinomial(shares, count, replacement=True, generator=dice)


@torch.no_grad()
def _taught(students: Sequence[Student], photos: Tensor) -> Album:
    """Photos with the depth that the averaged networks together see in them and in their mirror images."""
    x = photos.float() / 255
    total = torch.zeros_like(x[:, 0])
    for student in students:
        for mirrored in (False, True):
            y = (x.flip(3) if mirrored else x).contiguous(memory_format=torch.channels_last)
            with quick_arithmetic(x.device):
                inverse = student.average(y)
            inverse = functional.interpolate(inverse.float()[:, None], x.shape[2:], mode="bilinear")[:, 0]
            total += (inverse.flip(2) if mirrored else inverse) / inverse.mean((1, 2), keepdim=True)
    return Album(photos, (total / (2 * len(students))).half(), torch.zeros_like(photos[:, 0]))


def _step(student: Student, batch: Batch, step: int) -> Tensor:
    """One optimisation step; the losses: all together, level, gradient, shape, outline."""
    rgb, truth, mask = batch
    with quick_arithmetic(rgb.device):
        found = student.network(rgb)
    found = found.float()
    parts = (*depth_loss(found[: len(truth)], truth), outline_loss(found[len(truth) :], mask))
    loss = torch.stack([w * p for w, p in zip(_WEIGHTS, parts, strict=True)]).sum()
    student.improve(loss, step)
    return torch.stack([loss, *parts]).detach()


def _report(step: int, share: float, pictures: int, seconds: float, log: list[tuple[float, ...]]) -> None:
    means = " ".join(f"{v:.4f}" for v in np.mean(log, 0))
    print(f"step {step} share {share:.2f} pictures {pictures} minutes {seconds / 60:.1f} ", end="")
    print(f"loss, level, gradient, shape, outline: {means}", flush=True)
