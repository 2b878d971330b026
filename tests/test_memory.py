from dataclasses import replace

import numpy as np
import pytest

from spatia_core.errors import InvalidInput
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from tests.values import MISSHAPEN, camera, cloud, memory


def test_an_empty_memory_knows_nothing():
    empty = SpatialMemory.empty()
    assert len(empty) == 0
    assert empty.statistics().points == 0
    with pytest.raises(InvalidInput, match="add a photo"):
        empty.median_depth()


def test_inserting_appends_and_leaves_the_old_value_alone():
    old = memory(5)
    new = old.insert(cloud(3, 1), PointLabels.uniform(3, Provenance.COMPLETED, keyframe=1))
    assert (len(old), len(new)) == (5, 8)
    np.testing.assert_array_equal(new.xyz[:5], old.xyz)
    assert new.of(Provenance.COMPLETED).tolist() == [False] * 5 + [True] * 3


def test_inserting_can_add_keyframes():
    old = memory()
    assert len(old.insert(cloud(0), PointLabels.uniform(0, Provenance.OBSERVED), old.keyframes).keyframes) == 2


def test_removing_keeps_the_order_of_the_others():
    old = memory(5)
    new = old.without(np.array([False, True, False, True, False]))
    np.testing.assert_array_equal(new.xyz, old.xyz[[0, 2, 4]])
    assert len(new.labels.confidence) == 3


def test_removing_nothing_gives_the_very_same_memory():
    old = memory()
    assert old.without(np.zeros(len(old), dtype=bool)) is old


def test_removing_everything_leaves_the_keyframes():
    gone = memory().without(np.ones(50, dtype=bool))
    assert len(gone) == 0
    assert len(gone.keyframes) == 1


def test_statistics_count_each_origin():
    labels = PointLabels.uniform(2, Provenance.OBSERVED) + PointLabels.uniform(1, Provenance.GENERATED)
    counts = SpatialMemory(cloud(3), labels).statistics()
    assert (counts.points, counts.observed, counts.completed, counts.generated) == (3, 2, 0, 1)


def test_the_median_depth_is_that_of_the_first_photo():
    assert memory().median_depth() == 2.0


def test_a_first_photo_without_depth_gives_no_scale():
    old = memory()
    blank = replace(old.keyframes[0], depth=np.full((12, 16), np.nan, np.float32))
    with pytest.raises(InvalidInput, match="no known depth"):
        replace(old, keyframes=(blank,)).median_depth()


def test_as_many_labels_as_points():
    with pytest.raises(InvalidInput, match="2 labels for 3 points"):
        SpatialMemory(cloud(3), PointLabels.uniform(2, Provenance.OBSERVED))


def test_a_keyframe_is_of_one_size():
    none = np.zeros((12, 16), dtype=bool)
    with pytest.raises(MISSHAPEN):
        Keyframe(np.zeros((12, 16, 3), np.uint8), np.ones((6, 8), np.float32), camera(16, 12), none, none)
    with pytest.raises(InvalidInput, match="8x6"):
        Keyframe(np.zeros((12, 16, 3), np.uint8), np.ones((12, 16), np.float32), camera(8, 6), none, none)
