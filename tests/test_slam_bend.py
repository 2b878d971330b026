"""Depth that bends over the picture: found from the film, believed only where it explains more, taken out."""

from functools import cache

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Depth, Image
from spatia_core.camera import Camera
from spatia_core.slam import Slam, SlamOptions, Trajectory
from spatia_core.slam.bending import Bend, bent
from spatia_core.slam.calibration import CalibrationSettings, Sensor, calibrate, disagreement
from spatia_core.slam.keyframes import MapKeyframe
from spatia_core.slam.views import prepare
from spatia_core.trajectory_metrics import trajectory_error
from training.worlds import make_world
from training.worlds.kinect import handheld

SIZE = (320, 240)
TERMS = np.array([0.002, -0.003, 0.02, -0.03, 0.01])
"""What must be added to the bent film's inverse depth."""


@cache
def film() -> tuple[tuple[Camera, Image, Depth], ...]:
    """Forty frames of things on a floor, with exact depth."""
    world = make_world("clutter", 4)
    cameras = handheld(world, 80, 4, SIZE)[::2]
    seen = [world.render(c, 0, False, False) for c in cameras]
    return tuple((c, s.rgb, s.known_depth()) for c, s in zip(cameras, seen, strict=True))


def spoilt(depth: Depth, K: np.ndarray) -> Depth:
    """The depth as a sensor that bends by TERMS measures it."""
    h, w = depth.shape
    x, y = (np.arange(w) + 0.5 - K[0, 2]) / K[0, 0], ((np.arange(h) + 0.5 - K[1, 2]) / K[1, 1])[:, None]
    off = TERMS[0] * x + TERMS[1] * y + TERMS[2] * x * x + TERMS[3] * y * y + TERMS[4] * x * y
    return (1 / (1 / depth - off)).astype(np.float32)


def run(bends: bool, frames: int = 40, straighten: bool = True) -> tuple[Slam, Trajectory]:
    options = SlamOptions(key_angle=4, key_step=0.04, straighten=straighten)
    slam = Slam(film()[0][0].K, SIZE, options=options)
    for camera, image, depth in film()[:frames]:
        slam.track(image, spoilt(depth, camera.K) if bends else depth)
    return slam, slam.finish()


@cache
def bent_film() -> tuple[Slam, Trajectory]:
    return run(True)


def error(trajectory: Trajectory) -> float:
    return trajectory_error(trajectory.c2w, [c.c2w for c, _, _ in film()[: len(trajectory.c2w)]]).ate


def test_straightening_takes_out_what_a_sensor_bent():
    camera, image, depth = film()[0]
    view = prepare(0, image, spoilt(depth, camera.K), camera.K, None)
    true = prepare(0, image, depth, camera.K, None).levels[0].depth
    measured = view.levels[0].depth
    known = (true > 0) & (measured > 0)
    Bend(TERMS, 1, 0.5).apply(view)
    left, before = np.abs(1 / view.levels[0].depth - 1 / true)[known], np.abs(1 / measured - 1 / true)[known]
    assert np.median(left) < 0.1 * np.median(before)
    assert (view.levels[0].depth[~known & (measured <= 0)] == 0).all()


def test_a_view_is_straightened_once():
    camera, image, depth = film()[0]
    view = prepare(0, image, depth, camera.K, None)
    bend = Bend(TERMS, 1, 0.5)
    bend.apply(view)
    once = view.levels[0].depth.copy()
    bend.apply(view)
    assert np.array_equal(view.levels[0].depth, once)


def test_nothing_added_changes_nothing():
    camera, image, depth = film()[0]
    level = prepare(0, image, depth, camera.K, None).levels[0]
    same = bent(level, np.zeros(5), 0)
    assert np.allclose(same.depth, level.depth, rtol=1e-5)
    assert np.allclose(same.points, level.points, atol=1e-3)


def test_a_bend_is_found_from_the_film():
    slam, _ = bent_film()
    found = slam.map.bend
    assert found is not None
    assert np.abs(found.terms - TERMS).max() < 0.012
    assert found.after < found.before
    assert all(k.view.straight for k in slam.map.keyframes)


def test_a_film_whose_depth_bends_is_tracked_better_with_the_bend_taken_out():
    _, trajectory = bent_film()
    slam, left = run(True, straighten=False)
    assert trajectory.tracked == 1
    assert slam.map.bend is None, "depth is left as measured where nobody asked"
    assert error(trajectory) < 0.6 * error(left)


def test_no_large_bend_is_found_where_there_is_none():
    slam, _ = run(False)
    assert slam.map.bend is None or np.abs(slam.map.bend.terms).max() < 0.005


def test_frames_after_the_first_answer_are_straightened_too():
    slam, _ = run(True, 30)
    for camera, image, depth in film()[30:]:
        slam.track(image, spoilt(depth, camera.K))
    trajectory = slam.finish()
    assert all(k.view.straight for k in slam.map.keyframes)
    assert error(trajectory) < 0.02


def test_calibrating_leaves_measured_depth_alone_and_brings_surfaces_together():
    slam = Slam(film()[0][0].K, SIZE, options=SlamOptions(key_angle=4, key_step=0.04, refine=False))
    for camera, image, depth in film():
        slam.track(image, spoilt(depth, camera.K))
    keyframes, pairs = slam.map.keyframes, slam.map.pairs()
    before = [k.view.levels[0].depth.copy() for k in keyframes]
    flat = Sensor(np.zeros(6), np.zeros(5))
    apart = disagreement(keyframes, pairs, flat, 0.15)
    found = calibrate(keyframes, pairs, {0}, flat, CalibrationSettings(0.15, False, True, (1, 0, 0)))
    assert all(np.array_equal(k.view.levels[0].depth, d) for k, d in zip(keyframes, before, strict=True))
    assert (found.colour == 0).all()
    assert disagreement(keyframes, pairs, found, 0.15)[0] < 0.8 * apart[0]


def test_predicted_depth_is_not_taken_for_a_sensors():
    slam = Slam(
        film()[0][0].K, SIZE, options=SlamOptions(key_angle=4, key_step=0.04, unscaled_depth=True, straighten=True)
    )
    for camera, image, depth in film()[:12]:
        slam.track(image, spoilt(depth, camera.K))
    slam.finish()
    assert slam.map.bend is None


def test_keyframes_that_share_nothing_are_left_where_they_are():
    camera, image, depth = film()[0]
    views = [prepare(i, image, depth, camera.K, None) for i in range(2)]
    away = se3.rigid(np.eye(3), np.array([50.0, 0, 0]))
    keyframes = [MapKeyframe(views[0], np.eye(4), 0), MapKeyframe(views[1], away, 0)]
    settings = CalibrationSettings(0.15, False, True, (1, 0))
    found = calibrate(keyframes, [(0, 1)], {0}, Sensor(np.zeros(6), np.zeros(5)), settings)
    assert np.allclose(keyframes[1].c2w, away)
    assert (found.bend == 0).all()
