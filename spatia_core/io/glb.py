"""Points of a GLB file: its vertices where it holds points, samples of its surface where it holds triangles.

Everything that a file claims is checked against what it holds before anything is allocated, and what is made of it is
bounded: a small file that unfolds into much is refused.
"""

import io
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image as PilImage
from scipy.spatial import KDTree

from spatia_core.arrays import Colours, Points
from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike, name_of, read_bytes
from spatia_core.point_cloud import PointCloud

MAX_BYTES = 100_000_000
MAX_JSON = 8_000_000
MAX_VERTICES = 3_000_000
"""Vertices and triangle corners of all parts of a scene together, each time a part is used."""
MAX_NODES = 5_000
MAX_DEPTH = 64
MAX_PIXELS = 20_000_000
SAMPLES = 200_000
"""Points that a surface is made of."""

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_POINTS, _TRIANGLES = 0, 4
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)
"""Light of the 256 levels of a picture."""


def _wrong(name: str, why: str) -> InvalidInput:
    return InvalidInput(f"{name} cannot be used: {why}. Export it anew as a plain GLB, without compression.")


@dataclass(eq=False)
class _Glb:
    """An opened file: its description, its bytes, and how much may still be read."""

    name: str
    document: dict[str, Any]
    body: bytes
    left: int = MAX_VERTICES
    nodes: int = 0
    pictures: dict[int, np.ndarray] = field(default_factory=dict)

    def item(self, what: str, index: Any) -> dict[str, Any]:
        """One entry of a list of the description."""
        entries = self.document.get(what)
        if not isinstance(entries, list) or type(index) is not int or not 0 <= index < len(entries):
            raise _wrong(self.name, f"it names {what} that it does not hold")
        if not isinstance(entries[index], dict):
            raise _wrong(self.name, f"its {what} are not what they should be")
        return entries[index]

    def view(self, index: Any) -> tuple[bytes, int]:
        """The bytes of a buffer view, and the step between its elements (0 = one after the other)."""
        d = self.item("bufferViews", index)
        start, length = int(d.get("byteOffset", 0)), int(d["byteLength"])
        if d.get("buffer", 0) != 0 or start < 0 or length < 0 or start + length > len(self.body):
            raise _wrong(self.name, "it points outside its own bytes")
        return self.body[start : start + length], int(d.get("byteStride", 0))

    def array(self, index: Any) -> np.ndarray:
        """(n, k) values of an accessor; normalised whole numbers as shares of 1."""
        d = self.item("accessors", index)
        if "sparse" in d or "bufferView" not in d:
            raise _wrong(self.name, "it holds sparse or empty data")
        if d.get("type") not in _WIDTHS or d.get("componentType") not in _TYPES:
            raise _wrong(self.name, "it holds data of an unknown type")
        dtype, width, n = np.dtype(_TYPES[d["componentType"]]), _WIDTHS[d["type"]], int(d["count"])
        self.spend(n)
        data, step = self.view(d["bufferView"])
        start, step = int(d.get("byteOffset", 0)), step or width * dtype.itemsize
        if n < 0 or start < 0 or step < width * dtype.itemsize or step > 252 + width * dtype.itemsize:
            raise _wrong(self.name, "its data is laid out in an impossible way")
        if n and start + (n - 1) * step + width * dtype.itemsize > len(data):
            raise _wrong(self.name, f"it promises {n} values and holds fewer")
        out = np.ndarray((n, width), dtype, data, start, (step, dtype.itemsize)).copy()
        if d.get("normalized") and dtype.kind in "iu":
            return out.astype(np.float32) / np.iinfo(dtype).max
        return out

    def spend(self, count: int) -> None:
        """Takes from what may still be read; raises InvalidInput when it is used up."""
        self.left -= max(count, 0)
        if self.left < 0:
            raise InvalidInput(
                f"{self.name} unfolds into more than {MAX_VERTICES:,} vertices. Give a simpler model of one thing."
            )

    def picture(self, index: Any) -> np.ndarray:
        """(h, w, 3) the picture of a texture, decoded once."""
        source = self.item("images", self.item("textures", index).get("source"))
        key = id(source)
        if key not in self.pictures:
            if "bufferView" not in source:
                raise _wrong(self.name, "its pictures lie outside the file")
            data, _ = self.view(source["bufferView"])
            try:
                with PilImage.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
                    if picture.width * picture.height > MAX_PIXELS:
                        raise InvalidInput(f"{self.name} holds a picture of more than {MAX_PIXELS / 1e6:g} megapixels.")
                    self.pictures[key] = np.asarray(picture.convert("RGB"))
            except (OSError, SyntaxError, ValueError, PilImage.DecompressionBombError) as e:
                raise _wrong(self.name, f"one of its pictures cannot be read ({e})") from None
        return self.pictures[key]


def read_glb(source: PathLike | bytes, seed: int = 0) -> PointCloud:
    """The file as coloured points; axes as in this program (x right, y down, z forward), units as in the file.

    Raises InvalidInput for what is no GLB, is cut off, compressed, or unfolds into too much.
    """
    name = name_of(source)
    glb = _opened(read_bytes(source, MAX_BYTES, "model"), name)
    try:
        parts = _scene(glb)
    except InvalidInput:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError) as e:
        raise _wrong(name, f"its description is incomplete or wrong ({type(e).__name__})") from None
    if not parts:
        raise InvalidInput(f"{name} holds no points and no triangles.")
    return _sampled(parts, np.random.default_rng(seed), name)


def _opened(data: bytes, name: str) -> _Glb:
    if len(data) < 20 or data[:4] != b"glTF":
        raise InvalidInput(f"{name} is not a GLB file. Give a .glb (not a .gltf with files beside it).")
    version, total = struct.unpack_from("<II", data, 4)
    if version != 2 or total > len(data):
        raise _wrong(name, "it is cut off" if version == 2 else f"it has version {version}, not 2")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= total:
        length, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + length > total:
            raise _wrong(name, "it is cut off")
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    text = chunks.get(b"JSON", b"")
    if len(text) > MAX_JSON:
        raise _wrong(name, "its description is too long")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong(name, "its description is not readable") from None
    if not isinstance(document, dict):
        raise _wrong(name, "its description is not readable")
    needed = document.get("extensionsRequired") or []
    if any("draco" in str(e).lower() or "meshopt" in str(e).lower() for e in needed):
        raise _wrong(name, "its data is compressed")
    return _Glb(name, document, chunks.get(b"BIN\x00", b""))


@dataclass(frozen=True, eq=False, slots=True)
class _Part:
    """Vertices with colours; corners of triangles, or None for points."""

    xyz: np.ndarray
    rgb: np.ndarray
    corners: np.ndarray | None


def _scene(glb: _Glb) -> list[_Part]:
    scenes = glb.document.get("scenes")
    if scenes:
        roots = glb.item("scenes", glb.document.get("scene", 0)).get("nodes", [])
    else:
        roots = range(len(glb.document.get("nodes", [])))
    parts: list[_Part] = []
    # a node used twice is read twice, and counts twice
    waiting = [(n, np.eye(4), 0) for n in roots]
    while waiting:
        index, above, depth = waiting.pop()
        glb.nodes += 1
        if depth > MAX_DEPTH or glb.nodes > MAX_NODES:
            raise InvalidInput(f"{glb.name} nests or repeats its parts without end. Give a simpler model of one thing.")
        node = glb.item("nodes", index)
        pose = above @ _matrix(node)
        if "mesh" in node:
            for primitive in glb.item("meshes", node["mesh"])["primitives"]:
                part = _part(glb, primitive, pose)
                parts += [part] if part is not None else []
        waiting += [(child, pose, depth + 1) for child in node.get("children", [])]
    return parts


def _matrix(node: dict[str, Any]) -> np.ndarray:
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = (float(v) for v in node.get("rotation", (0, 0, 0, 1)))
    R = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    out = np.eye(4)
    out[:3, :3] = R * np.array(node.get("scale", (1, 1, 1)), np.float64)
    out[:3, 3] = node.get("translation", (0, 0, 0))
    return out


def _part(glb: _Glb, primitive: dict[str, Any], pose: np.ndarray) -> _Part | None:
    mode = primitive.get("mode", _TRIANGLES)
    if mode not in (_POINTS, _TRIANGLES):
        return None
    attributes = primitive["attributes"]
    xyz = glb.array(attributes["POSITION"]).astype(np.float64)
    if xyz.shape[1] != 3:
        raise _wrong(glb.name, "its positions are not triples")
    xyz = xyz @ pose[:3, :3].T + pose[:3, 3]
    rgb = _colours(glb, primitive, len(xyz))
    if mode == _POINTS:
        return _Part(xyz, rgb, None)
    corners = glb.array(primitive["indices"])[:, 0].astype(np.int64) if "indices" in primitive else np.arange(len(xyz))
    corners = corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if corners.size and (corners.min() < 0 or corners.max() >= len(xyz)):
        raise _wrong(glb.name, "its triangles name vertices that it does not hold")
    return _Part(xyz, rgb, corners)


def _colours(glb: _Glb, primitive: dict[str, Any], n: int) -> np.ndarray:
    """(n, 3) linear-light colours of the vertices, 0 to 1."""
    rgb = np.full((n, 3), 0.8)
    attributes = primitive["attributes"]
    if "material" in primitive:
        look = glb.item("materials", primitive["material"]).get("pbrMetallicRoughness", {})
        rgb = np.tile(np.array(look.get("baseColorFactor", (1, 1, 1, 1)), np.float64)[:3], (n, 1))
        texture = look.get("baseColorTexture")
        spot = f"TEXCOORD_{texture.get('texCoord', 0)}" if texture else ""
        if texture and spot in attributes:
            picture, uv = glb.picture(texture.get("index")), glb.array(attributes[spot]).astype(np.float64)
            h, w = picture.shape[:2]
            x, y = (np.floor((uv[:n, k] % 1.0) * size).astype(int) % size for k, size in ((0, w), (1, h)))
            rgb = rgb * _LINEAR[picture[y, x]]
    if "COLOR_0" in attributes:
        given = glb.array(attributes["COLOR_0"])[:n, :3].astype(np.float64)
        rgb = rgb * given if "material" in primitive else given
    return rgb


def _sampled(parts: list[_Part], random: np.random.Generator, name: str) -> PointCloud:
    areas = [np.zeros(0) if p.corners is None else _area(p.xyz, p.corners) for p in parts]
    total = float(sum(a.sum() for a in areas))
    xyz, rgb, radius = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
    for part, area in zip(parts, areas, strict=True):
        if part.corners is None:
            keep = slice(None, None, max(1, len(part.xyz) // SAMPLES))
            points, colours = part.xyz[keep], part.rgb[keep]
            size = spacing(points)
        elif area.sum() > 0:
            n = max(1, round(SAMPLES * float(area.sum()) / total))
            chosen = part.corners[random.choice(len(area), n, p=area / area.sum())]
            a, b = random.uniform(size=(2, n, 1))
            a, b = np.where(a + b > 1, 1 - a, a), np.where(a + b > 1, 1 - b, b)
            weights = (1 - a - b, a, b)
            points = np.sum([w * part.xyz[chosen[:, k]] for k, w in enumerate(weights)], axis=0)
            colours = np.sum([w * part.rgb[chosen[:, k]] for k, w in enumerate(weights)], axis=0)
            size = np.sqrt(total / SAMPLES)
        else:
            continue
        xyz.append(points)
        rgb.append(colours)
        radius.append(np.full(len(points), size))
    if not xyz or not all(np.isfinite(p).all() for p in xyz):
        raise InvalidInput(f"{name} holds no surface, or positions that are no numbers.")
    return PointCloud(
        _down(np.concatenate(xyz)), _bytes(np.concatenate(rgb)), np.concatenate(radius).astype(np.float32)
    )


def _area(xyz: np.ndarray, corners: np.ndarray) -> np.ndarray:
    a, b, c = (xyz[corners[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.where(np.isfinite(area), area, 0.0)


def spacing(xyz: np.ndarray) -> float:
    """Half the distance between neighbours of a cloud that lies on surfaces, about."""
    if len(xyz) < 2:
        return 0.01
    some = xyz[:: max(1, len(xyz) // 2000)]
    return float(np.median(KDTree(xyz).query(some, k=2)[0][:, 1])) * 0.8


def _down(xyz: np.ndarray) -> Points:
    """glTF's axes (y up, z towards the viewer) as this program's (y down, z forward)."""
    return (xyz * [1.0, -1.0, -1.0]).astype(np.float32)


def _bytes(rgb: np.ndarray) -> Colours:
    light = np.clip(np.nan_to_num(rgb), 0, 1)
    written = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * written).astype(np.uint8)
