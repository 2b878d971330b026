"""All things of a picture, found by clicking everywhere."""

import threading

import numpy as np
import pytest

from spatia_core.backends.protocols import Segmentation
from spatia_core.backends.segment_hybrid import HybridSegmenter
from spatia_core.errors import Cancelled, InvalidInput
from spatia_core.everything import find_things

H, W = 60, 80


def picture():
    """A numbered picture: 0 ground, 1 a large square, 2 a small one inside it, 3 a bar."""
    out = np.zeros((H, W), int)
    out[10:40, 10:40] = 1
    out[20:30, 20:30] = 2
    out[45:55, 50:78] = 3
    return out


class Perfect:
    """Answers a click with the thing under it and, unsurely, with nonsense."""

    name = "perfect"

    def __init__(self):
        self.asked, self.lock = 0, threading.Lock()

    def embed(self, image):
        return image

    def segment(self, embedding, prompt):
        with self.lock:
            self.asked += 1
        (x, y) = prompt.points[0]
        number = embedding[int(y), int(x)]
        nonsense = np.zeros(embedding.shape, bool)
        nonsense[::2] = True
        return Segmentation(np.stack([embedding == number, nonsense]), np.array([0.9, 0.2]))


def test_every_thing_is_found_once_and_the_ground_is_no_thing():
    things = find_things(Perfect(), picture(), (H, W), 8)
    areas = sorted(int(m.sum()) for m in things.masks)
    assert areas == sorted(int((picture() == k).sum()) for k in (1, 2, 3))
    assert (np.diff(things.scores) <= 0).all()


def test_a_click_picks_the_smallest_thing_there():
    things = find_things(Perfect(), np.where(picture() == 2, 1, picture()), (H, W), 8)
    assert things.at(5, 5) is None
    assert things.at(-1, 5) is None
    assert things.at(W, 5) is None
    at_bar = things.at(60.5, 50.5)
    assert at_bar is not None
    assert things.masks[at_bar].sum() == 280


def test_places_inside_a_sure_thing_are_not_asked_about_again():
    everywhere, segmenter = np.ones((H, W), int), Perfect()
    everywhere[:, 40:] = 2
    find_things(segmenter, everywhere, (H, W), 8)
    assert segmenter.asked <= 4


def test_the_same_things_are_found_every_time():
    first, again = (find_things(Perfect(), picture(), (H, W), 8) for _ in range(2))
    np.testing.assert_array_equal(first.masks, again.masks)


def test_where_nothing_is_found_there_are_no_things():
    things = find_things(Perfect(), np.zeros((H, W), int), (H, W), 4)
    assert things.masks.shape == (0, H, W)
    assert things.at(5, 5) is None


def test_looking_reports_progress_and_can_be_stopped():
    seen = []

    def progress(share, text):
        seen.append(share)
        if share > 0.3:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        find_things(Perfect(), picture(), (H, W), 6, progress=progress)
    assert seen == sorted(seen)


def test_a_grid_without_clicks_is_refused():
    with pytest.raises(InvalidInput, match="at least one"):
        find_things(Perfect(), picture(), (H, W), 0)


def test_the_embedded_segmenter_finds_painted_things():
    numbers = np.kron(np.where(picture() == 2, 1, picture()), np.ones((3, 3), int))
    colours = np.array([[70, 110, 60], [200, 40, 30], [0, 0, 0], [40, 60, 190]])
    noise = np.random.default_rng(0).normal(0, 6, (3 * H, 3 * W, 1))
    image = np.clip(colours[numbers] + noise, 0, 255).astype(np.uint8)
    hybrid = HybridSegmenter()
    things = find_things(hybrid, hybrid.embed(image), (3 * H, 3 * W), 4, least_score=0.3)
    for number in (1, 3):
        thing = numbers == number
        assert max((m & thing).sum() / (m | thing).sum() for m in things.masks) > 0.85
