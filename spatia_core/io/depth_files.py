"""Depth maps and lenses that a person brings along."""

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR
from jaxtyping import Float32
from PIL import Image

from spatia_core.arrays import Depth, Intrinsics, read_only
from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike, name_of, read_bytes, read_text

MAX_BYTES = 500_000_000
MAX_PIXELS = 100_000_000
MIN_KNOWN = 0.02
"""Least share of pixels that must have a depth."""
_ACCEPTED = "a .npy or .npz array (any unit), a 16-bit PNG in millimetres, or an .exr"
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, eq=False, slots=True)
class GivenDepth:
    """A depth map from a file."""

    depth: Depth
    """(h, w) float32 z-depth at the photo's size, NaN = unknown."""
    metric: bool
    """True when the file says its unit (PNG: millimetres, given here in metres)."""
    notes: tuple[str, ...] = ()
    """What was changed on the way in, one sentence each."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", read_only(self.depth, np.float32))


def load_depth(path: PathLike, size: tuple[int, int]) -> GivenDepth:
    """The z-depth in the file at the photo's `size` (width, height); NaN, infinite and <= 0 pixels become NaN.

    A map of another size is brought to `size` by nearest pixels when the aspects agree within 1 %, which `notes`
    says. Raises InvalidInput for other files, shapes, or less than 2 % known pixels. Arrays that need pickle are
    refused.
    """
    name, kind = name_of(path), Path(os.fspath(path)).suffix.lower()
    data = read_bytes(path, MAX_BYTES, "depth")
    readers = {".npy": _from_npy, ".npz": _from_npz, ".png": _from_png, ".exr": _from_exr}
    if kind not in readers:
        raise InvalidInput(f"The depth file {name} is of no known kind; give {_ACCEPTED}.")
    values = np.squeeze(readers[kind](data, name))
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiu":
        raise InvalidInput(f"The depth file {name} holds {values.dtype} of shape {values.shape}; give numbers (h, w).")
    with np.errstate(over="ignore"):
        depth = values.astype(np.float32)
    known = np.isfinite(depth) & (depth > 0)
    if known.mean() < MIN_KNOWN:
        negative = " (negative values only: give distance along the view, greater than 0)" if (depth < 0).any() else ""
        raise InvalidInput(
            f"The depth file {name} has a depth > 0 at {known.mean():.1%} of its pixels{negative}; "
            f"at least {MIN_KNOWN:.0%} is needed."
        )
    depth[~known] = np.nan
    fitted, notes = to_size(depth, size, name)
    return GivenDepth(fitted, kind == ".png", notes)


def to_size(
    depth: Float32[np.ndarray, "map_h map_w"], size: tuple[int, int], name: str
) -> tuple[Depth, tuple[str, ...]]:
    """The map at `size` (width, height) by nearest pixels, and a note where that changed it.

    Raises InvalidInput where the aspects differ by more than 1 %.
    """
    (h, w), (width, height) = depth.shape, size
    if (w, h) == (width, height):
        return depth, ()
    if abs((w / h) / (width / height) - 1) > 0.01:
        raise InvalidInput(
            f"The depth file {name} is {w}x{h}, the photo {width}x{height}: not the same shape; give a depth map of "
            "the whole, uncropped photo."
        )
    rows = np.minimum(((np.arange(height) + 0.5) * h / height).astype(np.intp), h - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * w / width).astype(np.intp), w - 1)
    note = f"The depth map was brought from {w}x{h} to the photo's {width}x{height} pixels (nearest pixel)."
    return depth[rows[:, None], columns], (note,)


def _from_npy(data: bytes, name: str) -> np.ndarray:
    try:
        if not data.startswith(b"\x93NUMPY"):
            raise ValueError("no numpy header")
        return np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as e:  # a header is parsed as Python text and fails in many ways
        raise InvalidInput(f"The depth file {name} is not a plain numpy array; save it with numpy.save.") from e


def _from_npz(data: bytes, name: str) -> np.ndarray:
    if not data.startswith(b"PK"):
        raise InvalidInput(f"The depth file {name} is not an .npz archive; save it with numpy.savez.")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            if len(archive.files) != 1 and "depth" not in archive.files:
                raise InvalidInput(
                    f"The depth file {name} holds {len(archive.files)} arrays and none is called 'depth'; keep one."
                )
            return archive["depth" if "depth" in archive.files else archive.files[0]]
    except InvalidInput:
        raise
    except Exception as e:  # zip, header and decompression each fail in their own way
        raise InvalidInput(f"The depth file {name} is not a plain .npz archive; save it with numpy.savez.") from e


def _from_png(data: bytes, name: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            mode, values = picture.mode, np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise InvalidInput(f"The depth file {name} is not a sound PNG; save it again.") from e
    if not mode.startswith("I"):
        raise InvalidInput(
            f"The depth file {name} is an 8-bit picture ({mode}), too coarse for depth; give {_ACCEPTED}."
        )
    return values.astype(np.float32) / 1000


def _from_exr(data: bytes, name: str) -> np.ndarray:
    try:
        with OpenEXR.File(io.BytesIO(data), header_only=True, num_threads=1) as file:
            low, high = (np.array(corner, np.int64) for corner in file.header()["dataWindow"])
        if np.prod(high - low + 1) > MAX_PIXELS:
            raise InvalidInput(
                f"The depth file {name} has more than {MAX_PIXELS // 10**6} megapixels; give a smaller one."
            )
        with OpenEXR.File(io.BytesIO(data), separate_channels=True, num_threads=1) as file:
            channels = {channel: values.pixels for channel, values in file.channels().items()}
    except InvalidInput:
        raise
    except Exception as e:  # the library raises RuntimeError and more on broken files
        raise InvalidInput(f"The depth file {name} is not a sound EXR file; save it again.") from e
    # renderers call it Z, depth.Z or Depth; a plain picture of depth has it in Y, V or R
    named = {channel.rpartition(".")[2].lower(): values for channel, values in channels.items()}
    named |= {channel.partition(".")[0].lower(): values for channel, values in channels.items() if "." in channel}
    for wanted in ("z", "depth", "y", "v", "r"):
        if wanted in named:
            return named[wanted]
    if len(channels) == 1:
        return next(iter(channels.values()))
    raise InvalidInput(f"The depth file {name} has the channels {', '.join(channels)}; call the one with depth Z.")


def load_intrinsics(source: PathLike | bytes, size: tuple[int, int]) -> Intrinsics:
    """K in pixels of a photo of `size` (width, height), from `fx fy cx cy` or a 3x3 matrix as text.

    Values all below 4 are shares of the width (fx, cx) and height (fy, cy). Anything after # is passed over. Raises
    InvalidInput for other numbers, focal lengths <= 0, or a principal point far outside the photo.
    """
    name, (width, height) = name_of(source), size
    text = re.sub(r"#.*", "", read_text(source, 100_000, "lens"))
    numbers = np.array([float(m) for m in _NUMBER.findall(text)])
    if len(numbers) not in (4, 9):
        raise InvalidInput(
            f"The lens file {name} holds {len(numbers)} numbers; give four (fx fy cx cy) or a 3x3 matrix."
        )
    if len(numbers) == 9:
        M = numbers.reshape(3, 3)
        if np.abs(M[[1, 2, 2, 2], [0, 0, 1, 2]] - [0, 0, 0, 1]).max() > 1e-6:
            raise InvalidInput(
                f"The lens file {name} is not a camera matrix: its rows must be fx s cx, 0 fy cy, 0 0 1."
            )
        numbers = M[[0, 1, 0, 1], [0, 1, 2, 2]]
    if not np.isfinite(numbers).all() or numbers[:2].min() <= 0:
        raise InvalidInput(f"The lens file {name} has a focal length that is not greater than 0.")
    if np.abs(numbers).max() < 4:
        numbers = numbers * [width, height, width, height]
    fx, fy, cx, cy = numbers
    if not (-width < cx < 2 * width and -height < cy < 2 * height):
        raise InvalidInput(
            f"The lens file {name} puts the principal point at ({cx:g}, {cy:g}), far outside the {width}x{height} "
            "photo; give K for exactly this photo."
        )
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
