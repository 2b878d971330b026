"""Shadows that go with their thing, and honesty where there is none."""

from functools import cache

import numpy as np
import pytest

from editing.edits import Along, Edit
from editing.operations import apply, clear
from editing.selection import grown
from spatia_core.arrays import Mask
from spatia_core.memory import SpatialMemory
from spatia_core.pipeline import start_memory
from spatia_core.render import render
from tests.studio import TrueDepth, first_view, make_session, memory, start, thing_mask


@cache
def shaded() -> tuple[SpatialMemory, Mask]:
    """The room with a soft shadow beside the thing's foot, and where it is darker than 0.85."""
    view, mask = first_view(), thing_mask()
    world = start().unproject(view.depth)
    ground = clear(memory(), start(), mask).ground
    tall = np.ptp(world[mask] @ ground.normal)
    side = np.cross(ground.normal, start().c2w[:3, 2])
    middle = ground.contact + np.sign(side[0]) * 0.3 * tall * side / np.linalg.norm(side)
    away = np.linalg.norm(world - middle, axis=-1) / (0.45 * tall)
    floor = (np.abs(world @ ground.normal - ground.offset) < 0.05 * tall) & ~mask
    light = np.where(floor, 1 - 0.5 * np.exp(-(away**4)), 1.0)
    image = np.rint(view.image * light[..., None]).astype(np.uint8)
    return start_memory(image, TrueDepth(view).estimate(image, None)), light < 0.75


def test_a_shadow_is_found_and_goes_when_its_thing_goes():
    m, dark = shaded()
    assert dark.sum() > 40
    cleared = clear(m, start(), thing_mask(), along=Along(shadow=True))
    assert cleared.marks.shadow is not None
    uv, _ = start().project(cleared.marks.shadow.xyz)
    found = np.zeros_like(dark)
    found[uv[:, 1].astype(int), uv[:, 0].astype(int)] = True
    assert (found & dark).sum() > 0.6 * dark.sum()
    after = render(apply(Edit("delete", start(), thing_mask(), shadow=True), m).cloud, start()).rgb
    left = render(apply(Edit("delete", start(), thing_mask()), m).cloud, start()).rgb
    lit = first_view().image
    error = [np.abs(p[dark].astype(float).mean() - lit[dark].mean()) for p in (after, left)]
    assert error[0] < 0.5 * error[1]


def test_a_moved_shadow_darkens_the_ground_where_it_comes_to_lie():
    m, _ = shaded()
    edit = Edit("move", start(), thing_mask(), (-0.15, 0.0, -0.1), solid=False, shadow=True)
    plain = Edit("move", start(), thing_mask(), (-0.15, 0.0, -0.1), solid=False)
    a, b = (render(apply(e, m).cloud, start()).rgb.astype(int).sum(-1) for e in (edit, plain))
    assert (a < b - 30).sum() > 30


def test_where_there_is_no_shadow_none_is_taken_and_it_is_said(tmp_path):
    assert clear(memory(), start(), thing_mask(), along=Along(shadow=True)).marks.shadow is None
    session = make_session(tmp_path)
    session.select_mask(thing_mask())
    assert session.along_says == ""
    session.along = Along(shadow=True)
    assert "No shadow" in session.along_says
    session.delete()
    outside = ~grown(thing_mask(), 4)
    assert np.array_equal(session.stage[outside], render(memory().cloud, start()).rgb[outside])


def test_shadows_replay():
    m, _ = shaded()
    edit = Edit("move", start(), thing_mask(), (-0.15, 0.0, -0.1), shadow=True)
    assert np.array_equal(apply(edit, m).cloud.rgb, apply(edit, m).cloud.rgb)
    assert edit.label == pytest.approx("Move by -0.15, +0.00, -0.10")
