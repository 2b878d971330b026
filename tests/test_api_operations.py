"""The named endpoints of turning, copying, recolouring, walking, inserting and the list, through the public client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app import build
from editing.edits import Placing
from editing.panels.api_operations import fill_of, placing_of, way_of
from editing.panels.desk import Studio
from editing.panels.handlers import EXAMPLES
from editing.viewport import camera_value
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.io.clouds import write_ply
from spatia_core.point_cloud import PointCloud

pytestmark = pytest.mark.filterwarnings("ignore")


def test_placings_ways_and_fills_are_read_or_refused_in_a_sentence():
    assert placing_of(0.1, 0, 0, 90, 2, True) == Placing((0.1, 0.0, 0.0), (0.0, np.pi / 2, 0.0), 2.0)
    assert way_of([[0.3, 0, 0]]) == ((0.0, 0.0, 0.0), (0.3, 0.0, 0.0))
    assert fill_of("hole") == "hole"
    for wrong in (
        lambda: placing_of("x", 0, 0, 0, 1, True),
        lambda: way_of([[1, 2]]),
        lambda: way_of(7),
        lambda: fill_of(1),
    ):
        with pytest.raises(InvalidInput, match=r"\.$"):
            wrong()


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp("studio")
    blocks = build(Studio(root)).queue()
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, allowed_paths=[str(root)], ssr_mode=False)
    yield Client(address, verbose=False)
    blocks.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("photo") / "bird.jpg"
    with Image.open(EXAMPLES / "osprey.jpg") as picture:
        picture.resize((480, 272)).save(file)
    return file


def call(client: Client, endpoint: str, /, **values: Any) -> Any:
    return client.predict(**values, api_name=f"/{endpoint}")


def test_things_are_found_and_picked_by_their_number(client: Client, tmp_path: Path):
    photo = tmp_path / "bird.jpg"
    with Image.open(EXAMPLES / "osprey.jpg") as picture:
        picture.resize((192, 112)).save(photo)
    with pytest.raises(AppError, match=r"\.$"):
        call(client, "pick_thing", number=0, add=False)
    call(client, "open_photo", photo=handle_file(photo), path="truck-right", amount=0.3, frames=2, seed=0)
    things = call(client, "find_things")
    assert [t["number"] for t in things] == list(range(len(things)))
    first, other = things[0], things[-1]
    said = call(client, "pick_thing", number=first["number"], add=False)
    assert said["selected_share"] == pytest.approx(first["share"], abs=2e-4)
    said = call(client, "pick_thing", number=other["number"], add=True)
    assert said["selected_share"] >= max(first["share"], other["share"]) - 2e-4
    with pytest.raises(AppError, match="no such thing"):
        call(client, "pick_thing", number=len(things), add=False)


@pytest.mark.slow
def test_the_whole_round_of_operations(client: Client, photo: Path, tmp_path: Path):
    call(client, "open_photo", photo=handle_file(photo), path="truck-right", amount=0.3, frames=2, seed=0)
    said = call(client, "click", x=290.0, y=240.0, positive=True)
    width, height = (int(v) for v in said["size"].split("x"))
    assert said["selected_share"] > 0.005
    call(client, "keep", name="bird")
    (row,) = call(client, "objects")
    assert row["name"] == "bird"
    call(client, "change_object", key=row["key"], what="select", value="")
    found = call(client, "take_along", shadow=True, reflection=True)
    assert "shadow" in found
    assert "reflection" in found
    assert call(client, "take_along", shadow=False, reflection=False) == ""
    said = call(client, "place", x=0.1, y=0, z=0, turn=20, size=0.8, on_ground=True, fill="plain")
    call(client, "change_object", key=row["key"], what="select", value="")
    said = call(client, "duplicate", x=-0.2, y=0, z=0, turn=0, size=1, on_ground=True)
    call(client, "change_object", key=row["key"], what="select", value="")
    said = call(client, "recolour", tint="#ff0000", strength=0.8, brightness=1, saturation=1)
    call(client, "change_object", key=row["key"], what="select", value="")
    said = call(client, "animate", way=[[0.2, 0, 0]], on_ground=True, fill="completed")
    xyz = np.random.default_rng(0).uniform(size=(400, 3)).astype(np.float32)
    rgb = np.full((400, 3), 200, np.uint8)
    write_ply(tmp_path / "a.ply", PointCloud(xyz, rgb, np.full(400, 0.02, np.float32)))
    file = handle_file(tmp_path / "a.ply")
    said = call(client, "insert", file=file, x=width / 2, y=height - 40.0, size=0, cut_x=0, cut_y=0)
    assert [e.split()[0] for e in said["edits"]] == ["Move", "Duplicate", "Recolour", "Animate", "Insert"]
    assert {r["name"] for r in call(client, "objects")} == {"Copy of bird", "Inserted"}
    camera = camera_value(Camera.from_fov(width, height, 1.0))
    step = {"kind": "rectangle", "points": [[10, 10], [60, 60]], "camera": camera}
    call(client, "select_in_space", step=step)
    said = call(client, "delete_leaving", fill="hole")
    assert said["edits"][-1] == "Delete"
    for name, values in (
        ("delete_leaving", {"fill": "nonsense"}),
        ("change_object", {"key": "x", "what": "drop", "value": ""}),
        ("select_in_space", {"step": {"kind": "lasso"}}),
    ):
        with pytest.raises(AppError, match=r"\.$"):
            call(client, name, **values)
