"""Sequence folders open, and broken ones are answered with a sentence."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatia_core.errors import InvalidInput
from spatia_core.io.sequences import open_sequence
from training.worlds import WorldClip, sample_clip, write_sequence


@cache
def clip() -> WorldClip:
    return sample_clip(3, frames=3, size=(64, 40), kind="room", way="drift", smooth=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sequence(tmp_path / "film", clip())
    return tmp_path / "film"


def test_a_written_film_opens_with_its_poses_lens_and_depth(folder):
    film = open_sequence(folder)
    assert (len(film), film.size, film.has_depth) == (3, (64, 40), True)
    np.testing.assert_allclose(film.K, clip().cameras[0].K, atol=1e-5)
    assert film.c2w is not None
    for T, camera in zip(film.c2w, clip().cameras, strict=True):
        np.testing.assert_allclose(T, camera.c2w, atol=1e-6)
    for (image, depth), frame in zip(film, clip(), strict=True):
        assert np.abs(image.astype(float) - frame.rgb).mean() < 6
        assert depth is not None
        known = frame.depth < 65
        np.testing.assert_allclose(depth[known], frame.depth[known], atol=6e-4)
        assert np.isnan(depth[~known]).all()


def test_the_first_frames_are_a_film_too(folder):
    film = open_sequence(folder).first(2)
    assert len(list(film)) == 2
    assert film.c2w is not None
    assert len(film.c2w) == 2


def test_a_film_without_poses_or_depth_opens(folder):
    (folder / "poses.txt").unlink()
    (folder / "depth").rename(folder / "elsewhere")
    film = open_sequence(folder)
    assert film.c2w is None
    assert [d for _, d in film] == [None] * 3


def mirrored(folder: Path) -> None:
    poses = np.loadtxt(folder / "poses.txt").reshape(-1, 4, 4)
    poses[1, :3, 0] *= -1
    np.savetxt(folder / "poses.txt", poses.reshape(-1, 16))


def unknown(folder: Path) -> None:
    poses = np.loadtxt(folder / "poses.txt")
    poses[2, 3] = np.nan
    np.savetxt(folder / "poses.txt", poses)


def one_pose_short(folder: Path) -> None:
    lines = (folder / "poses.txt").read_text().splitlines()
    (folder / "poses.txt").write_text("\n".join(lines[:2]))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no K": (lambda f: (f / "K.txt").unlink(), "no sequence folder; it must hold images/00000.jpg"),
    "no pictures": (lambda f: (f / "images").rename(f / "pictures"), "no sequence folder"),
    "no first picture": (lambda f: (f / "images/00000.jpg").unlink(), "has no frame 00000.jpg"),
    "a first picture that is none": (lambda f: (f / "images/00000.jpg").write_text("x"), "first picture of"),
    "words in K": (lambda f: (f / "K.txt").write_text("focal length"), "cannot be read as numbers"),
    "half a K": (lambda f: (f / "K.txt").write_text("1 2 3"), "holds 3 numbers; it must hold 9"),
    "a negative focal length": (lambda f: (f / "K.txt").write_text("-9 0 3 0 9 3 0 0 1"), "not positive"),
    "too few poses": (one_pose_short, "2 poses for 3 pictures"),
    "a mirrored pose": (mirrored, "Pose 1 of poses.txt mirrors space"),
    "a pose of NaN": (unknown, "Pose 2 of poses.txt is no rigid motion"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_folder_is_answered_with_a_sentence(folder, what):
    spoil, says = BROKEN[what]
    spoil(folder)
    with pytest.raises(InvalidInput, match=says):
        open_sequence(folder)


DEPTHS: dict[str, tuple[np.ndarray, str]] = {
    "8-bit": (np.ones((40, 64), np.uint8), "uint8 .* must be 16-bit grey"),
    "in colour": (np.ones((40, 64, 3), np.uint16), "must be 16-bit grey"),
    "in metres": (np.full((40, 64), 3, np.uint16), "usually 3 mm away.*multiply metres by 1000"),
    "too small": (np.ones((20, 32), np.uint16), "give depth at the picture's size"),
}


@pytest.mark.parametrize("what", DEPTHS)
def test_depth_of_another_kind_or_size_is_answered_with_a_sentence(folder, what):
    written, says = DEPTHS[what]
    cv2.imwrite(str(folder / "depth/00001.png"), written)
    film = open_sequence(folder)
    film.depth(0)
    with pytest.raises(InvalidInput, match=says):
        film.depth(1)


def test_missing_depth_and_a_picture_of_another_size_are_answered_with_a_sentence(folder):
    (folder / "depth/00002.png").unlink()
    cv2.imwrite(str(folder / "images/00001.jpg"), np.zeros((10, 10, 3), np.uint8))
    film = open_sequence(folder)
    with pytest.raises(InvalidInput, match=r"no readable depth/00002\.png"):
        film.depth(2)
    with pytest.raises(InvalidInput, match="all frames must have one size"):
        film.image(1)
    with pytest.raises(InvalidInput, match="no readable picture"):
        film.image(7)


def test_a_saturated_depth_is_unknown(folder):
    values = np.full((40, 64), 1500, np.uint16)
    values[:, :10] = 65535
    cv2.imwrite(str(folder / "depth/00001.png"), values)
    depth = open_sequence(folder).depth(1)
    assert np.isnan(depth[:, :10]).all()
    assert (depth[:, 10:] == 1.5).all()
