"""Trajectory error of our SLAM beside Open3D's RGB-D odometry chain, on a sequence folder with true poses.

`python -m benchmarks.slam DIR [--frontend feature|direct|followed] [--depth sensor|predicted] [--straighten]
[--frames N]`. Both see the same frames in the same run. Reading files is not timed. `followed` is what opens a video
without a sensor (`spatia_core/following.py`), here with the lens given; its depth is always predicted.
"""

import argparse
import importlib
import time
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from benchmarks.reporting import finish
from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.backends import registry
from spatia_core.following import Follower
from spatia_core.io.sequences import RgbdSequence, open_sequence
from spatia_core.slam import FRONTENDS, STRAIGHTENING, Slam, SlamOptions, Trajectory
from spatia_core.trajectory_metrics import trajectory_error

FARTHEST = 5.0
"""Metres beyond which Open3D's odometry drops depth."""


def ours(film: RgbdSequence, frontend: str, depth: str, straighten: bool) -> tuple[Trajectory, float, float, int]:
    """Trajectory, seconds of wall and of processor time, and frames lost when first seen."""
    estimator = registry.create("depth", "nano") if depth == "predicted" else None
    options = replace(STRAIGHTENING if straighten else SlamOptions(), unscaled_depth=estimator is not None)
    slam = Slam(film.K, film.size, "direct" if frontend == "direct" else "feature", options)
    warm_up(film, frontend)
    wall = cpu = 0.0
    lost = 0
    for i in range(len(film)):
        image = film.image(i)
        given = film.depth(i) if estimator is None else np.asarray(estimator.estimate(image, film.K).depth.depth)
        w, c = time.perf_counter(), time.process_time()
        lost += slam.track(image, given).c2w is None
        wall, cpu = wall + time.perf_counter() - w, cpu + time.process_time() - c
    w, c = time.perf_counter(), time.process_time()
    trajectory = slam.finish()
    return trajectory, wall + time.perf_counter() - w, cpu + time.process_time() - c, lost


def followed(film: RgbdSequence) -> tuple[Trajectory, float, float, int]:
    """The same of the tracker for videos, which follows points and estimates the depth of keyframes."""
    estimator = registry.create("depth", "nano")

    def estimate(i: int) -> np.ndarray:
        return np.asarray(estimator.estimate(film.image(i), film.K).depth.depth)

    estimate(0)
    follower = Follower(film.K, True, estimate)
    wall = cpu = 0.0
    for i in range(len(film)):
        grey = cv2.cvtColor(film.image(i), cv2.COLOR_RGB2GRAY)
        w, c = time.perf_counter(), time.process_time()
        follower.track(grey)
        wall, cpu = wall + time.perf_counter() - w, cpu + time.process_time() - c
    w, c = time.perf_counter(), time.process_time()
    found = follower.finish()
    wall, cpu = wall + time.perf_counter() - w, cpu + time.process_time() - c
    poses = tuple(None if T is None else se3.inverse(T) for T in found.w2c)
    notes = tuple(f"The camera was lost after frame {i}: {why}" for i, why in found.lost)
    pieces = tuple(-1 if T is None else 0 for T in poses)
    trajectory = Trajectory(poses, found.keyframes, found.loops, pieces, (), notes)
    return trajectory, wall, cpu, sum(T is None for T in poses)


def warm_up(film: RgbdSequence, frontend: str) -> None:
    """Compiles what is compiled on first use, so that compiling is not timed."""
    slam = Slam(film.K, film.size, "direct" if frontend == "direct" else "feature")
    for i in range(min(3, len(film))):
        slam.track(film.image(i), film.depth(i) if film.has_depth else None)
    slam.finish()


def open3d_chain(film: RgbdSequence) -> list[Pose]:
    """Poses by Open3D's hybrid RGB-D odometry, each frame to the one before; a failure counts as standing still."""
    o3d: Any = importlib.import_module("open3d")
    odometry = o3d.t.pipelines.odometry
    steps = [odometry.OdometryConvergenceCriteria(n) for n in (10, 5, 3)]
    K, start = o3d.core.Tensor(np.array(film.K)), o3d.core.Tensor(np.eye(4))

    def frame(i: int):
        depth = np.nan_to_num(film.depth(i), nan=0.0)
        return o3d.t.geometry.RGBDImage(o3d.t.geometry.Image(film.image(i)), o3d.t.geometry.Image(depth))

    poses, before = [np.eye(4)], frame(0)
    for i in range(1, len(film)):
        now = frame(i)
        try:
            found = odometry.rgbd_odometry_multi_scale(
                now, before, K, start, 1.0, FARTHEST, steps, odometry.Method.Hybrid
            ).transformation.numpy()
        except RuntimeError:
            found = np.eye(4)
        poses.append(poses[-1] @ found)
        before = now
    return poses


def main() -> None:
    """Prints ate_m, ate_sim3_m, rpe_m, tracked, loops, fps, open3d_ate_m and what belongs to them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--frontend", choices=(*FRONTENDS, "followed"), default="feature")
    parser.add_argument("--depth", choices=("sensor", "predicted"), default="sensor")
    parser.add_argument("--frames", type=int, default=0, help="only the first so many")
    parser.add_argument("--straighten", action="store_true", help="find how the sensor's depth bends; take it out")
    parser.add_argument("--no-peer", action="store_true", help="leave Open3D's chain out")
    asked = parser.parse_args()
    film = open_sequence(asked.folder)
    if film.c2w is None:
        parser.error("the folder has no poses.txt to compare with")
    if asked.frontend == "followed" and asked.depth == "sensor":
        parser.error("--frontend followed takes no sensor's depth; add --depth predicted")
    if asked.frames:
        film = film.first(asked.frames)
    assert film.c2w is not None
    trajectory, wall, cpu, lost = (
        followed(film) if asked.frontend == "followed" else ours(film, asked.frontend, asked.depth, asked.straighten)
    )
    kept = [p if k == trajectory.main_piece else None for p, k in zip(trajectory.c2w, trajectory.pieces, strict=True)]
    error = trajectory_error(kept, film.c2w)
    places = np.array([T[:3, 3] for T in film.c2w])
    peer = float("nan") if asked.no_peer or not film.has_depth else trajectory_error(open3d_chain(film), film.c2w).ate
    for note in trajectory.notes:
        print(note)
    figures = {
        "ate_m": round(error.ate, 4),
        "ate_sim3_m": round(error.ate_similarity, 4),
        "rpe_m": round(error.rpe, 4),
        "rpe_deg": round(error.rpe_degrees, 3),
        "tracked": round(trajectory.tracked, 4),
        "loops": len(trajectory.loops),
        "fps": round(len(film) / wall, 2),
        "cpu_s_per_frame": round(cpu / len(film), 4),
        "open3d_ate_m": None if np.isnan(peer) else round(peer, 4),
        "frames": len(film),
        "path_m": round(float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum()), 3),
        "keyframes": len(trajectory.keyframes),
        "relocalised": len(trajectory.relocalised),
        "lost_at_first": lost,
        "frontend": asked.frontend,
        "depth": asked.depth,
    }
    finish(figures)


if __name__ == "__main__":
    main()
