"""Takes the pictures of docs/screenshots: `python -m tests.browser.screenshots [FOLDER [WIDTH-THEME ...]]`."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, ROOT, chromium, serve
from tests.browser.studio import Studio

OUT = ROOT / "docs" / "screenshots"
PREVIEW_DRAWN = "document.querySelector('#timeline canvas').dataset.frame && !document.querySelector('#timeline.stale')"
LARGEST = 300_000
"""Bytes a picture may have."""


def drawn(tab: Studio) -> None:
    """Waits until every picture and film in sight is there."""
    tab.page.wait_for_timeout(500)
    tab.until(
        """() => [...document.querySelectorAll('img, video')].every(e => {
                 const b = e.getBoundingClientRect();
                 if (!b.width || b.bottom < 0 || b.top > innerHeight || !(e.src || e.currentSrc)) return true;
                 return e.tagName === 'IMG' ? e.complete : e.readyState >= 2; })"""
    )


def shoot(tab: Studio, name: str) -> None:
    """One screen as a PNG, in a palette where it would be too large."""
    drawn(tab)
    tab.page.evaluate("document.querySelectorAll('.toast-wrap').forEach(t => t.remove())")
    file = OUT / f"{name}.png"
    tab.page.screenshot(path=file)
    for colours in (256, 128, 64, 32):
        if file.stat().st_size <= LARGEST:
            return
        with Image.open(file) as picture:
            small = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        small.save(file, optimize=True)


def show(tab: Studio, place: str, block: str = "start") -> None:
    """Scrolls a part of the page into sight."""
    tab.page.evaluate(
        "([s, b]) => { document.querySelector(s).closest('.card, .gradio-container').scrollIntoView({block: b}); }",
        [place, block],
    )


def tour(tab: Studio, prefix: str, frames: int) -> None:
    """Every step of the work, one picture each; a length not filmed before shows the example being opened."""
    shoot(tab, f"{prefix}-0-start")
    tab.frames(frames)
    tab.page.click("#examples button[data-name='osprey.jpg']")
    tab.until("parseInt(document.querySelector('#message [role=progressbar]')?.ariaValueNow) > 10")
    tab.page.evaluate("window.scrollTo(0, 0)")
    shoot(tab, f"{prefix}-1-opening")
    tab.expect("The memory is built")
    show(tab, "#first")
    shoot(tab, f"{prefix}-1-photo")
    tab.page.click(".tool-box")
    tab.drag((0.285, 0.18), (0.46, 0.86))
    tab.page.mouse.up()
    tab.expect("of the picture is selected")
    tab.page.click(".tool-add")
    for place in ((0.413, 0.245), (0.327, 0.80)):  # what the box left out: beak and tail
        tab.click(*place)
        tab.page.wait_for_timeout(1500)
    show(tab, "#stage")
    shoot(tab, f"{prefix}-2-select")
    show(tab, "#viewport")
    tab.until("/points/.test(document.querySelector('#viewport .vp-status')?.textContent || '')")
    tab.page.wait_for_timeout(1500)  # levels of detail
    shoot(tab, f"{prefix}-2-in-3d")
    tab.page.click(".tool-move")
    tab.expect("Drag the thing")
    tab.drag((0.37, 0.5), (0.55, 0.52))
    tab.until("!document.querySelector('#stage .stage-preview').hidden")
    tab.page.mouse.up()
    tab.expect("This is how it would look")
    show(tab, "#stage")
    shoot(tab, f"{prefix}-3-move")
    tab.page.click(".tool-add")
    tab.press("delete", "gone")
    show(tab, "#delete")
    shoot(tab, f"{prefix}-3-deleted")
    show(tab, "#regenerate")
    tab.until(PREVIEW_DRAWN)  # it is drawn once it is in sight
    shoot(tab, f"{prefix}-4-film")
    tab.press("regenerate", "Done")
    tab.shows_clips("Original", "Edited")
    show(tab, "#result")
    shoot(tab, f"{prefix}-5-compare")
    tab.page.click("#result button[data-view=wipe]")
    shoot(tab, f"{prefix}-5-wipe")
    for place, name in (("#trust", "6-trust"), ("#save-page", "6-share")):
        tab.page.evaluate("s => document.querySelector(s).scrollIntoView({block: 'center'})", place)
        shoot(tab, f"{prefix}-{name}")


def main(wanted: Sequence[str] = ()) -> None:
    """All pictures anew, or those of the tours wanted."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        process, address = serve(Path(folder) / "log")
        try:
            browser = p.chromium.launch(executable_path=chromium(), args=FLAGS, headless=True)
            tours = [(width, theme) for width in (1280, 390) for theme in ("light", "dark")]
            for k, (width, theme) in enumerate(tours):
                if wanted and f"{width}-{theme}" not in wanted:
                    continue
                tab = Studio(browser, address, width, theme)
                tour(tab, f"{width}-{theme}", 25 + k)
                tab.close()
            browser.close()
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        OUT = Path(sys.argv[1])
    main(sys.argv[2:])
