"""Depth at the outlines of things."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core import depth_edges
from spatia_core.depth_edges import flying_pixels, snap_to_edges, stand_up
from spatia_core.errors import InvalidInput


def two_sided(height=96, width=128, edge=50):
    """Near (depth 1) left of a wavy edge, far (depth 3) right of it; a photo whose colours change there."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    near = x < edge + 6 * np.sin(y / 9)
    depth = np.where(near, 1.0, 3.0).astype(np.float32)
    photo = np.where(near[..., None], (200, 60, 40), (40, 90, 160)).astype(np.uint8)
    return photo, depth, near


def blended_share(depth, low, high):
    """Share of pixels that lie between the two sides."""
    return float(((depth > low) & (depth < high)).mean())


def test_a_blurred_step_returns_to_the_photos_edge():
    photo, depth, near = two_sided()
    coarse = cv2.resize(1 / depth, (32, 24), interpolation=cv2.INTER_AREA)
    blurred = 1 / cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_LINEAR)
    snapped = 1 / snap_to_edges(coarse, photo)
    assert blended_share(snapped, 1.2, 2.6) < 0.15 * blended_share(blurred, 1.2, 2.6)
    assert ((snapped < 2) == near).mean() > 0.99
    assert snapped.dtype == np.float32


def test_a_slope_is_left_as_it_is():
    photo = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    ramp = np.geomspace(0.3, 1.0, 24, dtype=np.float32)[:, None].repeat(32, 1)
    smooth = cv2.resize(ramp, (128, 96), interpolation=cv2.INTER_LINEAR)
    assert np.abs(snap_to_edges(ramp, photo) - smooth).max() < 0.03


def test_no_value_is_made_that_was_not_there():
    photo, depth, _ = two_sided()
    coarse = cv2.resize(1 / depth, (32, 24), interpolation=cv2.INTER_AREA)
    snapped = snap_to_edges(coarse, photo)
    assert snapped.min() >= coarse.min() * 0.999
    assert snapped.max() <= coarse.max() * 1.001


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (24, 32), (10, 12), (37, 53)])
def test_every_size_of_photo_is_served(size):
    coarse = np.full((24, 32), 0.5, np.float32)
    out = snap_to_edges(coarse, np.zeros((*size, 3), np.uint8))
    assert out.shape == size
    np.testing.assert_allclose(out, 0.5, rtol=1e-5)


def vote_reference(log, low, high, colours, rows, columns, radius):
    """What the compiled vote computes, one pixel after the other."""
    reach = 2 * radius
    offsets = np.arange(-reach, reach + 1, 1 if reach <= 4 else 2)
    dy, dx = (o.ravel() for o in np.meshgrid(offsets, offsets, indexing="ij"))
    h, w = log.shape
    out = []
    for y, x in zip(rows, columns, strict=True):
        yy, xx = np.clip(y + dy, 0, h - 1), np.clip(x + dx, 0, w - 1)
        v = log[yy, xx].astype(np.float64)
        change = ((colours[yy, xx].astype(float) - colours[y, x]) ** 2).sum(1)
        far = v < 0.5 * (low[y, x] + high[y, x])
        blend = np.where(far, v - low[y, x], high[y, x] - v).clip(0) / (0.25 * (high[y, x] - low[y, x]) + 1e-6)
        weight = np.exp(-change / (2 * 12.0**2) - (dx**2 + dy**2) / (2 * (1.2 * radius) ** 2) - blend)
        side = far if weight[far].sum() >= weight[~far].sum() else ~far
        enough = max(weight[far].sum(), weight[~far].sum()) > 1e-6
        out.append((weight[side] * v[side]).sum() / weight[side].sum() if enough else log[y, x])
    return np.array(out)


@pytest.mark.parametrize("radius", [2, 3])
def test_the_compiled_vote_equals_the_readable_one(radius):
    rng = np.random.default_rng(radius)
    log = cv2.GaussianBlur(rng.normal(size=(20, 30)).astype(np.float32), (0, 0), 1.5)
    colours = rng.integers(0, 60, (20, 30, 3), np.uint8)
    low, high = depth_edges._window_range(log, radius)
    rows, columns = np.nonzero(high - low > 0.1)
    fast = depth_edges._vote(log, low, high, colours, rows, columns, radius)
    np.testing.assert_allclose(fast, vote_reference(log, low, high, colours, rows, columns, radius), atol=2e-3)


def test_pixels_between_near_and_far_are_flying():
    depth = np.full((9, 12), 1.0, np.float32)
    depth[:, 6:] = 3.0
    depth[:, 5] = 1.8
    expected = np.zeros((9, 12), bool)
    expected[:, 5] = True
    np.testing.assert_array_equal(flying_pixels(depth), expected)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_clean_step_and_a_steep_slope_have_no_flying_pixels(axis):
    step = np.where(np.arange(20) < 10, 1.0, 3.0)
    slope = np.exp(0.15 * np.arange(20))
    for line in (step, slope):
        depth = np.broadcast_to(np.expand_dims(line, axis), (20, 20)).astype(np.float32)
        assert not flying_pixels(depth)[3:-3, 3:-3].any()


def test_unknown_depth_is_not_flying():
    depth = np.full((7, 7), np.nan, np.float32)
    depth[3, 3] = 2.0
    assert not flying_pixels(depth).any()


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_flying_pixels_do_not_depend_on_the_unit_of_depth(seed, unit):
    depth = np.exp(np.random.default_rng(seed).normal(size=(8, 9)).astype(np.float32))
    edge = np.abs(np.diff(np.log(depth), axis=1))
    if np.abs(edge - depth_edges.STEP).min() > 1e-3:
        np.testing.assert_array_equal(flying_pixels(depth), flying_pixels(depth * np.float32(unit)))


def floor(height=80, width=100):
    """A floor from the horizon row 20 down; depth 60 / (row - 20)."""
    rows = np.arange(height, dtype=np.float32)[:, None]
    return (60 / np.maximum(rows - 20, 2)).repeat(width, 1).astype(np.float32)


def test_a_thing_stands_at_the_ground_under_its_feet():
    depth = floor()
    mask = np.zeros(depth.shape, bool)
    mask[25:60, 40:60] = True
    before = depth.copy()
    up = stand_up(depth, mask, relief=0.0)
    assert np.ptp(up[mask]) < 1e-5
    assert up[mask][0] == pytest.approx(60 / 40, rel=0.08)
    np.testing.assert_array_equal(up[~mask], depth[~mask])
    np.testing.assert_array_equal(depth, before)


def test_relief_is_squeezed_not_lost():
    depth = floor()
    mask = np.zeros(depth.shape, bool)
    mask[40:60, 40:60] = True
    range_of = lambda d: float(np.ptp(np.log(d[mask])))  # noqa: E731
    assert range_of(stand_up(depth, mask, 0.3)) == pytest.approx(0.3 * range_of(depth), rel=0.05)


@pytest.mark.parametrize("columns", [slice(40, 60), slice(0, 100)])
def test_a_thing_cut_by_the_lower_border_still_stands_near(columns):
    depth = floor()
    mask = np.zeros(depth.shape, bool)
    mask[30:, columns] = True
    up = stand_up(depth, mask)
    assert np.isfinite(up).all()
    assert np.median(up[mask]) < 1.3


def test_unknown_depth_stays_unknown_and_does_not_spread():
    depth = floor()
    depth[:, 45:50] = np.nan
    mask = np.zeros(depth.shape, bool)
    mask[25:60, 40:60] = True
    up = stand_up(depth, mask)
    np.testing.assert_array_equal(np.isnan(up), np.isnan(depth))


def test_a_speck_or_an_empty_mask_changes_nothing():
    depth = floor()
    mask = np.zeros(depth.shape, bool)
    assert stand_up(depth, mask) is depth
    mask[40, 40] = True
    assert stand_up(depth, mask) is depth


def test_a_mask_of_another_size_is_refused():
    with pytest.raises((InvalidInput, TypeError)):
        stand_up(floor(), np.zeros((4, 5), bool))
