import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core.errors import InvalidInput
from spatia_core.io.clouds import read_ply, write_ply
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from tests.values import cloud

ASCII = """ply
format ascii 1.0
comment made by hand
element vertex 2
property double x
property double y
property double z
property uchar red
property uchar green
property uchar blue
element face 1
property list uchar int vertex_indices
end_header
1 2 3 10 20 30
-1.5 0 4e-1 255 0 7
3 0 1 1
"""


def memory() -> SpatialMemory:
    n = 70
    rng = np.random.default_rng(0)
    labels = PointLabels(
        rng.random(n).astype(np.float32),
        rng.integers(0, 5, n).astype(np.int32),
        rng.integers(0, 9, n).astype(np.int16),
        rng.integers(0, 3, n).astype(np.uint8),
    )
    return SpatialMemory(cloud(n), labels)


def assert_same_cloud(a: PointCloud, b: PointCloud) -> None:
    for name in ("xyz", "rgb", "radius"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_memory_reads_back_bit_by_bit(tmp_path):
    old = memory()
    write_ply(tmp_path / "m.ply", old)
    points, labels = read_ply(tmp_path / "m.ply")
    assert_same_cloud(points, old.cloud)
    for name in ("confidence", "keyframe", "object_id", "provenance"):
        np.testing.assert_array_equal(getattr(labels, name), getattr(old.labels, name))


def test_a_plain_cloud_reads_back_as_observed_points(tmp_path):
    write_ply(tmp_path / "c.ply", cloud(9))
    points, labels = read_ply(tmp_path / "c.ply")
    assert_same_cloud(points, cloud(9))
    assert (labels.provenance == Provenance.OBSERVED).all()


def test_an_empty_cloud_reads_back_empty(tmp_path):
    write_ply(tmp_path / "c.ply", PointCloud.empty())
    assert len(read_ply(tmp_path / "c.ply")[0]) == 0


def test_open3d_reads_what_we_write(tmp_path):
    o3d = pytest.importorskip("open3d")
    old = memory()
    write_ply(tmp_path / "m.ply", old)
    theirs = o3d.io.read_point_cloud(str(tmp_path / "m.ply"))
    np.testing.assert_allclose(np.asarray(theirs.points), old.xyz, atol=1e-6)
    np.testing.assert_allclose(np.asarray(theirs.colors) * 255, old.cloud.rgb, atol=1e-3)


def test_we_read_what_open3d_writes(tmp_path):
    o3d = pytest.importorskip("open3d")
    made = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud(9).xyz.astype(float)))
    made.colors = o3d.utility.Vector3dVector(cloud(9).rgb / 255)
    for binary in (True, False):
        o3d.io.write_point_cloud(str(tmp_path / "o.ply"), made, write_ascii=not binary)
        points, _ = read_ply(tmp_path / "o.ply")
        np.testing.assert_allclose(points.xyz, cloud(9).xyz, atol=1e-5)
        np.testing.assert_array_equal(points.rgb, cloud(9).rgb)


def test_an_ascii_file_with_faces_is_read():
    points, _ = read_ply(ASCII.encode())
    np.testing.assert_allclose(points.xyz, [[1, 2, 3], [-1.5, 0, 0.4]])
    assert points.rgb.tolist() == [[10, 20, 30], [255, 0, 7]]


def test_windows_line_ends_are_read():
    points, _ = read_ply(ASCII.replace("\n", "\r\n").encode())
    assert len(points) == 2


def test_a_big_endian_file_is_read():
    head = ASCII.split("element face", 1)[0].replace("ascii", "binary_big_endian") + "end_header\n"
    row = np.array([(1, 2, 3, 4, 5, 6)], ">f8,>f8,>f8,u1,u1,u1")
    points, _ = read_ply(head.encode() + np.repeat(row, 2).tobytes())
    np.testing.assert_allclose(points.xyz[1], [1, 2, 3])


def test_float_colours_are_shares():
    head = (
        ASCII.replace("uchar red", "float red")
        .replace("uchar green", "float green")
        .replace("uchar blue", "float blue")
    )
    points, _ = read_ply(head.replace("10 20 30", "0 0.5 1").replace("255 0 7", "0 0 2").encode())
    assert points.rgb.tolist() == [[0, 128, 255], [0, 0, 255]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("no ply at all", "no header"),
        (ASCII.replace("end_header", "the end"), "no header"),
        (ASCII.replace("property double z\n", ""), "lacks the property 'z'"),
        (ASCII.replace("property uchar red\n", ""), "lacks the property 'red'"),
        (ASCII.replace("double y", "list uchar int y"), "header"),
        (ASCII.replace("double y", "quad y"), "header"),
        (ASCII.replace("double y", "double x"), "lacks|twice"),
        (ASCII.replace("vertex 2", "vertex two"), "header"),
        (ASCII.replace("vertex 2", "vertex -2"), "header"),
        (ASCII.replace("vertex 2", "vertex"), "header"),
        (ASCII.replace("vertex 2", "vertex 999999999999"), "cut off"),
        (ASCII.replace("vertex 2", "camera 2"), "first element"),
        (ASCII.replace("ascii", "klingon"), "first element"),
        (ASCII.replace("1 2 3 10", "1 2 x 10"), "broken lines"),
        (ASCII.replace("1 2 3 10 20 30", "1 2"), "broken lines"),
        (ASCII.replace("1 2 3", "nan 2 3"), "NaN"),
        (ASCII.replace("uchar red", "int red").replace("255 0 7", "700 0 7"), "colours"),
    ],
)
def test_a_broken_file_is_refused_in_one_sentence(text, says):
    with pytest.raises(InvalidInput, match=says):
        read_ply(text.encode())


def test_a_cut_off_binary_file_says_how_much_is_there(tmp_path):
    write_ply(tmp_path / "c.ply", cloud(9))
    data = (tmp_path / "c.ply").read_bytes()
    with pytest.raises(InvalidInput, match="promises 9 points and holds 8"):
        read_ply(data[:-3])


def test_an_unknown_provenance_is_refused(tmp_path):
    old = memory()
    write_ply(tmp_path / "m.ply", old)
    data = bytearray((tmp_path / "m.ply").read_bytes())
    data[-1] = 200
    with pytest.raises(InvalidInput, match="provenance"):
        read_ply(bytes(data))


@given(st.binary(max_size=80))
def test_any_body_gives_a_cloud_or_a_sentence(body):
    head = ASCII.split("end_header")[0].replace("element face 1\nproperty list uchar int vertex_indices\n", "")
    with pytest.raises(InvalidInput):
        read_ply(head.encode() + b"end_header\n" + body.replace(b"0", b"x") + b"\nx")
