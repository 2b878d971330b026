import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core import se3
from spatia_core.errors import InvalidInput
from tests.values import poses, rotation_vectors, twists, vectors


def test_a_quarter_turn_about_z_takes_x_to_y():
    R = se3.so3_exp(np.array([0, 0, np.pi / 2]))
    np.testing.assert_allclose(R @ [1, 0, 0], [0, 1, 0], atol=1e-12)


@given(poses)
def test_the_inverse_undoes_the_motion(T):
    np.testing.assert_allclose(T @ se3.inverse(T), np.eye(4), atol=1e-12)


@given(twists)
def test_log_undoes_exp(twist):
    np.testing.assert_allclose(se3.log(se3.exp(twist)), twist, atol=1e-6)


@given(rotation_vectors)
def test_exp_gives_a_rotation(w):
    assert se3.is_rigid(se3.rigid(se3.so3_exp(w), np.zeros(3)), tolerance=1e-9)


@given(st.floats(np.pi - 1e-7, np.pi), vectors.filter(lambda v: float(np.linalg.norm(v)) > 0.1))
def test_log_finds_half_turns(angle, axis):
    R = se3.so3_exp(axis / np.linalg.norm(axis) * angle)
    np.testing.assert_allclose(se3.so3_exp(se3.so3_log(R)), R, atol=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-9, 1e-7, 1e-5])
def test_tiny_rotations_survive_the_round_trip(size):
    w = np.array([size, -size, size / 2])
    np.testing.assert_allclose(se3.so3_log(se3.so3_exp(w)), w, atol=1e-12)


@given(poses, poses)
def test_interpolation_starts_at_a_and_ends_at_b(a, b):
    np.testing.assert_allclose(se3.interpolate(a, b, 0), a, atol=1e-9)
    np.testing.assert_allclose(se3.interpolate(a, b, 1), b, atol=1e-5)


@given(poses, poses, st.floats(0, 1))
def test_between_two_poses_lies_a_pose(a, b, s):
    assert se3.is_rigid(se3.interpolate(a, b, s), tolerance=1e-9)


def test_halfway_between_two_poses_is_half_the_turn():
    half = se3.interpolate(np.eye(4), se3.exp(np.array([0, 0.8, 0, 0, 0, 0])), 0.5)
    np.testing.assert_allclose(se3.so3_log(half[:3, :3]), [0, 0.4, 0], atol=1e-12)


@given(poses)
def test_moving_points_is_matrix_times_column_for_any_batch(T):
    points = np.random.default_rng(0).normal(size=(2, 3, 3))
    expected = np.einsum("ij,abj->abi", T[:3, :3], points) + T[:3, 3]
    np.testing.assert_allclose(se3.transform(T, points), expected, atol=1e-12)
    assert se3.transform(T, np.zeros((0, 3))).shape == (0, 3)


def test_moving_points_keeps_their_dtype():
    assert se3.transform(np.eye(4), np.zeros((1, 3), np.float32)).dtype == np.float32


def test_look_at_puts_the_target_in_front_and_up_upwards():
    w2c = se3.look_at(np.array([1.0, 2, 3]), np.array([4.0, 2, 3]), np.array([0.0, -1, 0]))
    np.testing.assert_allclose(se3.transform(w2c, np.array([4.0, 2, 3])), [0, 0, 3], atol=1e-12)
    above = se3.transform(w2c, np.array([4.0, 1, 3]))
    assert above[1] < 0  # image y grows downwards
    assert se3.is_rigid(w2c)


@pytest.mark.parametrize("target", [[0.0, 0, 0], [0.0, -2, 0]])
def test_look_at_refuses_a_view_without_direction_or_along_up(target):
    with pytest.raises(InvalidInput, match="look_at needs"):
        se3.look_at(np.zeros(3), np.array(target), np.array([0.0, -1, 0]))


def test_the_nearest_rotation_of_a_noisy_rotation_is_a_rotation_close_by():
    R = se3.so3_exp(np.array([0.3, -0.2, 0.9]))
    noisy = R + np.random.default_rng(0).normal(scale=0.01, size=(3, 3))
    near = se3.nearest_rotation(noisy)
    assert se3.is_rigid(se3.rigid(near, np.zeros(3)), tolerance=1e-9)
    assert np.abs(near - R).max() < 0.03


def test_the_nearest_rotation_is_never_a_mirror():
    assert np.linalg.det(se3.nearest_rotation(np.diag([1.0, 1.0, -1.0]))) == pytest.approx(1)


@pytest.mark.parametrize(
    "T",
    [np.diag([1.0, 1, -1, 1]), np.diag([2.0, 2, 2, 1]), np.diag([1.0, 1, 1, 2]), np.full((4, 4), np.nan), np.eye(3)],
    ids=["mirror", "scale", "last row", "nan", "3x3"],
)
def test_what_is_not_rigid_is_told(T):
    assert not se3.is_rigid(T)


@given(poses, st.floats(0.1, 10))
def test_similarity_alignment_recovers_scale_rotation_and_translation(T, scale):
    source = np.random.default_rng(1).normal(size=(8, 3))
    target = scale * source @ T[:3, :3].T + T[:3, 3]
    s, R, t = se3.align_similarity(source, target)
    assert s == pytest.approx(scale, rel=1e-9)
    np.testing.assert_allclose(R, T[:3, :3], atol=1e-9)
    np.testing.assert_allclose(t, T[:3, 3], atol=1e-8)


def test_alignment_without_scale_leaves_it_at_one():
    source = np.random.default_rng(1).normal(size=(8, 3))
    assert se3.align_similarity(source, 3 * source, with_scale=False)[0] == 1.0


def test_alignment_needs_three_pairs():
    with pytest.raises(InvalidInput, match="at least 3 pairs"):
        se3.align_similarity(np.zeros((2, 3)), np.zeros((2, 3)))
