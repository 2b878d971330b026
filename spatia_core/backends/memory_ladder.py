"""How a large pipeline is fitted into this machine: the first rung of a ladder that it can stand on, and why.

All figures are estimates in bytes, from parameter counts and the formulas written here; benchmarks measure them where
a GPU is at hand. Nothing heavy is imported before `apply`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from spatia_core.backends.protocols import Rounds
from spatia_core.errors import BackendUnavailable, InvalidInput

GB = 1e9
BF16, FP32, FP8 = 2, 4, 1
"""Bytes of a number."""
_RESERVE = 1.2e9
"""What the driver, the libraries and fragmentation take of a card."""
_SYSTEM = 3e9
"""What the rest of the program takes of main memory."""
_TILE = 256
"""Side of the tiles a tiled decoder works on, pixels."""


@dataclass(frozen=True, slots=True)
class Model:
    """The figures of a video pipeline that decide what it needs."""

    name: str
    transformer: int
    """Parameters, control branch included."""
    text_encoder: int
    """Parameters."""
    vae: int
    """Parameters."""
    width: int
    """Numbers in a token."""
    layers: int
    """Transformer layers, control layers included."""
    token_pixels: int
    """Side of the square of pixels that a token stands for."""
    modulated_per_token: bool = False
    """True when every token has its own time step (Wan2.2 TI2V)."""
    decoder_channels: int = 96
    """Channels of the decoder's last stage."""
    decoder_scale: int = 1
    """Pixels per side that a place in the decoder's last stage stands for."""


WAN_VACE_1B = Model("Wan2.1-VACE-1.3B", 2_153_972_032, 5_680_910_336, 126_892_531, 1536, 45, 16)
WAN_VACE_14B = Model("Wan2.1-VACE-14B", 17_337_592_896, 5_680_910_336, 126_892_531, 5120, 48, 16)
SPATIA_5B = Model("Spatia", 6_395_186_368, 5_680_910_336, 704_688_668, 3072, 38, 32, True, 256, 2)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be made in one round."""

    width: int
    height: int
    frames: int
    """All that the transformer sees as clip, history included."""
    steps: int = 40
    references: int = 0
    """Single pictures it sees beside the clip."""
    guided: bool = True
    """True when every step takes two passes."""

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.frames, self.steps) < 1 or self.references < 0:
            raise InvalidInput(
                f"A clip of {self.width}x{self.height} with {self.frames} frames in {self.steps} steps cannot be made; "
                "each of these must be at least 1."
            )


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is."""

    vram: float | None
    """Free bytes on the GPU; None without one."""
    ram: float
    """Free bytes of main memory."""
    fp8: bool = True
    """True when the GPU's library has 8-bit floats for storage."""


Name = Literal["whole", "text-first", "offload", "tiled", "fp8", "layerwise", "cpu"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to fit a pipeline."""

    name: Name
    needs: float
    """Bytes on the GPU, or of main memory on the rung `cpu`."""
    ram: float
    """Bytes of main memory."""
    says: str
    """Why it was chosen and what it costs, one sentence for people."""


def tokens(model: Model, job: Job) -> int:
    """Tokens the transformer sees: four frames share a latent frame, the first has its own, as has each reference."""
    latent_frames = 1 + -(-(job.frames - 1) // 4) + job.references
    return latent_frames * -(-job.width // model.token_pixels) * -(-job.height // model.token_pixels)


def flops(model: Model, job: Job) -> float:
    """Floating point operations of one pass: 2 per parameter and token, 4 per pair of tokens, number and layer."""
    n = tokens(model, job)
    return 2.0 * model.transformer * n + 4.0 * n * n * model.width * model.layers


def denoising_bytes(model: Model, job: Job) -> float:
    """Live bytes beside the weights: per token 14 rows of 16-bit numbers, and 12 of 32-bit with a time step per token.

    The rows are the residual stream, a norm, q, k, v, the attended values, the feed-forward layer (4.7 rows, twice);
    attention itself is taken to be computed block by block.
    """
    row = tokens(model, job) * model.width
    return row * (14 * BF16 + (12 * FP32 if model.modulated_per_token else 0))


def decoding_bytes(model: Model, job: Job, tiled: bool = False) -> float:
    """Live bytes of the decoder: six maps of its last stage for the four frames of a latent frame, and the clip."""
    width, height = (min(job.width, _TILE), min(job.height, _TILE)) if tiled else (job.width, job.height)
    place = width * height / model.decoder_scale**2
    return 6 * 4 * place * model.decoder_channels * BF16 + job.frames * job.width * job.height * 3 * FP32


def _rungs(model: Model, job: Job) -> list[tuple[Name, float, float, str]]:
    """Every rung from the fastest: name, bytes on the GPU, bytes of main memory, what it does."""
    t, e, v = (n * BF16 for n in (model.transformer, model.text_encoder, model.vae))
    act, dec, small = denoising_bytes(model, job), decoding_bytes(model, job), decoding_bytes(model, job, tiled=True)
    text = 0.3e9  # activations of one prompt
    layer = max(model.transformer / model.layers, model.text_encoder / 24) * BF16 * 2
    everything = t + e + v
    return [
        ("whole", everything + max(act, dec) + _RESERVE, e, "all weights stay on the GPU in bf16"),
        (
            "text-first",
            max(e + text, t + v + max(act, dec)) + _RESERVE,
            everything,
            "the text encoder leaves the GPU once the prompt is read",
        ),
        ("offload", max(e + text, t + act, v + dec) + _RESERVE, everything, "each part is on the GPU only while used"),
        (
            "tiled",
            max(e + text, t + act, v + small) + _RESERVE,
            everything,
            "each part is on the GPU only while used and frames are coded in tiles",
        ),
        (
            "fp8",
            max(e / 2 + text, t / 2 + act, v + small) + _RESERVE,
            everything / 2 + v,
            "weights are stored in 8 bits and widened layer by layer: slightly less exact",
        ),
        (
            "layerwise",
            max(layer + text, layer + act, v + small) + _RESERVE,
            everything,
            "layers travel to the GPU one by one: many times slower",
        ),
    ]


def climb(model: Model, job: Job, machine: Machine) -> list[Rung]:
    """Every rung of the ladder for this job, from the fastest, whether the machine can stand on it or not."""
    out = []
    for name, needs, ram, does in _rungs(model, job):
        ram += _SYSTEM
        costs = f"needs {needs / GB:.1f} GB on the GPU and {ram / GB:.1f} GB of main memory."
        says = f"{model.name} at {job.width}x{job.height}, {job.frames} frames: {does}; {costs}"
        out.append(Rung(name, needs, ram, says))
    whole = (model.transformer + model.text_encoder + model.vae) * FP32
    ram = whole + 2 * max(denoising_bytes(model, job), decoding_bytes(model, job, tiled=True)) + _SYSTEM
    hours = flops(model, job) * (2 if job.guided else 1) * job.steps / 2e11 / 3600
    says = (
        f"{model.name} at {job.width}x{job.height}, {job.frames} frames on the processor in fp32: needs {ram / GB:.1f} "
        f"GB of main memory and, at 200 GFLOP/s, about {_span(hours)}."
    )
    return [*out, Rung("cpu", ram, ram, says)]


def _span(hours: float) -> str:
    return f"{hours:.0f} hours" if hours >= 2 else f"{max(1, round(60 * hours))} minutes"


def choose(model: Model, job: Job, machine: Machine, instead: str = "") -> Rung:
    """The fastest rung that fits; raises BackendUnavailable with what is needed, what is there and what to do."""
    ladder = climb(model, job, machine)
    for rung in ladder:
        if rung.name == "cpu" and machine.vram is not None:
            continue  # a GPU is there: the processor would take days and is only used when asked for
        if rung.name == "fp8" and not machine.fp8:
            continue
        room = machine.ram if rung.name == "cpu" else (machine.vram or 0.0)
        if room >= rung.needs and machine.ram >= rung.ram:
            return rung
    raise BackendUnavailable(_refusal(model, job, machine, ladder, instead))


def _refusal(model: Model, job: Job, machine: Machine, ladder: list[Rung], instead: str) -> str:
    on_gpu = [r for r in ladder if r.name != "cpu"]
    least = min(on_gpu, key=lambda r: (r.needs, r.ram))
    lean = min(on_gpu, key=lambda r: r.ram)
    if machine.vram is None:
        have = f"This machine has no GPU and {machine.ram / GB:.1f} GB of free main memory"
        need = f"without one it needs {ladder[-1].ram / GB:.1f} GB"
    else:
        have = (
            f"This machine has {machine.vram / GB:.1f} GB free on the GPU and {machine.ram / GB:.1f} GB of main memory"
        )
        need = f"it needs at least {least.needs / GB:.1f} GB there and {lean.ram / GB:.1f} GB of main memory"
    return (
        f"{model.name} cannot make {job.frames} frames of {job.width}x{job.height} here. {have}; {need}. Make the clip "
        f"smaller or shorter, close other programs, or use a larger machine. {instead}"
    ).strip()


def apply(pipe: Any, rung: Rung, device: str = "cuda", compiled: bool = False) -> Any:
    """The pipeline set up for the rung, its weights loaded in bf16 (fp32 on `cpu`); returned for chaining.

    `compiled` has torch.compile work on the transformer, where all of it stays on the GPU.
    """
    import torch

    if rung.name in ("tiled", "fp8", "layerwise", "cpu") and hasattr(pipe.vae, "enable_tiling"):
        pipe.vae.enable_tiling()
    if rung.name != "whole" and hasattr(pipe.vae, "enable_slicing"):
        pipe.vae.enable_slicing()
    if rung.name == "cpu":
        pipe.to("cpu")
    elif rung.name == "whole":
        pipe.to(device)
    elif rung.name == "text-first":
        pipe.transformer.to(device)
        pipe.vae.to(device)
    elif rung.name == "layerwise":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        if rung.name == "fp8":
            store_in_8_bits(pipe, torch.bfloat16)
        pipe.enable_model_cpu_offload(device=device)
    if compiled and rung.name in ("whole", "text-first"):
        pipe.transformer.compile()
    return pipe


def store_in_8_bits(pipe: Any, compute: Any) -> None:
    """The transformer's and the text encoder's matrices are kept as 8-bit floats and widened to `compute` when used."""
    import torch
    from diffusers.hooks import apply_layerwise_casting

    pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=compute)
    encoder = getattr(pipe, "text_encoder", None)
    if encoder is not None:
        skip = ("norm", "shared", "embed", "relative_attention_bias", r"\bwo\b")  # T5 breaks when its wo is narrowed
        apply_layerwise_casting(
            encoder, storage_dtype=torch.float8_e4m3fn, compute_dtype=compute, skip_modules_pattern=skip
        )


def this_machine(device: str | None = None) -> Machine:
    """What is free now, on the GPU that torch sees and in main memory."""
    import torch

    vram = None
    if device != "cpu" and torch.cuda.is_available():
        vram = float(torch.cuda.mem_get_info(device if device and ":" in device else None)[0])
    return Machine(vram, _free_ram(), hasattr(torch, "float8_e4m3fn"))


def _free_ram() -> float:
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    import psutil

    return float(psutil.virtual_memory().available)


@dataclass(frozen=True, slots=True)
class Preset:
    """How much is asked of the generator."""

    name: str
    rounds: Rounds
    steps: int
    guidance: float
    most_pixels: int
    """A frame with more is generated smaller, in its own shape, and enlarged."""


PRESETS = {
    "full": Preset("full", Rounds(121, 72, 9), 40, 3.5, 1248 * 704),
    "turbo": Preset("turbo", Rounds(49, 40, 9), 16, 3.5, 704 * 416),
}
"""`full` is what Spatia's authors run; `turbo` is meant for visitors of a shared machine: about 1/100 of the work."""


def preset(name: str) -> Preset:
    """A preset by name."""
    if name not in PRESETS:
        raise InvalidInput(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def duration(frames: int, steps: int, width: int, height: int, model: Model = SPATIA_5B) -> int:
    """Seconds of a large GPU that one round takes, to be asked for in advance (ZeroGPU's `duration`).

    Assumed: 7 references, two passes a step (guidance), 250 TFLOP/s sustained in bf16 (a quarter of an H200's dense
    figure), three clips coded at 1e7 pixels a second, 25 s to bring the weights onto the card, a fifth on top; never
    less than 30 s.
    """
    job = Job(width, height, frames, steps, references=7)
    seconds = 25 + 2 * steps * flops(model, job) / 250e12 + 3 * frames * width * height / 1e7
    return max(30, round(1.2 * seconds))


def duration_of(model: Model) -> Callable[[int, int, int, int], int]:
    """`duration` of another model, as a callable of frames, steps, width and height."""
    return lambda frames, steps, width, height: duration(frames, steps, width, height, model)
