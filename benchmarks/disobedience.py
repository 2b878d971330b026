"""A generator that does not fly the commanded path: does tracking notice, and does the memory stay single?

`python -m benchmarks.disobedience [SCENES] [--tracker NAME]`. In analytic rooms the commanded path leads out and
back; the clip that comes back is a true film of the room from cameras that stray smoothly by up to 3 degrees and 5 %
of the scene's depth. Reported per tracker:

- `recovered`: 1 - (tracked against true) / (commanded against true), of rotation and of place, medians over scenes;
- `chamfer`: mean distance of the points that the clip added to the true surfaces, in percent of the scene's depth, for
  the tracked, the trusted commanded and the known true path (what fusing itself adds), and the ratio of the first two
  (3 or more is the goal).
"""

import argparse
from typing import Any

import numpy as np

from benchmarks.reporting import finish
from spatia_core import metrics, se3
from spatia_core.backends import registry
from spatia_core.backends.protocols import DepthPrediction, Tracking
from spatia_core.camera import Camera
from spatia_core.camera_path import make_path
from spatia_core.frames import Clip, DepthMap
from spatia_core.fusion import FusionOptions, fuse_clip
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.pipeline import start_memory
from tests.scenes import Scene, make_scene

FRAMES, SIZE = 41, (416, 240)
PATHS = ("orbit-left-and-back", "truck-right-and-back", "spiral")
DEGREES, DEPTHS = 3.0, 0.05


class KnownDepth:
    """The true depth of every frame of one film, found by its picture."""

    name = "true"

    def __init__(self, known: dict[bytes, np.ndarray]) -> None:
        self._known = known

    def estimate(self, image: np.ndarray, K: np.ndarray | None) -> DepthPrediction:
        """The frame's true depth; `K` must be given."""
        assert K is not None
        depth = self._known[image.tobytes()]
        return DepthPrediction(DepthMap(depth, self.name), K, np.zeros(depth.shape, bool))


def strayed(path: list[Camera], depth: float, rng: np.random.Generator) -> list[Camera]:
    """The path with smooth deviations that begin at nothing and reach DEGREES and DEPTHS."""
    time = np.linspace(0, 1, len(path))
    each = [rng.normal(size=(6, 1)) * np.sin(np.pi * k * time + rng.uniform(0, 6)) for k in (1, 2, 3)]
    waves = np.sum(each, axis=0)
    waves = (waves - waves[:, :1]) * np.minimum(1, 4 * time)
    turn = waves[:3] / np.linalg.norm(waves[:3], axis=0).max() * np.deg2rad(DEGREES)
    shift = waves[3:] / np.linalg.norm(waves[3:], axis=0).max() * DEPTHS * depth
    return [
        c.moved(
            se3.rigid(se3.so3_exp(turn[:, i]), shift[:, i]) @ c.w2c,
        )
        for i, c in enumerate(path)
    ]


def added(
    memory: SpatialMemory, clip: Clip, tracking: Tracking, depth: KnownDepth, options: FusionOptions
) -> np.ndarray:
    """(n, 3) the points that fusing the clip added."""
    fused, _ = fuse_clip(memory, clip, tracking, depth, options)
    return fused.xyz[fused.of(Provenance.GENERATED)]


def from_surface(scene: Scene, points: np.ndarray) -> np.ndarray:
    """(n,) distance of the points (in the scene's world) to the nearest true surface, exactly."""
    nearest = np.full(len(points), np.inf)
    for thing in (scene.room, *scene.things):
        local = se3.transform(se3.inverse(thing.pose), points.astype(np.float64))
        if thing.shape == "ball":
            distance = np.abs(np.linalg.norm(local, axis=1) - thing.half[0])
        else:
            beyond = np.abs(local) - thing.half
            outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
            distance = np.abs(outside + np.minimum(beyond.max(axis=1), 0))
        nearest = np.minimum(nearest, distance)
    return nearest


def trial(seed: int, tracker: Any, measured: bool = False) -> dict[str, float]:
    """One room, one film."""
    scene, rng = make_scene(200 + seed), np.random.default_rng(seed)
    start = scene.start(*SIZE)
    view = scene.render(start)
    # the photo's camera is the memory's world; the scene has its own
    memory = start_memory(view.image, KnownDepth({view.image.tobytes(): view.depth}).estimate(view.image, start.K))
    amount = 2.5
    commanded = list(make_path(PATHS[seed % len(PATHS)], start, FRAMES, scene.scale(start), amount))
    true = strayed(commanded, scene.scale(start).depth, rng)
    seen = [scene.render(c) for c in true]
    in_memory = [c.moved(c.w2c @ start.c2w) for c in commanded]
    truth = [c.moved(c.w2c @ start.c2w) for c in true]
    clip = Clip(np.stack([s.image for s in seen]), tuple(in_memory), maker="disobedient")
    depth = KnownDepth({s.image.tobytes(): s.depth for s in seen})
    options = FusionOptions(depths=[DepthMap(s.depth, depth.name) for s in seen] if measured else None)
    tracking = tracker.track(clip, None, memory)
    trusted = Tracking(tuple(in_memory), tracking.keyframes, measured=False)
    unit = scene.scale(start).depth

    def error(cameras: Any) -> tuple[float, float]:
        turn = [metrics.rotation_error(a.w2c, b.w2c) for a, b in zip(cameras, truth, strict=True)]
        place = [metrics.translation_error(a, b) for a, b in zip(cameras, truth, strict=True)]
        return float(np.mean(turn)), float(np.mean(place))

    def chamfer(followed: Tracking) -> float:
        points = added(memory, clip, followed, depth, options)
        places = se3.transform(start.c2w, points.astype(np.float64))
        return 100 * float(from_surface(scene, places).mean()) / unit if len(points) else 0.0

    (turn, place), (turn_trusted, place_trusted) = error(tracking.cameras), error(in_memory)
    return {
        "rotation": 1 - turn / turn_trusted,
        "place": 1 - place / place_trusted,
        "chamfer": chamfer(tracking),
        "chamfer_trusted": chamfer(trusted),
        "chamfer_known": chamfer(Tracking(tuple(truth), tracking.keyframes)),
    }


def main() -> None:
    """Prints {recovered: {rotation, place}, chamfer: {tracked, trusted, ratio}}; fails when a goal is missed."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenes", nargs="?", type=int, default=6)
    p.add_argument("--tracker", default="slam-feature", choices=registry.names("tracker"))
    p.add_argument("--measured-depth", action="store_true", help="fuse the true depth as it is, not as an estimate")
    args = p.parse_args()
    tracker = registry.create("tracker", args.tracker)
    trials = []
    for seed in range(args.scenes):
        trials.append(trial(seed, tracker, args.measured_depth))
        print(seed, {k: round(v, 3) for k, v in trials[-1].items()})
    of = {k: float(np.median([t[k] for t in trials])) for k in trials[0]}
    ratio = of["chamfer_trusted"] / max(of["chamfer"], 1e-9)
    figures = {
        "tracker": args.tracker,
        "depth": "measured" if args.measured_depth else "estimated",
        "recovered": {k: round(of[k], 3) for k in ("rotation", "place")},
        "chamfer": {
            "tracked": round(of["chamfer"], 3),
            "trusted": round(of["chamfer_trusted"], 3),
            "known": round(of["chamfer_known"], 3),
            "ratio": round(ratio, 2),
        },
        "scenes": len(trials),
    }
    finish(figures, min(of["rotation"], of["place"]) >= 0.9 and ratio >= 3)


if __name__ == "__main__":
    main()
