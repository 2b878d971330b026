"""Delete and move, against the true scene."""

import numpy as np
import pytest

from editing.comparison import missing_from
from editing.edit_log import EditLog
from editing.edits import Edit
from editing.operations import apply, clear
from editing.placing import displacement, offset_to_pixel
from editing.selection import grown, lift_mask
from spatia_core import metrics, se3
from spatia_core.errors import InvalidInput
from spatia_core.memory import Provenance
from spatia_core.render import render
from tests.scenes import UP
from tests.studio import THING, deletion, memory, scene, start, thing_mask


@pytest.fixture(scope="module")
def deleted():
    return apply(deletion(), memory())


def truth(**change):
    return scene().render(scene().start(208, 120), **change)


def test_after_a_delete_no_point_of_the_thing_is_left(deleted):
    gone = lift_mask(memory(), start(), thing_mask())
    assert missing_from(memory().xyz[gone], deleted.xyz).all()


def test_the_place_of_a_deleted_thing_looks_like_the_scene_without_it(deleted):
    seen, true = render(deleted.cloud, start()), truth(without=THING)
    assert seen.coverage.all()
    inside = thing_mask()
    assert metrics.psnr(seen.rgb, true.image, inside) > metrics.psnr(truth().image, true.image, inside) + 3
    error = np.abs(seen.depth - true.depth)[inside] / true.depth[inside]
    assert np.median(error) < 0.05


def test_a_delete_changes_nothing_beyond_the_border_of_the_mask(deleted):
    before, after = render(memory().cloud, start()), render(deleted.cloud, start())
    outside = ~grown(thing_mask(), 3)
    assert (before.rgb[outside] == after.rgb[outside]).all()


def test_what_replaces_a_deleted_thing_is_marked_as_completed(deleted):
    seen = render(deleted.cloud, start())
    shown = deleted.labels.provenance[seen.point_index[thing_mask()]]
    assert (shown == Provenance.COMPLETED).all()


def test_a_moved_thing_stands_where_the_true_one_would():
    edit = Edit("move", start(), thing_mask(), (0.1, 0.0, 0.05), solid=False)
    moved = apply(edit, memory())
    axes = scene().start(208, 120).c2w[:3, :3]
    asked = axes @ (np.array(edit.offset) * memory().median_depth())
    up = -axes[:, 1]
    true_move = asked - up * float(UP @ asked) / float(UP @ up)
    true = truth(moved={THING: se3.translation(true_move)})
    seen = render(moved.cloud, start())
    shown = np.zeros((120, 208), bool)
    shown[moved.labels.object_id[np.maximum(seen.point_index, 0)] > 0] = True
    overlap = (shown & true.mask(THING)).sum() / (shown | true.mask(THING)).sum()
    assert overlap > 0.85
    assert metrics.psnr(seen.rgb, true.image) > metrics.psnr(truth().image, true.image)


def test_a_thing_moved_onto_a_pixel_touches_the_ground_there():
    cleared = clear(memory(), start(), thing_mask())
    ys, xs = np.nonzero(thing_mask())
    unit = memory().median_depth()
    x, y = float(xs.mean()) + 20, float(ys.max()) + 4
    offset = offset_to_pixel(cleared.ground, start(), x, y, unit)
    edit = Edit("move", start(), thing_mask(), offset, solid=False)

    target = cleared.ground.contact + displacement(cleared.ground, edit.placing, start(), unit)
    uv, _ = start().project(target[None].astype(np.float32))
    assert np.allclose(uv[0], [x, y], atol=1.0)


def test_moving_to_a_pixel_above_the_horizon_keeps_the_depth():
    cleared = clear(memory(), start(), thing_mask())
    offset = offset_to_pixel(cleared.ground, start(), 100.0, 2.0, memory().median_depth())
    assert np.isfinite(offset).all()
    assert abs(offset[2]) < 0.2


@pytest.mark.parametrize("offset", [(np.nan, 0.0, 0.0), (0.0, 0.0, 1e6), (0.0, np.inf, 0.0)])
def test_impossible_moves_are_refused(offset):
    with pytest.raises(InvalidInput, match="not possible"):
        Edit("move", start(), thing_mask(), offset)


def test_a_move_behind_the_camera_is_refused():
    with pytest.raises(InvalidInput, match="behind"):
        apply(Edit("move", start(), thing_mask(), (0.0, 0.0, -5.0), on_ground=False), memory())


def test_replaying_the_log_on_a_rebuilt_memory_gives_the_same_memory(deleted):
    again = EditLog((deletion(),)).replay(memory())
    assert np.array_equal(again.xyz, deleted.xyz)
    assert np.array_equal(again.cloud.rgb, deleted.cloud.rgb)


def test_an_empty_log_replays_to_the_identical_memory():
    assert EditLog().replay(memory()) is memory()
