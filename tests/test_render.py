import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render, render_reference, resample
from tests.scenes import make_scene
from tests.values import camera, cloud, lifted, poses

RED, BLUE = (255, 0, 0), (0, 0, 255)


def points(xyz, rgb=(RED,), radius=(0.0,)) -> PointCloud:
    place = np.asarray(xyz, np.float32).reshape(-1, 3)
    size = np.resize(np.array(radius, np.float32), len(place))
    return PointCloud(place, np.resize(np.array(rgb, np.uint8), (len(place), 3)), size)


def assert_same(cloud: PointCloud, view: Camera, share: float = 1e-3) -> None:
    """Kernel and reference agree but for pixels on footprint borders (float32 rounding)."""
    fast, slow = render(cloud, view), render_reference(cloud, view)
    differ = fast.point_index != slow.point_index
    assert differ.mean() <= share
    np.testing.assert_array_equal(fast.rgb[~differ], slow.rgb[~differ])
    np.testing.assert_allclose(fast.depth[~differ], slow.depth[~differ], rtol=1e-5)


@pytest.mark.parametrize("radius", [0.0, 0.005, 0.05, 2.0])
@pytest.mark.parametrize("n", [1, 30, 3000])
def test_the_kernel_equals_the_reference_on_random_clouds(n, radius):
    assert_same(cloud(n, seed=n, radius=radius), camera(96, 64))


@given(poses)
def test_the_kernel_equals_the_reference_from_any_pose(w2c):
    assert_same(cloud(300), camera(40, 30, w2c), share=2e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_equals_the_reference_on_a_room(seed):
    scene = make_scene(seed)
    view = scene.start(104, 60)
    seen = scene.render(view)
    moved = view.moved(se3.exp(np.array([0.01, 0.06, 0.0, 0.2, 0.05, -0.2])) @ view.w2c)
    room = lifted(seen.image, seen.depth, view)
    for eye in (view, moved):
        assert_same(room, eye)


def test_a_lifted_picture_renders_back_to_itself():
    scene = make_scene(3)
    view = scene.start(160, 96)
    seen = scene.render(view)
    shown = render(lifted(seen.image, seen.depth, view), view)
    assert shown.coverage.all()
    np.testing.assert_array_equal(shown.rgb, seen.image)
    np.testing.assert_allclose(shown.depth, seen.depth, rtol=1e-5)
    np.testing.assert_array_equal(shown.point_index.ravel(), np.arange(160 * 96))


def test_a_slanted_wall_shows_no_pin_holes_after_a_moderate_move():
    view = camera(160, 120)
    x = view.rays()[..., 0]
    depth = (2.0 / (1 - 0.5 * x)).astype(np.float32)  # the plane z = 2 + x / 2
    wall = lifted(np.full((120, 160, 3), 255, np.uint8), depth, view)
    wall = PointCloud(wall.xyz, wall.rgb, wall.radius * 1.2)
    moved = view.moved(se3.exp(np.array([0, 0.1, 0, -0.1, 0.05, -0.3])))
    uv = moved.project(wall.xyz)[0].reshape(120, 160, 2)
    x0, x1 = uv[:, 0, 0].max() + 1, uv[:, -1, 0].min() - 1
    y0, y1 = uv[0, :, 1].max() + 1, uv[-1, :, 1].min() - 1
    inner = np.s_[int(max(y0, 0)) : int(min(y1, 120)), int(max(x0, 0)) : int(min(x1, 160))]
    covered = render(wall, moved).coverage[inner]
    assert covered.size > 5000
    assert covered.all()


def test_one_point_of_no_size_covers_the_pixel_that_holds_it():
    shown = render(points([0, 0, 1.0]), camera(64, 48))
    assert np.argwhere(shown.coverage).tolist() == [[24, 32]]
    assert shown.rgb[24, 32].tolist() == list(RED)
    assert shown.depth[24, 32] == 1.0


def test_a_footprint_covers_the_pixels_whose_centres_it_holds():
    view = Camera(np.array([[10.0, 0, 5], [0, 10, 5], [0, 0, 1]]), np.eye(4), 10, 10)
    shown = render(points([0, 0, 1.0], radius=(0.15,)), view)  # square 3.5 .. 6.5
    rows, columns = np.nonzero(shown.coverage)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 6, 3, 6)


def test_the_nearest_point_wins():
    shown = render(points([[0, 0, 2.0], [0, 0, 1.0], [0, 0, 3.0]], (RED, BLUE, RED)), camera())
    assert shown.rgb[24, 32].tolist() == list(BLUE)
    assert shown.point_index[24, 32] == 1


def test_of_equally_near_points_the_first_wins():
    same = points([[0, 0, 1.0]] * 3, (RED, BLUE, BLUE))
    assert render(same, camera()).point_index[24, 32] == 0
    assert render(same[np.array([2, 1, 0])], camera()).rgb[24, 32].tolist() == list(BLUE)


@pytest.mark.parametrize("z", [-1.0, 0.0, 1e-6])
def test_points_behind_or_at_the_lens_are_not_drawn(z):
    assert not render(points([0, 0, z], radius=(0.1,)), camera()).coverage.any()


def test_an_empty_cloud_gives_an_empty_picture():
    shown = render(PointCloud.empty(), camera())
    assert not shown.coverage.any()
    assert np.isnan(shown.depth).all()
    assert not shown.rgb.any()
    assert (shown.point_index == -1).all()


def test_a_point_before_the_lens_does_not_paint_the_whole_picture():
    shown = render(points([0, 0, 0.01], radius=(1.0,)), camera())
    assert 0 < shown.coverage.mean() < 0.3


@given(st.permutations(range(40)))
def test_the_order_of_points_does_not_change_the_picture(order):
    some = cloud(40, radius=0.1)
    shuffled = some[np.array(order)]
    np.testing.assert_array_equal(render(some, camera()).rgb, render(shuffled, camera()).rgb)


@given(poses)
def test_the_point_index_names_the_point_whose_colour_and_depth_are_shown(w2c):
    some, view = cloud(100, radius=0.05), camera(w2c=w2c)
    shown = render(some, view)
    seen = shown.coverage
    index = shown.point_index[seen]
    np.testing.assert_array_equal(shown.rgb[seen], some.rgb[index])
    np.testing.assert_allclose(shown.depth[seen], view.project(some.xyz[index])[1], rtol=1e-4, atol=1e-5)


def test_rendering_twice_gives_the_same_bytes():
    some = cloud(2000)
    assert render(some, camera()).rgb.tobytes() == render(some, camera()).rgb.tobytes()


def test_resampling_a_view_by_itself_gives_the_photo():
    scene = make_scene(5)
    view = scene.start(160, 96)
    seen = scene.render(view)
    shown = render(lifted(seen.image, seen.depth, view), view)
    np.testing.assert_array_equal(resample(shown, view, [(seen.image, seen.depth, view)]), seen.image)


def test_resampling_is_closer_to_the_truth_than_splats():
    scene = make_scene(7)
    view = scene.start(208, 120)
    seen = scene.render(view, smooth=True)
    moved = view.moved(se3.translation(np.array([-0.05, 0, 0])) @ view.w2c)
    truth = scene.render(moved, smooth=True).image.astype(int)
    shown = render(lifted(seen.image, seen.depth, view), moved)
    sampled = resample(shown, moved, [(seen.image, seen.depth, view)])
    errors = [np.abs(picture.astype(int) - truth)[shown.coverage].mean() for picture in (sampled, shown.rgb)]
    assert errors[0] < errors[1]


def test_resampling_never_shows_a_surface_the_view_did_not_see():
    view = camera()
    front = np.full((48, 64), 1.0, np.float32)
    photo = np.full((48, 64, 3), 200, np.uint8)
    back = render(lifted(np.zeros((48, 64, 3), np.uint8), front * 3, view), view)
    moved = view.moved(se3.translation(np.array([-0.3, 0, 0])))
    assert not resample(back, moved, [(photo, front, view)]).any()
