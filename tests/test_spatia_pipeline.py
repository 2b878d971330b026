"""One round through the very path users take: a saved pipeline, loaded without a network."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spatia_core.backends.spatia import latents as lat
from spatia_core.backends.spatia.names import official_name
from spatia_core.backends.spatia.pipeline import (
    PromptEmbeds,
    RoundInputs,
    RoundSettings,
    SpatiaPipeline,
    load_pipeline,
)
from spatia_core.errors import Cancelled, InvalidInput
from tests.tiny_spatia import tiny_pipeline

F, H, W = 9, 32, 64
QUICK = RoundSettings(steps=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("spatia")
    tiny_pipeline(place)
    return place


@pytest.fixture
def pipe(folder) -> SpatiaPipeline:
    return load(folder)


def load(folder: Path) -> SpatiaPipeline:
    return SpatiaPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)


def pictures(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def later(**changes) -> RoundInputs:
    given = RoundInputs(
        projection=pictures(F, H, W, 3),
        holes=pictures(F, H, W, seed=1),
        history=pictures(5, H, W, 3, seed=2),
        references=pictures(2, H, W, 3, seed=3),
    )
    return replace(given, **changes)


def first(**changes) -> RoundInputs:
    return later(history=None, references=None, first_frame=pictures(H, W, 3, seed=4), **changes)


def test_a_first_and_a_later_round_give_a_clip_of_the_right_size(pipe):
    made = pipe("a room", first(), QUICK)
    assert made.frames.shape == (F, H, W, 3)
    assert made.frames.dtype == np.uint8
    assert made.latents.shape == (1, 48, 3, 2, 4)
    assert made.known == 1
    assert pipe("a room", later(), replace(QUICK, round_index=1)).known == 5


def test_the_same_seed_gives_the_same_clip_and_rounds_differ(folder, pipe):
    settings = replace(QUICK, round_index=1)
    made, again = pipe("a room", later(), settings), load(folder)("a room", later(), settings)
    assert torch.equal(made.latents, again.latents)
    np.testing.assert_array_equal(made.frames, again.frames)
    other = pipe("a room", later(), replace(settings, round_index=2))
    assert not torch.equal(made.latents[:, :, 2:], other.latents[:, :, 2:])
    assert torch.equal(made.latents[:, :, :2], other.latents[:, :, :2])  # history is the same
    reused = [pipe("a room", later(), replace(settings, round_index=r, reuse_noise=True)).latents for r in (1, 2)]
    assert torch.equal(*reused)
    assert not torch.equal(made.latents, pipe("a room", later(), replace(settings, seed=1)).latents)


@pytest.mark.parametrize("part", ["projection", "holes", "history", "references", "prompt"])
def test_everything_it_is_shown_matters(pipe, part):
    settings = replace(QUICK, round_index=1)
    before = pipe("a room", later(), settings).latents
    if part == "prompt":
        after = pipe("a street", later(), settings).latents
    else:
        changed = 255 - getattr(later(), part)
        after = pipe("a room", later(**{part: changed}), settings).latents
    assert not torch.equal(before[:, :, 2:], after[:, :, 2:])


def test_the_clip_begins_with_what_is_known(pipe):
    made = pipe("a room", later(), replace(QUICK, round_index=1))
    assert torch.equal(made.latents[:, :, :2], lat.encode(pipe.vae, lat.signed(pictures(5, H, W, 3, seed=2))))
    made = pipe("a room", first(), QUICK)
    assert torch.equal(made.latents[:, :, :1], lat.encode(pipe.vae, lat.signed(pictures(H, W, 3, seed=4)[None])))


def test_references_are_encoded_each_by_itself(pipe):
    both = pictures(2, H, W, 3)
    alone = torch.cat([lat.encode(pipe.vae, lat.signed(both[k : k + 1])) for k in range(2)], 2)
    assert torch.equal(lat.encode_references(pipe.vae, both), alone)


def test_control_is_the_projection_in_minus_one_to_one_and_the_holes_in_zero_to_one(pipe):
    projection, holes = pictures(5, H, W, 3), pictures(5, H, W)
    control = lat.encode_control(pipe.vae, projection, holes)
    shown = torch.from_numpy(projection).permute(3, 0, 1, 2)[None].float() * (2 / 255) - 1
    unknown = torch.from_numpy(holes)[None, None].expand(1, 3, -1, -1, -1).float() / 255
    assert torch.equal(control, torch.cat([lat.encode(pipe.vae, shown), lat.encode(pipe.vae, unknown)], 1))
    nothing = lat.encode_control(pipe.vae, projection)
    assert torch.equal(nothing[:, 48:], lat.encode(pipe.vae, torch.ones_like(shown)))
    unseen = lat.encode_control(pipe.vae, None, holes)
    assert torch.equal(unseen[:, :48], lat.encode(pipe.vae, torch.zeros_like(shown)))


def test_a_film_is_joined_without_the_repeated_history(pipe):
    rounds = [torch.full((1, 1, n, 1, 1), float(n)) for n in (31, 21, 21)]
    film = lat.joined(rounds)
    assert film.shape[2] == 31 + 18 + 18
    settings = replace(QUICK, decode=False)
    made = [pipe("a room", first(), settings), pipe("a room", later(), replace(settings, round_index=1))]
    film_frames = pipe.decode_film([m.latents for m in made], history=2)
    assert film_frames.shape == (F + F - 5, H, W, 3)
    np.testing.assert_array_equal(film_frames[:F], lat.to_frames(lat.decode(pipe.vae, made[0].latents)))


def test_pixels_survive_the_way_to_a_video_and_back():
    frames = pictures(3, 4, 5, 3)
    np.testing.assert_array_equal(lat.to_frames(lat.signed(frames)), frames)


def test_cancelling_gets_through(pipe):
    def stop(done: int, steps: int) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        pipe("a room", first(), QUICK, stop)


def test_without_guidance_the_negative_prompt_is_not_read(pipe):
    settings = replace(QUICK, guidance=1.0)
    embeds = pipe.encode_prompt("a room", negative=None)
    assert embeds.negative is None
    assert torch.equal(pipe(embeds, first(), settings).latents, pipe("a room", first(), settings).latents)
    with pytest.raises(InvalidInput, match="negative prompt"):
        pipe(embeds, first(), QUICK)


@pytest.mark.parametrize("prompt", ["", " \n ", "x" * 10_000, "ένα δωμάτιο 部屋 غرفة 🛋", "&lt;room&gt;"])
def test_any_prompt_is_read(pipe, prompt):
    embeds = pipe.encode_prompt(prompt)
    assert embeds.positive.shape == (1, 512, 32)
    assert torch.isfinite(embeds.positive).all()


def test_padding_is_zero_and_the_suffix_can_be_left_out(pipe):
    long, short = pipe.encode_prompt("a room").positive, pipe.encode_prompt("a room", suffix="").positive
    words = [int((e.abs().sum(-1) > 0).sum()) for e in (long, short)]
    assert words[0] > words[1] > 0
    assert not short[0, words[1] :].any()
    spaced = pipe.encode_prompt("  a \n room ", suffix="").positive
    assert torch.equal(spaced, short)


def test_a_released_text_encoder_asks_for_embeddings(pipe):
    embeds = pipe.encode_prompt("a room")
    wanted = pipe("a room", first(), QUICK).latents
    pipe.release_text_encoder()
    assert torch.equal(pipe(embeds, first(), QUICK).latents, wanted)
    with pytest.raises(InvalidInput, match="PromptEmbeds"):
        pipe("a room", first(), QUICK)


@pytest.mark.parametrize(
    ("inputs", "settings", "says"),
    [
        (RoundInputs(projection=np.zeros((8, H, W, 3), np.uint8)), {}, r"8 frames.*4k \+ 1.*5 and 9"),
        (RoundInputs(projection=np.zeros((5, 48, W, 3), np.uint8)), {}, "64x48.*multiples of 32"),
        (RoundInputs(), {}, "num_frames"),
        (RoundInputs(), {"num_frames": 6, "size": (H, W)}, "6 frames"),
        (later(first_frame=pictures(H, W, 3)), {}, "not with both"),
        (later(history=pictures(4, H, W, 3)), {}, "4 frames"),
        (later(history=pictures(F, H, W, 3)), {}, "nothing to make"),
        (later(history=pictures(5, 64, W, 3)), {}, "history must be 64x32"),
        (later(references=pictures(2, H, 32, 3)), {}, "references must be 64x32"),
        (later(holes=pictures(5, H, W)), {}, "same frames"),
        (later(references=pictures(2, H, W, 3).astype(np.float32)), {}, "uint8"),
        (later(), {"num_frames": 5}, "ask for"),
        (later(), {"steps": 0}, "step"),
    ],
)
def test_what_does_not_fit_is_said(pipe, inputs, settings, says):
    with pytest.raises(InvalidInput, match=says):
        pipe("a room", inputs, replace(QUICK, **settings))


def test_without_a_projection_the_control_branch_is_left_out(pipe):
    settings = replace(QUICK, num_frames=F, size=(H, W))
    free = pipe("a room", RoundInputs(first_frame=pictures(H, W, 3, seed=4)), settings)
    off = pipe("a room", first(), replace(QUICK, control_scale=0.0))
    torch.testing.assert_close(free.latents, off.latents, rtol=0, atol=0)


def test_the_published_files_make_the_same_pipeline_with_the_lora_on_after_the_first_round(pipe, folder, tmp_path):
    # the base as its authors lay it out: WanTransformer3DModel without a control branch
    base = tmp_path / "base"
    pipe.save_pretrained(base)
    index = json.loads((base / "model_index.json").read_text())
    index |= {"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"]}
    index |= {"transformer_2": [None, None], "boundary_ratio": None, "expand_timesteps": True}
    (base / "model_index.json").write_text(json.dumps(index))
    state = pipe.transformer.state_dict()
    parts = {c: {n: t.clone() for n, t in state.items() if n.startswith("vace_") == c} for c in (True, False)}
    own = base / "transformer"
    for file in own.glob("*.safetensors"):
        file.unlink()
    save_file(parts[False], own / "diffusion_pytorch_model.safetensors")
    # published control blocks stand at every fourth layer: keep the first
    control = {n: t for n, t in parts[True].items() if not n.startswith("vace_blocks.1.")}
    save_file({official_name(n): t for n, t in control.items()}, tmp_path / "control_weight_8500.safetensors")
    factor = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    names = [f"pipe.dit.blocks.1.self_attn.q.lora_{half}.default.weight" for half in "AB"]
    save_file(dict(zip(names, (factor, factor.T.contiguous()), strict=True)), tmp_path / "lora.safetensors")

    loaded = load_pipeline(
        base, tmp_path / "control_weight_8500.safetensors", tmp_path / "lora.safetensors", torch.float32
    )
    by_round = [loaded("a room", later(), replace(QUICK, round_index=r, reuse_noise=True)).latents for r in (0, 1)]
    forced = [
        loaded("a room", later(), replace(QUICK, round_index=1, reuse_noise=True, lora=on)).latents
        for on in (False, True)
    ]
    assert torch.equal(by_round[0], forced[0])
    assert torch.equal(by_round[1], forced[1])
    assert not torch.equal(*forced)


def test_prompt_embeddings_may_be_given(pipe):
    generator = torch.Generator().manual_seed(0)
    embeds = PromptEmbeds(*(torch.randn(1, 7, 32, generator=generator) for _ in range(2)))
    made = pipe(embeds, first(), replace(QUICK, decode=False))
    assert torch.isfinite(made.latents).all()
    assert made.frames is None
