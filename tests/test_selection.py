"""Masks to points and back."""

import numpy as np
import pytest

from editing.selection import checked, combine, grown, lift_mask, shown_mask
from spatia_core.errors import InvalidInput
from spatia_core.memory import Provenance
from spatia_core.render import render
from tests.studio import memory, start, thing_mask


def test_selections_combine_like_sets():
    a, b = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    a[:4], b[2:6] = True, True
    assert (combine(a, b, "add") == (a | b)).all()
    assert (combine(a, b, "subtract") == (a & ~b)).all()
    assert (combine(a, b, "intersect") == (a & b)).all()
    assert combine(None, b, "subtract") is b
    assert combine(a, b, "replace") is b


def test_growing_and_shrinking_move_the_border():
    mask = np.zeros((40, 40), bool)
    mask[15:25, 15:25] = True
    assert grown(mask, 0) is mask
    assert grown(mask, 3).sum() > mask.sum() > grown(mask, -3).sum() > 0
    assert (grown(mask, 3) & mask).sum() == mask.sum()


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((120, 208), bool), "Nothing is selected"),
        (np.ones((120, 208), bool), "leaves nothing"),
        (np.ones((10, 10), bool), "10x10"),
    ],
)
def test_unusable_masks_are_refused_with_a_reason(mask, says):
    with pytest.raises(InvalidInput, match=says):
        checked(mask, start())


def test_a_lifted_mask_selects_the_thing_and_nothing_else():
    chosen = lift_mask(memory(), start(), thing_mask())
    shown = shown_mask(chosen, render(memory().cloud, start()))
    assert (shown & ~thing_mask()).sum() == 0
    assert shown.sum() > 0.95 * thing_mask().sum()


def test_a_sloppy_mask_leaves_the_far_background_alone():
    sloppy = grown(thing_mask(), 2)
    chosen = lift_mask(memory(), start(), sloppy)
    shown = shown_mask(chosen, render(memory().cloud, start()))
    # the upper half of the thing stands before the wall, far behind it
    top = slice(0, int(np.nonzero(thing_mask())[0].mean()))
    assert (shown & ~thing_mask())[top].sum() < 0.2 * (sloppy & ~thing_mask())[top].sum()


def test_hidden_completed_points_are_not_selected():
    chosen = lift_mask(memory(), start(), thing_mask())
    assert not (chosen & memory().of(Provenance.COMPLETED)).any()
