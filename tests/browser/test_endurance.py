"""What a session survives: a restart of the server, a thousand clicks, a connection lost in mid-drag."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import serve
from tests.browser.studio import Studio
from tests.browser.test_timeline import film

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


def test_a_thousand_rapid_clicks_lose_nothing(studio: Studio, photo: Path):
    studio.open(photo)
    studio.select_bird()
    studio.page.evaluate(
        """() => { const c = document.querySelector('#stage canvas'), b = c.getBoundingClientRect();
                   for (let i = 0; i < 1000; i++) {
                     const at = { bubbles: true, button: 0, pointerId: 1, isPrimary: true,
                                  clientX: b.left + b.width * (0.1 + 0.8 * ((i * 37) % 100) / 100),
                                  clientY: b.top + b.height * (0.1 + 0.8 * ((i * 61) % 100) / 100) };
                     for (const type of ['pointerdown', 'pointerup', 'click'])
                       c.dispatchEvent(new (type === 'click' ? MouseEvent : PointerEvent)(type, at));
                   } }"""
    )
    studio.page.wait_for_timeout(3000)
    studio.until("!document.querySelector('.note.working')")
    studio.press("clear", "")
    studio.select_bird()
    studio.press("delete", "gone")


def test_a_connection_lost_in_mid_drag_costs_the_drag_only(studio: Studio, photo: Path):
    studio.open(photo)
    studio.select_bird()
    studio.page.click(".tool-move")
    studio.expect("Drag the thing")
    studio.drag((0.37, 0.5), (0.5, 0.52))
    studio.context.set_offline(True)
    studio.drag((0.5, 0.52), (0.6, 0.52), steps=4)
    studio.page.mouse.up()
    studio.page.wait_for_timeout(1000)
    studio.context.set_offline(False)
    studio.page.wait_for_timeout(1000)
    studio.drag((0.37, 0.5), (0.55, 0.52))
    studio.until("!document.querySelector('#stage .stage-preview').hidden")
    studio.page.mouse.up()
    studio.expect("This is how it would look")
    studio.press("move", "stands in its new place")
