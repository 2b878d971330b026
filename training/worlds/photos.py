"""Photos as wall paper, pictures and prints: a folder of them becomes a pyramid that textures read."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.errors import InvalidInput

SIDE, LEVELS = 128, 5
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")

Photos = Float32[np.ndarray, "n levels side side 3"]


def no_photos() -> Photos:
    """What worlds without photos read."""
    return np.zeros((0, 1, 2, 2, 3), np.float32)


def read_photos(folder: str | Path, count: int = 24, seed: int = 0) -> Photos:
    """Random square crops of the folder's photos, linear light, each with ever blurrier copies of itself."""
    files = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ENDINGS)
    if not files:
        raise InvalidInput(f"No photo in {folder}; accepted are {', '.join(ENDINGS)}.")
    rng = np.random.default_rng(seed)
    out = np.zeros((count, LEVELS, SIDE, SIDE, 3), np.float32)
    for k in range(count):
        path = files[int(rng.integers(len(files)))]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise InvalidInput(f"{path.name} is no picture that can be read.")
        h, w = image.shape[:2]
        side = int(rng.uniform(0.3, 1.0) * min(h, w))
        y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
        crop = cv2.resize(image[y : y + side, x : x + side, ::-1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        linear = (crop.astype(np.float32) / 255) ** 2.2
        for level in range(LEVELS):
            out[k, level] = linear if level == 0 else cv2.GaussianBlur(linear, (0, 0), 0.5 * 2.0**level)
    return out
