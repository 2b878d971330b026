import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core import se3
from spatia_core.errors import InvalidInput
from spatia_core.point_cloud import PointCloud
from tests.values import MISSHAPEN, cloud, poses


def coloured(xyz, grey=(0,), radius=0.0) -> PointCloud:
    points = np.asarray(xyz, np.float32).reshape(-1, 3)
    rgb = np.resize(np.repeat(np.asarray(grey, np.uint8), 3), (len(points), 3))
    return PointCloud(points, rgb, np.full(len(points), radius, np.float32))


def test_two_points_of_one_voxel_become_their_mean():
    small = coloured([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1], [1.5, 0, 0]], (10, 21, 200)).voxel_down_sampled(1.0)
    assert len(small) == 2
    np.testing.assert_allclose(small.xyz[0], [0.2, 0.1, 0.1], atol=1e-6)
    assert small.rgb[0, 0] in (15, 16)
    np.testing.assert_array_equal(small.radius, [0.5, 0.5])


def test_voxels_on_both_sides_of_zero_are_different():
    assert len(coloured([[-0.1, 0, 0], [0.1, 0, 0]]).voxel_down_sampled(1.0)) == 2


@given(st.floats(0.05, 2))
def test_down_sampling_never_adds_points_and_keeps_them_in_bounds(size):
    before = cloud(200)
    after = before.voxel_down_sampled(size)
    assert len(after) <= len(before)
    (low, high), (a, b) = before.bounds(), after.bounds()
    assert (a >= low - 1e-5).all()
    assert (b <= high + 1e-5).all()


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan")])
def test_a_voxel_has_a_size(size):
    with pytest.raises(InvalidInput, match="voxel size"):
        cloud(3).voxel_down_sampled(size)


def test_a_lonely_point_is_an_outlier():
    dense = np.random.default_rng(0).normal(scale=0.1, size=(300, 3))
    assert np.flatnonzero(coloured([*dense, [9, 9, 9]]).outliers()).tolist() == [300]


def test_few_points_have_no_outliers():
    assert not cloud(5).outliers().any()
    assert cloud(0).outliers().shape == (0,)


@given(poses)
def test_a_motion_keeps_distances(T):
    before = cloud(20)
    after = before.transformed(T)
    gaps = [np.linalg.norm(c.xyz[1:] - c.xyz[:-1], axis=1) for c in (before, after)]
    np.testing.assert_allclose(gaps[0], gaps[1], atol=1e-4)


@given(poses)
def test_a_motion_and_its_inverse_cancel(T):
    there_and_back = cloud(20).transformed(T).transformed(se3.inverse(T))
    np.testing.assert_allclose(there_and_back.xyz, cloud(20).xyz, atol=1e-5)


def test_what_a_motion_does_not_touch_is_shared():
    before = cloud(5)
    after = before.transformed(np.eye(4))
    assert np.shares_memory(after.rgb, before.rgb)
    assert np.shares_memory(after.radius, before.radius)


def test_points_are_picked_by_mask_and_by_index_alike():
    points = cloud(6)
    mask = np.array([True, False, True, False, False, True])
    np.testing.assert_array_equal(points[mask].xyz, points[np.flatnonzero(mask)].xyz)
    assert len(points[np.zeros(6, dtype=bool)]) == 0


def test_adding_puts_the_other_cloud_last():
    a, b = cloud(3, 1), cloud(2, 2)
    np.testing.assert_array_equal((a + b).xyz[3:], b.xyz)
    assert len(PointCloud.empty() + a) == 3


def test_an_empty_cloud_has_no_bounds():
    with pytest.raises(InvalidInput, match="no bounds"):
        PointCloud.empty().bounds()


def test_nan_positions_are_refused():
    with pytest.raises(InvalidInput, match="NaN"):
        coloured([[np.nan, 0, 0]])


def test_arrays_of_different_length_are_refused():
    with pytest.raises(MISSHAPEN):
        PointCloud(np.zeros((2, 3), np.float32), np.zeros((3, 3), np.uint8), np.zeros(2, np.float32))


def test_the_arrays_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        cloud(2).xyz[0] = 0
