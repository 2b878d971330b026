"""A Space that lends its GPU, played by a stand-in that pickles what goes in and out, as the real one does."""

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from spatia_core.backends import lent_gpu
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.protocols import GenerationSettings
from spatia_core.conditioning import condition
from spatia_core.errors import BackendUnavailable, Cancelled, InvalidInput
from tests.studio import memory, start


class OnGpu(ReprojectGenerator):
    """A generator that says how long it needs a GPU."""

    loaded = 0
    fails: Exception | None = None

    def gpu_seconds(self, frames, width, height):
        return frames * 10

    def load_ahead(self, progress):
        type(self).loaded += 1

    def generate(self, conditioning, prompt, settings, progress=lambda s, d: None):
        if self.fails is not None:
            raise self.fails
        return super().generate(conditioning, prompt, settings, progress)


class Lender:
    """spaces.GPU with a memory."""

    def __init__(self):
        self.asked = []

    def lend(self, duration):
        def decorate(task):
            def run(*args):
                args = pickle.loads(pickle.dumps(args))
                self.asked.append(duration(*args))
                for event in task(*args):
                    yield pickle.loads(pickle.dumps(event))

            return run

        return decorate


@pytest.fixture
def lender(monkeypatch):
    lender = Lender()
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lender.lend))
    return lender


def shown(frames=3):
    return condition(memory(), [start()] * frames)


def test_a_borrowed_gpu_makes_the_same_clip_and_is_asked_for_by_the_job(lender):
    made = lent_gpu.lent(OnGpu())
    told = []
    before = OnGpu.loaded
    clip = made.generate(shown(), "", GenerationSettings(), lambda s, d: told.append(d))
    np.testing.assert_array_equal(clip.images, ReprojectGenerator().generate(shown(), "", GenerationSettings()).images)
    assert lender.asked == [30]
    assert told[0] == "Waiting for a GPU"
    assert len(told) > 1
    assert OnGpu.loaded == before + 1
    assert made.name == "reproject"


def test_errors_keep_their_kind_and_words(lender):
    generator = OnGpu()
    made = lent_gpu.lent(generator)
    generator.fails = InvalidInput("Give a shorter prompt.")
    with pytest.raises(InvalidInput, match="shorter prompt"):
        made.generate(shown(), "", GenerationSettings())
    generator.fails = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        made.generate(shown(), "", GenerationSettings())


def test_cancelling_gives_the_gpu_back(lender):
    def stop(share, doing):
        if doing != "Waiting for a GPU":
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        lent_gpu.lent(OnGpu()).generate(shown(), "", GenerationSettings(), stop)


def test_a_gpu_taken_away_is_said(lender):
    made = lent_gpu.LentGenerator(OnGpu(), lambda duration: lambda task: lambda *args: iter(()))
    with pytest.raises(BackendUnavailable, match="taken away"):
        made.generate(shown(), "", GenerationSettings())


def test_nothing_is_borrowed_elsewhere_or_for_a_generator_without_use_for_it(lender, monkeypatch):
    plain = ReprojectGenerator()
    assert lent_gpu.lent(plain) is plain
    monkeypatch.delenv("SPACES_ZERO_GPU")
    generator = OnGpu()
    assert lent_gpu.lent(generator) is generator
