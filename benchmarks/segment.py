"""How many clicks a mask takes: python -m benchmarks.segment DIR [--backend NAME].

DIR holds `img/NAME.jpg` and `gt/NAME.png` (0 background, 128 ignored, 255 the thing). Click 1 lies at the thing's
deepest point, every later one at the deepest point of the larger error; the best-ranked mask counts. NoC is the number
of clicks until an overlap of 85 or 90 %, 20 when it is never reached; clicking stops at 90 % after click 5. `worse` is
the share of later clicks that cost more than one per cent of overlap.

`grabcut` is OpenCV's GrabCut in the same run: with the box as its authors meant it (full size, 5 iterations), with
clicks started from a disc around them, at 320 pixels.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.depth import read_photo
from benchmarks.reporting import finish
from spatia_core.arrays import Image, Mask
from spatia_core.backends import registry
from spatia_core.backends.protocols import Prompt

MOST = 20
GRABCUT_SIDE = 320
ENDINGS = (".jpg", ".jpeg", ".png")

Predict = Callable[[Prompt], Mask]
Start = Callable[[Image], Predict]


@dataclass(frozen=True, eq=False, slots=True)
class Example:
    """A photo, the thing in it, and where the truth is known."""

    name: str
    image: Image
    thing: Mask
    known: Mask


def examples(folder: Path) -> list[Example]:
    """All photos with masks; raises SystemExit when there is none."""
    images = {f.stem: f for f in (folder / "img").glob("*") if f.suffix.lower() in ENDINGS}
    names = [f.stem for f in sorted((folder / "gt").glob("*.png")) if f.stem in images]
    if not names:
        raise SystemExit(f"No photo with a mask (img/NAME.jpg with gt/NAME.png) in {folder}.")
    found = []
    for name in names:
        truth = cv2.imread(str(folder / "gt" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        if truth is None:
            raise SystemExit(f"gt/{name}.png is no picture.")
        image = read_photo(images[name])
        if image.shape[:2] != truth.shape:
            raise SystemExit(f"{name}: the photo is {image.shape[1::-1]}, the mask {truth.shape[::-1]}.")
        known = (truth < 64) | (truth > 192)
        if (truth > 192).any():
            found.append(Example(name, image, truth > 192, known))
    return found


def overlap(found: Mask, example: Example) -> float:
    """Intersection over union where the truth is known."""
    found = found & example.known
    return np.count_nonzero(found & example.thing) / max(1, np.count_nonzero(found | example.thing))


def clicked(predict: Predict, example: Example) -> tuple[list[float], list[float]]:
    """Overlap and seconds of every click."""
    points: list[tuple[int, int]] = []
    signs: list[bool] = []
    overlaps, seconds = [], []
    mask = np.zeros(example.thing.shape, bool)
    unused = example.known.copy()
    for k in range(MOST):
        (inside, a), (outside, b) = (
            _deepest(error & unused) for error in (example.thing & ~mask, ~example.thing & mask)
        )
        sign = a >= b
        x, y = inside if sign else outside
        points.append((x, y))
        signs.append(sign)
        unused[y, x] = False
        started = time.perf_counter()
        mask = predict(Prompt(np.array(points) + 0.5, np.array(signs), previous=mask if k else None))
        seconds.append(time.perf_counter() - started)
        overlaps.append(overlap(mask, example))
        if overlaps[-1] >= 0.9 and k >= 4:
            break
    return overlaps, seconds


def boxed(predict: Predict, example: Example) -> float:
    """Overlap with the true box given."""
    y, x = np.nonzero(example.thing)
    box = (float(x.min()), float(y.min()), float(max(x.max() + 1, x.min() + 2)), float(max(y.max() + 1, y.min() + 2)))
    return overlap(predict(Prompt(np.empty((0, 2)), np.empty(0, bool), box)), example)


def _deepest(region: Mask) -> tuple[tuple[int, int], float]:
    distance = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = divmod(int(distance.argmax()), region.shape[1])
    return (x, y), float(distance[y, x])


def backend_start(name: str) -> Start:
    """The backend as a start function: embeds the picture, then answers with its best-ranked mask."""
    segmenter = registry.create("segmenter", name)

    def start(image: Image) -> Predict:
        embedding = segmenter.embed(image)
        return lambda prompt: segmenter.segment(embedding, prompt).masks[0]

    return start


def grabcut_start(image: Image) -> Predict:
    """Plain GrabCut."""
    height, width = image.shape[:2]
    ratio = min(1.0, GRABCUT_SIDE / max(height, width))
    small = cv2.resize(image, (round(width * ratio), round(height * ratio)), interpolation=cv2.INTER_AREA)

    def predict(prompt: Prompt) -> Mask:
        if prompt.box is not None:
            x0, y0, x1, y1 = (round(v) for v in prompt.box)
            labels = np.full((height, width), cv2.GC_BGD, np.uint8)
            labels[y0:y1, x0:x1] = cv2.GC_PR_FGD
            return _grabcut(image, labels)
        labels = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
        side = max(small.shape)
        for radius, likely in ((round(0.12 * side), True), (max(2, round(0.012 * side)), False)):
            for (x, y), sign in zip(prompt.points * ratio, prompt.positive, strict=True):
                if likely and not sign:
                    continue
                label = cv2.GC_PR_FGD if likely else cv2.GC_FGD if sign else cv2.GC_BGD
                cv2.circle(labels, (int(x), int(y)), radius, label, -1)
        found = _grabcut(small, labels).astype(np.uint8) * 255
        return cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 127

    return predict


def _grabcut(image: Image, labels: np.ndarray) -> Mask:
    inside = labels % 2 == 1
    if inside.all() or not inside.any():
        return inside
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(np.ascontiguousarray(image[..., ::-1]), labels, (0, 0, 1, 1), *models, 5, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # fewer pixels than colour clusters
        return inside
    return labels % 2 == 1


def measure(start: Start, photos: Sequence[Example]) -> dict[str, Any]:
    """All figures of one method."""
    curves, boxes, seconds = [], [], []
    predict = start(photos[0].image)
    boxed(predict, photos[0])  # loading and compiling are not timed
    for photo in photos:
        predict = start(photo.image)
        overlaps, times = clicked(predict, photo)
        curves.append(overlaps)
        seconds += times
        boxes.append(boxed(predict, photo))

    def at(click: int) -> float:
        return round(float(np.mean([c[min(click, len(c)) - 1] for c in curves])), 4)

    def clicks_to(goal: float) -> float:
        needed = [next((k + 1 for k, v in enumerate(c) if v >= goal), MOST) for c in curves]
        return round(float(np.mean(needed)), 3)

    return {
        **{f"iou{k}": at(k) for k in (1, 3, 5)},
        "iou_box": round(float(np.mean(boxes)), 4),
        "noc85": clicks_to(0.85),
        "noc90": clicks_to(0.90),
        "worse": round(float(np.mean(np.concatenate([np.diff(c) for c in curves]) < -0.01)), 3),
        "seconds_per_click": round(float(np.median(seconds)), 3),
        "each": {p.name: [round(c[0], 3), round(b, 3)] for p, c, b in zip(photos, curves, boxes, strict=True)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segment", description="Clicks to masks against truth.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--backend", default="hybrid", choices=registry.names("segmenter"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    photos = examples(options.folder)
    ours = measure(backend_start(options.backend), photos)
    plain = measure(grabcut_start, photos)
    del plain["each"]
    finish({"backend": options.backend, "images": len(photos), **ours, "grabcut": plain})


if __name__ == "__main__":
    main()
