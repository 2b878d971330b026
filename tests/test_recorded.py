"""A video becomes a memory: its camera is found, what it cannot show is said."""

from functools import cache

import numpy as np
import pytest

from spatia_core import se3
from spatia_core.bundle import Problem, adjusted, placed
from spatia_core.errors import InvalidInput, TrackingLost
from spatia_core.memory import Provenance
from spatia_core.recorded import Recorded, remember_video
from spatia_core.render import render
from spatia_core.trajectory_metrics import trajectory_error
from tests.filmed import BentDepth, F, TinyFilm, filmed, lens, sideways

FRAMES = 16


@cache
def walk() -> TinyFilm:
    return filmed(sideways(FRAMES))


@cache
def recorded() -> Recorded:
    return remember_video(walk().images, walk().times, BentDepth(walk()), lens())


def test_the_cameras_way_is_found_though_every_depth_map_has_another_scale():
    found = [None if T is None else se3.inverse(T) for T in recorded().followed.w2c]
    error = trajectory_error(found, [c.c2w for c in walk().cameras])
    assert error.ate_similarity < 0.01, "of a way of 0.45"
    assert error.rpe_degrees < 0.1


def test_the_memory_is_observed_and_shows_the_last_frame_too():
    memory, followed = recorded().memory, recorded().followed
    assert memory.of(Provenance.OBSERVED).mean() > 0.5
    T = followed.w2c[-1]
    assert T is not None
    seen = render(memory.cloud, memory.keyframes[0].camera.moved(T))
    assert seen.coverage.mean() > 0.95
    off = np.abs(seen.rgb.astype(int) - walk().images[-1]).mean(-1)[seen.coverage]
    assert np.median(off) < 12


def test_it_shows_the_first_frame_as_it_was():
    memory = recorded().memory
    seen = render(memory.cloud, memory.keyframes[0].camera)
    assert (seen.rgb == walk().images[0]).all(-1).mean() > 0.97


def test_it_says_what_was_tracked():
    first = recorded().notes[0]
    assert first.startswith(f"Tracked {FRAMES} of {FRAMES} frames, ")
    assert not any("lost" in n or "hardly moved" in n for n in recorded().notes)


def test_a_cut_keeps_the_first_part_and_says_so():
    other = 255 - np.flip(walk().images, 2)
    images = np.concatenate([walk().images[:12], other[:6]])
    made = remember_video(images, np.arange(18) / 12, BentDepth(walk()), lens())
    assert "Tracked 12 of 18 frames" in made.notes[0]
    assert "lost at 0.9 s" in made.notes[1]
    assert all(T is None for T in made.followed.w2c[12:])


def test_a_lost_camera_is_found_again_where_it_was_before():
    dark = np.zeros_like(walk().images[:3])
    images = np.concatenate([walk().images, dark, walk().images[6:9]])
    made = remember_video(images, np.arange(len(images)) / 12, BentDepth(walk()), lens())
    assert made.followed.w2c[FRAMES + 1] is None
    T, before = made.followed.w2c[FRAMES + 3], made.followed.w2c[6]
    assert T is not None
    assert before is not None
    assert np.linalg.norm((T @ se3.inverse(before))[:3, 3]) < 0.04
    assert "found again" in made.notes[1]


def test_a_camera_that_only_turns_is_said_to_show_no_depth():
    film = filmed([se3.rigid(se3.so3_exp(np.array([0, 0.012 * i, 0])), np.zeros(3)) for i in range(12)])
    made = remember_video(film.images, film.times, BentDepth(film), lens())
    assert any("hardly moved" in n for n in made.notes)


def test_an_assumed_lens_is_measured():
    film = filmed(sideways(20, 0.05))
    wrong = lens()
    wrong[0, 0] = wrong[1, 1] = 1.12 * lens()[0, 0]

    class Assuming(BentDepth):
        def estimate(self, image, K):
            return super().estimate(image, wrong)

    made = remember_video(film.images, film.times, Assuming(film))
    assert abs(made.followed.K[0, 0] / lens()[0, 0] - 1) < 0.07
    assert any("lens was worked out" in n for n in made.notes)


def test_what_cannot_be_followed_is_refused_in_words():
    film = walk()
    with pytest.raises(InvalidInput, match="at least 8 are needed"):
        remember_video(film.images[:5], film.times[:5], BentDepth(film), lens())
    with pytest.raises(TrackingLost, match="blank, dark or blurred"):
        remember_video(np.zeros_like(film.images), film.times, BentDepth(film), lens())
    noise = np.random.default_rng(0).integers(0, 255, film.images.shape, np.uint8)
    with pytest.raises(TrackingLost, match="Only the first"):
        remember_video(noise, film.times, BentDepth(film), lens())


# --- bundle adjustment


def problem(noise: float = 0.0) -> tuple[Problem, np.ndarray]:
    """Five cameras, points of the first two; and the true cameras."""
    rng = np.random.default_rng(1)
    w2c = np.stack(
        [se3.rigid(se3.so3_exp(np.array([0, 0.03 * i, 0])), np.array([-0.1 * i, 0.01, 0])) for i in range(5)]
    )
    w2c[0] = np.eye(4)
    m = 120
    home, pixel, inverse = rng.integers(0, 2, m), rng.uniform([0, 0], [208, 128], (m, 2)), 1 / rng.uniform(1.5, 4, m)
    point, view = (a.ravel() for a in np.meshgrid(np.arange(m), np.arange(5)))
    other = home[point] != view
    point, view = point[other], view[other]
    p = Problem(lens(), w2c, home, pixel, inverse, inverse, point, view, np.zeros((len(point), 2)), True)
    seen = p.errors() + rng.normal(size=(len(point), 2)) * noise
    return Problem(lens(), w2c, home, pixel, inverse, inverse, point, view, seen, True), w2c


def test_cameras_return_to_where_the_points_say_they_are():
    p, true = problem(noise=0.1)
    rng = np.random.default_rng(2)
    start = np.stack([T if i == 0 else se3.rigid(se3.so3_exp(rng.normal(size=3) * 0.02), T[:3, 3] + 0.04) @ np.eye(4)
                      for i, T in enumerate(true)])  # fmt: skip
    start[1:, :3, :3] = start[1:, :3, :3] @ true[1:, :3, :3]
    wild = p.seen.copy()
    wild[::23] += 30
    done = adjusted(Problem(p.K, start, p.home, p.pixel, p.inverse, p.expected, p.point, p.view, wild, True), 30)
    np.testing.assert_array_equal(done.w2c[0], true[0])
    np.testing.assert_allclose(done.w2c[1:, :3, 3], true[1:, :3, 3], atol=0.01)
    np.testing.assert_allclose(done.K, lens(), rtol=1e-6)


def test_a_true_problem_stays_as_it_is():
    p, true = problem()
    np.testing.assert_allclose(adjusted(p).w2c, true, atol=1e-6)


def test_one_camera_is_placed_among_wrong_measurements():
    rng = np.random.default_rng(4)
    xyz = rng.uniform([-1, -1, 2], [1, 1, 4], (80, 3))
    T = se3.rigid(se3.so3_exp(np.array([0.02, -0.05, 0.01])), np.array([0.1, 0, -0.05]))
    q = xyz @ T[:3, :3].T + T[:3, 3]
    seen = q[:, :2] / q[:, 2:] * F + lens()[:2, 2]
    seen[:16] += 40
    pose, error = placed(lens(), np.eye(4), xyz, seen)
    np.testing.assert_allclose(pose, T, atol=1e-3)
    assert (error[:16] > 20).all()
