"""What every backend of a kind keeps to, whichever it is; those that need weights from elsewhere are left out."""

import numpy as np
import pytest

from spatia_core import metrics
from spatia_core.backends import registry
from spatia_core.backends.protocols import DepthPrediction, GenerationSettings, Prompt, Segmentation
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.conditioning import condition
from spatia_core.errors import BackendUnavailable, Cancelled, InvalidInput
from spatia_core.frames import Clip
from spatia_core.render import render
from tests.studio import memory, start


def embedded(kind: registry.Kind) -> list[str]:
    """Backends that work here without a download."""
    return [name for name in registry.available(kind) if not registry.entry(kind, name).downloads]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    rng = np.random.default_rng(7)
    image = np.clip(120 + rng.normal(0, 8, (150, 210, 3)), 0, 255).astype(np.uint8)
    image[40:110, 60:130] = (210, 50, 40)
    return image


@pytest.mark.parametrize("name", embedded("depth"))
def test_a_depth_estimator_gives_positive_depth_at_the_photos_size_and_keeps_the_lens(name, photo):
    backend = registry.create("depth", name)
    K = np.array([[200.0, 0, 105], [0, 200, 75], [0, 0, 1]])
    for given in (K, None):
        found = backend.estimate(photo, given)
        assert isinstance(found, DepthPrediction)
        depth = found.depth.depth
        assert depth.shape == found.sky.shape == photo.shape[:2]
        known = ~np.isnan(depth)
        assert known.mean() > 0.5
        assert (depth[known] > 0).all()
        assert found.K.shape == (3, 3)
    np.testing.assert_array_equal(backend.estimate(photo, K).K, K)
    assert backend.name == name == found.depth.source


@pytest.mark.parametrize("name", embedded("segmenter"))
def test_a_segmenter_gives_ranked_masks_at_the_photos_size_and_refuses_clicks_outside(name, photo):
    backend = registry.create("segmenter", name)
    embedding = backend.embed(photo)
    none = np.empty((0, 2)), np.empty(0, bool)
    prompts = [
        Prompt(np.array([[95.0, 75.0]]), np.array([True])),
        Prompt(np.array([[95.0, 75.0], [10.0, 10.0]]), np.array([True, False])),
        Prompt(*none, box=(60.0, 40.0, 130.0, 110.0)),
    ]
    for prompt in prompts:
        found, again = backend.segment(embedding, prompt), backend.segment(embedding, prompt)
        assert isinstance(found, Segmentation)
        assert 1 <= len(found.masks) <= 3
        assert found.masks.shape[1:] == photo.shape[:2]
        assert len(found.scores) == len(found.masks)
        assert (np.diff(found.scores) <= 0).all()
        np.testing.assert_array_equal(found.masks, again.masks)
    with pytest.raises(InvalidInput):
        backend.segment(embedding, Prompt(np.array([[210.0, 75.0]]), np.array([True])))
    assert backend.name == name


@pytest.mark.parametrize("name", embedded("generator"))
def test_a_generator_gives_one_frame_a_camera_the_same_each_time_and_can_be_cancelled(name):
    backend = registry.create("generator", name)
    cameras = list(make_path("truck-left", start(), 5, SceneScale.before(start(), memory().stage_depth())))
    shown = condition(memory(), cameras, history=cameras[:2])
    settings = GenerationSettings(seed=3, fps=12)
    told: list[float] = []
    clip = backend.generate(shown, "a room", settings, lambda share, doing: told.append(share))
    again = backend.generate(shown, "a room", settings)
    assert clip.images.shape == (5, cameras[0].height, cameras[0].width, 3)
    assert clip.cameras == tuple(cameras)
    assert (clip.fps, clip.seed, clip.maker) == (12, 3, name)
    np.testing.assert_array_equal(clip.images, again.images)
    assert told
    assert all(0 <= share <= 1 for share in told)

    def stop(share: float, doing: str) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        backend.generate(shown, "a room", settings, stop)


@pytest.mark.parametrize("name", embedded("tracker"))
def test_a_tracker_places_every_frame_and_says_whether_it_measured(name):
    backend = registry.create("tracker", name)
    cameras = tuple(make_path("truck-left", start(), 5, SceneScale.before(start(), memory().stage_depth())))
    clip = Clip(np.stack([render(memory().cloud, c).rgb for c in cameras]), cameras)
    found = backend.track(clip, None, memory())
    assert len(found.cameras) == 5
    assert found.keyframes
    assert set(found.keyframes) <= set(range(5))
    assert found.measured or "not measured" in found.note
    for told, true in zip(found.cameras, cameras, strict=True):
        assert metrics.rotation_error(told.w2c, true.w2c) < 0.5
    assert backend.name == name


def test_every_kind_has_a_backend_that_needs_no_download():
    for kind in ("depth", "segmenter", "generator", "tracker"):
        assert embedded(kind), kind


def test_an_unknown_name_is_answered_with_the_names_that_work():
    with pytest.raises(BackendUnavailable, match="nano"):
        registry.create("depth", "no such thing")
