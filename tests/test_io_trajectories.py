import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.camera_path import CameraPath, SceneScale, make_path
from spatia_core.errors import InvalidInput
from spatia_core.io.trajectories import (
    WRITERS,
    parse_trajectory,
    read_normalised_lens,
    read_path,
    read_trajectory,
    write_realestate,
    write_spatia,
)
from tests.values import camera, poses

DATA = Path(__file__).parent / "data"
START = camera(832, 480, se3.exp(np.array([0.1, -0.2, 0.3, 1.0, 2.0, -1.0])))
PATH = make_path("orbit-left", START, 9, SceneScale.before(START, 3.0))
REALESTATE = sorted(DATA.glob("realestate10k_*.txt"))
MOTIONCTRL = sorted(DATA.glob("motionctrl_*.json"))
ROW = " ".join(["0 0.5 0.9 0.5 0.5 0 0", *(str(float(v)) for v in np.eye(4)[:3].ravel())])


def assert_same_path(a: CameraPath, b: CameraPath, atol: float = 1e-8) -> None:
    assert len(a) == len(b)
    for one, two in zip(a, b, strict=True):
        np.testing.assert_allclose(one.w2c, two.w2c, atol=atol)
        np.testing.assert_allclose(one.K, two.K, rtol=1e-6)


@pytest.mark.parametrize("form", list(WRITERS))
def test_what_is_written_reads_back(form, tmp_path):
    WRITERS[form](tmp_path / form, PATH)
    assert_same_path(read_path(tmp_path / form, START, rebase=False), PATH)


def test_a_w2c_file_and_its_lens_read_back(tmp_path):
    write_spatia(tmp_path / "w2c.txt", PATH)
    other = camera(832, 480).zoomed(3)
    back = read_path(tmp_path / "w2c.txt", other, rebase=False, lens=tmp_path / "intrinsics.txt")
    assert_same_path(back, PATH)


def test_a_nerfstudio_file_needs_no_photo(tmp_path):
    WRITERS["transforms.json"](tmp_path / "t.json", PATH)
    assert_same_path(read_path(tmp_path / "t.json"), PATH)


@pytest.mark.parametrize("form", ["transforms.json", "realestate10k.txt"])
def test_a_zoom_survives_where_the_form_has_a_lens_per_frame(form, tmp_path):
    zoom = make_path("zoom-in", START, 5, SceneScale.before(START, 3.0))
    WRITERS[form](tmp_path / form, zoom)
    assert_same_path(read_path(tmp_path / form, START), zoom)


def test_w2c_refuses_a_zoom_that_it_cannot_hold(tmp_path):
    with pytest.raises(InvalidInput, match="no zoom"):
        write_spatia(tmp_path / "w2c.txt", make_path("zoom-in", START, 5, SceneScale.before(START, 3.0)))


@pytest.mark.parametrize("file", REALESTATE + MOTIONCTRL, ids=lambda f: f.stem)
def test_real_files_are_read_and_start_at_the_photo(file):
    path = read_path(file, START)
    assert len(path) == 16
    assert path[0] is START
    assert max(float(np.linalg.norm(c.centre - START.centre)) for c in path) > 0.5


@pytest.mark.parametrize("file", REALESTATE, ids=lambda f: f.stem)
def test_real_estate_files_round_trip_with_their_time_stamps(file, tmp_path):
    told = read_trajectory(file)
    assert told.title.startswith("https://")
    assert told.times is not None
    assert list(told.times) == sorted(told.times)
    write_realestate(tmp_path / "back.txt", told.path(START, rebase=False), told.times, told.title)
    again = read_trajectory(tmp_path / "back.txt")
    assert (again.times, again.title) == (told.times, told.title)
    np.testing.assert_allclose(again.w2c, told.w2c, atol=1e-7)
    assert told.lenses is not None
    assert again.lenses is not None
    np.testing.assert_allclose(again.lenses, told.lenses, atol=1e-8)


def test_motionctrl_left_goes_left_and_in_goes_forward():
    left, forward = (read_path(DATA / f"motionctrl_{n}.json", camera())[-1].centre for n in ("L", "I_1.0x"))
    assert left[0] < -1
    np.testing.assert_allclose(left[1:], 0, atol=1e-9)
    assert forward[2] > 1


def test_a_handwritten_opengl_pose_is_understood():
    # OpenGL: the camera stands at (1, 2, 3) and looks along -z, up is +y
    frame = {"transform_matrix": se3.translation(np.array([1.0, 2, 3])).tolist()}
    text = json.dumps({"w": 200, "h": 100, "camera_angle_x": np.pi / 2, "frames": [frame]})
    view = parse_trajectory(text).path()[0]
    np.testing.assert_allclose(view.centre, [1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(view.c2w[:3, 2], [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(view.c2w[:3, 1], [0, -1, 0], atol=1e-12)
    assert view.K[0, 0] == view.K[1, 1] == pytest.approx(100)


def test_a_frames_own_lens_goes_before_the_files():
    frames = [{"transform_matrix": np.eye(4).tolist()}, {"transform_matrix": np.eye(4).tolist(), "fl_x": 300, "cx": 90}]
    text = json.dumps({"w": 200, "h": 100, "fl_x": 150, "fl_y": 160, "frames": frames})
    one, two = parse_trajectory(text).path()
    assert (one.K[0, 0], one.K[1, 1], one.K[0, 2]) == pytest.approx((150, 160, 100))
    assert (two.K[0, 0], two.K[1, 1], two.K[0, 2]) == pytest.approx((300, 160, 90))


@given(st.lists(poses, min_size=2, max_size=4), poses)
def test_rebasing_keeps_the_motion_between_frames(w2cs, start):
    told = parse_trajectory("\n".join(json.dumps(T.tolist()) for T in w2cs))
    path = told.path(camera(w2c=start))
    np.testing.assert_array_equal(path[0].w2c, start)
    for before, after, view in zip(w2cs[:1] * len(w2cs), w2cs, path, strict=True):
        np.testing.assert_allclose(view.w2c @ se3.inverse(start), after @ se3.inverse(before), atol=1e-6)


@pytest.mark.parametrize("rebase", [True, False])
def test_the_scale_multiplies_distances_and_leaves_turns(rebase):
    told = read_trajectory(REALESTATE[0])
    one, three = (told.path(camera(), rebase, scale) for scale in (1.0, 3.0))
    for a, b in zip(one, three, strict=True):
        np.testing.assert_allclose(3 * a.centre, b.centre, atol=1e-9)
        np.testing.assert_allclose(a.w2c[:3, :3], b.w2c[:3, :3], atol=1e-12)


def test_rebasing_keeps_the_photos_lens_and_follows_the_files_zoom():
    rows = [ROW, ROW.replace("0 0.5 0.9", "1 0.6 1.08")]
    path = parse_trajectory("\n".join(rows)).path(START)
    assert path[0] is START
    assert path[1].K[0, 0] == pytest.approx(1.2 * START.K[0, 0])


def test_a_loop_in_a_file_is_a_closed_path(tmp_path):
    loop = make_path("orbit-left-and-back", START, 9, SceneScale.before(START, 3.0))
    WRITERS["w2c.txt"](tmp_path / "w2c.txt", loop)
    assert read_path(tmp_path / "w2c.txt", START).closed


def test_three_by_four_and_four_by_four_matrices_mean_the_same():
    T = se3.exp(np.arange(6) / 10)
    a, b = (parse_trajectory(json.dumps(m.tolist()) + "\n" + json.dumps(m.tolist())) for m in (T, T[:3]))
    np.testing.assert_allclose(a.w2c, b.w2c)


def test_one_pose_and_blank_lines_are_fine():
    assert len(parse_trajectory(f"\n{json.dumps(np.eye(4).tolist())}\n\n")) == 1


def test_a_rounded_rotation_is_cleaned():
    T = se3.exp(np.array([0.2, 0.5, -0.3, 1, 2, 3]))
    told = parse_trajectory(json.dumps(np.round(T, 2).tolist()))
    assert se3.is_rigid(told.w2c[0], tolerance=1e-9)
    np.testing.assert_allclose(told.w2c[0], T, atol=0.01)


LINE = json.dumps(np.eye(4).tolist())


def changed(row: int, column: int, value: float) -> str:
    T = np.eye(4)
    T[row, column] = value
    return json.dumps(T.tolist())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no poses|empty"),
        ("   \n ", "no poses"),
        ("hello\nworld again", "line 2"),
        (f"{LINE}\n[[1, 2", r"line 2, is not valid JSON.*accepted are w2c\.txt"),
        (f"{LINE}\n[[1, 2], [3, 4]]", "line 2, holds 4 numbers"),
        (f"{LINE}\n{LINE}\n{changed(0, 3, float('nan'))}", "line 3, holds NaN"),
        (changed(2, 2, -1), "line 1, mirrors"),
        (changed(0, 0, 1.5), "line 1, is not a rigid motion"),
        (changed(3, 0, 0.5), "line 1, has the last row"),
        (f'{LINE}\n{{"a": 1}}', "line 2, is not a matrix"),
        (f'{LINE}\n[["a", "b"]]', "line 2, is not a matrix"),
        (f"{LINE}\n[[1, 2], [3]]", "line 2, is not a matrix"),
        (f"http://x\n{ROW}\n{ROW} 7", "line 3, holds 20 numbers"),
        (f"{ROW}\n{ROW.replace('0.9', 'nan')}", "line 2, has a lens"),
        (ROW.replace("0.5", "-0.5"), "line 1, has a lens"),
        (ROW.replace("0 0.5", "nan 0.5", 1), "line 1, has a time stamp"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "holds 0 numbers|no poses"),
        ("{}", "no list of frames"),
        ('{"frames": [{}]}', "frame 1, has no transform_matrix"),
        ('{"frames": [{"transform_matrix": [[1]]}]}', "frame 1, holds 1 numbers"),
        (f'{{"w": 0, "h": 5, "frames": [{{"transform_matrix": {LINE}}}]}}', "picture size"),
        (f'{{"w": 5, "h": 5, "fl_x": "a", "frames": [{{"transform_matrix": {LINE}}}]}}', "lens"),
        (json.dumps([np.eye(4)[:3].ravel().tolist(), [0.0] * 12]), "pose 2, is not a rigid motion"),
        ("\n".join([LINE] * 10_001), "more than 10000 poses"),
    ],
)
def test_a_broken_file_is_told_where_it_is_broken(text, says, tmp_path):
    file = tmp_path / "path.txt"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=says):
        read_path(file, START)


def test_a_file_above_five_megabytes_is_refused(tmp_path):
    (tmp_path / "w2c.txt").write_bytes(b" " * 5_000_001)
    with pytest.raises(InvalidInput, match="at most 5 MB"):
        read_path(tmp_path / "w2c.txt", START)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00\x01", bytes(range(256))])
def test_a_file_that_is_no_text_is_refused(data):
    with pytest.raises(InvalidInput, match="not a text file"):
        read_path(data, START)


@given(st.text(max_size=60))
def test_any_text_gives_a_path_or_a_sentence(text):
    with pytest.raises(InvalidInput):
        parse_trajectory(text)


def test_a_file_without_lens_needs_the_photos_camera():
    with pytest.raises(InvalidInput, match="give the camera of your photo"):
        read_path(MOTIONCTRL[0])


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_senseless_scale_is_refused(scale):
    with pytest.raises(InvalidInput, match="scale"):
        read_path(MOTIONCTRL[0], START, scale=scale)


def test_the_lens_file_is_four_shares():
    np.testing.assert_allclose(read_normalised_lens(b"[0.82464 1.46087 0.49908 0.50080]")[:2], [0.82464, 1.46087])
    for text, says in ((b"1 2 3", "3 numbers"), (b"900 900 400 300", "pixels"), (b"-1 1 0.5 0.5", "greater than 0")):
        with pytest.raises(InvalidInput, match=says):
            read_normalised_lens(text)


def test_a_camera_read_from_a_file_is_a_camera():
    assert isinstance(read_path(MOTIONCTRL[0], START)[3], Camera)
