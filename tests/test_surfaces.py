"""What is hidden continues the surfaces around it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatia_core.camera import Camera
from spatia_core.completion.surfaces import continue_depth, disocclusion_bands, far_side
from spatia_core.errors import InvalidInput

SKY = 60.0


def room(width: int, height: int, slant: float = 0.0, wall: float = 6.0, tilt: float = 0.15):
    """A camera 1.4 above a ground plane, tilted down, before a wall; its exact depth, `SKY` where neither is met."""
    camera = Camera.from_fov(width, height, 1.1)
    rays = camera.rays()
    down, ahead = np.array([0, np.cos(tilt), np.sin(tilt)]), np.array([slant, -np.sin(tilt), np.cos(tilt)])
    with np.errstate(divide="ignore"):
        ground, back = 1.4 / (rays @ down), wall * np.linalg.norm(ahead) / (rays @ ahead)
    ground[ground <= 0], back[back <= 0] = np.inf, np.inf
    return camera, np.minimum(np.minimum(ground, back), SKY).astype(np.float32)


def box(height: int, width: int, top: float, bottom: float, left: float, right: float) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    return mask


def error(filled: np.ndarray, truth: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return (np.abs(filled - truth) / truth)[hole]


@pytest.mark.parametrize("slant", [0.0, 0.6, -0.8])
@pytest.mark.parametrize("size", [(160, 96), (416, 240)])
def test_behind_a_box_lie_the_ground_and_the_wall_and_their_line(slant, size):
    width, height = size
    camera, truth = room(width, height, slant)
    hole = box(height, width, 0.3, 0.8, 0.4, 0.6)
    seen = np.where(hole, 2.0, truth).astype(np.float32)
    off = error(continue_depth(seen, hole, camera), truth, hole)
    assert off.max() < 0.06
    assert np.percentile(off, 98) < 0.03


def test_the_things_own_depth_next_to_the_hole_is_not_continued():
    camera, truth = room(208, 120)
    thing = box(120, 208, 0.3, 0.8, 0.4, 0.6)
    hole = box(120, 208, 0.32, 0.78, 0.415, 0.585)  # the mask is a little too small
    seen = np.where(thing, np.float32(2.0), truth)
    assert np.percentile(error(continue_depth(seen, hole, camera), truth, hole), 95) < 0.03


def test_a_noisy_ring_gives_the_same_surfaces():
    camera, truth = room(208, 120)
    hole = box(120, 208, 0.3, 0.8, 0.4, 0.6)
    seen = truth * np.exp(np.random.default_rng(0).normal(0, 0.01, truth.shape)).astype(np.float32)
    assert np.percentile(error(continue_depth(seen, hole, camera), truth, hole), 95) < 0.04


def test_forbidden_neighbours_are_not_continued():
    camera, truth = room(208, 120)
    hole, neighbour = box(120, 208, 0.3, 0.8, 0.4, 0.6), box(120, 208, 0.3, 0.85, 0.6, 0.75)
    seen = np.where(neighbour, np.float32(1.5), truth)
    off = error(continue_depth(seen, hole, camera, neighbour), truth, hole)
    assert np.percentile(off, 95) < 0.03


@pytest.mark.parametrize("size", [(160, 96), (416, 240)])
def test_past_the_frame_the_ground_goes_on_below_and_the_wall_beside(size):
    width, height = size
    camera, truth = room(width, height)
    hole = ~box(height, width, 0.12, 0.88, 0.12, 0.88)
    off = error(continue_depth(truth, hole, camera), truth, hole)
    assert np.percentile(off, 98) < 0.03


def test_past_the_frame_sky_stays_sky():
    camera, truth = room(160, 96, wall=1e6)
    hole = ~box(96, 160, 0.15, 0.85, 0.15, 0.85)
    filled = continue_depth(truth, hole, camera)
    sky = hole & (truth == SKY)
    assert np.median(error(filled, truth, sky)) < 0.02


def test_there_is_no_step_at_the_outline_where_a_curved_surface_goes_on():
    camera = Camera.from_fov(160, 96, 1.1)
    y, x = np.mgrid[:96, :160]
    truth = (4 + 0.3 * np.sin(x / 20) * np.cos(y / 25)).astype(np.float32)
    hole = box(96, 160, 0.35, 0.65, 0.4, 0.6)
    filled = continue_depth(truth, hole, camera)
    across = np.abs(np.diff(np.log(filled), axis=1))[np.diff(hole, axis=1)]
    assert across.max() < 0.02


def test_what_is_outside_the_hole_is_untouched():
    camera, truth = room(64, 48)
    hole = box(48, 64, 0.3, 0.6, 0.3, 0.6)
    filled = continue_depth(truth, hole, camera)
    assert (filled[~hole] == truth[~hole]).all()


def test_an_empty_hole_changes_nothing():
    camera, truth = room(32, 24)
    assert (continue_depth(truth, np.zeros(truth.shape, bool), camera) == truth).all()


def test_where_nothing_is_known_depth_is_one():
    camera, truth = room(32, 24)
    nothing = np.full_like(truth, np.nan)
    assert (continue_depth(nothing, np.ones(truth.shape, bool), camera) == 1).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**31), st.floats(0, 1))
def test_any_hole_comes_out_finite_positive_and_within_range(height, width, seed, share):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1, 9, (height, width)).astype(np.float32)
    depth[rng.random(depth.shape) < 0.2] = np.nan
    hole = rng.random(depth.shape) < share
    filled = continue_depth(depth, hole, Camera.from_fov(width, height, 1.0))[hole]
    assert np.isfinite(filled).all()
    assert (filled >= 0.29).all()
    assert (filled <= 9).all()


def test_a_camera_of_another_size_is_refused():
    camera, truth = room(32, 24)
    with pytest.raises(InvalidInput, match="picture"):
        continue_depth(truth, np.zeros(truth.shape, bool), camera.resized(31, 24))


def test_bands_lie_on_the_near_side_within_reach_and_far_sides_beyond():
    depth = np.full((40, 60), 5, np.float32)
    depth[10:30, 20:40] = 2
    bands, far = disocclusion_bands(depth, 4), far_side(depth, 4)
    expected = np.zeros_like(bands)
    expected[10:30, 20:40] = True
    expected[14:26, 24:36] = False
    assert (bands == expected).all()
    assert far[20, 16:20].all()
    assert not far[20, 15]
    assert not (far & (depth == 2)).any()


def test_behind_the_edges_of_a_thing_lie_the_ground_and_the_wall():
    camera, truth = room(208, 120)
    thing = box(120, 208, 0.3, 0.8, 0.35, 0.65)
    seen = np.where(thing, np.minimum(truth, truth[95, 104]), truth)
    bands = disocclusion_bands(seen, 12)
    assert (bands & thing).sum() > 0.95 * bands.sum()
    filled = continue_depth(seen, bands, camera, disocclusion_bands(seen, 36) & ~bands)
    assert np.percentile(error(filled, truth, bands), 98) < 0.03


def test_unknown_depth_makes_no_bands():
    assert not disocclusion_bands(np.full((5, 1), np.nan, np.float32), 3).any()
    assert not disocclusion_bands(np.full((1, 1), 2.0, np.float32), 3).any()


def test_a_steep_slope_is_no_depth_step():
    depth = np.repeat((1.1 ** np.arange(40, dtype=np.float32))[:, None], 30, axis=1)
    assert not disocclusion_bands(depth, 5).any()
