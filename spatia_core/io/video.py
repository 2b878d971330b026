"""Clips as H.264 files that play anywhere."""

import io
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain

import av
import numpy as np
from jaxtyping import UInt8

from spatia_core.arrays import Image
from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike, name_of, read_bytes, replacing

MAX_VIDEO_BYTES = 500_000_000
_Left = UInt8[np.ndarray, "h1 w1 3"]
_Right = UInt8[np.ndarray, "h2 w2 3"]
_BT709 = 1
_LIMITED_RANGE = 1


def write_mp4(
    path: PathLike,
    frames: Iterable[Image],
    fps: float = 24,
    metadata: Mapping[str, str] | None = None,
    crf: int = 17,
) -> int:
    """Writes the frames as an H.264 MP4 and returns how many there were; the file appears whole or not at all.

    Pixels are yuv420p, BT.709, limited range; the index stands first. Odd sizes get their last row or column repeated,
    because 4:2:0 video needs even sides. One encoder thread, no time stamps: the same frames and settings give the
    same bytes with the same libx264. `metadata` keys beyond the usual (title, comment, artist ...) are kept as well.
    Raises InvalidInput without frames or with frames of mixed size.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise InvalidInput(f"A clip needs a frame rate above 0, got {fps}.")
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise InvalidInput("A clip without frames cannot be saved.")
    h, w = first.shape[:2]
    count = 0
    with replacing(path) as temporary:
        # without use_metadata_tags the mp4 writer drops every key it does not know
        options = {"movflags": "+faststart+use_metadata_tags"}
        with av.open(str(temporary), "w", format="mp4", options=options) as container:
            container.metadata.update({k: str(v) for k, v in (metadata or {}).items()})
            stream = _stream(container, w + w % 2, h + h % 2, fps, crf)
            for frame in chain([first], rest):
                if frame.shape != (h, w, 3) or frame.dtype != np.uint8:
                    raise InvalidInput(
                        f"All frames of a clip must be uint8 of shape {(h, w, 3)}, got {frame.dtype} {frame.shape}."
                    )
                container.mux(stream.encode(_encoded_form(frame, count)))
                count += 1
            container.mux(stream.encode(None))
    return count


def _stream(container, width: int, height: int, fps: float, crf: int):
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    # libx264's macroblock tree reads what lay in memory before: with it, equal frames give other bytes now and then
    stream.options = {"crf": str(crf), "preset": "veryfast", "x264-params": "no-mbtree=1"}
    context = stream.codec_context
    context.thread_count = 1
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def _encoded_form(frame: Image, number: int) -> av.VideoFrame:
    h, w = frame.shape[:2]
    even = np.pad(frame, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge") if h % 2 or w % 2 else frame
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    yuv = rgb.reformat(format="yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709", dst_color_range="MPEG")
    yuv.pts = number
    return yuv


def read_mp4(source: PathLike | bytes, max_frames: int = 1000) -> tuple[np.ndarray, float]:
    """The frames (t, h, w, 3) uint8 RGB, at most `max_frames`, and the frame rate.

    Raises InvalidInput when the file is missing, has no picture track or cannot be decoded.
    """
    data = read_bytes(source, MAX_VIDEO_BYTES, "video")
    frames: list[np.ndarray] = []
    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.video:
                raise InvalidInput(f"{name_of(source)} holds no picture track; give an MP4 video.")
            rate = float(container.streams.video[0].average_rate or 24)
            for frame in container.decode(video=0):
                frames.append(rgb_of(frame))
                if len(frames) >= max_frames:
                    break
    except (av.FFmpegError, ValueError) as e:
        if isinstance(e, InvalidInput):
            raise
        raise InvalidInput(f"{name_of(source)} cannot be read as a video; give an MP4 (H.264) file.") from e
    if not frames:
        raise InvalidInput(f"{name_of(source)} holds no frames.")
    return np.stack(frames), rate


def rgb_of(frame: av.VideoFrame) -> np.ndarray:
    """(h, w, 3) uint8 RGB of a decoded frame, by its own colour matrix (BT.709 where it names none)."""
    tagged = frame.colorspace if frame.colorspace in (1, 5, 6) else _BT709
    space = "ITU709" if tagged == _BT709 else "ITU601"
    return frame.reformat(format="rgb24", src_colorspace=space).to_ndarray()


def read_metadata(source: PathLike | bytes) -> dict[str, str]:
    """The key-value notes written into a video."""
    try:
        with av.open(io.BytesIO(read_bytes(source, MAX_VIDEO_BYTES, "video")), "r") as container:
            return dict(container.metadata)
    except av.FFmpegError as e:
        raise InvalidInput(f"{name_of(source)} cannot be read as a video; give an MP4 (H.264) file.") from e


def side_by_side(left: Iterable[_Left], right: Iterable[_Right], divider: int = 4) -> Iterator[np.ndarray]:
    """Each pair of frames as one picture with a white line of `divider` pixels between; ends with the shorter film."""
    for a, b in zip(left, right, strict=False):
        if a.shape[0] != b.shape[0]:
            raise InvalidInput(f"Two films side by side need one height, got {a.shape[0]} and {b.shape[0]} pixels.")
        yield np.concatenate([a, np.full((a.shape[0], divider, 3), 255, np.uint8), b], axis=1)


def write_with_metadata(path: PathLike, source: PathLike | bytes, metadata: Mapping[str, str]) -> None:
    """Writes the video `source` again with other notes in it; its pictures are copied as they are, not encoded anew."""
    data = read_bytes(source, MAX_VIDEO_BYTES, "video")
    options = {"movflags": "+faststart+use_metadata_tags"}
    try:
        with (
            replacing(path) as temporary,
            av.open(io.BytesIO(data), "r") as old,
            av.open(str(temporary), "w", format="mp4", options=options) as new,
        ):
            new.metadata.update({k: str(v) for k, v in metadata.items()})
            track = old.streams.video[0]
            copy = new.add_stream_from_template(track)
            for packet in old.demux(track):
                if packet.dts is not None:
                    packet.stream = copy
                    new.mux(packet)
    except (av.FFmpegError, IndexError) as e:
        raise InvalidInput(f"{name_of(source)} cannot be read as a video; give an MP4 (H.264) file.") from e
