"""The memory ladder: which rung is chosen, what it says, and that a pipeline stands on it."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spatia_core.backends import memory_ladder as ladder
from spatia_core.backends.generate_pipeline import measured, read_prompts
from spatia_core.backends.memory_ladder import GB, SPATIA_5B, WAN_VACE_1B, WAN_VACE_14B, Job, Machine
from spatia_core.errors import BackendUnavailable, InvalidInput
from tests.tiny_wan import save_tiny_vace

FULL = Job(1248, 704, 121)
SMALL = Job(832, 480, 81)
ORDER = ["whole", "text-first", "offload", "tiled", "fp8", "layerwise", "cpu"]
MODELS = st.sampled_from([SPATIA_5B, WAN_VACE_1B, WAN_VACE_14B])
JOBS = st.builds(
    Job, st.integers(64, 1920), st.integers(64, 1088), st.integers(1, 161), st.integers(1, 60), st.integers(0, 7)
)


def test_tokens_are_those_of_the_published_run():
    assert ladder.tokens(SPATIA_5B, Job(1248, 704, 121)) == 31 * 858
    assert ladder.tokens(SPATIA_5B, Job(1248, 704, 81, references=7)) == (7 + 21) * 858


@pytest.mark.parametrize(
    ("vram", "expected"), [(80, "whole"), (30, "text-first"), (21, "offload"), (18, "fp8"), (12, "layerwise")]
)
def test_smaller_cards_stand_on_later_rungs(vram, expected):
    assert ladder.choose(SPATIA_5B, FULL, Machine(vram * GB, 128 * GB)).name == expected


@given(model=MODELS, job=JOBS, vram=st.floats(0.5, 200), ram=st.floats(4, 300))
def test_what_is_chosen_fits_and_nothing_faster_does(model, job, vram, ram):
    machine = Machine(vram * GB, ram * GB)
    rungs = ladder.climb(model, job, machine)
    assert [r.name for r in rungs] == ORDER
    fits = [r.name for r in rungs[:-1] if r.needs <= vram * GB and r.ram <= ram * GB]
    try:
        chosen = ladder.choose(model, job, machine)
    except BackendUnavailable:
        assert not fits
    else:
        assert chosen.name == fits[0]
        assert f"{chosen.needs / GB:.1f} GB" in chosen.says


@given(model=MODELS, job=JOBS)
def test_later_rungs_need_no_more_of_the_card(model, job):
    needs = [r.needs for r in ladder.climb(model, job, Machine(GB, GB))[:-1]]
    assert all(a >= b for a, b in pairwise(needs))


@given(model=MODELS, job=JOBS, more=st.integers(1, 40))
def test_longer_clips_need_more_and_take_longer(model, job, more):
    longer = replace(job, frames=job.frames + 4 * more)
    machine = Machine(GB, GB)
    assert all(
        b.needs >= a.needs
        for a, b in zip(ladder.climb(model, job, machine), ladder.climb(model, longer, machine), strict=True)
    )
    assert ladder.duration(longer.frames, job.steps, job.width, job.height, model) >= ladder.duration(
        job.frames, job.steps, job.width, job.height, model
    )


def test_a_card_too_small_is_told_what_is_needed_what_is_there_and_what_to_do():
    with pytest.raises(BackendUnavailable) as refused:
        ladder.choose(SPATIA_5B, FULL, Machine(4 * GB, 64 * GB), "Use reproject.")
    text = str(refused.value)
    assert "4.0 GB free on the GPU" in text
    assert "Use reproject." in text
    assert f"{ladder.climb(SPATIA_5B, FULL, Machine(GB, GB))[5].needs / GB:.1f} GB" in text


def test_without_a_gpu_the_processor_is_used_only_when_memory_allows():
    assert ladder.choose(WAN_VACE_1B, SMALL, Machine(None, 80 * GB)).name == "cpu"
    with pytest.raises(BackendUnavailable, match="no GPU"):
        ladder.choose(WAN_VACE_1B, SMALL, Machine(None, 16 * GB))


def test_a_card_without_8_bit_floats_skips_that_rung():
    assert ladder.choose(SPATIA_5B, FULL, Machine(18 * GB, 128 * GB, fp8=False)).name == "layerwise"


@pytest.mark.parametrize("bad", [(0, 4, 1), (4, 4, 0), (4, -1, 1)])
def test_an_empty_job_is_refused(bad):
    with pytest.raises(InvalidInput):
        Job(*bad)


def test_the_turbo_preset_is_a_small_part_of_the_full_one():
    full, turbo = ladder.preset("full"), ladder.preset("turbo")
    works = [
        p.steps * ladder.flops(SPATIA_5B, Job(w, h, p.rounds.first))
        for p, (w, h) in ((full, (1248, 704)), (turbo, (704, 416)))
    ]
    assert works[1] < works[0] / 30
    assert ladder.duration(49, 16, 704, 416) <= 60 < ladder.duration(121, 40, 1248, 704)
    assert ladder.duration_of(SPATIA_5B)(49, 16, 704, 416) == ladder.duration(49, 16, 704, 416)


class Recorded(SimpleNamespace):
    """A pipeline that only writes down what is done to it."""

    def __init__(self) -> None:
        super().__init__(done=[])

    def __getattr__(self, name: str):
        if name in ("transformer", "vae"):
            part = Recorded()
            part.done = self.done
            return part
        if name == "text_encoder":
            return None
        return lambda *args, **options: self.done.append(name)


@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("whole", ["to"]),
        ("text-first", ["enable_slicing", "to", "to"]),
        ("offload", ["enable_slicing", "enable_model_cpu_offload"]),
        ("tiled", ["enable_tiling", "enable_slicing", "enable_model_cpu_offload"]),
        ("fp8", ["enable_tiling", "enable_slicing", "enable_layerwise_casting", "enable_model_cpu_offload"]),
        ("layerwise", ["enable_tiling", "enable_slicing", "enable_sequential_cpu_offload"]),
        ("cpu", ["enable_tiling", "enable_slicing", "to"]),
    ],
)
def test_a_rung_is_built_from_what_diffusers_offers(name, does):
    rung = next(r for r in ladder.climb(SPATIA_5B, FULL, Machine(GB, GB)) if r.name == name)
    pipe = Recorded()
    assert ladder.apply(pipe, rung) is pipe
    assert pipe.done == does
    compiled = Recorded()
    ladder.apply(compiled, rung, compiled=True)
    assert ("compile" in compiled.done) == (name in ("whole", "text-first"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_vace(tmp_path_factory.mktemp("vace"))


def test_a_pipeline_on_disk_is_measured_without_loading_it(folder):
    from diffusers import WanVACEPipeline

    pipe = WanVACEPipeline.from_pretrained(folder, local_files_only=True)
    found = measured(folder, WAN_VACE_1B)
    count = sum(p.numel() for p in pipe.transformer.parameters())
    assert (found.transformer, found.width, found.layers) == (count, 24, 3 + 2)
    assert found.vae == sum(p.numel() for p in pipe.vae.parameters())
    assert found.text_encoder < 100_000


def test_weights_stored_in_8_bits_still_make_frames(folder):
    import numpy as np
    from diffusers import WanVACEPipeline

    frames = []
    for narrow in (False, True):
        pipe = WanVACEPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        pipe.set_progress_bar_config(disable=True)
        if narrow:
            ladder.store_in_8_bits(pipe, torch.float32)
            kept = {p.dtype for n, p in pipe.transformer.named_parameters() if "attn1.to_q.weight" in n}
            assert kept == {torch.float8_e4m3fn}
        generator = torch.Generator("cpu").manual_seed(0)
        read = read_prompts(pipe, ["a room", ""], 32, torch.device("cpu"))
        size = {"height": 32, "width": 32, "num_frames": 5, "num_inference_steps": 2, "return_dict": False}
        frames.append(pipe(prompt_embeds=read[:1], negative_prompt_embeds=read[1:], generator=generator, **size)[0])
    assert np.isfinite(frames[1]).all()
    assert 0 < np.abs(frames[1] - frames[0]).mean() < 0.1


def test_asking_for_a_rung_loads_no_heavy_library():
    script = (
        "import sys\nfrom spatia_core.backends import memory_ladder as l\n"
        "l.choose(l.SPATIA_5B, l.Job(832, 480, 81), l.Machine(80e9, 80e9))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_this_machine_has_some_memory():
    found = ladder.this_machine("cpu")
    assert found.vram is None
    assert found.ram > 1e8
