"""A session begins with a video file; bad files become sentences."""

import numpy as np
import pytest

from editing.filming import Shot
from editing.opening import Opening
from editing.session import Session
from editing.tools import Tools
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.segment_hybrid import HybridSegmenter
from spatia_core.backends.track_commanded import CommandedTracker
from spatia_core.errors import InvalidInput
from spatia_core.io.video import write_mp4
from spatia_core.pipeline import Backends
from tests.filmed import BentDepth, TinyFilm, filmed, sideways

FPS = 12


@pytest.fixture(scope="module")
def film() -> TinyFilm:
    return filmed(sideways(14, 0.06))


def session(folder, film: TinyFilm) -> Session:
    backends = Backends(BentDepth(film), ReprojectGenerator(), CommandedTracker())
    return Session(Tools(backends, HybridSegmenter()), folder)


@pytest.fixture(scope="module")
def opened(film, tmp_path_factory) -> Session:
    folder = tmp_path_factory.mktemp("film")
    file = folder / "walk.mp4"
    write_mp4(file, film.images, FPS, crf=8)
    out = session(folder / "session", film)
    out.open(Opening(file))
    return out


def test_the_session_begins_with_the_first_frame_and_what_all_frames_saw(opened, film):
    source, state = opened.source, opened.state
    assert source.name == "walk.mp4"
    grey = [x.astype(float).mean(-1) for x in (source.image, film.images[0])]
    assert np.abs(grey[0] - grey[1]).mean() < 12
    assert len(state.memory.keyframes) >= 2
    np.testing.assert_array_equal(state.camera.w2c, np.eye(4))
    assert source.notes[0].startswith("Tracked 14 of 14 frames")
    assert "video" in opened.timings


def test_a_thing_in_it_can_be_deleted_and_filmed(opened):
    x, y = 104 + 180 * 0.3 / 2.4, 64 + 180 * 0.2 / 2.4
    mask = np.zeros((128, 208), bool)
    mask[int(y) - 38 : int(y) + 38, int(x) - 38 : int(x) + 38] = True
    opened.select_mask(mask)
    opened.delete()
    opened.generate(Shot("truck-right", 5))
    take = opened.state.after
    assert take is not None
    assert len(take.clip) == 5
    inside = opened.state.memory.xyz[(np.abs(opened.state.memory.xyz[:, 2] / opened.unit - 0.6) < 0.1)]
    assert len(inside) < 0.05 * len(opened.state.memory)


def test_a_depth_map_does_not_go_with_a_video(opened, film, tmp_path):
    with pytest.raises(InvalidInput, match="depth map belongs to a photo"):
        session(tmp_path, film).open(Opening("walk.mp4", depth="depth.npy"))


@pytest.mark.parametrize("data", [b"", b"not a video", b"\xff\xd8\xff\xe0" + bytes(500)])
def test_what_is_only_named_like_a_video_is_refused_and_changes_nothing(data, opened, tmp_path):
    file = tmp_path / "holiday.mov"
    file.write_bytes(data)
    before = opened.state
    with pytest.raises(InvalidInput, match=r"holiday\.mov cannot be read as a video"):
        opened.open(Opening(file))
    assert opened.state is before


def test_a_video_that_is_too_short_is_refused(film, tmp_path):
    write_mp4(tmp_path / "a.mp4", film.images[:4], FPS)
    with pytest.raises(InvalidInput, match="at least 8 are needed"):
        session(tmp_path / "s", film).open(Opening(tmp_path / "a.mp4"))


def test_its_lens_can_be_given(film, tmp_path):
    write_mp4(tmp_path / "a.mp4", film.images, FPS)
    (tmp_path / "lens.txt").write_text("180 180 104 64")
    made = session(tmp_path / "s", film)
    made.open(Opening(tmp_path / "a.mp4", intrinsics=tmp_path / "lens.txt"))
    assert made.state.camera.K[0, 0] == pytest.approx(180)
    assert not any("lens" in n for n in made.source.notes)
