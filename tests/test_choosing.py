"""What runs when nobody says so."""

import numpy as np
import pytest

from editing import choosing
from editing.tools import Choice, tools
from spatia_core.backends import registry
from spatia_core.backends.depth_nano import NanoDepth
from spatia_core.backends.pool import Pool
from spatia_core.errors import BackendUnavailable, InvalidInput


def test_without_a_gpu_everything_works_without_a_download(monkeypatch):
    monkeypatch.setattr(choosing, "has_gpu", lambda: False)
    for kind in registry.KINDS:
        assert not registry.entry(kind, Choice().name(kind)).downloads
    assert (Choice().name("depth"), Choice().name("tracker")) == ("nano", "commanded")


def test_a_generator_that_imagines_is_tracked_and_a_gpu_gets_the_better_depth(monkeypatch):
    monkeypatch.setattr(choosing, "has_gpu", lambda: True)
    choice = Choice(generator="spatia")
    assert (choice.name("depth"), choice.name("tracker")) == ("depth-anything", "slam-feature")
    assert Choice(depth="nano", generator="spatia", tracker="commanded").name("tracker") == "commanded"


def test_what_is_asked_for_by_name_is_never_replaced(monkeypatch):
    monkeypatch.setattr(choosing, "has_gpu", lambda: True)
    assert tools(Pool(), Choice(depth="nano")).turn.depth.name == "nano"
    assert choosing.names("depth")[0] == choosing.names("tracker")[0] == choosing.AUTO
    assert choosing.AUTO not in choosing.names("generator")


class Missing:
    name = "better"

    def __init__(self, error):
        self.error = error
        self.asked = 0

    def estimate(self, image, K):
        self.asked += 1
        raise self.error


def test_depth_goes_on_without_the_better_weights_and_says_what_made_it():
    better, photo = Missing(BackendUnavailable("No weights.")), np.full((80, 100, 3), 120, np.uint8)
    both = choosing.DepthThatWorks(better, NanoDepth())
    assert both.estimate(photo, None).depth.source == "nano"
    assert both.name == "nano"
    both.estimate(photo, None)
    assert better.asked == 1, "what is missing is not looked for again at every photo"


def test_a_bad_photo_is_the_photos_fault_not_the_estimators():
    both = choosing.DepthThatWorks(Missing(InvalidInput("Too small.")), NanoDepth())
    with pytest.raises(InvalidInput):
        both.estimate(np.zeros((2, 2, 3), np.uint8), None)
    assert both.name == "better"
