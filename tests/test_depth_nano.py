"""Depth by our own network: valid for every photo, believable for plain scenes."""

import numpy as np
import pytest

from spatia_core.backends import depth_nano
from spatia_core.backends.depth_nano import NanoDepth
from spatia_core.backends.nano import layers
from spatia_core.backends.nano.depth_network import DESIGNS
from spatia_core.depth_edges import flying_pixels
from spatia_core.errors import InvalidInput


@pytest.fixture(scope="module")
def nano():
    return NanoDepth()


def noise(height, width, strength, seed=0):
    return np.random.default_rng(seed).normal(0, strength, (height, width, 1))


def painted(*layers):
    return np.clip(sum(layers), 0, 255).astype(np.uint8)


def landscape(height=360, width=480):
    """Blue sky growing paler downwards over a textured green plain; the horizon row is height // 2."""
    rows = np.arange(height)[:, None, None] / height
    sky = np.array([90, 140, 220]) + rows * np.array([160, 120, 40])
    ground = np.array([80, 110, 50]) + noise(height, width, 14)
    return painted(np.where(rows < 0.5, sky, ground))


def room(height=360, width=480):
    """A corridor in central perspective: bright side walls, floor, ceiling, a far wall in the middle."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    far = np.maximum(np.abs(x), np.abs(y)) < 0.25
    vertical = np.abs(y) > np.abs(x)
    colour = np.where(
        vertical[..., None], np.where((y > 0)[..., None], (120, 90, 60), (210, 210, 205)), (185, 175, 160)
    )
    colour = np.where(far[..., None], (150, 150, 150), colour)
    return painted(colour, noise(height, width, 4))


PICTURES = {
    "tiny": (8, 8, 0),
    "one pixel high": (1, 300, 0),
    "panorama 8:1": (100, 800, 0),
    "tall": (700, 60, 0),
    "black": (120, 160, 0),
    "white": (120, 160, 255),
    "grey": (120, 160, 128),
}


@pytest.mark.parametrize("name", PICTURES)
def test_depth_is_finite_positive_and_in_range_for_every_picture(nano, name):
    height, width, level = PICTURES[name]
    image = np.full((height, width, 3), level, np.uint8)
    found = nano.estimate(image, None)
    depth = found.depth.depth
    assert depth.shape == found.sky.shape == (height, width)
    assert np.isfinite(depth).all()
    assert depth.min() >= depth_nano.NEAR
    assert depth[~found.sky].max(initial=0) <= depth_nano.FAR
    assert not found.sky.all()


def test_noise_and_a_large_photo_are_served(nano):
    image = np.random.default_rng(1).integers(0, 255, (2200, 3000, 3), np.uint8)
    found = nano.estimate(image, None)
    assert found.depth.depth.shape == (2200, 3000)
    assert np.isfinite(found.depth.depth).all()


def test_the_median_depth_of_what_is_not_sky_is_one_unit(nano):
    for image in (landscape(), room()):
        found = nano.estimate(image, None)
        assert np.median(found.depth.depth[~found.sky]) == pytest.approx(1.0, rel=1e-3)


def test_a_plain_recedes_towards_the_horizon(nano):
    depth = nano.estimate(landscape(), None).depth.depth
    rows = np.median(depth[200:], axis=1)
    assert rows[0] > 2 * rows[-1]
    assert np.mean(np.diff(rows) <= 1e-4) > 0.9


def test_blue_sky_is_found_and_the_plain_is_not_sky(nano):
    found = nano.estimate(landscape(), None)
    assert found.sky[:170].mean() > 0.97
    assert found.sky[190:].mean() < 0.01
    assert (found.depth.depth[found.sky] == depth_nano.SKY).all()


def test_a_room_has_no_sky_and_is_deeper_in_its_middle(nano):
    found = nano.estimate(room(), None)
    depth = found.depth.depth
    assert not found.sky.any()
    assert np.median(depth[150:210, 200:280]) > 1.3 * np.median(depth[330:])


@pytest.mark.parametrize("below", ["water", "snow"])
def test_water_and_snow_below_the_horizon_are_not_sky(nano, below):
    image = landscape()
    colour = (90, 140, 200) if below == "water" else (240, 243, 248)
    image[180:] = painted(np.array(colour) + noise(180, 480, 3))
    assert nano.estimate(image, None).sky[200:].mean() < 0.02


def test_few_pixels_fly_at_the_outlines(nano):
    assert flying_pixels(nano.estimate(landscape(), None).depth.depth).mean() < 0.01


def test_equal_photos_give_equal_depth(nano):
    image = room()
    first, second = (NanoDepth().estimate(image, None).depth.depth for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_given_lens_is_kept_and_an_unknown_one_spans_sixty_degrees_where_no_line_tells(nano):
    image = room()
    K = np.array([[300.0, 0, 250], [0, 310, 170], [0, 0, 1]])
    np.testing.assert_array_equal(nano.estimate(image, K).K, K)
    guessed = nano.estimate(image, None).K
    assert 2 * np.degrees(np.arctan(240 / guessed[0, 0])) == pytest.approx(60)
    np.testing.assert_allclose(guessed[:2, 2], (240, 180))


def test_the_photo_is_left_untouched_and_may_be_read_only(nano):
    image = room()
    image.flags.writeable = False
    nano.estimate(image, None)


@pytest.mark.parametrize("image", [np.zeros((5, 5, 4), np.uint8), np.zeros((0, 5, 3), np.uint8)])
def test_what_is_not_a_photo_is_refused(nano, image):
    with pytest.raises((InvalidInput, TypeError)):
        nano.estimate(image, None)


def test_the_weights_are_small_enough_to_travel_with_the_package():
    assert sum((layers.WEIGHTS / f"{name}.safetensors").stat().st_size for name in DESIGNS) < 12e6
