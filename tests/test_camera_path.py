from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.camera_path import BASE_NAMES, PATH_DESCRIPTIONS, PATH_NAMES, CameraPath, Key, SceneScale, make_path
from spatia_core.camera_path import keyed as keyed_path
from spatia_core.errors import InvalidInput
from tests.values import camera, poses

START = camera(832, 480)
SCENE = SceneScale.before(START, 4.0)
CENTRE = np.array([[0, 0, 4]], np.float32)


def end(name: str, amount: float = 1.0) -> Camera:
    return make_path(name, START, 25, SCENE, amount)[-1]


def same(a: Camera, b: Camera) -> bool:
    return bool((a.w2c == b.w2c).all() and (a.K == b.K).all())


@pytest.mark.parametrize("name", PATH_NAMES)
@pytest.mark.parametrize("frames", [1, 2, 3, 49])
def test_every_path_has_its_frames_and_starts_at_the_start(name, frames):
    path = make_path(name, START, frames, SCENE)
    assert len(path) == frames
    assert path[0] is START


@pytest.mark.parametrize("name", [n for n in PATH_NAMES if n.endswith("-and-back")])
def test_a_path_and_back_ends_with_the_very_first_camera(name):
    path = make_path(name, START, 49, SCENE)
    assert path.closed
    assert path[-1] is path[0]
    assert not same(path[24], START)


@pytest.mark.parametrize("name", BASE_NAMES)
def test_the_turning_point_of_a_return_is_the_end_of_the_one_way_move(name):
    turn = make_path(name + "-and-back", START, 49, SCENE)[24]
    np.testing.assert_allclose(turn.w2c, end(name).w2c, atol=1e-12)
    np.testing.assert_allclose(turn.K, end(name).K)


@pytest.mark.parametrize(("name", "sign"), [("orbit-left", -1), ("orbit-right", 1)])
def test_orbit_is_where_the_camera_goes_and_it_keeps_facing_the_centre(name, sign):
    path = make_path(name, START, 25, SCENE)
    assert sign * path[-1].centre[0] > 0.3
    for view in path:
        np.testing.assert_allclose(view.project(CENTRE)[0], [[416, 240]], atol=1e-4)
        assert np.linalg.norm(view.centre - [0, 0, 4]) == pytest.approx(4)


@pytest.mark.parametrize(
    ("name", "axis", "sign"), [("pan-left", 0, -1), ("pan-right", 0, 1), ("tilt-up", 1, -1), ("tilt-down", 1, 1)]
)
def test_pan_and_tilt_turn_on_the_spot(name, axis, sign):
    for view in make_path(name, START, 9, SCENE):
        np.testing.assert_allclose(view.centre, np.zeros(3), atol=1e-12)
    assert sign * end(name).c2w[axis, 2] > 0.05


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("dolly-in", [0, 0, 0.56]),
        ("dolly-out", [0, 0, -0.56]),
        ("truck-left", [-0.32, 0, 0]),
        ("truck-right", [0.32, 0, 0]),
        ("pedestal-up", [0, -0.24, 0]),
        ("pedestal-down", [0, 0.24, 0]),
    ],
)
def test_slides_move_by_a_share_of_the_depth_and_do_not_turn(name, offset):
    np.testing.assert_allclose(end(name).centre, offset, atol=1e-12)
    np.testing.assert_allclose(end(name).w2c[:3, :3], np.eye(3), atol=1e-12)


@pytest.mark.parametrize(("name", "factor"), [("zoom-in", 1.2), ("zoom-out", 1 / 1.2)])
def test_zoom_changes_the_lens_only(name, factor):
    assert end(name).K[0, 0] == pytest.approx(START.K[0, 0] * factor)
    assert (end(name).w2c == START.w2c).all()


def test_the_spiral_keeps_the_scenes_centre_at_its_pixel():
    for view in make_path("spiral", START, 25, SCENE):
        np.testing.assert_allclose(view.project(CENTRE)[0], [[416, 240]], atol=1e-4)


@given(poses, st.sampled_from(BASE_NAMES))
def test_moves_look_the_same_from_wherever_they_start(w2c, name):
    moved = START.moved(w2c)
    here = make_path(name, START, 5, SCENE)[-1]
    there = make_path(name, moved, 5, SceneScale.before(moved, 4.0))[-1]
    np.testing.assert_allclose(there.w2c @ se3.inverse(w2c), here.w2c, atol=1e-7)


@pytest.mark.parametrize("name", PATH_NAMES)
def test_moves_ease_in_and_out_and_never_jump(name):
    path = make_path(name, START, 97, SCENE)
    state = np.array([[*se3.log(c.w2c), np.log(c.K[0, 0])] for c in path])
    speed = np.linalg.norm(np.diff(state, axis=0), axis=1)
    assert speed[0] < 0.1 * speed.max()
    assert speed[-1] < 0.1 * speed.max()
    assert np.abs(np.diff(state, n=2, axis=0)).max() < 0.2 * speed.max()


@pytest.mark.parametrize("name", ["orbit-left", "truck-left", "tilt-up", "zoom-in"])
def test_the_amount_scales_the_move(name):
    def size(view: Camera) -> float:
        w2c = view.w2c
        return float(np.linalg.norm(se3.so3_log(w2c[:3, :3])) + np.linalg.norm(w2c[:3, 3]) + np.log(view.K[0, 0]))

    still, one, two = size(START), size(end(name)), size(end(name, 2))
    assert two - still == pytest.approx(2 * (one - still), rel=0.01)
    assert same(end(name, 0.0), START)


def test_looking_straight_down_still_gives_an_orbit():
    down = START.moved(se3.look_at(np.zeros(3), np.array([0.0, 1, 0]), np.array([0.0, 0, 1])))
    path = make_path("orbit-left", down, 9, SceneScale(np.array([0.0, 4, 0]), 4.0, np.array([0.0, -1, 0])))
    assert path[-1].centre[1] < 0.1
    assert np.linalg.norm(path[-1].centre) > 0.3


def test_an_unknown_move_is_answered_with_the_nearest_name_and_all_names():
    with pytest.raises(InvalidInput, match="Did you mean 'orbit-left'") as error:
        make_path("Orbit Left", START, 9, SCENE)
    assert all(name in str(error.value) for name in BASE_NAMES)


@pytest.mark.parametrize("amount", [-1.0, float("nan"), 1e9])
def test_a_senseless_amount_is_refused(amount):
    with pytest.raises(InvalidInput, match="amount"):
        make_path("pan-left", START, 9, SCENE, amount)


@pytest.mark.parametrize("frames", [0, -3, 10_001])
def test_a_senseless_number_of_frames_is_refused(frames):
    with pytest.raises(InvalidInput, match="1 to 10000 frames"):
        make_path("pan-left", START, frames, SCENE)


@pytest.mark.parametrize(
    ("depth", "up", "says"), [(0.0, [0, 1, 0], "depth"), (1.0, [0, 0, 0], "no length"), (1.0, [np.nan, 0, 0], "up")]
)
def test_a_scene_has_a_size_and_an_up(depth, up, says):
    with pytest.raises(InvalidInput, match=says):
        SceneScale(np.zeros(3), depth, np.array(up, dtype=float))


def test_every_name_is_described_and_orbit_and_pan_are_different_words():
    assert set(PATH_DESCRIPTIONS) == set(PATH_NAMES)
    assert "travels" in PATH_DESCRIPTIONS["orbit-left"]
    assert "stays where it is" in PATH_DESCRIPTIONS["pan-left"]


@given(st.lists(poses, min_size=2, max_size=5), st.booleans())
def test_a_keyed_path_passes_through_its_keys(w2cs, closed):
    assume(not (closed and np.allclose(w2cs[0], w2cs[-1])))
    keys = [Key(float(i), START.moved(T)) for i, T in enumerate(w2cs)]
    gaps = len(keys) if closed else len(keys) - 1
    path = keyed_path(keys, 4 * gaps + 1, closed)
    for i, key in enumerate(keys):
        assert path[4 * i] is key.camera
    assert path.closed is closed
    assert all(se3.is_rigid(c.w2c, 1e-6) for c in path)


def test_a_last_key_that_is_the_first_camera_closes_the_path_by_itself():
    far = START.moved(se3.translation(np.array([1.0, 0, 0])))
    path = keyed_path([Key(0.0, START), Key(1.0, far), Key(2.0, START)], 9, closed=True)
    assert path[0] is path[-1] is START
    assert path[4] is far


def test_a_keyed_path_has_no_kinks():
    rng = np.random.default_rng(3)
    keys = [Key(float(t), START.moved(se3.exp(rng.normal(scale=0.3, size=6)))) for t in (0, 1, 2.5, 3)]
    speed = _speeds(keyed_path(keys, 1201))
    assert np.abs(np.diff(speed, axis=0)).max() < 0.03 * np.abs(speed).max()


def test_a_closed_keyed_path_runs_through_its_start_without_a_kink():
    rng = np.random.default_rng(4)
    keys = [Key(float(t), START.moved(se3.exp(rng.normal(scale=0.3, size=6)))) for t in range(4)]
    speed = _speeds(keyed_path(keys, 1601, closed=True))
    assert np.abs(speed[0] - speed[-1]).max() < 0.03 * np.abs(speed).max()


def _speeds(path: CameraPath) -> np.ndarray:
    steps = [se3.log(b.w2c @ se3.inverse(a.w2c)) for a, b in pairwise(path)]
    return np.array(steps)


def test_equal_keys_hold_the_camera_still():
    far = START.moved(se3.translation(np.array([1.0, 0, 0])))
    path = keyed_path([Key(0.0, START), Key(1.0, far), Key(2.0, far), Key(3.0, START)], 31)
    assert all(np.allclose(c.w2c, far.w2c, atol=1e-12) for c in path[10:21])


def test_zoom_between_keys_is_even_to_the_eye():
    path = keyed_path([Key(0.0, START), Key(1.0, START.zoomed(4))], 3)
    assert path[1].K[0, 0] == pytest.approx(2 * START.K[0, 0])


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ([Key(0.0, START)], "at least two"),
        ([Key(0.0, START), Key(0.0, START)], "grow"),
        ([Key(0.0, START), Key(float("nan"), START)], "finite"),
        ([Key(0.0, START), Key(1.0, camera(8, 8))], "picture size"),
    ],
)
def test_keys_that_make_no_path_are_refused(keys, says):
    with pytest.raises(InvalidInput, match=says):
        keyed_path(keys, 5)


@pytest.mark.parametrize("frames", [1, 2, 25, 49, 97])
def test_resampling_keeps_both_ends(frames):
    path = make_path("orbit-left", START, 49, SCENE)
    other = path.resampled(frames)
    assert len(other) == frames
    assert other[0] is path[0]
    assert frames == 1 or other[-1] is path[-1]


def test_resampling_to_twice_the_frames_keeps_every_camera():
    path = make_path("spiral-and-back", START, 25, SCENE)
    doubled = path.resampled(49)
    assert doubled.closed
    assert all(a is b for a, b in zip(path, doubled.cameras[::2], strict=True))


def test_resampling_finds_what_lay_between_the_frames():
    coarse, fine = (make_path("orbit-left", START, n, SCENE) for n in (25, 49))
    between = coarse.resampled(49)
    worst = max(np.abs(a.w2c - b.w2c).max() for a, b in zip(between, fine, strict=True))
    assert worst < 1e-3


def test_a_path_is_not_empty_of_one_size_and_closed_only_when_it_is():
    with pytest.raises(InvalidInput, match="at least one"):
        CameraPath(())
    with pytest.raises(InvalidInput, match="picture size"):
        CameraPath((START, camera(8, 8)))
    with pytest.raises(InvalidInput, match="closed"):
        CameraPath((START, START.zoomed(2)), closed=True)


def test_a_resized_path_shows_the_same_views():
    small = make_path("pan-left", START, 3, SCENE).resized(416, 240)
    np.testing.assert_allclose(small[-1].project(CENTRE)[0] * 2, end("pan-left").project(CENTRE)[0], atol=1e-3)
