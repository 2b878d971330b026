"""From noise to latents: the schedule, the solver's loop and what stays fixed in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from spatia_core.errors import InvalidInput

Solver = Literal["unipc", "euler"]
Denoiser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(latents, timestep per latent frame) to the velocity."""


def make_scheduler(solver: Solver, steps: int, shift: float = 5.0, device: Any = "cpu") -> Any:
    """A fresh solver with its steps laid out.

    The sigmas are given explicitly: the schedule that diffusers works out by itself differs by up to 0.004.
    """
    if steps < 1:
        raise InvalidInput(f"At least one denoising step is needed, got {steps}.")
    if solver == "euler":
        euler = FlowMatchEulerDiscreteScheduler(shift=shift)
        euler.set_timesteps(sigmas=np.linspace(1, 0, steps + 1)[:-1].tolist(), device=device)
        euler.set_begin_index(0)
        return euler
    if solver != "unipc":
        raise InvalidInput(f"There is no solver called {solver!r}; choose unipc or euler.")
    unipc = UniPCMultistepScheduler(
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        flow_shift=shift,
        num_train_timesteps=1000,
        solver_order=2,
        solver_type="bh2",
    )
    # the first sigma is the float32 nearest to 0.999: so all sigmas come out bit-equal to the published schedule
    sigmas: Any = np.linspace(float(np.float32(0.999)), 0, steps + 1)[:-1]
    unipc.set_timesteps(sigmas=sigmas, device=device)
    unipc.set_begin_index(0)
    return unipc


def round_seed(seed: int, round_index: int, reuse: bool = False) -> int:
    """The seed of a round's noise: another one in every round, the person's own in round 0 or when `reuse` is set."""
    if round_index == 0 or reuse:
        return seed
    return int(np.random.SeedSequence([abs(seed), int(seed < 0), round_index]).generate_state(1, np.uint64)[0] >> 1)


def draw_noise(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Standard normal noise drawn on the CPU in float32, so that every machine draws the same."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


def guided(positive: Denoiser, negative: Denoiser, scale: float) -> Denoiser:
    """Classifier-free guidance: from the negative velocity through the positive and `scale` times as far."""

    def velocity(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        wanted, unwanted = positive(latents, timestep), negative(latents, timestep)
        return unwanted + scale * (wanted - unwanted)

    return positive if scale == 1 else velocity


@dataclass(frozen=True, eq=False, slots=True)
class Start:
    """Where the solver starts."""

    noise: torch.Tensor
    """(1, c, F, h, w) the clip's noise, in the dtype the latents are kept in."""
    known: torch.Tensor | None = None
    """(1, c, k, h, w) clean latents at the clip's beginning: first frame or history."""
    references: torch.Tensor | None = None
    """(1, c, R, h, w) clean latents before the clip."""


@torch.no_grad()
def sample(denoise: Denoiser, start: Start, scheduler: Any, on_step: Callable[[int, int], None]) -> torch.Tensor:
    """The clip's latents (1, c, F, h, w).

    Known latents are written back after every step and are told to the denoiser as clean (timestep 0). `on_step` is
    called with (steps done, steps) after each step; what it raises is let through.
    """
    latents = start.noise
    fixed = [k.to(latents) for k in (start.references, start.known) if k is not None and k.shape[2]]
    frozen = sum(k.shape[2] for k in fixed)
    references = 0 if start.references is None else start.references.shape[2]
    latents = torch.cat([latents.new_zeros(*latents.shape[:2], references, *latents.shape[3:]), latents], 2)
    clean = torch.cat(fixed, 2) if fixed else latents[:, :, :0]
    latents[:, :, :frozen] = clean
    for i, t in enumerate(scheduler.timesteps):
        timestep = torch.full(latents.shape[:1] + latents.shape[2:3], float(t), device=latents.device)
        timestep[:, :frozen] = 0
        velocity = denoise(latents, timestep).to(latents.dtype)
        latents = scheduler.step(velocity, t, latents, return_dict=False)[0].to(latents.dtype)
        latents[:, :, :frozen] = clean
        on_step(i + 1, len(scheduler.timesteps))
    return latents[:, :, references:]
