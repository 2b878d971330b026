"""Trajectory errors against values known by hand."""

import numpy as np
import pytest

from spatia_core import se3
from spatia_core.errors import InvalidInput
from spatia_core.trajectory_metrics import trajectory_error


def line(n: int) -> list[np.ndarray]:
    """A bent path of n poses."""
    return [
        se3.rigid(se3.so3_exp(np.array([0, 0.1 * i, 0])), np.array([0.1 * i, 0.02 * i * i, 0.3 * np.sin(i)]))
        for i in range(n)
    ]


def test_a_path_in_another_world_has_no_error():
    world = se3.rigid(se3.so3_exp(np.array([0.3, -1, 0.2])), np.array([5.0, 2, -1]))
    error = trajectory_error([world @ T for T in line(8)], line(8))
    assert error.ate < 1e-9
    assert error.rpe < 1e-9
    assert error.rpe_degrees < 1e-5
    assert error.scale == pytest.approx(1)


def test_a_path_of_half_size_is_forgiven_by_the_similarity_only():
    found = [se3.rigid(T[:3, :3], T[:3, 3] / 2) for T in line(8)]
    error = trajectory_error(found, line(8))
    assert error.ate_similarity < 1e-9
    assert error.scale == pytest.approx(2)
    assert error.ate > 0.05


def test_steps_of_a_constant_wrong_turn_are_reported_in_degrees():
    turn = se3.rigid(se3.so3_exp(np.array([0, np.deg2rad(2), 0])), np.zeros(3))
    found = [np.eye(4)]
    for _ in range(5):
        found.append(found[-1] @ turn)
    assert trajectory_error(found, [np.eye(4)] * 6).rpe_degrees == pytest.approx(2)


def test_lost_frames_do_not_count_and_break_the_chain_of_steps():
    true = line(8)
    found: list[np.ndarray | None] = list(true)
    found[3] = None
    assert trajectory_error(found, true).ate < 1e-9
    assert trajectory_error(found, true).rpe < 1e-9


def test_too_few_or_unequal_poses_are_answered_with_a_sentence():
    with pytest.raises(InvalidInput, match="Only 2 frames were tracked"):
        trajectory_error([*line(2), None], line(3))
    with pytest.raises(InvalidInput, match="one for every frame"):
        trajectory_error(line(3), line(4))
