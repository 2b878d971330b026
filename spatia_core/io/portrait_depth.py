"""The depth map that a phone's portrait mode has put into a JPEG photo.

Two ways of putting it there are read, both told by an XMP record in the file's own XMP segment or in the numbered
segments of an extended one (Adobe XMP specification, part 3, 1.1.3.1): the record holds the map itself
(developers.google.com/depthmap-metadata), or it lists the files that were hung on to the photo's end, of which one is
the map (Dynamic Depth 1.0, developer.android.com).
"""

import base64
import io
import struct
from collections.abc import Sequence
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
_DYNAMIC = "{http://ns.google.com/photos/dd/1.0/depthmap/}"
_ITEM = "{http://ns.google.com/photos/dd/1.0/item/}"
_UNITS = {"m": 1.0, "mm": 0.001, "Meters": 1.0, "Diopters": 1.0, "None": 1.0}
"""Metres in a unit. What cameras mean by dioptres is not agreed upon: its scale is as unknown as that of none."""

_PICTURES = b"\xff\xd8\xff", b"\x89PNG"
"""How JPEG and PNG files begin."""

Said = dict[str, str]
"""Properties by name."""


def portrait_depth(picture: Image.Image, name: str, file: bytes, notes: list[str]) -> Depth | None:
    """(h, w) the z-depth in metres that came with a JPEG photo, at its own size, as the file lies; None without one.

    A phone estimates it, so metres are rough. `notes` is told of a map that was lost on the photo's way. Raises
    InvalidInput for one that is there and broken.
    """
    records = [r for r in _records(picture) if b"photos/1.0/depthmap/" in r or b"photos/dd/1.0/depthmap/" in r]
    if not records:
        return None
    try:
        roots = [_parsed(record) for record in records]
        told = [said for root in roots for said in _described(root, _DYNAMIC) if "DepthURI" in said]
        own: Said = {k: v for root in roots for said in _described(root, _DEPTH) for k, v in said.items()}
        if "Data" in own:
            return _depth(own, base64.b64decode(own["Data"]))
        for said in told:
            if said.get("ItemSemantic", "Depth") == "Depth":  # there are maps of segments too
                items = [item for root in roots for item in _described(root, _ITEM)]
                map_ = _hung_on(items, said["DepthURI"], file)
                if map_.startswith(_PICTURES):
                    return _depth(said, map_)
                notes.append("The photo once brought a depth map, which was cut off it on the way.")
        return None
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


def _parsed(record: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in record or b"<!ENTITY" in record:
        raise ValueError("an XMP record has no entities")
    return ElementTree.fromstring(record)


def _described(root: ElementTree.Element, space: str) -> list[Said]:
    """What is said in a namespace, thing by thing in order: properties written as attributes, as elements, or both."""
    found = []
    for element in root.iter():
        said = {k.removeprefix(space): v for k, v in element.attrib.items() if k.startswith(space)}
        said |= {c.tag.removeprefix(space): c.text for c in element if c.tag.startswith(space) and c.text}
        if said:
            found.append(said)
    return found


def _hung_on(items: Sequence[Said], name: str, file: bytes) -> bytes:
    """The file of that name among those that follow the photo, one after the other up to the end; empty without one.

    Programs that know nothing of such files cut them off: what lies in their place is then something else.
    """
    start = len(file)
    for item in reversed(items):
        length = int(item.get("Length", 0))
        start -= length + int(item.get("Padding", 0))
        if item.get("DataURI") == name:
            return file[max(0, start) : max(0, start + length)]
    return b""


def _depth(said: Said, file: bytes) -> Depth:
    """The depth that a picture of shares between near and far stands for."""
    kind, unit = said.get("Format", "RangeInverse"), said.get("Units", "m")
    near, far = float(said["Near"]), float(said["Far"])
    if kind not in ("RangeInverse", "RangeLinear") or unit not in _UNITS or not 0 < near < far < np.inf:
        raise ValueError("no known way from the map to depth")
    with Image.open(io.BytesIO(file), formats=("JPEG", "PNG")) as map_:
        if map_.width * map_.height > MAX_PIXELS:
            raise ValueError("the map is too large")
        values = np.asarray(map_ if map_.mode.startswith("I") else map_.convert("L")).astype(np.float64)
        share = values / (65535 if map_.mode.startswith("I") else 255)
    depth = near + share * (far - near) if kind == "RangeLinear" else far * near / (far - share * (far - near))
    return (depth * _UNITS[unit]).astype(np.float32)
