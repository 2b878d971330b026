"""The training loop: accelerate for devices, batches that depend on the step alone, checkpoints that resume exactly.

One process on a CPU and many GPUs run the same code (`accelerate launch -m training.spatia ...`). For the full model
use FSDP by accelerate's own config: fsdp_version 2, transformer_cls_names_to_wrap SpatiaTransformerBlock,
SpatiaControlBlock, fsdp_state_dict_type FULL_STATE_DICT, mixed precision bf16, with `checkpointing` on.
"""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

from spatia_core.errors import InvalidInput
from training.spatia.codec import Codec
from training.spatia.config import TrainConfig
from training.spatia.losses import Batch, flow_matching
from training.spatia.stages import export, prepare_stage, trained

log = logging.getLogger(__name__)
BatchAt = Callable[[int], Batch]
"""Batch of a step (of this process); the same step gives the same batch, so nothing about data has to be saved."""
_STREAM = 1_000_003


@dataclass
class Trainer:
    """A run: make it, `resume()` when there is a checkpoint, `run()`."""

    model: Any
    config: TrainConfig
    batch_at: BatchAt
    folder: Path
    codec: Codec | None = None
    step: int = 0
    """Steps done."""
    losses: list[dict[str, float]] = field(default_factory=list)
    """Of the steps done by this object."""

    def __post_init__(self) -> None:
        c = self.config
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(c.seed)
        prepare_stage(self.model, c)
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision=c.mixed_precision,
            gradient_accumulation_steps=c.accumulate,
        )
        optimizer = torch.optim.AdamW(
            trained(self.model).values(), lr=c.lr, betas=c.betas, weight_decay=c.weight_decay, foreach=True
        )
        self.wrapped, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        self.average = {n: p.detach().clone().float() for n, p in trained(self.model).items()} if c.ema else {}

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        c = self.config
        rate = c.lr * min(1.0, (step + 1) / max(c.warmup, 1))
        if c.cosine:
            rate *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(step / max(c.iterations, 1), 1)))
        return rate

    def _generator(self, step: int) -> torch.Generator:
        """Noise and drops of a step: of the seed, the step and the process only."""
        own = self.accelerator.process_index
        return torch.Generator().manual_seed((self.config.seed * _STREAM + step) * 1024 + own)

    def _dropped(self, batch: Batch, generator: torch.Generator) -> Batch:
        text, projection, references = (float(v) for v in torch.rand(3, generator=generator))
        c = self.config
        batch = batch.arm(projection >= c.drop_projection, references >= c.drop_references)
        if text < c.drop_text:
            batch = Batch(batch.clip, torch.zeros_like(batch.text), batch.control, batch.references, batch.geometry)
        return batch

    def one_step(self) -> dict[str, float]:
        """Does a step and returns its losses."""
        c, step = self.config, self.step
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(step)
        generator = self._generator(step)
        for k in range(c.accumulate):
            batch = self._dropped(self.batch_at(step * c.accumulate + k), generator).to(self.accelerator.device)
            with self.accelerator.accumulate(self.wrapped), self.accelerator.autocast():
                parts = flow_matching(self.wrapped, batch, c, generator, self.codec)
                self.accelerator.backward(parts["loss"])
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(trained(self.model).values(), c.clip_norm)
                self.optimizer.step()
                self.optimizer.zero_grad()
        with torch.no_grad():
            for name, p in trained(self.model).items() if self.average else ():
                share = min(c.ema, (step + 1) / (step + 10))
                self.average[name].lerp_(p.detach().float(), 1 - share)
        self.step += 1
        return {k: float(v.detach()) for k, v in parts.items()}

    def run(self, until: int | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        """Steps until `until` (the config's iterations when None) or until `stop()`, and saves at the end."""
        last = self.config.iterations if until is None else until
        while self.step < last and not stop():
            self.losses.append(self.one_step())
            if self.step % 50 == 0:
                recent = self.losses[-50:]
                log.info("step %d flow %.4f", self.step, sum(r["flow"] for r in recent) / len(recent))
            if self.step % self.config.save_every == 0:
                self.save()
        self.save()

    def save(self) -> Path:
        """Writes weights, averages and optimizer as safetensors, replaced whole; and the file the generator loads."""
        if not self.accelerator.is_main_process:
            return self.folder
        names, state = list(trained(self.model)), self.optimizer.state_dict()["state"]
        tensors: dict[str, torch.Tensor] = {}
        for k, name in enumerate(names):
            tensors[f"weight/{name}"] = self.model.get_parameter(name).detach().contiguous()
            for part, value in state.get(k, {}).items():
                tensors[f"{part}/{name}"] = torch.as_tensor(value).contiguous()
        tensors |= {f"average/{n}": t.contiguous() for n, t in self.average.items()}
        temporary = self.folder / "checkpoint.part"
        save_file(tensors, str(temporary), metadata={"step": str(self.step)})
        (self.folder / "config.json").write_text(json.dumps(self.config.to_json(), indent=1))
        (self.folder / "step.txt").write_text(str(self.step))
        temporary.replace(self.folder / "checkpoint.safetensors")
        average = {n: t.to(self.model.get_parameter(n).dtype) for n, t in self.average.items()}
        export(self.model, self.config, self.folder / f"{self.config.stage}.safetensors", average)
        return self.folder / "checkpoint.safetensors"

    def resume(self) -> None:
        """Goes on where the folder's checkpoint stopped: the losses that follow are those of an uninterrupted run.

        Raises InvalidInput when there is none or it belongs to another model.
        """
        file = self.folder / "checkpoint.safetensors"
        if not file.exists():
            raise InvalidInput(f"There is no checkpoint in {self.folder}; start the run without --resume.")
        tensors = load_file(str(file))
        own = trained(self.model)
        given = {n.removeprefix("weight/") for n in tensors if n.startswith("weight/")}
        if given != own.keys():
            raise InvalidInput(f"{file.name} is for another model or stage: {min(given ^ own.keys())!r} does not fit.")
        with torch.no_grad():
            for name, p in own.items():
                p.copy_(tensors[f"weight/{name}"])
        state = self.optimizer.state_dict()
        parts = ("step", "exp_avg", "exp_avg_sq")
        state["state"] = {
            k: {part: tensors[f"{part}/{name}"] for part in parts}
            for k, name in enumerate(own)
            if f"step/{name}" in tensors
        }
        self.optimizer.load_state_dict(state)
        self.average = {n.removeprefix("average/"): t for n, t in tensors.items() if n.startswith("average/")}
        self.step = int((self.folder / "step.txt").read_text())
