"""What nobody should send, and what may happen at any moment: a clear sentence, nothing lost."""

import gc
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

import app
from editing.filming import Shot
from editing.panels import limits
from editing.panels.desk import STILL_WORKING, Desk, Studio
from editing.panels.downloads import DOWNLOADS, saved
from editing.panels.handlers import in_words
from editing.panels.operations import OperationsHandlers
from editing.panels.page import Page
from editing.session import Session
from spatia_core.errors import SpatiaError
from tests.studio import centre_of_thing, make_session, page_of

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Page]:
    yield from page_of(tmp_path_factory.mktemp("page"))


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    desk = Desk(Studio(tmp_path))
    desk._session = make_session(tmp_path / "room")
    desk.session.click(*centre_of_thing())
    for name in ("Warning", "Info"):
        monkeypatch.setattr(f"editing.panels.handlers.gr.{name}", lambda *_, **__: None)
    return desk


@pytest.fixture
def handlers(desk: Desk, page: Page) -> OperationsHandlers:
    return OperationsHandlers(desk.studio, page)


def sent(data: Any) -> gr.EventData:
    """What the page sends."""
    return gr.EventData(None, data)


# --- two things at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("point", {"clicks": [[5, 5, True]]}),
        ("frame", {"x0": 1, "y0": 1, "x1": 60, "y1": 60}),
        ("drop", {"x": 100, "y": 80}),
        ("drag", {"x": 100, "y": 80}),
        ("place", {"offset": [0.1, 0, 0]}),
        ("pick", {"kind": "clear"}),
        ("object", {"do": "hide"}),
        ("in_list", {"key": "x", "do": "select"}),
    ],
)
def test_what_is_dragged_or_clicked_while_filming_is_told_to_wait_and_changes_nothing(desk, handlers, name, data):
    state, picking = desk.session.state, desk.session.picking
    with desk.long(lambda *_: None):
        told = getattr(handlers, name)(desk, sent(data))
    if name != "drag":  # the next place of the pointer comes at once: nothing is said
        assert STILL_WORKING in told[handlers.page.message]["value"]
    assert desk.session.state is state
    assert desk.session.picking is picking
    assert desk.offset == (0.0, 0.0, 0.0)


def test_two_deletions_that_race_delete_once(desk, handlers):
    barrier, said = threading.Barrier(2), []

    def delete() -> None:
        barrier.wait()
        *_, last = handlers.delete(desk)
        said.append(last[handlers.page.message]["value"])

    racing = [threading.Thread(target=delete) for _ in range(2)]
    for t in racing:
        t.start()
    for t in racing:
        t.join()
    assert [e.kind for e in desk.session.state.log] == ["delete"]
    assert sum("It is gone" in line for line in said) == 1
    assert sum("wrong" in line for line in said) == 1
    assert not any("our side" in line for line in said)
    desk.session.undo()
    assert not len(desk.session.state.log)


def test_undo_while_something_is_made_waits_its_turn(desk, handlers):
    desk.session.delete()
    state = desk.session.state
    with desk.long(lambda *_: None):
        told = handlers.undo(desk)
        assert STILL_WORKING in told[handlers.page.message]["value"]
        assert desk.session.state is state
    handlers.undo(desk)
    assert desk.session.state is not state


def test_cancel_is_heard_before_the_work_has_begun(desk, handlers):
    pages = handlers.delete(desk)
    state = desk.session.state
    while not next(pages).get(handlers.page.cancel, {}).get("interactive"):
        pass  # the page says that something is under way; the work itself begins at the next step
    assert desk.cancel()
    *_, last = pages
    assert "Cancelled" in last[handlers.page.message]["value"]
    assert desk.session.state is state
    *_, last = handlers.delete(desk)  # an old press of Cancel does not stop the next work
    assert "It is gone" in last[handlers.page.message]["value"]


# --- a full disc ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filmed(tmp_path_factory) -> Session:
    session = make_session(tmp_path_factory.mktemp("room"))
    session.click(*centre_of_thing())
    session.delete()
    session.generate(Shot(frames=3))
    return session


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("what", [n for n in DOWNLOADS if n != "clip"])  # the clip is there already
def test_a_full_disc_while_exporting_is_said_and_nothing_is_lost(filmed, monkeypatch, what):
    state, before = filmed.state, {f: f.stat().st_size for f in filmed.folder.iterdir()}

    def on_a_full_disc(prefix: str, suffix: str, dir: Path) -> tuple[int, str]:
        name = str(dir / f"{prefix}full{suffix}")
        os.symlink("/dev/full", name)  # every byte written there is refused for want of room
        return os.open(os.devnull, os.O_WRONLY), name

    monkeypatch.setattr("spatia_core.io.files.tempfile.mkstemp", on_a_full_disc)
    with pytest.raises(SpatiaError, match="The disc is full"):
        saved(filmed, what)
    monkeypatch.undo()
    assert filmed.state is state
    assert {f: f.stat().st_size for f in filmed.folder.iterdir()} == before
    assert saved(filmed, what).stat().st_size > 0


def test_a_full_disc_is_told_in_words_wherever_it_is_met():
    assert "disc is full" in in_words(OSError(28, "No space left on device"))
    assert "our side" in in_words(OSError(5, "Input/output error"))


# --- messages that are too large --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("studio")
    blocks = app.build(Studio(root)).queue()
    _, address, _ = blocks.launch(
        prevent_thread_lock=True, quiet=True, allowed_paths=[str(root)], ssr_mode=False, app_kwargs=limits.guarded()
    )
    yield address
    blocks.close()
    del blocks
    gc.collect()


def post(address: str, data: Any, **headers: str) -> tuple[int, str]:
    """Status and text of the answer; an iterable is sent in pieces of unknown total length."""
    request = urllib.request.Request(
        f"{address}gradio_api/queue/join", data, {"Content-Type": "application/json", **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read().decode()


def test_a_message_of_100_mb_is_refused_unread(address):
    event = {"fn_index": 0, "session_hash": "forged", "data": [], "event_data": {"points": [[0, 0]]}}
    body = json.dumps(event).encode()
    try:
        status, said = post(address, body + b" " * 100_000_000)
    except (ConnectionError, urllib.error.URLError):  # hung up on in the middle: refused all the same
        status, said = 413, limits.SAYS
    assert status == 413
    assert "too large" in said
    status, _ = post(address, body)
    assert status != 413  # the server goes on, and small messages pass


def test_a_large_message_in_pieces_is_refused_as_well(address):
    pieces = (b" " * 1_000_000 for _ in range(12))
    try:
        status, said = post(address, pieces)
    except (ConnectionError, urllib.error.URLError):
        status, said = 413, limits.SAYS
    assert status == 413
    assert "too large" in said
