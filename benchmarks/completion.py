"""How well and how fast holes are filled: python benchmarks/completion.py PHOTO... prints one line a method.

Holes are ellipses of 5 % of the picture at five places, and a margin of 15 %; the photo itself is the truth.
"""

import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

from spatia_core.arrays import Image, Mask
from spatia_core.camera import Camera
from spatia_core.completion.patchmatch import FAST, paint
from spatia_core.completion.surfaces import continue_depth

SIZE = (832, 480)
PLACES = ((0.2, 0.3), (0.5, 0.2), (0.8, 0.4), (0.3, 0.8), (0.7, 0.75))

Fill = Callable[[Image, Mask], Image]


def telea(image: Image, hole: Mask) -> Image:
    return cv2.inpaint(image, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)


def ellipse(x: float, y: float) -> Mask:
    width, height = SIZE
    mask = np.zeros((height, width), np.uint8)
    half = np.sqrt(0.05 * width * height / np.pi)
    cv2.ellipse(mask, (round(x * width), round(y * height)), (round(half * 0.8), round(half * 1.25)), 0, 0, 360, 1, -1)
    return mask.astype(bool)


def margin() -> Mask:
    width, height = SIZE
    mask = np.ones((height, width), bool)
    dx, dy = round(0.115 * width), round(0.115 * height)
    mask[dy:-dy, dx:-dx] = False
    return mask


def measure(truth: Image, filled: Image, hole: Mask) -> tuple[float, float]:
    """PSNR in the hole, dB, and gradient energy against the truth's (1 = as sharp)."""
    error = np.mean((truth.astype(float) - filled)[hole] ** 2)
    greys = [cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in (truth, filled)]
    steep = [np.abs(cv2.Laplacian(grey, cv2.CV_32F))[hole].mean() for grey in greys]
    return float(10 * np.log10(255**2 / max(error, 1e-3))), float((steep[1] + 0.5) / (steep[0] + 0.5))


def compare(name: str, fill: Fill, photos: list[Image], holes: list[Mask]) -> None:
    fill(photos[0], holes[0])
    rows = []
    for photo in photos:
        for hole in holes:
            start = time.process_time()
            filled = fill(photo, hole)
            rows.append((*measure(photo, filled, hole), time.process_time() - start))
    psnr, sharp, seconds = np.mean(rows, 0)
    print(f"{name:16s} psnr {psnr:5.2f} dB   sharpness {sharp:4.2f}   {1e3 * seconds:5.0f} ms")


def surfaces() -> None:
    """Time of the depth behind an object's hole and of a margin, on a tilted plane before a far wall."""
    width, height = SIZE
    camera = Camera.from_fov(width, height, 1.1)
    with np.errstate(divide="ignore"):
        ground = 1.4 / (camera.rays() @ np.array([0.0, 0.99, 0.15]))
    depth = np.where((ground > 0) & (ground < 6), ground, 6).astype(np.float32)
    for name, hole in (("object", ellipse(0.5, 0.5)), ("margin", margin())):
        continue_depth(depth, hole, camera)
        start = time.process_time()
        filled = continue_depth(depth, hole, camera)
        took = time.process_time() - start
        print(
            f"depth, {name}: {1e3 * took:.0f} ms, mean error {np.mean(np.abs(filled - depth)[hole] / depth[hole]):.2%}"
        )


def main(paths: list[str]) -> None:
    cv2.setNumThreads(1)
    read = [cv2.imread(path) for path in paths]
    small = [cv2.resize(p, SIZE, interpolation=cv2.INTER_AREA) for p in read if p is not None]
    photos = [cv2.cvtColor(p, cv2.COLOR_BGR2RGB) for p in small]
    if photos:
        compare("object, Telea", telea, photos, [ellipse(x, y) for x, y in PLACES])
        compare("object, paint", paint, photos, [ellipse(x, y) for x, y in PLACES])
        compare("margin, Telea", telea, photos, [margin()])
        compare("margin, FAST", lambda image, hole: paint(image, hole, None, FAST), photos, [margin()])
    surfaces()


if __name__ == "__main__":
    main(sys.argv[1:])
