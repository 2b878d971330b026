"""Session files: exact, strict, harmless."""

import io
import json
import zipfile
from dataclasses import replace

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


# --- camera keys, clips, views ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def branched(tmp_path_factory):
    """A session with keys and two branches, one of which has an edit that the present does not have."""
    folder = tmp_path_factory.mktemp("branched")
    session = make_session(folder / "session")
    session.generate(Shot("orbit-left", frames=3))
    session.click(*centre_of_thing())
    session.delete()
    session.generate(Shot("orbit-left", frames=3))
    session.fork(1)
    session.add_key(Shot("truck-left", frames=5), 2)
    session.generate(Shot(keys=session.state.keys, seed=3))
    return session, save_project(session, folder / "room.spatia")


def test_the_camera_keys_and_the_recipes_of_all_clips_survive(branched, tmp_path):
    session, file = branched
    other = make_session(tmp_path)
    shot = open_project(other, file)
    assert [(v.number, v.label, v.camera, v.parent) for v in other.versions] == [
        (1, "Original", "orbit left", None),
        (2, "Delete", "orbit left", 1),
        (3, "Original", "3 keys", 1),
    ]
    for a, b in zip(other.versions, session.versions, strict=True):
        assert np.array_equal(a.recipe.thumbnail, b.recipe.thumbnail)
        assert a.state is None
    assert shot is not None
    assert shot.seed == 3
    for keys in (other.state.keys, shot.keys):
        assert keys is not None
        for a, b in zip(keys.path(), session.path(Shot(keys=session.state.keys)), strict=True):
            assert np.array_equal(a.w2c, b.w2c)


def test_filming_the_saved_shot_gives_the_saved_clip_in_its_place(branched, tmp_path):
    session, file = branched
    other = make_session(tmp_path)
    shot = open_project(other, file)
    assert shot is not None
    other.generate(shot)
    assert other.version is other.versions[3]
    assert len(other.versions) == 3
    a, b = other.state.before, session.state.before
    assert a is not None
    assert b is not None
    assert np.array_equal(a.clip.images, b.clip.images)


def test_an_edit_of_another_branch_is_made_again_from_the_file(branched, tmp_path):
    session, file = branched
    other = make_session(tmp_path)
    open_project(other, file)
    other.fork(2)
    take = other.versions[2].take
    assert take is not None
    assert [e.label for e in other.state.log] == ["Delete"]
    earlier = session.versions[2].take
    assert earlier is not None
    assert np.array_equal(take.clip.images, earlier.clip.images)


def test_a_file_without_clips_or_keys_opens_as_ever(branched, tmp_path):
    with zipfile.ZipFile(branched[1]) as z:
        manifest = json.loads(z.read("manifest.json"))
    for name in ("clips", "shown", "keys", "views", "more_edits"):
        manifest.pop(name)
    other = make_session(tmp_path)
    assert open_project(other, changed(branched[1], **{"manifest.json": json.dumps(manifest)})) is None
    assert len(other.versions) == 0
    assert other.state.keys is None


def test_views_that_only_one_memory_has_go_back_to_that_memory(tmp_path):
    session = make_session(tmp_path / "a")
    state = session.state
    view = state.memory.keyframes[0]
    moving = view.dynamic.copy()
    moving[:5] = True
    extra = replace(view, image=255 - view.image, dynamic=moving)
    original = replace(state.original, keyframes=(view, extra))
    session.begin(session.source, replace(state, original=original))
    file = save_project(session, tmp_path / "room.spatia")
    other = make_session(tmp_path / "b")
    open_project(other, file)
    assert len(other.state.memory.keyframes) == 1
    assert len(other.state.original.keyframes) == 2
    assert np.array_equal(other.state.original.keyframes[1].image, extra.image)
    assert np.array_equal(other.state.original.keyframes[1].dynamic, moving)
    with zipfile.ZipFile(file) as z:
        assert json.loads(z.read("manifest.json"))["version"] == project_file.SPLIT


@pytest.mark.parametrize(
    "change",
    [
        lambda clips: clips[0].update(number=7),
        lambda clips: clips[0]["shot"].update(path="../../etc"),
        lambda clips: clips[0]["shot"].update(frames=10**9),
        lambda clips: clips[1].update(edits=[99]),
        lambda clips: clips[1].update(edits=[-1]),
        lambda clips: clips[0].update(picture=[10**6, 1]),
        lambda clips: clips[2]["shot"]["keys"].update(speed=1e9),
        lambda clips: clips[2]["shot"]["keys"]["keys"][0].update(easing="bounce"),
        lambda clips: clips.extend(clips * 100),
        lambda clips: clips[0].pop("shot"),
    ],
)
def test_a_forged_list_of_clips_is_refused(branched, tmp_path, change):
    with zipfile.ZipFile(branched[1]) as z:
        clips = json.loads(z.read("manifest.json"))["clips"]
    change(clips)
    session = make_session(tmp_path)
    state = session.state
    with pytest.raises(ProjectFormatError):
        open_project(session, with_manifest(branched[1], clips=clips))
    assert session.state is state
