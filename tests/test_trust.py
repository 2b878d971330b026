"""How far a clip can be trusted: what is broken on purpose must show, and what is sound must not."""

import re
import xml.etree.ElementTree as Xml
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editing.filming import Shot
from editing.plots import limits, panel, plot
from editing.trust import IDENTICAL, Series, Trust, found_off, trust
from spatia_core import se3
from tests.studio import centre_of_thing, make_session

FRAMES = 8


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = make_session(tmp_path_factory.mktemp("session"))
    made.click(*centre_of_thing())
    made.delete()
    made.generate(Shot("truck-right-and-back", frames=FRAMES))
    return made


def at(series: Series, frame: int) -> float:
    value = series.values[frame]
    assert value is not None
    return value


def worst(series: Series) -> tuple[int, float]:
    found = series.worst
    assert found is not None
    return found


def with_images(take, change):
    """The take with other pictures; what was compared is forgotten."""
    images = take.clip.images.copy()
    change(images)
    return replace(take, clip=replace(take.clip, images=images), comparison=None)


def test_a_sound_clip_is_trusted(session):
    seen = trust(session.state.after, session.unit)
    assert at(seen["loop"], -1) >= IDENTICAL
    assert worst(seen["reprojection"])[1] < 1
    assert worst(seen["residue"])[1] < 5
    assert 50 < worst(seen["coverage"])[1] <= 100


def test_every_series_has_a_value_a_frame_and_one_sentence(session):
    for series in trust(session.state.after, session.unit).series:
        assert len(series.values) in (0, FRAMES), series.name
        assert re.fullmatch(r"[A-Z][^.]*(\.\d[^.]*)*(; [^.]*(\.\d[^.]*)*)?\.", series.sentence), series.sentence


def test_a_picture_that_does_not_come_back_shows_in_the_loop(session):
    def spoil(images):
        images[-1] = 255 - images[-1]

    seen = trust(with_images(session.state.after, spoil), session.unit)["loop"]
    assert worst(seen)[0] == FRAMES - 1
    assert at(seen, -1) < 15
    assert at(seen, -2) >= IDENTICAL


def test_a_path_that_does_not_return_has_no_loop(session, tmp_path):
    other = make_session(tmp_path / "other")
    other.generate(Shot("pan-left", frames=3))
    take = other.state.before
    assert take is not None
    seen = trust(take, other.unit)
    assert "loop" not in seen
    assert "outside" not in seen
    assert "coverage" in seen


def test_shifted_frames_show_as_points_off_their_place(session):
    def shift(images):
        images[3:] = np.roll(images[3:], 3, axis=2)

    seen = trust(with_images(session.state.after, shift), session.unit)["reprojection"]
    assert at(seen, 0) < 1
    assert at(seen, 5) == pytest.approx(3, abs=0.3)
    assert re.search(r"(2\.9|3\.0|3\.1) in the worst", seen.sentence)


def test_points_are_found_where_they_were_moved_to():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(0, 255, (20, 30, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    assert np.median(found_off(picture, np.roll(picture, (2, 3), (0, 1)))) == pytest.approx(np.hypot(2, 3), abs=0.1)
    assert len(found_off(np.zeros((40, 40, 3), np.uint8), picture[:40, :40])) == 0


def test_a_camera_that_was_not_measured_gets_no_number_but_a_sentence(session):
    seen = trust(session.state.after, session.unit)
    assert "place" not in seen
    assert any("not measured" in note for note in session.state.after.notes)


def test_a_camera_off_its_path_shows_in_degrees_and_in_the_scene_s_depth(session):
    take = session.state.after
    step = se3.rigid(se3.so3_exp(np.array([0, np.deg2rad(2), 0])), np.array([0.1 * session.unit, 0, 0]))
    tracked = list(take.footage.tracked)
    tracked[4] = tracked[4].moved(step @ tracked[4].w2c)
    seen = trust(replace(take, footage=replace(take.footage, tracked=tuple(tracked))), session.unit)
    assert at(seen["turn"], 4) == pytest.approx(2, abs=1e-3)
    assert worst(seen["turn"])[0] == worst(seen["place"])[0] == 4
    assert at(seen["place"], 4) > 5
    assert at(seen["place"], 3) == pytest.approx(0, abs=1e-6)


def test_a_change_outside_the_edit_shows_frame_by_frame(session):
    from editing.comparison import compare

    before, after = session.state.before, session.state.after
    images = after.clip.images.copy()
    images[5, :20] = 255 - images[5, :20]
    clip = replace(after.clip, images=images)
    seen = compare(before.clip, before.memory, clip, after.memory)
    assert len(seen.frames) == FRAMES
    assert seen.frames[5].outside_psnr < 25 < seen.frames[4].outside_psnr
    series = trust(replace(after, clip=clip, comparison=seen), session.unit)["outside"]
    assert worst(series)[0] == 5
    assert "worst in frame 6" in series.sentence


def test_frames_together_give_the_whole_comparison(session):
    seen = session.state.after.comparison
    assert np.mean([f.edited_share for f in seen.frames]) == pytest.approx(seen.edited_share)


values = st.lists(st.one_of(st.none(), st.floats(0, 100, allow_nan=False)), min_size=1, max_size=20)


@given(values, st.sampled_from(["high", "low"]))
def test_every_value_lies_inside_its_plot(numbers, best):
    series = Series("x", "Title & more", "%", tuple(numbers), "It is <so>.", best, 100.0)
    drawn = plot(series)
    if all(v is None for v in numbers):
        assert drawn == ""
        return
    low, high = limits(series)
    known = [v for v in numbers if v is not None]
    assert low <= min(known) <= max(known) <= high + 1e-9
    tree = Xml.fromstring(drawn)
    assert tree.get("role") == "img"
    assert "It is <so>." in (tree.get("aria-label") or "")
    for circle in tree.iter("circle"):
        assert 0 <= float(circle.get("cx", "-1")) <= 300
        assert 0 <= float(circle.get("cy", "-1")) <= 92


def test_gaps_are_not_drawn_over():
    drawn = plot(Series("x", "T", "dB", (1.0, 2.0, None, 3.0, 4.0, None, 5.0), "S."))
    assert drawn.count("<polyline") == 2
    assert drawn.count('class="dot"') == 1


def test_what_was_not_measured_is_a_sentence_without_a_plot():
    shown = panel(Trust((Series("x", "T", "dB", (), "Nothing is known."), Series("y", "U", "%", (1.0,), "One."))))
    assert "<p>Nothing is known.</p>" in shown
    assert shown.count("<svg") == 1
