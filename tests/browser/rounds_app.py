"""The app with a generator that films in short, slow rounds and does what the prompt says: `red` makes frames red."""

import time
from dataclasses import replace

import numpy as np

import app
from spatia_core.backends import registry
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.protocols import Conditioning, GenerationSettings, Progress, Rounds, silent
from spatia_core.frames import Clip

SECONDS = 4.0
"""How long a round takes: long enough to press Cancel in it."""

STEPS = 40


class InRounds(ReprojectGenerator):
    """VideoGenerator of the tests."""

    rounds = Rounds(first=4, later=4, history=2)
    reads_prompts = True

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """The usual frames, later."""
        for k in range(STEPS):
            progress(k / STEPS, f"Waiting, as asked: {prompt or 'no prompt'}")
            time.sleep(SECONDS / STEPS)
        clip = super().generate(conditioning, prompt, settings)
        images = np.array(clip.images)
        if "red" in prompt:
            images[..., 1:] //= 4
        return Clip(images, clip.cameras, clip.fps, clip.maker, clip.seed, prompt, clip.notes)


def main() -> None:
    """The app, with this generator in the place of its own."""
    generators = registry._TABLE["generator"]
    generators["reproject"] = replace(generators["reproject"], factory="tests.browser.rounds_app:InRounds")
    app.Studio.warm = lambda *_, **__: None  # type: ignore[method-assign]  # examples would take minutes
    app.main([])


if __name__ == "__main__":
    main()
