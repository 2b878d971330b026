"""A session on an analytic room, with tools that need no network: what editing tests stand on."""

import gc
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from editing.operations import Edit
from editing.session import Session, Tools
from editing.state import Source, State
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.protocols import (
    Conditioning,
    DepthPrediction,
    GenerationSettings,
    Progress,
    Prompt,
    Segmentation,
    VideoGenerator,
    silent,
)
from spatia_core.backends.track_commanded import CommandedTracker
from spatia_core.camera import Camera
from spatia_core.frames import Clip, DepthMap
from spatia_core.io.fitting import Fit
from spatia_core.memory import SpatialMemory
from spatia_core.pipeline import Backends, start_memory
from tests.scenes import Scene, SceneView, make_scene

if TYPE_CHECKING:
    from editing.panels.page import Page

SEED = 7
THING = 1


class TrueDepth:
    """DepthEstimator that knows one picture."""

    name = "true"

    def __init__(self, view: SceneView) -> None:
        self._depth = view.depth

    def estimate(self, image: np.ndarray, K: np.ndarray | None) -> DepthPrediction:
        """The depth of the scene's first view."""
        h, w = self._depth.shape
        return DepthPrediction(DepthMap(self._depth, self.name), start().K, np.zeros((h, w), bool))


class TrueMasks:
    """Segmenter that knows which thing is under a click."""

    name = "true"

    def __init__(self, view: SceneView) -> None:
        self._objects = view.object_id

    def embed(self, image: np.ndarray) -> np.ndarray:
        """The object map."""
        return self._objects

    def segment(self, embedding: np.ndarray, prompt: Prompt) -> Segmentation:
        """The thing under the newest + click, or in the middle of the box."""
        if prompt.positive.any():
            x, y = prompt.points[prompt.positive][-1]
        else:
            assert prompt.box is not None
            x, y = (prompt.box[0] + prompt.box[2]) / 2, (prompt.box[1] + prompt.box[3]) / 2
        mask = embedding == embedding[int(y), int(x)]
        return Segmentation(np.stack([mask, ~mask]), np.array([0.9, 0.1]))


class RecordingGenerator(ReprojectGenerator):
    """The reproject generator, keeping all that it was shown."""

    def __init__(self) -> None:
        self.shown: list[Conditioning] = []

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        """A clip, as usual."""
        self.shown.append(conditioning)
        return super().generate(conditioning, prompt, settings, progress)


def scene() -> Scene:
    """The room of these tests."""
    return make_scene(SEED)


@cache
def first_view() -> SceneView:
    """What the photo's camera sees of it."""
    return scene().render(scene().start(208, 120))


@cache
def start() -> Camera:
    """The photo's camera, as the memory's world has it."""
    camera = scene().start(208, 120)
    return camera.moved(np.eye(4))


@cache
def memory() -> SpatialMemory:
    """The memory of the photo."""
    view = first_view()
    return start_memory(view.image, TrueDepth(view).estimate(view.image, None))


def in_memory_world(cameras: Sequence[Camera]) -> list[Camera]:
    """Cameras of the scene's world as cameras of the memory's world."""
    c2w = scene().start(208, 120).c2w
    return [c.moved(c.w2c @ c2w) for c in cameras]


def thing_mask() -> np.ndarray:
    """Where the thing is seen."""
    return first_view().mask(THING)


def centre_of_thing() -> tuple[float, float]:
    """A pixel on the thing."""
    ys, xs = np.nonzero(thing_mask())
    k = len(ys) // 2
    return float(xs[k]) + 0.5, float(ys[k]) + 0.5


def deletion() -> Edit:
    """The thing's deletion."""
    return Edit("delete", start(), thing_mask())


def make_session(folder: Path, generator: VideoGenerator | None = None) -> Session:
    """A session that has just opened the photo."""
    view = first_view()
    backends = Backends(TrueDepth(view), generator or ReprojectGenerator(), CommandedTracker())
    session = Session(Tools(backends, TrueMasks(view)), folder)
    source = Source(
        view.image, Fit((208, 120), (208, 120)), TrueDepth(view).estimate(view.image, None), "room.png", (208, 120)
    )
    session.begin(source, State(memory(), memory(), start()))
    return session


def page_of(folder: Path) -> Iterator["Page"]:
    """The laid out page, closed at the end; what Gradio leaves open is complained of here, where that is ignored."""
    import gradio as gr

    import app
    from editing.panels.desk import Studio

    with gr.Blocks() as blocks:
        page, _ = app.layout(Studio(folder))
    yield page
    blocks.close()
    del blocks
    gc.collect()
