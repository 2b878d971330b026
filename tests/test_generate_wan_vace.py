"""Generator `wan-vace`, with a tiny pipeline of random weights that is loaded as a person's own folder is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spatia_core.backends import registry
from spatia_core.backends.generate_fitting import Canvas, checked_prompt, noise_seed, reference_pictures, strip_of
from spatia_core.backends.generate_wan_vace import WanVaceGenerator
from spatia_core.backends.protocols import Conditioning, GenerationSettings, Rounds, silent
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.conditioning import condition
from spatia_core.errors import BackendUnavailable, Cancelled, InvalidInput
from tests.studio import memory, start
from tests.tiny_wan import save_tiny_vace


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_vace(tmp_path_factory.mktemp("vace"))


def shown(frames: int = 3, width: int = 72, height: int = 40, history: int = 0) -> Conditioning:
    small = start().resized(width, height)
    cameras = list(make_path("truck-left", small, frames + history, SceneScale.before(start(), memory().stage_depth())))
    return condition(memory(), cameras[history:], history=cameras[:history])


def generator(folder, **options) -> WanVaceGenerator:
    return registry.create("generator", "wan-vace", weights=str(folder), device="cpu", steps=2, **options)


@pytest.fixture(scope="module")
def made(folder):
    return generator(folder)


SETTINGS = GenerationSettings(seed=3, fps=12)


def test_a_clip_has_one_frame_a_camera_at_the_clips_size_and_tells_how_it_was_made(made):
    told = []
    conditioning = shown(3)
    clip = made.generate(conditioning, "a room", SETTINGS, lambda share, doing: told.append((share, doing)))
    assert clip.images.shape == (3, 40, 72, 3)
    assert clip.cameras == conditioning.cameras
    assert (clip.fps, clip.seed, clip.maker, clip.prompt) == (12, 3, "wan-vace", "a room")
    assert [d for _, d in told if "Denoising" in d] == ["Denoising, step 1 of 2", "Denoising, step 2 of 2"]
    shares = [s for s, _ in told]
    assert shares == sorted(shares)
    assert "in 2 steps" in clip.notes[-1]
    assert made.rounds == Rounds(81, 72, 9)


def test_seed_and_round_decide_the_clip(made):
    conditioning = shown(2)
    first, again, other, later = (
        made.generate(conditioning, "", s).images
        for s in (SETTINGS, SETTINGS, replace(SETTINGS, seed=4), replace(SETTINGS, round_index=1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != later).any()


@pytest.mark.parametrize("prompt", ["", "x" * 10_000, "雪の降る部屋 🌨 غرفة", "a\x00b\n\n"])
def test_any_prompt_makes_a_clip(made, prompt):
    clip = made.generate(shown(1), prompt, SETTINGS)
    assert len(clip) == 1
    assert any("10000 characters" in n for n in clip.notes) == (len(prompt) == 10_000)
    assert "\x00" not in clip.prompt


def test_the_pipeline_is_shown_the_memory_with_grey_holes_and_history_in_front(made, monkeypatch):
    calls = []
    made.generate(shown(1), "", SETTINGS)
    whole = made._holder.pipe.__class__.__call__

    def seen(self, **arguments):
        calls.append(arguments)
        return whole(self, **arguments)

    monkeypatch.setattr(made._holder.pipe.__class__, "__call__", seen)
    conditioning = shown(4, history=6)
    clip = made.generate(conditioning, "", SETTINGS)
    call = calls[0]
    assert len(clip) == 4
    # 5 of the 6 history frames (4k + 1), 4 new ones; 9 is 4k + 1 already
    assert call["num_frames"] == len(call["video"]) == len(call["mask"]) == 9
    assert (call["width"], call["height"]) == (80, 48)
    shown_history = conditioning.history[-5:]
    pictures = [*(v.image for v in shown_history), *(p.rgb for p in conditioning.projections)]
    assert conditioning.invented is not None
    shown_new = [p.coverage & ~conditioning.invented[np.maximum(p.point_index, 0)] for p in conditioning.projections]
    known = [*(~np.isnan(v.depth) for v in shown_history), *shown_new]
    for fed, mask, picture, k in zip(call["video"], call["mask"], pictures, known, strict=True):
        inside = np.asarray(fed)[:40, :72]
        np.testing.assert_array_equal(inside[k], picture[k])
        assert (inside[~k] == 128).all()
        np.testing.assert_array_equal(np.asarray(mask)[:40, :72] == 255, ~k)
    assert len(call["reference_images"]) == len(conditioning.references)


def test_cancelling_stops_between_steps_and_leaves_the_generator_usable(made):
    def stop(share, doing):
        if "step 1" in doing:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        made.generate(shown(1), "", SETTINGS, stop)
    assert len(made.generate(shown(1), "", SETTINGS)) == 1


def test_a_full_memory_becomes_advice(made, monkeypatch):
    made.generate(shown(1), "", SETTINGS)

    def full(*args, **options):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(made._holder.pipe.vae, "encode", full)
    with pytest.raises(BackendUnavailable, match=r"out of memory.*rung"):
        made.generate(shown(1), "", SETTINGS)
    assert len(made.generate(shown(1), "", SETTINGS)) == 1, "it is loaded anew"


def test_weights_that_give_no_pictures_are_said(folder):
    broken = generator(folder)
    broken.generate(shown(1), "", SETTINGS)
    with torch.no_grad():
        broken._holder.pipe.transformer.proj_out.weight.fill_(float("nan"))
    with pytest.raises(BackendUnavailable, match="NaN"):
        broken.generate(shown(1), "", SETTINGS)


@pytest.mark.parametrize("rung", ["text-first", "whole"])
def test_every_rung_that_a_cpu_can_play_makes_a_clip(folder, rung):
    clip = generator(folder, rung=rung).generate(shown(1), "a room", SETTINGS)
    assert rung in clip.notes[-1]


def test_the_turbo_preset_works_smaller_and_says_so(folder):
    turbo = registry.create("generator", "wan-vace", weights=str(folder), device="cpu", preset="turbo", steps=1)
    turbo._chosen = replace(turbo._chosen, most_pixels=36 * 20)
    clip = turbo.generate(shown(1), "", SETTINGS)
    assert clip.images.shape == (1, 40, 72, 3)
    assert any("36x20" in n for n in clip.notes)
    assert turbo.rounds == Rounds(49, 40, 9)


def test_wrong_options_and_folders_are_answered_in_sentences(tmp_path, folder):
    with pytest.raises(InvalidInput, match=r"1\.3b"):
        registry.create("generator", "wan-vace", model="2b")
    with pytest.raises(InvalidInput, match="preset"):
        registry.create("generator", "wan-vace", preset="best")
    with pytest.raises(InvalidInput, match="rung"):
        generator(folder, rung="ladder").generate(shown(1), "", SETTINGS)
    with pytest.raises(BackendUnavailable, match="reproject"):
        generator(tmp_path / "none").generate(shown(1), "", SETTINGS)
    if not torch.cuda.is_available():
        with pytest.raises(BackendUnavailable, match="CUDA"):
            registry.create("generator", "wan-vace", weights=str(folder), device="cuda").generate(
                shown(1), "", SETTINGS
            )


def test_a_pickled_transformer_is_refused(tmp_path):
    saved = save_tiny_vace(tmp_path)
    weights = saved / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(BackendUnavailable, match="never loaded"):
        generator(saved).generate(shown(1), "", SETTINGS)


def test_references_show_things_as_large_as_the_clip_does():
    conditioning = shown(1, 104, 60)
    view = conditioning.references[0]
    assert view.image.shape == (156, 270, 3), "a keyframe of 208x120 with its margin"
    (picture,) = reference_pictures(conditioning, Canvas.of(104, 60, 4))
    same = np.asarray(shown(1, 104, 60).first_frame.rgb, float)
    away = np.abs(picture.astype(float) - same).mean()
    assert away < 6, "the half-size reference of the first camera is what the half-size clip shows"


# --- fitting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(72, 40), (64, 64), (33, 17), (1, 1)])
@pytest.mark.parametrize("multiple", [16, 32])
def test_a_canvas_gives_back_exactly_what_it_took(size, multiple):
    width, height = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    canvas = Canvas.of(width, height, multiple)
    outer = canvas.fit(image)
    assert outer.shape[0] % multiple == outer.shape[1] % multiple == 0
    np.testing.assert_array_equal(canvas.back(outer[None])[0], image)


def test_a_capped_canvas_keeps_the_shape_and_comes_back_at_the_clips_size():
    canvas = Canvas.of(832, 480, 32, most_pixels=416 * 240)
    assert (canvas.inner_width, canvas.inner_height) == (416, 240)
    assert (canvas.outer_width, canvas.outer_height) == (416, 256)
    assert canvas.back(np.zeros((2, 256, 416, 3), np.uint8)).shape == (2, 480, 832, 3)


@pytest.mark.parametrize(("frames", "history"), [(1, 0), (2, 0), (5, 0), (8, 9), (72, 9), (3, 4)])
def test_a_strip_has_4k_plus_1_frames_and_is_trimmed_to_the_clip(frames, history):
    conditioning = shown(frames, 24, 16, history)
    strip = strip_of(conditioning, Canvas.of(24, 16, 16), 9, silent)
    assert len(strip) % 4 == 1
    assert strip.history == (0 if history == 0 else 1 + (history - 1) // 4 * 4)
    np.testing.assert_array_equal(strip.images[-1], strip.images[strip.history + frames - 1])
    assert len(strip.trimmed(strip.images)) == frames


def test_prompts_are_cut_once_and_seeds_differ_by_round():
    assert checked_prompt(" a  b\t") == ("a b", ())
    assert noise_seed(5, 0) == 5
    seeds = {noise_seed(5, r) for r in range(20)} | {noise_seed(6, r) for r in range(20)}
    assert len(seeds) == 40
    assert noise_seed(5, 3, same_every_round=True) == 5
