"""Out and back: does the memory still show the first view when the camera returns, and does a revisit change it?

`python -m benchmarks.closed_loop [FOLDER] [--frames N] [--size WxH] [--tracker NAME]`. Every photo of the folder (the
shipped ones without it) and one procedural world of every kind, with its exact depth, are filmed in 2, 4 and 6 turns:
half of them lead away from the photo, each twice as far as usual from the last, the other half lead back. PSNR_C and
SSIM_C compare the last frame with the photo itself (Spatia, table 3; its own figures: 19.38, 18.23, 18.04 dB).

`revisit_growth` is the largest share of points that the way back added; `update_time_ratio` compares the time that
tracking and fusion take in the last of six turns with the first (median over scenes).
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reporting import finish
from editing.opening import Opening, open_source, parse_size
from spatia_core import metrics
from spatia_core.arrays import Image
from spatia_core.backends import registry
from spatia_core.backends.protocols import (
    Conditioning,
    DepthEstimator,
    DepthPrediction,
    GenerationSettings,
    Progress,
    VideoGenerator,
    silent,
)
from spatia_core.camera import Camera
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.frames import Clip, DepthMap
from spatia_core.memory import SpatialMemory
from spatia_core.pipeline import Backends, Request, run_turn, start_memory
from training.worlds import KINDS, make_world

TURNS = (2, 4, 6)
SEED = 100
FAR = 1.5
"""Where the sky of a world is put, in depths of its farthest thing."""
PATHS = ("orbit-left", "truck-right", "dolly-in", "spiral")
EXAMPLES = Path(__file__).parents[1] / "assets" / "examples"


class Timed:
    """A generator that notes when its clip was done."""

    def __init__(self, generator: VideoGenerator) -> None:
        self.name, self._generator, self.done = generator.name, generator, 0.0

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """The generator's clip."""
        clip = self._generator.generate(conditioning, prompt, settings, progress)
        self.done = time.perf_counter()
        return clip


def scenes(folder: Path, size: tuple[int, int], depth: DepthEstimator) -> Iterator[tuple[str, Image, DepthPrediction]]:
    """Name, picture and depth of every photo and every room."""
    for photo in sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"}):
        source = open_source(Opening(photo, size=size), depth)
        yield photo.stem, source.image, source.prediction
    for kind in KINDS:
        world = make_world(kind, seed=SEED)
        seen = world.render(world.camera(*size))
        known = seen.known_depth(far=FAR * float(np.max(seen.depth[~seen.sky], initial=1.0)))
        yield f"world: {kind}", seen.rgb, DepthPrediction(DepthMap(known, "given"), seen.K, seen.sky)


def turns_of(memory: SpatialMemory, name: str, turns: int, frames: int) -> list[Sequence[Camera]]:
    """The cameras of every turn; neighbouring turns share no frame, the last frame is the photo's camera."""
    start = memory.keyframes[0].camera
    scale = SceneScale.before(start, memory.stage_depth())
    out = list(make_path(name, start, turns // 2 * frames + 1, scale, turns / 2))
    whole = [*out, *out[-2::-1]][: turns * frames + 1]
    return [whole[k * frames : (k + 1) * frames + (k == turns - 1)] for k in range(turns)]


def loop(memory: SpatialMemory, image: Image, parts: list[Sequence[Camera]], tools: Backends) -> dict[str, Any]:
    """One journey out and back."""
    timed = Timed(tools.generator)
    tools = Backends(tools.depth, timed, tools.tracker)
    seconds: list[float] = []
    size_at_turning = len(memory)
    clip: Clip | None = None
    for k, cameras in enumerate(parts):
        history = clip.cameras[-9:] if clip is not None else ()
        turn = run_turn(memory, Request(cameras, GenerationSettings(round_index=k), history=history), tools)
        seconds.append(time.perf_counter() - timed.done)
        clip, memory = turn.clip, turn.memory
        if k + 1 == len(parts) // 2:
            size_at_turning = len(memory)
    assert clip is not None
    last = clip.images[-1]
    return {
        "psnr_c": metrics.psnr(last, image),
        "ssim_c": metrics.ssim(last, image),
        "match": metrics.match_accuracy(image, last),
        "growth": len(memory) / size_at_turning - 1,
        "seconds": seconds,
    }


def main() -> None:
    """Prints {psnr_c, ssim_c, revisit_growth, update_time_ratio, ...}; fails below 30 dB or above 2 % growth."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", nargs="?", type=Path, default=EXAMPLES)
    p.add_argument("--frames", type=int, default=17, help="frames of a turn")
    p.add_argument("--size", default="416x240")
    p.add_argument("--tracker", default=registry.names("tracker")[0], choices=registry.names("tracker"))
    args = p.parse_args()
    depth = registry.create("depth", "nano")
    generator, tracker = registry.create("generator", "reproject"), registry.create("tracker", args.tracker)
    tools = Backends(depth, generator, tracker)
    found: dict[int, list[dict[str, Any]]] = {n: [] for n in TURNS}
    for i, (name, image, prediction) in enumerate(scenes(args.folder, parse_size(args.size), depth)):
        memory = start_memory(image, prediction)
        for n in TURNS:
            figures = loop(memory, image, turns_of(memory, PATHS[i % len(PATHS)], n, args.frames), tools)
            found[n].append(figures)
            print(
                f"{name:20} {n} turns: {figures['psnr_c']:6.2f} dB  {figures['ssim_c']:.3f}  {figures['growth']:+.2%}"
            )
    psnr = {str(n): round(float(np.mean([f["psnr_c"] for f in found[n]])), 2) for n in TURNS}
    growth = max(f["growth"] for n in TURNS for f in found[n])
    ratios = [f["seconds"][-1] / f["seconds"][0] for f in found[max(TURNS)]]
    figures = {
        "psnr_c": psnr,
        "psnr_c_min": {str(n): round(min(f["psnr_c"] for f in found[n]), 2) for n in TURNS},
        "ssim_c": {str(n): round(float(np.mean([f["ssim_c"] for f in found[n]])), 4) for n in TURNS},
        "match_accuracy": {str(n): round(float(np.nanmean([f["match"] for f in found[n]])), 3) for n in TURNS},
        "revisit_growth": round(growth, 5),
        "update_time_ratio": round(statistics.median(ratios), 3),
        "scenes": len(ratios),
        "tracker": args.tracker,
    }
    finish(figures, min(psnr.values()) >= 30 and growth <= 0.02)


if __name__ == "__main__":
    main()
