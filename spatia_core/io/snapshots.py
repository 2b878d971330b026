"""Memories as one binary file: a JSON head that says what lies where, then plain arrays. Nothing is ever unpickled.

    8 bytes   the letters SPATIAM and the version
    4 + 4     length and CRC-32 of the head, little endian
    head      JSON: scene facts, cameras of the keyframes, and of every array its name, place, length and CRC-32
    arrays    little endian, each at a multiple of 64 bytes; positions as three columns x, y, z

Ten million points are written and opened in about a second: arrays go to disk as they lie in memory, and are mapped on
opening, not read.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput, ProjectFormatError, SpatiaError
from spatia_core.io.files import PathLike, replacing
from spatia_core.memory import LABEL_TYPES, Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud

MAGIC = b"SPATIAM\x01"
MAX_POINTS = 200_000_000
MAX_KEYFRAMES = 20_000
MAX_SIDE = 8192
_MAX_HEAD = 64_000_000
_ALIGN = 64
_CLOUD = {"xyz": ("<f4", 3), "rgb": ("|u1", 3), "radius": ("<f4", 1)}
_POINTS = _CLOUD | {name: (np.dtype(kind).newbyteorder("<").str, 1) for name, kind in LABEL_TYPES.items()}
_VIEW = {"image": ("|u1", 3), "depth": ("<f4", 1), "dynamic": ("|u1", 1), "sky": ("|u1", 1)}
"""Array name to element type and elements per point or pixel."""


def _pieces(memory: SpatialMemory) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Every array by name, as pieces that each lie in one go in memory."""
    for name, (kind, _) in _POINTS.items():
        array = getattr(memory.cloud if name in _CLOUD else memory.labels, name)
        columns = list(array.T) if name == "xyz" else [array]
        yield name, [np.ascontiguousarray(c, np.dtype(kind)) for c in columns]
    for i, view in enumerate(memory.keyframes):
        for name, (kind, _) in _VIEW.items():
            yield f"keyframes/{i}/{name}", [np.ascontiguousarray(getattr(view, name)).astype(kind, copy=False)]


def _checksum(pieces: list[np.ndarray]) -> int:
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece.reshape(-1).view(np.uint8).data, crc)
    return crc


def save_snapshot(path: PathLike, memory: SpatialMemory) -> None:
    """Writes the whole memory, keyframes included, to one file that appears whole or not at all."""
    arrays, offset = [], 0
    for name, pieces in _pieces(memory):
        size = sum(p.nbytes for p in pieces)
        arrays.append({"name": name, "at": offset, "bytes": size, "crc": _checksum(pieces)})
        offset += -(-size // _ALIGN) * _ALIGN
    head = {
        "points": len(memory),
        "metric": bool(memory.metric),
        "keyframes": [
            {"K": v.camera.K.tolist(), "w2c": v.camera.w2c.tolist(), "size": [v.camera.width, v.camera.height]}
            for v in memory.keyframes
        ],
        "arrays": arrays,
    }
    text = json.dumps(head).encode()
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(MAGIC + struct.pack("<II", len(text), zlib.crc32(text)) + text)
        file.write(bytes(-file.tell() % _ALIGN))
        for _, pieces in _pieces(memory):
            for piece in pieces:
                file.write(piece.reshape(-1).view(np.uint8).data)
            file.write(bytes(-file.tell() % _ALIGN))


def open_snapshot(path: PathLike, verify: bool = True) -> SpatialMemory:
    """The memory of a snapshot; its points stay on disk and are read as they are used.

    verify: compare every array with its checksum, which reads the file once. Raises ProjectFormatError when the file is
    not a snapshot, is cut off or was changed, and InvalidInput when there is none.
    """
    file = Path(path)
    if not file.is_file():
        raise InvalidInput(f"There is no snapshot {str(file)!r}; give the path of a file written by this program.")
    if not file.stat().st_size:
        raise ProjectFormatError(f"{file.name} is empty (0 bytes); save the memory again.")
    try:
        data = np.asarray(np.memmap(file, np.uint8, mode="r"))
    except (OSError, ValueError) as e:
        raise ProjectFormatError(f"{file.name} cannot be read ({e}).") from None
    try:
        return _Snapshot(data, file.name, verify).memory()
    except ProjectFormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, SpatiaError) as e:
        raise ProjectFormatError(f"{file.name} describes no memory ({e}); it was changed after it was saved.") from None


class _Snapshot:
    """Strict reading: known names, types and sizes only."""

    def __init__(self, data: np.ndarray, name: str, verify: bool) -> None:
        self._name, self._verify = name, verify
        start = len(MAGIC) + 8
        if data[: len(MAGIC) - 1].tobytes() != MAGIC[:-1]:
            raise ProjectFormatError(f"{name} is not a snapshot of a memory; give a file written by this program.")
        if data[len(MAGIC) - 1] != MAGIC[-1]:
            raise ProjectFormatError(
                f"{name} has version {int(data[len(MAGIC) - 1])}; this program reads version {MAGIC[-1]}."
            )
        length, crc = struct.unpack("<II", data[len(MAGIC) : start].tobytes()) if len(data) >= start else (0, 0)
        text = data[start : start + min(length, _MAX_HEAD)].tobytes()
        if not length or len(text) != length:
            raise ProjectFormatError(f"{name} is cut off in its head; copy it again.")
        if zlib.crc32(text) != crc:
            raise ProjectFormatError(f"The head of {name} was changed after it was saved; copy the file again.")
        self._head: dict[str, Any] = json.loads(text)
        self._arrays = {str(a["name"]): a for a in self._head["arrays"]}
        begin = -(-(start + length) // _ALIGN) * _ALIGN
        self._body = data[begin:]

    def array(self, name: str, kind: str, count: int) -> np.ndarray:
        """(count,) the elements of an array that must have exactly this many."""
        entry = self._arrays[name]
        at, size = int(entry["at"]), int(entry["bytes"])
        if size != count * np.dtype(kind).itemsize or at < 0 or at % _ALIGN:
            raise ProjectFormatError(f"{name!r} in {self._name} has a length that does not fit its head.")
        if at + size > len(self._body):
            raise ProjectFormatError(
                f"{self._name} is cut off: {name!r} should reach to byte {at + size:,} of {len(self._body):,}; copy it "
                "again."
            )
        piece = self._body[at : at + size]
        if self._verify and zlib.crc32(piece.data) != int(entry["crc"]):
            raise ProjectFormatError(f"{name!r} in {self._name} was changed after it was saved; copy the file again.")
        return piece.view(np.dtype(kind))

    def memory(self) -> SpatialMemory:
        """All of it."""
        n, described = int(self._head["points"]), self._head["keyframes"]
        if not 0 <= n <= MAX_POINTS or len(described) > MAX_KEYFRAMES:
            raise ProjectFormatError(
                f"{self._name} holds {n:,} points and {len(described):,} keyframes; at most {MAX_POINTS:,} and "
                f"{MAX_KEYFRAMES:,} can be opened."
            )
        columns = {name: self.array(name, kind, n * k) for name, (kind, k) in _POINTS.items()}
        cloud = PointCloud(columns["xyz"].reshape(3, n).T, columns["rgb"].reshape(n, 3), columns["radius"])
        labels = PointLabels(**{name: columns[name] for name in LABEL_TYPES})
        views = tuple(self._keyframe(i, d) for i, d in enumerate(described))
        if n and not self._plausible(cloud, labels, max(1, len(views))):
            raise ProjectFormatError(
                f"{self._name} holds labels that no memory has; it was changed after it was saved."
            )
        return SpatialMemory(cloud, labels, views, bool(self._head["metric"]))

    def _plausible(self, cloud: PointCloud, labels: PointLabels, keyframes: int) -> bool:
        confidence = labels.confidence
        return bool(
            labels.provenance.max() <= max(Provenance)
            and labels.keyframe.min() >= 0
            and labels.keyframe.max() < keyframes
            and confidence.min() >= 0
            and confidence.max() <= 1
            and cloud.radius.min() >= 0
        )

    def _keyframe(self, i: int, described: dict[str, Any]) -> Keyframe:
        w, h = (int(v) for v in described["size"])
        if not (1 <= w <= MAX_SIDE and 1 <= h <= MAX_SIDE):
            raise ProjectFormatError(f"{self._name} has a keyframe of {w}x{h} pixels, which is not possible.")
        camera = Camera(np.array(described["K"], np.float64), np.array(described["w2c"], np.float64), w, h)
        image, depth, dynamic, sky = (
            self.array(f"keyframes/{i}/{name}", kind, h * w * k) for name, (kind, k) in _VIEW.items()
        )
        return Keyframe(
            image.reshape(h, w, 3), depth.reshape(h, w), camera, dynamic.reshape(h, w) != 0, sky.reshape(h, w) != 0
        )
