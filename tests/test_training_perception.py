"""Training of the depth and the click network: the split, the examples, the losses, going on after an interruption."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from spatia_core.backends.clicks.network import ClickNetwork
from training.clicks import loop as click_loop
from training.clicks import photos
from training.clicks.clicking import Clicked, box_of, deepest
from training.clicks.painting import Dice
from training.clicks.samples import Bank, Scenes
from training.depth import loop as depth_loop
from training.depth import render
from training.depth.examples import Rendered, Studio


@pytest.fixture
def folder(tmp_path):
    """Twelve small photos with masks, two of them of one picture."""
    rng = np.random.default_rng(0)
    for part in ("img", "gt"):
        (tmp_path / part).mkdir()
    for k in range(12):
        image = rng.integers(0, 120, (60, 80, 3), np.uint8)
        mask = np.zeros((60, 80), np.uint8)
        cv2.circle(mask, (40, 30), 14 + k // 2, 255, -1)
        image[mask > 0] += 100
        name = f"thing{k:02d}_{1000 + k // 2}"
        cv2.imwrite(str(tmp_path / f"img/{name}.jpg"), image)
        cv2.imwrite(str(tmp_path / f"gt/{name}.png"), mask)
    return tmp_path


def test_masks_of_one_photo_stay_on_one_side_and_held_out_photos_are_never_read(folder):
    names = photos.names(folder)
    sides = {n.rpartition("_")[2]: {photos.held_out(m) for m in names if m.endswith(n[-4:])} for n in names}
    assert all(len(side) == 1 for side in sides.values())
    read = {p.name for p in photos.training_photos(folder)}
    assert read == {n for n in names if not photos.held_out(n)}
    assert 0 < len(read) < len(names)


def bank_of(folder, seed=0):
    return Bank(photos.training_photos(folder), [], Scenes(None), seed)


def test_samples_show_a_thing_of_fair_size_and_the_seed_decides(folder):
    first, again = bank_of(folder), bank_of(folder)
    for _ in range(12):
        (image, mask), (image2, mask2) = first.draw(64), again.draw(64)
        assert image.shape == (64, 64, 3)
        assert 0.004 < (mask > 127).mean() < 0.75
        np.testing.assert_array_equal(image, image2)
        np.testing.assert_array_equal(mask, mask2)


def test_the_next_click_corrects_the_larger_error(folder):
    clicked = Clicked(bank_of(folder).draw(64), Dice(1))
    before = len(clicked.positive), len(clicked.negative)
    clicked.step(np.zeros((64, 64), np.float32))
    assert len(clicked.positive) == before[0] + 1
    x, y = clicked.positive[-1]
    assert clicked.truth[int(y), int(x)]
    clicked.step(np.ones((64, 64), np.float32))
    assert len(clicked.negative) == before[1] + 1


def test_the_deepest_point_of_a_square_is_its_middle_and_its_box_is_tight():
    region = np.zeros((40, 40), bool)
    region[10:21, 20:31] = True
    assert deepest(region)[0] == (25, 15)
    assert box_of(region) == (20, 10, 30, 20)


def test_click_training_goes_on_where_it_stopped(folder, tmp_path):
    plan = click_loop.Plan(4, checkpoint=tmp_path / "click.pt", every=2, sizes=((1.0, 64, 2),))
    network = ClickNetwork()
    click_loop.train(network, bank_of(folder), replace(plan, steps=2))
    assert torch.load(plan.checkpoint, weights_only=True)["step"] >= 2
    click_loop.train(ClickNetwork(), bank_of(folder), plan)
    assert torch.load(plan.checkpoint, weights_only=True)["step"] >= 4
    other = ClickNetwork()
    click_loop.start_from_depth(other, plan.checkpoint.with_suffix(".safetensors"))
    assert not torch.equal(other.head.weight, network.head.weight)


def slope():
    return torch.linspace(0.2, 1.0, 48)[None, :, None].expand(2, 48, 64).clone()


def test_depth_that_is_right_up_to_scale_costs_nothing_and_a_wrong_one_does():
    right = depth_loop.depth_loss(5 * slope(), slope())
    wrong = depth_loop.depth_loss(5 * slope().flip(1), slope())
    assert all(float(v) < 1e-3 for v in right)
    assert all(float(v) > 0.1 for v in wrong)


def test_the_outline_loss_pulls_a_thing_before_what_is_beside_it():
    mask = torch.zeros(2, 48, 64)
    mask[:, 14:34, 20:44] = 1
    sunk, apart = slope(), slope() * (1 + 0.5 * mask)
    assert float(depth_loop.outline_loss(sunk, mask)) > 0.03
    assert float(depth_loop.outline_loss(apart, mask)) < 0.01


def test_rendered_examples_have_exact_depth_and_billboards_only_come_nearer(folder, tmp_path):
    pieces = np.zeros((0, 1, 2, 2, 3), np.float32)
    render.fill(tmp_path / "scenes", 3, 2, pieces)
    render.fill(tmp_path / "scenes", 3, 2, pieces)  # finished: changes nothing
    rendered = Rendered(tmp_path / "scenes")
    assert len(rendered) == 2
    studio = Studio(rendered, photos.training_photos(folder), [], 0)
    for _ in range(6):
        image, inverse = studio.synthetic(96, 64)
        assert image.shape == (64, 96, 3)
        assert np.isfinite(inverse).all()
        assert inverse.min() >= 0
        assert inverse.max() > 0
        _, nearer = studio._with_billboard(image, inverse)
        assert (nearer >= inverse).all()
    _, mask = studio.real(96, 64)
    assert mask.any()
