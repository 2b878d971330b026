"""What clips do to the memory: who beats whom, revisits, carving, poses that are corrected, what moves."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.spatial import KDTree

from spatia_core import se3
from spatia_core.backends.protocols import Tracking
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip, DepthMap
from spatia_core.fusion import FusionOptions, fuse_clip, lift, remember_view
from spatia_core.fusion.carving import free_depth, seen_through
from spatia_core.memory import Keyframe, PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render
from spatia_core.upkeep import moved_keyframes
from tests.scenes import Scene, SceneView, make_scene
from tests.studio import TrueDepth, first_view, memory, start

W, H = 160, 96
NO_ESTIMATE = TrueDepth(first_view())


@cache
def room() -> Scene:
    return make_scene(3)


@cache
def cameras(n: int = 6, turn: float = 0.12) -> tuple[Camera, ...]:
    first = room().start(W, H)
    return tuple(
        first.moved(se3.exp(np.array([0, -turn * i, 0, -0.12 * i, 0, 0.02 * i])) @ first.w2c) for i in range(n)
    )


@cache
def views(n: int = 6) -> tuple[SceneView, ...]:
    return tuple(room().render(c) for c in cameras(n))


def clip_of(seen: tuple[SceneView, ...], at: tuple[Camera, ...]) -> tuple[Clip, FusionOptions]:
    depths = [DepthMap(v.depth, "given") for v in seen]
    return Clip(np.stack([v.image for v in seen]), at), FusionOptions(Provenance.OBSERVED, depths)


def measured(at: tuple[Camera, ...]) -> Tracking:
    return Tracking(at, tuple(range(len(at))))


def video(base: SpatialMemory | None = None, at: tuple[Camera, ...] | None = None):
    """The room's film fused with its true depths, the poses said to be `at`."""
    at = at or cameras()
    clip, options = clip_of(views(), at)
    return fuse_clip(base or SpatialMemory.empty(), clip, measured(at), NO_ESTIMATE, options)


@cache
def filmed() -> SpatialMemory:
    return video()[0]


def distance_to_truth(memory: SpatialMemory) -> float:
    """Mean of both directions: memory to true surfaces, true surfaces to memory."""
    truth = np.concatenate([c.unproject(v.depth).reshape(-1, 3) for c, v in zip(cameras(), views(), strict=True)])
    return float((KDTree(truth).query(memory.xyz)[0].mean() + KDTree(memory.xyz).query(truth)[0].mean()) / 2)


def perturbed(seed: int = 0, degrees: float = 3, share: float = 0.05) -> tuple[Camera, ...]:
    rng = np.random.default_rng(seed)
    out = [cameras()[0]]
    for camera in cameras()[1:]:
        twist = np.concatenate([np.deg2rad(degrees) * rng.uniform(-1, 1, 3), share * 4 * rng.uniform(-1, 1, 3)])
        out.append(camera.moved(se3.exp(twist) @ camera.w2c))
    return tuple(out)


# --- who beats whom


def test_a_film_gives_the_true_room_and_every_point_once():
    points = filmed().xyz
    assert distance_to_truth(filmed()) < 0.02
    pixels = 6 * W * H
    assert len(points) < 0.55 * pixels, "frames that overlap by two thirds must share their points"


def test_a_revisit_adds_at_most_two_percent_and_refines():
    again, report = video(filmed())
    assert report.growth <= 0.02
    assert report.merged > 0.5 * len(filmed())
    assert again.labels.confidence.mean() > filmed().labels.confidence.mean()
    assert report.depth_residual is not None
    assert report.depth_residual < 0.01
    assert report.reprojection_px is not None
    assert report.reprojection_px < 0.5


def test_a_revisit_between_the_known_places_adds_at_most_two_percent():
    between = tuple(
        a.moved(se3.interpolate(a.w2c, b.w2c, 0.5)) for a, b in zip(cameras()[:-1], cameras()[1:], strict=True)
    )
    clip, options = clip_of(tuple(room().render(c) for c in between), between)
    _, report = fuse_clip(filmed(), clip, measured(between), NO_ESTIMATE, options)
    assert report.growth <= 0.02


def test_noise_of_repeated_measurements_averages_out():
    rng = np.random.default_rng(0)
    at = (cameras()[0],) * 8
    noisy = tuple(
        replace(views()[0], depth=views()[0].depth * rng.normal(1, 0.008, (H, W)).astype(np.float32)) for _ in at
    )
    clip, options = clip_of(noisy, at)
    one, _ = fuse_clip(SpatialMemory.empty(), clip, Tracking(at, (0,)), NO_ESTIMATE, options)
    all_of_them, _ = fuse_clip(SpatialMemory.empty(), clip, measured(at), NO_ESTIMATE, options)

    def error(known: SpatialMemory) -> float:
        return float(np.nanmedian(np.abs(render(known.cloud, at[0]).depth / views()[0].depth - 1)))

    assert error(all_of_them) < 0.55 * error(one)
    assert len(all_of_them) <= 1.02 * len(one)


def test_what_a_photo_showed_is_never_moved_or_carved_by_a_generated_clip():
    known = memory()
    far = DepthMap((first_view().depth * 2).astype(np.float32), "given")
    clip = Clip(np.full_like(first_view().image, 9)[None], (start(),))
    options = FusionOptions(Provenance.GENERATED, [far])
    fused, _ = fuse_clip(known, clip, Tracking((start(),), (0,)), NO_ESTIMATE, options)
    seen = known.of(Provenance.OBSERVED)
    np.testing.assert_array_equal(fused.xyz[fused.of(Provenance.OBSERVED)], known.xyz[seen])
    np.testing.assert_array_equal(render(fused.cloud, start()).rgb, first_view().image)


def test_observed_points_take_the_place_of_completed_ones():
    known = memory()
    at = tuple(c.moved(c.w2c @ room_start().c2w) for c in orbit())
    seen = tuple(true_room().render(c) for c in orbit())
    clip, options = clip_of(seen, at)
    fused, report = fuse_clip(known, clip, measured(at), NO_ESTIMATE, options)
    assert report.carved > 0
    for camera, view in zip(at, seen, strict=True):
        shown = render(fused.cloud, camera)
        invented = fused.labels.provenance[np.maximum(shown.point_index, 0)] == Provenance.COMPLETED
        assert (invented & shown.coverage).mean() < 0.01
        assert np.nanmedian(np.abs(shown.depth / view.depth - 1)) < 0.01


def test_completed_points_stay_where_a_generated_clip_shows_the_same():
    """A clip that only shows the memory teaches it nothing."""
    known = memory()
    at = tuple(c.moved(c.w2c @ room_start().c2w) for c in orbit(0.3))
    shown = [render(known.cloud, c) for c in at]
    clip = Clip(np.stack([s.rgb for s in shown]), at)
    options = FusionOptions(depths=[DepthMap(s.depth, "given") for s in shown])
    fused, report = fuse_clip(known, clip, measured(at), NO_ESTIMATE, options)
    assert report.growth <= 0.02
    assert report.carved <= 0.01 * len(known)
    kept = fused.of(Provenance.COMPLETED).sum() / known.of(Provenance.COMPLETED).sum()
    assert kept > 0.97


def true_room() -> Scene:
    from tests.studio import scene

    return scene()


def room_start() -> Camera:
    return true_room().start(208, 120)


def orbit(amount: float = 1.0) -> tuple[Camera, ...]:
    s = room_start()
    return tuple(
        s.moved(se3.exp(np.array([0, 0.1 * k, 0, 0.3 * k, 0, 0]) * amount) @ s.w2c) for k in (-1, -0.5, 0.5, 1)
    )


# --- carving


def floating(provenance: Provenance, n: int = 400) -> SpatialMemory:
    """The film's memory with a patch of points in the air before the wall."""
    middle = cameras()[2]
    xyz = se3.transform(middle.c2w, np.random.default_rng(0).uniform([-0.3, -0.2, 1.4], [0.3, 0.1, 1.6], (n, 3)))
    cloud = PointCloud(xyz.astype(np.float32), np.full((n, 3), 255, np.uint8), np.full(n, 0.01, np.float32))
    return filmed().insert(cloud, PointLabels.uniform(n, provenance, confidence=0.5))


@pytest.mark.parametrize("provenance", [Provenance.COMPLETED, Provenance.GENERATED])
def test_invented_points_in_the_air_go_when_a_view_sees_through_them(provenance):
    base = floating(provenance)
    left, report = video(base)
    assert not left.of(provenance).any()
    assert report.carved >= 400


def test_seen_points_in_the_air_need_repeated_evidence():
    base = floating(Provenance.OBSERVED)
    white = (base.cloud.rgb == 255).all(1)
    clip, options = clip_of(views(), cameras())
    once, _ = fuse_clip(base, clip, Tracking(cameras(), (2,)), NO_ESTIMATE, options)
    assert (once.cloud.rgb == 255).all(1).sum() == white.sum()
    often, _ = video(base)
    assert (often.cloud.rgb == 255).all(1).sum() < 0.1 * white.sum()


def test_commanded_poses_carve_and_refine_nothing():
    base = floating(Provenance.COMPLETED)
    clip, options = clip_of(views(), cameras())
    trusted = replace(measured(cameras()), measured=False)
    left, report = fuse_clip(base, clip, trusted, NO_ESTIMATE, options)
    assert (report.carved, report.merged) == (0, 0)
    assert left.of(Provenance.COMPLETED).sum() == 400


def test_placed_objects_are_never_carved():
    base = floating(Provenance.COMPLETED)
    number = np.where(base.of(Provenance.COMPLETED), 1, 0).astype(np.int16)
    base = replace(base, labels=replace(base.labels, object_id=number))
    assert video(base)[0].of(Provenance.COMPLETED).sum() == 400


def test_a_point_is_seen_through_only_with_its_whole_footprint():
    view = Camera.from_fov(64, 48, 1.0)
    depth = np.full((48, 64), 4, np.float32)
    depth[:, 40:] = 1.5
    free = free_depth(depth, np.isfinite(depth), window=1)
    xyz = np.array([[0, 0, 2], [0.25, 0, 2], [0, 0, 3.9], [0, 0, -1]], np.float32)
    radius = np.array([0.02, 0.3, 0.02, 0.02], np.float32)
    assert seen_through(PointCloud(xyz, np.zeros((4, 3), np.uint8), radius), view, free).tolist() == [0]


# --- poses that are corrected


def test_tracked_poses_leave_at_least_three_times_fewer_double_walls_than_commanded_ones():
    wrong = perturbed()
    clip, options = clip_of(views(), wrong)
    trusting, _ = fuse_clip(SpatialMemory.empty(), clip, measured(wrong), NO_ESTIMATE, options)
    tracked, _ = fuse_clip(SpatialMemory.empty(), clip, measured(cameras()), NO_ESTIMATE, options)
    assert distance_to_truth(trusting) >= 3 * distance_to_truth(tracked)


def test_a_loop_closure_takes_the_double_walls_away():
    wrong = perturbed()
    built = SpatialMemory.empty()
    for camera, view in zip(wrong, views(), strict=True):
        built = remember_view(built, Keyframe.static(view.image, view.depth, camera))
    closed = moved_keyframes(built, {k: c.w2c for k, c in enumerate(cameras())})
    assert distance_to_truth(built) >= 3 * distance_to_truth(closed)
    np.testing.assert_allclose(closed.keyframes[3].camera.w2c, cameras()[3].w2c)


def test_a_film_too_far_from_the_memory_is_left_out_and_said_so():
    away = start().moved(se3.exp(np.array([0, 3.1, 0, 0, 0, 0.0])))
    clip = Clip(first_view().image[None], (away,))
    same, report = fuse_clip(memory(), clip, Tracking((away,), (0,)), NO_ESTIMATE)
    assert same is memory()
    assert "shares less than 2%" in report.skipped[0]


def test_a_depth_of_another_size_is_left_out_and_said_so():
    clip, _ = clip_of(views(), cameras())
    small = FusionOptions(depths=[DepthMap(v.depth[::2, ::2], "given") for v in views()])
    same, report = fuse_clip(filmed(), clip, measured(cameras()), NO_ESTIMATE, small)
    assert same is filmed()
    assert "80x48" in report.skipped[0]


def test_a_budget_is_kept():
    clip, options = clip_of(views(), cameras())
    few, _ = fuse_clip(SpatialMemory.empty(), clip, measured(cameras()), NO_ESTIMATE, replace(options, budget=5000))
    assert 2000 < len(few) <= 5000


# --- what moves


def moving_film(n: int = 6) -> tuple[tuple[SceneView, ...], int]:
    """The room with its first thing travelling through it."""
    thing = room().things[0].object_id
    step = np.array([0.25, 0, 0.12])
    return tuple(room().render(c, moved={thing: se3.translation(step * i)}) for i, c in enumerate(cameras(n))), thing


def test_a_marked_moving_thing_leaves_no_trace():
    seen, thing = moving_film()
    clip, options = clip_of(seen, cameras())
    clip = replace(clip, dynamic=np.stack([v.mask(thing) for v in seen]))
    fused, _ = fuse_clip(SpatialMemory.empty(), clip, measured(cameras()), NO_ESTIMATE, options)
    assert off_the_empty_room(fused, thing) == 0
    unmarked, _ = fuse_clip(
        SpatialMemory.empty(), replace(clip, dynamic=None), measured(cameras()), NO_ESTIMATE, options
    )
    assert off_the_empty_room(unmarked, thing) > 0.01
    assert fused.keyframes[0].dynamic.any()


def off_the_empty_room(memory: SpatialMemory, thing: int) -> float:
    """Share of the memory's points that lie off every surface of the room without the thing."""
    truth = np.concatenate([c.unproject(room().render(c, without=thing).depth).reshape(-1, 3) for c in cameras()])
    return float((KDTree(truth).query(memory.xyz)[0] > 0.1).mean())


def test_masks_of_another_size_are_refused():
    with pytest.raises(InvalidInput, match="one mask"):
        Clip(np.zeros((2, 8, 9, 3), np.uint8), (Camera.from_fov(9, 8, 1.0),) * 2, dynamic=np.zeros((1, 8, 9), bool))


def test_one_point_a_pixel():
    view = views()[0]
    assert len(lift(view.image, view.depth, cameras()[0], np.ones((H, W), bool))) == W * H
