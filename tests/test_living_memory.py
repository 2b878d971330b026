"""What was edited stays edited over many turns, and places seen again are not remembered twice."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from editing.operations import clear
from spatia_core import se3
from spatia_core.backends.protocols import DepthPrediction, GenerationSettings, Tracking
from spatia_core.camera import Camera
from spatia_core.frames import Clip, DepthMap
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.pipeline import Backends, Request, Turn, run_turn
from spatia_core.render import render
from tests.studio import RecordingGenerator, memory, start, thing_mask

TURNS, EDITED, FRAMES = 6, 2, 3


@dataclass
class Measured:
    """A tracker whose poses count as measured, so that clips refine, carve and replace."""

    name: str = "measured"

    def track(self, clip: Clip, depths: object, memory: SpatialMemory) -> Tracking:
        """The commanded cameras; every frame is worth remembering."""
        return Tracking(clip.cameras, tuple(range(len(clip))))


@dataclass
class FromMemory:
    """An estimator that answers with what the memory of the moment shows from the frame's camera."""

    name: str = "memory"
    views: dict[bytes, np.ndarray] = field(default_factory=dict)

    def estimate(self, image: np.ndarray, K: np.ndarray | None) -> DepthPrediction:
        """Depth of a picture that was filmed."""
        depth = self.views[image.tobytes()]
        assert K is not None
        return DepthPrediction(DepthMap(depth, self.name), K, np.zeros(depth.shape, bool))


class Filming(RecordingGenerator):
    """The reproject generator, which tells the estimator the depth of every frame."""

    def __init__(self, estimator: FromMemory) -> None:
        super().__init__()
        self._estimator = estimator

    def generate(self, conditioning, prompt, settings, progress=lambda share, doing: None):
        """A clip; its frames' depth is known from now on."""
        clip = super().generate(conditioning, prompt, settings, progress)
        for frame, seen in zip(clip.images, conditioning.projections, strict=True):
            self._estimator.views[frame.tobytes()] = np.nan_to_num(seen.depth, nan=4.0)
        return clip


def path(turn: int) -> list[Camera]:
    """Three turns to the right, three turns back."""
    at = [turn * (FRAMES - 1) + i for i in range(FRAMES)]
    half = TURNS // 2 * (FRAMES - 1)
    steps = [s if s <= half else 2 * half - s for s in at]
    return [start().moved(se3.translation(np.array([-0.06 * s, 0.0, 0.0]))) for s in steps]


@dataclass
class Journey:
    """All turns, what the generator was shown, and what was deleted."""

    turns: list[Turn]
    shown: list
    removed: np.ndarray
    """(n, 3) places of the deleted thing's points."""
    before: SpatialMemory


@cache
def journey() -> Journey:
    estimator = FromMemory()
    generator = Filming(estimator)
    tools = Backends(estimator, generator, Measured())
    now, turns = memory(), []
    removed = np.zeros((0, 3))
    before = now
    for k in range(TURNS):
        if k == EDITED - 1:
            before = now
            cleared = clear(now, start(), thing_mask())
            removed, now = cleared.solid_thing.xyz.astype(np.float64), cleared.memory
        history = turns[-1].clip.cameras[-2:] if turns else ()
        turn = run_turn(now, Request(path(k), GenerationSettings(round_index=k), history=history), tools)
        turns.append(turn)
        now = turn.memory
    return Journey(turns, generator.shown, removed, before)


def thing_pixels(camera: Camera) -> np.ndarray:
    """(h, w) where the thing would be seen, were it still there."""
    j = journey()
    seen = render(j.before.cloud, camera)
    gone = render(j.turns[EDITED - 1].memory.cloud, camera)
    return seen.coverage & gone.coverage & (seen.depth < 0.9 * gone.depth)


def test_the_thing_would_be_seen_in_every_turn_were_it_still_there():
    assert len(journey().removed) > 200
    assert all(max(thing_pixels(c).mean() for c in path(k)) > 0.005 for k in range(TURNS))


def test_an_edit_made_at_turn_two_still_holds_at_turn_six():
    for turn in journey().turns[EDITED - 1 :]:
        xyz = turn.memory.xyz
        low, high = np.percentile(journey().removed, [15, 85], axis=0)
        inside = ((xyz > low) & (xyz < high)).all(1) & (turn.memory.labels.object_id == 0)
        assert inside.sum() <= 0.01 * len(journey().removed)


def test_no_generator_input_of_any_later_turn_shows_it():
    shown = journey().shown[EDITED - 1 :]
    assert len(shown) == TURNS - EDITED + 1
    for conditioning in shown:
        views = [*conditioning.projections]
        for seen, camera in zip(views, conditioning.cameras, strict=True):
            ghost = thing_pixels(camera)
            true = render(journey().turns[EDITED - 1].memory.cloud, camera)
            in_front = ghost & seen.coverage & (seen.depth < 0.93 * true.depth)
            assert in_front.sum() <= 0.02 * max(ghost.sum(), 1)
        for view in (*conditioning.references, *conditioning.history):
            true = render(journey().turns[EDITED - 1].memory.cloud, view.camera)
            ghost = thing_pixels(view.camera)
            with np.errstate(invalid="ignore"):
                in_front = ghost & (view.depth < 0.93 * true.depth)
            assert in_front.sum() <= 0.02 * max(ghost.sum(), 1)


def test_the_way_back_is_not_remembered_twice():
    out = len(journey().turns[TURNS // 2 - 1].memory)
    back = len(journey().turns[-1].memory)
    assert back <= 1.02 * out


def test_what_the_photo_showed_is_never_replaced_by_generated_points():
    first, last = journey().turns[EDITED - 1].memory, journey().turns[-1].memory
    assert last.of(Provenance.OBSERVED).sum() >= 0.999 * first.of(Provenance.OBSERVED).sum()


def test_the_last_frame_shows_what_the_first_one_after_the_edit_showed():
    j = journey()
    after = render(j.turns[EDITED - 1].memory.cloud, start()).rgb.astype(int)
    last = j.turns[-1].clip.images[-1].astype(int)
    assert np.abs(after - last).mean() < 4
