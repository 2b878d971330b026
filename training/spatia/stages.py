"""Which weights learn in which stage, and how they are saved: the names are those the generator loads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from spatia_core.backends.spatia.names import official_name
from spatia_core.backends.spatia.transformer import SpatiaTransformer3DModel
from spatia_core.backends.spatia.weights import is_control
from training.spatia.config import TrainConfig


class LoraLinear(nn.Module):
    """A linear layer that is not trained, and a low-rank addition that is: W x + B (A x); B begins at 0."""

    def __init__(self, base: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        a = torch.randn(rank, base.in_features, generator=generator) / base.in_features**0.5
        self.lora_A = nn.Parameter(a.to(base.weight))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank).to(base.weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The adapted layer."""
        return self.base(x) + nn.functional.linear(nn.functional.linear(x, self.lora_A), self.lora_B)

    @property
    def weight(self) -> torch.Tensor:
        """The base's weight: code that asks a layer for its dtype finds it."""
        return self.base.weight


def prepare_stage(model: SpatiaTransformer3DModel, config: TrainConfig) -> None:
    """Freezes and unfreezes the model for its stage; in stage two adapters are put on the main blocks."""
    model.requires_grad_(config.stage == "all")
    if config.stage == "control":
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(is_control(name))
    elif config.stage == "lora":
        generator = torch.Generator().manual_seed(config.seed)
        for block in model.blocks:
            for target in config.lora_targets:
                for parent, name in _targets(block, target):
                    setattr_path(parent, name, LoraLinear(get_path(parent, name), config.lora_rank, generator))
    if config.checkpointing:
        model.enable_gradient_checkpointing()


def _targets(block: nn.Module, target: str) -> Iterator[tuple[nn.Module, str]]:
    if target.startswith("ffn"):
        yield block, target
        return
    for attention in ("attn1", "attn2"):
        yield block.get_submodule(attention), target


def get_path(module: nn.Module, name: str) -> Any:
    """The submodule of that dotted name."""
    return module.get_submodule(name)


def setattr_path(module: nn.Module, name: str, value: nn.Module) -> None:
    """Puts a submodule at that dotted name."""
    parent, _, last = name.rpartition(".")
    owner = module.get_submodule(parent) if parent else module
    owner.register_module(last, value)


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights that learn, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def export(model: nn.Module, config: TrainConfig, file: Path, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Writes what was trained as the generator reads it: the control file or the LoRA file in the published spelling.

    Stage `all` writes every weight in diffusers' spelling. `weights` stand in for the model's own (averages).
    """
    source: dict[str, Any] = dict(model.named_parameters()) if config.stage == "all" else dict(trained(model))
    source |= weights or {}
    out = {}
    for name, value in source.items():
        if config.stage == "lora":
            layer, half = name.rsplit(".", 1)
            official = official_name(f"{layer}.weight").removesuffix(".weight")
            key = f"pipe.dit.{official}.{half}.default.weight"
        else:
            key = official_name(name) if config.stage == "control" else name
        out[key] = value.detach().to("cpu").contiguous()
    save_file(out, str(file), metadata={"stage": config.stage})
