"""Kept selections: named, coloured, hidden, locked, selected; and what edits make of them."""

import numpy as np
import pytest

from editing.edits import Look, Placing
from editing.filming import Shot
from editing.inserting import standing
from editing.objects import MOST_OBJECTS, Objects, thing
from editing.project_file import open_project, save_project
from editing.session import Session
from editing.state import Click
from editing.volume_selection import Ball, Drawn, Everything, InView, Volume
from spatia_core.errors import InvalidInput
from spatia_core.point_cloud import PointCloud
from tests.studio import centre_of_thing, make_session, memory, start, thing_mask

BALL = Volume((Drawn(Ball((0.0, 0.0, 2.0), 1.0)),))


@pytest.fixture
def session(tmp_path) -> Session:
    return make_session(tmp_path / "room")


def kept(session: Session, name: str = "") -> str:
    """The room's thing as an object."""
    session.select_in_space(Drawn(InView(start(), thing_mask())))
    return session.keep(name)


def test_names_and_colours_are_given_and_never_twice():
    objects = Objects()
    for name in ("", "", "cup", "cup", ""):
        objects = objects.kept(thing(len(objects)), name)
    assert [o.name for o in objects] == ["Thing 1", "Thing 2", "cup", "cup 2", "Thing 3"]
    assert len({o.colour for o in objects}) == 5
    assert len({o.key for o in objects}) == 5


def test_the_list_is_bounded_and_refuses_nonsense_in_sentences():
    objects = Objects()
    for k in range(MOST_OBJECTS):
        objects = objects.kept(thing(k))
    with pytest.raises(InvalidInput, match=r"at most \d+ objects"):
        objects.kept(BALL)
    key = objects.items[0].key
    for wrong in ({"name": "  "}, {"colour": "red"}, {"colour": "#12345g"}, {"colour": 7}):
        with pytest.raises(InvalidInput, match=r"\.$"):
            objects.changed(key, **wrong)
    with pytest.raises(InvalidInput, match="no such object"):
        objects.changed("x", name="a")
    assert len(objects.changed(key, name="n" * 500)[key].name) <= 60


def test_a_selection_is_kept_and_selected_again(session):
    key = kept(session)
    points = session.selected_points
    assert points is not None
    assert session.keep() == key, "the same selection is kept once"
    session.select_nothing()
    assert np.array_equal(session.select_object(key), points)


def test_a_click_is_kept_as_well(session):
    session.click(*centre_of_thing())
    key = session.keep("chair")
    assert session.state.objects[key].name == "chair"
    assert session.state.objects[key].volume.points(memory()).sum() > 300


def test_nothing_cannot_be_kept(session):
    with pytest.raises(InvalidInput, match="Nothing is selected"):
        session.keep()


@pytest.mark.parametrize("how", ["hidden", "locked"])
def test_what_is_hidden_or_locked_is_not_selected(session, how):
    key = kept(session)
    points = session.state.objects[key].volume.points(memory())
    session.change_object(key, **{how: True})
    everything = session.select_in_space(Drawn(Everything()))
    assert np.array_equal(everything, ~points)
    with pytest.raises(InvalidInput, match="locked or hidden"):
        session.click(*centre_of_thing())
    session.change_object(key, **{how: False})
    assert session.click(*centre_of_thing()).any()


def test_hiding_is_a_step_that_is_undone_and_show_all_shows(session):
    kept(session)
    session.hide()
    assert session.state.objects.hidden(memory()).sum() > 300
    session.undo()
    assert not session.state.objects.hidden(memory()).any()
    session.redo()
    session.show_all()
    assert not session.state.objects.hidden(memory()).any()
    with pytest.raises(InvalidInput, match="Nothing is hidden"):
        session.show_all()


def test_an_object_stays_itself_through_edits(session):
    key = kept(session, "chair")
    session.transform(Placing((-0.3, 0.0, 0.0), (0.0, 0.4, 0.0)))
    moved = session.select_object(key)
    assert np.array_equal(moved, session.state.memory.labels.object_id == 1)
    session.recolour(Look(brightness=0.5))
    assert session.select_object(key).sum() == moved.sum()
    session.duplicate(Placing((0.1, 0.0, 0.1)))
    assert [o.name for o in session.state.objects] == ["chair", "Copy of chair"]
    session.select_object(key)
    session.delete()
    assert [o.name for o in session.state.objects] == ["Copy of chair"]


def test_taking_an_object_off_the_list_leaves_its_points(session):
    key = kept(session)
    session.drop_object(key)
    assert not len(session.state.objects)
    assert len(session.state.memory) == len(memory())


def test_something_inserted_is_an_object_and_selected(session):
    g = np.random.default_rng(0)
    cube = standing(
        PointCloud(
            g.uniform(size=(500, 3)).astype(np.float32),
            np.full((500, 3), 200, np.uint8),
            np.full(500, 0.01, np.float32),
        )
    )
    session.insert(cube, 100.0, 90.0)
    (item,) = session.state.objects
    assert item.name == "Inserted"
    points = session.selected_points
    assert points is not None
    assert points.sum() == 500


def test_objects_survive_their_session_file(session, tmp_path):
    key = kept(session, "chair")
    session.change_object(key, locked=True, colour="#123456")
    session.select_in_space(Drawn(Ball((0.0, 0.0, 4.0), 2.0)))
    session.keep("round")
    other = make_session(tmp_path / "other")
    open_project(other, save_project(session, tmp_path / "list.spatia"))
    for a, b in zip(session.state.objects, other.state.objects, strict=True):
        assert (a.name, a.colour, a.locked, a.hidden) == (b.name, b.colour, b.locked, b.hidden)
        assert np.array_equal(a.volume.points(memory()), b.volume.points(memory()))


def test_a_hidden_thing_is_not_in_the_picture_and_not_in_previews(session):
    whole = session.shown
    session.click(*centre_of_thing())
    key = session.keep()
    session.change_object(key, hidden=True)
    picture, mask = session.shown, thing_mask()
    rows, columns = np.nonzero(mask)
    assert np.array_equal(session.stage, whole)  # what the segmenter sees and clips show
    assert (picture[mask] != whole[mask]).any(-1).mean() > 0.9
    assert np.array_equal(picture[~mask], whole[~mask])
    chequered = np.where((columns // 8 + rows // 8) % 2, 176, 208)
    assert (picture[mask] == chequered[:, None]).all(-1).mean() > 0.2  # nothing is known of what is behind
    session.clicks([Click(5, 5)])
    edit = session.recolouring(Look((255, 0, 0), 0.5, 1.0, 1.0))
    assert (session.preview_edit(edit)[mask] == chequered[:, None]).all(-1).mean() > 0.2
    session.show_all()
    assert np.array_equal(session.shown, whole)


def test_what_is_behind_a_hidden_thing_is_not_selected_through_it(session):
    session.click(*centre_of_thing())
    session.change_object(session.keep(), hidden=True)
    session.select_nothing()
    with pytest.raises(InvalidInput, match="locked or hidden"):
        session.click(*centre_of_thing())


def test_hiding_what_is_selected_ends_the_selection_and_undo_brings_it_back(session):
    key = kept(session)
    assert session.selects_in_space
    session.change_object(key, locked=True)
    assert session.selects_in_space
    session.change_object(key, hidden=True)
    assert not session.selects_in_space
    session.undo()
    assert session.selects_in_space


def test_clips_hold_what_is_hidden(session):
    session.generate(Shot("orbit-left", frames=2))
    expected = session.state.before.clip.images.copy()
    session.click(*centre_of_thing())
    session.change_object(session.keep(), hidden=True)
    session.generate(Shot("orbit-left", frames=2, seed=1))
    assert np.array_equal(session.state.before.clip.images, expected)
