"""Pictures and depth maps that nobody takes a camera out for: a sane memory or a clear error, never a NaN."""

import numpy as np
import pytest

from spatia_core.alignment import settled
from spatia_core.backends.depth_nano import NanoDepth
from spatia_core.backends.protocols import Prompt
from spatia_core.backends.segment_hybrid import HybridSegmenter
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.fusion import remember_view
from spatia_core.io.depth_files import load_depth
from spatia_core.memory import Keyframe, SpatialMemory
from spatia_core.render import render
from spatia_core.solid import solid


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


PICTURES = {
    "black": np.zeros((96, 128, 3), np.uint8),
    "white": np.full((96, 128, 3), 255, np.uint8),
    "noise": noise(96, 128),
    "stripes of one pixel": np.tile(np.array([[[0]], [[255]]], np.uint8), (48, 128, 3)),
    "half black, half white": np.repeat(np.array([0, 255], np.uint8), 64)[None, :, None].repeat(96, 0).repeat(3, 2),
    "panorama": noise(60, 600),
    "50 pixels": noise(50, 50),
    "50 pixels wide": noise(200, 50),
}


@pytest.fixture(scope="module")
def nano():
    return NanoDepth()


@pytest.fixture(scope="module")
def hybrid():
    return HybridSegmenter()


def remembered(image, depth, K):
    blank = np.zeros(depth.shape, bool)
    h, w = depth.shape
    view = Keyframe(image, depth, Camera(K, np.eye(4), w, h), blank, blank)
    return remember_view(SpatialMemory.empty(), view)


def assert_sane(memory, camera):
    assert len(memory)
    assert np.isfinite(memory.xyz).all()
    assert np.isfinite(memory.cloud.radius).all()
    assert (memory.cloud.radius > 0).all()
    seen = render(memory.cloud, camera)
    assert np.isfinite(seen.depth[seen.coverage]).all()


@pytest.mark.parametrize("name", PICTURES)
def test_the_memory_of_an_odd_picture_is_finite_and_shows_the_picture(nano, name):
    image = PICTURES[name]
    found = nano.estimate(image)
    memory = remembered(image, found.depth.depth, found.K)
    camera = Camera(np.array(found.K), np.eye(4), image.shape[1], image.shape[0])
    assert_sane(memory, camera)
    seen = render(memory.cloud, camera)
    assert (seen.rgb == image).all(-1)[seen.coverage].mean() > 0.99


@pytest.mark.parametrize("name", PICTURES)
def test_clicks_boxes_and_contradictions_on_an_odd_picture_give_masks(hybrid, name):
    image = PICTURES[name]
    h, w = image.shape[:2]
    embedding = hybrid.embed(image)
    middle, corner = (w / 2, h / 2), (0.5, 0.5)
    for points, signs, box in (
        ([middle], [True], None),
        ([middle, middle], [True, False], None),
        ([middle, corner, middle], [True, False, True], None),
        ([corner], [False], (0.0, 0.0, float(w), float(h))),
        ([], [], (w / 2, h / 2, w / 2 + 2, h / 2 + 2)),
    ):
        prompt = Prompt(np.array(points, float).reshape(-1, 2), np.array(signs, bool), box)
        found = hybrid.segment(embedding, prompt)
        assert found.masks.shape[1:] == (h, w)
        assert np.isfinite(found.scores).all()
        if points:
            x, y = points[-1]
            assert all(bool(mask[int(y), int(x)]) == signs[-1] for mask in found.masks)


@pytest.mark.parametrize("previous", [np.zeros((96, 128), bool), np.ones((96, 128), bool), np.eye(96, 128, dtype=bool)])
def test_corrections_of_masks_that_are_nothing_everything_or_one_pixel_thin_obey_the_click(hybrid, previous):
    embedding = hybrid.embed(PICTURES["noise"])
    for sign in (True, False):
        prompt = Prompt(np.array([[10.0, 10.0], [100.0, 50.0]]), np.array([True, sign]), previous=previous)
        found = hybrid.segment(embedding, prompt)
        assert all(bool(mask[50, 100]) == sign for mask in found.masks)


def depth_with(value, share):
    depth = np.linspace(1, 5, 96 * 128, dtype=np.float32).reshape(96, 128)
    depth.ravel()[:: round(1 / share)] = value
    return depth


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0, -3])
def test_a_given_depth_map_with_unknown_pixels_leaves_no_nan_in_the_memory(tmp_path, value):
    np.save(tmp_path / "depth.npy", depth_with(value, 0.3))
    given = load_depth(tmp_path / "depth.npy", (128, 96))
    camera = Camera.from_fov(128, 96, 1.0)
    memory = remembered(PICTURES["noise"], given.depth, np.array(camera.K))
    assert_sane(memory, camera)
    assert len(memory) == np.isfinite(given.depth).sum()


def test_an_all_equal_depth_map_is_a_wall(nano):
    camera = Camera.from_fov(128, 96, 1.0)
    memory = remembered(PICTURES["noise"], np.full((96, 128), 2, np.float32), np.array(camera.K))
    assert_sane(memory, camera)
    assert (settled(np.full((96, 128), 2, np.float32)) == 2).all()


@pytest.mark.parametrize("value", [np.nan, 0, -1])
def test_a_depth_map_without_depth_is_refused(tmp_path, value):
    np.save(tmp_path / "depth.npy", np.full((96, 128), value, np.float32))
    with pytest.raises(InvalidInput, match="depth > 0"):
        load_depth(tmp_path / "depth.npy", (128, 96))


@pytest.mark.parametrize("name", PICTURES)
def test_a_selected_pixel_of_an_odd_picture_can_be_made_solid(nano, name):
    image = PICTURES[name]
    h, w = image.shape[:2]
    found = nano.estimate(image)
    mask = np.zeros((h, w), bool)
    mask[h // 2, w // 2] = True
    made = solid(found.depth.depth, mask, Camera(np.array(found.K), np.eye(4), w, h))
    assert np.isfinite(made.depth).all()
    assert (made.depth > 0).all()
