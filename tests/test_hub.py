"""Model folders from this machine and from a hub, with a hub of our own on this machine."""

import hashlib
import http.server
import json
import threading

import numpy as np
import pytest
from safetensors.numpy import save

from spatia_core.backends import hub, model_files
from spatia_core.backends.hub import Access, Source, model_folder
from spatia_core.backends.model_files import check_folder
from spatia_core.errors import BackendUnavailable, Cancelled

COMMIT = "c" * 40
WEIGHTS = save({"a": np.arange(5000, dtype=np.float32)})
CONFIG = json.dumps({"kind": "tiny"}).encode()
INSTEAD = "The generator 'reproject' works without a download."


class Hub(http.server.BaseHTTPRequestHandler):
    """Enough of the hub to list and send the files of one repository."""

    files: dict[str, bytes]
    asked: list[str]
    declared: dict[str, bytes]
    starts: list[int]

    def log_message(self, *args):
        pass

    def _headers(self, body: bytes, status: int, start: int = 0) -> None:
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body) - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()

    def do_HEAD(self):
        self._headers(self.files[self.path.split(f"/resolve/{COMMIT}/", 1)[-1]], 200)

    def do_GET(self):
        type(self).asked.append(self.path)
        if "/api/models/" in self.path:
            siblings = [
                {
                    "rfilename": name,
                    "size": len(body),
                    "lfs": {
                        "sha256": hashlib.sha256(self.declared.get(name, body)).hexdigest(),
                        "size": len(body),
                        "pointerSize": 1,
                    },
                }
                for name, body in self.files.items()
            ]
            answer = json.dumps({"id": "own/tiny", "sha": COMMIT, "siblings": siblings}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            return
        body = self.files[self.path.split(f"/resolve/{COMMIT}/", 1)[-1]]
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        type(self).starts.append(start)
        self._headers(body, 206 if start else 200, start)
        self.wfile.write(body[start:])


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "shared"))
    monkeypatch.setitem(hub.LICENCES, "own/tiny", hub.Licence("Apache-2.0", "https://example.org/card"))
    Hub.files = {"model.safetensors": WEIGHTS, "config.json": CONFIG, "old.bin": b"pickled"}
    Hub.declared, Hub.asked, Hub.starts = {}, [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield Access(cache=tmp_path / "hub", endpoint=f"http://127.0.0.1:{running.server_address[1]}")
        running.shutdown()


SOURCE = Source("own/tiny", 0.1, INSTEAD)


def local(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / name.replace("__", ".")).write_bytes(body)
    return folder


def test_a_repository_is_fetched_once_without_its_pickles_and_its_licence_is_told_first(server):
    told = []
    folder = model_folder(None, SOURCE, server, lambda share, doing: told.append((share, doing)))
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "config.json").read_bytes() == CONFIG
    assert not (folder / "old.bin").exists()
    assert not any("old.bin" in path for path in Hub.asked)
    assert "Apache-2.0" in told[0][1]
    assert "https://example.org/card" in told[0][1]
    assert all(0 <= share <= 1 for share, _ in told)
    asked = len(Hub.asked)
    assert model_folder("own/tiny", SOURCE, server) == folder
    assert len(Hub.asked) == asked, "what is there is not asked for again"


def test_a_cancelled_download_goes_on_where_it_stopped(server):
    Hub.files["model.safetensors"] = save({"a": np.zeros(12_000_000, np.float32)})

    def stop(share, doing):
        if share > 0.2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        model_folder(None, SOURCE, server, stop)
    arrived = list(server.cache.rglob("*.part"))
    assert arrived[0].stat().st_size > 1_000_000
    folder = model_folder(None, SOURCE, server)
    assert Hub.starts[:2] == [0, 10 << 20], "the server sent only what was missing"
    assert (folder / "model.safetensors").read_bytes() == Hub.files["model.safetensors"]


def test_a_file_with_another_checksum_is_removed_and_refused(server):
    Hub.declared["model.safetensors"] = b"what the hub promised"
    with pytest.raises(BackendUnavailable, match=r"(?s)SHA-256.*removed"):
        model_folder(None, SOURCE, server)
    assert not list(server.cache.rglob("model.safetensors"))


def test_a_cached_file_that_was_altered_is_refused(server):
    folder = model_folder(None, SOURCE, server)
    blob = folder / "model.safetensors"
    body = bytearray(blob.read_bytes())
    body[-1] ^= 1
    blob.write_bytes(bytes(body))
    with pytest.raises(BackendUnavailable, match="altered"):
        model_folder(None, SOURCE, server)


def test_without_a_hub_the_sentence_names_repository_size_licence_and_what_works(server):
    nowhere = Access(cache=server.cache, endpoint="http://127.0.0.1:9")
    with pytest.raises(BackendUnavailable) as failed:
        model_folder(None, SOURCE, nowhere)
    for part in ("own/tiny", "0.1 GB", "Apache-2.0", INSTEAD):
        assert part in str(failed.value)
    with pytest.raises(BackendUnavailable, match="downloading is off"):
        model_folder(None, SOURCE, Access(download=False, cache=server.cache))


def test_what_was_fetched_works_without_the_hub(server):
    folder = model_folder(None, SOURCE, server)
    assert model_folder(None, SOURCE, Access(cache=server.cache, endpoint="http://127.0.0.1:9")) == folder
    assert model_folder(None, SOURCE, Access(download=False, cache=server.cache)) == folder


def test_a_repository_of_pickles_only_is_refused(server):
    del Hub.files["model.safetensors"]
    with pytest.raises(BackendUnavailable, match="never loaded"):
        model_folder(None, SOURCE, server)


def test_non_commercial_and_unknown_licences_need_a_yes(server):
    for repository in ("facebook/map-anything", "somebody/unknown"):
        with pytest.raises(BackendUnavailable, match="accept_non_commercial"):
            model_folder(repository, SOURCE, server)
    assert not Hub.asked
    yes = Access(accept_non_commercial=True, cache=server.cache, endpoint=server.endpoint)
    assert model_folder("somebody/unknown", SOURCE, yes).is_dir()


def test_a_full_disk_is_said_before_anything_is_fetched(server, monkeypatch):
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10})())
    with pytest.raises(BackendUnavailable, match="GB on disk"):
        model_folder(None, SOURCE, server)
    assert not any("resolve" in path for path in Hub.asked)


def test_a_local_folder_is_taken_as_it_is(tmp_path):
    folder = local(tmp_path / "m", model__safetensors=WEIGHTS, config__json=CONFIG)
    assert model_folder(folder, SOURCE) == folder
    assert model_folder(str(folder), SOURCE) == folder
    with pytest.raises(BackendUnavailable, match="no model folder"):
        model_folder(tmp_path / "none", SOURCE)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (WEIGHTS[:-100], "incomplete"),
        (WEIGHTS[:5], "no whole safetensors file"),
        (WEIGHTS + b"more", "damaged"),
        (b"\x80\x05pickle in disguise", "no whole safetensors file"),
        (b"", "no whole safetensors file"),
    ],
)
def test_half_and_damaged_files_are_named(tmp_path, body, why):
    folder = local(tmp_path, model__safetensors=body)
    with pytest.raises(BackendUnavailable, match=why) as failed:
        check_folder(folder)
    assert "model.safetensors" in str(failed.value)


def test_a_pickle_is_refused_unread(tmp_path):
    with pytest.raises(BackendUnavailable, match="never loaded"):
        check_folder(local(tmp_path, pytorch_model__bin=b"\x80\x05cos\nsystem\n"))


def test_a_missing_part_or_component_is_named(tmp_path):
    index = json.dumps({"weight_map": {"a": "model.safetensors", "b": "second.safetensors"}}).encode()
    folder = local(tmp_path / "m", model__safetensors=WEIGHTS)
    (folder / "model.safetensors.index.json").write_bytes(index)
    with pytest.raises(BackendUnavailable, match=r"second\.safetensors"):
        check_folder(folder)
    (folder / "second.safetensors").write_bytes(WEIGHTS)
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "P", "vae": ["diffusers", "A"], "x": [None, None]})
    )
    with pytest.raises(BackendUnavailable, match="'vae'"):
        check_folder(folder)
    local(folder / "vae", config__json=CONFIG, weights__bin=b"")
    with pytest.raises(BackendUnavailable, match="never loaded"):
        check_folder(folder)


def test_a_checksum_file_in_the_folder_is_kept_to(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder = local(tmp_path / "m", model__safetensors=WEIGHTS)
    sums = folder / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(WEIGHTS).hexdigest()}  ./model.safetensors\n")
    check_folder(folder)
    hashed = []
    monkeypatch.setattr(model_files.hashlib, "file_digest", lambda *a: hashed.append(a))
    check_folder(folder)
    assert not hashed, "an unchanged file is hashed once"
    monkeypatch.undo()
    sums.write_text(f"{'0' * 64}  model.safetensors\n")
    with pytest.raises(BackendUnavailable, match="altered"):
        check_folder(folder)
