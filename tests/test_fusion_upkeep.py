"""Keyframes that move, budgets that open no holes, detail for viewers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core import se3
from spatia_core.errors import InvalidInput
from spatia_core.memory import Provenance
from spatia_core.render import render
from spatia_core.upkeep import level_of_detail, moved_keyframes, within_budget
from tests.studio import memory, start
from tests.values import memory as small_memory
from tests.values import poses


@given(poses)
def test_points_move_with_their_keyframe_and_keep_their_place_in_its_view(w2c):
    old = small_memory(80)
    labels = replace(old.labels, keyframe=(np.arange(80) % 2).astype(np.int32))
    old = replace(old, labels=labels, keyframes=(*old.keyframes, *old.keyframes))
    new = moved_keyframes(old, {1: w2c})
    odd = np.arange(80) % 2 == 1
    np.testing.assert_array_equal(new.xyz[~odd], old.xyz[~odd])
    np.testing.assert_allclose(
        se3.transform(w2c, new.xyz[odd]), se3.transform(old.keyframes[1].camera.w2c, old.xyz[odd]), atol=1e-4
    )
    np.testing.assert_allclose(new.keyframes[1].camera.w2c, w2c)
    assert new.keyframes[0] is old.keyframes[0]


def test_completed_points_move_with_the_keyframe_they_were_completed_from():
    shift = se3.translation(np.array([0.0, 0.0, 1.0]))
    new = moved_keyframes(memory(), {0: shift @ memory().keyframes[0].camera.w2c})
    completed = memory().of(Provenance.COMPLETED)
    np.testing.assert_allclose(new.xyz[completed], memory().xyz[completed] - [0, 0, 1], atol=1e-5)
    seen = render(new.cloud, new.keyframes[0].camera)
    np.testing.assert_array_equal(seen.rgb, memory().keyframes[0].image)


def test_a_keyframe_that_grew_takes_its_points_depths_and_sizes_along():
    new = moved_keyframes(memory(), {}, scales={0: 2.0})
    np.testing.assert_allclose(new.xyz, 2 * memory().xyz, rtol=1e-5)
    np.testing.assert_allclose(new.cloud.radius, 2 * memory().cloud.radius)
    assert new.median_depth() == pytest.approx(2 * memory().median_depth())


def test_wrong_keyframes_and_scales_are_refused():
    with pytest.raises(InvalidInput, match="no keyframe 7"):
        moved_keyframes(memory(), {7: np.eye(4)})
    with pytest.raises(InvalidInput, match="scaled by -1"):
        moved_keyframes(memory(), {}, scales={0: -1.0})
    with pytest.raises(InvalidInput, match="w2c"):
        moved_keyframes(memory(), {0: np.diag([-1.0, 1, 1, 1])})


@given(st.floats(0.02, 0.9))
def test_a_budget_is_kept_and_nearly_used_and_opens_no_hole(share):
    budget = int(share * len(memory()))
    few = within_budget(memory(), budget)
    assert 0.6 * budget < len(few) <= budget
    before, after = render(memory().cloud, start()), render(few.cloud, start())
    large = few.cloud.radius * start().K[0, 0] / np.maximum(few.xyz[:, 2], 0.1) > 11
    if not large.any():  # the renderer draws no larger squares
        assert (before.coverage & ~after.coverage).mean() < 1e-3


def test_what_was_seen_stays_finer_than_what_was_invented():
    few = within_budget(memory(), len(memory()) // 4)

    def kept(provenance: Provenance) -> float:
        return few.of(provenance).sum() / memory().of(provenance).sum()

    assert kept(Provenance.OBSERVED) > 1.5 * kept(Provenance.COMPLETED)


def test_a_budget_that_is_large_enough_changes_nothing():
    assert within_budget(memory(), len(memory())) is memory()


def test_detail_is_the_same_every_time_and_names_its_points():
    one, two = level_of_detail(memory(), 3000), level_of_detail(memory(), 3000)
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.cloud.xyz, memory().xyz[one.points])
    np.testing.assert_array_equal(one.cloud.rgb, memory().cloud.rgb[one.points])
    assert (one.cloud.radius >= memory().cloud.radius[one.points]).all()
    assert (np.diff(one.points) > 0).all()


@pytest.mark.parametrize("budget", [1, 2, 10])
def test_tiny_budgets_are_kept(budget):
    assert 1 <= len(level_of_detail(memory(), budget).points) <= budget


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(InvalidInput, match="at least 1"):
        level_of_detail(memory(), 0)
