"""What the embedded perception makes of the shipped photos: python -m benchmarks.perception_pictures OUT.

Per photo: the photo with one click, its depth (near is bright, sky black), the mask of the click, and the photo seen
from a camera moved sideways by 8 % of the median depth below the sky; what was hidden from the photo is magenta.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.depth import read_photo
from benchmarks.novel_view import Shot, moved
from spatia_core.arrays import Depth, Image, Mask
from spatia_core.backends.depth_nano import NanoDepth
from spatia_core.backends.protocols import Prompt
from spatia_core.backends.segment_hybrid import HybridSegmenter
from spatia_core.camera import Camera

CLICKS = {
    "coffee": (0.49, 0.33),
    "kitten-on-lawn": (0.58, 0.62),
    "lake": (0.33, 0.35),
    "mountain-path": (0.68, 0.35),
    "orange-hallway": (0.50, 0.90),
    "osprey": (0.38, 0.51),
    "otters": (0.59, 0.58),
    "pier": (0.50, 0.80),
    "room": (0.49, 0.25),
    "stream": (0.75, 0.55),
}
"""Where each photo is clicked, in shares of its width and height."""
_HEIGHT, _SIDE, _STEP = 144, 832, 0.08
_UNSEEN = (255, 0, 255)


def row(photo: Path, nano: NanoDepth, hybrid: HybridSegmenter) -> Image:
    """The four pictures of one photo."""
    image = read_photo(photo)
    ratio = min(1.0, _SIDE / max(image.shape[:2]))
    image = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    h, w = image.shape[:2]
    x, y = CLICKS[photo.stem][0] * w, CLICKS[photo.stem][1] * h
    found = nano.estimate(image)
    mask = hybrid.segment(hybrid.embed(image), Prompt(np.array([[x, y]]), np.array([True]))).masks[0]
    clicked = image.copy()
    cv2.circle(clicked, (int(x), int(y)), 12, (255, 255, 255), -1)
    cv2.circle(clicked, (int(x), int(y)), 8, (0, 160, 0), -1)
    depth = found.depth.depth
    seen = _from_the_side(image, depth, found.sky, Camera(np.array(found.K), np.eye(4), w, h))
    cells = (clicked, _brightness(depth, found.sky), _marked(image, mask), seen)
    size = (round(w * _HEIGHT / h), _HEIGHT)
    return np.hstack([cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in cells])


def _from_the_side(image: Image, depth: Depth, sky: Mask, camera: Camera) -> Image:
    w2c = np.eye(4)
    w2c[0, 3] = -_STEP * float(np.median(depth[~sky]))
    picture, known = moved(Shot(image, depth, camera), depth, Camera(camera.K, w2c, camera.width, camera.height))
    return np.where(known[..., None], picture, np.array(_UNSEEN, np.uint8))


def _brightness(depth: Depth, sky: Mask) -> Image:
    inverse = 1 / depth
    low, high = np.percentile(inverse[~sky], [1, 99])
    level = (np.clip((inverse - low) / max(high - low, 1e-6), 0, 1) * 235 + 20).astype(np.uint8)
    out = cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)[..., ::-1].copy()
    out[sky] = 0
    return out


def _marked(image: Image, mask: Mask) -> Image:
    faint = (0.35 * image + 0.65 * image.mean(2, keepdims=True) * 0.6).astype(np.uint8)
    outline = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0
    out = np.where(mask[..., None], image, faint)
    out[outline] = (0, 230, 0)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.perception_pictures", description="Pictures to look at."
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for perception-1.jpg and perception-2.jpg")
    parser.add_argument("--photos", type=Path, default=Path("assets/examples"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    nano, hybrid = NanoDepth(), HybridSegmenter()
    files = [f for f in sorted(options.photos.glob("*.jpg")) if f.stem in CLICKS]
    rows = [row(f, nano, hybrid) for f in files]
    width = max(r.shape[1] for r in rows)
    rows = [np.pad(r, ((0, 4), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in rows]
    options.out.mkdir(parents=True, exist_ok=True)
    half = -(-len(rows) // 2)
    for k, part in enumerate((rows[:half], rows[half:]), 1):
        sheet = np.ascontiguousarray(np.vstack(part)[..., ::-1])
        cv2.imwrite(str(options.out / f"perception-{k}.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
