"""Generator `reproject`: the clip is the completed memory itself, seen along the path; only movers move in it."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from spatia_core.arrays import Image
from spatia_core.backends.protocols import Conditioning, GenerationSettings, Progress, silent
from spatia_core.frames import Clip
from spatia_core.movers import draw
from spatia_core.render import Rendering, fill_small_holes, resample


class ReprojectGenerator:
    """VideoGenerator without a network: projections, sharpened from the reference views, small holes filled."""

    name = "reproject"

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """One frame per camera; prompt and seed change nothing, and the clip's notes say so."""
        cameras = conditioning.cameras
        views = [(r.image, r.depth, r.camera) for r in conditioning.references]
        images = np.empty((len(cameras), cameras[0].height, cameras[0].width, 3), np.uint8)
        movers = conditioning.movers
        dynamic = np.zeros(images.shape[:3], bool) if movers else None
        left_out = 0.0

        def frame(seen: Rendering, i: int) -> tuple[Image, float]:
            camera = cameras[i]
            picture = fill_small_holes(resample(seen, camera, views), seen.coverage)
            if dynamic is not None:
                picture, dynamic[i] = draw(picture, seen.depth, camera, movers, i)
            return picture, float(np.mean(~seen.coverage))

        # the kernels release the interpreter lock, so frames render side by side; few are in flight at once
        workers = min(4, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            for start in range(0, len(cameras), workers):
                progress(start / len(cameras), f"Rendering frame {start + 1} of {len(cameras)}")
                part = range(start, min(start + workers, len(cameras)))
                done = pool.map(lambda i: frame(conditioning.projections[i], i), part)
                for i, (picture, unknown) in zip(part, done, strict=True):
                    images[i] = picture
                    left_out = max(left_out, unknown)
        moves = "nothing moves"
        if movers:
            moves = f"only {'one thing moves' if len(movers) == 1 else f'{len(movers)} things move'}"
        notes = [f"Made by reprojecting the memory: the camera is exact, {moves}, prompt and seed are not used."]
        if left_out > 0.02:
            notes.append(f"Up to {left_out:.0%} of a frame lies outside the known scene and is only a smooth guess.")
        return Clip(images, cameras, settings.fps, self.name, settings.seed, prompt, tuple(notes), dynamic)
