"""The trackers slam-feature and slam-direct notice where a clip's camera really was."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from spatia_core import metrics, se3
from spatia_core.backends import registry
from spatia_core.backends.protocols import Tracking
from spatia_core.camera import Camera
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.errors import InvalidInput, TrackingLost
from spatia_core.frames import Clip, DepthMap
from spatia_core.memory import SpatialMemory
from spatia_core.render import render
from tests.scenes import SceneView, make_scene
from tests.studio import first_view, in_memory_world, memory, scene, start

TRACKERS = ("slam-feature", "slam-direct")
COUNT = 9


def depth_of_scene() -> float:
    return memory().stage_depth()


@cache
def commanded(way: str = "truck-left") -> tuple[Camera, ...]:
    return tuple(make_path(way, start(), COUNT, SceneScale.before(start(), depth_of_scene())))


@cache
def strayed(way: str = "truck-left") -> tuple[Camera, ...]:
    """The path with a deviation that grows to 2.5 degrees and 4 % of the depth."""
    turn, shift = np.deg2rad([1.0, 2.2, 0.5]), np.array([0.02, -0.02, 0.028]) * depth_of_scene()
    share = np.sin(np.linspace(0, np.pi / 2, COUNT))
    return tuple(
        c.moved(se3.rigid(se3.so3_exp(s * turn), s * shift) @ c.w2c) for s, c in zip(share, commanded(way), strict=True)
    )


@cache
def seen(way: str = "truck-left") -> tuple[SceneView, ...]:
    """The true room from the strayed cameras."""
    c2w = scene().start(208, 120).c2w
    return tuple(scene().render(c.moved(c.w2c @ se3.inverse(c2w))) for c in strayed(way))


def disobedient(way: str = "truck-left", dynamic: np.ndarray | None = None) -> Clip:
    return Clip(np.stack([v.image for v in seen(way)]), commanded(way), dynamic=dynamic)


def recovered(found: Tracking, way: str = "truck-left") -> tuple[float, float]:
    """Shares of the deviation in rotation and place that the tracker found."""

    def off(cameras: tuple[Camera, ...]) -> np.ndarray:
        pairs = list(zip(cameras, strayed(way), strict=True))
        turns = [metrics.rotation_error(a.w2c, b.w2c) for a, b in pairs]
        return np.array([np.mean(turns), np.mean([metrics.translation_error(a, b) for a, b in pairs])])

    turn, place = 1 - off(found.cameras) / off(commanded(way))
    return float(turn), float(place)


def test_the_films_show_the_memory_from_where_they_were_taken():
    again = in_memory_world([scene().start(208, 120)])[0]
    np.testing.assert_allclose(again.w2c, np.eye(4), atol=1e-9)
    np.testing.assert_array_equal(render(memory().cloud, start()).rgb, first_view().image)


@pytest.mark.parametrize("name", TRACKERS)
@pytest.mark.parametrize("way", ["truck-left", "dolly-in"])
def test_most_of_a_deviation_is_found(name, way):
    found = registry.create("tracker", name).track(disobedient(way), None, memory())
    assert found.measured
    assert min(recovered(found, way)) > 0.8
    assert "degrees from where it was sent" in found.note
    assert found.keyframes[0] == 0
    assert found.keyframes[-1] == COUNT - 1


@pytest.mark.parametrize("odd", [False, True])
def test_depth_of_the_frames_helps_in_the_memorys_scale_and_in_any_other(odd):
    depths = [DepthMap(1 / (1.7 / v.depth + 0.02) if odd else v.depth, "given") for v in seen()]
    found = registry.create("tracker", "slam-feature").track(disobedient(), depths, memory())
    assert min(recovered(found)) > 0.8


def test_a_film_of_the_memory_itself_keeps_its_commanded_cameras_exactly():
    clip = Clip(np.stack([render(memory().cloud, c).rgb for c in commanded()]), commanded())
    found = registry.create("tracker", "slam-feature").track(clip, None, memory())
    assert all(np.array_equal(a.w2c, b.w2c) for a, b in zip(found.cameras, commanded(), strict=True))
    assert found.note == "The camera flew where it was sent."


def test_the_scale_of_the_world_does_not_matter():
    """A memory in millimetres is tracked as one in metres."""
    k = 1000.0
    cloud = replace(memory().cloud, xyz=memory().xyz * np.float32(k), radius=memory().cloud.radius * np.float32(k))
    bigger = [replace(f, depth=f.depth * np.float32(k), camera=_times(f.camera, k)) for f in memory().keyframes]
    large = SpatialMemory(cloud, memory().labels, tuple(bigger))
    clip = Clip(disobedient().images, tuple(_times(c, k) for c in commanded()))
    found = registry.create("tracker", "slam-feature").track(clip, None, large)
    back = Tracking(tuple(_times(c, 1 / k) for c in found.cameras), found.keyframes)
    assert min(recovered(back)) > 0.8


def _times(camera: Camera, k: float) -> Camera:
    return camera.moved(se3.rigid(camera.w2c[:3, :3], k * camera.w2c[:3, 3]))


def test_black_frames_are_bridged_said_and_never_kept():
    clip = disobedient()
    images = clip.images.copy()
    images[4:6] = 0
    found = registry.create("tracker", "slam-feature").track(Clip(images, clip.cameras), None, memory())
    assert not {4, 5} & set(found.keyframes)
    assert "2 frames showed nothing known" in found.note
    assert min(recovered(found)) > 0.7


@pytest.mark.parametrize("name", TRACKERS)
def test_a_film_of_something_else_is_refused(name):
    noise = np.random.default_rng(0).integers(0, 255, (COUNT, 30, 52, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    other = make_scene(31)
    elsewhere = np.stack([other.render(other.start(208, 120)).image] * COUNT)
    for images in (noise, np.zeros_like(noise), elsewhere)[:: 1 if name == "slam-feature" else 2]:
        with pytest.raises(TrackingLost, match="show"):
            registry.create("tracker", name).track(Clip(images, commanded()), None, memory())


def test_what_is_marked_as_moving_does_not_pull_the_camera():
    clip = disobedient()
    images, moving = clip.images.copy(), np.zeros(clip.images.shape[:3], bool)
    still = seen()[0].image
    images[:, 10:110, 100:200] = still[10:110, 100:200]  # a large part that keeps its place in the picture
    moving[:, 10:110, 100:200] = True
    found = registry.create("tracker", "slam-direct").track(Clip(images, clip.cameras, dynamic=moving), None, memory())
    assert min(recovered(found)) > 0.7


def test_a_path_out_and_back_is_recognised_as_a_revisit():
    out = list(make_path("truck-left", start(), COUNT, SceneScale.before(start(), depth_of_scene()), 3.0))
    way = tuple([*out, *out[-2::-1]])
    clip = Clip(np.stack([render(memory().cloud, c).rgb for c in way]), way)
    found = registry.create("tracker", "slam-feature").track(clip, None, memory())
    assert (0, len(way) - 1) in found.loops


def test_wrong_input_is_answered_with_a_sentence():
    tracker = registry.create("tracker", "slam-feature")
    depth = DepthMap(seen()[0].depth, "given")
    with pytest.raises(InvalidInput, match="memory is empty"):
        tracker.track(disobedient(), None, SpatialMemory.empty())
    with pytest.raises(InvalidInput, match="1 depth maps for 9 frames"):
        tracker.track(disobedient(), [depth], memory())
    with pytest.raises(InvalidInput, match="give both at one size"):
        tracker.track(disobedient(), [DepthMap(depth.depth[:50], "given")] * COUNT, memory())
