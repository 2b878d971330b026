"""Turning, resizing, copying and recolouring, against the true scene; the no-ghost rule of each."""

from dataclasses import replace

import numpy as np
import pytest

from editing.comparison import missing_from
from editing.edit_log import EditLog
from editing.edits import Edit, Look, Placing
from editing.filming import Shot
from editing.operations import apply, clear, copies_of, motion, placed
from editing.placing import hint, runs_into
from editing.project_file import open_project, save_project
from editing.recolouring import hex_colour, recoloured
from editing.selection import lift_mask
from editing.session import Session
from editing.volume_selection import Drawn, InView, Volume
from spatia_core.errors import InvalidInput
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.render import render
from tests.studio import RecordingGenerator, centre_of_thing, make_session, memory, start, thing_mask
from tests.test_no_ghost import PAINT, has_paint, painted, pictures


def edit(kind, in_space=False, **more) -> Edit:
    volume = Volume((Drawn(InView(start(), thing_mask())),)) if in_space else None
    return Edit(kind, start(), thing_mask(), solid=False, volume=volume, **more)


def unit() -> float:
    return memory().median_depth()


BOTH = pytest.mark.parametrize("in_space", [False, True], ids=["mask", "volume"])


def new_object(m: SpatialMemory) -> np.ndarray:
    """(n,) True for the newest object."""
    return m.labels.object_id == m.labels.object_id.max()


# --- turn and resize --------------------------------------------------------------------------------------------------


@BOTH
def test_a_thing_turns_about_its_ground_contact(in_space):
    e = edit("rotate", in_space, turn=(0.0, np.pi / 2, 0.0))
    cleared = clear(memory(), start(), thing_mask(), e.volume)
    before, after = cleared.thing.xyz, placed(cleared, e, unit()).xyz
    contact = cleared.ground.contact
    assert np.allclose(np.linalg.norm(before - contact, axis=1), np.linalg.norm(after - contact, axis=1), atol=1e-4)
    # seen from above, what lay to the right now lies in the direction the right hand turns to about y
    assert np.allclose((after - contact)[:, 0], (before - contact)[:, 2], atol=1e-4)
    assert np.allclose((after - contact)[:, 2], -(before - contact)[:, 0], atol=1e-4)
    assert np.allclose(after[:, 1], before[:, 1], atol=1e-4)


def test_turning_there_and_back_gives_the_thing_again():
    cleared = clear(memory(), start(), thing_mask())
    for turn in ((0.0, 0.7, 0.0), (0.0, -0.7, 0.0)):
        there = motion(cleared, edit("rotate", turn=turn), unit())
        back = motion(cleared, edit("rotate", turn=tuple(-v for v in turn)), unit())
        assert np.allclose(back.points(there.points(cleared.thing.xyz)), cleared.thing.xyz, atol=1e-4)


def test_a_thing_laid_down_rests_on_its_ground_again():
    e = edit("rotate", turn=(np.pi / 2, 0.0, 0.0))
    cleared = clear(memory(), start(), thing_mask())
    ground = cleared.ground
    foot = [
        np.percentile(c.xyz @ ground.normal - ground.offset, 2) for c in (cleared.thing, placed(cleared, e, unit()))
    ]
    assert foot[1] == pytest.approx(foot[0], abs=0.01 * unit())


@BOTH
@pytest.mark.parametrize("size", [0.5, 2.0])
def test_a_resized_thing_keeps_its_foot_and_has_no_gaps(in_space, size):
    e = edit("scale", in_space, size=size)
    cleared = clear(memory(), start(), thing_mask(), e.volume)
    before, after = cleared.thing, placed(cleared, e, unit())
    contact = cleared.ground.contact
    assert np.allclose(after.xyz - contact, size * (before.xyz - contact), atol=1e-4)
    assert np.allclose(after.radius, size * before.radius)


def test_about_its_centre_a_thing_stays_in_its_middle():
    e = edit("scale", size=2.0, about="centre", on_ground=False)
    cleared = clear(memory(), start(), thing_mask())
    before, after = cleared.thing.xyz, placed(cleared, e, unit()).xyz
    middle = [(np.percentile(x, 2, axis=0) + np.percentile(x, 98, axis=0)) / 2 for x in (before, after)]
    assert np.allclose(*middle, atol=1e-3)


@pytest.mark.parametrize("kind", ["rotate", "scale"])
def test_nothing_is_left_where_a_changed_thing_stood(kind):
    e = edit(kind, turn=(0.0, 0.5, 0.0), size=0.6)
    after = apply(e, memory())
    gone = lift_mask(memory(), start(), thing_mask())
    assert missing_from(memory().xyz[gone], after.xyz).all()
    without = render(after.without(new_object(after)).cloud, start())
    assert without.coverage.all()
    assert not (without.rgb == render(memory().cloud, start()).rgb)[thing_mask()].all(-1).mean() > 0.2


@pytest.mark.parametrize(
    "more",
    [
        {"turn": (np.nan, 0.0, 0.0)},
        {"turn": (0.0, 50.0, 0.0)},
        {"size": 0.0},
        {"size": -1.0},
        {"size": np.inf},
        {"size": 1e3},
    ],
)
def test_impossible_placings_are_refused_in_a_sentence(more):
    with pytest.raises(InvalidInput, match=r"\.$"):
        edit("scale", **more)
    with pytest.raises(InvalidInput, match=r"\.$"):
        Placing(**more)


def test_a_placing_is_called_what_it_does():
    assert Placing((0.1, 0.0, 0.0)).kind == "move"
    assert Placing(turn=(0.0, 1.0, 0.0)).kind == "rotate"
    assert Placing(size=2.0).kind == "scale"
    assert edit("rotate", turn=(0.0, np.pi / 6, 0.0)).label == "Turn turned 30 degrees"


# --- duplicate --------------------------------------------------------------------------------------------------------


@BOTH
def test_a_copy_stands_elsewhere_and_the_original_stays(in_space):
    after = apply(edit("duplicate", in_space, offset=(0.5, 0.0, 0.1)), memory())
    assert np.array_equal(after.xyz[: len(memory())], memory().xyz)
    copy = new_object(after)
    assert copy.sum() == len(after) - len(memory())
    shift = after.xyz[copy].mean(0) - memory().xyz[lift_mask(memory(), start(), thing_mask())].mean(0)
    assert shift[0] == pytest.approx(0.5 * unit(), rel=0.1)


def test_deleting_the_original_leaves_the_copy_and_the_other_way_round():
    after = apply(edit("duplicate", offset=(-0.4, 0.0, 0.0)), memory())
    copy = after.xyz[new_object(after)]
    originals = memory().xyz[lift_mask(memory(), start(), thing_mask())]
    no_original = apply(edit("delete"), after)
    assert not missing_from(copy, no_original.xyz).any()
    shown = (render(after.cloud, start()).point_index, new_object(after))
    mask = (shown[0] >= 0) & shown[1][np.maximum(shown[0], 0)]
    no_copy = apply(Edit("delete", start(), mask), after)
    assert missing_from(copy, no_copy.xyz).all(), "its hidden sides go as well"
    assert missing_from(originals, no_copy.xyz).mean() < 0.1


def test_completed_copies_of_a_things_pixels_belong_to_the_thing_that_has_them():
    m = apply(edit("duplicate", offset=(-0.4, 0.0, 0.0)), memory())
    copy, original = np.flatnonzero(new_object(m))[:5], np.flatnonzero(lift_mask(memory(), start(), thing_mask()))[:5]
    rows = np.concatenate([copy, original])
    labels = m.labels[rows]
    ghosts = m.insert(m.cloud[rows], replace(labels, provenance=np.full(10, int(Provenance.COMPLETED), np.uint8)))
    of_copy = copies_of(ghosts, np.isin(np.arange(len(ghosts)), copy))
    assert of_copy[-10:].tolist() == [True] * 5 + [False] * 5


# --- recolour ---------------------------------------------------------------------------------------------------------


@BOTH
def test_recolouring_changes_the_things_colours_and_nothing_else(in_space):
    after = apply(edit("recolour", in_space, look=Look((255, 0, 0), 1.0)), memory())
    assert np.array_equal(after.xyz, memory().xyz)
    other = ~new_object(after)
    assert np.array_equal(after.cloud.rgb[other], memory().cloud.rgb[other])
    red = render(after.cloud, start()).rgb[thing_mask()]
    assert (red[:, 0] >= red[:, 1:].max(1)).mean() > 0.97
    assert np.median(red[:, 1:].max(1)) < 5


def test_looks_do_what_they_are_called():
    rgb = np.array([[200, 100, 50], [20, 40, 90]], np.uint8)
    assert np.array_equal(recoloured(rgb, Look()), rgb)
    grey = recoloured(rgb, Look(saturation=0.0))
    assert (np.ptp(grey, axis=1) == 0).all()
    assert np.array_equal(recoloured(rgb, Look(brightness=0.5)), np.rint(rgb / 2).astype(np.uint8))
    tinted = recoloured(rgb, Look((0, 255, 0), 1.0))
    assert (tinted[:, [0, 2]] == 0).all()
    assert tinted[0, 1] > tinted[1, 1], "light and shade stay"
    assert hex_colour("#ff8000") == hex_colour("rgb(255, 128.2, 0)") == (255, 128, 0)


@pytest.mark.parametrize(
    "more",
    [{"tint": (0, 0, 300)}, {"strength": 2.0}, {"brightness": np.nan}, {"saturation": -1.0}],
)
def test_impossible_looks_are_refused_in_a_sentence(more):
    with pytest.raises(InvalidInput, match=r"\.$"):
        Look(**more)


# --- what generators are shown ----------------------------------------------------------------------------------------


def test_no_generator_input_shows_a_recoloured_things_old_colour(tmp_path):
    generator = RecordingGenerator()
    session = make_session(tmp_path, generator)
    m = painted(session.state.original)
    session.begin(session.source, replace(session.state, original=m, memory=m))
    session.generate(Shot("truck-right", frames=4))
    assert any(has_paint(p) for p in pictures(generator.shown[-1]))
    session.click(*centre_of_thing())
    session.recolour(Look((0, 255, 0), 1.0))
    session.generate(Shot("truck-right", frames=4))
    assert not any(has_paint(p) for p in pictures(generator.shown[-1]))
    green = [(np.abs(p.astype(int) - (0, 255, 0)).max(-1) < 120).any() for p in pictures(generator.shown[-1])]
    assert any(green)
    assert PAINT == (255, 0, 255)


@pytest.mark.parametrize("placing", [Placing(turn=(0.0, 0.4, 0.0)), Placing((0.4, 0.0, 0.0), size=0.5)])
def test_a_preview_is_what_the_edit_then_shows(tmp_path, placing):
    session = make_session(tmp_path)
    session.click(*centre_of_thing())
    seen = session.preview_edit(session.placing_edit(placing))
    session.transform(placing)
    assert np.array_equal(session.stage, seen)


# --- session ----------------------------------------------------------------------------------------------------------


def all_kinds(session: Session) -> None:
    session.click(*centre_of_thing())
    session.recolour(Look((0, 0, 255), 0.7, 1.2, 0.8))
    session.click(*centre_of_thing())
    session.duplicate(Placing((0.5, 0.0, 0.0), (0.0, 0.3, 0.0), 0.8))
    session.click(*centre_of_thing())
    session.transform(Placing(turn=(0.0, -0.5, 0.0), size=1.2))


def test_every_kind_is_undone_to_the_identical_object_and_redone(tmp_path):
    session = make_session(tmp_path)
    first = session.state
    all_kinds(session)
    last = session.state
    assert [e.kind for e in last.log] == ["recolour", "duplicate", "rotate"]
    while session.history.can_undo:
        session.undo()
    assert session.state is first
    while session.history.can_redo:
        session.redo()
    assert session.state is last


def test_every_kind_replays_and_survives_its_session_file(tmp_path):
    session = make_session(tmp_path / "a")
    all_kinds(session)
    again = session.state.log.replay(session.state.original)
    assert np.array_equal(again.xyz, session.state.memory.xyz)
    assert np.array_equal(again.cloud.rgb, session.state.memory.cloud.rgb)
    other = make_session(tmp_path / "b")
    open_project(other, save_project(session, tmp_path / "all.spatia"))
    assert [e.label for e in other.state.log] == [e.label for e in session.state.log]
    replayed = EditLog(other.state.log.edits).replay(other.state.original)
    assert np.array_equal(replayed.xyz, session.state.memory.xyz)
    assert np.array_equal(replayed.cloud.rgb, session.state.memory.cloud.rgb)


# --- hints ------------------------------------------------------------------------------------------------------------


def test_a_thing_put_into_another_runs_into_it_and_one_beside_does_not():
    cleared = clear(memory(), start(), thing_mask())
    into = placed(cleared, edit("move", offset=(0.0, 0.0, 0.0)), unit())
    assert runs_into(memory(), into, cleared.ground) > 0.5, "it stands where it itself stands"
    lifted = placed(cleared, edit("move", offset=(0.0, -0.4, -0.3), on_ground=False), unit())
    assert runs_into(cleared.memory, lifted, cleared.ground) == 0
    assert "hangs in the air" in hint(cleared.memory, lifted, cleared.ground, start())
