"""Training of Spatia: what learns, what stays, that a run resumes exactly, and that its losses mean what they say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spatia_core.backends.spatia.latents import signed
from spatia_core.backends.spatia.lora import Lora, lora_pairs
from spatia_core.backends.spatia.weights import expected_shapes, is_control, matched
from spatia_core.camera_path import CameraPath
from spatia_core.errors import InvalidInput
from spatia_core.io.trajectories import write_realestate
from training.spatia.closed_loop import figures, roll_out
from training.spatia.codec import PatchCodec
from training.spatia.config import TrainConfig
from training.spatia.examples import show, split_video
from training.spatia.loop import Trainer
from training.spatia.losses import Batch, Geometry, draw_sigma, flow_matching, pose_error, reprojection_loss, warp
from training.spatia.real import begin_control, load_model
from training.spatia.sequences import PosedVideo, folder_names, folder_video, world_video
from training.spatia.stages import LoraLinear, trained
from training.spatia.tiny import ARMS, CLIP, FRAMES, SIZE, TINY, read_checkpoint, tiny_model, write_checkpoint
from training.worlds import film, make_world, path

SMALL = {**TINY, "num_layers": 2, "vace_layers": [0], "ffn_dim": 32, "num_attention_heads": 2, "attention_head_dim": 12}
CONFIG = TrainConfig(
    stage="all", iterations=4, lr=1e-3, batch=2, frames=9, history=1, references=1, size=SIZE, warmup=1
)


def small_model(seed: int = 0):
    torch.manual_seed(seed)
    from spatia_core.backends.spatia.transformer import SpatiaTransformer3DModel

    return SpatiaTransformer3DModel(**SMALL)


def random_batch(step: int, geometry: Geometry | None = None) -> Batch:
    g = torch.Generator().manual_seed(step)
    clip, control = torch.randn(2, 48, 3, 4, 4, generator=g), torch.randn(2, 96, 3, 4, 4, generator=g)
    return Batch(clip, torch.zeros(2, 1, 16), control, torch.randn(2, 48, 1, 4, 4, generator=g), geometry)


@pytest.fixture(scope="module")
def codec() -> PatchCodec:
    films = [world_video(s, 9, SIZE) for s in (0, 1, 2)]
    return PatchCodec().fit(signed(v.images)[0] for v in films)


@pytest.mark.parametrize("stage", ["control", "lora"])
def test_a_stage_changes_only_its_own_weights(stage, tmp_path):
    model = small_model()
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    Trainer(model, replace(CONFIG, stage=stage, iterations=2, lora_rank=2), random_batch, tmp_path).run()
    after = {n.replace(".base.", "."): p for n, p in model.named_parameters()}
    changed = {n for n, p in before.items() if not torch.equal(p, after[n])}
    if stage == "control":
        assert changed
        assert all(is_control(n) for n in changed)
    else:
        assert not changed
        assert any(p.abs().sum() > 0 for n, p in after.items() if n.endswith("lora_B"))
        assert not any("vace" in n for n in trained(model))


def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path):
    config = replace(CONFIG, iterations=6, ema=0.9, drop_projection=0.5, drop_references=0.5, cosine=True)
    whole = Trainer(small_model(), config, random_batch, tmp_path / "a")
    whole.run()
    first = Trainer(small_model(), config, random_batch, tmp_path / "b")
    first.run(until=3)
    second = Trainer(small_model(seed=5), config, random_batch, tmp_path / "b")
    second.resume()
    second.run()
    assert [*first.losses, *second.losses] == whole.losses
    assert all(torch.equal(p, trained(second.model)[n]) for n, p in trained(whole.model).items())
    assert all(torch.equal(p, second.average[n]) for n, p in whole.average.items())


def test_two_runs_of_one_seed_agree_and_another_seed_differs(tmp_path):
    runs = [
        Trainer(small_model(), replace(CONFIG, seed=s), random_batch, tmp_path / str(k))
        for k, s in enumerate((0, 0, 1))
    ]
    for run in runs:
        run.run()
    assert runs[0].losses == runs[1].losses != runs[2].losses


def test_a_checkpoint_of_another_stage_is_refused_by_name(tmp_path):
    Trainer(small_model(), replace(CONFIG, stage="control", iterations=1), random_batch, tmp_path).run()
    with pytest.raises(InvalidInput, match="does not fit"):
        Trainer(small_model(), CONFIG, random_batch, tmp_path).resume()
    with pytest.raises(InvalidInput, match="no checkpoint"):
        Trainer(small_model(), CONFIG, random_batch, tmp_path / "none").resume()


def test_training_makes_the_loss_smaller(tmp_path):
    one = random_batch(0)
    trainer = Trainer(small_model(), replace(CONFIG, iterations=60, lr=5e-3), lambda k: one, tmp_path)
    trainer.run()
    flow = [r["flow"] for r in trainer.losses]
    assert np.mean(flow[-10:]) < 0.8 * np.mean(flow[:10])


def test_what_control_training_writes_is_what_the_generator_loads(tmp_path):
    model = small_model()
    Trainer(model, replace(CONFIG, stage="control", iterations=1), random_batch, tmp_path).run()
    written = load_file(str(tmp_path / "control.safetensors"))
    shapes = {n: s for n, s in expected_shapes(model).items() if is_control(n)}
    own = matched(written, shapes, "the control file")
    assert any("self_attn" in n for n in written), "the published spelling"
    assert all(torch.equal(own[n], model.get_parameter(n)) for n in own)


def test_what_lora_training_writes_does_in_the_generator_what_it_did_in_training(tmp_path):
    model = small_model()
    config = replace(CONFIG, stage="lora", iterations=2, lora_rank=3, lr=1e-2)
    Trainer(model, config, random_batch, tmp_path).run()
    written = load_file(str(tmp_path / "lora.safetensors"))
    assert len(lora_pairs(written)) == 2 * 10
    fresh = small_model()
    lora = Lora(fresh, written)
    batch = random_batch(9)
    assert batch.references is not None
    x, time = torch.cat([batch.references, batch.clip], 2), torch.tensor([[0.0, 0, 500, 500]] * 2)
    args = (x, time, batch.text, batch.control)
    with torch.no_grad():
        trained_answer = model(*args, num_reference_frames=1).sample
        plain = fresh(*args, num_reference_frames=1).sample
        lora.enabled = True
        adapted = fresh(*args, num_reference_frames=1).sample
    assert torch.allclose(adapted, trained_answer, atol=1e-5)
    assert not torch.allclose(plain, trained_answer, atol=1e-5)


def test_an_adapter_begins_by_changing_nothing():
    base = torch.nn.Linear(5, 7)
    x = torch.randn(3, 5)
    assert torch.equal(LoraLinear(base, 2, torch.Generator().manual_seed(0))(x), base(x))


def test_a_model_that_knows_the_velocity_has_no_loss():
    batch, config = random_batch(0), replace(CONFIG, history_noise=0)

    class Oracle(torch.nn.Module):
        def forward(self, x, time, text, control, num_reference_frames):
            s = (time[:, -1] / 1000).view(-1, 1, 1, 1, 1)
            clip = x[:, :, num_reference_frames:]
            velocity = (clip - batch.clip) / s  # x - x0 = s (noise - x0)
            return type("Out", (), {"sample": torch.cat([x[:, :, :num_reference_frames], velocity], 2)})()

    loss = flow_matching(Oracle(), batch, config, torch.Generator().manual_seed(3))["loss"]
    assert float(loss) < 1e-6


def test_history_is_nearly_clean_told_as_clean_and_not_learnt():
    seen = {}

    class Spy(torch.nn.Module):
        def forward(self, x, time, text, control, num_reference_frames):
            seen.update(x=x, time=time, references=num_reference_frames)
            return type("Out", (), {"sample": torch.zeros_like(x)})()

    batch = random_batch(1)
    flow_matching(Spy(), batch, replace(CONFIG, history_noise=50), torch.Generator().manual_seed(0))
    assert seen["references"] == 1
    assert batch.references is not None
    assert torch.equal(seen["x"][:, :, 0], batch.references[:, :, 0])
    moved = (seen["x"][:, :, 1] - batch.clip[:, :, 0]).abs().mean()
    assert 0 < moved < 0.1
    assert (seen["time"][:, :2] == 0).all()
    assert (seen["time"][:, 2:] > 0).all()


def test_times_are_logit_normal_and_shifted_towards_noise():
    plain = draw_sigma(4000, replace(CONFIG, shift=1.0), torch.Generator().manual_seed(0))
    shifted = draw_sigma(4000, replace(CONFIG, shift=5.0), torch.Generator().manual_seed(0))
    logit = torch.log(plain / (1 - plain))
    assert abs(float(logit.mean())) < 0.06
    assert abs(float(logit.std()) - 1) < 0.06
    assert torch.allclose(shifted, 5 * plain / (1 + 4 * plain))


def filmed(frames: int = 3, size: tuple[int, int] = (96, 64)) -> tuple[torch.Tensor, Geometry]:
    world = make_world("room", 4)
    clip = film(world, path(world, "truck", frames, 3, size), fps=1e9)
    K, w2c = (torch.from_numpy(np.stack([getattr(c, n) for c in clip.cameras]))[None] for n in ("K", "w2c"))
    return signed(clip.images), Geometry(torch.from_numpy(clip.depths)[None], K.float(), w2c.float())


def test_a_warped_frame_is_the_other_frame_where_both_see():
    video, geometry = filmed()
    image, seen = warp(video, geometry, 0, 2)
    assert seen.float().mean() > 0.5
    error = (image - video[:, :, 2]).abs().mean(1, keepdim=True)[seen]
    assert error.median() < 0.02


def test_reprojection_loss_is_small_for_the_truth_and_grows_with_a_wrong_frame():
    video, geometry = filmed()
    true = float(reprojection_loss(video, geometry))
    wrong = video.clone()
    wrong[:, :, 2] = video[:, :, 0]
    wrong.requires_grad_(True)
    loss = reprojection_loss(wrong, geometry)
    assert float(loss.detach()) > 1.5 * true
    loss.sum().backward()
    assert wrong.grad is not None
    assert wrong.grad.abs().sum() > 0


def test_pose_error_finds_a_small_camera_motion():
    world = make_world("room", 4)
    camera = world.camera(160, 96)
    truth = world.render(camera)
    depth = torch.from_numpy(np.array(truth.depth))[None]
    K = torch.from_numpy(camera.K.copy())[None].float()
    a = 0.004
    turn = np.array([[np.cos(a), 0, np.sin(a), 0], [0, 1, 0, 0], [-np.sin(a), 0, np.cos(a), 0], [0, 0, 0, 1]])
    turned = world.render(camera.moved(turn @ camera.w2c))
    pair = [signed(f.rgb[None])[:, :, 0] for f in (turned, truth)]
    found = pose_error(pair[0], pair[1], depth, K)[0]
    assert abs(float(found[1]) - a) < 0.4 * a
    assert found[[0, 2, 5]].abs().max() < 0.5 * a
    assert pose_error(pair[1], pair[1], depth, K).abs().max() < 1e-6


def test_consistency_terms_reach_the_weights(tmp_path, codec):
    video, geometry = filmed(9, (64, 48))
    clip = codec.encode(video)
    batch = Batch(clip, torch.zeros(1, 1, 16), geometry=geometry)
    model = small_model()
    config = replace(CONFIG, reprojection=0.5, pose=0.5)
    parts = flow_matching(model, batch, config, torch.Generator().manual_seed(0), codec)
    assert set(parts) == {"flow", "loss", "reprojection", "pose"}
    assert float(parts["loss"].detach()) == pytest.approx(
        float((parts["flow"] + 0.5 * parts["reprojection"] + 0.5 * parts["pose"]).detach())
    )
    (parts["reprojection"] + parts["pose"]).backward()
    gradient = model.proj_out.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_the_stand_in_codec_keeps_pictures_and_rhythm(codec):
    video = world_video(2, 9, SIZE).images
    latents = codec.encode(signed(video))
    assert latents.shape == (1, 48, 3, 6, 8)
    again = codec.decode(latents)
    assert again.shape == (1, 3, 9, 48, 64)
    assert (again - signed(video)).square().mean() < 0.05 * signed(video).var()
    assert torch.allclose(codec.encode(signed(video[:1])), latents[:, :, :1], atol=1e-5)
    with pytest.raises(InvalidInput, match="4k"):
        codec.encode(signed(video[:8]))


def test_an_example_is_made_of_three_different_parts_of_a_video():
    video = world_video(11, 20, SIZE)
    rng = np.random.default_rng(0)
    for _ in range(5):
        split = split_video(len(video), 9, 5, rng)
        assert len(split.clip) == 9
        assert not set(split.clip) & set(split.candidates)
    shown = show(video, split, 2, rng)
    assert shown.projection.shape == shown.images.shape == (9, 48, 64, 3)
    assert ((shown.unknown == 255) == (shown.projection.sum(-1) == 0))[shown.unknown == 255].all()
    known = shown.unknown == 0
    error = np.abs(shown.projection.astype(int) - shown.images).max(-1)[known]
    assert np.median(error) < 25, "the memory of one frame, seen from the clip's cameras, looks like the clip"
    with pytest.raises(InvalidInput, match="does not fit"):
        split_video(5, 9, 1, rng)


def realestate(folder: Path, frames: int = 6) -> PosedVideo:
    """A RealEstate10K folder with frames named by time stamp, and the same film."""
    world = make_world("yard", 2)
    clip = film(world, path(world, "dolly", frames, 0, (64, 48)))
    stamps = tuple(1000 * k for k in range(frames))
    write_realestate(folder / "film.txt", CameraPath(clip.cameras), stamps)
    (folder / "film").mkdir()
    for stamp, image in zip(stamps, clip.images, strict=True):
        cv2.imwrite(str(folder / "film" / f"{stamp}.png"), image[..., ::-1])
    return PosedVideo(clip.images, clip.cameras)


def test_a_folder_of_videos_with_poses_is_read(tmp_path):
    with pytest.raises(InvalidInput, match="No video with poses"):
        folder_names(tmp_path)
    true = realestate(tmp_path)
    assert folder_names(tmp_path) == ["film"]
    video = folder_video(tmp_path, "film", (64, 48))
    assert np.array_equal(video.images, true.images)
    for a, b in zip(video.cameras, true.cameras, strict=True):
        assert np.allclose(a.w2c, b.w2c, atol=1e-6)
        assert np.allclose(a.K, b.K, atol=1e-3)
    with pytest.raises(InvalidInput, match="depth"):
        video.keyframe(0)


def test_fresh_control_blocks_say_nothing_and_begin_as_the_main_blocks():
    model = small_model()
    begin_control(model)
    batch = random_batch(0)
    time = torch.full((2, 3), 400.0)
    with torch.no_grad():
        assert torch.equal(
            model(batch.clip, time, batch.text, batch.control).sample, model(batch.clip, time, batch.text).sample
        )
    copied, own = (model.get_parameter(f"{part}.0.attn1.to_q.weight") for part in ("vace_blocks", "blocks"))
    assert torch.equal(copied, own)


def test_a_saved_base_without_control_branch_can_be_trained_on(tmp_path):
    from diffusers import WanTransformer3DModel

    torch.manual_seed(0)
    options = {k: v for k, v in SMALL.items() if not k.startswith("vace")}
    base = WanTransformer3DModel(**options)
    base.save_pretrained(tmp_path / "transformer")
    model = load_model(tmp_path, None)
    assert list(model.config["vace_layers"]) == [0]
    name = "blocks.1.ffn.net.2.weight"
    assert torch.equal(model.get_parameter(name), base.get_parameter(name))
    with pytest.raises(InvalidInput, match=r"config\.json"):
        load_model(tmp_path / "transformer", None)


def test_the_tiny_model_films_out_and_back_and_is_judged(tmp_path, codec):
    write_checkpoint(tmp_path / "t.safetensors", dict(tiny_model(0).state_dict()), codec, {"steps": "0"})
    model, again = read_checkpoint(tmp_path / "t.safetensors")
    video = world_video(3, FRAMES, SIZE, returns=True)
    films = {arm: roll_out(model, again, [video], arm)[0] for arm in ARMS}
    assert all(f.shape == (FRAMES, 48, 64, 3) for f in films.values())
    assert np.array_equal(films["none"][0], video.images[0])
    assert np.array_equal(roll_out(model, again, [video], "both")[0], films["both"])
    perfect = figures(video, video.images)
    assert perfect.psnr_c == 100
    assert perfect.camera_error < 0.03
    still = figures(video, np.repeat(video.images[:1], FRAMES, 0))
    assert still.camera_error > 0.3
    assert CLIP == 9


def test_settings_that_cannot_be_are_refused():
    refused: list[dict[str, Any]] = [{"frames": 10}, {"history": 9, "frames": 9}, {"stage": "both"}, {"drop_text": 2.0}]
    for wrong in refused:
        with pytest.raises(InvalidInput):
            TrainConfig(**wrong)
    assert json.loads(json.dumps(TrainConfig().to_json()))["lora_rank"] == 64
