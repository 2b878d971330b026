"""A shot is filmed in rounds: as many frames at once as the generator can take, then on from there."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from editing.path_check import path_warnings
from editing.timeline import Timeline
from editing.walking import Walker
from spatia_core.backends.protocols import GenerationSettings, Progress, Rounds, VideoGenerator, silent
from spatia_core.camera import Camera
from spatia_core.errors import Cancelled, SpatiaError
from spatia_core.frames import Clip
from spatia_core.memory import SpatialMemory
from spatia_core.movers import Mover
from spatia_core.pipeline import Backends, Request, Turn, run_turn
from spatia_core.point_cloud import PointCloud


@dataclass(frozen=True, slots=True)
class Shot:
    """How a clip is to be filmed."""

    path: str = "orbit-left"
    """A camera move by name, or a trajectory file."""
    frames: int = 49
    amount: float = 1.0
    """Multiple of the move's usual size."""
    seed: int = 0
    turns: int = 1
    """How often the path is flown, each time from where the last one ended."""
    prompts: tuple[str, ...] = ()
    """One for every round, the last one again for all further rounds; read by generators that read prompts."""
    keys: Timeline | None = None
    """Keys to follow in place of `path`; they say how many frames there are."""

    def prompt(self, round_index: int) -> str:
        """The prompt of a round."""
        return self.prompts[min(round_index, len(self.prompts) - 1)] if self.prompts else ""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round films."""

    index: int
    cameras: tuple[Camera, ...]
    prompt: str
    starts_turn: bool
    """True when the path is flown anew from here."""
    movers: tuple[Mover, ...] = ()
    """What moves, frame by frame of the round."""
    left_open: PointCloud = field(default_factory=PointCloud.empty)
    """Places that only the generator may fill."""


@dataclass(frozen=True, eq=False, slots=True)
class Footage:
    """All that was filmed so far, and what became of the memory by it."""

    memory: SpatialMemory
    clips: tuple[Clip, ...] = ()
    """One for every finished round."""
    tracked: tuple[Camera, ...] = ()
    """Where the camera really was, frame by frame; the commanded path where nothing was measured."""
    unknown: float = 0.0
    """Largest share of a frame that no point covered before completion."""
    notes: tuple[str, ...] = ()
    stopped: str = ""
    """Why not all rounds were filmed, in one sentence; empty when they were."""

    def then(self, turn: Turn) -> "Footage":
        """The footage with one more round."""
        return Footage(
            turn.memory,
            (*self.clips, turn.clip),
            (*self.tracked, *turn.tracking.cameras),
            max(self.unknown, turn.unknown_before),
            tuple(dict.fromkeys((*self.notes, *turn.notes))),
        )

    def on(self, images: np.ndarray) -> "Footage":
        """The same footage whose pictures are held by `images`, all frames in one array (a memory-mapped file)."""
        ends = np.cumsum([len(c) for c in self.clips])
        parts = np.split(images, ends[:-1])
        return replace(self, clips=tuple(replace(c, images=p) for c, p in zip(self.clips, parts, strict=True)))

    @property
    def clip(self) -> Clip:
        """All rounds as one clip."""
        first = self.clips[0]
        if len(self.clips) == 1:
            return first
        images = np.concatenate([c.images for c in self.clips])
        dynamic = None
        if any(c.dynamic is not None for c in self.clips):
            dynamic = np.concatenate(
                [np.zeros(c.images.shape[:3], bool) if c.dynamic is None else c.dynamic for c in self.clips]
            )
        cameras = tuple(c for k in self.clips for c in k.cameras)
        return replace(first, images=images, cameras=cameras, dynamic=dynamic)


def rounds_of(path: Sequence[Camera], shot: Shot, generator: VideoGenerator) -> tuple[Round, ...]:
    """Every round of a shot: its turns, each cut into what the generator films at once."""
    limits: Rounds | None = getattr(generator, "rounds", None)
    cameras, out = list(path), list[Round]()
    for turn in range(shot.turns):
        plan = limits.plan(len(cameras), continues=turn > 0) if limits else (range(len(cameras)),)
        for part in plan:
            out.append(Round(len(out), tuple(cameras[i] for i in part), shot.prompt(len(out)), part.start == 0))
        # the next turn flies the same motion from where this one ended
        step = cameras[-1].c2w @ cameras[0].w2c
        cameras = [c.moved(c.w2c @ np.linalg.inv(step)) for c in cameras]
    return tuple(out)


def staged(rounds: Sequence[Round], walkers: Sequence[Walker], left_open: PointCloud) -> tuple[Round, ...]:
    """The rounds with what moves in them: each thing goes its whole way once from the first frame to the last."""
    movers = [w.mover(sum(len(r.cameras) for r in rounds)) for w in walkers]
    out, at = list[Round](), 0
    for r in rounds:
        part = range(at, at + len(r.cameras))
        out.append(replace(r, movers=tuple(m.part(part) for m in movers), left_open=left_open))
        at = part.stop
    return tuple(out)


def fingerprint(memory: SpatialMemory, rounds: Sequence[Round], shot: Shot, backends: Backends) -> str:
    """A name for a film: equal only when memory, path, seed, prompts and backends are."""
    digest = hashlib.blake2b(digest_size=16)
    names = (backends.depth.name, backends.generator.name, backends.tracker.name, backends.told)
    digest.update(repr((names, shot.seed, [(len(r.cameras), r.prompt) for r in rounds])).encode())
    for array in (memory.cloud.xyz, memory.cloud.rgb, *(m for r in rounds for c in r.cameras for m in (c.K, c.w2c))):
        digest.update(np.ascontiguousarray(array).tobytes())
    for r in rounds:
        for array in (r.left_open.xyz, *(a for m in r.movers for a in (m.cloud.xyz, m.cloud.rgb, m.poses))):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def film(
    footage: Footage,
    rounds: Sequence[Round],
    shot: Shot,
    backends: Backends,
    progress: Progress = silent,
    finished: Callable[[Footage], None] | None = None,
) -> Footage:
    """The rounds that `footage` still lacks, filmed in order; `finished` is told after every one.

    When a round fails or is cancelled, what was filmed before is kept and `stopped` says why; the very first round's
    error is raised. What is not an expected error is always raised.
    """
    shown = getattr(backends.generator, "rounds", Rounds()).history
    for r in rounds[len(footage.clips) :]:

        def told(share: float, doing: str, k: int = r.index) -> None:
            of = f"Round {k + 1} of {len(rounds)}: {doing}" if len(rounds) > 1 else doing
            progress((k + share) / len(rounds), of)

        settings = GenerationSettings(seed=shot.seed, round_index=r.index)
        history = footage.tracked[-shown:] if shown else ()
        doubts = path_warnings(footage.memory, r.cameras)
        try:
            turn = run_turn(
                footage.memory,
                Request(r.cameras, settings, r.prompt, history, r.movers, r.left_open),
                backends,
                told,
            )
        except SpatiaError as e:
            if not footage.clips:
                raise
            done, why = len(footage.clips), "It was cancelled." if isinstance(e, Cancelled) else str(e)
            goes_on = "What was filmed is kept; film the same shot again to go on from there."
            return replace(footage, stopped=f"Only {done} of {len(rounds)} rounds were filmed. {why} {goes_on}")
        footage = footage.then(replace(turn, notes=(*doubts, *turn.notes)))
        if finished is not None:
            finished(footage)
    return footage
