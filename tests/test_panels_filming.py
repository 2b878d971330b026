"""The timeline and the strip in the page: what they show and what they accept."""

import zipfile
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from editing.filming import Shot
from editing.panels import timeline, versions
from editing.panels.api_filming import prompts_of
from editing.panels.downloads import saved
from editing.panels.filming import change_keys
from editing.panels.timeline import Drafts
from editing.session import Session
from editing.viewport import camera_value
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.io.trajectories import read_path
from tests.studio import centre_of_thing, make_session, start

SHOT = Shot("truck-left", frames=9, amount=2.0)


def pictures(file: str) -> np.ndarray:
    with av.open(str(file), "r") as video:
        return np.stack([f.to_ndarray(format="rgb24") for f in video.decode(video=0)])


@pytest.fixture
def session(tmp_path) -> Session:
    return make_session(tmp_path)


def frames(session: Session) -> list[int]:
    assert session.state.keys is not None
    return [k.frame for k in session.state.keys.keys]


# --- changes from the page --------------------------------------------------------------------------------------------


def test_a_preset_is_edited_as_keys_and_every_change_can_be_undone(session):
    view = camera_value(Camera.from_fov(300, 300, 0.8, start().w2c))
    steps: list[tuple[dict[str, Any], list[int]]] = [
        ({"do": "keys"}, [0, 8]),
        ({"do": "add", "frame": 4}, [0, 4, 8]),
        ({"do": "add", "frame": 6, "view": view}, [0, 4, 6, 8]),
        ({"do": "move", "key": 1, "frame": 3}, [0, 3, 6, 8]),
        ({"do": "duplicate", "key": 3}, [0, 3, 6, 8, 10]),
        ({"do": "delete", "key": 0}, [3, 6, 8, 10]),
        ({"do": "ease", "key": 0, "value": "gentle"}, [3, 6, 8, 10]),
        ({"do": "lens", "key": 1, "value": 50}, [3, 6, 8, 10]),
        ({"do": "aim", "key": 2, "view": view}, [3, 6, 8, 10]),
        ({"do": "loop", "value": True}, [3, 6, 8, 10]),
        ({"do": "speed", "value": 0.5}, [3, 6, 8, 10]),
    ]
    for message, expected in steps:
        change_keys(session, SHOT, message)
        assert frames(session) == expected
    labels = [session.undo() for _ in steps]
    assert labels[-1] == "Edit the camera as keys"
    assert session.state.keys is None
    assert not session.can_undo


def test_the_key_that_was_changed_is_the_one_to_choose(session):
    assert change_keys(session, SHOT, {"do": "add", "frame": 4}) == 1
    assert change_keys(session, SHOT, {"do": "move", "key": 0, "frame": 6}) == 1
    assert change_keys(session, SHOT, {"do": "drop"}) is None
    assert session.state.keys is None


@pytest.mark.parametrize(
    "message",
    [
        None,
        "add",
        {"do": "explode"},
        {"do": "add", "frame": "x"},
        {"do": "add", "frame": float("nan")},
        {"do": "add", "frame": 10**9},
        {"do": "add", "frame": 2, "view": {"w2c": [0] * 16}},
        {"do": "move", "key": 10**6, "frame": 1},
        {"do": "move", "key": -1, "frame": 1},
        {"do": "ease", "key": 0, "value": {"a": 1}},
        {"do": "lens", "key": 0, "value": None},
        {"do": "speed", "value": 1e99},
        {"do": "aim", "key": 0},
    ],
)
def test_a_forged_message_is_refused_in_a_sentence_and_changes_nothing(session, message):
    change_keys(session, SHOT, {"do": "keys"})
    state = session.state
    with pytest.raises(InvalidInput, match=r"\.$"):
        change_keys(session, SHOT, message)
    assert session.state is state


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_the_timeline_is_stale_until_drawn_and_again_after_every_change(session):
    drafts = Drafts(SHOT)
    assert timeline.value(session, drafts)["stale"]
    drafts.draw(session, SHOT)
    shown = timeline.value(session, drafts)
    assert not shown["stale"]
    assert len(shown["known"]) == len(shown["seen"]) == shown["frames"] == 9
    assert shown["sheet"]["count"] == 9
    with Image.open(shown["sheet"]["url"].partition("file=")[2]) as sheet:
        assert sheet.size == (6 * shown["sheet"]["width"], 2 * shown["sheet"]["height"])
    change_keys(session, SHOT, {"do": "keys"})
    after = timeline.value(session, drafts)
    assert after["stale"]
    assert after["sheet"] == shown["sheet"], "the last pictures stay until there are new ones"
    assert after["turn"] > shown["turn"]
    session.undo()
    assert not timeline.value(session, drafts)["stale"]


def test_the_preview_at_full_size_is_gone_once_it_is_not_true_any_more(session):
    drafts = Drafts(SHOT)
    drafts.draw_large(session, SHOT)
    film = timeline.value(session, drafts)["film"]
    assert len(pictures(film.partition("file=")[2])) == 9
    change_keys(session, SHOT, {"do": "add", "frame": 3})
    assert timeline.value(session, drafts)["film"] is None


def test_old_preview_files_are_removed(session):
    drafts = Drafts(SHOT)
    for amount in range(8):
        drafts.draw(session, Shot("truck-left", frames=2, amount=amount / 4))
    assert len(list(session.folder.glob("sheet-*"))) <= 4


def test_how_long_filming_takes_is_said_in_words(session):
    drafts = Drafts(SHOT)
    session.generate(Shot("pan-left", frames=2))
    drafts.draw(session, SHOT)
    (said,) = timeline.value(session, drafts)["says"]
    assert said.startswith("Filming takes about")


def test_the_strip_tells_each_clip_and_which_is_here(session):
    session.generate(SHOT)
    session.click(*centre_of_thing())
    session.delete()
    session.generate(SHOT)
    first, second = versions.value(session, (1, 2))
    assert (first["title"], second["title"]) == ("1. Original", "2. Delete")
    assert (first["a"], first["b"], second["b"]) == ("true", "false", "true")
    assert second["kind"] == "present"
    assert "1 edit" in second["made"]
    assert second["from"] == "from clip 1"
    labels = [label for label, _ in versions.shown(session, (2, 1))]
    assert labels == ["Clip 2: Delete", "Clip 1: Original"]
    assert [label for label, _ in versions.shown(session, (2, None))] == ["Original", "Edited"]
    assert versions.put((1, None), "a", 1) == (None, None)


def test_the_camera_path_is_written_in_every_form_and_read_again(session):
    change_keys(session, SHOT, {"do": "add", "frame": 4})
    with zipfile.ZipFile(saved(session, "camera")) as z:
        names = z.namelist()
        assert {"w2c.txt", "transforms.json", "realestate10k.txt", "motionctrl.json"} <= set(names)
        path = read_path(z.read("transforms.json"), start())
    assert len(path) == 9
    for a, b in zip(path, session.path(Shot(keys=session.state.keys)), strict=True):
        np.testing.assert_allclose(a.w2c, b.w2c, atol=1e-5)


def test_a_form_that_cannot_hold_a_zoom_is_left_out_and_says_why(session):
    change_keys(session, SHOT, {"do": "keys"})
    change_keys(session, SHOT, {"do": "lens", "key": 1, "value": 80})
    with zipfile.ZipFile(saved(session, "camera")) as z:
        assert "w2c.txt" not in z.namelist()
        assert b"no zoom" in z.read("not-written.txt")
        assert "transforms.json" in z.namelist()


def test_prompts_are_a_list_of_texts():
    assert prompts_of(["dawn", "noon"]) == ("dawn", "noon")
    for wrong in ("dawn", [1], None, ["x"] * 101):
        with pytest.raises(InvalidInput, match="list of at most"):
            prompts_of(wrong)
