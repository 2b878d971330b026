"""A person's video becomes bounded, upright, evenly timed frames, or one clear sentence."""

import struct
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

import spatia_core.io.recordings as recordings
from spatia_core.errors import InvalidInput
from spatia_core.io.recordings import is_video, read_recording
from spatia_core.io.video import write_mp4

H, W = 64, 96


def film(path, frames=60, fps=30.0, h=H, w=W):
    images = np.zeros((frames, h, w, 3), np.uint8)
    images[:, : h // 2, : w // 2] = (220, 30, 30)
    for i in range(frames):
        images[i, h // 2 :] = 4 * i % 200
    write_mp4(path, images, fps)
    return path


def test_frames_are_taken_evenly_by_time(tmp_path):
    taken = read_recording(film(tmp_path / "a.mp4"))
    assert taken.images.shape == (len(taken.times), H, W, 3)
    assert 28 <= len(taken.times) <= 30, "2 s at 15 frames a second"
    np.testing.assert_allclose(np.diff(taken.times), 1 / 15, atol=0.035)
    assert taken.notes == ()


def test_bytes_are_read_like_a_file(tmp_path):
    file = film(tmp_path / "a.mp4")
    np.testing.assert_array_equal(read_recording(file.read_bytes()).images, read_recording(file).images)


def test_a_phone_video_is_turned_upright(tmp_path):
    data = bytearray(film(tmp_path / "a.mp4", 8).read_bytes())
    at = data.find(b"tkhd") + 4 + 4 + 20 + 16  # version 0 header, then the display matrix
    data[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, H << 16, 0, 1 << 30)
    taken = read_recording(bytes(data))
    assert taken.images.shape[1:3] == (W, H)
    red = taken.images[0, :, :, 0].astype(int) - taken.images[0, :, :, 1]
    assert red[: W // 2, H // 2 :].mean() > 120 > 40 > red[: W // 2, : H // 2].mean(), (
        "clockwise: top left to top right"
    )


def test_a_long_video_gives_its_first_part_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "MOST_FRAMES", 12)
    taken = read_recording(film(tmp_path / "a.mp4", 90))
    assert len(taken.times) == 12
    assert "from 0:00 to 0:01" in taken.notes[0]


def test_it_can_begin_later(tmp_path):
    taken = read_recording(film(tmp_path / "a.mp4", 90), start=1.5)
    assert taken.times[0] == pytest.approx(1.5, abs=0.04)


def test_damage_in_the_middle_costs_only_the_damaged_part(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.mp4"
    write_mp4(path, rng.integers(0, 255, (60, H, W, 3), np.uint8), 30)
    data = bytearray(path.read_bytes())
    begin = data.rfind(b"mdat") + len(data) // 2
    data[begin : begin + 4000] = rng.integers(0, 255, 4000, np.uint8).tobytes()
    taken = read_recording(bytes(data))
    assert len(taken.times) >= 10


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be read as a video"),
        (b"not a video at all" * 50, "cannot be read as a video"),
        (b"#EXTM3U\n#EXTINF:5,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", "cannot be read as a video"),
    ],
)
def test_what_is_no_video_is_refused_with_what_is_accepted(data, said):
    with pytest.raises(InvalidInput, match=said):
        read_recording(data)


def test_half_a_file_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "a.mp4"
    write_mp4(path, np.random.default_rng(0).integers(0, 255, (60, H, W, 3), np.uint8), 30)
    data = path.read_bytes()
    assert 10 <= len(read_recording(data[: len(data) // 2]).times) <= 20


def test_sound_without_pictures_is_refused(tmp_path):
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(InvalidInput, match="cannot be read as a video"):
        read_recording(path)


def test_frames_of_uneven_length_keep_their_times(tmp_path):
    path = tmp_path / "uneven.mp4"
    at = np.cumsum([0, *[40, 120] * 14])  # milliseconds: a phone in the dark skips every other frame or so
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = W, H, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for ms in at:
            frame = av.VideoFrame.from_ndarray(np.full((H, W, 3), ms // 20, np.uint8), format="rgb24")
            frame.pts, frame.time_base = int(ms), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    taken = read_recording(path)
    shown = taken.images.mean(axis=(1, 2, 3)) * 20 / 1000  # every frame says when it was taken
    np.testing.assert_allclose(taken.times - taken.times[0], shown - shown[0], atol=0.08)
    assert len(taken.times) >= 14
    assert (np.diff(taken.times) > 0).all()


def test_one_frame_is_not_a_video(tmp_path):
    with pytest.raises(InvalidInput, match="single frame"):
        read_recording(film(tmp_path / "a.mp4", 1))


def test_a_beginning_after_the_end_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="after second 99"):
        read_recording(film(tmp_path / "a.mp4", 8), start=99)
    with pytest.raises(InvalidInput, match="from second 0 on"):
        read_recording(film(tmp_path / "a.mp4", 8), start=float("nan"))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InvalidInput, match="There is no video file"):
        read_recording(tmp_path / "none.mp4")


def test_videos_are_known_by_their_names():
    assert is_video("a/B.MOV")
    assert not is_video("a.jpg")
    assert not is_video(b"mp4")
