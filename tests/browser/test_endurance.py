"""What a session survives: a restart of the server, a thousand clicks, a lost connection, other people's links."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Server, serve
from tests.browser.studio import Studio
from tests.browser.test_timeline import film
from tests.browser.test_viewport import View
from tests.browser.wire import Wire

pytestmark = pytest.mark.browser
EDITED = "#result figure:last-child video"


def next_clip(tab: Studio) -> np.ndarray:
    """The edited clip of a camera that was not filmed before."""
    tab.page.locator("#amount input[type=number]").fill("1.7")
    tab.page.locator("#amount input[type=number]").press("Tab")
    old = tab.page.evaluate("s => document.querySelector(s).src", EDITED)
    tab.press("regenerate", "Done")
    tab.until("([s, old]) => document.querySelector(s)?.src !== old", [EDITED, old])
    tab.shows_clips("Original", "Edited")
    return film(tab, EDITED)


def test_a_saved_session_goes_on_after_a_restart_with_the_very_same_frames(
    browser: Browser, studio: Studio, photo: Path, tmp_path: Path
):
    studio.open(photo)
    studio.select_bird()
    studio.press("delete", "gone")
    studio.press("regenerate", "Done")
    studio.shows_clips("Original", "Edited")
    got = studio.download("save-session")
    got.save_as(tmp_path / "bird.spatia")
    expected = next_clip(studio)
    process, address = serve(tmp_path / "log")
    try:
        other = Studio(browser, address)
        other.frames(9)
        other.upload(tmp_path / "bird.spatia")
        other.expect("The memory is built")
        other.shows_clips("Original", "Edited")
        assert np.array_equal(next_clip(other), expected)
        other.close()
    finally:
        process.terminate()
        process.wait(20)


RAIN = """(count) => {
  const c = document.querySelector('#stage .stage-frame'), b = c.getBoundingClientRect();
  for (let i = 0; i < count; i++) {
    const at = { bubbles: true, button: 0, pointerId: 1, isPrimary: true,
                 clientX: b.left + b.width * (0.1 + 0.8 * ((i * 37) % 101) / 101),
                 clientY: b.top + b.height * (0.1 + 0.8 * ((i * 61) % 103) / 103) };
    for (const type of ['pointerdown', 'pointerup']) c.dispatchEvent(new PointerEvent(type, at));
  }
}"""


def messages(tab: Studio) -> list[str]:
    """The events that the page sends from now on."""
    sent: list[str] = []
    tab.page.on("request", lambda r: sent.append(r.post_data or "") if "queue/join" in r.url else None)
    return sent


def test_a_thousand_rapid_clicks_make_no_queue_and_lose_nothing(studio: Studio, photo: Path):
    studio.open(photo)
    studio.select_bird()
    first = studio.said()
    sent = messages(studio)
    studio.page.evaluate(RAIN, 1000)
    studio.expect("A selection holds at most 200 clicks")
    assert 1 <= len([s for s in sent if '"clicks"' in s]) <= 3
    studio.press("start-over", "Nothing is selected")
    studio.select_bird()
    assert studio.said() == first
    studio.press("delete", "gone")


def test_clicks_made_while_an_answer_is_awaited_count_as_one_step(studio: Studio, photo: Path):
    studio.open(photo)
    sent = messages(studio)
    studio.page.evaluate(RAIN, 12)
    studio.expect("of the picture is selected")
    studio.until("!document.querySelector('#take-back').disabled")
    studio.page.wait_for_timeout(2000)
    clicks = [s for s in sent if '"clicks"' in s]
    assert len(clicks) == 2
    studio.page.click("#take-back")
    studio.page.click("#take-back")
    studio.expect("Nothing is selected")


def test_a_thousand_shapes_drawn_at_once_in_3d_make_no_queue(studio: Studio, photo: Path):
    studio.open(photo, frames=2)
    view = View(studio).ready()
    view.press("0")
    sent = messages(studio)
    pick = """v.pick({ kind: "rectangle", points: [[0.3, 0.3], [0.5, 0.5]].map(([x, y]) =>
                       [x * v.frame.clientWidth + i % 50, y * v.frame.clientHeight]) })"""
    view.state(f"(() => {{ for (let i = 0; i < 1000; i++) {pick}; return 0; }})()")
    studio.expect("points are selected")
    view.until("v.value.heard === v.outbox.number && !v.outbox.awaited")
    assert len([s for s in sent if '"steps"' in s]) == 2
    count = view.state("v.value.selection.count")
    view.state(f"(() => {{ const i = 999; {pick}; return 0; }})()")
    view.until("!v.outbox.awaited")
    assert view.state("v.value.selection.count") == count, "the last one counts"


def test_dragging_and_clicking_while_filming_changes_nothing(studio: Studio, photo: Path, server: Server):
    studio.open(photo)
    studio.select_bird()
    studio.page.click(".tool-move")
    studio.expect("Drag the thing")
    studio.frames(121)
    studio.page.click("#regenerate")
    studio.until("!document.querySelector('#cancel').disabled")
    with server.asleep():  # a fast machine would have filmed before the hand is through
        studio.drag((0.37, 0.5), (0.6, 0.52))
        studio.page.mouse.up()
        studio.page.evaluate("document.querySelector('.tool-add').click()")
        studio.page.evaluate(RAIN, 5)
        assert studio.enabled("cancel"), "still filming"
    studio.expect("Done")
    assert studio.value()["preview"] is None
    assert "Film" in studio.page.inner_text("#undo")
    studio.press("undo", "Undone: Film")
    studio.press("undo", "Undone: Selection")


@pytest.fixture
def wire(address: str) -> Iterator[Wire]:
    wire = Wire(address)
    yield wire
    wire.close()


def test_a_connection_lost_in_mid_drag_costs_the_drag_only(browser: Browser, wire: Wire, photo: Path):
    tab = Studio(browser, wire.address)
    tab.open(photo)
    tab.select_bird()
    tab.page.click(".tool-move")
    tab.expect("Drag the thing")
    tab.drag((0.37, 0.5), (0.5, 0.52))
    tab.until("!document.querySelector('#stage .stage-preview').hidden")
    wire.cut()
    tab.page.mouse.move(*tab.at(0.6, 0.52), steps=4)
    tab.page.mouse.up()
    tab.page.get_by_text("Connection to the server was lost").first.wait_for()
    wire.mend()
    tab.expect("You are back where you were")
    assert tab.enabled("delete")  # the selection is still there
    tab.page.click(".tool-move")
    tab.expect("Drag the thing")
    tab.drag((0.37, 0.5), (0.55, 0.52))
    tab.until("!document.querySelector('#stage .stage-preview').hidden")
    tab.page.mouse.up()
    tab.expect("This is how it would look")
    tab.press("move", "new place")
    assert "Move" in tab.page.inner_text("#undo")
    tab.close()


def test_a_connection_lost_while_filming_brings_the_finished_clip(browser: Browser, wire: Wire, photo: Path):
    tab = Studio(browser, wire.address)
    tab.open(photo)
    tab.select_bird()
    tab.press("delete", "gone")
    tab.frames(60)
    tab.page.click("#regenerate")
    tab.until("!document.querySelector('#cancel').disabled")
    wire.cut()
    tab.page.wait_for_timeout(1000)
    wire.mend()
    tab.expect("You are back where you were")
    tab.shows_clips("Original", "Edited")
    assert "Film" in tab.page.inner_text("#undo")
    tab.close()


def test_the_page_loaded_anew_shows_the_same_session(studio: Studio, photo: Path):
    studio.open(photo)
    studio.select_bird()
    before = studio.said()
    studio.page.reload()
    studio.expect("You are back where you were")
    studio.shows_clips("Original")
    assert studio.enabled("delete")
    studio.page.click("#take-back")
    studio.expect("Nothing is selected")
    studio.select_bird()
    assert studio.said() == before


def test_somebody_else_s_link_is_refused_and_harms_nobody(browser: Browser, studio: Studio, address: str, photo: Path):
    studio.open(photo)
    studio.select_bird()
    link = studio.page.url
    assert "session=" in link
    other = Studio(browser, address)  # another browser profile
    other.page.goto(link)
    other.expect("belongs to a session of another browser")
    assert not other.enabled("delete")
    other.open(photo)  # and it goes on with a session of its own
    assert other.page.url != link
    other.page.goto(f"{address}?session=forged-and-never-given")
    other.expect("not on this server any more")
    other.close()
    studio.press("delete", "gone")
