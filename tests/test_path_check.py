"""Warnings about camera paths."""

from editing import views
from editing.filming import Shot
from editing.path_check import path_warnings
from spatia_core.camera_path import SceneScale, make_path
from tests.studio import make_session, memory, start


def path(name: str, amount: float = 1.0):
    return list(make_path(name, start(), 13, SceneScale.before(start(), memory().stage_depth()), amount))


def test_a_moderate_path_raises_no_doubt():
    for name in ("orbit-left", "dolly-in", "zoom-out", "spiral"):
        assert path_warnings(memory(), path(name)) == ()


def test_a_path_through_a_wall_is_said_with_its_frame():
    said = path_warnings(memory(), path("dolly-in", amount=20.0))
    assert any("flies through something" in s and "frame" in s for s in said)


def test_a_path_that_leaves_the_known_scene_is_said():
    said = path_warnings(memory(), path("pan-left", amount=10.0))
    assert any("leaves the known scene" in s for s in said)
    assert not any("flies through" in s for s in said)


def test_a_clip_through_geometry_is_still_made_and_says_so(tmp_path):
    session = make_session(tmp_path)
    session.generate(Shot("dolly-in", frames=5, amount=20.0))
    assert "flies through" in views.sentences(session)[0]
    session.generate(Shot("orbit-left", frames=3))
    assert not any("flies through" in s for s in views.sentences(session))
