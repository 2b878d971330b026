"""Keys on a timeline: a value that becomes a camera path."""

import json
from itertools import pairwise

import numpy as np
import pytest

from editing.timeline import MAX_FRAMES, Timeline, TimelineKey, as_seen, described, keys_of, read_timeline
from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.camera_path import EASINGS, PATH_NAMES, SceneScale, make_path
from spatia_core.errors import InvalidInput
from tests.studio import memory, start


def preset(name: str, frames: int = 49, amount: float = 1.0):
    depth = memory().stage_depth()
    return make_path(name, start(), frames, SceneScale.before(start(), depth), amount)


def beside(x: float) -> Camera:
    return start().moved(start().w2c @ se3.translation(np.array([-x, 0.0, 0.0])))


def three() -> Timeline:
    keys = tuple(TimelineKey(f, beside(x)) for f, x in ((0, 0.0), (10, 0.2), (20, 0.1)))
    return Timeline(keys, 21)


def same(a: Camera, b: Camera) -> bool:
    return bool(np.allclose(a.w2c, b.w2c, atol=1e-9) and np.allclose(a.K, b.K))


@pytest.mark.parametrize("name", PATH_NAMES)
def test_a_preset_becomes_keys_that_go_the_same_way(name):
    path = preset(name, amount=2.0)
    timeline = keys_of(path, memory().median_depth())
    made = timeline.path()
    assert len(made) == len(path)
    assert len(timeline.keys) <= 28
    assert timeline.loop == path.closed
    for a, b in zip(made, path, strict=True):
        assert np.linalg.norm(a.centre - b.centre) <= 0.005 * memory().median_depth()
        assert se3.is_rigid(a.w2c)
    assert made[0] is path[0]


def test_the_path_is_at_every_key_at_its_frame():
    timeline = three()
    path = timeline.path()
    assert len(path) == 21
    assert all(path[k.frame] is k.camera for k in timeline.keys)


def test_the_camera_stands_still_before_the_first_and_after_the_last_key():
    path = Timeline((TimelineKey(5, beside(0.1)), TimelineKey(10, beside(0.3))), 20).path()
    assert all(same(path[k], beside(0.1)) for k in range(6))
    assert all(same(path[k], beside(0.3)) for k in range(10, 20))


def test_one_key_is_a_camera_that_stands_still():
    path = Timeline((TimelineKey(3, beside(0.2)),), 8).path()
    assert len(path) == 8
    assert all(same(c, beside(0.2)) for c in path)


@pytest.mark.parametrize("easing", EASINGS)
def test_every_easing_keeps_the_keys_and_changes_the_speed_between(easing):
    timeline = three().eased(0, easing)
    path = timeline.path()
    assert all(path[k.frame] is k.camera for k in timeline.keys)
    x = np.array([c.centre[0] for c in path])[:11] / 0.2
    steps = np.diff(x)
    if easing == "even":
        np.testing.assert_allclose(x, np.linspace(0, 1, 11), atol=1e-9)
    if easing in ("gentle", "settle"):
        assert steps[-1] < 0.6 * steps.max()
    if easing in ("gentle", "gather"):
        assert steps[0] < 0.2 * steps.max()


def test_twice_the_speed_has_half_the_frames_and_the_same_ends():
    path = three().at_speed(2.0).path()
    assert len(path) == 11
    assert same(path[5], beside(0.2))
    assert same(path[-1], beside(0.1))


def test_another_length_moves_the_keys_apart():
    timeline = three().lasting(41)
    assert [k.frame for k in timeline.keys] == [0, 20, 40]
    assert timeline.frames == 41
    with pytest.raises(InvalidInput, match="do not fit"):
        three().lasting(2)


def test_a_loop_ends_where_it_began_without_a_jump():
    timeline = three().looped(True)
    path = timeline.path()
    assert path.closed
    assert same(path[0], path[-1])
    steps = [np.linalg.norm(b.centre - a.centre) for a, b in pairwise(path)]
    assert max(steps) < 0.1
    assert timeline.looped(False).keys == timeline.keys
    back = keys_of(preset("truck-left-and-back"), 1.0)
    assert back.looped(False).looped(True).length == back.length


def test_keys_are_added_moved_copied_and_deleted():
    timeline = three().with_key(5, beside(0.4))
    assert [k.frame for k in timeline.keys] == [0, 5, 10, 20]
    timeline = timeline.moved(1, 15)
    assert [k.frame for k in timeline.keys] == [0, 10, 15, 20]
    assert same(timeline.keys[2].camera, beside(0.4))
    timeline = timeline.duplicated(0)
    assert [k.frame for k in timeline.keys] == [0, 5, 10, 15, 20]
    assert same(timeline.keys[1].camera, beside(0.0))
    timeline = timeline.duplicated(4)
    assert [k.frame for k in timeline.keys][-1] == 25
    assert timeline.frames == 26
    assert len(timeline.without(2).keys) == 5
    assert timeline.moved(5, 40).frames == 41


def test_a_key_put_where_one_stands_takes_its_place_and_its_easing():
    timeline = three().eased(1, "gentle").with_key(10, beside(0.5))
    assert len(timeline.keys) == 3
    assert timeline.keys[1].easing == "gentle"
    assert same(timeline.keys[1].camera, beside(0.5))


def test_a_key_in_between_hardly_changes_the_path():
    before = three().path()
    after = three().with_key(5, three().camera_at(5)).path()
    assert max(np.linalg.norm(a.centre - b.centre) for a, b in zip(before, after, strict=True)) < 0.02


def test_the_lens_of_a_key_is_told_in_millimetres():
    timeline = three().zoomed(1, 50.0)
    assert timeline.keys[1].millimetres == pytest.approx(50.0)
    assert timeline.path()[10].K[0, 0] == pytest.approx(50 / 36 * 208)
    assert timeline.keys[0].millimetres == three().keys[0].millimetres


def test_a_view_of_another_shape_is_seen_as_high_as_it_was():
    view = Camera.from_fov(400, 400, 1.0, beside(0.3).w2c)
    camera = as_seen(view, start())
    assert (camera.width, camera.height) == (208, 120)
    assert camera.K[1, 1] / camera.height == pytest.approx(view.K[1, 1] / view.height)
    assert same(camera.moved(view.w2c), camera)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.moved(0, 10), "a key at frame 11 already"),
        (lambda t: t.moved(0, -1), "between 1 and"),
        (lambda t: t.moved(0, 10**6), "frames"),
        (lambda t: t.moved(7, 3), "no key 8"),
        (lambda t: t.without(0).without(0).without(0), "at least one key"),
        (lambda t: t.eased(0, "sideways"), "no easing"),
        (lambda t: t.zoomed(0, 1000.0), "mm"),
        (lambda t: t.at_speed(100.0), "speed"),
        (lambda t: t.at_speed(float("nan")), "speed"),
        (lambda t: t.lasting(MAX_FRAMES + 1), "frames"),
        (lambda t: t.with_key(30, start()), "between 1 and 21"),
        (lambda t: t.with_key(3, start().resized(100, 60)), "picture size"),
        (lambda t: t.with_key(1, start()).duplicated(0), "no free frame"),
    ],
)
def test_what_no_timeline_can_be_is_said(change, says):
    with pytest.raises(InvalidInput, match=says):
        change(three())


def test_a_timeline_survives_being_written_down():
    def of_camera(c: Camera):
        return {"K": c.K.tolist(), "w2c": c.w2c.tolist(), "size": [c.width, c.height]}

    def to_camera(d):
        return Camera(np.array(d["K"]), np.array(d["w2c"]), *d["size"])

    timeline = three().eased(1, "settle").zoomed(2, 60).looped(True).at_speed(0.5)
    again = read_timeline(json.loads(json.dumps(described(timeline, of_camera))), to_camera)
    assert all(same(a, b) for a, b in zip(again.path(), timeline.path(), strict=True))
    assert (again.loop, again.speed, again.length) == (True, 0.5, timeline.length)
