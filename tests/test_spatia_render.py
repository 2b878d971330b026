import numpy as np
import pytest

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.point_cloud import PointCloud
from spatia_core.render.official import RADIUS, Lens, published_pixels, render_published, voxel_size


def cloud(xyz, rgb=(200, 100, 50)) -> PointCloud:
    xyz = np.asarray(xyz, np.float32).reshape(-1, 3)
    return PointCloud(xyz, np.broadcast_to(np.asarray(rgb, np.uint8), xyz.shape).copy(), np.zeros(len(xyz), np.float32))


def camera(width=96, height=64, cx=None, cy=None) -> Camera:
    K = np.array([[70.0, 0, width / 2 if cx is None else cx], [0, 75.0, height / 2 if cy is None else cy], [0, 0, 1]])
    return Camera(K, np.eye(4), width, height)


def by_hand(points: PointCloud, view: Camera, lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """The blend worked out pixel by pixel from its definition."""
    h, w = view.height, view.width
    uvz = published_pixels(points.xyz, view, lens).astype(np.float64)
    ndc = 2 / min(h, w)
    rgb, coverage = np.zeros((h, w, 3)), np.zeros((h, w))
    for y in range(h):
        for x in range(w):
            r2 = ((uvz[:, 0] - x - 0.5) * ndc) ** 2 + ((uvz[:, 1] - y - 0.5) * ndc) ** 2
            near = np.flatnonzero((r2 <= RADIUS**2) & (uvz[:, 2] > 0))
            near = near[np.argsort(uvz[near, 2], kind="stable")][:5]
            left = 1.0
            for k in near:
                a = 1 - r2[k] / RADIUS**2
                rgb[y, x] += left * a * points.rgb[k]
                left *= 1 - a
            coverage[y, x] = 255 * (1 - left)
    return rgb, coverage


@pytest.mark.parametrize("lens", ["published", "exact"])
@pytest.mark.parametrize("size", [(96, 64), (40, 250)])
def test_the_kernel_gives_the_definition(lens, size):
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-2, -2, -0.5], [2, 2, 4], (1500, 3))
    view = Camera(camera(*size, cx=size[0] * 0.4).K, se3.exp(np.array([0.1, 0, 0, 0, 0.1, 0.2])), *size)
    points = cloud(xyz, rng.integers(0, 255, (1500, 3)))
    got, (rgb, coverage) = render_published(points, view, lens), by_hand(points, view, lens)
    # truncated to whole numbers; a disc's border may fall either way in float32
    assert (np.abs(got.rgb - np.floor(rgb)) > 1).mean() < 1e-3
    assert (np.abs(got.coverage - np.floor(coverage)) > 1).mean() < 1e-3
    assert got.coverage.max() > 100
    np.testing.assert_array_equal(got.holes, 255 - got.coverage)


def test_the_published_lens_magnifies_and_turns_the_principal_point_round():
    view = camera(96, 64, cx=50.0, cy=30.0)
    point = np.array([[0.3, -0.2, 2.0]])
    u, v, z = published_pixels(point, view)[0]
    assert u == pytest.approx(48 + 64 / 63 * (70 * 0.15 - (50 - 47.5)), abs=1e-4)
    assert v == pytest.approx(32 + 64 / 63 * (75 * -0.1 - (30 - 31.5)), abs=1e-4)
    assert z == 2
    right = view.project(point.astype(np.float32))[0][0]
    np.testing.assert_allclose(published_pixels(point, view, "exact")[0, :2], right, rtol=1e-6)


def test_a_centred_lens_differs_from_the_exact_one_by_a_pixel_at_most():
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-0.6, -0.4, 1], [0.6, 0.4, 1.2], (200, 3))
    view = camera(1248, 704)
    apart = published_pixels(xyz, view)[:, :2] - published_pixels(xyz, view, "exact")[:, :2]
    assert np.abs(apart).max() < 1.1


def test_discs_keep_their_size_however_far_and_fade_to_the_rim():
    view = camera(704, 704)
    for z in (1.0, 50.0):
        middle = published_pixels(np.array([[0, 0, z]]), view)[0, :2]
        shown = render_published(cloud([[0, 0, z]]), view)
        ys, xs = np.nonzero(shown.coverage)
        assert np.hypot(xs + 0.5 - middle[0], ys + 0.5 - middle[1]).max() <= 3.52
        assert 30 <= len(xs) <= 45
        assert shown.coverage.max() > 200


def test_only_the_five_nearest_count_and_what_is_behind_is_not_seen():
    view = camera(704, 704)
    depths = np.linspace(1, 2, 6)
    rgb = np.zeros((6, 3), np.uint8)
    rgb[5] = 255
    points = cloud(np.stack([np.zeros(6), np.zeros(6), depths], 1), rgb)
    assert render_published(points, view).rgb.max() == 0
    assert render_published(points[np.array([0, 1, 2, 3, 5])], view).rgb.max() > 0
    assert render_published(cloud([[0, 0, -1.0], [0, 0, 0]]), view).coverage.max() == 0
    assert render_published(PointCloud.empty(), view).coverage.max() == 0


def test_the_cubes_grow_with_the_rounds():
    assert [voxel_size(r) for r in range(3)] == pytest.approx([0.010, 0.015, 0.020])
