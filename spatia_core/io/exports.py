"""The memory for other programs: GLB points, Gaussian splats, and a data set that COLMAP and nerfstudio open.

PLY with all that is known of each point is in `clouds.py`.
"""

import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image as PilImage
from scipy.spatial.transform import Rotation

from spatia_core.arrays import Colours, Pose
from spatia_core.camera import Camera
from spatia_core.camera_path import CameraPath
from spatia_core.errors import InvalidInput
from spatia_core.frames import Frame
from spatia_core.io.clouds import write_ply
from spatia_core.io.files import PathLike, replacing
from spatia_core.io.trajectories import write_nerfstudio
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud

GENERATOR = "Spatia Studio"

MOST_TEXT_POINTS = 200_000
"""Points in a COLMAP text file; of a larger memory every n-th is written."""

OPACITY = 0.99
"""Of a point written as a Gaussian."""

_SH0 = 0.28209479177387814
"""The constant spherical harmonic: colour = 0.5 + _SH0 * f_dc."""

_FLOAT, _POINTS = 5126, 0


def _cloud(points: SpatialMemory | PointCloud) -> PointCloud:
    cloud = points if isinstance(points, PointCloud) else points.cloud
    if not len(cloud):
        raise InvalidInput("The memory holds no points, so there is nothing to write.")
    return cloud


# --- glTF ---------------------------------------------------------------------------------------------------------


def _linear(rgb: Colours) -> Float32[np.ndarray, "n 3"]:
    """Colours as glTF wants them: light from 0 to 1 instead of grey levels."""
    level = np.arange(256) / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)[rgb]


def write_glb(path: PathLike, points: SpatialMemory | PointCloud) -> None:
    """Writes the points as one binary glTF 2.0 file: y up, z towards the viewer, colours as light, unlit.

    Each point's half side is kept as the attribute _RADIUS, which viewers pass over.
    """
    cloud = _cloud(points)
    n = len(cloud)
    positions = np.ascontiguousarray(cloud.xyz * np.array([1, -1, -1], np.float32))
    parts = [positions.astype("<f4").tobytes(), _linear(cloud.rgb).astype("<f4").tobytes(), cloud.radius.tobytes()]
    starts = [0, *accumulate(len(p) for p in parts)]
    bounds = {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()}
    document = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "memory"}],
        "materials": [{"extensions": {"KHR_materials_unlit": {}}}],
        "meshes": [
            {
                "primitives": [
                    {"mode": _POINTS, "material": 0, "attributes": {"POSITION": 0, "COLOR_0": 1, "_RADIUS": 2}}
                ]
            }
        ],
        "accessors": [
            {"bufferView": 0, "componentType": _FLOAT, "count": n, "type": "VEC3", **bounds},
            {"bufferView": 1, "componentType": _FLOAT, "count": n, "type": "VEC3"},
            {"bufferView": 2, "componentType": _FLOAT, "count": n, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": len(part)}
            for start, part in zip(starts, parts, strict=False)
        ],
        "buffers": [{"byteLength": starts[-1]}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(parts)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(body)))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(body), b"BIN\0") + body)


# --- Gaussian splats ----------------------------------------------------------------------------------------------


def _sigma(cloud: PointCloud) -> Float32[np.ndarray, " n"]:
    """Standard deviation of each point's Gaussian: half its side, which lets a grid of points close without a seam."""
    size = float(np.ptp(cloud.xyz, axis=0).max()) or 1.0
    return np.maximum(cloud.radius, np.float32(1e-5 * size))


def write_gaussians(path: PathLike, points: SpatialMemory | PointCloud, degree: int = 0) -> None:
    """Writes a 3D Gaussian splatting PLY (Kerbl et al. 2023): round, opaque Gaussians in OpenCV axes.

    `degree` 3 adds the 45 view-dependent coefficients, all 0, for programs that insist on them.
    """
    cloud = _cloud(points)
    if degree not in (0, 3):
        raise InvalidInput(f"The colours of splats have degree 0 or 3 here, not {degree}.")
    rest = [f"f_rest_{i}" for i in range(45)] if degree else []
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *rest, "opacity"]
    names += ["scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    rows = np.zeros((len(cloud), len(names)), "<f4")
    rows[:, :3] = cloud.xyz
    rows[:, 6:9] = (cloud.rgb / 255 - 0.5) / _SH0
    rows[:, names.index("opacity")] = np.log(OPACITY / (1 - OPACITY))
    at = names.index("scale_0")
    rows[:, at : at + 3] = np.log(_sigma(cloud))[:, None]
    rows[:, names.index("rot_0")] = 1
    lines = ["ply", "format binary_little_endian 1.0", f"comment {GENERATOR}", f"element vertex {len(cloud)}"]
    lines += [*(f"property float {n}" for n in names), "end_header"]
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join(lines) + "\n").encode("ascii"))
        file.write(rows.tobytes())


def write_splat(path: PathLike, points: SpatialMemory | PointCloud) -> None:
    """Writes the 32-byte records of browser splat viewers, largest first: place, scale, RGBA, turn."""
    cloud = _cloud(points)
    layout = np.dtype([("xyz", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("turn", "u1", 4)])
    sigma = _sigma(cloud)
    first = np.argsort(-sigma, kind="stable")
    rows = np.empty(len(cloud), layout)
    rows["xyz"], rows["scale"] = cloud.xyz[first], sigma[first, None]
    rows["rgba"][:, :3], rows["rgba"][:, 3] = cloud.rgb[first], round(255 * OPACITY)
    rows["turn"] = (255, 128, 128, 128)
    with replacing(path) as temporary:
        temporary.write_bytes(rows.tobytes())


# --- COLMAP and nerfstudio ----------------------------------------------------------------------------------------


def _image_name(i: int) -> str:
    return f"frame_{i:05d}.png"


def _quaternion(w2c: Pose) -> Float64[np.ndarray, "4"]:
    """w x y z of the rotation, w >= 0."""
    return Rotation.from_matrix(w2c[:3, :3]).as_quat(canonical=True, scalar_first=True)


def _lens(camera: Camera) -> str:
    fx, fy, cx, cy = camera.K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    return f"PINHOLE {camera.width} {camera.height} {fx!r} {fy!r} {cx!r} {cy!r}"


def colmap_texts(cloud: PointCloud, cameras: Sequence[Camera]) -> dict[str, str]:
    """cameras.txt, images.txt and points3D.txt of COLMAP's text form; points have no tracks.

    World axes stay OpenCV's, which are COLMAP's too, as is the place of pixel centres.
    """
    lenses = list(dict.fromkeys(_lens(c) for c in cameras))
    images = []
    for i, camera in enumerate(cameras):
        numbers = " ".join(repr(float(v)) for v in (*_quaternion(camera.w2c), *camera.w2c[:3, 3]))
        images.append(f"{i + 1} {numbers} {lenses.index(_lens(camera)) + 1} {_image_name(i)}\n\n")
    some = slice(None, None, max(1, -(-len(cloud) // MOST_TEXT_POINTS)))
    table = zip(cloud.xyz[some].tolist(), cloud.rgb[some].tolist(), strict=True)
    points = (f"{i} {x:.6g} {y:.6g} {z:.6g} {r} {g} {b} 0\n" for i, ((x, y, z), (r, g, b)) in enumerate(table, start=1))
    return {
        "cameras.txt": "".join(f"{i} {lens}\n" for i, lens in enumerate(lenses, start=1)),
        "images.txt": "".join(images),
        "points3D.txt": "".join(points),
    }


def _png(image: UInt8[np.ndarray, "h w 3"]) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def write_dataset(path: PathLike, points: SpatialMemory | PointCloud, frames: Sequence[Frame]) -> None:
    """Writes a zip that COLMAP (sparse/0/*.txt) and nerfstudio (transforms.json) open: images/, cameras, points.

    Raises InvalidInput without frames or points.
    """
    cloud, cameras = _cloud(points), tuple(f.camera for f in frames)
    if not cameras:
        raise InvalidInput("A data set needs pictures with cameras; film a clip first.")
    with (
        replacing(path) as temporary,
        tempfile.TemporaryDirectory(prefix="dataset-", dir=temporary.parent) as folder,
        zipfile.ZipFile(temporary, "w") as z,
    ):
        points_file, cameras_file = Path(folder, "points.ply"), Path(folder, "transforms.json")
        write_ply(points_file, cloud)
        write_nerfstudio(cameras_file, CameraPath(cameras))
        whole = json.loads(cameras_file.read_text()) | {"ply_file_path": points_file.name}
        z.write(points_file, points_file.name, zipfile.ZIP_DEFLATED, 1)
        z.writestr(cameras_file.name, json.dumps(whole, indent=1) + "\n", zipfile.ZIP_DEFLATED)
        for name, text in colmap_texts(cloud, cameras).items():
            z.writestr(f"sparse/0/{name}", text, zipfile.ZIP_DEFLATED, 1)
        for i, frame in enumerate(frames):
            z.writestr(f"images/{_image_name(i)}", _png(frame.image))


Writer = Callable[[PathLike, SpatialMemory, Sequence[Frame]], None]

EXPORTS: dict[str, tuple[str, Writer]] = {
    "ply": (".ply", lambda path, memory, _: write_ply(path, memory)),
    "glb": (".glb", lambda path, memory, _: write_glb(path, memory)),
    "gaussians": ("-3dgs.ply", lambda path, memory, _: write_gaussians(path, memory)),
    "splat": (".splat", lambda path, memory, _: write_splat(path, memory)),
    "dataset": ("-dataset.zip", write_dataset),
}
"""Every form of the memory: how its file's name ends, and what writes it; only the data set needs frames."""
