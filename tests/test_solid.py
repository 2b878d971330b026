"""A masked thing becomes one solid; what is behind it is free of it."""

import cv2
import numpy as np
import pytest

from spatia_core.camera import Camera
from spatia_core.depth_edges import flying_pixels
from spatia_core.errors import InvalidInput
from spatia_core.solid import solid
from tests.scenes import make_scene

H, W, HORIZON = 120, 160, 40
CAMERA = Camera(np.array([[140.0, 0, 80], [0, 140, HORIZON], [0, 0, 1]]), np.eye(4), W, H)
FARTHEST = 12.0


def ground():
    """z-depth of a level ground 1.5 below the camera, a wall at the end of it."""
    rows = np.arange(H)[:, None] + 0.5
    with np.errstate(divide="ignore"):
        z = np.where(rows > HORIZON, 1.5 * 140 / (rows - HORIZON), np.inf)
    return np.broadcast_to(np.minimum(z, FARTHEST), (H, W)).astype(np.float32)


def patch(x0, x1, y0, y1):
    out = np.zeros((H, W), bool)
    out[y0:y1, x0:x1] = True
    return out


TALL = patch(70, 90, 45, 101)
"""Seen against the ground it stands on."""
FOOT = float(ground()[101, 0])


def test_a_thing_that_the_depth_map_missed_stands_where_its_feet_are():
    found = solid(ground(), TALL, CAMERA)
    assert found.kind == "upright"
    inside = found.depth[TALL]
    assert np.ptp(inside) < 0.35 * FOOT
    assert np.median(inside) == pytest.approx(FOOT, rel=0.1)
    np.testing.assert_allclose(
        found.background[TALL & (ground() > 1.2 * FOOT)], ground()[TALL & (ground() > 1.2 * FOOT)], rtol=0.05
    )


def test_a_carpet_stays_on_the_ground():
    carpet = patch(50, 110, 85, 100)
    found = solid(ground(), carpet, CAMERA)
    assert found.kind == "flat"
    np.testing.assert_allclose(found.depth, ground(), rtol=0.02)


def test_a_picture_on_a_wall_stays_on_the_wall():
    found = solid(ground(), patch(60, 100, 8, 34), CAMERA)
    assert found.kind == "flat"
    np.testing.assert_allclose(found.depth, ground(), rtol=0.02)


def test_a_thing_cut_off_by_the_lower_border_stands():
    assert solid(ground(), patch(60, 140, 90, 120), CAMERA).kind == "upright"


@pytest.mark.parametrize("kind", ["upright", "flat", "own"])
def test_what_is_asked_for_is_done(kind):
    assert solid(ground(), TALL, CAMERA, kind).kind == kind


def test_a_thing_that_stands_off_keeps_its_own_depth_and_loses_its_blurred_border():
    exact = ground().copy()
    exact[TALL] = FOOT * np.linspace(0.95, 1.0, 20)[None].repeat(56, 0).ravel()
    blurred = (1 / cv2.GaussianBlur(1 / exact, (0, 0), 1.2)).astype(np.float32)
    found = solid(blurred, TALL, CAMERA)
    assert found.kind == "own"
    upper = TALL & (np.arange(H)[:, None] < 80)
    np.testing.assert_allclose(found.depth[upper], exact[upper], rtol=0.03)
    around = cv2.dilate(TALL.astype(np.uint8), np.ones((9, 9))) > 0
    assert flying_pixels(blurred)[around].any()
    assert not flying_pixels(found.depth)[around].any()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_behind_a_thing_of_a_scene_the_surfaces_around_it_go_on(seed):
    scene = make_scene(seed)
    camera = scene.start(208, 120)
    view = scene.render(camera)
    number = max((t.object_id for t in scene.things), key=lambda k: int(view.mask(k).sum()))
    mask = view.mask(number)
    found = solid(view.depth, mask, camera)
    assert np.isfinite(found.depth).all()
    assert (found.background[mask] >= found.depth[mask]).all()
    empty = scene.render(camera, without=number).depth
    assert np.median(np.abs(found.background[mask] / empty[mask] - 1)) < 0.1


@pytest.mark.parametrize("kind", ["auto", "upright", "flat", "own"])
def test_unknown_depth_in_the_mask_becomes_known_and_elsewhere_stays_unknown(kind):
    depth = ground().copy()
    depth[60:80, 75:85] = np.nan
    depth[:20, :30] = np.nan
    found = solid(depth, TALL, CAMERA, kind)
    assert np.isfinite(found.depth[TALL]).all()
    assert np.isfinite(found.background[TALL]).all()
    assert np.isnan(found.depth[:20, :30]).all()


@pytest.mark.parametrize("kind", ["auto", "upright", "flat", "own"])
@pytest.mark.parametrize(
    "mask", [patch(80, 81, 60, 61), patch(0, W, 30, H), patch(0, 1, 0, H), patch(80, 81, H - 1, H)]
)
def test_masks_of_one_pixel_one_column_and_nearly_everything_give_finite_depth(kind, mask):
    found = solid(ground(), mask, CAMERA, kind)
    assert np.isfinite(found.depth).all()
    assert (found.depth > 0).all()
    assert (found.background[mask] >= found.depth[mask]).all()


@pytest.mark.parametrize("kind", ["auto", "upright", "flat", "own"])
def test_a_thing_of_wholly_unknown_depth_gets_one(kind):
    depth = np.where(TALL, np.nan, ground()).astype(np.float32)
    found = solid(depth, TALL, CAMERA, kind)
    assert np.isfinite(found.depth[TALL]).all()


@pytest.mark.parametrize(
    ("depth", "mask", "says"),
    [
        (ground(), np.zeros((H, W), bool), "empty"),
        (ground(), np.ones((H, W), bool), "not everything"),
        (np.full((H, W), np.nan, np.float32), TALL, "known depth"),
    ],
)
def test_masks_that_mean_nothing_are_refused(depth, mask, says):
    with pytest.raises(InvalidInput, match=says):
        solid(depth, mask, CAMERA)


def test_a_camera_of_another_size_is_refused():
    with pytest.raises(InvalidInput, match="differ in size: 160x120, 160x120, 80x60"):
        solid(ground(), TALL, CAMERA.resized(80, 60))
