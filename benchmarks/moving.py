"""How much of what moves gets into the memory, with masks given and with masks found from motion alone.

`python -m benchmarks.moving [--worlds N] [--seed S] [--frames N] [--size WxH] [--clean] [--pictures DIR]`. Procedural
worlds in which things move are filmed with a moving camera (pictures spoilt as everyday cameras spoil them), and every
keyframe is fused with its exact depth. A point of the memory knows the pixel that it came from, so it is counted
exactly. `fused` is the share of the points of moving things that got in, of those that get in when nothing is masked
(where anything does); `fused_of_pixels` of all their pixels in the keyframes. Ways of masking:

    given      the world's own masks
    motion     spatia_core.motion with poses and the depth of every frame
    no_depth   the same with poses only (the line that a still surface can move along)
    carried    a person's mask of the first frame, carried through the film (things that come in later are not in it)

`false_share` is the share of still pixels that a mask took away for nothing.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.reporting import finish
from editing.opening import parse_size
from spatia_core.arrays import Mask
from spatia_core.backends.protocols import Tracking
from spatia_core.errors import BackendUnavailable
from spatia_core.frames import Clip, DepthMap
from spatia_core.fusion import FusionOptions, fuse_clip
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.motion import Film, moving_masks, propagated
from training.worlds import KINDS, WorldClip, degradation, film, make_world, path

WAYS = ("truck", "walk", "drift", "orbit", "dolly", "pan")
STEP = 3
"""Frames from one keyframe to the next."""
VISIBLE = 0.003
"""Mean share of the picture that must move for a film to be counted."""
FPS = 12


class NoEstimate:
    """A depth estimator that is never needed."""

    name = "none"

    def estimate(self, image: np.ndarray, K: np.ndarray | None) -> Any:
        """Refuses."""
        raise BackendUnavailable("This benchmark measures with the world's own depth.")


@dataclass(frozen=True, eq=False, slots=True)
class Shot:
    """A film in which things move."""

    name: str
    clip: WorldClip
    images: np.ndarray
    """(t, h, w, 3) as a camera gives them."""


def shots(count: int, seed: int, frames: int, size: tuple[int, int], clean: bool) -> Iterator[Shot]:
    """Films of worlds of every kind, from that seed on, in which something moves in sight."""
    found = 0
    for k in range(20 * count):
        world = make_world(KINDS[k % len(KINDS)], seed + k)
        if not world.movers:
            continue
        way = WAYS[found % len(WAYS)]
        clip = film(world, path(world, way, frames, seed + k, size), fps=FPS)
        if clip.dynamic.mean() < VISIBLE:
            continue
        spoil = degradation(seed + k, 0.0 if clean else 0.7)
        images = np.stack([spoil(f.rgb, i) for i, f in enumerate(clip)])
        found += 1
        yield Shot(f"{world.kind} {seed + k}, {way}", clip, images)
        if found == count:
            return


def fused_points(shot: Shot, masks: np.ndarray | None) -> tuple[int, int]:
    """Points of moving things in the memory of the film, and pixels of moving things in its keyframes."""
    frames = shot.clip.frames
    clip = Clip(shot.images, shot.clip.cameras, fps=FPS, dynamic=masks)
    keyframes = tuple(range(0, len(frames), STEP))
    depths = [DepthMap(f.known_depth(), "given", metric=True) for f in frames]
    options = FusionOptions(Provenance.OBSERVED, depths)
    memory, _ = fuse_clip(SpatialMemory.empty(), clip, Tracking(clip.cameras, keyframes), NoEstimate(), options)
    moving = np.stack([frames[i].dynamic for i in keyframes])
    # the keyframes of the memory are those that added something, in order
    of_frame = [next(i for i in keyframes if clip.cameras[i] is k.camera) for k in memory.keyframes]
    traced = np.stack([frames[i].dynamic.ravel() for i in of_frame])
    inside = int(traced[memory.labels.keyframe, memory.labels.source].sum())
    return inside, int(moving.sum())


def masks_of(shot: Shot, how: str) -> np.ndarray | None:
    """(t, h, w) masks found that way; None = nothing is masked."""
    frames = shot.clip.frames
    whole = Film(shot.images, shot.clip.cameras, [f.known_depth() for f in frames], fps=FPS)
    if how == "given":
        return shot.clip.dynamic
    if how == "motion":
        return moving_masks(whole)
    if how == "no_depth":
        return moving_masks(replace(whole, depths=None))
    if how == "carried":
        return propagated(shot.images, frames[0].dynamic)
    return None


def figures_of(shot: Shot, how: str) -> dict[str, float]:
    """Counts of one film and one way of masking."""
    masks = masks_of(shot, how)
    inside, pixels = fused_points(shot, masks)
    still = ~shot.clip.dynamic
    border = np.stack([cv2.dilate(m.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0 for m in shot.clip.dynamic])
    wrong = 0.0 if masks is None else float((masks & still & ~border).sum() / max(1, (still & ~border).sum()))
    return {"inside": inside, "pixels": pixels, "false_share": wrong}


def drawn(shot: Shot, masks: dict[str, Mask], file: Path) -> None:
    """A picture of three frames with the outlines of what moves (green) and of what was found (red)."""
    rows = []
    for name, found in masks.items():
        row = []
        for i in (0, len(shot.images) // 2, len(shot.images) - 1):
            picture = shot.images[i].copy()
            for mask, colour in ((shot.clip.dynamic[i], (0, 255, 0)), (found[i], (255, 0, 0))):
                lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
                cv2.drawContours(picture, lines, -1, colour, 1)
            cv2.putText(picture, name, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
            row.append(picture)
        rows.append(np.concatenate(row, 1))
    cv2.imwrite(str(file), np.concatenate(rows)[..., ::-1])


def main() -> None:
    """Prints {given, motion, ...: {fused, fused_of_pixels, worst, false_share}}; fails above 1 % and 10 %."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--worlds", type=int, default=12)
    p.add_argument("--seed", type=int, default=7000)
    p.add_argument("--frames", type=int, default=19)
    p.add_argument("--size", default="320x192")
    p.add_argument("--clean", action="store_true", help="pictures without grain, blur and compression")
    p.add_argument("--ways", default="given,motion,no_depth,carried")
    p.add_argument("--pictures", type=Path, help="folder for pictures of the masks")
    args = p.parse_args()
    ways = args.ways.split(",")
    kept: dict[str, list[dict[str, float]]] = {how: [] for how in ways}
    for shot in shots(args.worlds, args.seed, args.frames, parse_size(args.size), args.clean):
        open_door, _ = fused_points(shot, None)
        line = f"{shot.name:26} {shot.clip.dynamic.mean():6.1%} moves "
        for how in ways:
            f = figures_of(shot, how) | {"open_door": open_door}
            kept[how].append(f)
            line += f" {how} {f['inside'] / max(1, open_door):7.2%} (false {f['false_share']:.2%})"
        print(line, flush=True)
        if args.pictures is not None:
            args.pictures.mkdir(parents=True, exist_ok=True)
            found = {how: masks_of(shot, how) for how in ways}
            drawn(shot, {k: v for k, v in found.items() if v is not None}, args.pictures / f"{shot.name}.png")
    out: dict[str, Any] = {how: summary(kept[how]) for how in ways}
    finish(out | {"films": len(kept[ways[0]])}, _good(out, "given", 0.01) and _good(out, "motion", 0.10))


def _good(figures: dict[str, Any], how: str, most: float) -> bool:
    return how not in figures or figures[how]["fused"] <= most


def summary(films: list[dict[str, float]]) -> dict[str, float]:
    """All films together."""
    total = {k: sum(f[k] for f in films) for k in ("inside", "pixels", "open_door")}
    return {
        "fused": round(total["inside"] / max(1, total["open_door"]), 4),
        "fused_of_pixels": round(total["inside"] / max(1, total["pixels"]), 4),
        "median": round(float(np.median([f["inside"] / max(1, f["open_door"]) for f in films])), 4),
        "worst": round(max(f["inside"] / max(1, f["open_door"]) for f in films), 4),
        "false_share": round(float(np.mean([f["false_share"] for f in films])), 4),
    }


if __name__ == "__main__":
    main()
