"""A hole is filled with texture from around it."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia_core.completion.patchmatch import FAST, FillGuide, FillOptions, paint, spread
from spatia_core.errors import InvalidInput


def noise(height: int, width: int, seed: int = 0, sigma: float = 1.2) -> np.ndarray:
    """Colour texture of one kind all over, grey levels about 60 to 190."""
    raw = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(raw, (0, 0), sigma)
    return np.clip(128 + 40 * soft / soft.std(), 0, 255).astype(np.uint8)


def box(height: int, width: int, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[rows[0] : rows[1], columns[0] : columns[1]] = True
    return mask


def psnr(a: np.ndarray, b: np.ndarray, hole: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b)[hole] ** 2), 1e-3)))


def test_what_is_outside_the_hole_is_untouched_and_the_input_too():
    image, hole = noise(60, 80), box(60, 80, (20, 40), (30, 50))
    before = image.copy()
    filled = paint(image, hole)
    assert (filled[~hole] == image[~hole]).all()
    assert (image == before).all()


@pytest.mark.parametrize("options", [FillOptions(), FAST], ids=["default", "fast"])
def test_nothing_of_the_removed_thing_stays(options):
    red, hole = noise(80, 100), box(80, 100, (30, 55), (40, 65))
    blue = red.copy()
    red[hole], blue[hole] = (255, 0, 0), (0, 0, 255)
    assert (paint(red, hole, None, options) == paint(blue, hole, None, options)).all()


def test_a_regular_pattern_goes_on():
    y, x = np.mgrid[:96, :128]
    tiles = np.where(((y // 8) + (x // 8)) % 2, 200, 60).astype(np.uint8)
    image = np.repeat(tiles[..., None], 3, axis=2)
    hole = box(96, 128, (32, 60), (44, 80))
    assert psnr(paint(image, hole), image, hole) > 25


@pytest.mark.parametrize("options", [FillOptions(), FAST], ids=["default", "fast"])
def test_rough_stays_rough(options):
    image, hole = noise(120, 160), box(120, 160, (35, 85), (50, 110))
    filled = paint(image, hole, None, options)
    assert filled[hole].std() > 0.75 * image[~hole].std()


def test_the_line_between_two_surfaces_goes_on_straight():
    image = noise(96, 144) // 4
    image[50:] += 150
    hole = box(96, 144, (34, 66), (56, 86))
    filled = paint(image, hole).astype(float).mean(2)
    assert filled[36:46, 56:86].mean() < 80
    assert filled[54:64, 56:86].mean() > 140


def test_a_smooth_change_of_light_stays_smooth():
    image = np.repeat(np.linspace(60, 200, 128)[None, :, None], 96, axis=0).repeat(3, axis=2).astype(np.uint8)
    hole = box(96, 128, (30, 60), (45, 85))
    assert np.abs(paint(image, hole).astype(float) - image)[hole].max() < 16


def test_the_same_seed_gives_the_same_picture():
    image, hole = noise(70, 90), box(70, 90, (20, 50), (30, 60))
    assert (paint(image, hole) == paint(image, hole)).all()


def test_forbidden_places_are_no_source():
    image = noise(96, 144) // 2
    near = box(96, 144, (30, 66), (90, 112))
    image[near] = (0, 250, 0)
    hole = box(96, 144, (30, 66), (52, 90))
    filled = paint(image, hole, FillGuide(forbidden=near)).astype(int)
    assert (filled[hole][:, 1] - filled[hole][:, 0] > 120).mean() < 0.02


def test_a_guide_takes_floor_from_floor_and_wall_from_wall():
    image = noise(96, 144) // 4
    image[:, 72:] += 150
    hole = box(96, 144, (30, 66), (40, 104))
    side = np.zeros((96, 144, 1), np.float32)
    side[:, 72:] = 1
    right = side[..., 0] > 0
    filled = paint(image, hole, FillGuide(channels=side, weights=(200.0,))).astype(float).mean(2)
    assert (filled[hole & right] > 110).mean() > 0.97
    assert (filled[hole & ~right] < 110).mean() > 0.97


def test_an_empty_hole_changes_nothing():
    image = noise(40, 50)
    assert (paint(image, np.zeros((40, 50), bool)) == image).all()


def test_a_hole_without_surroundings_is_grey():
    filled = paint(noise(40, 50), np.ones((40, 50), bool))
    assert (filled == filled[0, 0]).all()


def test_all_forbidden_still_fills():
    image, hole = noise(60, 80), box(60, 80, (20, 40), (30, 50))
    filled = paint(image, hole, FillGuide(forbidden=np.ones((60, 80), bool)))
    assert np.abs(filled[hole].mean() - image[~hole].mean()) < 30


def test_a_margin_around_the_picture_is_painted():
    image, hole = noise(96, 128), ~box(96, 128, (14, 82), (19, 109))
    truth = image.copy()
    image[hole] = 0
    filled = paint(image, hole, None, FAST)
    assert abs(filled[hole].mean() - truth[hole].mean()) < 12


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31), st.sampled_from([0.01, 0.3, 0.9]), st.booleans())
def test_any_size_and_any_hole_is_survived(height, width, seed, share, fast):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    hole = rng.random((height, width)) < share
    filled = paint(image, hole, None, FAST if fast else None)
    assert (filled[~hole] == image[~hole]).all()


def test_one_pixel_takes_the_colour_around_it():
    image = np.full((8, 8, 3), 90, np.uint8)
    hole = box(8, 8, (4, 5), (3, 4))
    image[hole] = 255
    assert (paint(image, hole) == 90).all()


def test_spread_keeps_known_values_and_stays_within_their_range():
    values = np.random.default_rng(0).uniform(2, 3, (17, 23, 2)).astype(np.float32)
    known = np.random.default_rng(1).random((17, 23)) < 0.1
    filled = spread(values, known)
    assert (filled[known] == values[known]).all()
    assert filled.min() >= values[known].min() - 1e-4
    assert filled.max() <= values[known].max() + 1e-4


def test_an_even_patch_and_missing_weights_are_refused():
    with pytest.raises(InvalidInput, match="odd"):
        FillOptions(patch=6)
    with pytest.raises(InvalidInput, match="weights"):
        FillGuide(channels=np.zeros((4, 4, 2), np.float32), weights=(1.0,))


def test_a_guide_of_another_size_is_refused():
    guide = FillGuide(forbidden=np.zeros((5, 4), bool))
    with pytest.raises(InvalidInput, match="guide"):
        paint(noise(4, 4), box(4, 4, (1, 2), (1, 2)), guide)
