"""Session files: exact, strict, harmless."""

import io
import json
import zipfile

import numpy as np
import pytest

from editing import project_file
from editing.filming import Shot
from editing.project_file import open_project, save_project
from editing.session import Session
from spatia_core.errors import ProjectFormatError
from tests.studio import centre_of_thing, make_session


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    session = make_session(folder / "session")
    session.click(*centre_of_thing())
    session.move((0.2, 0.0, 0.1))
    return session, save_project(session, folder / "room.spatia")


def changed(file, **members) -> bytes:
    """The file with some members replaced (None: left out)."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            if name not in members:
                new.writestr(name, old.read(name))
        for name, data in members.items():
            if data is not None:
                new.writestr(name, data)
    return out.getvalue()


def with_manifest(file, **values) -> bytes:
    with zipfile.ZipFile(file) as z:
        manifest = json.loads(z.read("manifest.json")) | values
    return changed(file, **{"manifest.json": json.dumps(manifest)})


def test_a_reopened_session_is_the_same_and_films_the_same(saved, tmp_path):
    session, file = saved
    other = Session(session.tools, tmp_path / "other")
    open_project(other, file)
    for name in ("xyz", "rgb", "radius"):
        assert np.array_equal(getattr(other.state.memory.cloud, name), getattr(session.state.memory.cloud, name))
    assert np.array_equal(other.source.image, session.source.image)
    assert [e.label for e in other.state.log] == [e.label for e in session.state.log]
    shot = Shot("orbit-left", frames=3)
    session.generate(shot)
    other.generate(shot)
    for a, b in ((other.state.after, session.state.after), (other.state.before, session.state.before)):
        assert a is not None
        assert b is not None
        assert np.array_equal(a.clip.images, b.clip.images)


def test_the_description_names_the_backends(saved):
    with zipfile.ZipFile(saved[1]) as z:
        assert json.loads(z.read("manifest.json"))["backends"]["generator"] == "reproject"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (lambda f: b"not a zip", "not a Spatia session file"),
        (lambda f: f.read_bytes()[: f.stat().st_size // 2], "not a Spatia session file|damaged"),
        (lambda f: with_manifest(f, version=99), "version 99"),
        (lambda f: with_manifest(f, format="other"), "not a Spatia session"),
        (lambda f: changed(f, **{"manifest.json": b"{"}), "not readable JSON"),
        (lambda f: changed(f, **{"depth.npy": None}), "lacks 'depth.npy'"),
        (lambda f: changed(f, **{"photo.png": b"x"}), "not a picture"),
        (lambda f: changed(f, **{"../../evil.txt": b"x"}), "outside its folder"),
        (lambda f: changed(f, **{"/etc/evil": b"x"}), "outside its folder"),
        (lambda f: with_manifest(f, memories={"original": {"points": 10**12}, "memory": {"points": 1}}), "cannot be"),
        (lambda f: with_manifest(f, camera={"K": [[1]], "w2c": [], "size": [4, 4]}), "session file"),
        (lambda f: with_manifest(f, edits=[{"kind": "explode"}]), "session file"),
        (lambda f: with_manifest(f, edits=7), "session file"),
    ],
)
def test_bad_files_are_refused_and_the_session_goes_on(saved, tmp_path, data, says):
    session, file = saved
    state = session.state
    with pytest.raises(ProjectFormatError, match=says):
        open_project(session, data(file))
    assert session.state is state


def test_pickled_arrays_are_refused(saved):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ProjectFormatError, match="plain array"):
        open_project(saved[0], changed(saved[1], **{"memory/xyz.npy": buffer.getvalue()}))


def test_a_member_that_unpacks_too_large_is_refused(saved, monkeypatch):
    out = io.BytesIO()
    with zipfile.ZipFile(saved[1]) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, bytes(60_000_000) if name == "depth.npy" else old.read(name))
    with pytest.raises(ProjectFormatError, match="larger than"):
        open_project(saved[0], out.getvalue())


def test_a_file_too_large_to_be_one_is_refused(saved, monkeypatch):
    monkeypatch.setattr(project_file, "MAX_FILE", 1000)
    with pytest.raises(ValueError, match=r"session file|larger|MB"):
        open_project(saved[0], saved[1])
