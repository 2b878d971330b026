"""The procedural world is exact, repeatable, and says truly what moves."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatia_core import se3
from spatia_core.errors import InvalidInput
from spatia_core.fusion import remember_view
from spatia_core.memory import SpatialMemory
from spatia_core.render import render
from training.worlds import KINDS, PATHS, RETURNS, degradation, film, make_world, path, sample_clip, write_sequence
from training.worlds.photos import read_photos
from training.worlds.places import STILLS
from training.worlds.solids import AXES, CENTRE, HALF, THING
from training.worlds.textures import GLOSS
from training.worlds.tree import build_tree
from training.worlds.world import _TO_SCENE, World

SIZE = (80, 48)
DIGEST = """
import hashlib, numpy as np
from training.worlds import sample_clip
clip = sample_clip(5, frames=2, size=(80, 48), kind="street", way="walk")
arrays = (clip.images, clip.depths, clip.dynamic, np.stack([f.thing for f in clip]))
print(hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest())
"""


def matt(world: World) -> World:
    """The world without gloss: every place then has one colour for all views."""
    materials = world.scene.materials.copy()
    materials[:, GLOSS] = 0
    return replace(world, scene=world.scene._replace(materials=materials))


@pytest.mark.parametrize("kind", KINDS)
def test_a_ray_through_a_point_seen_elsewhere_ends_there_or_before(kind):
    world = matt(make_world(kind, 2))
    a, b = path(world, "drift", 2, seed=1, size=SIZE)
    frame = world.render(a, smooth=False)
    rng = np.random.default_rng(0)
    points = a.unproject(frame.known_depth())
    rows, columns = np.nonzero(~frame.sky & (frame.depth < 60))
    met, wrong = 0, []
    for k in rng.choice(len(rows), 60, replace=False):
        p = points[rows[k], columns[k]][None]
        uv, z = b.project(p)
        if z[0] < 0.1:
            continue
        eye = replace(
            b.cropped(0, 0, 1, 1), K=b.K + np.array([[0, 0, 0.5 - uv[0, 0]], [0, 0, 0.5 - uv[0, 1]], [0, 0, 0]])
        )
        seen = world.render(eye, smooth=False)
        depth = float(seen.depth[0, 0])
        if abs(depth - z[0]) < 2e-3 * z[0] + 2e-3:
            met += 1
            if seen.thing[0, 0] == frame.thing[rows[k], columns[k]]:
                wrong.append(np.abs(seen.rgb[0, 0].astype(int) - frame.rgb[rows[k], columns[k]]).max())
        else:
            assert depth < z[0], "the ray went through what the other camera saw"
    assert met > 20
    assert np.median(wrong) <= 3, "a place has the same colour from both sides"


@pytest.mark.parametrize("kind", ["room", "meadow"])
def test_a_frame_warped_by_its_depth_and_pose_shows_the_other_frame(kind):
    world = matt(make_world(kind, 4))
    a, b = path(world, "truck", 5, seed=3, size=(160, 96))[::4]
    one, two = world.render(a), world.render(b)
    points = a.unproject(one.known_depth()).reshape(-1, 3)
    uv, z = b.project(np.nan_to_num(points, nan=-1e3))
    x, y = uv.astype(np.float32).reshape(96, 160, 2).transpose(2, 0, 1)
    depth = cv2.remap(two.known_depth(), x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderValue=-1)
    colour = cv2.remap(two.rgb, x - 0.5, y - 0.5, cv2.INTER_LINEAR).astype(int)
    both = np.isfinite(x) & (np.abs(depth - z.reshape(96, 160)) < 0.01 * z.reshape(96, 160))
    assert both.mean() > 0.3
    error = np.abs(colour - one.rgb).max(axis=2)[both]
    assert np.median(error) <= 4
    assert (error < 40).mean() > 0.95


def test_equal_arguments_give_equal_bytes_in_another_process():
    clip = sample_clip(5, frames=2, size=SIZE, kind="street", way="walk")
    arrays = (clip.images, clip.depths, clip.dynamic, np.stack([f.thing for f in clip]))
    here = hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
    root = Path(__file__).parent.parent
    run = subprocess.run([sys.executable, "-c", DIGEST], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == here


def test_seeds_and_kinds_give_different_worlds():
    pictures = {make_world(k, s).render(make_world(k, s).camera(24, 16)).rgb.tobytes() for k in KINDS for s in (0, 1)}
    assert len(pictures) == 2 * len(KINDS)


def moving_world(kind: str):
    for seed in range(30):
        world = make_world(kind, seed)
        if world.movers and world.render(world.camera(*SIZE), smooth=False).dynamic.mean() > 0.004:
            return world
    raise AssertionError("no world of thirty has a moving thing in view")


@pytest.mark.parametrize("kind", ["room", "street", "clutter"])
def test_the_dynamic_mask_marks_exactly_what_moved(kind):
    world = moving_world(kind)
    camera = world.camera(160, 96)
    before, after = (world.render(camera, t, shadows=False, smooth=False) for t in (0.0, 0.7))
    changed = (before.rgb != after.rgb).any(axis=2) | (before.depth != after.depth) | (before.thing != after.thing)
    assert changed.any()
    assert not (changed & ~(before.dynamic | after.dynamic)).any()
    assert set(np.unique(before.thing[before.dynamic])) <= set(world.moving)
    assert not np.isin(before.thing[~before.dynamic], world.moving).any()


def test_moving_things_come_back_to_where_they_set_out():
    for m in moving_world("room").movers:
        lap = 2 * m.length if m.radius == 0 else 2 * np.pi * m.radius
        x, y, _ = m.at(lap / m.speed)
        assert np.hypot(x, y) < 1e-6
        assert np.hypot(*m.at(0.25 * lap / m.speed)[:2]) > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_every_pixel_of_a_thing_lies_in_one_of_its_solids(kind):
    world = make_world(kind, 6)
    frame = world.render(world.camera(*SIZE), smooth=False)
    points = frame.camera.unproject(frame.known_depth())
    solids = world.scene.solids
    assert frame.thing.max() < len(world.names)
    for thing in np.unique(frame.thing[frame.thing > 1]):
        p = points[frame.thing == thing].astype(float) @ _TO_SCENE.T
        mine = solids[solids[:, THING] == thing]
        local = np.einsum(
            "sij,spj->spi", mine[:, AXES : AXES + 9].reshape(-1, 3, 3), p - mine[:, None, CENTRE : CENTRE + 3]
        )
        outside = np.max(np.abs(local) - mine[:, None, HALF : HALF + 3], axis=2).min(axis=0)
        assert outside.max() < 2e-3 * (1 + np.linalg.norm(p, axis=1).max())


def test_taking_a_thing_away_changes_only_its_own_pixels():
    world = make_world("room", 6)
    camera = world.camera(*SIZE)
    whole = world.render(camera, shadows=False, smooth=False)
    ids, counts = np.unique(whole.thing[whole.thing > 1], return_counts=True)
    thing = int(ids[np.argsort(counts)[len(ids) // 2]])
    keep = world.scene.solids[:, THING] != thing
    nodes, order = build_tree(world.scene.solids[keep])
    scene = world.scene._replace(
        solids=world.scene.solids[keep], glows=world.scene.glows[keep], nodes=nodes, order=order
    )
    without = replace(world, scene=scene).render(camera, shadows=False, smooth=False)
    changed = (whole.rgb != without.rgb).any(axis=2)
    assert changed.any()
    assert not (changed & (whole.thing != thing)).any()


def test_sky_is_infinitely_far_and_marked():
    frame = make_world("meadow", 3).render(make_world("meadow", 3).camera(*SIZE))
    assert frame.sky.any()
    assert np.array_equal(np.isinf(frame.depth), frame.sky)
    assert (frame.depth > 0).all()
    assert np.array_equal(frame.thing == 0, frame.sky)
    assert np.isnan(frame.known_depth()[frame.sky]).all()
    assert (frame.known_depth(500.0)[frame.sky] == 500).all()


def test_smoothing_touches_borders_only_and_leaves_depth_alone():
    world = make_world("room", 1)
    rough, fine = (world.render(world.camera(*SIZE), smooth=s) for s in (False, True))
    assert np.array_equal(rough.depth, fine.depth)
    changed = (rough.rgb != fine.rgb).any(axis=2)
    assert 0 < changed.mean() < 0.7


@pytest.mark.parametrize("kind", PATHS)
def test_cameras_keep_clear_of_things(kind):
    world = make_world("room", 5)
    cameras = path(world, kind, 9, seed=1)
    assert min(world.free(c.centre) for c in cameras) > 0
    assert all(se3.is_rigid(c.w2c) for c in cameras)
    if kind in RETURNS:
        assert np.array_equal(cameras[0].w2c, cameras[-1].w2c)
        assert np.array_equal(cameras[1].w2c, cameras[-2].w2c)
        assert np.abs(cameras[4].w2c - cameras[0].w2c).max() > 0.05


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match="meadow"):
        make_world("moon", 0)
    with pytest.raises(InvalidInput, match="out_and_back"):
        path(make_world("room", 0), "teleport", 3)


def test_a_frame_can_be_remembered_and_seen_again():
    world = make_world("room", 7)
    frame = world.render(world.camera(*SIZE))
    memory = remember_view(SpatialMemory.empty(), frame.keyframe(far=100.0))
    again = render(memory.cloud, frame.camera)
    shown = again.coverage & ~frame.dynamic
    assert shown.mean() > 0.9
    assert (np.abs(again.rgb.astype(int) - frame.rgb)[shown].max(axis=1) == 0).mean() > 0.9


def test_a_written_sequence_holds_what_was_seen(tmp_path):
    clip = film(make_world("yard", 2), path(make_world("yard", 2), "dolly", 2, size=SIZE))
    write_sequence(tmp_path, clip, spoil=degradation(1))
    depth = np.asarray(cv2.imread(str(tmp_path / "depth/00001.png"), cv2.IMREAD_UNCHANGED))
    near = clip[1].depth < 65
    assert np.abs(depth[near] / 1000 - clip[1].depth[near]).max() < 6e-4
    assert (depth[clip[1].sky] == 0).all()
    poses = np.loadtxt(tmp_path / "poses.txt").reshape(-1, 4, 4)
    assert np.allclose(poses[1], clip.cameras[1].c2w)
    assert np.allclose(np.loadtxt(tmp_path / "K.txt"), clip.cameras[0].K)
    assert np.asarray(cv2.imread(str(tmp_path / "images/00000.jpg"))).shape == (48, 80, 3)


def test_degradation_is_repeatable_and_leaves_alone_at_strength_zero():
    image = make_world("room", 2).render(make_world("room", 2).camera(*SIZE)).rgb
    for seed in range(8):
        spoil = degradation(seed)
        assert np.array_equal(spoil(image, 3), spoil(image, 3))
        assert spoil(image).shape == image.shape
        assert np.abs(degradation(seed, 0.0)(image).astype(int) - image).max() <= 1
    assert any((np.abs(degradation(s)(image).astype(int) - image).mean() > 5) for s in range(8))


def test_photos_of_a_folder_become_pictures(tmp_path):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 255
    cv2.imwrite(str(tmp_path / "a.png"), stripes)
    photos = read_photos(tmp_path, count=2)
    assert photos[:, 0].std() > 3 * photos[:, -1].std()
    plain, papered = make_world("room", 3), make_world("room", 3, photos)
    assert len(papered.scene.photos) == 2
    assert (papered.scene.materials[:, 0] == 13).any()
    assert not (plain.scene.materials[:, 0] == 13).any()
    empty = tmp_path / "none"
    empty.mkdir()
    with pytest.raises(InvalidInput, match="No photo"):
        read_photos(empty)


@pytest.mark.parametrize("kind", STILLS)
def test_places_for_stills_show_what_they_are_named_for_and_are_never_drawn_for_films(kind):
    worlds = [make_world(kind, seed) for seed in range(3)]
    frames = [world.render(world.camera(48, 32)) for world in worlds]
    assert len({frame.rgb.tobytes() for frame in frames}) == 3
    for world, frame in zip(worlds, frames, strict=True):
        assert world.kind == kind
        assert np.isfinite(frame.depth[~frame.sky]).all()
        assert frame.sky.mean() < 0.8
    assert kind not in {make_world(None, seed).kind for seed in range(30)}
