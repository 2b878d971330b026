"""What a long film has so far, written down after every round: after a crash the film goes on from there."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from editing.filming import Footage
from spatia_core.camera import Camera
from spatia_core.errors import SpatiaError
from spatia_core.frames import Clip
from spatia_core.io.files import replacing
from spatia_core.io.snapshots import open_snapshot, save_snapshot

log = logging.getLogger(__name__)

_LARGEST = 50_000_000
_MEMORY = "memory-{}.spatiam"


def _camera(camera: Camera) -> dict[str, Any]:
    return {"K": camera.K.tolist(), "w2c": camera.w2c.tolist(), "size": [camera.width, camera.height]}


def _read_camera(d: dict[str, Any]) -> Camera:
    return Camera(np.array(d["K"], np.float64), np.array(d["w2c"], np.float64), int(d["size"][0]), int(d["size"][1]))


def _described(clip: Clip) -> dict[str, Any]:
    plain = {name: getattr(clip, name) for name in ("fps", "maker", "seed", "prompt")}
    cameras = [_camera(c) for c in clip.cameras]
    return plain | {"notes": list(clip.notes), "cameras": cameras, "dynamic": clip.dynamic is not None}


@dataclass(frozen=True, slots=True)
class Journal:
    """A folder that holds one sub-folder for every film, named by the film's fingerprint."""

    folder: Path

    def write(self, key: str, footage: Footage) -> None:
        """The newest round is on disk; what is there stays whole when writing fails half-way."""
        place = self.folder / key
        place.mkdir(parents=True, exist_ok=True)
        number = len(footage.clips)
        clip = footage.clips[-1]
        for name, array in (("images", clip.images), ("dynamic", clip.dynamic)):
            if array is not None:
                with replacing(place / f"{name}-{number}.npy") as temporary, temporary.open("wb") as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        save_snapshot(place / _MEMORY.format(number), footage.memory)
        described = {
            "rounds": [_described(c) for c in footage.clips],
            "tracked": [_camera(c) for c in footage.tracked],
            "unknown": footage.unknown,
            "notes": list(footage.notes),
        }
        # the description is written last: until then the film ends one round earlier
        with replacing(place / "film.json") as temporary:
            temporary.write_text(json.dumps(described))
        (place / _MEMORY.format(number - 1)).unlink(missing_ok=True)

    def read(self, key: str, otherwise: Footage) -> Footage:
        """The film as far as it was written down, or `otherwise` when nothing whole is there."""
        place = self.folder / key
        file = place / "film.json"
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return otherwise
        try:
            return _read(place, json.loads(file.read_text()))
        except (SpatiaError, OSError, KeyError, TypeError, ValueError) as e:
            log.warning("what was filmed before cannot be read (%s); the film begins anew", e)
            return otherwise


def _array(file: Path) -> np.ndarray:
    return np.lib.format.open_memmap(file, mode="r")


def _read(place: Path, described: dict[str, Any]) -> Footage:
    clips = []
    for number, d in enumerate(described["rounds"], 1):
        clips.append(
            Clip(
                _array(place / f"images-{number}.npy"),
                tuple(_read_camera(c) for c in d["cameras"]),
                int(d["fps"]),
                str(d["maker"]),
                int(d["seed"]),
                str(d["prompt"]),
                tuple(map(str, d["notes"])),
                _array(place / f"dynamic-{number}.npy") if d["dynamic"] else None,
            )
        )
    memory = open_snapshot(place / _MEMORY.format(len(clips)))
    tracked = tuple(_read_camera(c) for c in described["tracked"])
    return Footage(memory, tuple(clips), tracked, float(described["unknown"]), tuple(map(str, described["notes"])))
