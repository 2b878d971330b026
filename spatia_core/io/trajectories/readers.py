"""Trajectory files to Trajectory values; every parser takes the text and a name for messages."""

import json
import re
from typing import Any

import numpy as np
from jaxtyping import Float

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.camera import Camera
from spatia_core.camera_path import CameraPath
from spatia_core.errors import InvalidInput
from spatia_core.io.files import PathLike, name_of, read_text
from spatia_core.io.trajectories.value import MAX_POSES, Trajectory, checked_lens, checked_pose

MAX_BYTES = 5_000_000
ACCEPTED = (
    "w2c.txt (one JSON 3x4 or 4x4 world-to-camera matrix a line), nerfstudio transforms.json, RealEstate10K .txt, "
    "MotionCtrl .json"
)
_GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])


def read_path(
    source: PathLike | bytes,
    start: Camera | None = None,
    *,
    rebase: bool = True,
    scale: float = 1.0,
    lens: PathLike | bytes | None = None,
) -> CameraPath:
    """The camera path in a trajectory file of any accepted form; see `Trajectory.path` for start, rebase and scale.

    `lens` is Spatia's `intrinsics.txt` beside a `w2c.txt`. Raises InvalidInput naming the line that is wrong.
    """
    return read_trajectory(source, lens, _size(start)).path(start, rebase, scale)


def read_trajectory(
    source: PathLike | bytes, lens: PathLike | bytes | None = None, size: tuple[int, int] | None = None
) -> Trajectory:
    """The trajectory in a file of any accepted form, at most 5 MB and 10,000 poses.

    `size` (width, height) is for a transforms.json that gives lenses without a picture size.
    """
    text, name = read_text(source, MAX_BYTES, "trajectory"), name_of(source)
    normalised = None if lens is None else read_normalised_lens(lens)
    return parse_trajectory(text, name, normalised, size)


def parse_trajectory(
    text: str,
    name: str = "trajectory",
    lens: Float[np.ndarray, "4"] | None = None,
    size: tuple[int, int] | None = None,
) -> Trajectory:
    """The trajectory in `text`, whichever accepted form it has (told by its content, not by the file's name)."""
    body = text.strip()
    if not body:
        raise InvalidInput(f"{name} holds no poses; accepted are {ACCEPTED}.")
    if body.startswith("{"):
        return parse_nerfstudio(text, name, size)
    if not body.startswith("["):
        return parse_realestate(text, name)
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError):
        return parse_spatia(text, name, lens)  # several JSON values: one a line
    flat = isinstance(whole, list) and whole and all(isinstance(p, list) and len(p) in (12, 16) for p in whole)
    return parse_motionctrl(text, name) if flat else parse_spatia(text, name, lens)


def parse_spatia(text: str, name: str = "w2c.txt", lens: Float[np.ndarray, "4"] | None = None) -> Trajectory:
    """Spatia's w2c.txt: one JSON 3x4 or 4x4 matrix a line, world to camera, OpenCV axes; `lens` holds for all poses."""
    poses = []
    for number, line in _lines(text):
        where = f"{name}, line {number},"
        poses.append(checked_pose(_json(line.rstrip(","), where), where))
    w2c = _stacked(poses, name)
    return Trajectory(w2c, None if lens is None else np.tile(lens, (len(w2c), 1)), name=name)


def parse_motionctrl(text: str, name: str = "trajectory.json") -> Trajectory:
    """MotionCtrl's json: a list of 3x4 matrices of 12 numbers, row by row, world to camera, OpenCV axes, no lens.

    The convention is that of its sample files: in the one called "left" t_x grows, that is, the camera goes to -x.
    """
    whole = _json(text, name)
    if not isinstance(whole, list):
        raise InvalidInput(f"{name} is not a list of poses; accepted are {ACCEPTED}.")
    poses = [checked_pose(p, f"{name}, pose {i + 1},") for i, p in enumerate(whole[: MAX_POSES + 1])]
    return Trajectory(_stacked(poses, name), name=name)


def parse_realestate(text: str, name: str = "trajectory.txt") -> Trajectory:
    """RealEstate10K: the video's address, then a line of 19 numbers a frame, world to camera, OpenCV axes.

    The numbers are time stamp (microseconds), fx fy cx cy (shares of the picture), two that are unused, and the 3x4
    matrix row by row.
    """
    lines = _lines(text)
    title = ""
    if lines and len(lines[0][1].split()) == 1:
        title = lines.pop(0)[1]
    poses, lenses, times = [], [], []
    for number, line in lines:
        where = f"{name}, line {number},"
        words = line.split()
        try:
            values = [float(w) for w in words]
        except ValueError:
            raise InvalidInput(f"{where} is not a line of numbers; accepted are {ACCEPTED}.") from None
        if len(values) != 19:
            raise InvalidInput(f"{where} holds {len(values)} numbers, RealEstate10K has 19; accepted are {ACCEPTED}.")
        if not np.isfinite(values[0]):
            raise InvalidInput(f"{where} has a time stamp that is not a number.")
        poses.append(checked_pose(values[7:], where))
        lenses.append(checked_lens(values[1:5], where))
        times.append(int(values[0]))
    return Trajectory(_stacked(poses, name), np.array(lenses), tuple(times), name, title)


def parse_nerfstudio(text: str, name: str = "transforms.json", size: tuple[int, int] | None = None) -> Trajectory:
    """nerfstudio's transforms.json: camera to world with OpenGL axes (y up, z backward), frames in file order.

    Lenses come from fl_x, fl_y, cx, cy or camera_angle_x, of the frame or of the file; lens distortion is passed over.
    """
    whole = _json(text, name)
    frames = whole.get("frames") if isinstance(whole, dict) else None
    if not isinstance(frames, list) or not frames:
        raise InvalidInput(f"{name} has no list of frames; accepted are {ACCEPTED}.")
    poses, lenses, sizes = [], [], set()
    for i, frame in enumerate(frames[: MAX_POSES + 1]):
        where = f"{name}, frame {i + 1},"
        if not isinstance(frame, dict) or "transform_matrix" not in frame:
            raise InvalidInput(f"{where} has no transform_matrix.")
        c2w = checked_pose(frame["transform_matrix"], where) @ _GL_TO_CV
        poses.append(se3.inverse(c2w))
        own = _frame_size({**whole, **frame}, where)
        sizes.add(own)
        lenses.append(_frame_lens({**whole, **frame}, own or size, where))
    told = None if any(lens is None for lens in lenses) else np.stack(lenses)
    return Trajectory(_stacked(poses, name), told, name=name, size=sizes.pop() if len(sizes) == 1 else None)


def _frame_size(frame: dict[str, Any], where: str) -> tuple[int, int] | None:
    if "w" not in frame or "h" not in frame:
        return None
    try:
        size = int(frame["w"]), int(frame["h"])
    except (TypeError, ValueError, OverflowError):
        size = (0, 0)
    if not all(1 <= side <= 100_000 for side in size):
        raise InvalidInput(f"{where} has the picture size {frame['w']} x {frame['h']}; give whole pixels above 0.")
    return size


def _frame_lens(frame: dict[str, Any], size: tuple[int, int] | None, where: str) -> np.ndarray | None:
    """fx fy cx cy as shares of the picture; None when the frame tells too little."""
    if size is None or not ("fl_x" in frame or "camera_angle_x" in frame):
        return None
    w, h = size
    try:
        fx = float(frame["fl_x"]) if "fl_x" in frame else w / 2 / np.tan(float(frame["camera_angle_x"]) / 2)
        pixels = fx, frame.get("fl_y", fx), frame.get("cx", w / 2), frame.get("cy", h / 2)
        lens = np.array(pixels, dtype=np.float64) / [w, h, w, h]
    except (TypeError, ValueError, ZeroDivisionError):
        raise InvalidInput(f"{where} has a lens that is not made of numbers.") from None
    return checked_lens(lens, where)


def read_normalised_lens(source: PathLike | bytes) -> Float[np.ndarray, "4"]:
    """Spatia's intrinsics.txt: four numbers fx fy cx cy, fx and cx as shares of the width, fy and cy of the height."""
    text, name = read_text(source, 100_000, "lens"), name_of(source)
    numbers = [float(m) for m in re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text)]
    if len(numbers) != 4:
        raise InvalidInput(f"{name} holds {len(numbers)} numbers; an intrinsics.txt has four: fx fy cx cy.")
    lens = checked_lens(numbers, name)
    if np.abs(lens).max() > 20:
        raise InvalidInput(f"{name} looks like pixels; divide fx, cx by the picture's width and fy, cy by its height.")
    return lens


def _size(camera: Camera | None) -> tuple[int, int] | None:
    return None if camera is None else (camera.width, camera.height)


def _lines(text: str) -> list[tuple[int, str]]:
    return [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()][: MAX_POSES + 2]


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{where} is not valid JSON; accepted are {ACCEPTED}.") from None


def _stacked(poses: list[Pose], name: str) -> Float[np.ndarray, "n 4 4"]:
    if not poses:
        raise InvalidInput(f"{name} holds no poses; accepted are {ACCEPTED}.")
    if len(poses) > MAX_POSES:
        raise InvalidInput(f"{name} holds more than {MAX_POSES} poses; give a shorter trajectory.")
    return np.stack(poses)
