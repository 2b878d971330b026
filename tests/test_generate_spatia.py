"""Generator `spatia`, with tiny random weights that are loaded as a person's own are, in the app's own session."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from editing.filming import Shot
from editing.selection import lift_mask
from spatia_core.backends import registry
from spatia_core.backends.generate_spatia import SpatiaGenerator
from spatia_core.backends.protocols import Conditioning, GenerationSettings, Rounds
from spatia_core.backends.spatia import latents as lat
from spatia_core.backends.spatia.weights import CONTROL_NAMES, LORA_NAMES, is_control
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.conditioning import condition
from spatia_core.errors import BackendUnavailable, Cancelled, InvalidInput
from spatia_core.movers import Mover
from spatia_core.render import Rendering
from tests.studio import centre_of_thing, make_session, memory, start, thing_mask
from tests.test_no_ghost import has_paint, painted
from tests.tiny_spatia import tiny_pipeline, tiny_transformer

SETTINGS = GenerationSettings(seed=3, fps=12)


def lora_weights(rank: int = 2) -> dict[str, torch.Tensor]:
    """A LoRA of the tiny transformer in the published spelling."""
    torch.manual_seed(5)
    out = {}
    for block in (0, 1):
        name = f"pipe.dit.blocks.{block}.self_attn.q.lora_"
        out |= {f"{name}A.default.weight": torch.randn(rank, 24), f"{name}B.default.weight": torch.randn(24, rank)}
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A saved SpatiaPipeline with its LoRA beside it."""
    place = tmp_path_factory.mktemp("spatia")
    tiny_pipeline(place)
    save_file(lora_weights(), place / LORA_NAMES[0])
    return place


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> tuple[Path, Path]:
    """A base model's folder, and a folder with Spatia's two files."""
    base, own = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("own")
    tiny_pipeline(base)
    shutil.rmtree(base / "transformer")
    transformer = tiny_transformer(num_layers=8, vace_layers=[0, 4])
    transformer.save_pretrained(base / "transformer")
    file = base / "transformer" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    save_file({n: t for n, t in weights.items() if not is_control(n)}, file)
    save_file({n: t for n, t in weights.items() if is_control(n)}, own / CONTROL_NAMES[1])
    save_file(lora_weights(), own / LORA_NAMES[1])
    for config, change in (
        (base / "transformer" / "config.json", {"_class_name": "WanTransformer3DModel"}),
        (
            base / "model_index.json",
            {"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"]},
        ),
    ):
        values = json.loads(config.read_text()) | change
        values = {n: v for n, v in values.items() if not n.startswith("vace_")}
        config.write_text(json.dumps(values))
    return base, own


def generator(weights: Path, **options) -> SpatiaGenerator:
    return registry.create("generator", "spatia", weights=str(weights), device="cpu", **{"steps": 2} | options)


@pytest.fixture(scope="module")
def made(folder) -> SpatiaGenerator:
    return generator(folder)


def shown(frames: int = 3, width: int = 72, height: int = 40, history: int = 0) -> Conditioning:
    small = start().resized(width, height)
    cameras = list(make_path("truck-left", small, frames + history, SceneScale.before(start(), memory().stage_depth())))
    return condition(memory(), cameras[history:], history=cameras[:history])


def invented_pixels(conditioning: Conditioning, seen: Rendering) -> np.ndarray:
    assert conditioning.invented is not None
    return seen.coverage & conditioning.invented[np.maximum(seen.point_index, 0)]


class Fed:
    """All that the autoencoder is given to encode: nothing else of the world reaches the transformer."""

    def __init__(self, generator: SpatiaGenerator, monkeypatch) -> None:
        self.videos: list[np.ndarray] = []
        self.calls: list[tuple] = []
        encode, denoise = lat.encode, generator._holder.pipe.transformer.forward

        def watched(vae, video, device=None):
            self.videos.append(video.detach().clone().numpy())
            return encode(vae, video, device)

        def called(*args, **options):
            self.calls.append(args)
            return denoise(*args, **options)

        monkeypatch.setattr(lat, "encode", watched)
        monkeypatch.setattr(generator._holder.pipe.transformer, "forward", called)

    def pictures(self):
        """Every frame as 8-bit RGB."""
        for video in self.videos:
            yield from np.rint((video[0].transpose(1, 2, 3, 0) + 1) * 127.5).clip(0, 255).astype(np.uint8)


def test_a_clip_has_one_frame_a_camera_at_the_clips_size_and_tells_how_it_was_made(made):
    told = []
    conditioning = shown(3)
    clip = made.generate(conditioning, "a room", SETTINGS, lambda share, doing: told.append((share, doing)))
    assert clip.images.shape == (3, 40, 72, 3)
    assert clip.cameras == conditioning.cameras
    assert (clip.fps, clip.seed, clip.maker, clip.prompt) == (12, 3, "spatia", "a room")
    assert [d for _, d in told if "Denoising" in d] == ["Denoising, step 1 of 2", "Denoising, step 2 of 2"]
    shares = [s for s, _ in told]
    assert shares == sorted(shares)
    assert "1 references and 0 frames of history; LoRA off" in clip.notes[-1]
    assert made.rounds == Rounds(121, 72, 9)


def test_equal_seeds_give_equal_clips_and_every_round_has_its_own_noise(folder):
    made, conditioning = generator(folder), shown(2)
    first, again, other, later = (
        made.generate(conditioning, "", s).images
        for s in (SETTINGS, SETTINGS, replace(SETTINGS, seed=4), replace(SETTINGS, round_index=1))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first != later).any()
    same = generator(folder, reuse_noise=True)
    np.testing.assert_array_equal(
        same.generate(conditioning, "", SETTINGS).images,
        same.generate(conditioning, "", replace(SETTINGS, round_index=1)).images,
    )


def test_a_first_round_is_fed_projection_holes_first_frame_and_references(made, monkeypatch):
    made.generate(shown(1), "", SETTINGS)
    fed, conditioning = Fed(made, monkeypatch), shown(4)
    made.generate(conditioning, "", SETTINGS)
    first, reference, projection, holes = fed.videos
    assert [v.shape[2:] for v in fed.videos] == [(1, 64, 96), (1, 64, 96), (5, 64, 96), (5, 64, 96)]
    for i in range(5):
        seen = conditioning.projections[min(i, 3)]
        picture = np.rint((projection[0, :, i].transpose(1, 2, 0) + 1) * 127.5)[:40, :72]
        known = seen.coverage & ~invented_pixels(conditioning, seen)
        np.testing.assert_array_equal(picture, np.where(known[..., None], seen.rgb, 0))
        np.testing.assert_array_equal(holes[0, 0, i, :40, :72] == 1, ~known)
    start = conditioning.first_frame
    picture = np.rint((first[0, :, 0].transpose(1, 2, 0) + 1) * 127.5)[:40, :72]
    np.testing.assert_array_equal(picture[start.coverage], start.rgb[start.coverage])
    assert len(reference[0, 0]) == len(conditioning.references) == 1
    assert not made._holder.pipe.lora.enabled


def test_what_the_memory_invented_is_a_hole_unless_it_is_to_be_shown(folder, monkeypatch):
    conditioning = shown(4)
    invented = [invented_pixels(conditioning, p) for p in conditioning.projections]
    assert any(i.any() for i in invented), "the path must see something that was completed"
    made = generator(folder, imagine=False)
    made.generate(shown(1), "", SETTINGS)
    fed = Fed(made, monkeypatch)
    made.generate(conditioning, "", SETTINGS)
    projection, holes = fed.videos[2:]
    for i, seen in enumerate(conditioning.projections):
        picture = np.rint((projection[0, :, i].transpose(1, 2, 0) + 1) * 127.5)[:40, :72]
        np.testing.assert_array_equal(picture, seen.rgb)
        np.testing.assert_array_equal(holes[0, 0, i, :40, :72] == 1, ~seen.coverage)


def test_a_later_round_begins_with_4k_plus_1_frames_of_history_and_the_lora_on(made, monkeypatch):
    made.generate(shown(1), "", SETTINGS)
    fed, conditioning = Fed(made, monkeypatch), shown(4, history=8)
    clip = made.generate(conditioning, "", replace(SETTINGS, round_index=1))
    history, _, projection, _ = fed.videos
    assert len(clip) == 4
    assert history.shape[2] == 5
    assert projection.shape[2] == 9
    for i, view in enumerate(conditioning.history[-5:]):
        known = ~np.isnan(view.depth)
        for video in (history, projection):
            picture = np.rint((video[0, :, i].transpose(1, 2, 0) + 1) * 127.5)[:40, :72]
            np.testing.assert_array_equal(picture[known], view.image[known])
    assert made._holder.pipe.lora.enabled
    assert "5 frames of history; LoRA on" in clip.notes[-1]


@pytest.mark.parametrize("edit", ["delete", "move"])
def test_two_rounds_after_an_edit_feed_the_network_nothing_that_was_removed(tmp_path, folder, monkeypatch, edit):
    made = generator(folder, steps=1, guidance=1.0)
    made.rounds = Rounds(5, 4, 5)
    session = make_session(tmp_path, made)  # type: ignore[arg-type]
    begun = painted(session.state.original)
    session.begin(session.source, replace(session.state, original=begun, memory=begun))
    made.generate(shown(1), "", SETTINGS)
    fed = Fed(made, monkeypatch)
    session.generate(Shot("truck-right", frames=9))
    assert len([v for v in fed.videos if v.shape[2] == 9]) >= 2, "two rounds, the second after 5 frames of history"
    assert any(has_paint(p) for p in fed.pictures()), "the thing must be seen before it is removed"
    session.click(*centre_of_thing())
    if edit == "delete":
        session.delete()
    else:
        session.move((15.0, 0.0, 0.0))  # out of every view: then none may show it
    fed.videos.clear()
    fed.calls.clear()
    session.generate(Shot("truck-right", frames=9))
    after = session.state.after
    assert after is not None
    assert len(after.clip) == 9
    assert after.clip.maker == "spatia"
    assert len(fed.videos) == 8
    assert {v.shape[2] for v in fed.videos} == {1, 5, 9}
    assert not any(has_paint(p) for p in fed.pictures())
    assert len(fed.calls) == 2, "what was encoded is all that the transformer was shown"


def test_what_moves_is_drawn_into_what_steers_the_network_and_marked_in_the_clip(made, monkeypatch):
    made.generate(shown(1), "", SETTINGS)
    still = shown(2)
    thing = memory().cloud[np.flatnonzero(lift_mask(memory(), start(), thing_mask()))]
    stops = np.array([[0.0, 0.0, -0.2], [0.1, 0.0, -0.2]])
    moving = replace(still, movers=(Mover.travelling(thing, stops, 2),))
    fed = Fed(made, monkeypatch)
    clip = made.generate(moving, "", SETTINGS)
    assert clip.dynamic is not None
    assert clip.dynamic.any()
    assert clip.dynamic.shape == clip.images.shape[:3]
    picture = np.rint((fed.videos[2][0, :, 1].transpose(1, 2, 0) + 1) * 127.5)[:40, :72]
    behind = still.projections[1]
    changed = (picture != behind.rgb).any(-1) & ~invented_pixels(still, behind)
    assert changed.any()
    assert not (changed & ~clip.dynamic[1]).any()
    assert made.generate(still, "", SETTINGS).dynamic is None


def test_the_time_asked_for_in_advance_grows_with_the_clip(made, folder):
    assert made.gpu_seconds(121, 1248, 704) > made.gpu_seconds(49, 832, 480) >= 30
    turbo = generator(folder, preset="turbo", steps=None)
    full = generator(folder, steps=None)
    assert turbo.gpu_seconds(49, 1248, 704) < full.gpu_seconds(49, 1248, 704) / 2


def test_the_official_files_and_a_base_folder_make_the_same_pipeline(official):
    base, own = official
    made = generator(own, base=str(base))
    clip = made.generate(shown(2, history=5), "a room", replace(SETTINGS, round_index=1))
    assert "LoRA on" in clip.notes[-1]
    figures = made._figures()
    assert figures.transformer == sum(p.numel() for p in made._holder.pipe.transformer.parameters())
    assert figures.layers == 8


def test_prompts_of_any_kind_make_a_clip(made):
    for prompt in ("", "x" * 10_000, "雪の降る部屋 🌨 غرفة", "a\x00b\n\n"):
        clip = made.generate(shown(1), prompt, SETTINGS)
        assert any("10000 characters" in n for n in clip.notes) == (len(prompt) == 10_000)


def test_suffix_negative_prompt_and_guidance_are_switches(folder):
    conditioning = shown(2)
    plain = generator(folder).generate(conditioning, "a room", SETTINGS).images
    for option in ({"prompt_suffix": ""}, {"negative": "blur"}, {"guidance": 1.0}, {"control_scale": 0.0}):
        clip = generator(folder, **option).generate(conditioning, "a room", SETTINGS)
        assert (clip.images != plain).any(), option
    none = generator(folder, references=0).generate(shown(1), "a room", SETTINGS)
    assert "0 references" in none.notes[-1]


def test_cancelling_stops_between_steps_and_leaves_the_generator_usable(made):
    def stop(share, doing):
        if "step 1" in doing:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        made.generate(shown(1), "", SETTINGS, stop)
    assert len(made.generate(shown(1), "", SETTINGS)) == 1


def test_a_full_memory_in_a_later_round_keeps_the_finished_ones(tmp_path, folder, monkeypatch):
    made = generator(folder, steps=1, guidance=1.0)
    made.rounds = Rounds(5, 4, 5)
    session = make_session(tmp_path, made)  # type: ignore[arg-type]
    whole = made._run

    def full(prompt, inputs, settings, progress):
        if inputs.history is not None:
            with made._holder.running():
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(prompt, inputs, settings, progress)

    monkeypatch.setattr(made, "_run", full)
    session.generate(Shot("truck-right", frames=9))
    take = session.state.before
    assert take is not None
    assert len(take.clip) == 5
    assert "out of memory" in take.footage.stopped


@pytest.mark.parametrize("rung", ["text-first", "whole"])
def test_every_rung_that_a_cpu_can_play_makes_a_clip(folder, rung):
    clip = generator(folder, rung=rung).generate(shown(1), "a room", SETTINGS)
    assert f"rung {rung}" in clip.notes[-1]


def test_the_turbo_preset_films_shorter_rounds(folder):
    turbo = generator(folder, preset="turbo", steps=None)
    assert turbo.rounds == Rounds(49, 40, 9)
    assert turbo._settings(SETTINGS, later=False).steps == 16


def test_wrong_folders_files_and_options_are_answered_in_sentences(tmp_path, folder, official):
    base, own = official
    with pytest.raises(InvalidInput, match="reference"):
        generator(folder, references=-1)
    empty = tmp_path / "only-lora"
    empty.mkdir()
    shutil.copy(own / LORA_NAMES[1], empty)
    with pytest.raises(BackendUnavailable, match="control file"):
        generator(empty, base=str(base)).generate(shown(1), "", SETTINGS)
    half = tmp_path / "half"
    shutil.copytree(own, half)
    file = half / CONTROL_NAMES[1]
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(BackendUnavailable, match="incomplete"):
        generator(half, base=str(base)).generate(shown(1), "", SETTINGS)
    wrong = tmp_path / "wrong"
    shutil.copytree(own, wrong)
    weights = load_file(wrong / CONTROL_NAMES[1])
    weights.pop("vace_patch_embedding.bias")
    save_file(weights, wrong / CONTROL_NAMES[1])
    with pytest.raises(InvalidInput, match=r"vace_patch_embedding\.bias"):
        generator(wrong, base=str(base)).generate(shown(1), "", SETTINGS)


def test_the_official_renderer_draws_projection_and_holes_of_every_frame(folder, monkeypatch):
    made = generator(folder, official_renderer=True)
    conditioning = shown(2, history=5)
    made.generate(shown(1), "", SETTINGS)
    fed = Fed(made, monkeypatch)
    made.generate(conditioning, "", SETTINGS)
    projection, holes = fed.videos[2:]
    assert projection.shape[2] == holes.shape[2] == 9
    soft = holes[0, 0, :, :40, :72]
    assert ((soft > 0.01) & (soft < 0.99)).any(), "its coverage has soft edges"
    shows_all = generator(folder, official_renderer=True, imagine=False)
    shows_all.generate(shown(1), "", SETTINGS)
    fed = Fed(shows_all, monkeypatch)
    shows_all.generate(conditioning, "", SETTINGS)
    assert fed.videos[3].sum() < holes.sum(), "what the memory invented is drawn when it is to be shown"
    bare = replace(conditioning, projections=[p for p in conditioning.projections])
    with pytest.raises(InvalidInput, match="official renderer"):
        made.generate(bare, "", SETTINGS)


def test_weights_read_ahead_are_those_that_a_gpu_then_uses(folder, monkeypatch):
    made = generator(folder, rung="whole")
    made.load_ahead(lambda s, d: None)
    ahead = made._holder._ahead
    monkeypatch.setattr(made._holder, "load", None)
    made.generate(shown(1), "a room", SETTINGS)
    assert made._holder.pipe is ahead
