"""The camera's timeline, with a real mouse and real keys."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.browser.studio import Studio

pytestmark = pytest.mark.browser


class Line:
    """The timeline of one tab."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.page = studio, studio.page
        self.page.evaluate("document.querySelector('#timeline').scrollIntoView({block: 'center'})")

    def drawn(self) -> "Line":
        """Waits until the preview and the graph show the present."""
        self.studio.until("document.querySelector('#timeline .tl') && !document.querySelector('#timeline.stale')")
        self.studio.until("!document.querySelector('.note.working')")
        return self

    def press(self, button: str, says: str) -> "Line":
        self.page.click(f"#timeline .tl-{button}")
        self.studio.expect(says)
        return self

    def keys(self) -> list[float]:
        """Where the keys stand, shares of the lane."""
        marks = self.page.locator("#timeline .tl-mark")
        return [round(float(m.evaluate("m => parseFloat(m.style.left)")) / 100, 3) for m in marks.all()]

    def has_keys(self, count: int) -> None:
        self.studio.until("n => document.querySelectorAll('#timeline .tl-mark').length === n", count)

    def seek(self, frame: int) -> None:
        self.page.locator("#timeline .tl-head").fill(str(frame))
        self.studio.until("f => document.querySelector('#timeline canvas').dataset.frame === f", str(frame))

    def picture(self) -> str:
        """The preview at the playhead."""
        return self.page.evaluate("document.querySelector('#timeline canvas').toDataURL()")


@pytest.fixture
def line(studio: Studio, photo: Path) -> Line:
    studio.open(photo, frames=13)
    return Line(studio).drawn()


def pictures(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data), "r") as film:
        return np.stack([f.to_ndarray(format="rgb24") for f in film.decode(video=0)])


def film(studio: Studio, video: str) -> np.ndarray:
    """The frames of a video on the page, as the page got them."""
    script = """async s => { const v = document.querySelector(s);
                 const b = new Uint8Array(await (await fetch(v.currentSrc || v.src)).arrayBuffer());
                 return Array.from(b); }"""
    return pictures(bytes(studio.page.evaluate(script, video)))


def test_a_path_through_keys_has_a_preview_equal_to_the_result(line: Line):
    studio = line.studio
    line.press("make", "follows 2 keys")
    line.has_keys(2)
    line.drawn().seek(6)
    line.press("add", "follows 3 keys")
    line.has_keys(3)
    line.drawn()
    # the key in the middle is dragged to the right
    mark = line.page.locator("#timeline .tl-mark").nth(1)
    box = mark.bounding_box()
    lane = line.page.locator("#timeline .tl-track").bounding_box()
    assert box is not None
    assert lane is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    line.page.mouse.move(x, y)
    line.page.mouse.down()
    line.page.mouse.move(x + lane["width"] * 3 / 12, y, steps=6)
    line.page.mouse.up()
    studio.expect("Press Regenerate")
    studio.until("Math.abs(parseFloat(document.querySelectorAll('#timeline .tl-mark')[1].style.left) - 75) < 0.5")
    line.page.locator("#timeline .tl-mm").fill("40")
    line.page.keyboard.press("Tab")
    studio.until("document.querySelector('#undo').innerText.includes('lens')")
    line.page.select_option("#timeline .tl-ease", "gentle")
    studio.until("document.querySelector('#undo').innerText.includes('Ease')")
    line.drawn()
    studio.press("preview-large", "at full size")
    studio.until("!document.querySelector('#timeline video').hidden")
    preview = film(studio, "#timeline video")
    before = line.page.evaluate("document.querySelector('#result video').src")
    studio.press("regenerate", "Done")
    studio.until("old => document.querySelector('#result video').src !== old", before)
    studio.shows_clips("Original")
    result = film(studio, "#result video")
    assert preview.shape == result.shape
    assert len(result) == 13
    errors = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(preview, result, strict=True)]
    assert min(10 * np.log10(255**2 / max(e, 1e-6)) for e in errors) >= 45


def test_the_preview_shows_the_playheads_frame_and_plays(line: Line):
    line.seek(0)
    first = line.picture()
    line.seek(12)
    assert line.picture() != first
    assert "frame 13 of 13" in line.page.inner_text("#timeline .tl-time")
    line.page.click("#timeline .tl-play")
    line.studio.until("Number(document.querySelector('#timeline .tl-head').value) > 3")
    line.studio.until("document.querySelector('#timeline .tl-play').ariaLabel === 'Play the preview'")


def test_doubts_are_said_before_anything_is_filmed(line: Line):
    field = line.page.locator("#amount input[type=number]")
    line.page.evaluate("document.querySelector('#path').scrollIntoView()")
    line.page.click("#path input")
    line.page.get_by_role("option", name="Pan left").click()
    line.studio.until("document.querySelector('#path-says').innerText.includes('look left')")
    field.fill("3")
    field.press("Tab")
    line.page.evaluate("document.querySelector('#timeline').scrollIntoView({block: 'center'})")
    line.studio.until(
        "[...document.querySelectorAll('#timeline .doubt')].some(d => d.innerText.includes('leaves the known scene'))"
    )


def test_the_keyboard_alone_makes_moves_copies_and_deletes_keys(line: Line):
    page, studio = line.page, line.studio
    page.focus("#timeline .tl-make")
    page.keyboard.press("Enter")
    line.has_keys(2)
    line.drawn()
    page.focus("#timeline .tl-mark >> nth=1")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    studio.until("document.querySelector('#undo').innerText.includes('Move a camera key')")
    line.drawn()
    assert line.keys() == [0, round(10 / 12, 3)]
    page.focus("#timeline .tl-mark >> nth=0")
    page.keyboard.press("d")
    line.has_keys(3)
    line.drawn()
    page.focus("#timeline .tl-mark >> nth=1")
    page.keyboard.press("Delete")
    line.has_keys(2)
    line.drawn()
    reached = set()
    page.focus("#timeline .tl-play")
    for _ in range(16):
        reached.add(page.evaluate("document.activeElement.className"))
        page.keyboard.press("Tab")
    assert {"tl-play", "tl-add", "tl-space", "tl-drop", "tl-loop", "tl-speed", "tl-mark", "tl-head"} <= reached


def test_undo_takes_key_after_key_back_and_a_move_from_the_list_replaces_them(line: Line):
    studio = line.studio
    line.press("make", "follows 2 keys")
    line.drawn()
    line.page.check("#timeline .tl-loop")
    studio.expect("goes back to the first")
    studio.press("undo", "Undone: Loop the camera")
    studio.until("!document.querySelector('#timeline .tl-loop').checked")
    line.page.locator("#timeline .tl-speed").fill("0.5")
    line.drawn()
    assert line.page.input_value("#timeline .tl-speed") == "0.5", "typed before the new preview came"
    line.page.keyboard.press("Tab")
    studio.until("Number(document.querySelector('#frames input[type=number]').value) === 25")
    line.press("drop", "Press Regenerate")
    line.has_keys(0)
    studio.press("undo", "Undone: Remove the camera keys")
    line.has_keys(2)


def test_a_key_is_set_to_what_the_3d_view_shows(line: Line):
    page, studio = line.page, line.studio
    page.evaluate("document.querySelector('#viewport').scrollIntoView({block: 'center'})")
    studio.until("document.querySelector('.vp-frame').viewport?.value?.url")
    page.evaluate("document.querySelector('.vp-frame').viewport.eye.orbit(0.15, 0)")
    page.evaluate("document.querySelector('#timeline').scrollIntoView({block: 'center'})")
    line.seek(12)
    before = line.picture()
    line.press("space", "follows 2 keys")
    line.drawn()
    line.seek(12)
    assert line.keys() == [0, 1]
    studio.until("b => document.querySelector('#timeline canvas').toDataURL() !== b", before)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_holds_the_timeline(browser: Browser, address: str, photo: Path, theme: str):
    studio = Studio(browser, address, width=390, theme=theme)
    studio.open(photo, frames=5)
    line = Line(studio).drawn().press("make", "follows 2 keys")
    line.drawn()
    line.page.locator("#timeline .tl-mark").first.tap()
    assert line.page.is_visible("#timeline .tl-key")
    assert line.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    clipped = line.page.evaluate(
        """() => [...document.querySelectorAll('#timeline button, #timeline input, #timeline select')]
                 .filter(e => e.offsetParent && !e.classList.contains('tl-mark') && !e.classList.contains('tl-head'))
                 .filter(e => { const r = e.getBoundingClientRect(); return r.left < 0 || r.right > innerWidth; })
                 .map(e => e.className)"""
    )
    assert clipped == []
    studio.close()
    assert not studio.broken
