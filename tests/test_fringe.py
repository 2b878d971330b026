"""Whiskers and hair are found; branches, textures and empty masks are left alone."""

import cv2
import numpy as np
import pytest

from editing.fringe import fringe
from editing.selection import grown

H, W = 240, 400
MIDDLE, RADIUS = (200, 120), 50


def scene(rough: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """A brown disc on dark, slightly noisy water, and the disc's mask."""
    rng = np.random.default_rng(1)
    y = np.linspace(0, 30, H)[:, None, None]
    image = np.array([30.0, 60.0, 60.0]) + y + rng.normal(0, rough, (H, W, 3))
    mask = np.zeros((H, W), np.uint8)
    cv2.circle(mask, MIDDLE, RADIUS, 1, -1)
    image[mask > 0] = (120, 90, 60)
    return image.clip(0, 255).astype(np.uint8), mask > 0


def line(image: np.ndarray, start: tuple[int, int], end: tuple[int, int]) -> np.ndarray:
    """Draws it and says where."""
    where = np.zeros((H, W), np.uint8)
    cv2.line(where, start, end, 1, 1)
    image[where > 0] = (170, 165, 150)
    return where > 0


def test_whiskers_that_end_near_by_are_part_of_it():
    image, mask = scene()
    hair = np.zeros_like(mask)
    for k in range(5):
        angle = np.pi * (1.0 + 0.08 * k)
        at = [(round(200 + r * np.cos(angle)), round(120 + r * np.sin(angle))) for r in (RADIUS - 2, RADIUS + 14)]
        hair |= line(image, *at)
    hair &= ~mask
    found = fringe(mask, image)
    assert (found & hair).sum() > 0.8 * hair.sum()
    assert (found & ~grown(hair, 2)).sum() < 0.1 * hair.sum()
    assert not (found & mask).any()


def test_a_branch_that_goes_on_is_a_thing_of_its_own():
    image, mask = scene()
    branch = line(image, (0, 130), (W - 1, 110)) & ~mask
    assert (fringe(mask, image) & branch).sum() < 0.05 * branch.sum()


def test_what_the_mask_has_cut_short_is_part_of_it():
    image, mask = scene()
    short = mask.copy()
    short[:, : 200 - RADIUS + 4] = False
    missing = mask & ~short
    assert (fringe(short, image) & missing).sum() > 0.7 * missing.sum()


@pytest.mark.parametrize("rough", [1.5, 40.0])
def test_bare_ground_has_no_fringe_smooth_or_rough(rough):
    image, mask = scene(rough)
    assert fringe(mask, image).sum() < 0.02 * mask.sum()


def test_nothing_and_everything_have_no_fringe():
    image, mask = scene()
    for m in (np.zeros_like(mask), np.ones_like(mask)):
        assert not fringe(m, image).any()
