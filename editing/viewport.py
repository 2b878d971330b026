"""What the 3D view in the page is sent, and what it may send back. Nothing here trusts the page.

The points travel as blocks of at most BLOCK points, 16 bytes a point, ordered so that any beginning of the file is an
even thinning of the whole: a viewer draws as long a beginning as it can in time.
"""

import struct
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from editing.selection import Combination
from editing.volume_selection import (
    ALIKE,
    MOST_GROWTH,
    Drawn,
    Everything,
    Grown,
    Inverted,
    InView,
    Step,
    Thing,
    ball_at,
    box_at,
    colour_at,
    outline_mask,
    stroke_mask,
)
from spatia_core import se3
from spatia_core.arrays import Selection
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.memory import SpatialMemory

MAGIC = b"SPV1"
BLOCK = 65_536
MOST_POINTS = 2_000_000
"""Points sent at most; of a larger memory an even thinning is sent."""

STEPS = 2**21 - 1
"""Positions are kept in this many steps along each axis."""

LARGEST_VIEW = 4096
MOST_CORNERS = 20_000
TOLERANCES = (1.0, 60.0)

Kind = Literal[
    "rectangle",
    "lasso",
    "polygon",
    "brush",
    "sphere",
    "box",
    "colour",
    "object",
    "everything",
    "invert",
    "grow",
]
KINDS: tuple[str, ...] = get_args(Kind)


# --- to the page -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Payload:
    """A memory as bytes, and which point of the memory each of its points is."""

    data: bytes
    order: np.ndarray
    """(k,) int32."""

    def bits(self, selection: Selection) -> bytes:
        """One bit for each sent point, low bit first."""
        return np.packbits(selection[self.order], bitorder="little").tobytes()


def _spread(v: np.ndarray) -> np.ndarray:
    """21 bits with two zeros put between any two of them."""
    v = v.astype(np.uint64)
    for shift, keep in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        v = (v | (v << np.uint64(shift))) & np.uint64(keep)
    return v


def thinning_order(cells: np.ndarray) -> np.ndarray:
    """(n,) int32 order of points given as (n, 3) whole numbers below 2**21: any beginning is spread evenly.

    Along the curve through all cells every half, quarter, eighth, ... is taken in turn.
    """
    n = len(cells)
    code = _spread(cells[:, 0]) | _spread(cells[:, 1]) << np.uint64(1) | _spread(cells[:, 2]) << np.uint64(2)
    along = np.argsort(code, kind="stable").astype(np.int32)
    bits = max(1, int(n - 1).bit_length())
    turn = np.zeros(2**bits, np.int32)
    for b in range(bits):
        turn[2**b : 2 ** (b + 1)] = turn[: 2**b] + 2 ** (bits - 1 - b)
    return along[turn[turn < n]]


def pack(memory: SpatialMemory) -> Payload:
    """The memory for the viewer; positions are exact to a two-millionth of the scene's size."""
    n = len(memory)
    if not n:
        return Payload(MAGIC + struct.pack("<I8f", 0, *([0.0] * 8)), np.zeros(0, np.int32))
    xyz = memory.xyz.astype(np.float64)
    low, high = xyz.min(0), xyz.max(0)
    step = np.maximum(high - low, 1e-9) / STEPS
    cells = np.rint((xyz - low) / step).astype(np.uint32)
    order = thinning_order(cells)[:MOST_POINTS]
    cells = cells[order]
    labels, cloud = memory.labels, memory.cloud
    radius = np.log(np.maximum(cloud.radius[order].astype(np.float64), 1e-9))
    thin, thick = float(radius.min()), float(radius.max())
    width = max(thick - thin, 1e-9) / 65535
    confidence = np.rint(np.clip(labels.confidence[order], 0, 1) * 63).astype(np.uint8)
    columns = (
        (cells[:, 0] | (cells[:, 1] & 0x7FF) << 21).astype("<u4"),
        (cells[:, 1] >> 11 | cells[:, 2] << 10).astype("<u4"),
        np.column_stack([cloud.rgb[order], labels.provenance[order] << 6 | confidence]).astype(np.uint8),
        np.rint((radius - thin) / width).astype("<u2"),
        labels.object_id[order].astype("<i2"),
    )
    parts = [MAGIC + struct.pack("<I8f", len(order), *low, *step, thin, width)]
    for start in range(0, len(order), BLOCK):
        parts += [c[start : start + BLOCK].tobytes() for c in columns]
    return Payload(b"".join(parts), order)


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a payload, as the viewer reads them: for tests and other front ends."""
    n, *head = struct.unpack_from("<I8f", data, 4)
    low, step, (thin, width) = np.array(head[:3]), np.array(head[3:6]), head[6:]
    out: dict[str, list[np.ndarray]] = {k: [] for k in ("xyz", "rgb", "provenance", "confidence", "radius", "object")}
    at = 40
    for start in range(0, n, BLOCK):
        k = min(BLOCK, n - start)
        a, b = (np.frombuffer(data, "<u4", k, at + 4 * k * i) for i in (0, 1))
        rgba = np.frombuffer(data, np.uint8, 4 * k, at + 8 * k).reshape(k, 4)
        cells = np.column_stack([a & 0x1FFFFF, a >> 21 | (b & 0x3FF) << 11, b >> 10])
        out["xyz"].append(low + cells * step)
        out["rgb"].append(rgba[:, :3])
        out["provenance"].append(rgba[:, 3] >> 6)
        out["confidence"].append((rgba[:, 3] & 63) / 63)
        out["radius"].append(np.exp(thin + width * np.frombuffer(data, "<u2", k, at + 12 * k)))
        out["object"].append(np.frombuffer(data, "<i2", k, at + 14 * k))
        at += 16 * k
    return {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in out.items()}


def camera_value(camera: Camera) -> dict[str, Any]:
    """A camera as the viewer reads it."""
    K = camera.K
    return {
        "w2c": camera.w2c.ravel().tolist(),
        "lens": [float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])],
        "width": camera.width,
        "height": camera.height,
    }


# --- from the page ---------------------------------------------------------------------------------------------------


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"The 3D view sent something that cannot be used ({what}). Reload the page and try again.")


def number(value: Any, what: str, low: float, high: float) -> float:
    """A finite number in a range; raises InvalidInput for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(f"{what} is not a number")
    if not low <= value <= high:  # false for NaN too
        raise _wrong(f"{what} is not between {low:g} and {high:g}")
    return float(value)


def numbers(value: Any, what: str, count: int, limit: float = 1e6) -> np.ndarray:
    """Exactly so many finite numbers."""
    if not isinstance(value, list | tuple) or len(value) != count:
        raise _wrong(f"{what} is not a list of {count} numbers")
    return np.array([number(v, what, -limit, limit) for v in value])


def fields_of(data: Any) -> dict[str, Any]:
    """The message as a dictionary."""
    if not isinstance(data, dict):
        raise _wrong("it is not a set of named values")
    return data


def read_camera(data: Any) -> Camera:
    """A view of the page; its rotation is made exact. Raises InvalidInput for whatever is no camera."""
    data = fields_of(data)
    size = [number(data.get(k), k, 8, LARGEST_VIEW) for k in ("width", "height")]
    fx, fy, cx, cy = numbers(data.get("lens"), "the lens", 4, 1e5)
    pose = numbers(data.get("w2c"), "the view", 16).reshape(4, 4)
    if not se3.is_rigid(pose) or min(fx, fy) < 1:
        raise _wrong("the view is no rigid motion with a lens")
    u, _, v = np.linalg.svd(pose[:3, :3])
    pose[:3, :3], pose[3] = u @ v, (0, 0, 0, 1)
    return Camera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), pose, int(size[0]), int(size[1]))


def _corners(value: Any, least: int) -> np.ndarray:
    if not isinstance(value, list) or not least <= len(value) <= MOST_CORNERS:
        raise _wrong(f"an outline has {least} to {MOST_CORNERS} corners")
    return np.array([numbers(p, "a corner", 2, 1e5) for p in value])


def read_step(data: Any, memory: SpatialMemory) -> Step:
    """One step of a selection from the page; raises InvalidInput for anything that is none."""
    data = fields_of(data)
    kind, how = data.get("kind"), data.get("how", "replace")
    if kind not in KINDS:
        raise _wrong("an unknown way to select")
    if how not in get_args(Combination):
        raise _wrong("an unknown way to put selections together")
    if kind == "invert":
        return Inverted()
    if kind == "grow":
        return Grown(number(data.get("amount"), "the growth", -MOST_GROWTH, MOST_GROWTH))
    if kind == "everything":
        return Drawn(Everything(), how)
    if kind == "object":
        return Drawn(Thing(_object(data.get("object"), memory)), how)
    camera = read_camera(data.get("camera"))
    if kind in ("rectangle", "lasso", "polygon", "brush"):
        return Drawn(_in_view(kind, data, camera), how)
    x, y = numbers(data.get("at"), "the place", 2, 1e5)
    if kind == "colour":
        tolerance = number(data.get("tolerance", ALIKE), "the tolerance", *TOLERANCES)
        return Drawn(colour_at(memory, camera, x, y, tolerance), how)
    size = number(data.get("size"), "the size", 0.5, LARGEST_VIEW)
    return Drawn((ball_at if kind == "sphere" else box_at)(memory, camera, x, y, size), how)


def _in_view(kind: str, data: dict[str, Any], camera: Camera) -> InView:
    through = data.get("through", False)
    if not isinstance(through, bool):
        raise _wrong("it is not said whether to select through")
    if kind == "brush":
        radius = number(data.get("size"), "the brush", 0.5, LARGEST_VIEW)
        return InView(camera, stroke_mask(_corners(data.get("points"), 1), radius, camera), through)
    points = _corners(data.get("points"), 2 if kind == "rectangle" else 3)
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points[0], points[-1]
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    return InView(camera, outline_mask(points, camera), through)


def _object(value: Any, memory: SpatialMemory) -> int:
    wanted = int(number(value, "the object", 0, 32767))
    if not (memory.labels.object_id == wanted).any():
        raise InvalidInput("That thing is no longer in the memory.")
    return wanted
