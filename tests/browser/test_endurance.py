"""What a session survives: a restart of the server."""

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
