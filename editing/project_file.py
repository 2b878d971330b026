"""Session files (.spatia): a zip of one JSON document, one PNG and plain arrays. Versioned, strict, never unpickled.

Nothing is extracted to disk: only members of known names are read, each up to a size that its description allows.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from editing import edit_file, timeline, versions_file
from editing.edit_log import EditLog
from editing.edits import Edit
from editing.filming import Shot
from editing.objects import MOST_OBJECTS, Objects
from editing.session import Session
from editing.state import Source, State
from editing.versions import Versions
from editing.volume_file import described, read_volume
from spatia_core.backends.protocols import DepthPrediction
from spatia_core.camera import Camera
from spatia_core.errors import ProjectFormatError, SpatiaError
from spatia_core.frames import DepthMap
from spatia_core.io.files import PathLike, read_bytes, replacing
from spatia_core.io.fitting import Fit
from spatia_core.memory import Keyframe, PointLabels, SpatialMemory
from spatia_core.point_cloud import PointCloud

FORMAT, VERSION = "spatia-session", 1
IN_SPACE = 2
"""Version of files whose edits were selected in space, which readers of VERSION would take for something else."""

RICH = 3
"""Version of files with edits beyond deleting and moving, or with things that move in the clip."""

SPLIT = 4
"""Version of files in which the two memories remember different views."""

MAX_FILE = 600_000_000
MAX_POINTS = 20_000_000
MAX_EDITS = 1000
MAX_SIDE = 4096

_CLOUD = {"xyz": ("<f4", 3), "rgb": ("|u1", 3), "radius": ("<f4", 0)}
_LABELS = {
    "confidence": ("<f4", 0),
    "keyframe": ("<i4", 0),
    "object_id": ("<i2", 0),
    "provenance": ("|u1", 0),
    "source": ("<i4", 0),
}


def _camera(camera: Camera) -> dict[str, Any]:
    return {"K": camera.K.tolist(), "w2c": camera.w2c.tolist(), "size": [camera.width, camera.height]}


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def _manifest(session: Session, edits: Sequence[Edit], volumes: Sequence[Any]) -> dict[str, Any]:
    """The description; `edits` are those of the state, then those that only other clips show."""
    state, source, turn = session.state, session.source, session.tools.turn
    told = [edit_file.described(e, None if v is None else v[0], _camera) for e, v in zip(edits, volumes, strict=True)]
    n, views, shown = len(state.log), versions_file.described_views(state), session.version
    return {
        "format": FORMAT,
        "version": SPLIT if views else edit_file.version_of(state.log, VERSION, IN_SPACE, RICH),
        "name": source.name,
        "notes": list(source.notes),
        "photo_size": list(source.fit.photo_size),
        "shown_size": list(source.shown_size),
        "size": list(source.fit.size),
        "K": np.asarray(source.prediction.K).tolist(),
        "depth_source": source.prediction.depth.source,
        "metric": source.prediction.depth.metric,
        "camera": _camera(state.camera),
        "edits": told[:n],
        "more_edits": told[n:],
        "walkers": [edit_file.described_walker(w) for w in state.walkers],
        "left_open": len(state.left_open),
        "objects": [edit_file.described_object(o, _camera) for o in state.objects],
        "keys": None if state.keys is None else timeline.described(state.keys, _camera),
        "clips": versions_file.described_versions(session.versions, edits, _camera),
        "shown": None if shown is None else shown.number,
        "keyframes": [_camera(k.camera) | _moving(k) for k in versions_file.all_views(state)],
        "views": views,
        "memories": {n: asdict(m.statistics()) for n, m in (("original", state.original), ("memory", state.memory))},
        "backends": {
            "depth": turn.depth.name,
            "generator": turn.generator.name,
            "tracker": turn.tracker.name,
            "segmenter": session.tools.segmenter.name,
        },
    }


def _moving(view: Keyframe) -> dict[str, bool]:
    return {"moving": True} if view.dynamic.any() else {}


def save_project(session: Session, file: PathLike) -> Path:
    """Writes everything needed to go on exactly here: photo, depth, both memories, edits, camera, recipes of all clips.

    Clips are made again when they are asked for.
    """
    state, source = session.state, session.source
    edits = versions_file.all_edits(state, session.versions)
    volumes = [None if e.volume is None else described(e.volume, _camera) for e in edits]
    with replacing(file) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        z.writestr("manifest.json", json.dumps(_manifest(session, edits, volumes), indent=1))
        z.writestr("photo.png", _png(source.image))
        z.writestr("depth.npy", _npy(source.prediction.depth.depth))
        z.writestr("sky.png", _png(source.prediction.sky))
        for i, edit in enumerate(edits):
            z.writestr(f"edits/{i}.png", _png(edit.mask))
            for k, mask in enumerate((volumes[i] or ([], []))[1]):
                z.writestr(f"edits/{i}-{k}.png", _png(mask))
        more = [
            (f"edits/{i}-thing", e.thing) for i, e in enumerate(edits) if i >= len(state.log) and e.thing is not None
        ]
        for name, cloud in (*edit_file.clouds_of(state), *more):
            for field in _CLOUD:
                z.writestr(f"{name}/{field}.npy", _npy(getattr(cloud, field)))
        for name, picture in (*edit_file.masks_of(state.objects), *versions_file.pictures_of(session.versions)):
            z.writestr(name, _png(picture))
        for i, view in enumerate(versions_file.all_views(state)):
            z.writestr(f"keyframes/{i}.png", _png(view.image))
            z.writestr(f"keyframes/{i}.npy", _npy(view.depth))
            z.writestr(f"keyframes/{i}-sky.png", _png(view.sky))
            if view.dynamic.any():
                z.writestr(f"keyframes/{i}-moving.png", _png(view.dynamic))
        for name, memory in (("original", state.original), ("memory", state.memory)):
            for field in _CLOUD:
                z.writestr(f"{name}/{field}.npy", _npy(getattr(memory.cloud, field)))
            for field in _LABELS:
                z.writestr(f"{name}/{field}.npy", _npy(getattr(memory.labels, field)))
    return Path(file)


class _Archive:
    """Strict reading of a session file: known names, bounded sizes, expected types."""

    def __init__(self, file: PathLike | bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(read_bytes(file, MAX_FILE, "session file")))
        except zipfile.BadZipFile:
            raise ProjectFormatError(
                "This is not a Spatia session file (or it is damaged). Give a .spatia file saved by this app."
            ) from None
        for info in self._zip.infolist():
            name = info.filename
            if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
                raise ProjectFormatError(
                    f"The session file has a member {name!r} that points outside its folder; it was not opened."
                )

    def read(self, name: str, limit: int) -> bytes:
        """A member's bytes, at most `limit`."""
        try:
            with self._zip.open(name) as member:
                data = member.read(limit + 1)
        except KeyError:
            raise ProjectFormatError(f"The session file lacks {name!r}; it was cut off or changed by hand.") from None
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as e:
            raise ProjectFormatError(f"The session file is damaged at {name!r} ({e}).") from None
        if len(data) > limit:
            raise ProjectFormatError(f"{name!r} in the session file is larger than a session of this size can be.")
        return data

    def array(self, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """A plain array of exactly this type and shape."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        try:
            array = np.lib.format.read_array(io.BytesIO(self.read(name, size + 4096)), allow_pickle=False)
        except (ValueError, OSError) as e:
            raise ProjectFormatError(f"{name!r} in the session file is not a plain array ({e}).") from None
        if array.dtype != np.dtype(dtype) or array.shape != shape:
            raise ProjectFormatError(
                f"{name!r} in the session file is {array.dtype} {array.shape}, expected {dtype} {shape}."
            )
        return array

    def picture(self, name: str, size: tuple[int, int], mode: str) -> np.ndarray:
        """A PNG of exactly this size (width, height) and mode."""
        data = self.read(name, size[0] * size[1] * 4 + 65536)
        try:
            with PilImage.open(io.BytesIO(data), formats=("PNG",)) as picture:
                if picture.size != size:
                    raise ProjectFormatError(f"{name!r} in the session file is {picture.size}, expected {size}.")
                return np.array(picture.convert(mode))
        except (OSError, SyntaxError, ValueError) as e:
            raise ProjectFormatError(f"{name!r} in the session file is not a picture ({e}).") from None

    def manifest(self) -> dict[str, Any]:
        """The JSON document, of this format and version."""
        try:
            document = json.loads(self.read("manifest.json", 20_000_000))
        except (UnicodeDecodeError, json.JSONDecodeError):
            raise ProjectFormatError("The session file's description is not readable JSON.") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ProjectFormatError("This zip is not a Spatia session file.")
        if document.get("version") not in (VERSION, IN_SPACE, RICH, SPLIT):
            raise ProjectFormatError(
                f"The session file has version {document.get('version')!r}; this app reads {VERSION} to {SPLIT}. "
                "Open it with the version of the app that saved it."
            )
        return document


def _read_camera(d: Any) -> Camera:
    width, height = (int(v) for v in d["size"])
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ProjectFormatError(f"A camera of {width}x{height} pixels is not possible in a session file.")
    return Camera(np.array(d["K"], np.float64), np.array(d["w2c"], np.float64), width, height)


def _read_memory(z: _Archive, name: str, n: int, keyframes: tuple[Keyframe, ...], metric: bool) -> SpatialMemory:
    if not 0 < n <= MAX_POINTS:
        raise ProjectFormatError(f"A memory of {n} points cannot be opened; at most {MAX_POINTS:,} are.")

    def fields(table: dict[str, tuple[str, int]]) -> list[np.ndarray]:
        return [z.array(f"{name}/{f}.npy", t, (n, k) if k else (n,)) for f, (t, k) in table.items()]

    return SpatialMemory(PointCloud(*fields(_CLOUD)), PointLabels(*fields(_LABELS)), keyframes, metric)


def _read_cloud(z: _Archive, name: str, n: int) -> PointCloud:
    if not 0 <= n <= MAX_POINTS:
        raise ProjectFormatError(f"A thing of {n} points cannot be opened; at most {MAX_POINTS:,} are.")
    return PointCloud(*(z.array(f"{name}/{f}.npy", t, (n, k) if k else (n,)) for f, (t, k) in _CLOUD.items()))


def _read_edit(z: _Archive, i: int, e: dict[str, Any]) -> Edit:
    camera = _read_camera(e["camera"])
    mask = z.picture(f"edits/{i}.png", (camera.width, camera.height), "1")
    volume = None
    if e.get("volume") is not None:
        volume = read_volume(e["volume"], _read_camera, lambda k, size: z.picture(f"edits/{i}-{k}.png", size, "1"))
    thing = _read_cloud(z, f"edits/{i}-thing", int(e["thing"])) if e.get("thing") else None
    return edit_file.read(e, camera, mask, volume, thing)


def _read_edits(z: _Archive, m: dict[str, Any]) -> list[Edit]:
    told = [*m["edits"], *m.get("more_edits", [])]
    if len(told) > MAX_EDITS:
        raise ProjectFormatError(f"The session file lists more than {MAX_EDITS} edits.")
    return [_read_edit(z, i, e) for i, e in enumerate(told)]


def _read_state(z: _Archive, m: dict[str, Any]) -> tuple[Source, State, Versions]:
    camera = _read_camera(m["camera"])
    size = (camera.width, camera.height)
    shape = (camera.height, camera.width)
    depth = DepthMap(z.array("depth.npy", "<f4", shape), str(m["depth_source"]), bool(m["metric"]))
    prediction = DepthPrediction(depth, np.array(m["K"], np.float64), z.picture("sky.png", size, "1"))
    fit = Fit(tuple(int(v) for v in m["photo_size"]), tuple(int(v) for v in m["size"]))  # type: ignore[arg-type]
    shown = int(m["shown_size"][0]), int(m["shown_size"][1])
    if min(shown) < 1:
        raise ProjectFormatError(f"A photo of {shown[0]}x{shown[1]} pixels is not possible in a session file.")
    picture, notes = z.picture("photo.png", size, "RGB"), tuple(map(str, m["notes"]))
    source = Source(picture, fit, prediction, str(m["name"]), shown, notes)
    edits, views = _read_edits(z, m), _read_views(z, m)
    counts = {n: int(m["memories"][n]["points"]) for n in ("original", "memory")}
    own = {n: [views[int(i)] for i in chosen] for n, chosen in (m.get("views") or {}).items()}
    original, memory = (
        _read_memory(z, n, counts[n], tuple(own.get(n, views)), depth.metric) for n in ("original", "memory")
    )
    if len(m.get("objects", [])) > MOST_OBJECTS:
        raise ProjectFormatError(f"The session file lists more than {MOST_OBJECTS} objects.")
    objects = tuple(
        edit_file.read_object(
            o, read_volume(o["volume"], _read_camera, lambda k, size, i=i: z.picture(f"objects/{i}-{k}.png", size, "1"))
        )
        for i, o in enumerate(m.get("objects", []))
    )
    told = m.get("walkers", [])
    walkers = [edit_file.read_walker(w, _read_cloud(z, f"walkers/{i}", int(w["points"]))) for i, w in enumerate(told)]
    left_open = _read_cloud(z, "left-open", int(m["left_open"])) if m.get("left_open") else PointCloud.empty()
    keys = None if m.get("keys") is None else timeline.read_timeline(m["keys"], _read_camera)
    log = EditLog(tuple(edits[: len(m["edits"])]))
    state = State(original, memory, camera, log, tuple(walkers), left_open, Objects(objects), keys=keys)
    pictures = versions_file.read_versions(
        m.get("clips", []), edits, _read_camera, lambda name, size: z.picture(name, size, "RGB")
    )
    return source, state, pictures


def _read_views(z: _Archive, m: dict[str, Any]) -> list[Keyframe]:
    if len(m["keyframes"]) > MAX_EDITS:
        raise ProjectFormatError(f"The session file lists more than {MAX_EDITS} keyframes.")
    views = []
    for i, d in enumerate(m["keyframes"]):
        c = _read_camera(d)
        size = (c.width, c.height)
        depth = z.array(f"keyframes/{i}.npy", "<f4", size[::-1])
        moving = z.picture(f"keyframes/{i}-moving.png", size, "1") if d.get("moving") else np.zeros(depth.shape, bool)
        image, sky = z.picture(f"keyframes/{i}.png", size, "RGB"), z.picture(f"keyframes/{i}-sky.png", size, "1")
        views.append(Keyframe(image, depth, c, moving, sky))
    return views


def open_project(session: Session, file: PathLike | bytes) -> Shot | None:
    """The session goes on from the file; on any error it stays as it was. Raises ProjectFormatError.

    Gives the shot of the clip that was shown when the file was saved, if there was one: film it to see it again.
    """
    archive = _Archive(file)
    manifest = archive.manifest()
    try:
        source, state, versions = _read_state(archive, manifest)
        shown = manifest.get("shown")
        shot = None if shown is None else versions[int(shown)].recipe.shot
    except ProjectFormatError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, SpatiaError) as e:
        raise ProjectFormatError(f"The session file's description is incomplete or wrong ({e}).") from None
    session.begin(source, state, f"Open {source.name}", versions)
    return shot
