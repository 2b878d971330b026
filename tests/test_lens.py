"""The focal length of a photo from lines at right angles."""

import cv2
import numpy as np
import pytest

from spatia_core.backends.depth_nano import NanoDepth
from spatia_core.camera import Camera
from spatia_core.lens import focal_from_lines

W, H = 640, 480


def turned(yaw, pitch, roll):
    angles = np.radians([pitch, yaw, roll])
    R = np.eye(3)
    for axis in (1, 0, 2):
        R = cv2.Rodrigues(np.eye(3)[axis] * angles[axis])[0] @ R
    return R


def boxes(fov, yaw=35.0, pitch=12.0, seed=0):
    """Boxes standing square to each other, drawn as filled faces, seen with a lens of that many degrees."""
    rng = np.random.default_rng(seed)
    focal = W / 2 / np.tan(np.radians(fov) / 2)
    R = turned(yaw, pitch, 2.0)
    image = np.full((H, W, 3), 120, np.uint8)
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    faces = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
    for _ in range(14):
        middle = np.linalg.inv(R) @ (rng.uniform((-0.4, -0.3, 1), (0.4, 0.3, 1)) * rng.uniform(5, 9) * [1, 1, 1])
        points = (middle + (corners - 0.5) * rng.uniform(0.7, 2.2, 3)) @ R.T
        if points[:, 2].min() < 0.5:
            continue
        pixels = points[:, :2] / points[:, 2:] * focal + [W / 2, H / 2]
        for face in sorted(faces, key=lambda f: -points[list(f), 2].mean()):
            colour = tuple(int(v) for v in rng.integers(30, 230, 3))
            cv2.fillConvexPoly(image, np.round(pixels[list(face)]).astype(np.int32), colour, cv2.LINE_AA)
    return image, focal


@pytest.mark.parametrize("fov", [42, 55, 70])
@pytest.mark.parametrize("seed", [0, 1])
def test_boxes_seen_from_a_corner_tell_the_lens(fov, seed):
    image, focal = boxes(fov, seed=seed)
    assert focal_from_lines(image) == pytest.approx(focal, rel=0.08)


def test_the_answer_is_in_pixels_of_the_photo_given():
    image, focal = boxes(55)
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert focal_from_lines(large) == pytest.approx(2 * focal, rel=0.08)


def test_equal_photos_give_equal_answers():
    image, _ = boxes(55)
    assert focal_from_lines(image) == focal_from_lines(image)


def wall():
    """A brick wall face on: every lens could have taken it."""
    image = np.full((H, W, 3), 90, np.uint8)
    for y in range(0, H, 40):
        for x in range(-40, W, 80):
            cv2.rectangle(image, (x + y % 80, y), (x + y % 80 + 70, y + 32), (180, 120, 90), -1)
    return image


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((H, W, 3), np.uint8),
        np.random.default_rng(0).integers(0, 255, (H, W, 3), np.uint8),
        wall(),
        np.zeros((1, 1, 3), np.uint8),
        np.full((3, 900, 3), 255, np.uint8),
    ],
    ids=["black", "noise", "wall", "one pixel", "strip"],
)
def test_a_photo_that_does_not_tell_says_so(image):
    assert focal_from_lines(image) is None


def test_the_depth_network_believes_lines_half_way():
    image, focal = boxes(42)
    found = NanoDepth().estimate(image)
    usual = Camera.from_fov(W, H, np.radians(60)).K[0, 0]
    assert usual * 1.1 < found.K[0, 0] < focal
