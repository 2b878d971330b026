"""MobileSAM: its encoder against the published code's features, and the whole of it behind the segmenter contract."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from spatia_core.backends import registry
from spatia_core.backends.protocols import Prompt
from spatia_core.backends.segment_sam import MODELS, MobileSamSegmenter, SamModel, SamSegmenter, mobile_sam
from spatia_core.backends.tiny_vit import Design, TinyVit
from spatia_core.errors import BackendUnavailable

DATA = Path(__file__).parent / "data"
SMALL = Design(side=256, widths=(8, 16, 24, 32), depths=(1, 1, 2, 1), heads=(2, 2, 4), windows=(7, 14, 7), out=32)
CLICK = Prompt(np.array([[60.5, 50.5]]), np.array([True]))


def numbered(state):
    """The same weights for everybody who draws them in the order of their names."""
    dice = torch.Generator().manual_seed(5)
    for name, value in sorted(state.items()):
        if not value.is_floating_point():
            continue
        drawn = torch.rand(value.shape, generator=dice)
        if "running_var" in name:
            drawn = 0.5 * drawn + 0.5
        elif "bias" in name:
            drawn = 0.2 * drawn - 0.1
        elif value.ndim > 1:
            drawn = (drawn - 0.5) * 2 * (3 / max(1, value[0].numel())) ** 0.5
        else:
            drawn = 0.5 * drawn + 0.75
        value.copy_(drawn)


def test_the_encoder_gives_the_features_of_the_published_code():
    # recorded from the published code, commit f706ad9, at 320 pixels, with a head of 10 classes and weights so numbered
    encoder = TinyVit(Design(side=320)).eval()
    state = encoder.state_dict()
    head = {"head.weight": (10, 320), "head.bias": (10,), "norm_head.weight": (320,), "norm_head.bias": (320,)}
    numbered(state | {name: torch.empty(shape) for name, shape in head.items()})
    picture = torch.rand(1, 3, 320, 320, generator=torch.Generator().manual_seed(6)) * 2 - 1
    with torch.inference_mode():
        found = encoder(picture)[0, ::16, ::4, ::4]
    torch.testing.assert_close(found, load_file(DATA / "tiny_vit.safetensors")["features"], rtol=1e-4, atol=1e-4)


def tiny_mobile():
    return mobile_sam(TinyVit(SMALL))


MODELS_HERE = {"vit_b": MODELS["vit_b"], "vit_t": SamModel(tiny_mobile, MODELS["vit_t"].weights)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """In the published layout, the head that nobody needs among them."""
    torch.manual_seed(4)
    state = tiny_mobile().state_dict()
    for part, shape in (("norm_head.weight", (32,)), ("norm_head.bias", (32,)), ("head.weight", (5, 32))):
        state[f"image_encoder.{part}"] = torch.ones(shape)
    path = tmp_path_factory.mktemp("mobile") / "mobile_sam.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def photo():
    image = np.full((90, 140, 3), 60, np.uint8)
    image[30:70, 40:90] = (220, 40, 30)
    return image


def test_a_mobile_sam_file_gives_three_masks_best_first(weights, photo):
    segmenter = MobileSamSegmenter(weights, device="cpu", models=MODELS_HERE)
    found = segmenter.segment(segmenter.embed(photo), CLICK)
    assert found.masks.shape == (3, 90, 140)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_sam_recognises_a_mobile_sam_file_by_itself(weights, photo, ending, tmp_path):
    path = weights
    if ending == ".safetensors":
        path = tmp_path / "mobile.safetensors"
        save_file(torch.load(weights, weights_only=True), path)
    plain = SamSegmenter(path, device="cpu", models=MODELS_HERE)
    mobile = MobileSamSegmenter(weights, device="cpu", models=MODELS_HERE)
    found, wanted = (s.segment(s.embed(photo), CLICK) for s in (plain, mobile))
    np.testing.assert_array_equal(found.masks, wanted.masks)
    np.testing.assert_array_equal(found.scores, wanted.scores)


@pytest.mark.parametrize(("width", "kind"), [(768, "vit_b"), (1024, "vit_l"), (1280, "vit_h")])
def test_a_file_of_sam_is_taken_for_the_model_of_its_width(width, kind, tmp_path, photo):
    def build():
        raise RuntimeError(f"built as {kind}.")

    path = tmp_path / "some.pth"
    torch.save({"image_encoder.patch_embed.proj.weight": torch.zeros(width, 1)}, path)
    models = {"vit_b": MODELS["vit_b"], kind: SamModel(build, MODELS[kind].weights)}
    with pytest.raises(BackendUnavailable, match=rf"SAM {kind} checkpoint: built as {kind}"):
        SamSegmenter(path, device="cpu", models=models).embed(photo)


def test_a_file_of_another_kind_than_asked_for_is_refused(weights, photo):
    with pytest.raises(BackendUnavailable, match=r"SAM vit_b checkpoint.*MobileSAM \(vit_t\)"):
        SamSegmenter(weights, "vit_b", device="cpu", models=MODELS_HERE).embed(photo)


def test_without_a_file_the_published_one_is_named(tmp_path, photo):
    segmenter = MobileSamSegmenter(device="cpu", cache_dir=tmp_path, download=False)
    with pytest.raises(BackendUnavailable, match=r"mobile_sam\.pt.*'hybrid'"):
        segmenter.embed(photo)


def test_it_is_on_the_list():
    assert registry.create("segmenter", "mobile-sam", device="cpu").name == "mobile-sam"
