"""Slam tracks films of known worlds, recognises places, and says what it could not place."""

from functools import cache

import numpy as np
import pytest

from spatia_core import se3
from spatia_core.errors import InvalidInput
from spatia_core.slam import FRONTENDS, Slam, SlamOptions, Trajectory
from spatia_core.slam.graph import Edge, optimise, similarity
from spatia_core.trajectory_metrics import trajectory_error
from training.worlds import WorldClip, film, make_world, path

SIZE = (240, 160)


@cache
def shot() -> WorldClip:
    """A film of things on a floor."""
    world = make_world("clutter", 2)
    return film(world, path(world, "away", 16, 2, SIZE), smooth=False)


def depths(clip: WorldClip) -> np.ndarray:
    """Depth as a sensor gives it: nothing known far away."""
    return np.where(clip.depths < 30, clip.depths, np.nan).astype(np.float32)


def truth(clip: WorldClip) -> list[np.ndarray]:
    return [c.c2w for c in clip.cameras]


def tracked(clip: WorldClip, frontend: str = "feature", options: SlamOptions | None = None) -> Trajectory:
    slam = Slam(clip.cameras[0].K, SIZE, "direct" if frontend == "direct" else "feature", options)
    for image, depth in zip(clip.images, depths(clip), strict=True):
        slam.track(image, depth)
    return slam.finish()


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_a_film_is_tracked_to_a_hundredth_of_its_path(frontend):
    found = tracked(shot(), frontend)
    places = np.array([T[:3, 3] for T in truth(shot())])
    length = np.linalg.norm(np.diff(places, axis=0), axis=1).sum()
    error = trajectory_error(found.c2w, truth(shot()))
    assert found.tracked == 1
    assert error.ate < 0.01 * length
    assert found.c2w[0] is not None
    np.testing.assert_allclose(found.c2w[0], np.eye(4), atol=1e-6)


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_depth_without_scale_is_brought_to_the_first_frames_scale(frontend):
    clip, rng = shot(), np.random.default_rng(0)
    slam = Slam(clip.cameras[0].K, SIZE, frontend, SlamOptions(unscaled_depth=True))
    for k, (image, depth) in enumerate(zip(clip.images, depths(clip), strict=True)):
        odd = 1 / (rng.uniform(0.5, 2) / depth + rng.uniform(0, 0.05))
        slam.track(image, odd.astype(np.float32) if k else depth)
    found = slam.finish()
    error = trajectory_error(found.c2w, truth(clip))
    assert found.tracked == 1
    assert error.ate < 0.03
    assert abs(error.scale - 1) < 0.05


def test_a_path_out_and_back_closes_a_loop_that_joins_distant_frames():
    clip = shot()
    slam = Slam(clip.cameras[0].K, SIZE, options=SlamOptions(key_angle=1.0, key_step=0.01, refine=False))
    images, seen = clip.images, depths(clip)
    for k in [*range(12), *range(10, -1, -1)]:
        slam.track(images[k], seen[k])
    loops = slam.finish().loops
    assert loops
    assert all(b - a > 5 for a, b in loops)


def test_black_frames_are_lost_and_the_camera_is_found_again_after_them():
    clip = shot()
    slam = Slam(clip.cameras[0].K, SIZE, options=SlamOptions(patience=10))
    states = []
    for k, (image, depth) in enumerate(zip(clip.images, depths(clip), strict=True)):
        dark = 6 <= k < 9
        states.append(
            slam.track(np.zeros_like(image) if dark else image, np.full_like(depth, np.nan) if dark else depth)
        )
    assert [s.status for s in states[6:9]] == ["lost"] * 3
    assert "neither texture nor depth" in states[6].note
    found = slam.finish()
    assert [found.c2w[k] is None for k in range(len(clip))] == [6 <= k < 9 for k in range(len(clip))]
    assert any("could not be placed" in n for n in found.notes)
    assert trajectory_error(found.c2w, truth(clip)).ate < 0.01


def test_a_cut_begins_a_new_piece_and_says_so():
    clip, elsewhere = shot(), make_world("tabletop", 5)
    other = film(elsewhere, path(elsewhere, "drift", 6, 5, SIZE), smooth=False)
    slam = Slam(clip.cameras[0].K, SIZE, options=SlamOptions(patience=2))
    for part in (clip, other):
        for image, depth in zip(part.images[:6], depths(part)[:6], strict=True):
            slam.track(image, depth)
    found = slam.finish()
    assert found.pieces[:6] == (0,) * 6
    assert found.pieces[-3:] == (1,) * 3
    assert any("pieces that show nothing in common" in n for n in found.notes)


def moving_block(clip: WorldClip) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The film with a large near block, striped, that slides along; its depth; where it is."""
    images, seen = clip.images.copy(), depths(clip).copy()
    mask = np.zeros(seen.shape, bool)
    y, x = np.mgrid[:130, :130]
    block = np.random.default_rng(1).integers(0, 255, (26, 26, 3), np.uint8)[y // 5, x // 5]
    for k in range(len(clip)):
        left = 6 * k
        mask[k, 20:150, left : left + 130] = True
        images[k, 20:150, left : left + 130] = block
        seen[k, 20:150, left : left + 130] = 0.8
    return images, seen, mask


def test_what_a_mask_marks_as_moving_does_not_carry_the_camera_along():
    clip = shot()
    images, seen, mask = moving_block(clip)
    errors = []
    for use in (True, False):
        slam = Slam(clip.cameras[0].K, SIZE)
        for k in range(len(clip)):
            slam.track(images[k], seen[k], mask[k] if use else None)
        errors.append(trajectory_error(slam.finish().c2w, truth(clip)).ate)
    assert errors[0] < 0.02
    assert errors[0] < 0.2 * errors[1]


def test_frames_after_the_end_of_known_keyframes_hang_on_them_and_finish_can_be_asked_twice():
    clip = shot()
    slam = Slam(clip.cameras[0].K, SIZE)
    for k in range(6):
        slam.track(clip.images[k], depths(clip)[k])
    early = slam.finish()
    for k in range(6, 9):
        slam.track(clip.images[k], depths(clip)[k])
    assert len(early.c2w) == 6
    assert len(slam.finish().c2w) == 9


def test_wrong_input_is_answered_with_a_sentence():
    K, image = shot().cameras[0].K, shot().images[0]
    for wrong in (np.eye(2), np.diag([-1.0, 1, 1]), np.full((3, 3), np.nan)):
        with pytest.raises(InvalidInput, match="K must be a finite 3x3"):
            Slam(wrong, SIZE)
    slam = Slam(K, SIZE)
    with pytest.raises(InvalidInput, match="nothing to track"):
        slam.finish()
    with pytest.raises(InvalidInput, match="this film's frames are 240x160"):
        slam.track(image[:50], None)
    with pytest.raises(InvalidInput, match="give both at one size"):
        slam.track(image, np.ones((80, 120), np.float32))
    with pytest.raises(InvalidInput, match="at least 50 features"):
        SlamOptions(features=10)


def test_a_first_frame_without_depth_is_lost_and_the_map_begins_with_the_next():
    clip = shot()
    slam = Slam(clip.cameras[0].K, SIZE)
    nothing = slam.track(clip.images[0], np.full(SIZE[::-1], np.nan, np.float32))
    assert nothing.c2w is None
    assert "a map cannot begin with it" in nothing.note
    assert slam.track(clip.images[1], depths(clip)[1]).status == "tracked"


def ring(n: int, scale: float, step: np.ndarray) -> tuple[list[np.ndarray], list[Edge]]:
    """A closed ring of true poses, seen through steps that are each a little wrong, and the edge that closes it."""
    true = [se3.rigid(se3.so3_exp(np.array([0, a, 0])), np.array([np.sin(a), 0, 1 - np.cos(a)]))
            for a in np.linspace(0, 2 * np.pi, n, endpoint=False)]  # fmt: skip
    wrong = se3.exp(step) @ similarity(scale, np.eye(3), np.zeros(3))
    edges = [Edge(i, i + 1, se3.inverse(true[i]) @ true[i + 1] @ wrong) for i in range(n - 1)]
    return true, [*edges, Edge(n - 1, 0, se3.inverse(true[-1]) @ true[0], 100 * np.eye(6), robust=True)]


@pytest.mark.parametrize("scale", [1.0, 1.02])
def test_a_loop_takes_most_of_the_drift_out_of_a_ring_and_with_scale_that_of_scale_too(scale):
    true, edges = ring(16, scale, np.array([0.002, 0.004, 0, 0.003, 0, 0.002]))
    drifted = [np.eye(4)]
    for e in edges[:-1]:
        drifted.append(drifted[-1] @ e.measured)
    found = optimise(drifted, edges, with_scale=scale != 1)

    def off(poses: list[np.ndarray]) -> float:
        return max(float(np.linalg.norm(a[:3, 3] - b[:3, 3])) for a, b in zip(poses, true, strict=True))

    assert off(found) < 0.5 * off(drifted)


def test_a_wrong_loop_is_left_without_pull():
    true, edges = ring(12, 1.0, np.zeros(6))
    bad = Edge(0, 6, se3.translation(np.array([9.0, 0, 0])), 1000 * np.eye(6), robust=True)
    found = optimise(true, [*edges, bad])
    assert max(float(np.linalg.norm(a[:3, 3] - b[:3, 3])) for a, b in zip(found, true, strict=True)) < 0.05
    with pytest.raises(InvalidInput, match="a pose that does not exist"):
        optimise(true, [Edge(0, 99, np.eye(4))])
