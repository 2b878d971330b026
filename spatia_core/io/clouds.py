"""Point clouds as PLY: what every 3D program opens, plus what our memory knows about each point."""

from dataclasses import dataclass

import numpy as np

from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike, name_of, read_bytes, replacing
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud

MAX_PLY_BYTES = 1_000_000_000
_MAX_HEADER = 100_000
_LAYOUT = [
    ("x", "<f4"),
    ("y", "<f4"),
    ("z", "<f4"),
    ("red", "u1"),
    ("green", "u1"),
    ("blue", "u1"),
    ("radius", "<f4"),
    ("confidence", "<f4"),
    ("keyframe", "<i4"),
    ("object_id", "<i2"),
    ("provenance", "u1"),
]
_LABELS = ("confidence", "keyframe", "object_id", "provenance")
_WRITTEN = {"<f4": "float", "<i4": "int", "<i2": "short", "u1": "uchar"}
_READ = {
    "char": "i1",
    "int8": "i1",
    "uchar": "u1",
    "uint8": "u1",
    "short": "i2",
    "int16": "i2",
    "ushort": "u2",
    "uint16": "u2",
    "int": "i4",
    "int32": "i4",
    "uint": "u4",
    "uint32": "u4",
    "float": "f4",
    "float32": "f4",
    "double": "f8",
    "float64": "f8",
}
_ENCODINGS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def write_ply(path: PathLike, points: SpatialMemory | PointCloud) -> None:
    """Writes the points as binary PLY: x y z red green blue, then radius and, of a memory, what is known of each point.

    World frame with OpenCV axes (y down), scene units. The file appears whole or not at all.
    """
    cloud = points if isinstance(points, PointCloud) else points.cloud
    columns = {
        "x": cloud.xyz[:, 0],
        "y": cloud.xyz[:, 1],
        "z": cloud.xyz[:, 2],
        "red": cloud.rgb[:, 0],
        "green": cloud.rgb[:, 1],
        "blue": cloud.rgb[:, 2],
        "radius": cloud.radius,
    }
    if isinstance(points, SpatialMemory):
        columns |= {n: getattr(points.labels, n) for n in _LABELS}
    layout = [(n, t) for n, t in _LAYOUT if n in columns]
    rows = np.empty(len(cloud), np.dtype(layout))
    for name, _ in layout:
        rows[name] = columns[name]
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment world frame, OpenCV axes: x right, y down, z forward",
        f"element vertex {len(cloud)}",
        *(f"property {_WRITTEN[t]} {n}" for n, t in layout),
        "end_header",
    ]
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join(lines) + "\n").encode("ascii"))
        file.write(rows.tobytes())


def read_ply(source: PathLike | bytes) -> tuple[PointCloud, PointLabels]:
    """The points of a PLY file (ascii or binary) with x y z and red green blue, and their labels.

    Radius 0 and the labels of an observed point stand in for what the file does not hold; other properties and
    elements after the vertices are passed over. Raises InvalidInput when the file is not such a PLY or is cut off.
    """
    data = read_bytes(source, MAX_PLY_BYTES, "point cloud")
    name = name_of(source)
    header = _header(data, name)
    rows = _ascii_rows(data, header, name) if not header.order else _binary_rows(data, header, name)
    return _cloud(rows, name)


@dataclass(frozen=True, slots=True)
class _Header:
    order: str
    count: int
    properties: list[tuple[str, str]]
    end: int


def _header(data: bytes, name: str) -> _Header:
    end = data.find(b"end_header", 0, _MAX_HEADER)
    line_end = data.find(b"\n", end)
    if not data.startswith(b"ply") or end < 0 or line_end < 0:
        raise InvalidInput(f"{name} is not a PLY point cloud (no header); give a .ply file.")
    lines = [line.split() for line in data[:end].decode("ascii", "replace").splitlines()]
    encoding = next((w[1] for w in lines if len(w) > 1 and w[0] == "format"), "")
    elements = [i for i, w in enumerate(lines) if w and w[0] == "element"]
    if encoding not in _ENCODINGS or not elements or lines[elements[0]][1:2] != ["vertex"]:
        raise InvalidInput(f"{name} is not a PLY file whose first element is the vertices; save it as a point cloud.")
    stop = elements[1] if len(elements) > 1 else len(lines)
    words = [w for w in lines[elements[0] + 1 : stop] if w and w[0] == "property"]
    if any(len(w) != 3 or w[1] not in _READ for w in words) or not "".join(lines[elements[0]][2:]).isdigit():
        raise InvalidInput(f"{name} has a PLY header that cannot be understood; save it anew as a plain point cloud.")
    properties = [(w[2], _READ[w[1]]) for w in words]
    names = {n for n, _ in properties}
    missing = [n for n, _ in _LAYOUT[:6] if n not in names]
    if missing or len(names) < len(properties):
        raise InvalidInput(
            f"{name} lacks the property {missing[0]!r}; a point cloud needs x y z red green blue for each point."
            if missing
            else f"{name} names a property twice; save it anew as a plain point cloud."
        )
    return _Header(_ENCODINGS[encoding], int(lines[elements[0]][2]), properties, line_end + 1)


def _binary_rows(data: bytes, header: _Header, name: str) -> np.ndarray:
    dtype = np.dtype([(n, header.order + t) for n, t in header.properties])
    if len(data) - header.end < header.count * dtype.itemsize:
        held = (len(data) - header.end) // dtype.itemsize
        raise InvalidInput(f"{name} is cut off: it promises {header.count} points and holds {held}; copy it again.")
    return np.frombuffer(data, dtype, header.count, header.end)


def _ascii_rows(data: bytes, header: _Header, name: str) -> np.ndarray:
    lines = data[header.end :].split(b"\n", header.count)[: header.count]
    rows = np.empty(header.count, np.dtype(header.properties)) if header.count <= len(lines) else None
    width = len(header.properties)
    try:
        table = np.array([line.split()[:width] for line in lines], dtype=np.float64).reshape(-1, width)
    except ValueError:
        table = np.empty((0, width))
    if rows is None or len(table) < header.count:
        raise InvalidInput(f"{name} is cut off or has broken lines: it promises {header.count} points.")
    for k, (n, _) in enumerate(header.properties):
        rows[n] = table[:, k]
    return rows


def _cloud(rows: np.ndarray, name: str) -> tuple[PointCloud, PointLabels]:
    assert rows.dtype.names is not None
    n = len(rows)
    xyz = np.stack([rows[k] for k in "xyz"], axis=1).astype(np.float32)
    rgb = np.stack([rows[k] for k in ("red", "green", "blue")], axis=1)
    if rgb.dtype.kind == "f":
        rgb = np.rint(np.clip(np.nan_to_num(rgb), 0, 1) * 255)
    elif n and (rgb.min() < 0 or rgb.max() > 255):
        raise InvalidInput(f"{name} holds colours outside 0 to 255; save it with 8-bit colours.")
    radius = rows["radius"] if "radius" in rows.dtype.names else np.zeros(n)
    if not (np.isfinite(xyz).all() and np.isfinite(radius).all()):
        raise InvalidInput(f"{name} holds NaN or infinite positions; remove those points first.")
    plain = PointLabels.uniform(n, Provenance.OBSERVED)
    held = rows.dtype.names
    labels = {k: rows[k] if k in held else getattr(plain, k) for k in _LABELS}
    if n and int(np.max(labels["provenance"])) > max(Provenance):
        raise InvalidInput(
            f"{name} holds a provenance above {int(max(Provenance))}; it was not written by this program."
        )
    return PointCloud(xyz, rgb.astype(np.uint8), radius.astype(np.float32)), PointLabels(**labels)
