"""The whole job on an analytic room."""

import numpy as np
import pytest

from editing import views
from editing.filming import Shot
from editing.selection import edge_width, grown
from spatia_core.errors import Cancelled, InvalidInput
from spatia_core.io.video import read_mp4
from spatia_core.render import render
from tests.studio import centre_of_thing, make_session, thing_mask

SHOT = Shot("orbit-left", frames=5)


@pytest.fixture
def session(tmp_path):
    return make_session(tmp_path)


def test_an_edit_stays_inside_its_region_and_leaves_no_residue(session):
    session.generate(SHOT)
    session.click(*centre_of_thing())
    session.delete()
    session.generate(SHOT)
    seen = session.state.after.comparison
    assert seen.outside_psnr >= 40
    assert seen.residue <= 0.02
    assert 0.01 < seen.edited_share < 0.5


def test_an_edit_made_before_another_path_keeps_outside_equal_there_too(session):
    session.generate(SHOT)
    session.click(*centre_of_thing())
    session.delete()
    session.generate(Shot("truck-right", frames=5, amount=3.0))
    assert session.state.before.path.name == session.state.after.path.name == "truck-right"
    assert session.state.after.comparison.outside_psnr >= 40


@pytest.mark.parametrize("path", ["orbit-right-and-back", "dolly-in-and-back", "spiral-and-back"])
def test_a_path_out_and_back_ends_where_it_began(session, path):
    session.generate(Shot(path, frames=7))
    score = views.closed_loop(session.state.before)
    assert score is not None
    assert score["psnr"] >= 30


def test_the_first_frame_is_the_photo(session):
    session.generate(SHOT)
    assert np.array_equal(session.state.before.clip.images[0], session.source.image)


def test_undo_gives_back_the_identical_state_and_redo_the_other(session):
    first = session.state
    session.click(*centre_of_thing())
    session.delete()
    second = session.state
    session.undo()
    assert session.state is first
    session.redo()
    assert session.state is second
    with pytest.raises(InvalidInput, match="nothing to redo"):
        session.redo()


def test_clicks_are_taken_back_one_by_one(session):
    x, y = centre_of_thing()
    session.click(x, y)
    one = session.picking.mask
    session.click(5.5, 5.5)
    assert not np.array_equal(session.picking.mask, one)
    session.take_back()
    assert np.array_equal(session.picking.mask, one)
    session.take_back()
    assert session.picking.mask is None
    with pytest.raises(InvalidInput, match="no click"):
        session.take_back()


def test_a_later_selection_can_be_added_to_an_earlier_one(session):
    session.click(*centre_of_thing())
    session.combine_next("add")
    session.click(5.5, 5.5)
    assert (session.picking.mask & thing_mask()).sum() == thing_mask().sum()
    assert session.picking.mask.sum() > thing_mask().sum()


def test_cancelling_leaves_everything_as_it_was(session):
    session.generate(SHOT)
    before = session.state

    def stop(share, doing):
        if share > 0.5:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        session.generate(Shot("dolly-in", frames=9), stop)
    assert session.state is before
    session.generate(Shot("dolly-in", frames=3))
    assert session.state.before.path.name == "dolly-in"


def test_equal_shots_give_byte_equal_clips(session, tmp_path):
    session.generate(SHOT)
    other = make_session(tmp_path / "other")
    other.generate(SHOT)
    assert other.state.before is not None
    assert np.array_equal(session.state.before.clip.images, other.state.before.clip.images)


def test_a_preview_changes_nothing_and_shows_the_move(session):
    session.click(*centre_of_thing())
    state = session.state
    picture = session.preview_move((0.2, 0.0, 0.0))
    assert session.state is state
    assert not np.array_equal(picture, session.stage)
    session.move((0.2, 0.0, 0.0))
    assert np.array_equal(picture, session.stage)


def test_files_are_playable_and_stand_side_by_side(session, tmp_path):
    session.generate(SHOT)
    session.click(*centre_of_thing())
    session.delete()
    session.generate(SHOT)
    both = views.before_after(session, tmp_path / "both.mp4")
    frames, fps = read_mp4(both)
    assert fps == 24
    assert len(frames) == 5
    assert frames.shape[2] >= 2 * 208


def test_turns_go_on_from_where_the_last_one_ended(session):
    session.generate(Shot("truck-right", frames=4, turns=3))
    cameras = session.state.before.clip.cameras
    assert len(cameras) == 12
    steps = [np.linalg.norm(b.centre - a.centre) for a, b in zip(cameras[3::4], cameras[4::4], strict=False)]
    assert max(steps) < 1e-9
    assert np.linalg.norm(cameras[-1].centre) > 2.5 * np.linalg.norm(cameras[3].centre)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda s: s.delete(), "Nothing is selected"),
        (lambda s: s.click(-5, 2), "outside"),
        (lambda s: s.click(5, 5, False), r"\+ click"),
        (lambda s: s.box(5, 5, 5, 5), "no area"),
        (lambda s: s.choose(0), "no such mask"),
        (lambda s: s.undo(), "nothing to undo"),
        (lambda s: s.generate(Shot("sideways")), "sideways"),
        (lambda s: s.generate(Shot(frames=0)), "frames"),
        (lambda s: s.generate(Shot(frames=10**6)), "frames"),
        (lambda s: views.before_after(s, s.folder / "x.mp4"), "no clip"),
        (lambda s: s.grow(1000), "60 pixels"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_lost(session, act, says):
    state = session.state
    with pytest.raises(InvalidInput, match=says):
        act(session)
    assert session.state is state


def test_an_unopened_session_says_so(session, tmp_path):
    from editing.session import Session

    empty = Session(session.tools, tmp_path / "empty")
    with pytest.raises(InvalidInput, match="Open a photo first"):
        empty.generate(SHOT)


def test_closing_removes_the_files(session):
    session.generate(SHOT)
    assert any(session.folder.iterdir())
    session.close()
    assert not session.folder.exists()


def test_files_of_clips_that_nobody_can_go_back_to_are_removed(session, monkeypatch):
    monkeypatch.setattr("editing.versions.MOST_STATES", 1)
    session.generate(SHOT)
    first = session.state.before.file
    session.generate(Shot("pan-left", frames=2))
    session.undo()
    session.generate(Shot("pan-right", frames=2))
    kept = {path.name for path in session.folder.glob("*.mp4")}
    assert first.name in kept
    assert len(kept) == 2


def test_a_glimpse_shows_the_thing_gone_and_leaves_the_rest(tmp_path):
    session = make_session(tmp_path)
    session.select_mask(thing_mask())
    before, seen = session.stage, session.glimpse()
    far = ~grown(thing_mask(), edge_width(session.state.camera) + 1)
    assert np.array_equal(seen[far], render(session.state.memory.cloud, session.state.camera).rgb[far])
    assert np.abs(seen[thing_mask()].astype(int) - before[thing_mask()]).mean() > 20
    assert len(session.state.log) == 0
