"""Selections in space against the analytic room, and edits made with them."""

import numpy as np
import pytest

from editing.edit_log import EditLog
from editing.operations import Edit, apply
from editing.project_file import open_project, save_project
from editing.selection import grown
from editing.volume_selection import (
    MOST_STEPS,
    Ball,
    Box,
    Colour,
    Drawn,
    Everything,
    Grown,
    Inverted,
    InView,
    Thing,
    Volume,
    ball_at,
    box_at,
    checked_points,
    colour_at,
    outline_mask,
    spot,
    stroke_mask,
)
from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.completion import MARGIN
from spatia_core.errors import InvalidInput, ProjectFormatError
from spatia_core.memory import Provenance
from spatia_core.render import render
from tests.studio import THING, centre_of_thing, first_view, make_session, memory, start, thing_mask


def view(right: float = 0.0, back: float = 0.0) -> Camera:
    """The photo's camera stepped aside."""
    return start().moved(se3.translation(np.array([-right, 0.0, back])) @ start().w2c)


def truly_thing() -> np.ndarray:
    """(n,) the observed points that are the thing's, by what the photo's camera sees."""
    seen = render(memory().cloud, start())
    points = np.zeros(len(memory()), bool)
    points[seen.point_index[thing_mask()]] = True
    return points


def in_view(mask=None, through=False, camera=None) -> InView:
    camera = camera or start()
    return InView(camera, thing_mask() if mask is None else mask, through)


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_only_what_i_see_takes_the_front_and_through_takes_what_is_behind_as_well():
    front, through = in_view().points(memory()), in_view(through=True).points(memory())
    assert (front <= through).all()
    assert through.sum() > front.sum() > 0.9 * truly_thing().sum()
    _, z = start().project(memory().xyz)
    assert np.median(z[through & ~front]) > np.median(z[front])


def test_what_is_seen_in_the_photo_is_all_selected_by_a_mask_there():
    assert (truly_thing() <= in_view().points(memory())).all()


def test_a_whole_surface_is_selected_from_far_away_where_many_points_share_a_pixel():
    far = view(back=3 * memory().median_depth())
    everything = in_view(np.ones((far.height, far.width), bool), camera=far).points(memory())
    observed = memory().of(Provenance.OBSERVED)
    shown = np.unique(render(memory().cloud, far).point_index)
    assert (everything & observed).sum() > 0.8 * observed.sum() > 2 * len(shown)


def test_through_reaches_what_is_hidden_in_a_view_from_the_side():
    camera = view(right=0.3 * memory().median_depth())
    seen = render(memory().cloud, camera)
    index = seen.point_index
    mask = (index >= 0) & truly_thing()[np.maximum(index, 0)]
    front, through = (in_view(mask, t, camera).points(memory()) for t in (False, True))
    assert (front & truly_thing()).sum() > 0.6 * truly_thing().sum()
    assert through.sum() > front.sum()


def test_nothing_behind_the_camera_is_selected():
    turned = start().moved(np.diag([-1.0, 1.0, -1.0, 1.0]))
    _, z = turned.project(memory().xyz)
    mask = np.ones((turned.height, turned.width), bool)
    assert not (in_view(mask, True, turned).points(memory()) & (z <= 0)).any()


def test_a_ball_and_a_box_hold_what_is_inside_them():
    x, y = centre_of_thing()
    at = memory().xyz[spot(memory(), start(), x, y)].astype(float)
    ball = Ball((at[0], at[1], at[2]), 0.2)
    assert np.array_equal(ball.points(memory()), np.linalg.norm(memory().xyz - at, axis=1) <= 0.2)
    low, high = tuple(at - 0.1), tuple(at + 0.1)
    box = Box(low, high)  # type: ignore[arg-type]
    assert np.array_equal(box.points(memory()), ((memory().xyz >= low) & (memory().xyz <= high)).all(1))


def test_a_ball_drawn_in_a_view_has_the_radius_that_is_seen():
    x, y = centre_of_thing()
    ball = ball_at(memory(), start(), x, y, 10.0)
    uv, z = start().project(np.array([ball.centre], np.float32))
    assert np.hypot(*(uv[0] - [x, y])) < 1.5
    assert ball.radius == pytest.approx(10.0 * z[0] / start().K[0, 0])
    box = box_at(memory(), start(), x, y, 10.0)
    assert np.subtract(box.high, box.low) == pytest.approx([2 * ball.radius] * 3)


def test_a_colour_selects_points_that_look_alike_and_more_of_them_with_tolerance():
    x, y = centre_of_thing()
    one, more = (colour_at(memory(), start(), x, y, t).points(memory()) for t in (4.0, 25.0))
    assert 0 < one.sum() < more.sum() < len(memory())
    assert (one <= more).all()
    there = first_view().image[int(y), int(x)]
    assert tuple(there) == colour_at(memory(), start(), x, y, 4.0).rgb


def test_a_thing_is_found_again_by_its_number_after_it_was_moved():
    moved = apply(Edit("move", start(), thing_mask(), (0.1, 0.0, 0.0)), memory())
    assert Thing(1).points(moved).sum() > 100
    assert not Thing(1).points(memory()).any()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Ball((0, 0, np.nan), 1.0),
        lambda: Ball((0, 0, 0), 0.0),
        lambda: Box((0, 0, 0), (1, 1, 0)),
        lambda: Box((0, 0, 0), (1, 1, np.inf)),
        lambda: Colour((300, 0, 0)),
        lambda: Colour((0, 0, 0), 0.0),
        lambda: Grown(0.0),
        lambda: Grown(np.nan),
        lambda: InView(start(), np.zeros((3, 3), bool)),
    ],
)
def test_impossible_shapes_are_refused(wrong):
    with pytest.raises(InvalidInput):
        wrong()


def test_pointing_at_nothing_is_said():
    away = start().moved(np.diag([-1.0, 1.0, -1.0, 1.0]) @ se3.translation(np.array([0.0, 0.0, -50.0])))
    with pytest.raises(InvalidInput, match="nothing under the pointer"):
        spot(memory(), away, 5, 5)


# --- drawing ----------------------------------------------------------------------------------------------------------


def test_an_outline_covers_the_pixels_inside_it():
    mask = outline_mask(np.array([(10.0, 20), (30, 20), (30, 60), (10, 60)]), start())
    ys, xs = np.nonzero(mask)
    assert (xs.min(), ys.min()) == (10, 20)
    assert abs(xs.max() - 29) <= 1
    assert abs(ys.max() - 59) <= 1
    assert mask.sum() == (xs.max() - 9) * (ys.max() - 19)


def test_outlines_are_cut_at_the_frame_however_far_they_reach():
    mask = outline_mask(np.array([(-1e5, -1e5), (1e5, -1e5), (1e5, 1e5), (-1e5, 1e5)]), start())
    assert mask.all()


def test_a_brush_is_as_wide_as_it_says():
    mask = stroke_mask(np.array([(40.0, 60.0), (160.0, 60.0)]), 9.0, start())
    assert mask[:, 100].sum() == pytest.approx(18, abs=2)
    assert stroke_mask(np.array([(40.0, 60.0)]), 9.0, start()).sum() == pytest.approx(np.pi * 81, rel=0.15)


# --- steps ------------------------------------------------------------------------------------------------------------


def test_steps_follow_set_algebra():
    a, b = Ball((0, 0, 2), 1.0), Ball((0.5, 0, 2), 1.0)
    pa, pb = a.points(memory()), b.points(memory())

    def after(how):
        return Volume((Drawn(a),)).then(Drawn(b, how)).points(memory())

    assert np.array_equal(after("add"), pa | pb)
    assert np.array_equal(after("subtract"), pa & ~pb)
    assert np.array_equal(after("intersect"), pa & pb)
    assert np.array_equal(after("replace"), pb)
    assert np.array_equal(Volume((Drawn(a),)).then(Inverted()).points(memory()), ~pa)
    assert not Volume().points(memory()).any()


def test_a_shape_that_replaces_forgets_the_steps_before():
    volume = Volume().then(Drawn(Everything())).then(Inverted()).then(Drawn(Ball((0, 0, 2), 1.0)))
    assert len(volume.steps) == 1


def test_growing_then_shrinking_comes_back_near_and_each_goes_its_way():
    before = Volume((Drawn(in_view()),))
    points = before.points(memory())
    wider, narrower = (before.then(Grown(d)).points(memory()) for d in (4.0, -4.0))
    assert (points <= wider).all()
    assert (narrower <= points).all()
    assert narrower.sum() < points.sum() < wider.sum() < 4 * points.sum()
    again = before.then(Grown(4.0)).then(Grown(-4.0)).points(memory())
    assert (again & points).sum() / (again | points).sum() > 0.75


def test_growing_nothing_or_everything_changes_nothing():
    for points in (np.zeros(len(memory()), bool), np.ones(len(memory()), bool)):
        assert Grown(3.0).after(points, memory()) is points


def test_endless_selections_are_refused():
    volume = Volume((Inverted(),) * MOST_STEPS)
    with pytest.raises(InvalidInput, match="Start it over"):
        volume.then(Inverted())


def test_selections_that_no_edit_can_take_are_refused():
    with pytest.raises(InvalidInput, match="Nothing is selected"):
        checked_points(np.zeros(5, bool))
    with pytest.raises(InvalidInput, match="leaves nothing"):
        checked_points(np.ones(5, bool))


# --- edits ------------------------------------------------------------------------------------------------------------


def deletion(*steps) -> Edit:
    return Edit("delete", start(), np.zeros((120, 208), bool), volume=Volume(steps or (Drawn(in_view()),)))


def test_deleting_a_volume_leaves_none_of_its_points_and_fills_what_the_photo_saw():
    edit = deletion()
    assert edit.volume is not None
    gone = edit.volume.points(memory())
    after = apply(edit, memory())
    held = {p.tobytes() for p in np.ascontiguousarray(after.xyz)}
    assert not any(p.tobytes() in held for p in np.ascontiguousarray(memory().xyz[gone]))
    seen = render(after.cloud, start())
    assert seen.coverage.all()
    assert (after.labels.provenance[seen.point_index[thing_mask()]] == Provenance.COMPLETED).all()
    before = render(memory().cloud, start())
    outside = ~grown(thing_mask(), 4)
    assert (before.rgb[outside] == seen.rgb[outside]).all()


def test_deleting_what_the_photo_and_its_margin_never_saw_only_takes_points_away():
    wide = start().widened(MARGIN)
    seen = np.isin(np.arange(len(memory())), render(memory().cloud, wide).point_index)
    behind = Volume((Drawn(in_view(np.ones((wide.height, wide.width), bool), camera=wide)), Inverted()))
    chosen = behind.points(memory())
    assert chosen.sum() > 0
    assert not (chosen & seen).any()
    after = apply(Edit("delete", start(), np.zeros((120, 208), bool), volume=behind), memory())
    assert len(after) == len(memory()) - chosen.sum()
    assert np.array_equal(render(after.cloud, start()).rgb, render(memory().cloud, start()).rgb)


def test_a_volume_is_moved_whole_with_what_is_hidden_of_it():
    volume = Volume((Drawn(in_view(through=True)),))
    count = int(volume.points(memory()).sum())
    offset = (0.1, 0.0, 0.0)
    moved = apply(Edit("move", start(), thing_mask(), offset, False, False, volume), memory())
    thing = moved.labels.object_id == 1
    assert thing.sum() == count
    away = moved.xyz[thing].mean(0) - memory().xyz[volume.points(memory())].mean(0)
    assert away == pytest.approx([0.1 * memory().median_depth(), 0, 0], abs=1e-4)


def test_an_edit_in_space_is_replayed_on_a_rebuilt_memory():
    log = EditLog((deletion(Drawn(in_view()), Grown(2.0)),))
    once, again = log.replay(memory()), log.replay(memory())
    assert np.array_equal(once.xyz, again.xyz)
    # the memory rebuilt in another order: the same places are gone
    order = np.random.default_rng(0).permutation(len(memory()))
    mixed = memory().without(np.zeros(len(memory()), bool))
    shuffled = type(mixed)(mixed.cloud[order], mixed.labels[order], mixed.keyframes, mixed.metric)
    rebuilt = render(log.replay(shuffled).cloud, start())
    assert np.mean(rebuilt.rgb == render(once.cloud, start()).rgb) > 0.97


# --- session ----------------------------------------------------------------------------------------------------------


def test_a_session_selects_in_space_deletes_undoes_and_saves(tmp_path):
    session = make_session(tmp_path / "a")
    points = session.select_in_space(Drawn(in_view()))
    assert session.selected_points is points
    mask = session.picking.mask
    assert mask is not None
    assert (mask & thing_mask()).sum() > 0.95 * thing_mask().sum()
    session.select_in_space(Grown(2.0))
    session.take_back()
    assert session.selected_points is not None
    assert np.array_equal(session.selected_points, points)
    before = session.state
    session.delete()
    file = save_project(session, tmp_path / "room.spatia")
    other = make_session(tmp_path / "b")
    open_project(other, file)
    (edit,) = other.state.log
    assert edit.volume is not None
    assert np.array_equal(edit.volume.points(before.memory), points)
    assert np.array_equal(other.state.memory.xyz, session.state.memory.xyz)
    session.undo()
    assert session.state is before


def test_clicks_and_shapes_in_space_are_put_together(tmp_path):
    session = make_session(tmp_path)
    x, y = centre_of_thing()
    session.click(x, y)
    clicked = session.selected_points
    assert clicked is not None
    corner = InView(start(), outline_mask(np.array([(0.0, 0), (30, 0), (30, 30), (0, 30)]), start()))
    both = session.select_in_space(Drawn(corner, "add"))
    assert np.array_equal(both, in_view().points(memory()) | corner.points(memory()))
    session.combine_next("subtract")
    session.click(x, y)
    left = session.selected_points
    assert left is not None
    assert (left & truly_thing()).sum() == 0
    assert left.sum() > 0.9 * corner.points(memory()).sum()
    session.click(2.0, 2.0)
    session.select_nothing()
    assert session.selected_points is None


def test_a_click_without_joining_replaces_what_was_selected_in_space(tmp_path):
    session = make_session(tmp_path)
    session.select_in_space(Drawn(Ball((0, 0, 2), 1.0)))
    session.click(*centre_of_thing())
    assert session.picking.solid is None
    mask = session.picking.mask
    assert mask is not None
    assert np.array_equal(mask, first_view().object_id == THING)


def test_every_kind_of_step_survives_a_session_file(tmp_path):
    session = make_session(tmp_path / "a")
    steps = (
        Drawn(in_view(through=True)),
        Drawn(Ball((0.1, 0.2, 2.0), 0.4), "add"),
        Drawn(Box((-5, -5, 0.1), (5, 5, 50)), "intersect"),
        Drawn(Colour((200, 10, 10), 5.0), "subtract"),
        Drawn(Everything(), "intersect"),
        Drawn(Thing(3), "subtract"),
        Grown(1.5),
    )
    for step in steps:
        points = session.select_in_space(step)
    session.delete()
    other = make_session(tmp_path / "b")
    open_project(other, save_project(session, tmp_path / "room.spatia"))
    (edit,) = other.state.log
    assert edit.volume is not None
    assert [type(s) for s in edit.volume.steps] == [type(s) for s in steps]
    assert np.array_equal(edit.volume.points(memory()), points)


@pytest.mark.parametrize(("old", "new"), [(b'"ball"', b'"blob"'), (b'"replace"', b'"explode"'), (b"0.25", b"-0.2")])
def test_session_files_with_forged_selections_are_refused(tmp_path, old, new):
    import zipfile

    session = make_session(tmp_path / "a")
    x, y, z = (float(v) for v in memory().xyz[truly_thing()].mean(0))
    session.select_in_space(Drawn(Ball((x, y, z), 0.25)))
    session.delete()
    file = save_project(session, tmp_path / "room.spatia")
    forged = tmp_path / "forged.spatia"
    with zipfile.ZipFile(file) as a, zipfile.ZipFile(forged, "w") as b:
        for name in a.namelist():
            data = a.read(name)
            assert name != "manifest.json" or old in data
            b.writestr(name, data.replace(old, new) if name == "manifest.json" else data)
    before = session.state
    with pytest.raises(ProjectFormatError):
        open_project(session, forged)
    assert session.state is before
