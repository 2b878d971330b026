"""The depth map that a phone's portrait mode has put into a JPEG photo.

As described at developers.google.com/depthmap-metadata: properties of an XMP record, in the file's own XMP segment or,
with the map itself, in the numbered segments of an extended one (Adobe XMP specification, part 3, 1.1.3.1).
"""

import base64
import io
import struct
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from spatia_core.arrays import Depth
from spatia_core.errors import InvalidInput

MAX_BYTES = 40_000_000
MAX_PIXELS = 50_000_000
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
_DEPTH = "{http://ns.google.com/photos/1.0/depthmap/}"
_UNITS = {"m": 1.0, "mm": 0.001}


def portrait_depth(picture: Image.Image, name: str) -> Depth | None:
    """(h, w) the z-depth in metres that came with a JPEG photo, at its own size, as the file lies; None without one.

    A phone estimates it, so metres are rough. Raises InvalidInput for a record that is there and broken.
    """
    records = [record for record in _records(picture) if b"photos/1.0/depthmap/" in record]
    if not records:
        return None
    said: dict[str, str] = {}
    try:
        for record in records:
            said |= _properties(record)
        return None if "Data" not in said else _depth(said)
    except InvalidInput:
        raise
    except Exception as e:  # XML, base64, numbers and two kinds of picture each fail in their own way
        raise InvalidInput(
            f"{name} carries a depth map that cannot be read; save the photo anew without it, or give one of your own."
        ) from e


def _records(picture: Image.Image) -> list[bytes]:
    """The XMP records: the file's own, and the extended one put together from its segments."""
    segments = [data for kind, data in getattr(picture, "applist", []) if kind == "APP1"]
    records = [data[len(_XMP) :] for data in segments if data.startswith(_XMP)]
    parts = []
    for data in segments:
        if data.startswith(_EXTENDED) and len(data) > len(_EXTENDED) + 40:
            head = len(_EXTENDED) + 32  # a digest of 32 letters
            _, offset = struct.unpack(">II", data[head : head + 8])
            parts.append((offset, data[head + 8 :]))
    if sum(len(part) for _, part in parts) <= MAX_BYTES:
        records.append(b"".join(part for _, part in sorted(parts)))
    return records


def _properties(record: bytes) -> dict[str, str]:
    """The record's properties of the depth map, written as attributes or as elements."""
    if b"<!DOCTYPE" in record or b"<!ENTITY" in record:
        raise ValueError("an XMP record has no entities")
    said = {}
    for element in ElementTree.fromstring(record).iter():
        said |= {k.removeprefix(_DEPTH): v for k, v in element.attrib.items() if k.startswith(_DEPTH)}
        if element.tag.startswith(_DEPTH) and element.text:
            said[element.tag.removeprefix(_DEPTH)] = element.text
    return said


def _depth(said: dict[str, str]) -> Depth:
    kind, unit = said.get("Format", "RangeInverse"), said.get("Units", "m")
    near, far = float(said["Near"]), float(said["Far"])
    if kind not in ("RangeInverse", "RangeLinear") or unit not in _UNITS or not 0 < near < far < np.inf:
        raise ValueError("no known way from the map to depth")
    with Image.open(io.BytesIO(base64.b64decode(said["Data"])), formats=("JPEG", "PNG")) as map_:
        if map_.width * map_.height > MAX_PIXELS:
            raise ValueError("the map is too large")
        values = np.asarray(map_ if map_.mode.startswith("I") else map_.convert("L")).astype(np.float64)
        share = values / (65535 if map_.mode.startswith("I") else 255)
    depth = near + share * (far - near) if kind == "RangeLinear" else far * near / (far - share * (far - near))
    return (depth * _UNITS[unit]).astype(np.float32)
