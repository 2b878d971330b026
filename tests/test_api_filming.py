"""The named endpoints of camera keys, plans, previews and versions, through the public client."""

import gc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app import build
from editing.panels.desk import Studio
from editing.panels.handlers import EXAMPLES
from tests.test_panels_filming import pictures

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[Client]:
    root = tmp_path_factory.mktemp("studio")
    blocks = build(Studio(root)).queue()
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, allowed_paths=[str(root)], ssr_mode=False)
    client = Client(address, verbose=False)
    yield client
    client.close()
    blocks.close()
    del client, blocks
    gc.collect()  # what Gradio leaves open is complained of here, where that is ignored


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("photo") / "bird.jpg"
    with Image.open(EXAMPLES / "osprey.jpg") as picture:
        picture.resize((192, 112)).save(file)
    return file


@pytest.mark.slow
def test_keys_plan_preview_versions_and_comparison_through_the_client(client: Client, photo: Path):
    def call(endpoint: str, **values: Any) -> Any:
        return client.predict(**values, api_name=f"/{endpoint}")

    shot = {"path": "truck-left", "amount": 0.5, "frames": 5, "seed": 0}
    call("open_photo", photo=handle_file(photo), **shot)
    assert call("camera_keys") is None
    call("change_keys", change={"do": "keys"}, **shot)
    told = call("change_keys", change={"do": "add", "frame": 2}, **shot)
    assert [k["frame"] for k in told["keys"]] == [0, 2, 4]
    plan = call("plan", **(shot | {"path": "keys"}))
    assert len(plan["known"]) == plan["frames"] == 5
    assert plan["gpu_seconds"] is None
    preview = call("preview", full_size=True, **(shot | {"path": "keys"}))
    clips, first, _ = call("film_keys", seed=3, prompts=[])
    a, b = pictures(preview), pictures(first)
    assert a.shape == b.shape
    assert 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)) >= 45
    assert [(c["number"], c["camera"], c["seed"], c["here"]) for c in clips] == [
        (1, "truck left", 0, False),
        (2, "3 keys", 3, True),
    ]
    assert all(Path(f).exists() for f in call("compare", a=1, b=2))
    pack, page = (Path(call("download_two", what=what, a=2, b=1)) for what in ("pack", "page"))
    assert zipfile.is_zipfile(pack)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [c["here"] for c in call("go_on_from", clip=1)] == [True, False]
    call("undo")
    assert [c["here"] for c in call("versions")] == [False, True]
    for endpoint, values, says in (
        ("change_keys", shot | {"change": {"do": "explode"}}, "not known"),
        ("go_on_from", {"clip": 9}, "no clip 9"),
        ("compare", {"a": 1, "b": 77}, "no clip 77"),
        ("download_two", {"what": "pack", "a": 1, "b": 77}, "no clip 77"),
        ("download_two", {"what": "poster", "a": 1, "b": 2}, "pack, page"),
        ("plan", shot | {"path": "sideways"}, "no camera move"),
        ("film_keys", {"seed": 0, "prompts": "dawn"}, "list"),
    ):
        with pytest.raises(AppError, match=says):
            call(endpoint, **values)
