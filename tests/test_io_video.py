import os

import av
import numpy as np
import pytest

from spatia_core.errors import InvalidInput
from spatia_core.io.video import read_metadata, read_mp4, side_by_side, write_mp4
from tests.scenes import make_scene

_view = make_scene(2).start(160, 96)
FRAMES = [make_scene(2).render(_view.zoomed(1 + 0.02 * i), smooth=True).image for i in range(8)]


def test_a_clip_reads_back_almost_as_it_was(tmp_path):
    assert write_mp4(tmp_path / "a.mp4", FRAMES, 25) == 8
    images, fps = read_mp4(tmp_path / "a.mp4")
    assert images.shape == (8, 96, 160, 3)
    assert fps == 25
    grey = [f.astype(float) @ [0.2126, 0.7152, 0.0722] for f in (images, np.stack(FRAMES))]  # colour is subsampled
    assert np.abs(grey[0] - grey[1]).mean() < 2.5


@pytest.mark.parametrize("colour", [(200, 40, 90), (0, 0, 0), (255, 255, 255), (20, 160, 230)])
def test_colours_survive(tmp_path, colour):
    write_mp4(tmp_path / "a.mp4", [np.full((64, 64, 3), colour, np.uint8)] * 3)
    images, _ = read_mp4(tmp_path / "a.mp4")
    assert np.abs(images[1].astype(int) - colour).max() <= 3


def test_the_file_says_how_its_colours_are_meant_and_plays_while_it_loads(tmp_path):
    write_mp4(tmp_path / "a.mp4", FRAMES)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4"), "r") as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


@pytest.mark.parametrize(("w", "h"), [(65, 64), (64, 65), (65, 65), (17, 33)])
def test_odd_sizes_are_padded_by_one_repeated_row_or_column(tmp_path, w, h):
    frame = np.full((h, w, 3), 90, np.uint8)
    frame[-1], frame[:, -1] = 180, 180
    write_mp4(tmp_path / "a.mp4", [frame] * 2)
    images, _ = read_mp4(tmp_path / "a.mp4")
    assert images.shape[1:3] == (h + h % 2, w + w % 2)
    assert abs(int(images[0, -1, -1, 0]) - 180) < 12


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in "ab":
        write_mp4(tmp_path / f"{name}.mp4", FRAMES, metadata={"title": "t"})
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_notes_of_any_name_are_kept(tmp_path):
    write_mp4(tmp_path / "a.mp4", FRAMES, metadata={"title": "A room", "spatia_seed": "7"})
    told = read_metadata(tmp_path / "a.mp4")
    assert (told["title"], told["spatia_seed"]) == ("A room", "7")


def test_frames_may_come_from_a_generator(tmp_path):
    assert write_mp4(tmp_path / "a.mp4", (f for f in FRAMES)) == 8


def test_a_clip_needs_frames_of_one_size_and_leaves_no_half_file(tmp_path):
    with pytest.raises(InvalidInput, match="without frames"):
        write_mp4(tmp_path / "a.mp4", [])
    with pytest.raises(InvalidInput, match="All frames"):
        write_mp4(tmp_path / "a.mp4", [FRAMES[0], FRAMES[0][:50]])
    with pytest.raises(InvalidInput, match="frame rate"):
        write_mp4(tmp_path / "a.mp4", FRAMES, 0)
    assert os.listdir(tmp_path) == []


def test_a_failed_rewrite_leaves_the_old_file(tmp_path):
    write_mp4(tmp_path / "a.mp4", FRAMES)
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(InvalidInput):
        write_mp4(tmp_path / "a.mp4", [FRAMES[0], FRAMES[0][:50]])
    assert (tmp_path / "a.mp4").read_bytes() == before


def test_reading_stops_at_the_asked_number_of_frames(tmp_path):
    write_mp4(tmp_path / "a.mp4", FRAMES)
    assert len(read_mp4(tmp_path / "a.mp4", max_frames=3)[0]) == 3


@pytest.mark.parametrize("data", [b"", b"not a video", bytes(2000)])
def test_what_is_no_video_is_refused(data):
    with pytest.raises(InvalidInput, match="video"):
        read_mp4(data)


def test_side_by_side_shows_both_with_a_white_line_between():
    a, b = np.zeros((4, 5, 3), np.uint8), np.full((4, 6, 3), 9, np.uint8)
    pairs = list(side_by_side([a, a, a], [b, b], divider=2))
    assert len(pairs) == 2
    assert pairs[0][0, :, 0].tolist() == [0] * 5 + [255] * 2 + [9] * 6
    with pytest.raises(InvalidInput, match="one height"):
        next(side_by_side([a], [b[:3]]))
