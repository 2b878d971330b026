"""The app's handlers without a browser: locks, cancelling, messages, values of the page's components."""

import base64
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editing.filming import Shot
from editing.opening import Opening
from editing.panels import pictures
from editing.panels.changes import offset_of
from editing.panels.desk import STILL_WORKING, Desk, Studio
from editing.panels.handlers import EXAMPLES, UNEXPECTED, Handlers, saved, shot_of
from editing.panels.page import path_sentence
from spatia_core.camera_path import BASE_NAMES
from spatia_core.errors import Cancelled, InvalidInput

SHORT = Shot(frames=3)


def silent(share: float, doing: str) -> None:
    pass


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("photo") / "bird.png"
    with Image.open(EXAMPLES / "osprey.jpg") as picture:
        picture.resize((192, 112)).save(file)
    return str(file)


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture
def desk(studio: Studio, photo: str) -> Desk:
    desk = Desk(studio)
    desk.open(Opening(photo, size=(192, 112)), SHORT, silent)
    return desk


def test_a_desk_is_empty_until_a_photo_is_open(studio):
    desk = Desk(studio)
    assert not desk.ready
    assert pictures.stage(desk) is None
    with pytest.raises(InvalidInput, match="Open a photo"):
        desk.session  # noqa: B018


def test_opening_ends_with_a_clip_and_nothing_to_undo(desk):
    assert desk.session.state.before is not None
    assert not desk.session.history.can_undo


def test_folders_of_sessions_cannot_be_guessed(studio):
    a, b = studio.session(), studio.session()
    assert a.folder != b.folder
    assert len(a.folder.name) >= 20
    assert a.folder.parent == studio.root


def test_cancelling_while_opening_keeps_the_earlier_session(desk, photo):
    before, folders = desk.session, len(list(desk.studio.root.iterdir()))

    def impatient(share: float, doing: str) -> None:
        if share > 0.2:
            desk.cancel()

    with pytest.raises(Cancelled, match="Nothing was changed"):
        desk.open(Opening(photo, size=(192, 112)), SHORT, impatient)
    assert desk.session is before
    assert len(list(desk.studio.root.iterdir())) == folders


def test_cancelling_a_clip_keeps_the_state(desk):
    state = desk.session.state
    with pytest.raises(Cancelled):
        desk.generate(Shot("pan-left", 4), lambda s, d: desk.cancel() and None)
    assert desk.session.state is state
    desk.generate(Shot("pan-left", 4), silent)
    assert desk.session.state is not state


def test_cancelling_in_the_middle_of_an_edit_keeps_the_state_and_the_selection(desk):
    desk.session.click(67.0, 56.0)
    state, picking, heard = desk.session.state, desk.session.picking, []

    def stop_at_the_third(share, doing):
        heard.append(share)
        if len(heard) == 3:
            desk.cancel()

    with pytest.raises(Cancelled), desk.long(stop_at_the_third) as told:
        desk.session.cleared(told)
    assert len(heard) == 3
    assert all(0 <= share <= 1 for share in heard)
    assert desk.session.state is state
    assert desk.session.picking is picking
    desk.session.delete()
    assert desk.session.state is not state


def test_a_wrong_photo_keeps_the_earlier_session(desk, tmp_path):
    before = desk.session
    (tmp_path / "no.jpg").write_bytes(b"nothing")
    with pytest.raises(InvalidInput):
        desk.open(Opening(str(tmp_path / "no.jpg")), SHORT, silent)
    assert desk.session is before


def test_nothing_is_started_while_something_is_under_way(desk):
    with desk.long(silent):
        for attempt in (lambda: desk.quick().__enter__(), lambda: desk.long(silent).__enter__()):
            with pytest.raises(InvalidInput, match=STILL_WORKING):
                attempt()
    with desk.quick() as session:
        assert session is desk.session


def test_leaving_removes_the_folder(desk):
    folder = desk.session.folder
    desk.leave()
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(5)
    assert not folder.exists()


def test_the_stage_tells_size_clicks_and_selection(desk):
    session = desk.session
    session.click(85, 58)
    value = pictures.stage(desk)
    assert value is not None
    assert (value["width"], value["height"]) == (192, 112)
    assert value["clicks"] == [(85.0, 58.0, True)]
    assert Path(value["image"].partition("file=")[2]).parent == session.folder
    shown = Image.open(io.BytesIO(base64.b64decode(value["mask"].partition(",")[2]))).convert("RGBA")
    assert np.array_equal(np.asarray(shown)[..., 3] > 0, session.picking.mask)


def test_the_stage_picture_is_written_once_per_memory(desk):
    first = pictures.stage(desk)
    desk.session.click(85, 58)
    desk.session.delete()
    other = pictures.stage(desk)
    desk.session.undo()
    again = pictures.stage(desk)
    assert first is not None
    assert other is not None
    assert again is not None
    assert first["image"] == again["image"] != other["image"]


def test_the_foot_is_the_middle_of_the_lowest_row():
    mask = np.zeros((20, 30), bool)
    mask[4:16, 10:15] = True
    assert pictures.foot(mask) == (12.0, 15.0)


def test_text_from_files_is_escaped(desk, photo, tmp_path):
    odd = tmp_path / "<b>bird<b>.png"
    odd.write_bytes(Path(photo).read_bytes())
    desk.open(Opening(str(odd), size=(192, 112)), SHORT, silent)
    assert "<b>" not in pictures.facts(desk.session)
    assert saved(desk.session, "session").name == "-b-bird-b-.spatia"


@pytest.mark.parametrize("name", BASE_NAMES)
def test_every_camera_move_is_described(name):
    assert "camera" in path_sentence(name)
    assert "comes back" in path_sentence(f"{name}-and-back")


def test_the_camera_controls_make_a_shot():
    assert shot_of(None, "pan-left", True, 1.5, 9, 3) == Shot("pan-left-and-back", 9, 1.5, 3)
    assert shot_of(None, None, False, 1, 9, 0).path == BASE_NAMES[0]
    with pytest.raises(InvalidInput, match="from the list"):
        shot_of(None, "/etc/passwd", False, 1, 9, 0)
    with pytest.raises(InvalidInput, match="must be numbers"):
        shot_of(None, "pan-left", False, 1, None, 0)


def test_empty_number_fields_are_zero():
    assert offset_of(None, 0.5, None) == (0.0, 0.5, 0.0)


def test_unexpected_errors_are_logged_and_told_plainly(monkeypatch, caplog):
    told = []
    monkeypatch.setattr("editing.panels.handlers.gr.Warning", lambda text, **_: told.append(text))
    line = Handlers._wrong(None, KeyError("secret"))  # type: ignore[arg-type]
    assert told == [UNEXPECTED]
    assert "secret" not in str(line)
    assert "secret" in caplog.text
