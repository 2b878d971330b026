"""`python -m editing`: files, report, and one clear line for what cannot be used."""

import json

import numpy as np
import pytest
from PIL import Image

from editing.__main__ import main
from spatia_core.io.video import read_mp4
from tests.mirroring import Floor, photo
from tests.studio import centre_of_thing, first_view, start, thing_mask


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The room as files: photo, depth, lens, mask."""
    folder = tmp_path_factory.mktemp("files")
    view, K = first_view(), start().K
    Image.fromarray(np.array(view.image)).save(folder / "room.png")
    np.save(folder / "room.npy", view.depth)
    (folder / "K.txt").write_text(f"{K[0, 0]} {K[1, 1]} {K[0, 2]} {K[1, 2]}\n")
    Image.fromarray(thing_mask()).save(folder / "mask.png")
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(folder / "small_mask.png")
    np.save(folder / "small.npy", np.ones((10, 33), np.float32))
    np.save(folder / "nothing.npy", np.full(view.depth.shape, np.nan, np.float32))
    (folder / "path.txt").write_text("this is no trajectory\n")
    (folder / "not_an_image.jpg").write_bytes(b"hello")
    return folder


def arguments(files, out, *more: str) -> list[str]:
    return [
        str(files / "room.png"),
        *("--depth", str(files / "room.npy"), "--intrinsics", str(files / "K.txt"), "--size", "208x128"),
        *("--frames", "5", "--out", str(out), *more),
    ]


def test_a_delete_writes_every_file_and_an_honest_report(files, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(arguments(files, out, "--mask", str(files / "mask.png"), "--delete", "--path", "orbit-left-and-back")) == 0
    )
    for name in ("initial.mp4", "edited.mp4", "before_after.mp4"):
        frames, fps = read_mp4(out / name)
        assert (len(frames), fps) == (5, 24)
    for name in ("memory_before.ply", "memory_after.ply", "mask.png", "session.spatia"):
        assert (out / name).stat().st_size > 0
    report = json.loads((out / "report.json").read_text())
    assert report == json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["outside_psnr"] >= 40
    assert report["residue"] <= 0.02
    assert report["closed_loop"]["psnr"] >= 30
    assert report["backends"]["depth"] == "given"
    assert 0 < report["coverage_before_completion"] <= 1
    assert report["timings"]["photo_to_initial_clip"] > 0


def test_a_click_and_a_move_work_with_our_own_segmenter(files, tmp_path):
    x, y = centre_of_thing()
    out = tmp_path / "out"
    assert main(arguments(files, out, "--click", f"{x:.0f},{y:.0f}", "--click", "20,20,-", "--move", "0.1,0,0.05")) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["edits"] == ["Move by +0.10, +0.00, +0.05"]
    assert report["closed_loop"] is None


def test_a_move_may_begin_with_a_minus(files, tmp_path):
    out = tmp_path / "out"
    assert main(arguments(files, out, "--mask", str(files / "mask.png"), "--move", "-0.1,0,-.05")) == 0
    assert json.loads((out / "report.json").read_text())["edits"] == ["Move by -0.10, +0.00, -0.05"]


def test_without_an_edit_only_the_first_clip_is_made(files, tmp_path):
    assert main(arguments(files, tmp_path / "out")) == 0
    assert (tmp_path / "out" / "initial.mp4").exists()
    assert not (tmp_path / "out" / "edited.mp4").exists()
    assert json.loads((tmp_path / "out" / "report.json").read_text())["outside_psnr"] is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--delete"], "--click"),
        (["--mask", "mask.png", "--delete", "--move", "1,0,0"], "not both"),
        (["--mask", "small_mask.png", "--delete"], "10x10"),
        (["--click", "9999,5", "--delete"], "outside"),
        (["--click", "-5,3", "--delete"], "outside"),
        (["--click", "five,5", "--delete"], "numbers"),
        (["--click", "nan,5", "--delete"], "numbers"),
        (["--box", "1,2,3", "--delete"], "4 numbers"),
        (["--box", "5,5,5,5", "--delete"], "no area"),
        (["--mask", "mask.png", "--move", "1,nan,0"], "numbers"),
        (["--path", "sideways"], "sideways"),
        (["--path", "path.txt"], "path.txt"),
        (["--path", "missing.json"], "missing.json"),
        (["--frames", "0"], "frames"),
        (["--turns", "0"], "--turns"),
        (["--size", "8x8"], "between"),
        (["--size", "big"], "WIDTHxHEIGHT"),
        (["--depth", "small.npy"], "small.npy"),
        (["--depth", "nothing.npy"], "nothing.npy"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(files, tmp_path, capsys, more, says):
    named = [str(files / m) if "." in m and m[-1].isalpha() and "," not in m else m for m in more]
    assert main(arguments(files, tmp_path / "out", *named)) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert says in errors[0]


def test_pixels_of_a_huge_turned_photo_are_those_that_are_shown(files, tmp_path):
    small = np.array(first_view().image)
    large = Image.fromarray(np.rot90(small)).resize((120 * 28, 208 * 28), Image.Resampling.NEAREST)
    exif = large.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    large.save(tmp_path / "huge.jpg", exif=exif, quality=92)
    mask = Image.fromarray(thing_mask()).resize((208 * 28, 120 * 28), Image.Resampling.NEAREST)
    mask.save(tmp_path / "mask.png")
    x, y = centre_of_thing()
    for more in (["--click", f"{x * 28:.0f},{y * 28:.0f}"], ["--mask", str(tmp_path / "mask.png")]):
        out = tmp_path / more[0].strip("-")
        command = [str(tmp_path / "huge.jpg"), "--size", "208x128", "--frames", "2", "--out", str(out), *more]
        assert main(command) == 0
        chosen = np.array(Image.open(out / "mask.png").resize((208, 120))) > 127
        assert (chosen & thing_mask()).sum() > 0.6 * thing_mask().sum()


def test_a_photo_that_is_none_is_said(files, tmp_path, capsys):
    assert main([str(files / "not_an_image.jpg"), "--out", str(tmp_path / "out")]) == 2
    assert "not_an_image.jpg" in capsys.readouterr().err


def test_the_command_line_takes_a_reflection_along(tmp_path, capsys):
    seen = photo(2, Floor(0.4))
    Image.fromarray(seen.image).save(tmp_path / "wet.png")
    Image.fromarray(seen.thing).save(tmp_path / "mask.png")
    np.save(tmp_path / "wet.npy", seen.view.depth)
    K = seen.camera.K
    (tmp_path / "K.txt").write_text(f"{K[0, 0]} {K[1, 1]} {K[0, 2]} {K[1, 2]}\n")
    given = ["--depth", str(tmp_path / "wet.npy"), "--intrinsics", str(tmp_path / "K.txt"), "--size", "208x128"]
    edited = ["--mask", str(tmp_path / "mask.png"), "--delete", "--with-reflection", "--frames", "2"]
    assert main([str(tmp_path / "wet.png"), *given, *edited, "--out", str(tmp_path / "out")]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "Its reflection goes with it." in report["notes"]
