"""The shared page opened from disk without a network: clips in step, four views, mouse, keys, touch, both themes."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from editing.filming import Shot
from editing.sharing import write_page
from tests.studio import centre_of_thing, make_session

pytestmark = pytest.mark.browser

FRAMES = 12


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    session = make_session(folder / "session")
    session.click(*centre_of_thing())
    session.delete()
    session.generate(Shot("truck-right", frames=FRAMES))
    return write_page(session, folder / "page.html", datetime(2026, 11, 24, tzinfo=UTC))


def until(page: Page, expression: str) -> None:
    """Waits until the JavaScript holds, asked from outside: the page's own policy forbids evaluation."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def opened(browser: Browser, file: Path, width: int = 1280, theme: str = "light", motion: str = "reduce") -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        offline=True,
        color_scheme=theme,  # type: ignore[arg-type]
        reduced_motion=motion,  # type: ignore[arg-type]
        has_touch=width < 600,
    )
    page = context.new_page()
    page.troubles = []  # type: ignore[attr-defined]
    own = ("file:", "blob:", "data:")
    page.on("request", lambda r: None if r.url.startswith(own) else page.troubles.append(r.url))  # type: ignore[attr-defined]
    page.on("pageerror", lambda e: page.troubles.append(str(e)))  # type: ignore[attr-defined]
    page.on("console", lambda m: page.troubles.append(m.text) if m.type == "error" else None)  # type: ignore[attr-defined]
    page.goto(file.as_uri())
    until(page, "[...document.querySelectorAll('video')].filter(v => v.readyState >= 2).length === 2")
    return page


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    made = opened(browser, file)
    yield made
    assert not made.troubles  # type: ignore[attr-defined]
    made.context.close()


def times(page: Page) -> list[float]:
    until(page, "[...document.querySelectorAll('video')].every(v => !v.seeking)")
    return page.evaluate("[...document.querySelectorAll('video')].map(v => v.currentTime)")


def view(page: Page) -> str:
    return page.evaluate("document.querySelector('.player').dataset.view")


def test_it_opens_from_disk_offline_and_shows_clips_and_recipe(page: Page):
    assert page.inner_text(".badge") == "AI-edited"
    assert "truck right" in page.inner_text("main")
    assert "1 thing deleted" in page.inner_text(".lead").lower()
    assert page.locator(".player figcaption").all_inner_texts() == ["Original", "Edited"]
    assert page.locator("#files a[download]").count() == 2
    assert page.locator("svg.plot[aria-label]").count() >= 3


def test_both_clips_play_in_step(browser: Browser, file: Path):
    page = opened(browser, file, motion="no-preference")
    until(page, "document.querySelector('video').currentTime > 0.1")
    page.keyboard.press(" ")
    assert page.evaluate("[...document.querySelectorAll('video')].every(v => v.paused)")
    a, b = times(page)
    assert abs(a - b) < 0.09
    assert not page.troubles  # type: ignore[attr-defined]
    page.context.close()


def test_the_keyboard_alone_is_enough(page: Page):
    page.keyboard.press("ArrowRight")
    assert times(page) == pytest.approx([1.5 / 24] * 2, abs=1e-3)
    page.keyboard.press("End")
    assert times(page) == pytest.approx([(FRAMES - 0.5) / 24] * 2, abs=1e-3)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert times(page) == pytest.approx([0.5 / 24] * 2, abs=1e-3)
    for key, name in (("2", "wipe"), ("3", "blink"), ("4", "difference"), ("1", "side")):
        page.keyboard.press(key)
        assert view(page) == name
        assert page.get_attribute(f"button[data-view={name}]", "aria-pressed") == "true"


def test_a_focused_slider_keeps_its_own_keys(page: Page):
    page.click("button[data-view=wipe]")
    page.focus(".player-wipe")
    page.keyboard.press("ArrowRight")
    assert float(page.input_value(".player-wipe")) == 50.5
    assert page.inner_text(".player-time").startswith("1 /")


def colours(page: Page) -> tuple[list[int], list[int]]:
    """Colour on the screen a quarter and three quarters along the picture."""
    box = page.locator(".player-screen").bounding_box()
    assert box is not None
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        y = box["y"] + box["height"] * 0.9
        screen = np.asarray(picture.convert("RGB"))
    left, right = (screen[int(y), int(box["x"] + s * box["width"])].tolist() for s in (0.25, 0.75))
    return left, right


def test_the_difference_is_black_where_nothing_was_edited(page: Page):
    page.click("button[data-view=difference]")
    left, right = colours(page)
    assert max(left) < 100
    assert max(right) < 100
    page.click("button[data-view=side]")
    assert max(colours(page)[0]) > 60


def test_the_wipe_follows_the_pointer(page: Page):
    page.click("button[data-view=wipe]")
    box = page.locator(".player-screen").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60, steps=4)
    page.mouse.up()
    assert float(page.input_value(".player-wipe")) == pytest.approx(20, abs=1)


def test_blinking_shows_one_clip_at_a_time_and_turns_on_a_tap(page: Page):
    page.click("button[data-view=blink]")
    seen = "getComputedStyle(document.querySelector('.clip-1')).visibility"
    assert page.evaluate(seen) == "visible"
    page.click(".player-screen")
    assert page.evaluate(seen) == "hidden"
    page.click(".player-screen")
    assert page.evaluate(seen) == "visible"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_all_of_it_in_both_themes(browser: Browser, file: Path, theme: str):
    page = opened(browser, file, 390, theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.tap("button[data-view=wipe]")
    assert view(page) == "wipe"
    page.tap("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    assert not page.troubles  # type: ignore[attr-defined]
    page.context.close()


def test_the_clips_can_be_taken_out_again(page: Page):
    with page.expect_download() as waiting:
        page.click("#files a >> nth=1")
    assert waiting.value.suggested_filename == "edited.mp4"
    assert Path(waiting.value.path()).read_bytes()[4:8] == b"ftyp"
