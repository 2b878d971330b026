"""Culling that changes nothing, hashing that finds what lies near."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import KDTree

import spatia_core.render.kernel as kernel
from spatia_core.memory import PointLabels, Provenance
from spatia_core.render import render
from spatia_core.voxels import BLOCK, Blocks, VoxelIndex, levels, numbered, voxel_keys
from tests.values import camera, cloud, poses


def runs_mask(runs: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros(n, bool)
    for a, b in runs:
        out[a:b] = True
    return out


@given(poses, st.integers(1, 3 * BLOCK))
def test_no_visible_point_lies_in_a_run_that_was_passed_over(w2c, n):
    points, view = cloud(n), camera(w2c=w2c)
    uv, z = view.project(points.xyz)
    with np.errstate(invalid="ignore"):
        seen = (z > 0) & (uv > -12).all(1) & (uv < [view.width + 12, view.height + 12]).all(1)
    assert runs_mask(points.blocks.seen_by(view), n)[seen].all()


@given(poses)
def test_a_culled_rendering_is_the_rendering(w2c):
    points, view = cloud(4 * BLOCK), camera(w2c=w2c)
    whole = render(points, view)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "_WORTH_CULLING", 1)
        culled = render(points, view)
    np.testing.assert_array_equal(culled.point_index, whole.point_index)
    np.testing.assert_array_equal(culled.depth, whole.depth)


def test_runs_behind_a_depth_are_passed_over():
    points = cloud(2 * BLOCK)
    far = points.transformed(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 50], [0, 0, 0, 1.0]]))
    both = points + far
    assert both.blocks.seen_by(camera()).tolist() == [[0, 4 * BLOCK]]
    assert both.blocks.seen_by(camera(), farthest=10).tolist() == [[0, 2 * BLOCK]]


@given(st.lists(st.integers(0, 2 * BLOCK), min_size=1, max_size=4))
def test_boxes_that_are_continued_are_those_found_at_once(sizes):
    grown = cloud(5)
    assert grown.blocks.points == 5
    for i, n in enumerate(sizes):
        grown = grown + cloud(n, seed=i)
    np.testing.assert_array_equal(grown.blocks.low, Blocks.around(grown.xyz).low)
    np.testing.assert_array_equal(grown.blocks.high, Blocks.around(grown.xyz).high)


def test_continuing_the_newest_cloud_shares_its_points_and_a_branch_does_not_disturb_it():
    one = cloud(50) + cloud(10, 1)
    two = one + cloud(10, 2)
    assert np.shares_memory(one.xyz, two.xyz)
    branch = one + cloud(10, 3)
    np.testing.assert_array_equal(two.xyz[60:], cloud(10, 2).xyz)
    np.testing.assert_array_equal(branch.xyz[60:], cloud(10, 3).xyz)
    np.testing.assert_array_equal(one.xyz, np.concatenate([cloud(50).xyz, cloud(10, 1).xyz]))


def test_labels_are_continued_the_same_way():
    one = PointLabels.uniform(5, Provenance.OBSERVED) + PointLabels.uniform(2, Provenance.COMPLETED)
    two = one + PointLabels.uniform(3, Provenance.GENERATED)
    branch = one + PointLabels.uniform(3, Provenance.OBSERVED)
    assert np.shares_memory(one.provenance, two.provenance)
    assert two.provenance.tolist() == [0] * 5 + [1] * 2 + [2] * 3
    assert branch.provenance.tolist() == [0] * 5 + [1] * 2 + [0] * 3


@given(st.integers(0, 300), st.integers(1, 300), st.floats(0.05, 1.0))
def test_the_index_finds_exactly_what_a_tree_finds(held, asked, reach):
    """For footprints of one size; the tree is scipy's."""
    a, b = cloud(held, 1, radius=0.2), cloud(asked, 2, radius=0.2)
    same = np.full(held, 0.2, np.float32)
    found = VoxelIndex(a.xyz, same).holds_near(b.xyz, np.full(asked, 0.15, np.float32), reach)
    if not held:
        assert not found.any()
        return
    distance = KDTree(a.xyz.astype(float)).query(b.xyz.astype(float))[0]
    clear = np.abs(distance - reach * 0.2) > 1e-5
    np.testing.assert_array_equal(found[clear], (distance <= reach * 0.2)[clear])


def test_levels_are_powers_of_two_at_or_above_the_footprint():
    assert levels(np.array([0.5, 0.49, 0.51, 4.0, 0.0], np.float32)).tolist() == [0, 0, 1, 3, -40]


@given(st.floats(0.1, 3))
def test_equal_numbers_mean_one_voxel(side):
    points = cloud(500)
    size = np.full(500, 0.25, np.float32)
    count, number = numbered(voxel_keys(points.xyz, size, np.full(500, side, np.float32)))
    place = np.floor(points.xyz.astype(float) / (np.float32(side) * 0.5))
    expected = np.unique(place, axis=0, return_inverse=True)[1].ravel()
    assert count == expected.max() + 1
    assert len(np.unique(np.stack([number, expected]), axis=1).T) == count
