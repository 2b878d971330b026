"""Edits as plain data and clouds, for session files."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from editing.edits import KINDS, MOST_STOPS, Edit, Look
from editing.objects import Kept, Objects
from editing.state import State
from editing.volume_file import described as described_volume
from editing.volume_selection import Volume
from editing.walking import Walker
from spatia_core.arrays import Mask
from spatia_core.camera import Camera
from spatia_core.errors import ProjectFormatError
from spatia_core.point_cloud import PointCloud


def version_of(log: Iterable[Edit], plain: int, in_space: int, rich: int) -> int:
    """The oldest version of files that can say all of these edits."""
    edits = tuple(log)
    if any(_more(e) for e in edits):
        return rich
    return in_space if any(e.volume is not None for e in edits) else plain


def described(edit: Edit, steps: Any, of_camera: Callable[[Camera], Any]) -> dict[str, Any]:
    """The edit as JSON values; `steps` are those of its volume. Its mask and thing are kept beside it."""
    told = {
        "kind": edit.kind,
        "camera": of_camera(edit.camera),
        "offset": list(edit.offset),
        "on_ground": edit.on_ground,
        "solid": edit.solid,
        "volume": steps,
    }
    return told | _more(edit)


def _more(edit: Edit) -> dict[str, Any]:
    """What only newer files say; empty for a plain deletion or move."""
    look = edit.look
    said: dict[str, Any] = {
        "turn": list(edit.turn) if any(edit.turn) else None,
        "size": edit.size if edit.size != 1 else None,
        "about": edit.about if edit.about != "ground" else None,
        "look": [list(look.tint), look.strength, look.brightness, look.saturation] if look.changes else None,
        "way": [list(stop) for stop in edit.way] or None,
        "thing": None if edit.thing is None else len(edit.thing),
        "fill": edit.fill if edit.fill != "completed" else None,
        "shadow": edit.shadow or None,
        "reflection": edit.reflection or None,
        "rich": True if edit.kind not in ("delete", "move") else None,
    }
    return {k: v for k, v in said.items() if v is not None}


def read(e: dict[str, Any], camera: Camera, mask: Mask, volume: Volume | None, thing: PointCloud | None) -> Edit:
    """The edit again; raises ProjectFormatError for what this program does not know."""
    if e["kind"] not in KINDS:
        raise ProjectFormatError(f"The session file has an edit of unknown kind {e['kind']!r}.")
    tint, *numbers = e.get("look") or ((255, 255, 255), 0.0, 1.0, 1.0)
    strength, brightness, saturation = (float(v) for v in numbers)
    red, green, blue = (int(v) for v in tint)
    if len(e.get("way") or ()) > MOST_STOPS:
        raise ProjectFormatError(f"A way in the session file has more than {MOST_STOPS} stops.")
    return Edit(
        e["kind"],
        camera,
        mask,
        _triple(e["offset"]),
        bool(e["on_ground"]),
        bool(e["solid"]),
        volume,
        _triple(e.get("turn") or (0, 0, 0)),
        float(e.get("size", 1.0)),
        e.get("about", "ground"),
        Look((red, green, blue), strength, brightness, saturation),
        tuple(_triple(stop) for stop in e.get("way") or ()),
        thing,
        e.get("fill", "completed"),
        bool(e.get("shadow", False)),
        bool(e.get("reflection", False)),
    )


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def clouds_of(state: State) -> Iterator[tuple[str, PointCloud]]:
    """Every cloud that belongs to the edits, and the name that it is kept under."""
    for i, edit in enumerate(state.log):
        if edit.thing is not None:
            yield f"edits/{i}-thing", edit.thing
    for i, walker in enumerate(state.walkers):
        yield f"walkers/{i}", walker.cloud
    if len(state.left_open):
        yield "left-open", state.left_open


def described_walker(walker: Walker) -> dict[str, Any]:
    """A thing that moves, as JSON values; its cloud is kept beside it."""
    return {"points": len(walker.cloud), "stops": walker.stops.tolist()}


def read_walker(d: dict[str, Any], cloud: PointCloud) -> Walker:
    """The thing that moves again."""
    stops = np.array(d["stops"], np.float64)
    if stops.shape != (len(stops), 3) or not 1 <= len(stops) <= MOST_STOPS or not np.isfinite(stops).all():
        raise ProjectFormatError("The session file holds a way that cannot be gone.")
    return Walker(cloud, stops)


def described_object(item: Kept, of_camera: Callable[[Camera], Any]) -> dict[str, Any]:
    """A kept selection as JSON values; its masks are kept beside it."""
    plain = {name: getattr(item, name) for name in ("key", "name", "colour", "hidden", "locked")}
    return plain | {"volume": described_volume(item.volume, of_camera)[0]}


def masks_of(objects: Objects) -> Iterator[tuple[str, Mask]]:
    """Every mask of the kept selections, and the name that it is kept under."""
    for i, item in enumerate(objects):
        for k, mask in enumerate(described_volume(item.volume, lambda camera: None)[1]):
            yield f"objects/{i}-{k}.png", mask


def read_object(d: dict[str, Any], volume: Volume) -> Kept:
    """The kept selection again."""
    item = Kept(str(d["key"])[:32], "", "#000000", volume, bool(d["hidden"]), bool(d["locked"]))
    (checked,) = Objects((item,)).changed(item.key, name=d["name"], colour=d["colour"])
    return checked
