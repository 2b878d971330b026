"""A person's video as evenly timed frames for tracking: upright, bounded, at working size."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from pathlib import Path

import av
import av.container
import numpy as np
from jaxtyping import Float, UInt8

from spatia_core.arrays import read_only
from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike, name_of
from spatia_core.io.fitting import Fit, working_size
from spatia_core.io.video import rgb_of

SUFFIXES = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".3gp")
"""Names of files that are taken for videos."""

MOST_FRAMES = 300
"""Frames that are taken from a video; more would only take longer."""

SLOWEST, FASTEST = 10.0, 15.0
"""Frames a second that are taken: fewer make the steps between them too large to follow, more add nothing."""

_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg"
"""Containers that are opened; play lists, which name other files, are not among them."""

_MOST_BROKEN = 200
"""Undecodable packets in a row after which the rest is given up."""


@dataclass(frozen=True, eq=False, slots=True)
class Recording:
    """Frames of a video and when they were taken."""

    images: UInt8[np.ndarray, "t h w 3"]
    """(t, h, w, 3) upright, at working size."""
    times: Float[np.ndarray, " t"]
    """(t,) seconds from the beginning of the video, ascending."""
    fit: Fit
    """Video pixels to working pixels."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", read_only(self.images, np.uint8))
        object.__setattr__(self, "times", read_only(self.times, np.float64))


def is_video(source: object) -> bool:
    """True when the name says that the file is a video."""
    return isinstance(source, str | os.PathLike) and str(source).lower().endswith(SUFFIXES)


def read_recording(
    source: PathLike | bytes,
    size: tuple[int, int] | None = None,
    start: float = 0.0,
    told: Callable[[float], None] = lambda share: None,
) -> Recording:
    """Up to MOST_FRAMES evenly timed frames from second `start` on, upright, at `size` or the working size.

    Variable frame rates are sampled by time stamp. Long videos give their first part and say so; what is damaged is
    left out and said. Raises InvalidInput when nothing can be decoded, or fewer than two frames.
    """
    if not (np.isfinite(start) and start >= 0):
        raise InvalidInput(f"A video can be taken from second 0 on, not from {start:g}.")
    name = name_of(source)
    try:
        with _opened(source) as stream, av.open(stream, "r", options={"format_whitelist": _FORMATS}) as container:
            return _sampled(container, name, size, start, told)
    except (av.FFmpegError, OSError) as e:
        raise InvalidInput(
            f"{name} cannot be read as a video ({e.strerror or e}); give an MP4, MOV, WebM, MKV or AVI file."
        ) from e


def _opened(source: PathLike | bytes) -> BufferedIOBase:
    if isinstance(source, bytes):
        return BytesIO(source)
    path = Path(source)
    if not path.is_file():
        raise InvalidInput(f"There is no video file {str(path)!r}; give the path of an existing file.")
    return path.open("rb")


def _sampled(
    container: av.container.InputContainer,
    name: str,
    size: tuple[int, int] | None,
    start: float,
    told: Callable[[float], None],
) -> Recording:
    if not container.streams.video:
        raise InvalidInput(f"{name} holds no picture track; give a video with pictures.")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    length = float(container.duration / av.time_base) if container.duration else 0.0
    rest = max(length - start, 0.0)
    rate = float(np.clip(MOST_FRAMES / rest, SLOWEST, FASTEST)) if rest else SLOWEST
    if start:
        container.seek(int(start * av.time_base))
    images: list[np.ndarray] = []
    times: list[float] = []
    fit: Fit | None = None
    broken = [0]
    first: float | None = None
    for frame in _decoded(container, stream, broken):
        time = float(frame.time) if frame.time is not None else len(times) / rate
        first = time if first is None else first
        if time + 1e-6 < start or (times and time + 1e-6 < times[0] + len(times) / rate):
            continue
        picture = np.ascontiguousarray(np.rot90(rgb_of(frame), round(frame.rotation / 90)))
        shown = picture.shape[1], picture.shape[0]
        if fit is None:
            fit = Fit(shown, size or working_size(*shown))
        elif fit.photo_size != shown:
            continue  # a stream may change its size in the middle; what follows is not the same camera
        images.append(fit.of_image(picture))
        times.append(time)
        told(len(times) / MOST_FRAMES)
        if len(times) >= MOST_FRAMES:
            break
    if fit is None or len(images) < 2:
        what = "holds no frame that can be read" if fit is None else "holds a single frame"
        after = f" after second {start:g}" if start else ""
        raise InvalidInput(f"{name} {what}{after}. Give a video of at least half a second, or open a photo instead.")
    return Recording(np.stack(images), np.array(times), fit, _notes(times, length, rate, broken[0]))


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, broken: list[int]
) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded; damaged packets are counted and skipped."""
    in_a_row = 0
    packets = container.demux(stream)
    while in_a_row < _MOST_BROKEN:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            broken[0] += 1
            return
        try:
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame) and not frame.is_corrupt:
                    in_a_row = 0
                    yield frame
        except av.FFmpegError:
            broken[0] += 1
            in_a_row += 1


def _notes(times: list[float], length: float, rate: float, broken: int) -> tuple[str, ...]:
    notes = []
    took = times[-1] - times[0]
    if length > times[-1] + 2 / rate:
        notes.append(
            f"Of a video of {_clock(length)} the part from {_clock(times[0])} to {_clock(times[-1])} was taken "
            f"({len(times)} frames); a memory does not need more."
        )
    if broken:
        notes.append(f"The video is damaged: {broken} of its packets could not be decoded and were left out.")
    gaps = np.diff(times)
    if len(gaps) and gaps.max() > 1.0 and took:
        where = times[int(gaps.argmax())]
        notes.append(f"The video has a gap of {gaps.max():.1f} s at {_clock(where)}.")
    return tuple(notes)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
