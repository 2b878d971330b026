"""Compiles the numba kernels once, by doing the main job on a small made-up picture."""

import logging
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from editing.filming import Shot
from editing.opening import Opening
from editing.session import Session
from editing.tools import tools
from spatia_core.backends.pool import Pool


def main() -> None:
    """Leaves the compiled kernels in their caches."""
    rng = np.random.default_rng(0)
    h, w = 120, 160
    image = np.linspace(60, 200, h)[:, None, None] + rng.normal(0, 12, (h, w, 3))
    image[40:90, 60:100] = (200, 40, 40)
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(photo)
        session = Session(tools(Pool()), Path(folder) / "session")
        session.open(Opening(photo, size=(160, 112)))
        session.generate(Shot(frames=2))
        session.click(80, 62)
        session.click(82, 70)
        session.move((0.1, 0.0, 0.1))
        session.generate(Shot(frames=2))
    logging.getLogger(__name__).info("kernels are compiled")


if __name__ == "__main__":
    main()
