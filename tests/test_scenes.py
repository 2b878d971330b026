"""The golden data itself: what is called exact must be."""

import numpy as np
import pytest

from spatia_core import se3
from tests.scenes import SEEDS, make_scene


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scene_is_repeatable_and_shows_each_of_its_things(seed):
    scene = make_scene(seed)
    view = scene.start(208, 120)
    one, two = scene.render(view), make_scene(seed).render(view)
    np.testing.assert_array_equal(one.image, two.image)
    assert np.isfinite(one.depth).all()
    assert all(one.mask(t.object_id).sum() > 50 for t in scene.things)


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_two_views_agree_about_the_surfaces_both_see(seed):
    scene = make_scene(seed)
    view = scene.start(208, 120)
    other = view.moved(se3.exp(np.array([0, 0.05, 0, 0.2, 0, -0.1])) @ view.w2c)
    seen, there = scene.render(view), scene.render(other)
    uv, z = other.project(view.unproject(seen.depth).reshape(-1, 3))
    inside = (z > 0) & (uv >= 0).all(1) & (uv < [208, 120]).all(1)
    column, row = uv[inside].astype(int).T
    gap = np.abs(there.depth[row, column] - z[inside]) / z[inside]
    assert np.median(gap) < 0.005
    assert (gap < 0.03).mean() > 0.85  # the others are hidden there, or lie on an edge


def test_a_thing_taken_away_changes_only_the_pixels_that_showed_it():
    scene = make_scene(0)
    view = scene.start()
    whole, less = scene.render(view), scene.render(view, without=3)
    changed = (whole.image != less.image).any(axis=2)
    assert changed.any()
    assert not (changed & ~whole.mask(3)).any()
    assert (less.depth >= whole.depth).all()
    assert not less.mask(3).any()


def test_a_moved_thing_is_where_it_was_moved_to():
    scene = make_scene(3)
    view = scene.start()
    shift = np.array([0.2, 0, 0.1])
    moved = scene.render(view, moved={1: se3.translation(shift)})
    before, after = (np.mean(view.unproject(v.depth)[v.mask(1)], axis=0) for v in (scene.render(view), moved))
    np.testing.assert_allclose(after - before, shift, atol=0.08)


def test_smooth_pictures_are_the_mean_of_four_rays():
    scene = make_scene(1)
    view = scene.start(104, 60)
    smooth, fine = scene.render(view, smooth=True), scene.render(view.resized(208, 120))
    np.testing.assert_allclose(smooth.image[10, 20], fine.image[20:22, 40:42].mean(axis=(0, 1)), atol=0.51)
    np.testing.assert_array_equal(smooth.depth, scene.render(view).depth)


def test_the_scene_scale_is_the_median_depth_before_the_camera():
    scene = make_scene(2)
    view = scene.start(104, 60)
    scale = scene.scale(view)
    assert scale.depth == pytest.approx(float(np.median(scene.render(view).depth)))
    np.testing.assert_allclose(view.project(scale.centre[None].astype(np.float32))[0], [[52, 30]], atol=1e-3)
