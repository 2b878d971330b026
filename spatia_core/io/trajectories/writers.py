"""Camera paths to trajectory files; numbers are written so that reading them gives the path back to about 1e-9."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spatia_core.camera import Camera
from spatia_core.camera_path import CameraPath
from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike, replacing

_CV_TO_GL = np.diag([1.0, -1.0, -1.0, 1.0])


def write_spatia(path: PathLike, cameras: CameraPath) -> None:
    """Writes w2c.txt at `path` and intrinsics.txt beside it.

    The published Spatia program takes the first camera for the world; write a path that starts at the identity for it.
    Raises InvalidInput for a zoom, which the form cannot hold.
    """
    if not all(c.same_lens(cameras.start) for c in cameras):
        raise InvalidInput("w2c.txt holds one lens for all frames and so no zoom; write transforms.json instead.")
    _write(path, "".join(json.dumps(c.w2c.tolist()) + "\n" for c in cameras))
    _write(Path(path).with_name("intrinsics.txt"), " ".join(repr(float(v)) for v in _lens(cameras.start)) + "\n")


def write_motionctrl(path: PathLike, cameras: CameraPath) -> None:
    """Writes a list of 3x4 world-to-camera matrices of 12 numbers; lenses are lost, the form has none."""
    _write(path, json.dumps([c.w2c[:3].ravel().tolist() for c in cameras], indent=1) + "\n")


def write_realestate(
    path: PathLike, cameras: CameraPath, times: tuple[int, ...] | None = None, title: str = ""
) -> None:
    """Writes RealEstate10K lines; `times` in microseconds, 24 frames a second when not given."""
    stamps = times or tuple(round(i * 1e6 / 24) for i in range(len(cameras)))
    if len(stamps) != len(cameras):
        raise InvalidInput(f"{len(stamps)} time stamps for {len(cameras)} frames.")
    lines = [title or "spatia-studio"]
    for stamp, camera in zip(stamps, cameras, strict=True):
        numbers = [*_lens(camera), 0.0, 0.0, *camera.w2c[:3].ravel()]
        lines.append(" ".join([str(stamp), *(f"{v:.9f}" for v in numbers)]))
    _write(path, "\n".join(lines) + "\n")


def write_nerfstudio(path: PathLike, cameras: CameraPath) -> None:
    """Writes transforms.json: camera to world with OpenGL axes, a lens per frame."""
    frames = [
        {
            "file_path": f"images/frame_{i:05d}.png",
            **dict(zip(("fl_x", "fl_y", "cx", "cy"), c.K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist(), strict=True)),
            "transform_matrix": (c.c2w @ _CV_TO_GL).tolist(),
        }
        for i, c in enumerate(cameras)
    ]
    start = cameras.start
    whole = {"camera_model": "PINHOLE", "w": start.width, "h": start.height, "frames": frames}
    _write(path, json.dumps(whole, indent=1) + "\n")


WRITERS: dict[str, Callable[[PathLike, CameraPath], None]] = {
    "w2c.txt": write_spatia,
    "transforms.json": write_nerfstudio,
    "realestate10k.txt": write_realestate,
    "motionctrl.json": write_motionctrl,
}
"""A usual file name of every form, and what writes it."""


def _lens(camera: Camera) -> np.ndarray:
    size = [camera.width, camera.height, camera.width, camera.height]
    return camera.K[[0, 1, 0, 1], [0, 1, 2, 2]] / size


def _write(path: PathLike, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
