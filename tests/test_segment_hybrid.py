"""Clicks to masks by the embedded segmenter, on painted things with plain outlines."""

import cv2
import numpy as np
import pytest

from spatia_core.backends.clicks.changes import near_the_click, obeying
from spatia_core.backends.clicks.colour_cut import band_cut, first_cut
from spatia_core.backends.clicks.cues import FARTHEST, CuePicture
from spatia_core.backends.clicks.network import DESIGNS
from spatia_core.backends.nano import layers
from spatia_core.backends.protocols import Prompt
from spatia_core.backends.segment_hybrid import HybridSegmenter
from spatia_core.errors import InvalidInput

NO_POINTS = np.empty((0, 2))
NO_SIGNS = np.empty(0, bool)


@pytest.fixture(scope="module")
def hybrid():
    return HybridSegmenter()


def scene(height=240, width=320):
    """A red disc, a two-coloured box (white above blue) and a textured green ground; with the masks of the things."""
    rng = np.random.default_rng(4)
    image = np.clip(np.array([70, 110, 60]) + rng.normal(0, 9, (height, width, 1)), 0, 255).astype(np.uint8)
    unit = height / 240
    x, y = np.meshgrid(np.arange(width) / unit, np.arange(height) / unit)
    disc = (x - 90) ** 2 + (y - 130) ** 2 < 45**2
    box = (x >= 200) & (x < 270) & (y >= 70) & (y < 190)
    image[disc] = (200, 40, 30)
    image[box] = np.where((y < 130)[..., None], (235, 235, 230), (40, 60, 190))[box]
    return image, {"disc": disc, "box": box}


def click(*points, **rest):
    return Prompt(np.array([p[:2] for p in points], float), np.array([p[2] > 0 for p in points]), **rest)


def iou(a, b):
    return np.count_nonzero(a & b) / max(1, np.count_nonzero(a | b))


@pytest.fixture(scope="module")
def embedded(hybrid):
    image, things = scene()
    return hybrid.embed(image), things


def test_one_click_finds_a_thing_of_one_colour(hybrid, embedded):
    embedding, things = embedded
    found = hybrid.segment(embedding, click((90, 130, 1)))
    assert iou(found.masks[0], things["disc"]) > 0.9


def test_a_second_click_adds_the_other_half_of_a_two_coloured_thing(hybrid, embedded):
    embedding, things = embedded
    first = hybrid.segment(embedding, click((235, 100, 1)))
    second = hybrid.segment(embedding, click((235, 100, 1), (235, 160, 1), previous=first.masks[0]))
    assert iou(second.masks[0], things["box"]) > 0.85


def test_a_minus_click_takes_away_what_was_too_much(hybrid, embedded):
    embedding, things = embedded
    both = things["disc"] | things["box"]
    found = hybrid.segment(embedding, click((90, 130, 1), (235, 100, 0), previous=both))
    assert not found.masks[0][100, 235]
    assert (found.masks[0] & things["box"]).mean() < 0.5 * things["box"].mean()
    assert iou(found.masks[0] & things["disc"], things["disc"]) > 0.9


def test_a_box_finds_what_is_in_it(hybrid, embedded):
    embedding, things = embedded
    found = hybrid.segment(embedding, Prompt(NO_POINTS, NO_SIGNS, (40, 80, 140, 180)))
    assert iou(found.masks[0], things["disc"]) > 0.9


def test_candidates_differ_in_scale_and_are_ranked(hybrid, embedded):
    embedding, _ = embedded
    found = hybrid.segment(embedding, click((235, 100, 1)))
    assert 1 <= len(found.masks) <= 3
    assert found.masks.shape[1:] == (240, 320)
    assert found.masks.dtype == bool
    assert (np.diff(found.scores) <= 0).all()
    assert (found.scores >= 0).all()
    assert (found.scores <= 1).all()
    for i in range(len(found.masks)):
        for j in range(i):
            assert iou(found.masks[i], found.masks[j]) < 0.98


def test_equal_clicks_give_equal_masks_whatever_was_asked_before(hybrid, embedded):
    embedding, _ = embedded
    prompt = click((90, 130, 1), (150, 130, 0))
    first = hybrid.segment(embedding, prompt)
    hybrid.segment(embedding, click((235, 100, 1)))
    image, _ = scene()
    again = HybridSegmenter()
    np.testing.assert_array_equal(again.segment(again.embed(image), prompt).masks, first.masks)


def test_without_the_earlier_mask_all_clicks_are_replayed(hybrid, embedded):
    embedding, _ = embedded
    first = hybrid.segment(embedding, click((235, 100, 1)))
    given = hybrid.segment(embedding, click((235, 100, 1), (235, 160, 1), previous=first.masks[0]))
    replayed = hybrid.segment(embedding, click((235, 100, 1), (235, 160, 1)))
    assert iou(given.masks[0], replayed.masks[0]) > 0.98


@pytest.mark.parametrize("signs", [(1, 0, 1, 0), (1, 1, 1, 1), (1, 0, 0, 0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_plus_clicks_are_inside_and_minus_clicks_outside_every_mask(hybrid, embedded, seed, signs):
    embedding, _ = embedded
    where = np.random.default_rng(seed).uniform((0, 0), (320, 240), (4, 2))
    found = hybrid.segment(embedding, click(*((x, y, s) for (x, y), s in zip(where, signs, strict=True))))
    for mask in found.masks:
        assert [bool(mask[int(y), int(x)]) for x, y in where] == [bool(s) for s in signs]


def test_of_two_contradictory_clicks_the_newer_wins(hybrid, embedded):
    embedding, _ = embedded
    for signs in ((1, 0), (1, 0, 1)):
        found = hybrid.segment(embedding, click(*((90.5, 130.5, s) for s in signs)))
        assert all(bool(mask[130, 90]) == bool(signs[-1]) for mask in found.masks)


def test_a_click_does_not_touch_what_is_far_from_it(hybrid, embedded):
    embedding, things = embedded
    previous = things["disc"].copy()
    previous[5:15, 290:310] = True
    found = hybrid.segment(embedding, click((90, 130, 1), (60, 60, 0), previous=previous))
    np.testing.assert_array_equal(found.masks[0][:40, 250:], previous[:40, 250:])


@pytest.mark.parametrize("level", [0, 255])
def test_a_blank_picture_still_gives_a_mask_with_the_click_in_it(hybrid, level):
    embedding = hybrid.embed(np.full((60, 80, 3), level, np.uint8))
    for prompt in (click((40, 30, 1)), click((40, 30, 1), (5, 5, 0))):
        assert all(mask[30, 40] for mask in hybrid.segment(embedding, prompt).masks)
    assert hybrid.segment(embedding, Prompt(NO_POINTS, NO_SIGNS, (10, 10, 50, 40))).masks.any()


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (50, 50), (50, 37), (30, 1200), (9, 9)])
def test_noise_of_every_size_gives_masks_of_that_size(hybrid, size):
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    embedding = hybrid.embed(image)
    x, y = size[1] // 2, size[0] // 2
    for prompt in (click((x, y, 1)), click((x, y, 1), (0, 0, 1))):
        found = hybrid.segment(embedding, prompt)
        assert found.masks.shape[1:] == size
        assert all(mask[y, x] for mask in found.masks)


def test_a_box_around_everything_and_one_of_two_pixels_are_served(hybrid, embedded):
    embedding, _ = embedded
    for box in ((0, 0, 320, 240), (-50, -50, 900, 900), (100, 100, 102, 102)):
        assert hybrid.segment(embedding, Prompt(NO_POINTS, NO_SIGNS, box)).masks.shape[1:] == (240, 320)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (click((320, 10, 1)), "outside the picture"),
        (click((-1, 10, 1)), "outside the picture"),
        (Prompt(NO_POINTS, NO_SIGNS, (10, 10, 11, 40)), "no area"),
        (click((10, 10, 1), previous=np.ones((3, 4), bool)), "earlier mask"),
    ],
)
def test_what_cannot_be_meant_is_refused(hybrid, embedded, prompt, says):
    with pytest.raises(InvalidInput, match=says):
        hybrid.segment(embedded[0], prompt)


def test_a_large_photo_gives_the_mask_at_its_own_size(hybrid):
    image, things = scene(1500, 2000)
    found = hybrid.segment(hybrid.embed(image), click((90 * 6.25, 130 * 6.25, 1)))
    assert found.masks.shape[1:] == (1500, 2000)
    assert iou(found.masks[0], things["disc"]) > 0.9


def test_the_weights_are_small_enough_to_travel_with_the_package():
    assert sum((layers.WEIGHTS / f"{name}.safetensors").stat().st_size for name in DESIGNS) < 10e6


def distance_reference(lab, seeds, per_change, per_pixel):
    """Shortest ways over eight neighbours, by relaxing all pixels until nothing changes."""
    out = np.where(seeds, 0.0, 1e9)
    h, w = seeds.shape
    while True:
        before = out.copy()
        for dy, dx in [(0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)]:
            to = slice(max(0, dy), h + min(0, dy)), slice(max(0, dx), w + min(0, dx))
            start = slice(max(0, -dy), h + min(0, -dy)), slice(max(0, -dx), w + min(0, -dx))
            cost = (1.414 if dy and dx else 1) * per_pixel + per_change * np.abs(lab[to] - lab[start]).sum(2)
            out[to] = np.minimum(out[to], out[start] + cost)
        if np.array_equal(out, before):
            return np.minimum(out, FARTHEST)


def test_geodesic_distance_equals_the_shortest_way():
    image = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 255, (24, 31, 3), np.uint8), (0, 0), 2)
    picture = CuePicture(image)
    seeds = np.zeros((24, 31), bool)
    seeds[12, 7] = True
    exact = distance_reference(picture.lab, seeds, 1 / picture.change_unit, 1.5 / 31)
    np.testing.assert_allclose(picture.distance(seeds, 8), exact, rtol=1e-3, atol=1e-4)
    assert (picture.distance(seeds, 2) >= exact - 1e-3).all()


def test_cues_are_finite_and_bounded():
    picture = CuePicture(scene()[0])
    previous = np.full(picture.shape, 0.5, np.float32)
    maps = picture.maps(np.array([[90.0, 130.0]]), np.array([[5.0, 5.0]]), (10.0, 10.0, 300.0, 200.0), previous)
    assert maps.shape == (11, 240, 320)
    assert np.isfinite(maps).all()
    assert np.abs(maps).max() <= 1.5


def test_the_colour_cut_stops_where_colour_changes():
    image, things = scene()
    mask = first_cut(CuePicture(image), np.array([[90.0, 130.0]]), NO_POINTS, None)
    assert iou(mask, things["disc"]) > 0.95


def test_the_band_cut_moves_a_rough_outline_to_the_edge():
    image, things = scene()
    rough = cv2.dilate(things["disc"].astype(np.uint8), np.ones((11, 11), np.uint8))
    soft = cv2.GaussianBlur(rough.astype(np.float32), (0, 0), 4)
    cut = band_cut(image, soft, np.array([[90.0, 130.0]]), NO_POINTS)
    assert iou(cut, things["disc"]) > 0.92 > 0.85 > iou(rough > 0, things["disc"])


def square():
    previous = np.zeros((100, 100), bool)
    previous[40:60, 40:60] = True
    return previous


def test_a_change_is_kept_only_at_the_click_and_in_its_direction():
    previous = square()
    corrected = previous.copy()
    corrected[40:60, 60:70] = True
    corrected[0:10, 0:10] = True
    corrected[40:45, 40:45] = False
    probability = np.where(corrected, 1, 0).astype(np.float32)
    grown = near_the_click(previous, corrected, probability, np.array([64.5, 50.5]), True)
    expected = previous.copy()
    expected[40:60, 60:70] = True
    np.testing.assert_array_equal(grown, expected)
    shrunk = near_the_click(previous, corrected, probability, np.array([42.5, 42.5]), False)
    expected = previous.copy()
    expected[40:45, 40:45] = False
    np.testing.assert_array_equal(shrunk, expected)


@pytest.mark.parametrize("positive", [True, False])
def test_the_closer_the_click_is_to_the_outline_the_less_it_changes(positive):
    probability = np.full((100, 100), 0.9 if positive else 0.1, np.float32)
    previous = square() if positive else ~square()
    changed = []
    for x in (62.5, 70.5, 90.5):
        after = near_the_click(previous, probability > 0.5, probability, np.array([x, 50.5]), positive)
        assert after[50, int(x)] == positive
        changed.append(np.count_nonzero(after != previous))
    assert 0 < 4 * changed[0] < changed[1] < changed[2]


def test_a_click_that_agrees_with_the_mask_changes_next_to_nothing():
    probability = np.full((100, 100), 0.9, np.float32)
    after = near_the_click(square(), probability > 0.5, probability, np.array([50.5, 50.5]), True)
    assert np.count_nonzero(after != square()) < 60


def test_a_mask_that_obeys_already_is_left_alone():
    mask = np.zeros((50, 50), bool)
    mask[10:30, 10:30] = True
    same = obeying(mask, np.array([[20.0, 20.0], [40.0, 40.0]]), np.array([True, False]))
    np.testing.assert_array_equal(same, mask)
