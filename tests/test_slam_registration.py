"""Films as a Kinect gives them: how colour lies to depth is found, and wrong matches do not throw the camera about."""

from functools import cache

import numpy as np

from spatia_core import se3
from spatia_core.slam import Slam, SlamOptions, Trajectory
from spatia_core.slam.align import Fit
from spatia_core.slam.frontends import likelier
from spatia_core.trajectory_metrics import trajectory_error
from training.worlds import make_world
from training.worlds.kinect import COLOUR_FOCAL, DEPTH_FOCAL, KinectFrame, handheld, kinect, measured, record

SIZE = (320, 240)


@cache
def shot() -> tuple[KinectFrame, ...]:
    """Forty frames of things on a floor."""
    world = make_world("clutter", 4)
    return tuple(record(world, handheld(world, 80, 4, SIZE)[::2], kinect(4), 4))


@cache
def tracked() -> tuple[Slam, Trajectory]:
    slam = Slam(shot()[0].camera.K, SIZE, options=SlamOptions(key_angle=4, key_step=0.04))
    for frame in shot():
        slam.track(frame.image, frame.depth)
    return slam, slam.finish()


def test_the_colour_cameras_lens_is_found_from_the_film():
    slam, _ = tracked()
    found = slam.map.registration
    assert found is not None
    assert abs((1 + found.terms[0]) * DEPTH_FOCAL / COLOUR_FOCAL - 1) < 0.03  # 10 % off when taken as it is
    assert found.after < 0.9 * found.before


def test_a_kinect_film_is_tracked_though_colour_and_depth_lie_apart():
    _, trajectory = tracked()
    error = trajectory_error(trajectory.c2w, [f.camera.c2w for f in shot()])
    assert trajectory.tracked == 1
    assert error.ate < 0.02


def test_colour_that_lies_on_depth_is_left_there():
    world = make_world("clutter", 2)
    slam = Slam(handheld(world, 1, 2, SIZE)[0].K, SIZE, options=SlamOptions(key_angle=4, key_step=0.04))
    for camera in handheld(world, 60, 2, SIZE)[::2]:
        seen = world.render(camera, 0, False, False)
        slam.track(seen.rgb, seen.known_depth())
    slam.finish()
    assert slam.map.registration is None


def test_frames_after_the_first_answer_are_laid_alike():
    slam = Slam(shot()[0].camera.K, SIZE, options=SlamOptions(key_angle=4, key_step=0.04))
    for frame in shot()[:30]:
        slam.track(frame.image, frame.depth)
    slam.finish()
    for frame in shot()[30:]:
        slam.track(frame.image, frame.depth)
    error = trajectory_error(slam.finish().c2w, [f.camera.c2w for f in shot()])
    assert slam.map.registration is not None
    assert all(k.view.registered for k in slam.map.keyframes)
    assert error.ate < 0.02


def test_a_sensor_measures_near_the_truth_with_holes_where_its_light_is_hidden():
    sensor, K = kinect(1), np.array([[DEPTH_FOCAL * 320, 0, 160], [0, DEPTH_FOCAL * 320, 120], [0, 0, 1.0]])
    true = np.full((240, 320), 3.0, np.float32)
    true[80:160, 120:200] = 1.5
    depth = measured(true, K, sensor, np.random.default_rng(0))
    hidden = np.isnan(depth[100:140, 115:119]).mean()
    assert hidden > 0.8
    assert np.isnan(depth[100:140, 250:300]).mean() == 0
    assert np.nanmedian(np.abs(depth / true - 1)) < 0.05


def test_the_expected_pose_is_kept_where_matches_explain_the_picture_worse():
    near, far = se3.rigid(np.eye(3), np.array([0.01, 0, 0])), se3.rigid(np.eye(3), np.array([2.0, 0, 0]))
    good, poor = Fit(0.9, 0.9, 0.002, 5, 1), Fit(0.9, 0.7, 0.002, 5, 1)
    assert likelier((far, poor), (near, good)) == (near, good)
    assert likelier((far, good), (near, poor)) == (far, good)
    darker = Fit(0.9, 0.9, 0.002, 9, 1)
    assert likelier((far, darker), (near, good)) == (near, good)
    assert likelier((far, good), None) == (far, good)
