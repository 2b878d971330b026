"""Measured frames made small enough to carry about: python -m training.depth.measured OUT DIR [DIR ...] [--at-most N].

Every DIR holds `NAME.jpg` (or .png) with `NAME.npy` (float32 z-depth, NaN = none) or `NAME.disparity.npy`, as
`benchmarks.depth` reads it; a frame's scene is its name up to the first `@`, with the folder's name before it. Use only
frames whose licence allows training. See `training.depth.albums` for what is written.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from benchmarks.depth import Example, examples
from training.depth.albums import LOG_REACH

_SHORT = 168
"""Shorter side of what is written."""


def write(example: Example, file: Path) -> bool:
    """Writes one frame; False where hardly anything of it was measured."""
    image, inverse = example.image, example.inverse
    ratio = _SHORT / min(image.shape[:2])
    size = (round(image.shape[1] * ratio), round(image.shape[0] * ratio))
    inverse = cv2.resize(inverse.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    known = np.isfinite(inverse) & (inverse > 0)
    if known.mean() < 0.2:
        return False
    nearest = np.percentile(inverse[known], 99.5)
    level = 255 + 253 * np.log(np.maximum(inverse, 1e-9) / nearest, where=known, out=np.zeros_like(inverse)) / LOG_REACH
    coded = np.where(known, np.clip(np.rint(level), 2, 255), 0).astype(np.uint8)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(file.with_suffix(".jpg")), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    cv2.imwrite(str(file.with_suffix(".log.png")), coded)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.depth.measured", description="Packs measured frames.")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--at-most", type=int, default=10**9, help="frames of one folder, spread evenly")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for folder in options.folders:
        found = examples(folder)
        picked = found[:: -(-len(found) // options.at_most)]
        kept = sum(write(e, options.out / f"{folder.name}-{e.name}".replace(".", "_")) for e in picked)
        print(f"{folder.name}: {kept} of {len(found)} frames", flush=True)


if __name__ == "__main__":
    main()
