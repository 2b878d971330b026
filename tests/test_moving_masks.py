"""What moves is found from motion alone, what stands still is left alone, and a mask follows its thing."""

import cv2
import numpy as np
import pytest

from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.flow import consistent, flow_between
from spatia_core.fusion import lift
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.motion import Film, moving_masks, propagated

W, H, FRAMES = 160, 96, 9
FAR, NEAR = 4.0, 2.0
SIDE = 26
"""Pixels of the moving square."""


def texture(seed: int, h: int, w: int) -> np.ndarray:
    """A picture that optical flow can follow."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(20, 235, (h // 4 + 2, w // 4 + 2, 3))
    return np.repeat(np.repeat(coarse, 4, 0), 4, 1)[:h, :w].astype(np.uint8)


def filmed(step: float, camera_step: int = 2) -> tuple[Film, np.ndarray]:
    """A camera going right past a wall, before which a square goes `step` pixels a frame; and where the square is."""
    f = 100.0
    first = Camera(np.array([[f, 0, W / 2], [0, f, H / 2], [0, 0, 1]]), np.eye(4), W, H)
    wall, thing = texture(1, H, W + 100), texture(2, SIDE, SIDE)
    images, depths, cameras, where = [], [], [], []
    for i in range(FRAMES):
        shift = camera_step * i
        image, depth, mask = wall[:, shift : shift + W].copy(), np.full((H, W), FAR, np.float32), np.zeros((H, W), bool)
        # the square's own parallax, then its motion
        x = round(70 - shift * FAR / NEAR + step * i)
        image[35 : 35 + SIDE, x : x + SIDE], depth[35 : 35 + SIDE, x : x + SIDE] = thing, NEAR
        mask[35 : 35 + SIDE, x : x + SIDE] = True
        images.append(image)
        depths.append(depth)
        where.append(mask)
        cameras.append(first.moved(se3.translation(np.array([-shift * FAR / f, 0.0, 0.0]))))
    return Film(np.stack(images), cameras, depths, fps=12), np.stack(where)


def share(found: np.ndarray, where: np.ndarray) -> float:
    return float((found & where).sum() / where.sum())


def test_a_thing_that_moves_is_found():
    film, where = filmed(step=7)
    found = moving_masks(film)
    assert share(found, where) > 0.95
    assert (found & ~where).mean() < 0.12


def test_a_thing_that_stands_still_before_a_wall_is_not_found():
    film, _ = filmed(step=0)
    assert moving_masks(film).mean() < 0.01


def test_a_thing_that_comes_straight_towards_the_camera_is_found_by_its_depth():
    camera = Camera(np.array([[100.0, 0, W / 2], [0, 100.0, H / 2], [0, 0, 1]]), np.eye(4), W, H)
    wall, thing = texture(1, H, W), texture(2, 40, 24)
    images, depths, where = [], [], []
    for i in range(FRAMES):
        z = 10 - 0.075 * i  # its outline grows by a pixel in all, and no frame sees through its place
        grow = np.array([[10 / z, 0, 68 + 12 * (1 - 10 / z)], [0, 10 / z, 28 + 20 * (1 - 10 / z)]])
        mask = cv2.warpAffine(np.ones((40, 24), np.uint8), grow, (W, H), flags=cv2.INTER_NEAREST) > 0
        images.append(np.where(mask[..., None], cv2.warpAffine(thing, grow, (W, H)), wall))
        depths.append(np.where(mask, np.float32(z), np.float32(14)))
        where.append(mask)
    found = moving_masks(Film(np.stack(images), [camera] * FRAMES, depths, fps=12))
    assert share(found, np.stack(where)) > 0.95
    assert (found & ~np.stack(where)).mean() < 0.05


def test_a_fast_pan_past_a_wall_of_windows_masks_nothing():
    first = Camera(np.array([[140.0, 0, W / 2], [0, 140.0, H / 2], [0, 0, 1]]), np.eye(4), W, H)
    images, depths, cameras = [], [], []
    for i in range(FRAMES):
        turn = 0.09 * i - 0.36
        ahead = np.array([np.sin(turn), 0, np.cos(turn)])
        camera = first.moved(se3.look_at(np.zeros(3), ahead, np.array([0.0, -1, 0])))
        rays = camera.rays() @ camera.w2c[:3, :3]  # into the world
        depth = FAR / rays[..., 2]
        x, y = rays[..., 0] * depth, rays[..., 1] * depth
        bright = 120 + 60 * np.sin(2 * np.pi * x / 0.5) * np.sin(2 * np.pi * y / 0.5)
        images.append(np.repeat(bright[..., None], 3, -1).astype(np.uint8))
        depths.append(depth.astype(np.float32))
        cameras.append(camera)
    assert moving_masks(Film(np.stack(images), cameras, depths, fps=12)).mean() < 0.01


def test_a_thing_that_crosses_the_cameras_way_is_found_without_depth():
    film, where = filmed(step=0)
    images = film.images.copy()
    thing = texture(2, SIDE, SIDE)
    for i in range(FRAMES):
        images[i] = texture(1, H, W + 100)[:, 2 * i : 2 * i + W]
        images[i, 20 + 4 * i : 20 + 4 * i + SIDE, 60 : 60 + SIDE] = thing
        where[i] = False
        where[i, 20 + 4 * i : 20 + 4 * i + SIDE, 60 : 60 + SIDE] = True
    assert share(moving_masks(Film(images, film.cameras, None, fps=12)), where) > 0.9


def test_the_memory_stands_in_for_depth():
    film, where = filmed(step=7)
    camera = film.cameras[0].moved(film.cameras[4].w2c)
    wall = np.full((H, W), FAR, np.float32)
    cloud = lift(texture(1, H, W + 100)[:, 8 : 8 + W].copy(), wall, camera, np.ones((H, W), bool))
    memory = SpatialMemory.empty().insert(cloud, PointLabels.uniform(len(cloud), Provenance.OBSERVED))
    found = moving_masks(Film(film.images, film.cameras, None, fps=12), memory)
    assert share(found, where) > 0.9


def test_a_persons_mask_follows_its_thing_to_the_end():
    film, where = filmed(step=3)
    carried = propagated(film.images, where[0])
    assert share(carried[-1:], where[-1:]) > 0.85
    assert (carried[-1] & ~where[-1]).mean() < 0.06
    assert share(moving_masks(film, marked=where[0]), where) > 0.95


def test_flow_is_believed_only_where_there_and_back_agree():
    film, _ = filmed(step=7)
    there, back = flow_between(film.images[0], film.images[2]), flow_between(film.images[2], film.images[0])
    good = consistent(there, back)
    assert good[:30, 20:].mean() > 0.9
    assert not consistent(there, back + 5).any()


def test_a_film_of_two_frames_or_of_blank_pictures_gives_masks_and_no_error():
    film, _ = filmed(step=0)
    assert film.depths is not None
    assert moving_masks(Film(film.images[:2], film.cameras[:2], film.depths[:2])).shape == (2, H, W)
    blank = np.zeros_like(film.images)
    assert not moving_masks(Film(blank, film.cameras, film.depths)).any()


def test_what_does_not_fit_together_is_refused():
    film, where = filmed(step=0)
    with pytest.raises(InvalidInput, match="9 frames needs 9 cameras"):
        Film(film.images, film.cameras[:3])
    with pytest.raises(InvalidInput, match="The mask is"):
        propagated(film.images, where[0][:10])
