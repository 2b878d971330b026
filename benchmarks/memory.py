"""What a memory costs as it grows to ten million points: taking in views, rendering, saving, opening; time and memory.

`python -m benchmarks.memory [--most POINTS] [--plot FILE]`. A row of places is remembered, about 100,000 points each,
all out of each other's sight. Then a camera walks through one of them: five new views with measured poses and depth
are fused. Every size runs in a process of its own, so `peak_mb` is what that size needs. Stages, milliseconds:

    remember   one more place put behind the others
    first      the first view of a clip taken in (the draft copies the memory once, when it first moves a point)
    view       every further view of the clip (median): what an update costs
    finish     the draft handed back as a value
    render     a picture of 416x240
    save, open a binary snapshot, and that with all checksums verified
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw

from benchmarks.reporting import finish
from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.fusion import Draft, Witness, remember_view
from spatia_core.io.snapshots import open_snapshot, save_snapshot
from spatia_core.memory import Keyframe, Provenance, SpatialMemory
from spatia_core.render import render

SIZES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
W, H = 416, 240
APART = 60.0
"""Scene units from one place to the next."""
STAGES = ("remember", "first", "view", "finish", "render", "save", "open")
COLOURS = ("#7a7a7a", "#d9822b", "#c22762", "#8a5cd1", "#2b79c2", "#238551", "#5f6b00")


def place(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Picture and depth of a wavy wall with a block before it."""
    y, x = np.mgrid[:H, :W] / H
    depth = (3 - y + 0.2 * np.sin(9 * x)).astype(np.float32)
    depth[(abs(y - 0.5) < 0.2) & (abs(x - 0.8) < 0.2)] = 1.5
    return np.random.default_rng(seed).integers(0, 255, (H, W, 3), dtype=np.uint8), depth


def camera(k: float, step: float = 0.0) -> Camera:
    """The camera of place k, some way to the right of where it was remembered from."""
    return Camera.from_fov(W, H, np.deg2rad(60), se3.translation(np.array([-APART * k - step, 0, 0])))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds and what came out."""
    started = time.perf_counter()
    out = work()
    return 1000 * (time.perf_counter() - started), out


def built(points: int) -> tuple[SpatialMemory, float]:
    """A memory of about so many points, and the median milliseconds of its last places."""
    image, depth = place()
    memory, times = SpatialMemory.empty(), []
    for k in range(max(1, round(points / (W * H)))):
        spent, memory = timed(lambda m=memory, k=k: remember_view(m, Keyframe.static(image, depth, camera(k))))
        times.append(spent)
    # measured once, not believed fully: views may move and remove such points
    once = replace(memory.labels, confidence=np.full(len(memory), 0.5, np.float32))
    return replace(memory, labels=once), float(np.median(times[-5:]))


def measure(points: int) -> dict[str, float]:
    """All stages at one size."""
    warm, _ = built(2 * W * H)
    _walk(warm)
    memory, remember = built(points)
    out: dict[str, float] = {"points": len(memory), "remember": remember}
    out |= _walk(memory)
    render(memory.cloud, camera(0, 0.05))
    out["render"] = float(np.median([timed(lambda: render(memory.cloud, camera(0, 0.05)))[0] for _ in range(7)]))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "memory.bin"
        out["save"], _ = timed(lambda: save_snapshot(file, memory))
        out["file_mb"] = file.stat().st_size / 1e6
        out["open"], again = timed(lambda: open_snapshot(file))
        assert len(again) == len(memory)
    out["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return out


def _walk(memory: SpatialMemory) -> dict[str, float]:
    """Five views of the first place fused."""
    draft, times = Draft(memory), []
    witness = Witness(Provenance.OBSERVED, posed=True, measured=True)
    for i in range(1, 6):
        seen = render(memory.cloud, camera(0, 0.02 * i))
        # from the third view on the block is gone: its points are seen through
        depth = seen.depth if i < 3 else np.where(seen.depth < 2, np.float32(3), seen.depth)
        view = Keyframe.static(seen.rgb, depth, camera(0, 0.02 * i))
        times.append(timed(lambda v=view: draft.take_in(v, witness))[0])
    done, fused = timed(draft.finish)
    assert 0 < (fused.labels.confidence > 0.5).sum() < W * H, "points of the walk were refined"
    return {"first": times[0], "view": float(np.median(times[1:])), "finish": done}


def plot(rows: list[dict[str, float]], file: Path) -> None:
    """Milliseconds against points, both axes logarithmic."""
    w, h, left, right, top, bottom = 760, 440, 70, 130, 30, 50
    picture = Pictures.new("RGB", (w, h), "white")
    draw = ImageDraw.Draw(picture)
    x0, x1 = np.log10(rows[0]["points"]), np.log10(rows[-1]["points"])
    values = [r[s] for r in rows for s in STAGES]
    y0, y1 = np.floor(np.log10(max(min(values), 0.1))), np.ceil(np.log10(max(values)))

    def at(points: float, ms: float) -> tuple[float, float]:
        x = left + (np.log10(points) - x0) / max(x1 - x0, 1e-9) * (w - left - right)
        y = h - bottom - (np.log10(max(ms, 10**y0)) - y0) / (y1 - y0) * (h - top - bottom)
        return float(x), float(y)

    for e in range(int(y0), int(y1) + 1):
        y = at(rows[0]["points"], 10.0**e)[1]
        draw.line([(left, y), (w - right, y)], "#dddddd")
        draw.text((left - 8, y), f"{10.0**e:g} ms", "#444444", anchor="rm")
    for r in rows:
        x = at(r["points"], 1)[0]
        draw.line([(x, top), (x, h - bottom)], "#eeeeee")
        draw.text((x, h - bottom + 8), f"{r['points'] / 1e6:.1f} M", "#444444", anchor="ma")
    draw.text(((left + w - right) / 2, h - 18), "points in the memory", "#444444", anchor="ma")
    taken: list[float] = []
    for stage, colour in sorted(zip(STAGES, COLOURS, strict=True), key=lambda s: -rows[-1][s[0]]):
        line = [at(r["points"], r[stage]) for r in rows]
        draw.line(line, colour, 3)
        y = max([line[-1][1], *(t + 15 for t in taken)])
        taken.append(y)
        draw.text((w - right + 8, y), f"{stage} {rows[-1][stage]:.0f} ms", colour, anchor="lm")
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, optimize=True)


def main() -> None:
    """Prints a table, then {rows, view_growth, render_growth, peak_mb}."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--most", type=int, default=SIZES[-1])
    p.add_argument("--plot", type=Path, help="PNG of the growth of every stage")
    p.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.one is not None:
        print(json.dumps(measure(args.one)))
        return
    rows = []
    print(f"{'points':>10} " + " ".join(f"{s:>9}" for s in STAGES) + f" {'file MB':>9} {'peak MB':>9}")
    for points in (s for s in SIZES if s <= args.most):
        command = [sys.executable, "-m", "benchmarks.memory", "--one", str(points)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        rows.append(row)
        cells = " ".join(f"{row[s]:9.1f}" for s in STAGES)
        print(f"{row['points']:>10} {cells} {row['file_mb']:9.0f} {row['peak_mb']:9.0f}", flush=True)
    if args.plot is not None:
        plot(rows, args.plot)
    figures = {
        "rows": [{k: round(v, 1) for k, v in r.items()} for r in rows],
        "view_growth": round(rows[-1]["view"] / rows[0]["view"], 2),
        "render_growth": round(rows[-1]["render"] / rows[0]["render"], 2),
        "peak_mb": round(rows[-1]["peak_mb"]),
    }
    finish(figures)


if __name__ == "__main__":
    main()
