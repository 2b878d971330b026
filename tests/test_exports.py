"""The memory in other programs' forms, each read by a reader that is not ours."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.errors import InvalidInput
from spatia_core.frames import Frame
from spatia_core.io import exports
from spatia_core.io.clouds import write_ply
from spatia_core.io.exports import EXPORTS, write_dataset, write_gaussians, write_glb, write_splat
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render
from tests.values import cloud, memory

CLOUD = cloud(300, seed=3)


def frames(zoom: bool = False) -> list[Frame]:
    start = Camera.from_fov(64, 48, 1.0, se3.exp(np.array([0.1, -0.2, 0.05, 0.3, 0.1, -0.2])))
    path = make_path("zoom-in" if zoom else "spiral", start, 4, SceneScale.before(start, 2.0))
    return [Frame(render(CLOUD, c).rgb, c) for c in path]


def unpacked(file: Path, to: Path) -> Path:
    with zipfile.ZipFile(file) as z:
        z.extractall(to)
    return to


def test_trimesh_reads_the_glb(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    write_glb(tmp_path / "a.glb", CLOUD)
    scene = trimesh.load(tmp_path / "a.glb")
    (points,) = scene.geometry.values()
    assert np.array_equal(points.vertices, CLOUD.xyz * [1, -1, -1])
    light = np.asarray(points.colors)[:, :3] / 255
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    dark = CLOUD.rgb.astype(float) < 40  # trimesh rounds to 8 bits, which is coarse in the dark
    assert np.abs(srgb * 255 - CLOUD.rgb)[~dark].max() < 4


def test_a_glb_keeps_colours_to_the_last_grey_level():
    levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    light = exports._linear(levels).astype(float)
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.array_equal(np.rint(srgb * 255), levels)


def test_trimesh_reads_the_ply(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    write_ply(tmp_path / "a.ply", memory(40))
    points = trimesh.load(tmp_path / "a.ply")
    assert np.array_equal(points.vertices, memory(40).xyz)
    assert np.array_equal(points.colors[:, :3], memory(40).cloud.rgb)


@pytest.mark.filterwarnings("ignore")
def test_open3d_reads_the_gaussians(tmp_path):
    o3d = pytest.importorskip("open3d")
    write_gaussians(tmp_path / "a.ply", CLOUD, degree=3)
    read = o3d.t.io.read_point_cloud(str(tmp_path / "a.ply"))
    assert np.array_equal(read.point.positions.numpy(), CLOUD.xyz)
    colours = 0.5 + exports._SH0 * read.point["f_dc"].numpy()
    assert np.allclose(colours * 255, CLOUD.rgb, atol=1e-3)
    assert read.point["f_rest"].shape[1:] == (15, 3)
    assert np.allclose(read.point["scale"].numpy(), CLOUD.radius[:, None], rtol=1e-5)
    assert np.allclose(1 / (1 + np.exp(-read.point["opacity"].numpy())), exports.OPACITY)
    assert np.array_equal(read.point["rot"].numpy(), np.tile([1, 0, 0, 0], (300, 1)))


def test_trimesh_reads_the_gaussians_without_view_dependence(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    write_gaussians(tmp_path / "a.ply", CLOUD)
    read = trimesh.load(tmp_path / "a.ply")
    assert np.array_equal(read.vertices, CLOUD.xyz)
    raw = read.metadata["_ply_raw"]["vertex"]["data"]
    assert "f_rest_0" not in raw.dtype.names
    assert np.allclose(np.exp(raw["scale_1"]).ravel(), CLOUD.radius, rtol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_open3d_reads_the_splats(tmp_path):
    o3d = pytest.importorskip("open3d")
    write_splat(tmp_path / "a.splat", CLOUD)
    assert (tmp_path / "a.splat").stat().st_size == 32 * len(CLOUD)
    read = o3d.t.io.read_point_cloud(str(tmp_path / "a.splat"))
    first = np.argsort(-CLOUD.radius, kind="stable")
    assert np.array_equal(read.point.positions.numpy(), CLOUD.xyz[first])


@pytest.mark.parametrize("zoom", [False, True])
def test_pycolmap_reads_cameras_poses_and_points(tmp_path, zoom):
    pycolmap = pytest.importorskip("pycolmap")
    taken = frames(zoom)
    write_dataset(tmp_path / "a.zip", CLOUD, taken)
    folder = unpacked(tmp_path / "a.zip", tmp_path / "data")
    read = pycolmap.Reconstruction(folder / "sparse" / "0")
    assert read.num_images() == 4
    assert read.num_cameras() == (4 if zoom else 1)
    points = np.array([read.points3D[i].xyz for i in sorted(read.points3D)])
    assert np.allclose(points, CLOUD.xyz, atol=1e-5)
    for i, frame in enumerate(taken):
        image = read.images[i + 1]
        assert image.name == f"frame_{i:05d}.png"
        uv, z = frame.camera.project(CLOUD.xyz)
        theirs = np.array([image.project_point(p) for p in CLOUD.xyz[z > 0].astype(float)], float)
        assert np.allclose(theirs, uv[z > 0], atol=1e-3)
        with Image.open(folder / "images" / image.name) as picture:
            assert np.array_equal(np.asarray(picture), frame.image)


def test_transforms_json_says_what_colmap_s_files_say(tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    trimesh = pytest.importorskip("trimesh")
    write_dataset(tmp_path / "a.zip", CLOUD, frames())
    folder = unpacked(tmp_path / "a.zip", tmp_path / "data")
    whole = json.loads((folder / "transforms.json").read_text())
    read = pycolmap.Reconstruction(folder / "sparse" / "0")
    for i, frame in enumerate(whole["frames"]):
        image = read.images[i + 1]
        w2c = np.vstack([image.cam_from_world().matrix(), [0, 0, 0, 1]])
        c2w_gl = np.linalg.inv(w2c) @ np.diag([1, -1, -1, 1])
        assert np.allclose(frame["transform_matrix"], c2w_gl, atol=1e-9)
        assert (folder / frame["file_path"]).is_file()
        lens = read.cameras[image.camera_id].params
        assert np.allclose(lens, [frame[k] for k in ("fl_x", "fl_y", "cx", "cy")])
    assert np.array_equal(trimesh.load(folder / whole["ply_file_path"]).vertices, CLOUD.xyz)


def test_a_large_memory_is_thinned_in_text_only(monkeypatch):
    monkeypatch.setattr(exports, "MOST_TEXT_POINTS", 100)
    text = exports.colmap_texts(CLOUD, [f.camera for f in frames()])["points3D.txt"]
    assert len(text.splitlines()) == 100


def test_points_without_size_still_become_splats(tmp_path):
    flat = PointCloud(CLOUD.xyz, CLOUD.rgb, np.zeros(300, np.float32))
    write_splat(tmp_path / "a.splat", flat)
    scales = np.frombuffer((tmp_path / "a.splat").read_bytes(), "<f4").reshape(-1, 8)[:, 3]
    assert (scales > 0).all()


@pytest.mark.parametrize("name", EXPORTS)
def test_every_form_is_written_by_its_name(tmp_path, name):
    ending, write = EXPORTS[name]
    write(tmp_path / f"memory{ending}", memory(30), frames())
    assert (tmp_path / f"memory{ending}").stat().st_size > 100
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", EXPORTS)
def test_nothing_is_not_written(tmp_path, name):
    ending, write = EXPORTS[name]
    if name != "ply":
        with pytest.raises(InvalidInput, match="no points"):
            write(tmp_path / f"a{ending}", memory(0), frames())
        assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(InvalidInput, match="film a clip"):
        write_dataset(tmp_path / "a.zip", CLOUD, [])
    with pytest.raises(InvalidInput, match="degree 0 or 3"):
        write_gaussians(tmp_path / "a.ply", CLOUD, degree=1)
