"""Long films are made in rounds; what was filmed is kept when a later round fails."""

import numpy as np
import pytest

from editing.filming import Footage, Shot, film, rounds_of
from editing.journal import Journal
from editing.tools import Choice, parse_options, tools
from spatia_core.backends.pool import Pool
from spatia_core.backends.protocols import Conditioning, GenerationSettings, Progress, Rounds, silent
from spatia_core.errors import BackendUnavailable, Cancelled, InvalidInput
from spatia_core.frames import Clip
from tests.studio import make_session

SHOT = Shot("orbit-left", frames=7)


class InRounds:
    """A generator that films a few frames at once and remembers what it was shown."""

    name = "in-rounds"
    rounds = Rounds(first=3, later=2, history=2)

    def __init__(self, fails_at: int | None = None, error: Exception | None = None) -> None:
        self.fails_at, self.error = fails_at, error
        self.seen: list[tuple[Conditioning, str, GenerationSettings]] = []

    def generate(
        self, conditioning: Conditioning, prompt: str, settings: GenerationSettings, progress: Progress = silent
    ) -> Clip:
        if settings.round_index == self.fails_at:
            self.fails_at = None
            assert self.error is not None
            raise self.error
        self.seen.append((conditioning, prompt, settings))
        images = np.stack([p.rgb for p in conditioning.projections])
        return Clip(images, conditioning.cameras, maker=self.name, notes=(f"round {settings.round_index}",))


def session_with(tmp_path, generator):
    return make_session(tmp_path, generator)


def test_a_path_is_cut_into_the_generators_rounds_and_every_frame_is_filmed_once(tmp_path):
    session = session_with(tmp_path, InRounds())
    rounds = rounds_of(list(session.path(SHOT)), SHOT, session.tools.turn.generator)
    assert [len(r.cameras) for r in rounds] == [3, 2, 2]
    filmed = [c for r in rounds for c in r.cameras]
    assert all(np.array_equal(a.w2c, b.w2c) for a, b in zip(filmed, session.path(SHOT), strict=True))


def test_later_turns_go_on_from_where_the_path_ended_and_begin_with_a_later_round(tmp_path):
    session = session_with(tmp_path, InRounds())
    rounds = rounds_of(list(session.path(SHOT)), Shot("orbit-left", 7, turns=2), session.tools.turn.generator)
    assert [len(r.cameras) for r in rounds] == [3, 2, 2, 2, 2, 2, 1]
    np.testing.assert_allclose(rounds[3].cameras[0].w2c, rounds[2].cameras[-1].w2c, atol=1e-9)


def test_every_round_has_its_prompt_its_noise_and_the_frames_before_it(tmp_path):
    generator = InRounds()
    session = session_with(tmp_path, generator)
    session.generate(Shot("orbit-left", 7, prompts=("dawn", "noon")))
    assert [p for _, p, _ in generator.seen] == ["dawn", "noon", "noon"]
    assert [s.round_index for _, _, s in generator.seen] == [0, 1, 2]
    assert [len(c.history) for c, _, _ in generator.seen] == [0, 2, 2]
    first, second = generator.seen[0][0], generator.seen[1][0]
    np.testing.assert_array_equal(second.history[-1].camera.w2c, first.cameras[-1].w2c)


@pytest.mark.parametrize("error", [BackendUnavailable("The card is full. Use fewer frames."), Cancelled("Stopped.")])
def test_rounds_before_a_failure_are_kept_and_the_next_try_goes_on_from_them(tmp_path, error):
    generator = InRounds(fails_at=2, error=error)
    session = session_with(tmp_path, generator)
    session.generate(SHOT)
    take = session.state.before
    assert take is not None
    assert len(take.clip) == 5
    assert "Only 2 of 3 rounds" in take.notes[-1]
    session.generate(SHOT)
    again = session.state.before
    assert again is not None
    assert len(again.clip) == 7
    assert not again.footage.stopped
    assert [s.round_index for _, _, s in generator.seen] == [0, 1, 2], "finished rounds are not filmed again"
    np.testing.assert_array_equal(again.clip.images[:5], take.clip.images)


def test_an_error_in_the_first_round_changes_nothing(tmp_path):
    session = session_with(tmp_path, InRounds(fails_at=0, error=BackendUnavailable("No card.")))
    before = session.state
    with pytest.raises(BackendUnavailable):
        session.generate(SHOT)
    assert session.state is before


def test_an_unexpected_error_is_not_hidden_behind_finished_rounds(tmp_path):
    session = session_with(tmp_path, InRounds(fails_at=1, error=ZeroDivisionError()))
    rounds = rounds_of(list(session.path(SHOT)), SHOT, session.tools.turn.generator)
    with pytest.raises(ZeroDivisionError):
        film(Footage(session.state.memory), rounds, SHOT, session.tools.turn)


def test_a_new_process_goes_on_from_the_last_round_that_was_written_down(tmp_path):
    journal = Journal(tmp_path / "journal")
    first = session_with(tmp_path / "a", InRounds(fails_at=2, error=ZeroDivisionError()))
    first.journal = journal
    with pytest.raises(ZeroDivisionError):
        first.generate(SHOT)
    whole = session_with(tmp_path / "b", InRounds())
    whole.generate(SHOT)
    generator = InRounds()
    second = session_with(tmp_path / "c", generator)
    second.journal = journal
    second.generate(SHOT)
    assert [s.round_index for _, _, s in generator.seen] == [2]
    a, b = whole.state.before, second.state.before
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.clip.images, b.clip.images)
    np.testing.assert_array_equal(a.memory.xyz, b.memory.xyz)


@pytest.mark.parametrize("harm", ["cut", "other", "gone"])
def test_a_damaged_journal_costs_time_and_nothing_else(tmp_path, harm):
    session = session_with(tmp_path / "a", InRounds())
    session.journal = Journal(tmp_path / "journal")
    session.generate(SHOT)
    take = session.state.before
    assert take is not None
    (place,) = (tmp_path / "journal").iterdir()
    (memory,) = place.glob("memory*")
    if harm == "cut":
        memory.write_bytes(memory.read_bytes()[:-5000])
    elif harm == "other":
        (place / "film.json").write_text('{"rounds": 7}')
    else:
        (place / "images-2.npy").unlink()
    again = session_with(tmp_path / "b", InRounds())
    again.journal = session.journal
    again.generate(SHOT)
    other = again.state.before
    assert other is not None
    np.testing.assert_array_equal(other.clip.images, take.clip.images)


def test_another_seed_is_another_film(tmp_path):
    generator = InRounds()
    session = session_with(tmp_path / "a", generator)
    session.journal = Journal(tmp_path / "journal")
    session.generate(SHOT)
    session.generate(Shot("orbit-left", 7, seed=1))
    assert [s.seed for _, _, s in generator.seen] == [0, 0, 0, 1, 1, 1]


def test_options_reach_their_backend():
    choice = Choice(options=parse_options(["tracker.every=5"]))
    assert choice.told("tracker") == {"every": 5}
    assert choice.told("depth") == {}
    assert parse_options(["generator.weights=/a=b", "generator.compile=true"]) == (
        ("generator", "weights", "/a=b"),
        ("generator", "compile", True),
    )


@pytest.mark.parametrize("text", ["every=5", "tracker.every", "painter.every=5", "tracker.=5", ""])
def test_an_option_that_is_none_is_refused(text):
    with pytest.raises(InvalidInput, match=r"KIND\.NAME=VALUE"):
        parse_options([text])


def test_an_option_that_a_backend_does_not_know_is_named_with_those_it_knows():
    with pytest.raises(InvalidInput, match="no option 'colour'; it knows: every"):
        tools(Pool(), Choice(options=(("tracker", "colour", 1),)))
