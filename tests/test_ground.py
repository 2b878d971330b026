"""What a thing stands on."""

import numpy as np

from editing.ground import ground_under
from tests.studio import first_view, start, thing_mask


def flat_floor(height: float = 1.2, far: float = 30.0) -> np.ndarray:
    """Depth of a level floor `height` below the camera, and of a wall at `far`."""
    camera = start()
    down = camera.rays()[..., 1]
    with np.errstate(divide="ignore"):
        return np.where(down > height / far, height / np.maximum(down, 1e-9), far).astype(np.float32)


def box_mask() -> np.ndarray:
    mask = np.zeros((120, 208), bool)
    mask[60:95, 90:110] = True
    return mask


def test_the_plane_under_a_thing_is_the_floor():
    ground = ground_under(box_mask(), flat_floor(), start())
    assert not ground.guessed
    assert np.allclose(np.abs(ground.normal), [0, 1, 0], atol=0.02)
    assert abs(ground.contact[1] - 1.2) < 0.03


def test_a_slide_ends_on_the_plane():
    ground = ground_under(box_mask(), flat_floor(), start())
    move = ground.slide(np.array([0.3, 0.0, 0.5]), np.array([0.0, -1.0, 0.0]))
    assert abs(ground.normal @ (ground.contact + move) - ground.offset) < 1e-6
    assert np.allclose(move[[0, 2]], [0.3, 0.5])


def test_a_wall_is_not_taken_for_a_ground():
    wall = np.full((120, 208), 4.0, np.float32)
    ground = ground_under(box_mask(), wall, start())
    assert ground.guessed
    assert np.allclose(ground.normal, [0, -1, 0])


def test_a_ray_above_the_horizon_misses_the_ground():
    ground = ground_under(box_mask(), flat_floor(), start())
    assert ground.hit(np.zeros(3), np.array([0.0, -0.2, 1.0])) is None
    below = ground.hit(np.zeros(3), np.array([0.0, 0.4, 1.0]))
    assert below is not None
    assert abs(below[1] - 1.2) < 0.03


def test_unknown_depth_gives_a_guess_not_an_error():
    ground = ground_under(thing_mask(), np.where(thing_mask(), first_view().depth, np.float32(np.nan)), start())
    assert ground.guessed
    assert np.isfinite(ground.contact).all()
