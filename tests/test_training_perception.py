"""Training of the depth and the click network: the split, the examples, the losses, going on after an interruption."""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from benchmarks.depth import examples
from spatia_core.backends.clicks.network import ClickNetwork
from spatia_core.backends.nano.depth_network import DepthNetwork
from training.clicks import loop as click_loop
from training.clicks import photos
from training.clicks.clicking import Clicked, box_of, deepest
from training.clicks.crew import Crew, Sources
from training.clicks.painting import Dice
from training.clicks.samples import Bank, Scenes
from training.depth import albums, losses, measured, render
from training.depth import loop as depth_loop
from training.depth.examples import Props, Studio
from training.students import Student

CPU = torch.device("cpu")
SMALL = (8, 8, 8, 8, 8)


@pytest.fixture(autouse=True)
def plain_convolutions() -> Iterator[None]:
    """Without oneDNN: in torch 2.13 its weight gradients of layers narrower than the processor's registers damage the
    heap (4 channels in float32 on AVX2, 8 in bfloat16 on AVX-512), and the process aborts later, or hangs."""
    before, *_ = torch.backends.mkldnn.set_flags(False)
    yield
    torch.backends.mkldnn.set_flags(before)


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


def click_plan(tmp_path, steps):
    return click_loop.Plan(steps, checkpoint=tmp_path / "click.pt", every=2, sides=((1.0, 64),))


def test_click_training_goes_on_where_it_stopped(folder, tmp_path):
    sources = Sources((folder,), folder / "img", None)
    with Crew(sources, 1, 2, [64]) as crew:
        students = [Student(ClickNetwork(SMALL)), Student(ClickNetwork(SMALL))]
        click_loop.train(students, crew, click_plan(tmp_path, 2))
    done = torch.load(tmp_path / "click.pt", weights_only=True)["step"]
    assert done >= 2
    with Crew(sources, 1, 2, [64]) as crew:
        click_loop.train(
            [Student(ClickNetwork(SMALL)), Student(ClickNetwork(SMALL))], crew, click_plan(tmp_path, done + 2)
        )
    assert torch.load(tmp_path / "click.pt", weights_only=True)["step"] >= done + 2
    other = ClickNetwork(SMALL)
    assert click_loop.start_from(other, tmp_path / "click_2.safetensors") == len(other.state_dict())
    assert not torch.equal(other.head.weight, students[1].average.state_dict()["head.weight"])


def test_a_second_mask_of_a_photo_is_another_thing_of_the_same_picture(folder):
    before = photos.training_photos(folder)
    name = before[0].name
    other = np.zeros((60, 80), np.uint8)
    other[5:20, 5:20] = 255
    cv2.imwrite(str(folder / f"gt/{name}+1.png"), other)
    added = [p for p in photos.training_photos(folder) if p.name == f"{name}+1"]
    assert len(added) == 1
    assert added[0].mask[10, 10]
    np.testing.assert_array_equal(added[0].image, before[0].image)
    assert photos.held_out(f"{name}+1") == photos.held_out(name)


def slope():
    return torch.linspace(0.2, 1.0, 48)[None, :, None].expand(2, 48, 64).clone()


def test_depth_that_is_right_up_to_scale_costs_nothing_and_a_wrong_one_does():
    right = losses.depth_loss(5 * slope(), slope())
    wrong = losses.depth_loss(5 * slope().flip(1), slope())
    assert all(float(v) < 1e-3 for v in right)
    assert all(float(v) > 0.1 for v in wrong)


def test_the_outline_loss_pulls_a_thing_before_what_is_beside_it():
    mask = torch.zeros(2, 48, 64)
    mask[:, 14:34, 20:44] = 1
    sunk, apart = slope(), slope() * (1 + 0.5 * mask)
    assert float(losses.outline_loss(sunk, mask)) > 0.03
    assert float(losses.outline_loss(apart, mask)) < 0.01


def test_what_was_not_measured_is_not_asked_for():
    hole = slope()
    hole[:, 10:30, 20:40] = albums.UNKNOWN
    wild = 5 * slope()
    wild[:, 10:30, 20:40] = 400
    assert all(float(v) < 1e-3 for v in losses.depth_loss(wild, hole))


@pytest.fixture
def rendered(tmp_path):
    pieces = np.zeros((0, 1, 2, 2, 3), np.float32)
    render.fill(tmp_path / "scenes", "world3", 2, pieces)
    render.fill(tmp_path / "scenes", "world3", 2, pieces)  # finished: changes nothing
    return albums.Rendered(tmp_path / "scenes", CPU)


def studio_of(folder):
    things = photos.training_photos(folder)
    return Studio(Props(albums.outlined(things, 112, 80, CPU), albums.cut_outs(things, CPU)), 0)


def test_examples_are_dressed_photographed_and_keep_exact_depth(folder, rendered):
    studio = studio_of(folder)
    assert len(rendered) == 2
    album = rendered.draw("world", 8, studio.dice)
    rgb, inverse = studio.pictures(album, 96, 64)
    assert rgb.shape == (8, 3, 64, 96)
    assert 0 <= float(rgb.min()) < float(rgb.max()) <= 1
    assert inverse.shape == (8, 64, 96)
    assert torch.isfinite(inverse).all()
    assert float(inverse.min()) >= 0
    _, mask = studio.outlines(4, 96, 64)
    assert mask.any(2).any(1).all()
    studio.reseed(0)
    again, _ = studio.pictures(album, 96, 64)
    studio.reseed(0)
    torch.testing.assert_close(studio.pictures(album, 96, 64)[0], again)


def test_cut_outs_only_come_nearer_and_never_where_nothing_was_measured(folder):
    studio = studio_of(folder)
    n = 32
    rgb, inverse = torch.full((n, 3, 64, 96), 0.5), torch.linspace(0.1, 1, 64)[None, :, None].expand(n, 64, 96).clone()
    inverse[:, :, :20] = albums.UNKNOWN
    rolls = studio._rolls(n)
    out, there = studio._with_cut_out(rgb, inverse, rolls, rolls.chance(1.0))
    assert (there >= inverse).all()
    assert (there > inverse).any(2).any(1).float().mean() > 0.5
    assert (there[:, :, :20] == albums.UNKNOWN).all()
    assert (out[:, :, :, :20] == 0.5).all()


def test_measured_frames_keep_their_depth_and_holes(tmp_path):
    depth = np.linspace(1, 6, 240 * 320, dtype=np.float32).reshape(240, 320)
    depth[100:140, 150:200] = np.nan
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/room@1.jpg"), np.full((240, 320, 3), 90, np.uint8))
    np.save(tmp_path / "in/room@1.npy", depth)
    example = examples(tmp_path / "in")[0]
    assert measured.write(example, tmp_path / "room@1")
    album, scenes = albums.read_measured(tmp_path, 224, 160, CPU)
    assert scenes == ["room"]
    inverse = album.inverse[0].float().numpy()
    assert 0.01 < (inverse == albums.UNKNOWN).mean() < 0.1
    known = inverse > 0
    truth = albums.filled(cv2.resize(1 / depth, (224, 168), interpolation=cv2.INTER_NEAREST), 224, 160)
    ratio = inverse[known] / truth[known]
    assert np.nanpercentile(abs(np.log(ratio / np.nanmedian(ratio))), 95) < 0.03
    example.inverse[:] = np.nan
    assert not measured.write(example, tmp_path / "empty")


def test_depth_training_goes_on_where_it_stopped(folder, rendered, tmp_path):
    plan = depth_loop.Plan(2, batch=2, unlabelled=1, outlined=1, checkpoint=tmp_path / "depth.pt", every=2)
    material = depth_loop.Material(
        studio_of(folder), rendered, unlabelled=albums.read_photos(folder / "img", 112, 80, CPU)
    )
    depth_loop.train([Student(DepthNetwork(SMALL))], material, plan)
    student = Student(DepthNetwork(SMALL))
    depth_loop.train([student], material, replace(plan, steps=4))
    assert torch.load(plan.checkpoint, weights_only=True)["step"] == 4
    other = DepthNetwork(SMALL)
    depth_loop.start_from(other, tmp_path / "depth_1.safetensors")
    trained = student.average.state_dict()["head.weight"]
    torch.testing.assert_close(other.head.weight.data, trained, atol=1e-3, rtol=1e-2)


def test_photos_without_depth_get_what_the_average_networks_see_in_them(folder):
    photos_without = albums.read_photos(folder / "img", 64, 64, CPU)
    student = Student(DepthNetwork(SMALL))
    taught = depth_loop._taught([student, student], photos_without[:2])
    torch.testing.assert_close(taught.inverse.float().mean((1, 2)), torch.ones(2), atol=0.01, rtol=0)
    mirrored = depth_loop._taught([student], photos_without[:2].flip(3))
    torch.testing.assert_close(mirrored.inverse.flip(2), taught.inverse, atol=0.02, rtol=0.02)
