"""A generator on a shared Space, where a GPU is lent for one job at a time (ZeroGPU).

Such a Space runs the decorated function in a forked process that alone may touch the GPU: what goes in and out is
pickled, time is asked for in advance, and errors lose their kind. So progress, clip and errors travel as values.
"""

import importlib
import importlib.util
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from spatia_core.backends.protocols import Conditioning, GenerationSettings, Progress, VideoGenerator, silent
from spatia_core.errors import BackendUnavailable, SpatiaError
from spatia_core.frames import Clip

Event = tuple[float, str] | Clip | SpatiaError


def is_lent() -> bool:
    """True on a Space that lends its GPU."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def has_gpu() -> bool:
    """True where a CUDA GPU is there, or can be borrowed."""
    if is_lent():
        return True
    if importlib.util.find_spec("torch") is None:
        return False
    torch: Any = importlib.import_module("torch")
    return torch.cuda.is_available()


def lent(generator: VideoGenerator) -> VideoGenerator:
    """The generator itself, or, where GPUs are lent and it can use one, one that borrows a GPU for every clip."""
    if not is_lent() or not hasattr(generator, "gpu_seconds"):
        return generator
    spaces: Any = importlib.import_module("spaces")  # there on every such Space, and needed nowhere else
    return LentGenerator(generator, spaces.GPU)


class LentGenerator:
    """VideoGenerator that borrows a GPU for as long as frames, size and steps of the clip will need."""

    def __init__(self, generator: Any, borrow: Callable[..., Any]) -> None:
        self.name: str = generator.name
        self._generator = generator

        def seconds(conditioning: Conditioning, prompt: str, settings: GenerationSettings) -> int:
            camera, frames = conditioning.cameras[0], len(conditioning.cameras) + len(conditioning.history)
            return generator.gpu_seconds(frames, camera.width, camera.height)

        def work(conditioning: Conditioning, prompt: str, settings: GenerationSettings) -> Iterator[Event]:
            yield from _events(generator, conditioning, prompt, settings)

        self._work = borrow(duration=seconds)(work)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """The generator's clip, made on a borrowed GPU; the weights are read before, while no GPU is paid for."""
        self._generator.load_ahead(progress)
        progress(0.0, "Waiting for a GPU")
        for event in self._work(conditioning, prompt, settings):
            if isinstance(event, Clip):
                return event
            if isinstance(event, SpatiaError):
                raise event
            progress(*event)
        raise BackendUnavailable("The borrowed GPU was taken away before the clip was done. Film a shorter clip.")


def _events(
    generator: VideoGenerator, conditioning: Conditioning, prompt: str, settings: GenerationSettings
) -> Iterator[Event]:
    """Progress as it comes, then the clip or the error; who only calls back runs in a thread of its own."""
    events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            events.put(generator.generate(conditioning, prompt, settings, lambda s, d: events.put((s, d))))
        except BaseException as e:  # whatever it is, it is raised or returned by the reader below
            events.put(e)

    threading.Thread(target=run, daemon=True).start()
    while True:
        event = events.get()
        if isinstance(event, BaseException) and not isinstance(event, SpatiaError):
            raise event
        yield event
        if not isinstance(event, tuple):
            return
