import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from tests.values import camera, poses, vectors

POINT = np.array([[0.5, -0.25, 2.0]], np.float32)


def test_a_point_lands_where_the_pinhole_formula_says():
    K = np.array([[100.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    uv, z = Camera(K, np.eye(4), 64, 48).project(POINT)
    np.testing.assert_allclose(uv, [[100 * 0.25 + 32, 50 * -0.125 + 24]])
    assert z[0] == 2.0


def test_the_optical_axis_goes_through_the_middle_of_the_picture():
    uv, _ = camera(64, 48).project(np.array([[0, 0, 1]], np.float32))
    np.testing.assert_allclose(uv, [[32, 24]])


def test_the_field_of_view_spans_the_longer_side():
    wide, tall = Camera.from_fov(200, 100, np.pi / 2), Camera.from_fov(100, 200, np.pi / 2)
    assert wide.K[0, 0] == pytest.approx(100)
    assert tall.K[1, 1] == pytest.approx(100)


@given(poses)
def test_unprojected_pixels_project_back_to_their_centres(w2c):
    view = camera(12, 10, w2c)
    depth = np.random.default_rng(0).uniform(1, 5, (10, 12)).astype(np.float32)
    uv, z = view.project(view.unproject(depth).reshape(-1, 3))
    x, y = np.meshgrid(np.arange(12) + 0.5, np.arange(10) + 0.5)
    np.testing.assert_allclose(uv, np.stack([x.ravel(), y.ravel()], 1), atol=2e-3)
    np.testing.assert_allclose(z, depth.ravel(), rtol=1e-4, atol=1e-4)


def test_unknown_depth_unprojects_to_nan():
    points = camera(4, 3).unproject(np.full((3, 4), np.nan, np.float32))
    assert np.isnan(points).all()


def test_points_behind_or_beside_the_camera_have_no_pixel():
    uv, z = camera().project(np.array([[0, 0, -1], [1, 0, 0]], np.float32))
    assert np.isnan(uv).all()
    np.testing.assert_allclose(z, [-1, 0])


def test_what_is_in_view_is_told_with_its_pixels():
    camera = Camera.from_fov(80, 40, np.deg2rad(60))
    points = np.array([[0, 0, 2], [0, 0, -2], [9, 0, 2], [0.1, -0.2, 1], [0, 2, 2]], np.float32)
    inside, z, (rows, columns) = camera.in_view(points)
    np.testing.assert_array_equal(inside, [True, False, False, True, False])
    np.testing.assert_allclose(z, points[:, 2])
    uv, _ = camera.project(points[inside])
    np.testing.assert_array_equal(np.stack([columns, rows], 1), np.floor(uv))
    assert [len(a) for a in (camera.in_view(points[:0])[0], rows)] == [0, 2]


def test_no_points_project_to_no_pixels():
    uv, z = camera().project(np.zeros((0, 3), np.float32))
    assert uv.shape == (0, 2)
    assert z.shape == (0,)


@given(poses)
def test_the_centre_is_where_the_camera_stands(w2c):
    np.testing.assert_allclose(se3.transform(w2c, camera(w2c=w2c).centre), np.zeros(3), atol=1e-9)


@given(vectors.filter(lambda v: v[2] > 0.3), st.integers(1, 200), st.integers(1, 200))
def test_resizing_scales_pixel_coordinates_per_axis(point, width, height):
    view, one = camera(), point[None].astype(np.float32)
    before, after = view.project(one)[0], view.resized(width, height).project(one)[0]
    np.testing.assert_allclose(after, before * [width / 64, height / 48], atol=1e-8)


def test_cropping_shifts_pixel_coordinates():
    view = camera()
    before, after = view.project(POINT)[0], view.cropped(5, 7, 20, 10).project(POINT)[0]
    np.testing.assert_allclose(after, before - [5, 7])


def test_widening_by_a_share_keeps_what_was_seen_in_the_middle():
    wide = camera().widened(0.25)
    assert (wide.width, wide.height) == (96, 72)
    np.testing.assert_allclose(wide.project(POINT)[0], camera().project(POINT)[0] + [16, 12])


def test_zooming_magnifies_about_the_principal_point():
    before, after = camera().project(POINT)[0], camera().zoomed(2).project(POINT)[0]
    np.testing.assert_allclose(after - [32, 24], 2 * (before - [32, 24]))


def test_moving_keeps_the_lens():
    view = camera()
    assert view.moved(se3.translation(np.ones(3))).same_lens(view)
    assert not view.zoomed(1.1).same_lens(view)
    assert not view.resized(32, 24).same_lens(view)


@pytest.mark.parametrize(
    ("K", "w2c", "size", "says"),
    [
        (np.eye(3), np.eye(4), (0, 5), "at least 1x1"),
        (np.diag([-1.0, 1, 1]), np.eye(4), (5, 5), "positive focal"),
        (np.full((3, 3), np.nan), np.eye(4), (5, 5), "finite"),
        (np.eye(3), np.diag([1.0, 1, -1, 1]), (5, 5), "rigid"),
    ],
)
def test_a_camera_that_cannot_be_is_refused(K, w2c, size, says):
    with pytest.raises(InvalidInput, match=says):
        Camera(K, w2c, *size)


def test_depth_of_another_size_is_refused():
    with pytest.raises(InvalidInput, match="5x4"):
        camera().unproject(np.ones((4, 5), np.float32))


def test_a_camera_cannot_be_changed_from_outside():
    with pytest.raises(ValueError, match="read-only"):
        camera().w2c[0, 3] = 1
