"""What the 3D view is sent and what it may send back; its own JavaScript."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from editing.chosen import thing_in_view
from editing.panels import viewport as panel
from editing.viewport import (
    BLOCK,
    MOST_CORNERS,
    camera_value,
    pack,
    read_camera,
    read_step,
    thinning_order,
    unpack,
)
from editing.volume_selection import Ball, Box, Colour, Drawn, Everything, Grown, Inverted, InView, Thing
from spatia_core.errors import InvalidInput
from spatia_core.memory import PointLabels, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render
from tests.studio import TrueMasks, centre_of_thing, first_view, memory, start, thing_mask

SOURCES = Path(__file__).parents[1] / "web" / "viewport"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node to run the view's JavaScript")


def random_memory(n: int) -> SpatialMemory:
    g = np.random.default_rng(n)
    xyz = (g.normal(size=(n, 3)) * [1, 2, 30]).astype(np.float32)
    cloud = PointCloud(xyz, g.integers(0, 256, (n, 3)).astype(np.uint8), g.uniform(1e-4, 0.5, n).astype(np.float32))
    labels = PointLabels(
        g.uniform(size=n).astype(np.float32),
        np.zeros(n, np.int32),
        g.integers(0, 300, n).astype(np.int16),
        g.integers(0, 3, n).astype(np.uint8),
    )
    return SpatialMemory(cloud, labels)


# --- to the page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 1000, BLOCK, BLOCK + 1])
def test_a_memory_survives_the_way_to_the_page(n):
    m = random_memory(n)
    payload = pack(m)
    assert len(payload.data) == 40 + 16 * n
    assert np.array_equal(np.sort(payload.order), np.arange(n))
    back = unpack(payload.data)
    if n:
        size = np.ptp(m.xyz, axis=0).max()
        assert np.abs(back["xyz"] - m.xyz[payload.order]).max() <= 1e-6 * size + 1e-6
        assert np.array_equal(back["rgb"], m.cloud.rgb[payload.order])
        assert np.array_equal(back["provenance"], m.labels.provenance[payload.order])
        assert np.array_equal(back["object"], m.labels.object_id[payload.order])
        assert np.abs(back["confidence"] - m.labels.confidence[payload.order]).max() <= 0.5 / 63 + 1e-6
        assert back["radius"] == pytest.approx(m.cloud.radius[payload.order], rel=1e-3)


def test_any_beginning_is_spread_over_the_whole():
    cells = np.stack(np.meshgrid(*[np.arange(16)] * 3), -1).reshape(-1, 3) * 1024
    order = thinning_order(cells)
    assert np.array_equal(np.sort(order), np.arange(len(cells)))
    for share in (8, 64):
        first = cells[order[: len(cells) // share]]
        side = round(16 / share ** (1 / 3))
        coarse = first // (1024 * 16 // side)
        assert len(np.unique(coarse, axis=0)) == side**3


def test_a_selection_is_one_bit_a_point_in_the_order_of_the_points():
    m = random_memory(1003)
    payload = pack(m)
    chosen = np.random.default_rng(0).uniform(size=1003) > 0.7
    bits = np.unpackbits(np.frombuffer(payload.bits(chosen), np.uint8), bitorder="little")[:1003]
    assert np.array_equal(bits.astype(bool), chosen[payload.order])


def test_a_camera_survives_the_way_there_and_back():
    camera = start().moved(np.linalg.inv(np.array([[0.8, 0, 0.6, 1], [0, 1, 0, 2], [-0.6, 0, 0.8, 3], [0, 0, 0, 1.0]])))
    back = read_camera(json.loads(json.dumps(camera_value(camera))))
    assert np.allclose(back.w2c, camera.w2c, atol=1e-12)
    assert back.same_lens(camera)


# --- from the page ----------------------------------------------------------------------------------------------------


def message(kind: str, **more: Any) -> dict[str, Any]:
    x, y = centre_of_thing()
    base = {"kind": kind, "how": "replace", "through": False, "camera": camera_value(start()), "at": [x, y], "size": 12}
    return base | {"points": [[40, 20], [120, 20], [120, 90]], "amount": 2} | more


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        *((kind, InView) for kind in ("rectangle", "lasso", "polygon", "brush")),
        *(("sphere", Ball), ("box", Box), ("colour", Colour), ("everything", Everything)),
    ],
)
def test_every_shape_is_read(kind, shape):
    step = read_step(message(kind, how="add"), memory())
    assert isinstance(step, Drawn)
    assert isinstance(step.shape, shape)
    assert step.how == "add"
    assert step.shape.points(memory()).any()


def test_changes_of_the_whole_selection_are_read():
    assert isinstance(read_step({"kind": "invert"}, memory()), Inverted)
    assert read_step({"kind": "grow", "amount": -3}, memory()) == Grown(-3.0)
    step = read_step({"kind": "object", "object": 0}, memory())
    assert isinstance(step, Drawn)
    assert step.shape == Thing(0)


def test_a_rectangle_selects_what_its_corners_enclose_in_any_order():
    a, b = (read_step(message("rectangle", points=p), memory()) for p in ([[40, 20], [120, 90]], [[120, 90], [40, 20]]))
    assert isinstance(a, Drawn)
    assert isinstance(b, Drawn)
    assert isinstance(a.shape, InView)
    assert isinstance(b.shape, InView)
    assert np.array_equal(a.shape.mask, b.shape.mask)
    assert a.shape.mask.sum() == pytest.approx(80 * 70, rel=0.03)


def forged() -> list[Any]:
    camera = camera_value(start())
    nan = [float("nan")] + [0.0] * 15
    return [
        None,
        [],
        "rectangle",
        message("explode"),
        message(["lasso"]),  # type: ignore[arg-type]
        message("lasso", how="destroy"),
        message("lasso", through="yes"),
        message("lasso", points=[[0, 0]] * 2),
        message("lasso", points=[[0, float("nan")]] * 5),
        message("lasso", points=[[0, 0, 0]] * 5),
        message("lasso", points=[[0, 1e9]] * 5),
        message("lasso", points=[["1", "2"]] * 5),
        message("lasso", points=[[0, 0]] * (MOST_CORNERS + 1)),
        message("lasso", points={"0": [1, 2]}),
        message("brush", size=float("inf")),
        message("brush", size=True),
        message("brush", points=[]),
        message("sphere", at=[1]),
        message("sphere", size=-4),
        message("sphere", size=None),
        message("colour", tolerance=1e9),
        message("grow", amount=1e9),
        message("grow", amount=0),
        message("grow", amount="3"),
        message("object", object=30_000),
        message("object", object=-1),
        message("object", object=2**40),
        message("object", object=float("nan")),
        message("lasso", camera=None),
        message("lasso", camera=camera | {"w2c": nan}),
        message("lasso", camera=camera | {"w2c": [0.0] * 16}),
        message("lasso", camera=camera | {"w2c": [1.0] * 15}),
        message("lasso", camera=camera | {"w2c": [2.0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]}),
        message("lasso", camera=camera | {"lens": [-1, 1, 1, 1]}),
        message("lasso", camera=camera | {"lens": [100, 100]}),
        message("lasso", camera=camera | {"width": 10**6}),
        message("lasso", camera=camera | {"height": 0}),
        message("lasso", camera=camera | {"height": "120"}),
    ]


@pytest.mark.parametrize("data", forged(), ids=range(len(forged())))
def test_forged_messages_are_refused_in_a_sentence(data):
    with pytest.raises(InvalidInput, match=r"\.$"):
        read_step(data, memory())


def test_a_click_in_a_view_finds_the_thing_that_is_seen_there():
    x, y = centre_of_thing()
    segmenter = TrueMasks(first_view())
    found = thing_in_view(segmenter, memory(), start(), x, y)
    assert np.array_equal(found.mask, thing_mask())
    with pytest.raises(InvalidInput, match="nothing under the pointer"):
        thing_in_view(segmenter, memory(), start(), -5, 3)


# --- the view's own program -------------------------------------------------------------------------------------------


def test_the_committed_program_was_built_from_the_sources():
    made = hashlib.sha256()
    for file in sorted((SOURCES / "src").glob("*.js"), key=lambda f: f.name):
        made.update(file.read_bytes())
    made.update((SOURCES / "package-lock.json").read_bytes())
    first, _, _ = (panel.WEB / "viewport.js").read_text(encoding="utf-8").partition("\n")
    assert made.hexdigest() in first, "run npm ci && npm run build in web/viewport"


def test_the_program_asks_nobody_outside_and_names_its_licence():
    program = (panel.WEB / "viewport.js").read_text(encoding="utf-8")
    assert 'fetch("http' not in program
    assert "SPDX-License-Identifier: MIT" in program
    assert "MIT" in (panel.WEB / "viewport.three-LICENSE.txt").read_text(encoding="utf-8")


@needs_node
def test_the_view_passes_its_own_tests():
    assert NODE is not None
    run = subprocess.run([NODE, "--test", "test/"], cwd=SOURCES, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]


@needs_node
def test_the_page_paints_what_the_server_renders(tmp_path):
    assert NODE is not None
    (tmp_path / "points.bin").write_bytes(pack(memory()).data)
    photo = {"camera": camera_value(start()), "target": [0, 0, 2.0], "unit": memory().median_depth()}
    (tmp_path / "photo.json").write_text(json.dumps(photo))
    command = [NODE, "paint.mjs", str(tmp_path / "points.bin"), "300", "200", str(tmp_path / "photo.json")]
    run = subprocess.run(command, cwd=SOURCES, capture_output=True, check=True)
    line, _, raw = run.stdout.partition(b"\n")
    painted = np.frombuffer(raw, np.uint8).reshape(200, 300, 4)
    seen = render(memory().cloud, read_camera(json.loads(line)))
    assert seen.coverage.mean() > 0.3
    # positions are rounded on the way, so a few borders fall on the other side of a pixel's centre
    assert np.mean((painted[..., 3] > 0) == seen.coverage) > 0.995
    assert np.mean((painted[..., :3] == seen.rgb).all(-1)) > 0.98
