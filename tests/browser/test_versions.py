"""Every clip in a strip: going on from one, comparing any two, with a real mouse and real keys."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import serve
from tests.browser.studio import Studio
from tests.browser.test_timeline import film

pytestmark = pytest.mark.browser


def cards(studio: Studio) -> list[str]:
    return [h.inner_text() for h in studio.page.locator("#clips h3").all()]


def press(studio: Studio, clip: int, button: str) -> None:
    studio.page.click(f"#clips [data-number='{clip}'] [data-do={button}]")


def has_clips(studio: Studio, count: int) -> None:
    studio.until("n => document.querySelectorAll('#clips .clip-card').length === n", count)


@pytest.fixture
def branched(studio: Studio, photo: Path) -> Studio:
    """Clips: 1 original, 2 without the bird."""
    studio.open(photo, frames=5)
    studio.select_bird()
    studio.press("delete", "gone")
    studio.press("regenerate", "Done")
    has_clips(studio, 2)
    return studio


def test_fork_and_compare_any_two_clips(branched: Studio):
    studio = branched
    assert cards(studio) == ["1. Original", "2. Delete"]
    edited = studio.value()["image"]
    press(studio, 1, "fork")
    studio.expect("You are back at clip 1")
    assert studio.value()["image"] != edited
    studio.page.click("#path input")
    studio.page.get_by_role("option", name="Pan left").click()
    studio.until("document.querySelector('#path-says').innerText.includes('look left')")
    studio.press("regenerate", "Done")
    has_clips(studio, 3)
    assert cards(studio) == ["1. Original", "2. Delete", "3. Original"]
    assert "from clip 1" in studio.page.inner_text("#clips [data-number='3']")
    press(studio, 2, "a")
    studio.expect("Choose the other one")
    press(studio, 3, "b")
    studio.expect("Clip 2 is A and clip 3 is B")
    studio.shows_clips("Clip 2: Delete", "Clip 3: Original")
    for view in ("wipe", "blink", "difference", "side"):
        studio.page.click(f"#result button[data-view={view}]")
        assert studio.page.get_attribute(f"#result button[data-view={view}]", "aria-pressed") == "true"
    assert studio.page.locator("#result video").count() == 2
    got = studio.download("save-page")  # there is no edited clip now: the page shows the chosen ones
    assert got.suggested_filename.endswith("clips-2-and-3.html")
    text = Path(got.path()).read_text(encoding="utf-8")
    assert "Clip 2: Delete" in text
    assert "Clip 3: Original" in text
    press(studio, 2, "fork")
    studio.expect("You are back at clip 2")
    studio.shows_clips("Original", "Edited")
    assert studio.value()["image"] == edited
    studio.press("undo", "Undone: Go on from clip 2")
    assert len(cards(studio)) == 3


def test_clips_of_different_lengths_are_refused_in_words(branched: Studio):
    studio = branched
    studio.frames(4)
    studio.press("regenerate", "Done")
    has_clips(studio, 4)
    press(studio, 1, "a")
    studio.expect("Choose the other one")
    press(studio, 4, "b")
    studio.expect("same length")
    studio.shows_clips("Original", "Edited")


def test_the_keyboard_alone_goes_on_from_a_clip(branched: Studio):
    page = branched.page
    page.focus("#clips [data-number='1'] [data-do=a]")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.do") == "fork"
    page.keyboard.press("Enter")
    branched.expect("You are back at clip 1")


def test_a_saved_session_brings_the_strip_back_and_films_a_clip_of_it_again(branched: Studio, tmp_path: Path):
    studio = branched
    file = tmp_path / "bird.spatia"
    studio.download("save-session").save_as(file)
    studio.upload(file)
    studio.expect("The memory is built")
    has_clips(studio, 2)
    assert cards(studio) == ["1. Original", "2. Delete"]
    press(studio, 1, "fork")
    studio.expect("You are back at clip 1")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_holds_the_strip(browser: Browser, address: str, photo: Path, theme: str):
    studio = Studio(browser, address, width=390, theme=theme)
    studio.open(photo, frames=2)
    has_clips(studio, 1)
    assert studio.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inside = studio.page.evaluate(
        """() => [...document.querySelectorAll('.clip-card button')].every(b => b.scrollWidth <= b.clientWidth + 1)"""
    )
    assert inside, "no label is cut off"
    studio.close()
    assert not studio.broken


@pytest.fixture(scope="module")
def in_rounds(tmp_path_factory) -> Iterator[str]:
    """Address of an app whose generator films four frames a round, slowly, and follows its prompts."""
    process, address = serve(tmp_path_factory.mktemp("rounds") / "log", "-m", "tests.browser.rounds_app")
    yield address
    process.terminate()
    process.wait(20)


def test_a_clip_stopped_after_a_round_is_steered_and_continued(browser: Browser, in_rounds: str, photo: Path):
    tab = Studio(browser, in_rounds)
    tab.open(photo, frames=4)
    assert not tab.page.is_visible("#go-on")
    tab.until("document.querySelector('#upload input[type=file]')")  # the drop zone is free: all is said of opening
    tab.frames(12)
    first = tab.page.evaluate("document.querySelector('#result video').src")
    tab.page.click("#regenerate")
    tab.until("document.querySelector('#message').innerText.includes('Round 2 of 3')")
    tab.page.click("#cancel")
    tab.until("!document.querySelector('#go-on')?.disabled")
    tab.until("document.querySelectorAll('#clips .clip-card').length === 2")
    assert "not filmed to its end" in tab.page.inner_text("#clips [data-number='2']")
    assert "Only 1 of 3 rounds" in tab.page.inner_text("#trust")
    tab.until("s => document.querySelector('#result video')?.src !== s", first)
    tab.until("document.querySelector('#result video')?.readyState >= 2")
    stopped = film(tab, "#result video")
    assert len(stopped) == 4
    tab.page.fill("#prompts textarea", "\nred light")
    old = tab.page.evaluate("document.querySelector('#result video').src")
    tab.press("go-on", "Done")
    tab.until("s => document.querySelector('#result video')?.src !== s", old)
    tab.until("document.querySelector('#result video').readyState >= 2")
    frames = film(tab, "#result video").astype(float)
    assert len(frames) == 12
    assert np.abs(frames[:4] - stopped).mean() < 2  # the round that was there is there
    reds = frames[..., 0].mean((1, 2)) / frames[..., 1:].mean((1, 2, 3))
    assert (reds[4:] > 2 * reds[:4].max()).all()  # the rounds after it follow the new prompt
    assert not tab.page.is_visible("#go-on")
    assert "not filmed to its end" not in tab.page.inner_text("#clips .clip-card.present")
    tab.close()
    assert not tab.outside
    assert not tab.broken
