"""Our numbers against recordings of the published modules; `benchmarks/parity.py` judges any other recording."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks import parity

GOLDEN = Path(__file__).parent / "data" / "golden"
NAMES = sorted(p.stem for p in GOLDEN.glob("*.safetensors"))


def printed(capsys, *files: Path) -> tuple[int, dict]:
    before = torch.are_deterministic_algorithms_enabled()
    try:
        with pytest.raises(SystemExit) as left:
            parity.main([str(f) for f in files])
    finally:
        torch.use_deterministic_algorithms(before)
    return int(str(left.value.code)), json.loads(capsys.readouterr().out.splitlines()[-1])


def rewritten(tmp_path: Path, name: str, change) -> Path:
    """A copy of a recording with its tensors changed."""
    from safetensors import safe_open

    tensors = load_file(GOLDEN / f"{name}.safetensors")
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        metadata = file.metadata()
    change(tensors, metadata)
    target = tmp_path / "changed.safetensors"
    save_file(tensors, target, metadata)
    return target


@pytest.mark.parametrize("name", NAMES)
def test_the_published_modules_numbers_come_out(name):
    kind, gaps = parity.judge(GOLDEN / f"{name}.safetensors")
    assert gaps
    # a quarter of what is allowed: other recordings are larger
    assert max(gaps.values()) <= parity.LIMITS[kind] / 3


def test_the_command_names_every_file_and_is_content(capsys):
    code, figures = printed(capsys, *(GOLDEN / f"{n}.safetensors" for n in NAMES))
    assert code == 0
    assert figures["ok"] is True
    assert sorted(figures["files"]) == [f"{n}.safetensors" for n in NAMES]


def test_a_difference_is_seen(capsys, tmp_path):
    def nudge(tensors, metadata):
        tensors["out.velocity"][0, 0, 0, 0, 0] += 1e-3

    code, figures = printed(capsys, rewritten(tmp_path, "transformer_first_round", nudge))
    assert code == 1
    assert figures["ok"] is False
    assert figures["files"]["changed.safetensors"] == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_no_agreement(capsys, tmp_path, wrong):
    def spoil(tensors, metadata):
        tensors["out.velocity"][0, 0, 0, 0, 0] = wrong

    code, figures = printed(capsys, rewritten(tmp_path, "transformer_first_round", spoil))
    assert (code, figures["files"]["changed.safetensors"]) == (1, None)


def test_an_unknown_layout_is_said_so(capsys, tmp_path):
    save_file({"in.x": torch.zeros(1), "out.y": torch.zeros(1)}, tmp_path / "odd.safetensors", {"config": "{}"})
    code, figures = printed(capsys, tmp_path / "odd.safetensors")
    assert code == 1
    assert figures["ok"] is False
    assert "layout is not known" in figures["errors"]["odd.safetensors"]


def test_a_recording_without_its_inputs_is_said_so(capsys, tmp_path):
    def strip(tensors, metadata):
        del tensors["in.timestep"]

    code, figures = printed(capsys, rewritten(tmp_path, "transformer_rollout_refs", strip))
    assert code == 1
    assert "timestep" in figures["errors"]["changed.safetensors"]


def test_a_recording_that_is_not_there_is_said_so(capsys, tmp_path):
    code, figures = printed(capsys, tmp_path / "none.safetensors")
    assert code == 1
    assert "no weight file" in figures["errors"]["none.safetensors"]


def test_no_files_at_all_is_no_success(capsys):
    assert printed(capsys)[0] == 1


def test_a_recording_without_control_is_judged_without_it(tmp_path):
    def strip(tensors, metadata):
        config = json.loads(metadata["config"]) | {"control": False}
        metadata["config"] = json.dumps(config)
        for name in [n for n in tensors if n.startswith("sd.vace.") or n == "in.control"]:
            del tensors[name]

    kind, gaps = parity.judge(rewritten(tmp_path, "transformer_first_round", strip))
    assert kind == "denoiser"
    assert 1e-3 < gaps["velocity"] < 10  # another number than with control, but a number


def test_an_euler_recording_is_run_with_euler(tmp_path):
    steps = 8
    raw = torch.linspace(1, 0, steps + 1)
    sigmas = 5 * raw / (1 + 4 * raw)
    x = start = torch.randn(1, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    for i in range(steps):
        x = x + (0.7 * x + 0.3 * torch.sin(3 * x + 0.01 * 1000 * sigmas[i])) * (sigmas[i + 1] - sigmas[i])
    tensors = {"in.x_8": start, "out.x_8": x, "out.sigmas_8": sigmas, "out.timesteps_8": 1000 * sigmas[:-1]}
    config = {"shift": 5.0, "sampler": "euler", "velocity": "0.7*x + 0.3*sin(3*x + 0.01*t), t the timestep"}
    save_file(tensors, tmp_path / "euler.safetensors", {"config": json.dumps(config)})
    kind, gaps = parity.judge(tmp_path / "euler.safetensors")
    assert kind == "scheduler"
    assert max(gaps.values()) <= 1e-6


@pytest.mark.parametrize("formula", ["__import__('os')", "x.data", "open(x)", "x +", "y"])
def test_a_velocity_is_arithmetic_and_nothing_else(formula):
    with pytest.raises(parity.InvalidInput, match="not a formula"):
        parity.evaluate(formula, {"x": np.float32(1)})
