"""GLB files: what they hold becomes points; what they only claim is refused."""

import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import ColorVisuals, TextureVisuals

from spatia_core.errors import InvalidInput
from spatia_core.io import glb
from spatia_core.io.exports import write_glb
from spatia_core.io.glb import read_glb
from spatia_core.point_cloud import PointCloud


def box(colour=(255, 0, 0, 255)) -> bytes:
    mesh = trimesh.creation.box((1.0, 2.0, 3.0))
    colours = np.tile(np.array(colour, np.uint8), (len(mesh.vertices), 1))
    mesh.visual = ColorVisuals(mesh, vertex_colors=colours)
    return exported(mesh)


def exported(mesh: trimesh.Trimesh) -> bytes:
    data = mesh.export(file_type="glb")
    assert isinstance(data, bytes)
    return data


def packed(document: dict, body: bytes = b"") -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body += b"\0" * (-len(body) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def points_file(**changes) -> bytes:
    xyz = np.array([[0, 0, 0], [1, 2, 3]], "<f4").tobytes()
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"mode": 0, "attributes": {"POSITION": 0}}]}],
        "bufferViews": [{"buffer": 0, "byteLength": len(xyz)}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 2, "type": "VEC3"}],
        "buffers": [{"byteLength": len(xyz)}],
    }
    return packed(document | changes, xyz)


def test_a_mesh_by_another_writer_becomes_points_on_its_surface():
    cloud = read_glb(box())
    assert len(cloud) == pytest.approx(glb.SAMPLES, rel=0.01)
    low, high = cloud.bounds()
    assert np.allclose(high - low, [1, 2, 3], atol=0.02)
    half = np.array([0.5, 1.0, 1.5])
    on_a_face = np.isclose(np.abs(cloud.xyz), half, atol=1e-4).any(1)
    assert on_a_face.all()
    assert (cloud.rgb[:, 0] > 250).all()
    assert (cloud.rgb[:, 1:] < 5).all()


def test_our_own_points_come_back(tmp_path):
    g = np.random.default_rng(0)
    xyz, rgb = g.normal(size=(300, 3)).astype(np.float32), g.integers(0, 256, (300, 3)).astype(np.uint8)
    write_glb(tmp_path / "a.glb", PointCloud(xyz, rgb, np.full(300, 0.01, np.float32)))
    back = read_glb(tmp_path / "a.glb")
    assert np.allclose(back.xyz, xyz, atol=1e-4)
    assert np.abs(back.rgb.astype(int) - rgb).max() <= 1


def test_axes_are_turned_so_that_up_is_up():
    cloud = read_glb(points_file())
    assert np.allclose(cloud.xyz, [[0, 0, 0], [1, -2, -3]])


def test_poses_of_nested_parts_are_kept():
    turned = [{"children": [1], "translation": [10, 0, 0]}, {"mesh": 0, "scale": [2, 2, 2]}]
    assert np.allclose(read_glb(points_file(nodes=turned)).xyz[1], [12, -4, -6])


def accessor(**more) -> list[dict]:
    return [{"bufferView": 0, "componentType": 5126, "count": 2, "type": "VEC3"} | more]


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 40,
        b"glTF" + b"\0" * 30,
        points_file()[:60],
        packed({"extensionsRequired": ["KHR_draco_mesh_compression"]}),
        points_file(accessors=accessor(count=10**9)),
        points_file(accessors=accessor(count=3)),
        points_file(accessors=accessor(count=-1)),
        points_file(accessors=accessor(byteOffset=-12)),
        points_file(accessors=accessor(componentType=1)),
        points_file(accessors=accessor(sparse={})),
        points_file(accessors=[]),
        points_file(bufferViews=[{"buffer": 0, "byteLength": 10**12}]),
        points_file(bufferViews=[{"buffer": 3, "byteLength": 24}]),
        points_file(nodes=[{"children": [0]}]),
        points_file(nodes=[{"children": [0, 0], "mesh": 0}]),
        points_file(nodes=[{"mesh": True}]),
        points_file(nodes="x"),
        points_file(scenes=[{"nodes": [7]}]),
        points_file(meshes=[{"primitives": 3}]),
        points_file(meshes=[{"primitives": [{"mode": 4, "attributes": {"POSITION": 0}}]}]),
        points_file(meshes=[]),
        points_file(nodes=[{}]),
        packed({"asset": []}),
        packed([1]),  # type: ignore[arg-type]
    ],
    ids=range(24),
)
def test_what_cannot_be_used_is_refused_in_a_sentence(data):
    with pytest.raises(InvalidInput, match=r"\.$"):
        read_glb(data)


def test_a_small_file_that_unfolds_into_much_is_refused_quickly():
    leaves = {"nodes": [{"children": [1] * 500}, {"children": [2] * 500}, {"mesh": 0}]}
    with pytest.raises(InvalidInput, match="without end"):
        read_glb(points_file(**leaves))


def test_large_pictures_are_refused(monkeypatch):
    monkeypatch.setattr(glb, "MAX_PIXELS", 10)
    mesh = trimesh.creation.box()
    uv = np.zeros((len(mesh.vertices), 2))
    mesh.visual = TextureVisuals(uv=uv, image=Image.new("RGB", (64, 64), (0, 200, 0)))
    data = exported(mesh)
    with pytest.raises(InvalidInput, match="megapixels"):
        read_glb(data)
    monkeypatch.setattr(glb, "MAX_PIXELS", 10_000)
    cloud = read_glb(data)
    # the writer's own factor of 0.4 on the light of 200, written as a level again
    assert np.allclose(np.median(cloud.rgb, axis=0), [0, 132, 0], atol=2)
