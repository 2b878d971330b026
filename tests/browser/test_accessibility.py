"""Contrast, names and roles of the whole page, checked by axe-core (WCAG 2 A and AA)."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.studio import Studio

pytestmark = pytest.mark.browser
RULES = {"runOnly": ["wcag2a", "wcag2aa"]}
UNFOLD = "document.querySelectorAll('button.label-wrap:not(.open)').forEach(b => b.click())"


def faults(page: Page) -> list[str]:
    """What axe-core objects to, a line for each element."""
    page.wait_for_timeout(500)
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{v['id']}: {n['target']} {n['html'][:120]}" for v in found for n in v["nodes"]]


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_every_step_of_the_page_can_be_read_and_is_named(
    browser: Browser, address: str, photo: Path, width: int, theme: str
):
    tab = Studio(browser, address, width, theme)
    assert faults(tab.page) == []
    tab.open(photo)
    tab.page.evaluate(UNFOLD)
    assert faults(tab.page) == []
    tab.select_bird()
    tab.press("delete", "gone")
    tab.press("regenerate", "Done")
    tab.shows_clips("Original", "Edited")
    assert faults(tab.page) == []
    tab.close()


def test_the_check_finds_what_is_wrong(studio: Studio):
    bad = '<p style="color:#ccc;background:#fff">pale</p><button></button>'
    studio.page.evaluate("bad => document.body.insertAdjacentHTML('beforeend', bad)", bad)
    found = " ".join(faults(studio.page))
    assert "color-contrast" in found
    assert "button-name" in found
