"""How far our numbers lie from recordings of the published modules: `python -m benchmarks.parity FILES...`.

A recording is a safetensors file of inputs `in.*`, weights `sd.dit.*`, `sd.vace.*`, `sd.vae.*` under their official
names and outputs `out.*`, with its configuration as JSON under the metadata key `config`. Its keys tell the case. The
last line printed is {ok, files: {name: largest absolute difference}, ...}; exit code 1 when a difference is too large
or a file cannot be judged.
"""

import ast
import json
import math
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.reporting import finish
from spatia_core.backends.spatia import latents, sampler
from spatia_core.backends.spatia.vae_weights import assemble_vae
from spatia_core.backends.spatia.weights import (
    Weights,
    assemble,
    check_file,
    empty_transformer,
    expected_shapes,
    is_control,
)
from spatia_core.errors import InvalidInput, SpatiaError
from spatia_core.references import assign, front_most

LIMITS = {"denoiser": 2e-5, "round": 2e-5, "autoencoder": 2e-5, "scheduler": 1e-6, "retrieval": 0.0}
"""Largest difference allowed by case."""


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """One file."""

    config: Mapping[str, Any]
    given: Weights
    """`in.*`"""
    expected: Weights
    """`out.*`"""
    weights: Weights
    """`sd.*`"""

    @classmethod
    def read(cls, path: Path) -> "Recording":
        """The recording in a safetensors file."""
        from safetensors import safe_open

        check_file(path)
        with safe_open(path, "pt") as file:
            config = json.loads((file.metadata() or {}).get("config", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        groups = [
            {n.split(".", 1)[1]: t for n, t in tensors.items() if n.startswith(p)} for p in ("in.", "out.", "sd.")
        ]
        return cls(config, *groups)

    def part(self, name: str) -> Weights:
        """The weights of one module under their official names."""
        return {n.removeprefix(f"{name}."): t for n, t in self.weights.items() if n.startswith(f"{name}.")}

    def first(self, *names: str) -> torch.Tensor | None:
        """The first of these inputs that the recording has."""
        return next((self.given[n] for n in names if n in self.given), None)

    def number(self, default: float, *names: str) -> float:
        """The first of these settings that the configuration has."""
        return float(next((self.config[n] for n in names if self.config.get(n) is not None), default))

    @property
    def solver(self) -> sampler.Solver:
        """The solver, UniPC unless the configuration says euler anywhere."""
        return "euler" if any(v == "euler" for v in self.config.values()) else "unipc"


def case(recording: Recording) -> str:
    """What the recording fixes, told by its keys."""
    given, expected = recording.given, recording.expected
    parts = {name.split(".")[0] for name in recording.weights}
    if {"dit", "vae"} <= parts and "latents" in expected:
        return "round"
    if "dit" in parts and "latents" in given:
        return "denoiser"
    if parts & {"vae", "encoder", "decoder", "model"} and "dit" not in parts:
        return "autoencoder"
    if any(name.startswith("sigmas") for name in expected):
        return "scheduler"
    if "points" in given and any(name.startswith("match") or name.endswith("masks") for name in expected):
        return "retrieval"
    raise InvalidInput(
        "The file's layout is not known: it must hold sd.dit.* with in.latents (denoiser), sd.dit.* and sd.vae.* with "
        "out.latents (whole round), sd.vae.* (autoencoder), out.sigmas_* (scheduler) or in.points with out.*masks "
        f"(retrieval). It holds: {', '.join(sorted(expected)[:6]) or 'no out.*'}."
    )


def denoiser(recording: Recording) -> Callable[..., torch.Tensor]:
    """(latents, timestep, text, control) to the velocity, with the recording's weights, references and scale."""
    c = recording.config
    config = {
        "patch_size": tuple(c.get("patch_size", (1, 2, 2))),
        "num_attention_heads": c["num_heads"],
        "attention_head_dim": c["dim"] // c["num_heads"],
        "in_channels": c["in_dim"],
        "out_channels": c["out_dim"],
        "text_dim": c["text_dim"],
        "freq_dim": c["freq_dim"],
        "ffn_dim": c["ffn_dim"],
        "num_layers": c["num_layers"],
        "eps": c.get("eps", 1e-6),
        "vace_layers": list(c.get("vace_layers") or [0]),
        "vace_in_channels": c.get("vace_in_dim", 96),
    }
    control = recording.part("vace")
    if not control:  # recorded without a control branch: the model has one, and it stays unused
        shapes = expected_shapes(empty_transformer(config))
        control = {name: torch.zeros(shape) for name, shape in shapes.items() if is_control(name)}
    model = assemble(config, recording.part("dit"), control, torch.float32)
    scale = recording.number(1.0, "scale", "vace_scale", "control_scale")
    refs = int(recording.number(0, "refs"))

    def velocity(x: torch.Tensor, t: torch.Tensor, text: torch.Tensor, control: torch.Tensor | None) -> torch.Tensor:
        with torch.no_grad():
            return model(x, t, text, control, scale, refs).sample

    return velocity


def compare_denoiser(recording: Recording) -> dict[str, float]:
    """One call of the denoiser."""
    given, c = recording.given, recording.config
    x = given["latents"]
    t = given["timestep"].float()
    if t.numel() == 1:  # one time for all frames; with a first frame given, that one counts as clean
        t = t.reshape(1).expand(x.shape[2]).clone()
        known = int(recording.number(0, "refs")) + int(recording.number(0, "hist"))
        image_given = bool(c.get("fuse_vae_embedding_in_latents", True) and c.get("seperated_timestep", True))
        t[: max(known, int(image_given))] = 0
    t = t.reshape(1, -1).expand(x.shape[0], -1) if t.ndim == 1 else t
    control = given.get("control") if c.get("control", True) else None
    text = recording.first("context", "text", "text_positive")
    name = "velocity" if "velocity" in recording.expected else next(iter(recording.expected))
    return {name: gap(denoiser(recording)(x, t, text, control), recording.expected[name])}


def autoencoder(recording: Recording) -> Any:
    """The recording's autoencoder."""
    c = recording.config.get("vae", recording.config)
    z = c.get("z_dim", 48)
    config = latents.WAN22_VAE | {
        "base_dim": c.get("dim", 160),
        "decoder_base_dim": c.get("dec_dim", 256),
        "z_dim": z,
        "dim_mult": c.get("dim_mult", [1, 2, 4, 4]),
        "num_res_blocks": c.get("num_res_blocks", 2),
        "temperal_downsample": c.get("temperal_downsample", [False, True, True]),
        "latents_mean": c.get("mean", latents.WAN22_MEAN[:z]),
        "latents_std": c.get("std", latents.WAN22_STD[:z]),
    }
    weights = recording.part("vae") or recording.weights
    return assemble_vae({n.removeprefix("model."): t.float() for n, t in weights.items()}, config)


def compare_autoencoder(recording: Recording) -> dict[str, float]:
    """Every recorded output: videos are told from latents by their three channels."""
    vae = autoencoder(recording)
    pools = {
        video: [as_video(t) if video else t for t in recording.given.values() if is_video(t) == video]
        for video in (True, False)
    }
    # a decoder's input may be the encoder's recorded output
    pools[False] += [t for t in recording.expected.values() if not is_video(t)]
    gaps = {}
    for name, wanted in recording.expected.items():
        work = latents.decode if is_video(wanted) else latents.encode
        made = [work(vae, t) for t in pools[not is_video(wanted)]]
        target = as_video(wanted) if is_video(wanted) else wanted
        fits = [gap(m, target) for m in made if m.shape == target.shape]
        if not fits:
            raise InvalidInput(f"No input of the recording gives an output of the shape of out.{name}.")
        gaps[name] = min(fits)
    return gaps


def is_video(tensor: torch.Tensor) -> bool:
    """True for pictures, False for latents."""
    return tensor.dtype == torch.uint8 or (tensor.ndim == 5 and tensor.shape[1] == 3)


def as_video(tensor: torch.Tensor) -> torch.Tensor:
    """8-bit frames as a video in [-1, 1], videos as they are."""
    if tensor.dtype != torch.uint8:
        return tensor.float()
    return latents.signed(tensor[None] if tensor.ndim == 3 else tensor)


def compare_round(recording: Recording) -> dict[str, float]:
    """A whole round: encoding, guidance, all steps, decoding."""
    given = recording.given
    vae, velocity = autoencoder(recording), denoiser(recording)
    images = recording.first("references", "refs", "ref_images")
    refs = latents.encode_references(vae, images) if images is not None and len(images) else None
    seen = recording.first("history", "image", "first_frame", "input_image")
    if seen is None or not len(seen):
        seen = next((t for t in given.values() if t.dtype == torch.uint8 and t.ndim == 3), None)
    known = None if seen is None else latents.encode(vae, as_video(seen))
    projection, holes = recording.first("control", "control_video"), recording.first("score", "coverage", "score_video")
    control = None if projection is None and holes is None else latents.encode_control(vae, projection, holes)
    control = control if recording.config.get("control", True) else None
    noise = given.get("noise")
    if noise is None:
        noise = sampler.draw_noise(tuple(recording.expected["latents"].shape), int(recording.number(20917, "seed")))
    texts = [
        recording.first("text_positive", "context", "text", "positive"),
        recording.first("text_negative", "negative"),
    ]
    wanted, unwanted = (lambda x, t, text=text: velocity(x, t, text, control) for text in texts)
    scheduler = sampler.make_scheduler(
        recording.solver, int(recording.number(40, "steps")), recording.number(5.0, "shift")
    )
    guidance = recording.number(3.5, "cfg_scale", "cfg", "guidance") if texts[1] is not None else 1.0
    made = sampler.sample(
        sampler.guided(wanted, unwanted, guidance),
        sampler.Start(noise.float(), known, refs),
        scheduler,
        lambda done, steps: None,
    )
    gaps = {"latents": gap(made, recording.expected["latents"])}
    if "video" in recording.expected:
        gaps["video"] = gap(latents.decode(vae, made), as_video(recording.expected["video"]))
    return gaps


def compare_scheduler(recording: Recording) -> dict[str, float]:
    """Sigmas, timesteps and the trajectory of every recorded number of steps."""
    expected, gaps = recording.expected, {}
    for name in [n for n in expected if n.startswith("sigmas")]:
        ending = name.removeprefix("sigmas")
        wanted = expected[name]
        steps = (
            int(ending.strip("_")) if ending.strip("_").isdigit() else int(recording.number(len(wanted) - 1, "steps"))
        )
        scheduler = sampler.make_scheduler(recording.solver, steps, recording.number(5.0, "shift"))
        gaps[name] = gap(scheduler.sigmas[: len(wanted)], wanted)
        times = expected.get(f"timesteps{ending}")
        if times is not None:
            # whole numbers must be equal; others are counted as shares of the training's thousand steps
            whole = not times.is_floating_point()
            gaps[f"timesteps{ending}"] = gap(scheduler.timesteps, times) / (1 if whole else 1000)
        if f"x{ending}" in expected:
            x = recording.given[f"x{ending}"]
            for i, t in enumerate(scheduler.timesteps):
                velocity = evaluate(recording.config["velocity"], {"x": x, "t": t, "i": i, "steps": steps})
                x = scheduler.step(velocity, t, x, return_dict=False)[0]
            gaps[f"x{ending}"] = gap(x, expected[f"x{ending}"])
    return gaps


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
_FUNCTIONS = {"sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "exp": torch.exp}


def evaluate(formula: str, values: Mapping[str, Any]) -> Any:
    """The value of an arithmetic formula; what follows its first comma outside brackets is prose."""
    depth = np.cumsum([{"(": 1, ")": -1}.get(letter, 0) for letter in formula])
    commas = [k for k, letter in enumerate(formula) if letter == "," and depth[k] == 0]
    formula = formula[: commas[0]] if commas else formula

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() | float()):
                return node.value
            case ast.Name(id=name) if name in values:
                return values[name]
            case ast.BinOp(op=op) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(node.left), value(node.right))
            case ast.UnaryOp(op=op) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(node.operand))
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](value(argument))
        raise InvalidInput(f"The recording's velocity {formula!r} is not a formula of x, t, i, steps and numbers.")

    try:
        return value(ast.parse(formula.strip(), mode="eval").body)
    except SyntaxError as e:
        raise InvalidInput(f"The recording's velocity {formula!r} is not a formula.") from e


def compare_retrieval(recording: Recording) -> dict[str, float]:
    """Masks and assignment; the difference is how many entries are not the same."""
    given = {name: t.numpy() for name, t in recording.given.items()}
    expected = {name: t.numpy() for name, t in recording.expected.items()}
    height, width = (int(n) for n in recording.config["image_size"])
    lens = given["intrinsics"].astype(np.float32).reshape(-1)
    if lens.size == 9:
        lens = lens[[0, 4, 2, 5]]
    if lens.max() <= 4:  # shares of width and height
        lens = lens * np.array([width, height, width, height], np.float32)
    points = given["points"].astype(np.float32)
    masks = {
        name: np.stack([front_most(points, pose, lens, (height, width)) for pose in given[f"{name}_w2c"]])
        for name in ("history", "target")
    }
    gaps = {
        f"{n}_masks": float((m != expected[f"{n}_masks"]).sum()) for n, m in masks.items() if f"{n}_masks" in expected
    }
    found = None
    for rounded in (False, True):  # the published code counts in float32 on the CPU, in bfloat16 on a card
        found = assign(masks["target"], masks["history"], len(masks["target"]), rounded)
        if "overlap" not in expected or np.array_equal(found.overlap, expected["overlap"]):
            break
    assert found is not None
    if "overlap" in expected:
        gaps["overlap"] = float(np.abs(found.overlap - expected["overlap"]).max())
    for name, ours in (("match_target", found.targets), ("match_history", found.candidates)):
        if name in expected:
            theirs = expected[name]
            gaps[name] = float((ours[: len(theirs)] != theirs).sum()) if len(ours) >= len(theirs) else math.inf
    return gaps


def gap(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest absolute difference; infinite when shapes differ or a number is not finite."""
    if ours.shape != theirs.shape:
        return math.inf
    difference = float((ours.double() - theirs.double()).abs().max()) if ours.numel() else 0.0
    return difference if math.isfinite(difference) else math.inf


CASES = {
    "denoiser": compare_denoiser,
    "round": compare_round,
    "autoencoder": compare_autoencoder,
    "scheduler": compare_scheduler,
    "retrieval": compare_retrieval,
}


def judge(path: Path) -> tuple[str, dict[str, float]]:
    """The recording's case and the largest difference of each of its outputs."""
    recording = Recording.read(path)
    kind = case(recording)
    return kind, CASES[kind](recording)


def main(files: list[str]) -> None:
    """Prints what differs and by how much."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    figures: dict[str, Any] = {"files": {}, "cases": {}, "outputs": {}, "errors": {}}
    passed = bool(files)
    for path in map(Path, files):
        name = path.name
        try:
            kind, gaps = judge(path)
        except SpatiaError as e:
            figures["errors"][name] = str(e)
        except (KeyError, ValueError, TypeError, RuntimeError, IndexError) as e:
            figures["errors"][name] = f"The recording lacks something its case needs ({type(e).__name__}: {e})."
        else:
            worst = max(gaps.values(), default=math.inf)
            figures["files"][name] = worst if math.isfinite(worst) else None
            figures["cases"][name] = kind
            figures["outputs"][name] = {n: g if math.isfinite(g) else None for n, g in gaps.items()}
            passed &= worst <= LIMITS[kind]
    if not files:
        figures["errors"]["-"] = "Give recordings: python -m benchmarks.parity FILES..."
    passed &= not figures["errors"]
    finish({"ok": passed} | figures, passed)


if __name__ == "__main__":
    main(sys.argv[1:])
