"""Finding things in the picture, pointing at them and picking one, with a mouse, keys and a finger."""

from pathlib import Path

import pytest

from tests.browser.studio import Studio

pytestmark = pytest.mark.browser
LONG = 240_000
"""Longest wait for all things of a picture, milliseconds; ten seconds on a quiet machine."""
FOUND = "/thing(s)? found|No thing stands out/.test(document.querySelector('#message .note').textContent)"


def find(tab: Studio) -> int:
    """Presses the button; how many things are in the list then."""
    tab.page.click("#find")
    tab.page.wait_for_function(FOUND, timeout=LONG)
    tab.until("document.querySelectorAll('#things .strip button').length > 0")
    tab.until("!document.querySelector('.tool-thing').hidden")
    return tab.page.locator("#things .strip button").count()


def test_a_thing_is_pointed_at_picked_joined_and_deleted(studio: Studio, photo: Path):
    studio.open(photo)
    assert not studio.page.is_visible(".tool-thing")
    assert find(studio) >= 2
    assert studio.page.get_attribute(".tool-thing", "aria-pressed") == "true"
    assert not studio.enabled("find")  # they are all there
    studio.page.mouse.move(*studio.at(0.36, 0.45))
    studio.page.wait_for_timeout(300)
    assert studio.drawn() > 200  # the thing under the pointer is shown before anything is pressed
    assert not studio.enabled("delete")
    studio.click(0.36, 0.45)
    studio.expect("of the picture is selected")
    assert studio.page.locator("#things button[aria-pressed=true]").count() == 1
    share = float(studio.said().split("%")[0])
    other = studio.page.locator("#things button[aria-pressed=false]").first
    other.click(modifiers=["Shift"])
    studio.until("s => parseFloat(document.querySelector('#message .note').textContent) > s", share)
    studio.page.click("#take-back")
    studio.expect(f"{share}%")
    studio.press("delete", "gone")
    studio.until("!document.querySelectorAll('#things .strip button').length")  # another picture now
    assert not studio.page.is_visible(".tool-thing")
    assert studio.enabled("find")


def test_looking_can_be_cancelled_and_clicks_go_on(studio: Studio, photo: Path):
    studio.open(photo)
    studio.page.click("#find")
    studio.until("!document.querySelector('#cancel').disabled")
    studio.page.click("#cancel")
    studio.page.wait_for_function(
        "document.querySelector('#message .note').textContent.includes('Cancelled')", timeout=LONG
    )
    assert studio.page.locator("#things .strip button").count() == 0
    studio.select_bird()


def test_on_a_phone_a_finger_and_the_keys_pick(browser, address: str, photo: Path):
    tab = Studio(browser, address, width=390)
    tab.open(photo)
    find(tab)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    tab.page.touchscreen.tap(*tab.at(0.36, 0.45))
    tab.expect("of the picture is selected")
    tab.press("start-over", "Nothing is selected")
    first = tab.page.locator("#things .strip button").first
    first.focus()
    first.press("Enter")
    tab.expect("of the picture is selected")
    tab.close()
    assert not tab.outside
    assert not tab.broken
