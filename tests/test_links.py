"""Links back to a session, and what the picture on the page may say."""

import gc
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from editing.edits import Along
from editing.panels.desk import Desk, Studio
from editing.panels.handlers import clicks_of
from editing.panels.links import FOREIGN, GONE
from editing.panels.operations import OperationsHandlers
from editing.panels.page import Page
from editing.selecting import MOST_CLICKS
from editing.session import MOST_STEPS
from editing.state import Click
from spatia_core.errors import InvalidInput
from tests.studio import centre_of_thing, make_session, page_of

pytestmark = pytest.mark.filterwarnings("ignore")
KEY, OTHER = "a" * 48, "b" * 48


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    desk = Desk(Studio(tmp_path))
    desk._session = make_session(tmp_path / "room")
    monkeypatch.setattr("editing.panels.handlers.gr.Warning", lambda *_, **__: None)
    return desk


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Page]:
    yield from page_of(tmp_path_factory.mktemp("page"))


@pytest.fixture
def handlers(desk: Desk, page: Page) -> OperationsHandlers:
    return OperationsHandlers(desk.studio, page)


def sent(data: Any) -> gr.EventData:
    """What the page sends."""
    return gr.EventData(None, data)


class Shown:
    """A page's updates by the names of its components."""

    def __init__(self, page: Page, updates: dict[Any, Any]) -> None:
        self.page, self.updates = page, updates

    def __getitem__(self, name: str) -> Any:
        return self.updates[getattr(self.page, name)]

    @property
    def said(self) -> str:
        """The line in the dock."""
        return self["message"]["value"]


def starts(handlers: OperationsHandlers, link: str | None, key: str | None) -> list[Shown]:
    """What a tab shows when it begins."""
    return [Shown(handlers.page, updates) for updates in handlers.start(link, key)]


# --- links ------------------------------------------------------------------------------------------------------------


def test_a_link_leads_its_owner_back_and_nobody_else(desk):
    links = desk.studio.links
    links.give(desk, KEY)
    assert links.find(desk.link, KEY) is desk
    for key in (OTHER, None, "", KEY[:-1]):
        with pytest.raises(InvalidInput, match="another browser"):
            links.find(desk.link, key)


@pytest.mark.parametrize("link", ["", "x", "../../etc", "a" * 10_000])
def test_a_link_that_was_never_given_leads_nowhere(desk, link):
    desk.studio.links.give(desk, KEY)
    with pytest.raises(InvalidInput, match="not on this server any more"):
        desk.studio.links.find(link, KEY)


@pytest.mark.parametrize("key", [None, "", "short", "x" * 10_000])
def test_a_browser_without_a_secret_gets_no_link(desk, key):
    desk.studio.links.give(desk, key)
    assert desk.link is None


def test_a_link_is_forgotten_with_its_session(desk, tmp_path):
    studio = desk.studio
    gone = Desk(studio)
    studio.links.give(gone, KEY)
    link = gone.link
    del gone
    gc.collect()
    with pytest.raises(InvalidInput, match="not on this server any more"):
        studio.links.find(link, KEY)


def test_files_stay_until_the_last_tab_is_closed(desk):
    folder = desk.session.folder
    desk.join()
    desk.leave()
    assert not desk.left
    assert folder.exists()
    desk.leave()
    assert desk.left
    with desk._lock:  # after the clearing has begun or before it; either way it ends
        pass
    while desk.ready:
        pass
    assert not folder.exists()


def test_a_page_loaded_anew_shows_the_session_it_names(desk, handlers):
    desk.studio.links.give(desk, KEY)
    desk.session.click(*centre_of_thing())
    desk.session.along = Along(shadow=True, reflection=True)
    (shown,) = starts(handlers, desk.link, KEY)
    assert "You are back" in shown.said
    assert shown["desk"] is desk
    assert shown["stage"]["mask"]
    assert shown["shadow"] is True
    assert shown["reflection"] is True
    assert shown["link"] == desk.link


@pytest.mark.parametrize(("key", "says"), [(OTHER, FOREIGN), (None, FOREIGN)])
def test_somebody_else_begins_anew_and_is_told_why(desk, handlers, key, says):
    desk.studio.links.give(desk, KEY)
    (shown,) = starts(handlers, desk.link, key)
    assert says.split(",")[0] in shown.said
    assert shown["desk"] is not desk
    assert not shown["desk"].ready
    (shown,) = starts(handlers, "never", KEY)
    assert GONE.split(":")[0] in shown.said


def test_work_under_way_is_waited_for(desk, handlers):
    desk.studio.links.give(desk, KEY)
    desk._working = True
    pages = handlers.start(desk.link, KEY)
    busy = Shown(handlers.page, next(pages))
    assert busy["desk"] is desk
    assert busy["cancel"]["interactive"]
    desk._working = False
    assert "You are back" in Shown(handlers.page, next(pages)).said


# --- what the picture says --------------------------------------------------------------------------------------------


def test_clicks_made_together_are_one_step(desk):
    x, y = centre_of_thing()
    desk.session.clicks([Click(x, y), Click(x + 1, y), Click(1, 1, False)])
    assert len(desk.session.picking.clicks) == 3
    desk.session.take_back()
    assert not desk.session.picking.clicks


def test_too_many_clicks_are_refused_and_the_selection_stays(desk):
    session, (x, y) = desk.session, centre_of_thing()
    session.click(x, y)
    before = session.picking
    with pytest.raises(InvalidInput, match=f"at most {MOST_CLICKS} clicks"):
        session.clicks([Click(x, y)] * MOST_CLICKS)
    assert session.picking is before


def test_a_selection_remembers_only_so_many_steps(desk):
    session = desk.session
    session.click(*centre_of_thing())
    for k in range(MOST_STEPS + 50):
        session.grow(1 + k % 2)
    assert len(session._pickings) == 1 + MOST_STEPS
    while session.can_undo:
        session.undo()
    assert len(session._pickings) == 1


def test_the_same_place_clicked_again_in_one_message_counts_once():
    told = {"clicks": [[10.2, 5.1, True], [10.4, 5.3, True], [10.4, 5.3, False], [30, 5, True]]}
    assert clicks_of(told) == [Click(10.4, 5.3), Click(10.4, 5.3, False), Click(30, 5)]


FORGED: list[Any] = [
    None,
    "x",
    [],
    {},
    {"clicks": []},
    {"clicks": "many"},
    {"clicks": [[1, 2]]},
    {"clicks": [{"x": 1, "y": 2}]},
    {"clicks": [[float("nan"), 1, True]]},
    {"clicks": [[1, float("inf"), True]]},
    {"clicks": [["1", "2", True]]},
    {"clicks": [[1e9, 1, True]]},
]


@pytest.mark.parametrize("data", FORGED, ids=range(len(FORGED)))
def test_forged_clicks_change_nothing_and_are_told(desk, handlers, data):
    desk.session.click(*centre_of_thing())
    before = desk.session.picking
    line = Shown(handlers.page, handlers.point(desk, sent(data))).said
    assert "wrong" in line
    assert "our side" not in line
    assert desk.session.picking is before


@pytest.mark.parametrize("data", [None, {}, {"x0": 1}, dict.fromkeys(("x0", "y0", "x1", "y1"), float("nan"))])
def test_forged_boxes_and_drags_change_nothing_and_are_told(desk, handlers, data):
    desk.session.click(*centre_of_thing())
    before = desk.session.picking
    for handler in (handlers.frame, handlers.drop):
        line = Shown(handlers.page, handler(desk, sent(data))).said
        assert "wrong" in line
        assert "our side" not in line
    handlers.drag(desk, sent(data))
    assert desk.session.picking is before
    assert desk.offset == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", [None, "-1", "x", "9" * 30, 1.5])
def test_a_forged_choice_changes_nothing_and_is_told(desk, handlers, name):
    desk.session.click(*centre_of_thing())
    before = desk.session.picking
    assert "no such mask" in Shown(handlers.page, handlers.choose(desk, sent({"name": name}))).said
    assert desk.session.picking is before


def test_the_answer_names_the_message_it_answers_even_when_it_is_refused(desk, handlers):
    x, y = centre_of_thing()
    shown = Shown(handlers.page, handlers.point(desk, sent({"clicks": [[x, y, True]], "message": 41})))
    assert shown["stage"]["heard"] == 41
    with desk._lock:
        desk._working = True
        shown = Shown(handlers.page, handlers.point(desk, sent({"clicks": [[x, y, True]], "message": 42})))
        desk._working = False
    assert "still being worked on" in shown.said
    assert shown["stage"]["heard"] == 42
