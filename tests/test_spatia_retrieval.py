from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from spatia_core import se3
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.references import assign, assign_references, front_most
from tests.values import camera

GOLDEN = load_file(Path(__file__).parent / "data" / "golden" / "retrieval.safetensors")


def test_masks_and_assignment_are_the_recorded_ones():
    masks = [
        np.stack([front_most(GOLDEN["in.points"], w2c, GOLDEN["in.intrinsics"], (44, 78)) for w2c in GOLDEN[name]])
        for name in ("in.target_w2c", "in.history_w2c")
    ]
    np.testing.assert_array_equal(masks[0], GOLDEN["out.target_masks"])
    np.testing.assert_array_equal(masks[1], GOLDEN["out.history_masks"])
    found = assign(masks[0], masks[1])
    np.testing.assert_array_equal(found.overlap, GOLDEN["out.overlap"])
    np.testing.assert_array_equal(found.targets, GOLDEN["out.match_target"])
    np.testing.assert_array_equal(found.candidates, GOLDEN["out.match_history"])


def test_every_point_is_one_pixel_and_the_nearest_counts():
    lens = np.array([10.0, 10, 5, 5])
    points = np.array([[0, 0, 2], [0, 0, 1], [0, 0, -1], [9, 0, 1], [0.05, 0, 1]], np.float32)
    seen = front_most(points, np.eye(4), lens, (10, 10))
    assert seen.tolist() == [False, True, False, False, True]  # equal depth in one pixel: both


def test_pixels_are_cut_towards_zero():
    lens = np.array([10.0, 10, 5, 5])
    points = np.array([[-0.55, 0, 1], [-0.65, 0, 1]], np.float32)  # u = -0.5 and -1.5
    assert front_most(points, np.eye(3, 4), lens, (10, 10)).tolist() == [True, False]


def test_the_sum_counts_and_no_candidate_is_given_twice():
    targets = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
    candidates = np.array([[1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]], bool)
    found = assign(targets, candidates)
    # the best for both is candidate 0; together they see most when the first takes candidate 1
    assert found.candidates.tolist() == [1, 0]
    assert found.overlap.tolist() == [[3, 2, 0], [2, 0, 0]]
    assert assign(targets, candidates, count=1).candidates.tolist() == [1]
    assert len(assign(targets, candidates[:1]).candidates) == 1


def test_counts_may_be_rounded_as_on_a_card():
    seen = np.ones((1, 1411), bool)
    assert assign(seen, seen).overlap.tolist() == [[1411]]
    assert assign(seen, seen, rounded=True).overlap.tolist() == [[1408]]


def test_a_memory_gives_its_keyframes_in_the_order_of_the_path():
    sides = [se3.exp(np.array([0, 0, 0, 0, angle, 0])) for angle in (0.0, np.pi / 2, np.pi)]
    views = [camera(32, 24, w2c) for w2c in sides]
    around = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)
    points = PointCloud(around, np.zeros((3000, 3), np.uint8), np.zeros(3000, np.float32))
    image, depth = np.zeros((24, 32, 3), np.uint8), np.ones((24, 32), np.float32)
    keyframes = tuple(Keyframe.static(image, depth, view) for view in views)
    memory = SpatialMemory(points, PointLabels.uniform(3000, Provenance.OBSERVED), keyframes)
    assert assign_references(memory, views[::-1], every=1) == (2, 1, 0)
    assert assign_references(memory, views[::-1], count=1, every=1) == (2,)
    assert assign_references(memory, [views[1]] * 12) == (1,)
    assert assign_references(SpatialMemory.empty(), views) == ()
