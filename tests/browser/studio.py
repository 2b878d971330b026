"""The page, spoken of as a person would: open, click, drag, delete, regenerate."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Download, FloatRect, TimeoutError

PATIENCE = 30_000
"""Longest wait for anything, milliseconds."""


class Studio:
    """One tab."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, theme: str = "light") -> None:
        self.outside: list[str] = []
        self.broken: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, has_touch=width < 600, accept_downloads=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        own = (address, "data:", "blob:")
        self.page.on("request", lambda r: None if r.url.startswith(own) else self.outside.append(r.url))
        self.page.on("pageerror", lambda e: self.broken.append(str(e)))
        self.page.goto(f"{address}?__theme={theme}")
        self.expect("Open a photo")

    def close(self) -> None:
        self.context.close()

    # --- reading the page ----------------------------------------------------------------------------------------

    def expect(self, text: str) -> None:
        """Waits until the dock says so."""
        try:
            self.until("t => document.querySelector('#message .note')?.textContent.includes(t)", text)
        except TimeoutError:
            raise AssertionError(f"the dock never said {text!r}; it says {self.said()!r}") from None

    def said(self) -> str:
        return self.page.inner_text("#message .note")

    def until(self, expression: str, arg: Any = None) -> None:
        """Waits until the JavaScript expression holds."""
        self.page.wait_for_function(expression, arg=arg, timeout=PATIENCE)

    def settled(self) -> None:
        """Waits until every click on the picture has its answer."""
        self.until("document.querySelector('#stage .stage-frame').ariaBusy !== 'true'")

    def enabled(self, button: str) -> bool:
        return self.page.is_enabled(f"#{button}")

    def value(self) -> dict[str, Any]:
        """What the stage shows, as far as a person could see it."""
        return self.page.evaluate(
            """() => { const f = document.querySelector('#stage .stage-frame');
                       return { image: f.querySelector('.stage-image').src,
                                preview: f.querySelector('.stage-preview').hidden ? null
                                       : f.querySelector('.stage-preview').src }; }"""
        )

    def drawn(self) -> int:
        """How many pixels of the overlay are painted: selection, clicks, box."""
        return self.page.evaluate(
            """() => { const c = document.querySelector('#stage canvas');
                       const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                       let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""
        )

    def shows_clips(self, *labels: str) -> None:
        """Waits until the result has clips with just these labels, loaded."""
        self.until(
            """l => { const f = [...document.querySelectorAll('#result figure')];
                      return f.length === l.length && f.every((x, i) => x.innerText === l[i]
                             && x.querySelector('video').readyState >= 2); }""",
            list(labels),
        )

    def times(self) -> list[float]:
        return self.page.evaluate("[...document.querySelectorAll('#result video')].map(v => v.currentTime)")

    # --- doing things --------------------------------------------------------------------------------------------

    def settings(self, frames: int = 9, size: str = "320x176") -> None:
        """Short clips of a small picture, so that the tests are quick."""
        self.frames(frames)
        if not self.page.is_visible("#size textarea, #size input"):
            self.page.click("#options > button")
        self.page.locator("#size").locator("textarea, input").fill(size)

    def frames(self, count: int) -> None:
        field = self.page.locator("#frames input[type=number]")
        field.fill(str(count))
        field.press("Tab")

    def upload(self, file: Path) -> None:
        self.page.set_input_files("#upload input[type=file]", file)

    def open(self, photo: Path, frames: int = 9) -> None:
        self.settings(frames)
        self.upload(photo)
        self.expect("The memory is built")
        self.until("!document.querySelector('#stage').classList.contains('empty')")

    def box(self) -> FloatRect:
        frame = self.page.locator("#stage .stage-frame")
        frame.scroll_into_view_if_needed()
        self.page.evaluate("document.querySelector('#stage').scrollIntoView({block: 'center'})")
        box = frame.bounding_box()
        assert box is not None
        return box

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Screen position of a place on the picture, both 0 to 1."""
        box = self.box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def select_bird(self) -> None:
        """The example's bird, with one click."""
        self.click(0.35, 0.5)
        self.expect("of the picture is selected")

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
        """Presses, moves, and stays pressed."""
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=steps)

    def press(self, button: str, says: str) -> None:
        """Presses a button by its id and waits for what the dock says then."""
        self.page.click(f"#{button}")
        self.expect(says)

    def download(self, button: str) -> Download:
        with self.page.expect_download(timeout=PATIENCE) as waiting:
            self.page.click(f"#{button}")
        return waiting.value
