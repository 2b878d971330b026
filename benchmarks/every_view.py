"""How much of a thing is selected by a mask in one view, alone and with what the other views show of it.

`python -m benchmarks.every_view [--things N] [--seed S] [--segmenter NAME] [--pictures DIR]`. Procedural worlds are
seen by a ring of cameras around one thing; the memory is fused from exact depth, so every point knows which thing it
shows. The mask is the world's own in the first view. `recall` is the share of the thing's points that are selected,
`wrong` the share of the selection that shows something else; `before` is the mask alone.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.moving import NoEstimate
from benchmarks.reporting import finish
from editing.every_view import in_every_view
from editing.selection import lift_mask, shown_mask
from spatia_core import se3
from spatia_core.arrays import Mask, Selection
from spatia_core.backends import registry
from spatia_core.backends.protocols import Tracking
from spatia_core.camera import Camera
from spatia_core.frames import Clip, DepthMap
from spatia_core.fusion import FusionOptions, fuse_clip, remember_view
from spatia_core.memory import Keyframe, Provenance, SpatialMemory
from spatia_core.render import render
from training.worlds import KINDS, World, WorldFrame, degradation, make_world

SIZE = (480, 320)
ANGLES = (20, -20, 42, -42, 65, -65, 90, -90)
"""Degrees around the thing from the first view."""
FIXED = {"sky", "ground", "floor", "wall", "ceiling", "skirting", "kerb", "window", "door", "ground mark", "verge"}
LEAST, MOST = 0.015, 0.25
"""Share of the first view that the thing covers."""


@dataclass(frozen=True, eq=False, slots=True)
class Ring:
    """A thing seen from around."""

    name: str
    memory: SpatialMemory
    camera: Camera
    """The first."""
    mask: Mask
    """(h, w) of the thing in the first view."""
    truth: Selection
    """(n,) the points that show it."""


def rings(count: int, seed: int) -> Iterator[Ring]:
    """Things of worlds of every kind, from that seed on."""
    made = 0
    for k in range(30 * count):
        world = make_world(KINDS[k % len(KINDS)], seed + k)
        ring = _ring(world)
        if ring is not None:
            made += 1
            yield ring
            if made == count:
                return


def _ring(world: World) -> Ring | None:
    first = world.render(world.camera(*SIZE))
    thing = _thing(world, first)
    if thing is None:
        return None
    mask = first.thing == thing
    middle = np.median(first.camera.unproject(first.known_depth())[mask], axis=0)
    frames = [first]
    for angle in ANGLES:
        camera = _around(first.camera, middle, np.deg2rad(angle))
        if world.free(np.linalg.inv(camera.w2c)[:3, 3]) < 0.15:
            continue
        frame = world.render(camera)
        if (frame.thing == thing).mean() > 0.004:
            frames.append(frame)
    if len(frames) < 4:
        return None
    spoil = degradation(world.seed, 0.5)
    images = np.stack([spoil(f.rgb, i) for i, f in enumerate(frames)])
    memory, traced = _fused(frames, images)
    shown = np.stack([f.thing.ravel() for f in frames])
    truth = shown[np.array(traced)[memory.labels.keyframe], memory.labels.source] == thing
    if truth.sum() < 1.15 * lift_mask(memory, first.camera, mask).sum():
        return None
    return Ring(f"{world.kind} {world.seed} {world.names[thing]}", memory, first.camera, mask, truth)


def _thing(world: World, frame: WorldFrame) -> int | None:
    """The largest thing that stands wholly in the first view."""
    inner = frame.thing[4:-4, 4:-4]
    best = None
    for number, pixels in zip(*np.unique(inner, return_counts=True), strict=True):
        mask = frame.thing == number
        cut = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
        share = pixels / inner.size
        known = world.names[number] not in FIXED and not frame.dynamic[mask].any()
        if known and not cut and LEAST < share < MOST and (best is None or share > best[0]):
            best = share, int(number)
    return None if best is None else best[1]


def _around(camera: Camera, middle: np.ndarray, angle: float) -> Camera:
    """The camera gone around a place, its height kept."""
    turn = se3.rigid(se3.so3_exp(np.array([0, angle, 0.0])), np.zeros(3))
    about = se3.translation(middle) @ turn @ se3.translation(-middle)
    return Camera(camera.K, camera.w2c @ np.linalg.inv(about), camera.width, camera.height)


def _fused(frames: list[WorldFrame], images: np.ndarray) -> tuple[SpatialMemory, list[int]]:
    """The memory of the frames, and which frame each of its keyframes is."""
    first, rest = frames[0], frames[1:]
    known = Keyframe(images[0], first.known_depth(), first.camera, first.dynamic | first.sky, first.sky)
    clip = Clip(images[1:], tuple(f.camera for f in rest), dynamic=np.stack([f.dynamic for f in rest]))
    depths = [DepthMap(f.known_depth(), "given", metric=True) for f in rest]
    tracking, options = Tracking(clip.cameras, tuple(range(len(rest)))), FusionOptions(Provenance.OBSERVED, depths)
    memory, _ = fuse_clip(remember_view(SpatialMemory.empty(), known), clip, tracking, NoEstimate(), options)
    places = [f.camera.w2c for f in frames]
    return memory, [next(i for i, T in enumerate(places) if np.array_equal(T, k.camera.w2c)) for k in memory.keyframes]


@dataclass(frozen=True, slots=True)
class Figures:
    """How well a selection is the thing."""

    recall: float
    wrong: float

    @classmethod
    def of(cls, selected: Selection, truth: Selection) -> "Figures":
        """Shares of points."""
        both = (selected & truth).sum()
        return cls(float(both / truth.sum()), float(1 - both / max(1, selected.sum())))


def drawn(ring: Ring, selections: list[Selection], file: Path) -> None:
    """A picture: every view of the memory with the selections in red, one row each."""
    rows = []
    for selection in selections:
        row = []
        for keyframe in ring.memory.keyframes[:5]:
            seen = render(ring.memory.cloud, keyframe.camera)
            picture, shown = seen.rgb.copy(), shown_mask(selection, seen)
            picture[shown] = picture[shown] // 2 + np.array([127, 0, 0], np.uint8)
            row.append(picture)
        rows.append(np.concatenate(row, 1))
    cv2.imwrite(str(file), np.concatenate(rows)[..., ::-1])


def main() -> None:
    """Prints {things, before: {recall, wrong}, after: {recall, wrong}, worst_recall, seconds}."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--things", type=int, default=24)
    p.add_argument("--seed", type=int, default=9000)
    p.add_argument("--segmenter", default="hybrid")
    p.add_argument("--pictures", type=Path, help="folder for pictures of what is selected")
    args = p.parse_args()
    segmenter = registry.create("segmenter", args.segmenter)
    before: list[Figures] = []
    after: list[Figures] = []
    seconds = []
    for ring in rings(args.things, args.seed):
        alone = lift_mask(ring.memory, ring.camera, ring.mask)
        started = time.perf_counter()
        found = in_every_view(segmenter, ring.memory, ring.camera, ring.mask)
        seconds.append(time.perf_counter() - started)
        whole = alone if found.volume is None else found.volume.points(ring.memory)
        before.append(Figures.of(alone, ring.truth))
        after.append(Figures.of(whole, ring.truth))
        print(f"{ring.name:32} {before[-1]} {after[-1]} {found.agreed} of {found.asked} views", flush=True)
        if args.pictures is not None:
            args.pictures.mkdir(parents=True, exist_ok=True)
            drawn(ring, [alone, whole], args.pictures / f"{ring.name}.png")
    out: dict[str, Any] = {"segmenter": args.segmenter, "things": len(after)}
    for name, rows in (("before", before), ("after", after)):
        out[name] = {k: round(float(np.mean([getattr(r, k) for r in rows])), 3) for k in ("recall", "wrong")}
    out["worst_recall"] = round(min(r.recall for r in after), 3)
    finish(out | {"seconds": round(float(np.median(seconds)), 2)})


if __name__ == "__main__":
    main()
