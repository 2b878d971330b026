"""The whole job on every shipped photo, as a person runs it: photo to clip, click, delete or move, edited clip.

`python -m benchmarks.job [FOLDER]`. Each run is a process of its own (`python -m editing`, 832x480, 49 frames, out and
back), so its times hold the start of Python and the loading of the networks. A folder takes the place of the shipped
photos: every picture in it is clicked in the middle.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.reporting import finish

SIZE, FRAMES = "832x480", 49
CLICKS = {
    "coffee": ["280,280", "330,110"],
    "kitten-on-lawn": ["600,460", "480,330", "760,520", "470,712", "525,712"],
    "lake": ["430,230"],
    "mountain-path": ["1005,760"],
    "orange-hallway": ["640,700"],
    "osprey": ["500,250"],
    "otters": ["800,420", "430,230", "1130,440", "1010,500"],
    "pier": ["620,600"],
    "room": ["330,780"],
    "stream": ["840,560"],
}
"""Pixels of the shipped photos, inside what SIZE keeps of them."""


def clicks_for(photo: Path) -> list[str]:
    """The clicks of a shipped photo, or its middle."""
    with Image.open(photo) as picture:
        middle = f"{picture.width // 2},{picture.height // 2}"
    return CLICKS.get(photo.stem, [middle])


def run(photo: Path, edit: list[str], out: Path) -> dict[str, Any]:
    """The report of one run; raises when the command fails."""
    clicks = [part for click in clicks_for(photo) for part in ("--click", click)]
    more = ["--size", SIZE, "--frames", str(FRAMES), "--path", "orbit-left-and-back", "--out", str(out)]
    command = [sys.executable, "-m", "editing", str(photo), *clicks, *edit, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def summary(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of times, worst of qualities."""
    times = {k: [r["timings"][k] for r in reports] for k in ("photo_to_initial_clip", "edit_to_edited_clip")}
    return {
        **{k: {"median": round(float(np.median(v)), 2), "max": round(max(v), 2)} for k, v in times.items()},
        "outside_psnr_min": min(r["outside_psnr"] for r in reports),
        "residue_max": max(r["residue"] or 0.0 for r in reports),
        "closed_loop_psnr_min": min(r["closed_loop"]["psnr"] for r in reports),
    }


def main(folder: Path = Path("assets/examples")) -> None:
    """Prints {photos, delete: {...}, move: {...}}; fails when a run fails or a quality misses its mark."""
    photos = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    edits = {"delete": ["--delete"], "move": ["--move", "0.15,0,0.05"]}
    figures: dict[str, Any] = {"photos": len(photos), "size": SIZE, "frames": FRAMES}
    passed = True
    for name, edit in edits.items():
        reports = []
        for photo in photos:
            with tempfile.TemporaryDirectory() as out:
                reports.append(run(photo, edit, Path(out)))
            print(name, photo.stem, reports[-1]["timings"], reports[-1]["outside_psnr"], reports[-1]["residue"])
        figures[name] = summary(reports)
        s = figures[name]
        passed &= s["outside_psnr_min"] >= 40 and s["residue_max"] <= 0.02 and s["closed_loop_psnr_min"] >= 30
    finish(figures, passed)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
