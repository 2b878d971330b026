"""Every clip of a session is kept, as a tree; undo goes over selections, edits, cameras and clips alike."""

from pathlib import Path

import numpy as np
import pytest

from editing.filming import Shot
from editing.session import Session
from editing.state import Take
from editing.timeline import Timeline, TimelineKey
from editing.versions import comparable
from spatia_core.errors import BackendUnavailable, Cancelled, InvalidInput
from tests.studio import centre_of_thing, make_session, start
from tests.test_filming import InRounds

SHOT = Shot("orbit-left", frames=3)


def with_branches(folder: Path) -> Session:
    """Clips: 1 original, 2 without the thing (from 1), 3 another camera (from 2), 4 from 1 again."""
    session = make_session(folder)
    session.generate(SHOT)
    session.click(*centre_of_thing())
    session.delete()
    session.generate(SHOT)
    session.generate(Shot("truck-right", frames=3))
    session.fork(1)
    session.generate(Shot("pan-left", frames=3))
    return session


def original(session: Session) -> Take:
    assert session.state.before is not None
    return session.state.before


def edited_clip(session: Session) -> Take:
    assert session.state.after is not None
    return session.state.after


def take_of(session: Session, number: int) -> Take:
    take = session.versions[number].take
    assert take is not None
    return take


def selected(session: Session) -> np.ndarray:
    assert session.picking.mask is not None
    return session.picking.mask


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Session:
    return with_branches(tmp_path_factory.mktemp("branches"))


def test_every_clip_is_kept_with_its_recipe_and_the_clip_it_went_on_from(session):
    told = [(v.number, v.label, v.camera, v.parent, v.recipe.frames, v.recipe.maker) for v in session.versions]
    assert told == [
        (1, "Original", "orbit left", None, 3, "reproject"),
        (2, "Delete", "orbit left", 1, 3, "reproject"),
        (3, "Original", "truck right", 2, 3, "reproject"),
        (4, "Delete", "truck right", 2, 3, "reproject"),
        (5, "Original", "pan left", 1, 3, "reproject"),
    ]
    assert all(v.take is not None and v.take.file.exists() for v in session.versions)
    assert session.version is session.versions[5]


def test_going_on_from_a_clip_brings_its_very_state_back_and_loses_none(tmp_path):
    session = with_branches(tmp_path)
    before = session.state
    session.fork(2)
    assert session.state is session.versions[2].state
    assert [e.label for e in session.state.log] == ["Delete"]
    assert len(session.versions) == 5
    assert session.undo() == "Go on from clip 2"
    assert session.state is before
    session.redo()
    assert session.version is session.versions[2]


def test_the_original_beside_an_edited_clip_can_be_gone_on_from_without_the_edit(tmp_path):
    session = with_branches(tmp_path)
    session.fork(3)
    assert not len(session.state.log)
    assert session.state.before is take_of(session, 3)
    session.generate(SHOT)
    assert session.state.after is None


def test_undoing_a_clip_does_not_take_it_off_the_strip(tmp_path):
    session = make_session(tmp_path)
    session.generate(SHOT)
    session.undo()
    assert session.state.before is None
    assert session.version is None
    assert len(session.versions) == 1
    session.fork(1)
    assert session.version is session.versions[1]


def test_of_clips_beyond_the_limit_the_recipe_is_left_and_makes_the_clip_again(tmp_path, monkeypatch):
    monkeypatch.setattr("editing.versions.MOST_STATES", 1)
    session = make_session(tmp_path)
    session.generate(SHOT)
    session.click(*centre_of_thing())
    session.delete()
    session.generate(SHOT)
    images = np.array(edited_clip(session).clip.images)
    session.generate(Shot("pan-left", frames=2))
    assert [v.state is None for v in session.versions] == [True, True, True, False]
    session.fork(2)
    assert session.version is session.versions[2]
    assert np.array_equal(edited_clip(session).clip.images, images)
    assert session.undo() == "Go on from clip 2"
    assert len(session.versions) == 4


def test_a_clip_that_cannot_be_made_again_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("editing.versions.MOST_STATES", 1)
    session = make_session(tmp_path)
    session.generate(SHOT)
    session.generate(Shot("pan-left", frames=2))
    before = session.state

    def stop(share, doing):
        if share > 0.5:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        session.fork(1, stop)
    assert session.state is before


def test_a_stopped_clip_goes_on_with_other_prompts_and_what_was_filmed_is_kept(tmp_path):
    generator = InRounds(fails_at=1, error=BackendUnavailable("The card is full."))
    session = make_session(tmp_path, generator)
    session.generate(Shot("orbit-left", 7, prompts=("dawn", "noon")))
    assert "Only 1 of 3 rounds" in session.versions[1].recipe.stopped
    session.generate(Shot("orbit-left", 7, prompts=("dawn", "rain", "snow")))
    assert [p for _, p, _ in generator.seen] == ["dawn", "rain", "snow"]
    assert len(original(session).clip) == 7
    assert [v.recipe.stopped == "" for v in session.versions] == [False, True]


def test_going_on_unchanged_takes_the_stopped_clips_place(tmp_path):
    session = make_session(tmp_path, InRounds(fails_at=1, error=BackendUnavailable("The card is full.")))
    session.generate(Shot("orbit-left", 7))
    session.generate(Shot("orbit-left", 7))
    assert [(v.number, v.recipe.frames, v.recipe.stopped) for v in session.versions] == [(1, 7, "")]


def test_clips_of_different_lengths_are_not_compared(session):
    a = take_of(session, 1)
    comparable(a, take_of(session, 5))
    other = make_session(session.folder / "other")
    other.generate(Shot(frames=2))
    with pytest.raises(InvalidInput, match="3 and 2 frames"):
        comparable(a, take_of(other, 1))
    with pytest.raises(InvalidInput, match="no clip 9"):
        session.versions[9]


# --- undo -------------------------------------------------------------------------------------------------------------


def test_undo_goes_back_over_clip_edit_selection_and_camera_in_turn_and_redo_forward(tmp_path):
    session = make_session(tmp_path)
    session.add_key(SHOT, 1)
    session.click(*centre_of_thing())
    session.click(5.5, 5.5)
    mask = selected(session)
    session.take_back()
    session.delete()
    session.generate(SHOT)
    end = session.state
    done = [session.undo() for _ in range(4)]
    assert done == ["Film orbit-left", "Delete", "Selection", "Add a camera key"]
    assert not session.can_undo
    assert session.state.keys is None
    with pytest.raises(InvalidInput, match="nothing to undo"):
        session.undo()
    assert [session.redo_label] == ["Add a camera key"]
    assert [session.redo() for _ in range(4)] == list(reversed(done))
    assert session.state is end
    assert not session.can_redo
    session.undo()
    session.undo()
    assert session.redo() == "Delete"
    session.undo()
    assert not np.array_equal(selected(session), mask)


def test_what_was_selected_before_an_edit_is_selected_again_when_the_edit_is_undone(tmp_path):
    session = make_session(tmp_path)
    session.click(*centre_of_thing())
    mask = selected(session)
    session.delete()
    assert session.picking.mask is None
    session.undo()
    assert np.array_equal(selected(session), mask)


def test_starting_over_can_be_undone(tmp_path):
    session = make_session(tmp_path)
    session.click(*centre_of_thing())
    mask = selected(session)
    session.select_nothing()
    assert session.picking.mask is None
    session.undo()
    assert np.array_equal(selected(session), mask)
    session.redo()
    assert session.picking.mask is None


def test_a_new_click_ends_what_could_be_done_again_of_the_selection(tmp_path):
    session = make_session(tmp_path)
    session.click(*centre_of_thing())
    session.undo()
    assert session.redo_label == "Selection"
    session.click(5.5, 5.5)
    assert not session.can_redo


def test_filming_does_not_bury_the_selection_under_itself(tmp_path):
    session = make_session(tmp_path)
    session.click(*centre_of_thing())
    session.generate(SHOT)
    assert session.picking.mask is not None
    assert [session.undo(), session.undo()] == ["Film orbit-left", "Selection"]


def test_only_so_many_memories_are_kept_but_many_steps(tmp_path, monkeypatch):
    monkeypatch.setattr("editing.session.MOST_MEMORIES", 3)
    session = make_session(tmp_path)
    for k in range(30):
        session.add_key(SHOT, 1 if k % 2 else 2)
    assert len(session.history.states) == 31
    for _ in range(3):
        session.click(*centre_of_thing())
        session.move((0.1, 0.0, 0.0))
    assert len({id(s.memory) for _, s in session.history.states}) <= 3


# --- plan and preview -----------------------------------------------------------------------------------------------


def psnrs(a: np.ndarray, b: np.ndarray) -> list[float]:
    errors = [np.mean((x.astype(float) - y) ** 2) for x, y in zip(a, b, strict=True)]
    return [99.0 if e == 0 else 10 * np.log10(255**2 / e) for e in errors]


@pytest.mark.parametrize("edited", [False, True])
def test_the_preview_at_full_size_is_the_result_frame_by_frame(tmp_path, edited):
    session = make_session(tmp_path)
    if edited:
        session.click(*centre_of_thing())
        session.delete()
    session.add_key(Shot("truck-left", frames=7, amount=2), 3)
    keys = session.state.keys
    assert keys is not None
    session.set_keys(keys.eased(0, "gentle").zoomed(1, keys.keys[1].millimetres * 1.2))
    shot = Shot(keys=session.state.keys)
    preview, state = session.preview(shot, most=None, side=None), session.state
    assert session.state is state
    session.generate(shot)
    take = edited_clip(session) if edited else original(session)
    assert len(preview) == len(take.clip) == 7
    assert min(psnrs(preview.images, take.clip.images)) >= 45


def test_the_quick_preview_is_small_and_shows_the_same(tmp_path):
    session = make_session(tmp_path)
    shot = Shot("truck-left", frames=41, amount=2)
    preview = session.preview(shot, most=5, side=104)
    assert preview.images.shape == (5, 60, 104, 3)
    assert np.allclose(preview.cameras[-1].w2c, session.path(shot)[-1].w2c)


def test_a_plan_warns_of_walls_and_of_the_unknown_before_anything_is_filmed(tmp_path):
    session = make_session(tmp_path)
    calm = session.plan(Shot("orbit-left", frames=9))
    assert calm.report.warnings == ()
    assert calm.seconds is None
    assert len(calm.report.known) == len(calm.report.seen) == 9
    assert all(s <= k + 1e-9 for s, k in zip(calm.report.seen, calm.report.known, strict=True))
    wild = session.plan(Shot("dolly-in", frames=9, amount=20.0))
    assert any("flies through" in w for w in wild.report.warnings)
    assert wild.report.through
    away = session.plan(Shot("pan-left", frames=9, amount=10.0))
    assert any("leaves the known scene" in w for w in away.report.warnings)
    assert away.report.known[-1] < away.report.known[0]


def test_a_plan_estimates_from_the_last_clip_and_asks_the_generator_for_gpu_time(tmp_path):
    class Paid(InRounds):
        def gpu_seconds(self, frames: int, width: int, height: int) -> int:
            return 10 + frames

    session = make_session(tmp_path, Paid())
    session.generate(Shot(frames=3))
    pace = original(session).pace
    assert pace is not None
    plan = session.plan(Shot("pan-left", frames=7))
    assert plan.seconds == pytest.approx(7 * pace)
    assert plan.gpu_seconds == (10 + 3) + (10 + 2) + (10 + 2)
    session.click(*centre_of_thing())
    session.delete()
    assert session.plan(Shot("pan-left", frames=7)).seconds == pytest.approx(14 * pace)


def test_keys_are_part_of_the_state_and_belong_to_photos_of_their_size(tmp_path):
    session = make_session(tmp_path)
    session.add_key(SHOT, 1)
    keys = session.state.keys
    session.generate(Shot(keys=keys))
    assert session.state.keys is keys
    assert session.versions[1].camera == "3 keys"
    small = Timeline((TimelineKey(0, start().resized(104, 60)),), 4)
    with pytest.raises(InvalidInput, match="208x120"):
        session.set_keys(small)
