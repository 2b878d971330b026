"""The SAM 2 adapter on tiny random models, saved as transformers saves the published ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2Model,
    Sam2VideoConfig,
    Sam2VideoInferenceSession,
    Sam2VideoModel,
    Sam2VisionConfig,
)

from spatia_core.backends import registry
from spatia_core.backends.hub import licence_of
from spatia_core.backends.protocols import Prompt, Segmentation
from spatia_core.backends.segment_sam2 import SOURCE
from spatia_core.errors import BackendUnavailable, InvalidInput
from spatia_core.everything import find_things
from tests.values import MISSHAPEN

SIDE, H, W = 128, 90, 140
NONE = np.empty((0, 2)), np.empty(0, bool)
ONE = np.array([[70.0, 40.0]]), np.array([True])


def save_tiny(folder: Path, video: bool = False) -> str:
    hidden = 128 if video else 32  # more than the 64 of a memory, which the video model's layers are built for
    hiera = Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 14, 7],
        window_positional_embedding_background_size=[8, 8],
        global_attention_blocks=[3],
    )
    vision = Sam2VisionConfig(
        backbone_config=hiera,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=hidden,
    )
    parts: dict[str, Any] = {
        "vision_config": vision.to_dict(),
        "prompt_encoder_config": {"hidden_size": hidden, "image_size": SIDE, "mask_input_channels": 4},
        "mask_decoder_config": {
            "hidden_size": hidden,
            "mlp_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
            "iou_head_depth": 2,
        },
    }
    torch.manual_seed(4)
    if video:
        small: dict[str, Any] = {
            f"memory_{k}": hidden
            for k in (
                "attention_hidden_size",
                "attention_feed_forward_hidden_size",
                "encoder_hidden_size",
                "fuser_embed_dim",
                "fuser_intermediate_dim",
            )
        }
        config = Sam2VideoConfig(
            **parts,
            **small,
            memory_attention_rope_feat_sizes=[8, 8],
            memory_encoder_output_channels=64,
            mask_downsampler_embed_dim=hidden,
            image_size=SIDE,
        )
        model = Sam2VideoModel(config)
        # by chance such a model may see the thing nowhere; this one sees it everywhere
        torch.nn.init.constant_(model.mask_decoder.pred_obj_score_head.proj_out.bias, 50.0)
        model.save_pretrained(folder)
    else:
        Sam2Model(Sam2Config(**parts)).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (H, W, 3), np.uint8)


@pytest.fixture(scope="module")
def sam2(tmp_path_factory):
    return registry.create("segmenter", "sam2", weights=save_tiny(tmp_path_factory.mktemp("sam2")))


def test_it_keeps_to_the_contract_with_clicks_boxes_and_earlier_masks(sam2, photo):
    embedding = sam2.embed(photo)
    earlier = np.zeros((H, W), bool)
    earlier[20:60, 30:90] = True
    seen = []
    for prompt in (
        Prompt(*ONE),
        Prompt(np.array([[70.0, 40.0], [5.0, 5.0]]), np.array([True, False]), previous=earlier),
        Prompt(*NONE, box=(10.0, 10.0, 90.0, 60.0)),
        Prompt(*ONE, box=(10.0, 10.0, 90.0, 60.0)),
    ):
        found, again = sam2.segment(embedding, prompt), sam2.segment(embedding, prompt)
        assert isinstance(found, Segmentation)
        assert found.masks.shape == (3, H, W)
        assert (np.diff(found.scores) <= 0).all()
        assert ((found.scores >= 0) & (found.scores <= 1)).all()
        np.testing.assert_array_equal(found.masks, again.masks)
        seen.append(found.masks)
    assert all((a != b).any() for k, a in enumerate(seen) for b in seen[:k]), "every prompt counts"
    assert sam2.name == "sam2"


def test_places_are_told_in_pixels_of_the_network_s_square(sam2, photo):
    """The same picture at the square's size, clicked at the same place, gives the same scores."""
    from PIL import Image

    square = np.asarray(Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    x, y = 70.0 * SIDE / W, 40.0 * SIDE / H
    told = sam2.segment(sam2.embed(square), Prompt(np.array([[x, y]]), np.array([True])))
    np.testing.assert_allclose(told.scores, sam2.segment(sam2.embed(photo), Prompt(*ONE)).scores, atol=2e-4)
    model = Sam2Model.from_pretrained(sam2.weights).eval()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = ((torch.from_numpy(square / 255).float() - mean) / std).permute(2, 0, 1)[None]
    with torch.inference_mode():
        said = model(
            pixel_values=pixels,
            input_points=torch.tensor([[[[x, y]]]], dtype=torch.float32),
            input_labels=torch.ones(1, 1, 1, dtype=torch.int64),
        )
    assert said.iou_scores is not None
    np.testing.assert_allclose(np.sort(said.iou_scores[0, 0].numpy())[::-1], told.scores, atol=1e-5)


def test_the_published_layout_of_the_video_model_is_read(tmp_path, photo):
    backend = registry.create("segmenter", "sam2", weights=save_tiny(tmp_path, video=True))
    assert backend.segment(backend.embed(photo), Prompt(*ONE)).masks.shape == (3, H, W)


def test_a_thing_is_followed_from_picture_to_picture(tmp_path, photo):
    """As transformers' own video model follows it, told by us what was seen before."""
    backend = registry.create("segmenter", "sam2", weights=save_tiny(tmp_path, video=True))
    later = [np.roll(photo, 9 * k, 1) for k in (1, 2)]
    mask = np.zeros((H, W), bool)
    mask[20:60, 30:90] = True
    follow = backend.follow(photo, mask)
    found = [follow(p) for p in later]
    assert all(m.shape == (H, W) and m.dtype == bool for m in found)
    again = backend.follow(photo, mask)
    np.testing.assert_array_equal(found, [again(p) for p in later])
    other = backend.follow(photo, ~mask)
    model = backend._following_model()
    assert model.vision_encoder is backend._model.vision_encoder

    frames = torch.cat([backend._square(p) for p in (photo, *later)])
    session = Sam2VideoInferenceSession(video=frames, video_height=H, video_width=W, dtype=torch.float32)
    asked = torch.nn.functional.interpolate(
        torch.from_numpy(mask).float()[None, None], (SIDE, SIDE), mode="bilinear", antialias=True
    )
    session.add_mask_inputs(session.obj_id_to_idx(7), 0, (asked >= 0.5).float())
    session.obj_with_new_inputs = [7]
    logits = [model(session, frame_idx=k).pred_masks for k in range(3)]
    theirs = [torch.nn.functional.interpolate(x, (H, W), mode="bilinear")[0, 0] > 0 for x in logits]
    np.testing.assert_array_equal(found, torch.stack(theirs[1:]).numpy())
    assert all(m.any() and not m.all() for m in found)
    assert any((m != other(p)).any() for m, p in zip(found, later, strict=True)), "the mask counts"


def test_weights_of_the_picture_model_follow_nothing(sam2, photo):
    assert sam2.follow(photo, np.ones((H, W), bool)) is None
    with pytest.raises(MISSHAPEN):
        sam2.follow(photo, np.ones((4, 4), bool))


def test_all_things_can_be_looked_for(sam2, photo):
    things = find_things(sam2, sam2.embed(photo), (H, W), 2, least_score=0.0)
    assert things.masks.shape[1:] == (H, W)


def test_what_cannot_be_used_is_said(sam2, photo, tmp_path):
    embedding = sam2.embed(photo)
    with pytest.raises(InvalidInput):
        sam2.segment(embedding, Prompt(np.array([[W + 9.0, 4.0]]), np.array([True])))
    with pytest.raises(InvalidInput, match="earlier mask"):
        sam2.segment(embedding, Prompt(*ONE, previous=np.zeros((4, 4), bool)))
    with pytest.raises(MISSHAPEN):
        sam2.embed(photo.astype(np.float32))
    folder = Path(save_tiny(tmp_path / "other"))
    (folder / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(BackendUnavailable, match="'sam'"):
        registry.create("segmenter", "sam2", weights=str(folder)).embed(photo)
    with pytest.raises(BackendUnavailable, match="hybrid"):
        registry.create("segmenter", "sam2", weights=str(tmp_path / "none")).embed(photo)
    with pytest.raises(BackendUnavailable, match="hybrid"):
        registry.create("segmenter", "sam2", download=False).embed(photo)


def test_the_default_weights_may_be_used_by_everybody():
    assert licence_of(SOURCE.repository).name == "Apache-2.0"
    assert not SOURCE.licence.non_commercial
