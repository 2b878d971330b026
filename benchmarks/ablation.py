"""The paper's ablation at small scale: python -m benchmarks.ablation [CHECKPOINT...] [--worlds N].

A tiny Spatia films out and back in worlds it has not seen, without a memory, with references, with the projection,
with both. Without arguments the shipped checkpoints are judged. Closed-loop PSNR and camera error, mean over the
checkpoints (one training seed each) and their spread; differences to "none" are paired by world and checkpoint.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.reporting import finish
from training.spatia.closed_loop import ceiling, figures, held_out, roll_out
from training.spatia.sequences import PosedVideo
from training.spatia.tiny import ARMS, read_checkpoint

SHIPPED = Path(__file__).parent.parent / "spatia_core" / "backends" / "weights"


def interval(differences: np.ndarray) -> list[float]:
    """95 % interval of the mean over worlds, by bootstrap."""
    rng = np.random.default_rng(0)
    means = differences[rng.integers(0, len(differences), (4000, len(differences)))].mean(1)
    return [round(float(v), 3) for v in np.percentile(means, [2.5, 97.5])]


Scores = dict[str, list[list[dict[str, float]]]]
"""By arm, checkpoint, world: the figures."""


def judge(checkpoints: list[Path], videos: list[PosedVideo]) -> tuple[Scores, float]:
    """Scores, and the PSNR_C that the codec would let a perfect model reach."""
    scores: Scores = {arm: [] for arm in ARMS}
    top = float("nan")
    for file in checkpoints:
        model, codec = read_checkpoint(file)
        top = ceiling(codec, videos)
        for arm in ARMS:
            films = roll_out(model, codec, videos, arm)
            rows = [asdict(figures(v, f)) for v, f in zip(videos, films, strict=True)]
            scores[arm].append(rows)
            print(file.name, arm, {k: round(mean(rows, k), 3) for k in rows[0]})
    return scores, top


def mean(rows: list[dict[str, float]], name: str) -> float:
    """Over worlds."""
    return float(np.mean([r[name] for r in rows]))


def summary(scores: Scores) -> dict[str, Any]:
    """Means by arm, by checkpoint, and differences to the arm without memory."""
    arms: dict[str, dict[str, Any]] = {}
    for arm, runs in scores.items():
        names = list(runs[0][0])
        arms[arm] = {n: round(float(np.mean([mean(r, n) for r in runs])), 3) for n in names}
        arms[arm] |= {f"{n}_by_seed": [round(mean(r, n), 3) for r in runs] for n in names}
    differences = {}
    for arm in ("references", "projection", "both"):
        for name in ("psnr_c", "camera_error"):
            own, none = (np.array([[w[name] for w in run] for run in scores[a]]) for a in (arm, "none"))
            gain = (own - none).mean(0)
            differences[f"{arm}_minus_none_{name}"] = {"mean": round(float(gain.mean()), 3), "interval": interval(gain)}
    return {"arms": arms, "differences": differences}


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--worlds", type=int, default=24, help="held-out worlds")
    given = parser.parse_args()
    torch.set_num_threads(1)
    files = given.checkpoints or sorted(SHIPPED.glob("spatia_tiny*.safetensors"))
    if not files:
        finish(
            {"ok": False, "error": "give a checkpoint: python -m training.spatia tiny makes one"},
            False,
        )
    scores, top = judge(files, held_out(given.worlds))
    out: dict[str, Any] = summary(scores) | {"codec_ceiling_psnr_c": round(top, 2)}
    ok = out["differences"]["both_minus_none_psnr_c"]["interval"][0] > 0
    finish({"ok": ok, "checkpoints": [f.name for f in files], "worlds": given.worlds} | out, ok)


if __name__ == "__main__":
    main()
