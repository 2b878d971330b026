"""Photo to memory, turns, and what a revisit adds."""

import numpy as np
import pytest

from spatia_core.alignment import fit_inverse_depth, settled
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.track_commanded import CommandedTracker
from spatia_core.camera_path import SceneScale, make_path
from spatia_core.completion import complete_along, complete_view
from spatia_core.conditioning import condition
from spatia_core.errors import InvalidInput, TrackingLost
from spatia_core.fusion import fuse_clip, remember_view
from spatia_core.memory import Keyframe, Provenance, SpatialMemory
from spatia_core.pipeline import Backends, Request, run_turn, sky_shell, start_memory
from spatia_core.references import iou, select_references
from spatia_core.render import fill_small_holes, render, resample
from tests.studio import TrueDepth, first_view, in_memory_world, memory, scene, start


@pytest.fixture(scope="module")
def path():
    return list(make_path("orbit-left", start(), 7, SceneScale.before(start(), memory().stage_depth())))


def backends() -> Backends:
    return Backends(TrueDepth(first_view()), ReprojectGenerator(), CommandedTracker())


def test_the_memory_seen_by_the_photos_camera_is_the_photo():
    seen = render(memory().cloud, start())
    assert np.array_equal(seen.rgb, first_view().image)
    assert np.allclose(seen.depth, first_view().depth, rtol=0.02)


def test_the_memory_goes_on_past_the_frame_and_says_that_it_is_invented():
    wide = start().widened(0.1)
    seen = render(memory().cloud, wide)
    assert seen.coverage.mean() > 0.999
    margin = np.ones(seen.coverage.shape, bool)
    y, x = (wide.height - 120) // 2, (wide.width - 208) // 2
    margin[y : y + 120, x : x + 208] = False
    shown = memory().labels.provenance[np.maximum(seen.point_index, 0)][margin & seen.coverage]
    assert (shown == Provenance.COMPLETED).mean() > 0.97


def test_completed_points_are_believed_less_than_observed_ones():
    labels = memory().labels
    assert (
        labels.confidence[memory().of(Provenance.OBSERVED)].min()
        > labels.confidence[memory().of(Provenance.COMPLETED)].max()
    )


def test_a_moderate_move_shows_no_hole(path):
    completed, before = complete_along(memory(), path)
    assert before < 0.1
    for camera in path:
        assert render(completed.cloud, camera).coverage.mean() > 0.998


def test_completing_a_view_hides_nothing_that_a_keyframe_saw(path):
    completed = complete_view(memory(), path[-1])
    seen = render(completed.cloud, start())
    assert np.array_equal(seen.rgb, first_view().image)


def test_a_turn_follows_the_commanded_cameras_and_says_they_were_not_measured(path):
    turn = run_turn(memory(), Request(path), backends())
    assert turn.clip.cameras == tuple(path)
    assert not turn.tracking.measured
    assert any("not measured" in note for note in turn.notes)


def test_clips_agree_with_the_true_scene_where_the_photo_saw_it(path):
    turn = run_turn(memory(), Request(path), backends())
    world = scene().start(208, 120)
    last = scene().render(path[-1].moved(path[-1].w2c @ world.w2c))
    assert in_memory_world([world])[0].w2c == pytest.approx(np.eye(4))
    error = np.abs(turn.clip.images[-1].astype(int) - last.image).mean()
    assert error < 12


def test_a_revisit_adds_nothing(path):
    turn = run_turn(memory(), Request(path), backends())
    again, report = fuse_clip(turn.memory, turn.clip, turn.tracking, TrueDepth(first_view()))
    assert report.added == 0
    assert again is turn.memory


def test_a_view_into_the_unknown_is_fused_as_generated():
    camera = start()
    half = Keyframe.static(
        first_view().image,
        np.where(np.arange(208)[None] < 150, first_view().depth, np.float32(np.nan)),
        camera,
    )
    known = remember_view(SpatialMemory.empty(), half)
    images = first_view().image[None]
    from spatia_core.frames import Clip

    clip = Clip(images, (camera,))
    grown, report = fuse_clip(known, clip, CommandedTracker().track(clip, None, known), TrueDepth(first_view()))
    assert report.added > 0.9 * 58 * 120
    new = grown.of(Provenance.GENERATED)
    assert new.sum() == report.added
    truth = camera.unproject(first_view().depth)
    assert np.isin(np.round(grown.xyz[new][:, 2], 2), np.round(truth[..., 2], 2)).mean() > 0.9


def test_scale_and_shift_of_a_depth_map_are_found_despite_outliers():
    rng = np.random.default_rng(0)
    target = rng.uniform(1, 5, (40, 60)).astype(np.float32)
    source = (1 / ((1 / target - 0.05) / 1.7)).astype(np.float32)
    source[:6] = rng.uniform(1, 9, (6, 60))
    fit = fit_inverse_depth(source, target)
    assert fit.scale == pytest.approx(1.7, rel=0.02)
    assert fit.shift == pytest.approx(0.05, abs=0.01)
    assert np.allclose(fit.apply(source)[6:], target[6:], rtol=0.03)


def test_alignment_without_common_pixels_is_refused():
    unknown = np.full((10, 10), np.nan, np.float32)
    with pytest.raises(InvalidInput, match="0 pixels"):
        fit_inverse_depth(unknown, unknown)


def test_settled_depth_has_no_value_between_two_surfaces():
    depth = np.full((20, 30), 4.0, np.float32)
    depth[:, :14] = 1.0
    depth[:, 14] = 2.2
    assert set(np.unique(settled(depth))) == {1.0, 4.0}


def test_settled_depth_takes_no_value_from_where_nothing_is_known():
    depth = np.full((20, 30), 4.0, np.float32)
    depth[:, :14] = 1.0
    depth[:, 14:17] = 1.8, 2.4, 3.1
    depth[5:9, 13] = np.nan
    out = settled(depth)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(depth))


def test_sky_stands_just_behind_the_farthest_thing():
    depth = np.linspace(1, 3, 200, dtype=np.float32).reshape(10, 20)
    sky = np.zeros((10, 20), bool)
    sky[:3] = True
    out = sky_shell(np.where(sky, np.float32(30), depth), sky)
    assert 3 < out[0, 0] < 6
    assert np.array_equal(out[3:], depth[3:])


def test_photos_without_known_depth_are_refused():
    view = first_view()
    prediction = TrueDepth(view).estimate(view.image, None)
    from dataclasses import replace

    from spatia_core.frames import DepthMap

    nothing = DepthMap(np.full(view.depth.shape, np.nan, np.float32), "none")
    with pytest.raises(InvalidInput, match="nothing to remember"):
        start_memory(view.image, replace(prediction, depth=nothing))


def test_references_are_keyframes_that_see_the_same_points():
    away = start().moved(start().w2c @ np.diag([-1.0, 1.0, -1.0, 1.0]))
    two = remember_view(memory(), Keyframe.static(first_view().image, first_view().depth, away))
    assert select_references(two, [start()]) == (0,)
    assert select_references(two, [away]) == (1,)
    assert iou(np.array([1, 2, 3]), np.array([2, 3, 4])) == 0.5


def test_projections_are_rendered_when_asked_for_and_can_be_sliced(path):
    shown = condition(memory(), path).projections
    assert len(shown) == len(path)
    assert np.array_equal(shown[2:4][1].rgb, shown[3].rgb)


def test_resampling_the_photo_gives_the_photo_and_is_nearer_to_the_truth_than_splats(path):
    view = first_view()
    seen = render(memory().cloud, start())
    assert np.array_equal(resample(seen, start(), [(view.image, view.depth, start())]), view.image)
    moved = render(memory().cloud, path[-1])
    world = scene().start(208, 120)
    truth = scene().render(path[-1].moved(path[-1].w2c @ world.w2c), smooth=True).image.astype(int)
    sharp = resample(moved, path[-1], [(view.image, view.depth, start())])
    assert np.abs(sharp - truth).mean() < np.abs(moved.rgb - truth).mean()


def test_small_holes_are_filled_from_around_them_and_the_rest_is_untouched():
    image = np.full((20, 30, 3), 90, np.uint8)
    known = np.ones((20, 30), bool)
    known[8:11, 12:15] = False
    image[~known] = 0
    filled = fill_small_holes(image, known)
    assert (filled[~known] > 80).all()
    assert np.array_equal(filled[known], image[known])
    assert fill_small_holes(image, np.ones((20, 30), bool)) is image


class LostTracker:
    """A tracker that finds nothing it knows."""

    name = "lost"

    def track(self, clip, depths, memory):
        raise TrackingLost("No frame of the clip shows anything that the memory knows.")


def test_a_clip_that_cannot_be_placed_is_kept_and_not_remembered(path):
    usual = run_turn(memory(), Request(path), backends())
    turn = run_turn(memory(), Request(path), Backends(TrueDepth(first_view()), ReprojectGenerator(), LostTracker()))
    assert np.array_equal(turn.clip.images, usual.clip.images)
    assert not turn.memory.of(Provenance.GENERATED).any()
    assert turn.fusion.added == 0
    assert any("the memory learnt nothing from it" in n for n in turn.notes)
    assert not turn.tracking.measured
