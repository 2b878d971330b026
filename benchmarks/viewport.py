"""Milliseconds a frame of the 3D view in headless Chromium, at several numbers of points.

`python -m benchmarks.viewport [POINTS ...]`. The view's own program draws a wavy floor with a block while the view
turns: by the processor, as it does where WebGL is only imitated, and by WebGL, which here is imitated too (software
GL), so that a graphics card would be far faster. `moving` is a frame while a hand turns the view, when it draws as many
points (`drawn_moving`) as fit its time; `load_ms` the time from asking for the points to having drawn them.
"""

import functools
import http.server
import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.reporting import finish
from editing.viewport import camera_value, pack
from spatia_core.camera import Camera
from spatia_core.fusion import lift
from spatia_core.memory import PointLabels, Provenance, SpatialMemory

COUNTS = (100_000, 300_000, 1_000_000)
SIZE = (1154, 560)
INTERACTIVE_MS = 50.0
ROOT = Path(__file__).resolve().parents[1]

PAGE = """<!doctype html><body><div id="view"><div class="vp-tools"></div><div class="vp-select"></div>
<div class="vp-frame" tabindex="0" style="position:relative;width:{0}px;height:{1}px">
<canvas class="vp-points"></canvas><canvas class="vp-gl"></canvas><canvas class="vp-over"></canvas>
<div class="vp-legend"></div><div class="vp-help" hidden></div></div>
<p class="vp-hint"></p><div class="vp-views"></div><p class="vp-status"></p></div></body>"""

RUN = """async ({ value, frames }) => {
  const { mount } = await import('/viewport.js');
  const started = performance.now();
  const view = mount(document.querySelector('#view'), { value }, () => {}, () => {});
  while (!(view.scene.points && view.scene.points.ready === view.scene.points.count && view.full))
    await new Promise((r) => setTimeout(r, 5));
  const loaded = performance.now() - started;
  const turning = [];
  for (let i = 0; i < 16; i++) {
    view.eye.orbit(0.01, 0);
    const before = performance.now();
    view.paint(false);
    turning.push(performance.now() - before);
  }
  const moving = turning.slice(8).sort((a, b) => a - b)[4];
  return { loaded, moving, drawn: Math.min(view.budget, view.scene.points.count),
           card: view.card && view.card.name, processor: view.bench(frames, false),
           webgl: view.graphics ? view.bench(Math.min(frames, 4), true) : null };
}"""


def scene(points: int) -> SpatialMemory:
    """About so many points of a wavy floor with a block before it, one a pixel of a photo."""
    width = round((points * 16 / 9) ** 0.5)
    height = round(points / width)
    y, x = np.mgrid[:height, :width] / height
    depth = (4 - 1.5 * y + 0.1 * np.sin(9 * x)).astype(np.float32)
    depth[(np.abs(x - 0.9) < 0.15) & (y > 0.3) & (y < 0.8)] = 2.0
    image = np.dstack([200 * y, 120 * x % 255, 255 - 200 * y]).astype(np.uint8)
    cloud = lift(image, depth, Camera.from_fov(width, height, np.deg2rad(60)), np.ones(depth.shape, bool))
    return SpatialMemory(cloud, PointLabels.uniform(len(cloud), Provenance.OBSERVED))


def value(points: int, folder: Path) -> tuple[dict[str, Any], int]:
    """The scene as the view is told of it, its points written to the folder; and how many there are."""
    memory = scene(points)
    cloud = memory.cloud
    (folder / f"{points}.bin").write_bytes(pack(memory).data)
    depth = float(np.median(cloud.xyz[:, 2]))
    photo = camera_value(Camera.from_fov(*SIZE, np.deg2rad(60)))
    told = {"scene": str(points), "token": str(points), "url": f"/{points}.bin", "total": len(cloud), "photo": photo}
    told |= {"target": [0, 0, depth], "unit": depth, "selection": None, "hidden": None, "path": None, "ways": []}
    return told | {"gizmo": None, "moved": None, "hint": ""}, len(cloud)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        return


def main(counts: tuple[int, ...]) -> None:
    """Prints a line for each count, then all figures as JSON."""
    executable = os.environ.get("CHROMIUM") or next(p for n in ("chromium", "google-chrome") if (p := shutil.which(n)))
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "assets" / "web" / "viewport.js", folder)
        (folder / "index.html").write_text(PAGE.format(*SIZE))
        serve = functools.partial(_Quiet, directory=name)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=executable, args=["--no-sandbox"], headless=True)
            for count in counts:
                told, points = value(count, folder)
                page = browser.new_page(viewport={"width": SIZE[0] + 40, "height": SIZE[1] + 120})
                page.set_default_timeout(180_000)
                page.goto(address)
                got = page.evaluate(RUN, {"value": told, "frames": 12})
                page.close()
                row = {"points": points, "load_ms": round(got["loaded"])}
                row |= {k: None if got[k] is None else round(got[k], 1) for k in ("processor", "webgl", "moving")}
                row["drawn_moving"] = got["drawn"]
                rows[str(count)] = row
                print(json.dumps(row | {"card": got["card"]}), flush=True)
            browser.close()
        server.shutdown()
    figures = {"ms_per_frame": rows, "gl": "software", "size": list(SIZE), "interactive_ms": INTERACTIVE_MS}
    finish(figures)


if __name__ == "__main__":
    main(tuple(int(v) for v in sys.argv[1:]) or COUNTS)
