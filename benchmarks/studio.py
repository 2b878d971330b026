"""How long a person waits in the running app, driven by mouse and keys in headless Chromium.

`python -m benchmarks.studio [PHOTO] [--repeats N]` starts the app, and N times in a tab of its own: loads the page,
uploads the photo, clicks on its middle, deletes what is selected, films 49 frames at 832x480 again. Printed are medians
of the seconds a person waits, the bytes that travel from server to page for the click, the delete and the film, and the
3D view's milliseconds a frame from `benchmarks.viewport` (software GL). Every repeat warms the photo's colours a
little, so that nothing is taken from an earlier run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from benchmarks.reporting import finish
from tests.browser.conftest import FLAGS, ROOT, chromium, serve
from tests.browser.studio import Studio

PHOTO = ROOT / "assets" / "examples" / "osprey.jpg"
GOALS = {"first_clip": 15.0, "mask": 0.7, "preview": 0.5, "edited_clip": 8.0}
"""Seconds on two cores."""
GLIMPSE = """old => { const f = document.querySelector('#stage');
             return !f.querySelector('.stage-preview').hidden || f.querySelector('.stage-image').src !== old; }"""
"""The thing is gone from the picture: roughly painted over at first, then completed."""
SELECTED = "document.querySelector('#message .note')?.textContent.includes('is selected')"


class Traffic:
    """Bytes that came from the server."""

    def __init__(self, tab: Studio) -> None:
        self._bytes = 0
        session = tab.context.new_cdp_session(tab.page)
        session.send("Network.enable")
        session.on("Network.dataReceived", self._came)

    def _came(self, event: dict[str, Any]) -> None:
        self._bytes += max(event["encodedDataLength"], event["dataLength"])

    def taken(self) -> int:
        """Bytes since the last call."""
        got, self._bytes = self._bytes, 0
        return got


def varied(photo: Path, k: int, folder: Path) -> Path:
    """The photo, a little warmer with every repeat."""
    file = folder / f"photo{k}.jpg"
    with Image.open(photo) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(np.float32)
    Image.fromarray(np.clip(pixels * (1 + 0.004 * k, 1, 1), 0, 255).astype(np.uint8)).save(file, quality=92)
    return file


def visit(browser: Browser, address: str, photo: Path) -> dict[str, float]:
    """One person's work; seconds and bytes."""
    out: dict[str, float] = {}
    started = time.perf_counter()
    tab = Studio(browser, address)
    tab.page.set_default_timeout(120_000)
    out["page"] = time.perf_counter() - started
    traffic = Traffic(tab)
    tab.upload(photo)
    tab.shows_clips("Original")
    out["first_clip"] = time.perf_counter() - started
    tab.until("!document.querySelector('.note.working')")
    tab.page.wait_for_timeout(4000)  # the preview and the 3D view are drawn, as while a person looks
    x, y = tab.at(0.37, 0.5)
    traffic.taken()
    started = time.perf_counter()
    tab.page.mouse.click(x, y)
    tab.until(SELECTED)
    out["mask"] = time.perf_counter() - started
    tab.page.wait_for_timeout(1500)
    out["mask_bytes"] = traffic.taken()
    before = tab.value()["image"]
    tab.page.locator("#delete").scroll_into_view_if_needed()
    started = time.perf_counter()
    tab.page.click("#delete")
    tab.until(GLIMPSE, before)
    out["preview"] = time.perf_counter() - started
    tab.until("old => document.querySelector('#stage .stage-image').src !== old", before)
    out["completed"] = time.perf_counter() - started
    tab.expect("gone")
    tab.page.wait_for_timeout(2500)
    out["delete_bytes"] = traffic.taken()
    started = time.perf_counter()
    tab.page.click("#regenerate")
    tab.shows_clips("Original", "Edited")
    out["edited_clip"] = time.perf_counter() - started
    tab.page.wait_for_timeout(500)
    out["film_bytes"] = traffic.taken()
    tab.close()
    return out


def view_figures() -> dict[str, Any]:
    """What `benchmarks.viewport` says, run after the app has gone."""
    said = subprocess.run([sys.executable, "-m", "benchmarks.viewport"], cwd=ROOT, capture_output=True, text=True)
    said.check_returncode()
    return json.loads(said.stdout.splitlines()[-1])["ms_per_frame"]


def main() -> None:
    """Prints {seconds, bytes, viewport}; fails when a goal is missed."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("photo", nargs="?", type=Path, default=PHOTO)
    p.add_argument("--repeats", type=int, default=3)
    args = p.parse_args()
    visits: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        folder = Path(name)
        process, address = serve(folder / "log")
        try:
            browser = play.chromium.launch(executable_path=chromium(), args=FLAGS, headless=True)
            for k in range(args.repeats):
                visits.append(visit(browser, address, varied(args.photo, k, folder)))
                print({key: round(v, 2) for key, v in visits[-1].items()}, flush=True)
            browser.close()
        finally:
            process.terminate()
            process.wait(20)
    of = {k: statistics.median(v[k] for v in visits) for k in visits[0]}
    seconds = {k: round(v, 2) for k, v in of.items() if not k.endswith("_bytes")}
    sent = {k.removesuffix("_bytes"): round(v) for k, v in of.items() if k.endswith("_bytes")}
    figures = {"seconds": seconds, "goals": GOALS, "bytes": sent, "viewport": view_figures(), "gl": "software"}
    finish(figures | {"visits": len(visits)}, all(of[k] <= goal for k, goal in GOALS.items()))


if __name__ == "__main__":
    main()
