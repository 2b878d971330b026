"""What a denoising step of Spatia costs, counted on the model itself without its weights (meta device).

`python -m benchmarks.spatia_cost [RESULTS.md]` prints one JSON line; with a file it also writes its section there.
Counts are exact: tokens, parameters and bytes by arithmetic, floating point operations by following every matrix
product and attention of a real call. Times are left for a machine with a GPU.
"""

import datetime
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.reporting import finish
from spatia_core.backends.spatia.latents import latent_frames
from spatia_core.backends.spatia.transformer import SPATIA_5B
from spatia_core.backends.spatia.weights import cast_dtype, empty_transformer

BEGIN, END = "<!-- spatia_cost: begin -->", "<!-- spatia_cost: end -->"
WORDS = 512


@dataclass(frozen=True, slots=True)
class Preset:
    """A round's size."""

    width: int
    height: int
    frames: int
    references: int
    steps: int
    passes: int = 2
    """Calls of the denoiser a step: 2 with guidance."""


PRESETS = {
    "first round": Preset(1248, 704, 121, 0, 40),
    "later round, 7 references": Preset(1248, 704, 81, 7, 40),
    "turbo": Preset(832, 480, 49, 0, 12),
    "turbo, later round, 3 references": Preset(832, 480, 49, 3, 12),
}
"""What is counted. Turbo is for visitors of a shared machine: about a thirtieth of the first round's work."""


def weight_bytes(model: torch.nn.Module, dtype: torch.dtype = torch.bfloat16) -> int:
    """Bytes of the weights as they are loaded."""
    return sum(t.numel() * cast_dtype(n, dtype).itemsize for n, t in model.state_dict().items())


def step_flops(model: Any, preset: Preset) -> int:
    """Floating point operations of one call of the denoiser, a multiplication and an addition counted as two."""
    config = model.config
    frames = latent_frames(preset.frames)
    size = (preset.height // 16, preset.width // 16)
    total = frames + preset.references
    with torch.device("meta"):
        x = torch.empty(1, config["in_channels"], total, *size)
        text = torch.empty(1, WORDS, config["text_dim"])
        control = torch.empty(1, config["vace_in_channels"], frames, *size)
        times = torch.empty(1, total)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x, times, text, control, 1.0, preset.references)
    return counter.get_total_flops()


def cost(model: Any, preset: Preset) -> dict[str, Any]:
    """All counts of one preset."""
    config = model.config
    dim = config["num_attention_heads"] * config["attention_head_dim"]
    per_frame = (preset.height // 32) * (preset.width // 32)
    frames = latent_frames(preset.frames)
    tokens = per_frame * (frames + preset.references)
    flops = step_flops(model, preset)
    return {
        "size": [preset.width, preset.height, preset.frames],
        "references": preset.references,
        "steps": preset.steps,
        "tokens": tokens,
        "control_tokens": per_frame * frames,
        "latent_bytes": 4 * config["in_channels"] * (frames + preset.references) * per_frame * 4,
        "state_bytes": 2 * tokens * dim,
        "widest_activation_bytes": max(2 * tokens * config["ffn_dim"], 4 * tokens * dim),
        "hint_bytes": 2 * per_frame * frames * dim * len(config["vace_layers"]),
        "flops_per_call": flops,
        "flops_per_step": flops * preset.passes,
        "flops_per_round": flops * preset.passes * preset.steps,
    }


def section(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    parameters = figures["parameters"]
    lines = [
        BEGIN,
        "## Spatia: cost of a denoising step",
        "",
        f"`python -m benchmarks.spatia_cost`, {datetime.date.today().isoformat()}; counted on the full model without "
        "weights, two calls a step (guidance).",
        "",
        f"Parameters: {parameters['main']:,} main, {parameters['control']:,} control. Weights as loaded in bfloat16: "
        f"{figures['weight_bytes'] / 1e9:.2f} GB.",
        "",
        "| round | size x frames | references | steps | tokens | PFLOP a step | PFLOP a round | widest activation, GB "
        "| s a step on a GPU | peak memory on a GPU |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, c in figures["presets"].items():
        width, height, frames = c["size"]
        lines.append(
            f"| {name} | {width}x{height}x{frames} | {c['references']} | {c['steps']} | {c['tokens']:,} "
            f"| {c['flops_per_step'] / 1e15:.3f} | {c['flops_per_round'] / 1e15:.2f} "
            f"| {c['widest_activation_bytes'] / 1e9:.2f} | not measured yet | not measured yet |"
        )
    return "\n".join([*lines, END, ""])


def write_section(path: Path, text: str) -> None:
    """Puts the section in place of the one before, or at the end."""
    old = path.read_text() if path.exists() else "# Results\n"
    start, stop = old.find(BEGIN), old.find(END)
    if start >= 0 and stop > start:
        path.write_text(old[:start] + text.rstrip("\n") + old[stop + len(END) :])
    else:
        path.write_text(old.rstrip("\n") + "\n\n" + text)


def main(target: str | None = None) -> None:
    """Prints the counts of every preset."""
    model = empty_transformer(SPATIA_5B).eval()
    sizes = {part: 0 for part in ("main", "control")}
    for name, parameter in model.named_parameters():
        sizes["control" if name.startswith("vace_") else "main"] += parameter.numel()
    figures = {
        "parameters": sizes,
        "weight_bytes": weight_bytes(model),
        "presets": {name: cost(model, preset) for name, preset in PRESETS.items()},
        "seconds_per_step": "not measured yet",
    }
    if target:
        write_section(Path(target), section(figures))
    finish(figures)


if __name__ == "__main__":
    main(*sys.argv[1:2])
