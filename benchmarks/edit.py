"""Edits against the truth: analytic scenes rendered with and without a thing, or with it elsewhere.

`python -m benchmarks.edit [SCENES]`. From one exact view (picture and depth) and the thing's mask, the scene is filmed
along a path after deleting or moving the thing. Every frame is compared with the true scene:

- ours: the memory edited and completed once, then rendered;
- inpaint2d: the unedited clip, with the thing cut out of every frame by itself (Telea 2004, OpenCV) and, for a move,
  pasted where it should be in that frame;
- none: the edited memory without completion.

PSNR and SSIM are means over scenes and frames, over whole frames and (`inside`) where the true clip changes.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from benchmarks.reporting import finish
from editing.operations import Edit, clear, place
from editing.selection import grown, lift_mask
from spatia_core import metrics, se3
from spatia_core.arrays import Image, Mask
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.protocols import DepthPrediction, GenerationSettings
from spatia_core.camera import Camera
from spatia_core.camera_path import make_path
from spatia_core.completion import complete_along
from spatia_core.conditioning import condition
from spatia_core.frames import DepthMap
from spatia_core.memory import SpatialMemory
from spatia_core.pipeline import start_memory
from spatia_core.render import render
from tests.scenes import UP, Scene, SceneView, make_scene

PATHS = ("orbit-left", "truck-right", "dolly-in", "pedestal-up", "spiral")
FRAMES = 13
INPAINT_BORDER = 3


def film(memory: SpatialMemory, path: Sequence[Camera]) -> list[Image]:
    """The clip that the product would show."""
    completed, _ = complete_along(memory, path)
    return list(ReprojectGenerator().generate(condition(completed, path), "", GenerationSettings()).images)


def film_raw(memory: SpatialMemory, path: Sequence[Camera]) -> Sequence[Image]:
    """The clip of the memory as it is, holes black."""
    return [render(memory.cloud, camera).rgb for camera in path]


def largest_thing(view: SceneView) -> int:
    """The object that covers most of the picture without touching its border."""
    best, best_size = 0, 0
    for k in np.unique(view.object_id[view.object_id > 0]):
        mask = view.mask(int(k))
        touches = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
        size = int(mask.sum()) if not touches else 1
        if size > best_size:
            best, best_size = int(k), size
    return best


def inpainted(image: Image, mask: Mask) -> Image:
    """One frame with the mask filled from around it, knowing nothing of the other frames."""
    hole = grown(mask, INPAINT_BORDER).astype(np.uint8)
    return np.asarray(cv2.inpaint(np.ascontiguousarray(image), hole, 5, cv2.INPAINT_TELEA))


def pasted(image: Image, source: Image, mask: Mask, shift: np.ndarray, scale: float) -> Image:
    """The masked part of `source` put onto `image`, moved by `shift` pixels and scaled about its middle."""
    ys, xs = np.nonzero(mask)
    middle = np.array([xs.mean(), ys.mean()])
    A = np.hstack([np.eye(2) * scale, (middle + shift - scale * middle)[:, None]]).astype(np.float32)
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(np.ascontiguousarray(source), A, size)
    where = cv2.warpAffine(mask.astype(np.uint8), A, size, flags=cv2.INTER_NEAREST).astype(bool)
    return np.where(where[..., None], moved, image)


def scores(clip: Sequence[Image], truth: Sequence[Image], changed: Sequence[Mask]) -> dict[str, float]:
    """Means over the frames."""
    pairs = list(zip(clip, truth, strict=True))
    inside = [metrics.psnr(a, b, m) for (a, b), m in zip(pairs, changed, strict=True) if m.any()]
    return {
        "psnr": float(np.mean([metrics.psnr(a, b) for a, b in pairs])),
        "ssim": float(np.mean([metrics.ssim(a, b) for a, b in pairs])),
        "inside": float(np.mean(inside)) if inside else float("nan"),
    }


def one_scene(scene: Scene, path_name: str) -> dict[str, dict[str, dict[str, float]]]:
    """Delete and move of one thing by all three methods."""
    start = scene.start()
    seen = scene.render(start)
    thing = largest_thing(seen)
    mask = seen.mask(thing)
    path = make_path(path_name, start, FRAMES, scene.scale(start))
    prediction = DepthPrediction(DepthMap(seen.depth, "given"), np.array(start.K), np.zeros(mask.shape, bool))
    # the memory's world is the photo's camera frame; the scene's world is not
    cameras = [c.moved(c.w2c @ start.c2w) for c in path]
    memory = start_memory(seen.image, prediction)
    view = memory.keyframes[0].camera
    cleared = clear(memory, view, mask)
    unit = memory.median_depth()
    edit = Edit(
        "move", view, mask, (0.12 if mask.nonzero()[1].mean() < start.width / 2 else -0.12, 0.0, 0.05), solid=False
    )
    move = true_move(edit, start, unit)
    raw = memory.without(lift_mask(memory, view, mask))
    uncompleted = replace(cleared, memory=raw)
    original = film(memory, cameras)
    masks = [scene.render(c).mask(thing) for c in path]
    plain = [inpainted(a, m) for a, m in zip(original, masks, strict=True)]
    deleted = [scene.render(c, without=thing).image for c in path]
    moved = [scene.render(c, moved={thing: se3.translation(move)}).image for c in path]
    anchor = start.c2w[:3, :3] @ np.median(cleared.thing.xyz, axis=0).astype(np.float64) + start.centre
    shifted = [
        pasted(p, a, m, *shift_of(anchor, move, c)) if m.any() else p
        for p, a, m, c in zip(plain, original, masks, path, strict=True)
    ]
    before = [scene.render(c).image for c in path]

    def judged(truth: Sequence[Image], ours: SpatialMemory, flat: Sequence[Image], bare: SpatialMemory):
        changed = [(a != b).any(-1) for a, b in zip(before, truth, strict=True)]
        return {
            "ours": scores(film(ours, cameras), truth, changed),
            "inpaint2d": scores(flat, truth, changed),
            "none": scores(film_raw(bare, cameras), truth, changed),
        }

    return {
        "delete": judged(deleted, cleared.memory, plain, raw),
        "move": judged(moved, place(cleared, edit, unit), shifted, place(uncompleted, edit, unit)),
    }


def true_move(edit: Edit, start: Camera, unit: float) -> np.ndarray:
    """(3,) where the move leads in the scene's world, on its exact floor."""
    axes = start.c2w[:3, :3]
    asked = axes @ (np.array(edit.offset) * unit)
    up, floor = -axes[:, 1], np.asarray(UP, np.float64)
    return asked - up * float(floor @ asked) / float(floor @ up)


def shift_of(anchor: np.ndarray, move: np.ndarray, camera: Camera) -> tuple[np.ndarray, float]:
    """Pixels by which a thing at `anchor` moves in this frame, and how much larger it gets."""
    uv, z = camera.project(np.stack([anchor, anchor + move]).astype(np.float32))
    return uv[1] - uv[0], float(z[0] / z[1])


def mean_of(results: Sequence[dict], pick: Callable[[dict], dict[str, float]]) -> dict[str, float]:
    """Mean of every figure over the scenes."""
    keys = pick(results[0]).keys()
    return {k: round(float(np.nanmean([pick(r)[k] for r in results])), 4) for k in keys}


def main(scenes: int = 20) -> None:
    """Prints {scenes, delete: {ours, inpaint2d, none: {psnr, ssim, inside}}, move: {...}}."""
    results = [one_scene(make_scene(seed), PATHS[seed % len(PATHS)]) for seed in range(scenes)]
    figures: dict = {"scenes": scenes, "frames": FRAMES}
    passed = True
    for kind in ("delete", "move"):
        figures[kind] = {
            method: mean_of(results, lambda r, k=kind, m=method: r[k][m]) for method in ("ours", "inpaint2d", "none")
        }
        ours = figures[kind]["ours"]
        passed &= all(ours[k] > figures[kind][m][k] for m in ("inpaint2d", "none") for k in ("psnr", "ssim"))
    finish(figures, passed)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
