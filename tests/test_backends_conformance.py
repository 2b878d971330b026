"""What every backend of a kind keeps to, whichever it is; those that need weights from elsewhere are left out."""

import numpy as np
import pytest

from spatia_core.backends import registry
from spatia_core.backends.protocols import DepthPrediction, Prompt, Segmentation
from spatia_core.errors import BackendUnavailable, InvalidInput


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


def test_every_kind_has_a_backend_that_needs_no_download():
    for kind in ("depth", "segmenter", "generator", "tracker"):
        assert embedded(kind), kind


def test_an_unknown_name_is_answered_with_the_names_that_work():
    with pytest.raises(BackendUnavailable, match="nano"):
        registry.create("depth", "no such thing")
