"""Memories on disk: exact, mapped, and refused in a sentence when anything is wrong with the file."""

import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatia_core.errors import InvalidInput, ProjectFormatError
from spatia_core.io.snapshots import MAGIC, open_snapshot, save_snapshot
from spatia_core.memory import LABEL_TYPES, Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.render import render
from tests.values import camera, cloud, memory


def rich(n: int = 300) -> SpatialMemory:
    rng = np.random.default_rng(0)
    view = camera(16, 12)
    depth = rng.uniform(1, 3, (12, 16)).astype(np.float32)
    depth[0, 0] = np.nan
    mask = rng.random((12, 16)) < 0.5
    frame = Keyframe(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), depth, view, mask, ~mask)
    labels = PointLabels(
        rng.random(n).astype(np.float32),
        rng.integers(0, 2, n, dtype=np.int32),
        rng.integers(-5, 5, n, dtype=np.int16),
        rng.integers(0, 3, n, dtype=np.uint8),
        rng.integers(-1, 9, n, dtype=np.int32),
    )
    return replace(memory(0).insert(cloud(n), labels, [frame]), metric=True)


@pytest.fixture
def saved(tmp_path):
    file = tmp_path / "room.memory"
    save_snapshot(file, rich())
    return file


@pytest.mark.parametrize("verify", [True, False])
def test_a_memory_comes_back_bit_by_bit(saved, verify):
    before, after = rich(), open_snapshot(saved, verify)
    for name in ("xyz", "rgb", "radius"):
        np.testing.assert_array_equal(getattr(after.cloud, name), getattr(before.cloud, name))
    for name in LABEL_TYPES:
        np.testing.assert_array_equal(getattr(after.labels, name), getattr(before.labels, name))
    assert after.metric
    for a, b in zip(after.keyframes, before.keyframes, strict=True):
        for name in ("image", "depth", "dynamic", "sky"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        np.testing.assert_array_equal(a.camera.w2c, b.camera.w2c)


def test_an_opened_memory_is_mapped_and_goes_on_like_any_other(saved):
    opened = open_snapshot(saved)
    base = opened.xyz
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)
    np.testing.assert_array_equal(render(opened.cloud, camera()).rgb, render(rich().cloud, camera()).rgb)
    grown = opened.insert(cloud(5), PointLabels.uniform(5, Provenance.GENERATED))
    assert len(grown) == 305
    assert len(grown.without(grown.of(Provenance.GENERATED))) == len(opened) - opened.of(Provenance.GENERATED).sum()


def test_saving_over_an_opened_file_leaves_the_opened_memory_as_it_was(saved):
    opened = open_snapshot(saved)
    save_snapshot(saved, memory(3))
    np.testing.assert_array_equal(opened.xyz, rich().xyz)
    assert len(open_snapshot(saved)) == 3


def test_an_empty_memory_comes_back(tmp_path):
    save_snapshot(tmp_path / "a", SpatialMemory.empty())
    assert len(open_snapshot(tmp_path / "a")) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.9999))
def test_a_file_cut_off_anywhere_is_refused(saved, share):
    data = saved.read_bytes()
    cut = saved.with_name("cut")
    cut.write_bytes(data[: int(share * (len(data) - 64))])
    with pytest.raises(ProjectFormatError, match=r"cut off|not a snapshot|empty"):
        open_snapshot(cut)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_gives_another_memory(saved, share, bit):
    data = bytearray(saved.read_bytes())
    data[min(int(share * len(data)), len(data) - 1)] ^= 1 << bit
    bad = saved.with_name("bad")
    bad.write_bytes(data)
    try:
        opened = open_snapshot(bad)
    except ProjectFormatError:
        return
    np.testing.assert_array_equal(opened.xyz, rich().xyz)  # only padding may change unnoticed
    np.testing.assert_array_equal(opened.labels.keyframe, rich().labels.keyframe)


def with_head(file, change) -> None:
    """The file with its head changed and its checksum made right again: what a malicious writer would do."""
    data = file.read_bytes()
    start = len(MAGIC) + 8
    length = struct.unpack("<I", data[len(MAGIC) : len(MAGIC) + 4])[0]
    head = json.loads(data[start : start + length])
    change(head)
    text = json.dumps(head).encode()
    text += b" " * (length - len(text))
    body = data[-(-(start + length) // 64) * 64 :]
    front = MAGIC + struct.pack("<II", len(text), zlib.crc32(text)) + text
    file.write_bytes(front + bytes(-len(front) % 64) + body)


def shift(head) -> None:
    head["arrays"][2]["at"] = 10**12


def wrong_count(head) -> None:
    head["points"] = 10**8


def negative(head) -> None:
    head["arrays"][0]["at"] = -64


def nameless(head) -> None:
    del head["arrays"][0]["name"]


def pose(head) -> None:
    head["keyframes"][0]["w2c"] = [[1, 2], [3, 4]]


def huge(head) -> None:
    head["keyframes"][0]["size"] = [10**9, 10**9]


@pytest.mark.parametrize("change", [shift, wrong_count, negative, nameless, pose, huge])
def test_a_head_that_lies_is_refused(saved, change):
    with_head(saved, change)
    with pytest.raises(ProjectFormatError):
        open_snapshot(saved)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(200), MAGIC])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ProjectFormatError):
        open_snapshot(tmp_path / "x")


def test_a_later_version_says_so(saved):
    data = bytearray(saved.read_bytes())
    data[7] = 9
    saved.write_bytes(data)
    with pytest.raises(ProjectFormatError, match="version 9"):
        open_snapshot(saved)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(InvalidInput, match="no snapshot"):
        open_snapshot(tmp_path / "none")
