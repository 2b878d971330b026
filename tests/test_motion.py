"""Things that move: drawn into clips, found in films, kept out of the memory."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from editing.operations import clear
from spatia_core import se3
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.protocols import GenerationSettings, Tracking
from spatia_core.camera import Camera
from spatia_core.conditioning import condition
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip, DepthMap
from spatia_core.fusion import FusionOptions, fuse_clip
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.movers import Mover, draw
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render
from tests.studio import TrueDepth, first_view, memory, start, thing_mask
from tests.values import cloud, poses

NO_ESTIMATE = TrueDepth(first_view())


# --- a thing that is made to move


def quad(z: float, grey: int, half: float = 0.3, n: int = 60) -> PointCloud:
    """A square facing the camera."""
    x, y = np.meshgrid(np.linspace(-half, half, n), np.linspace(-half, half, n))
    xyz = np.stack([x, y, np.full_like(x, z)], -1).reshape(-1, 3).astype(np.float32)
    return PointCloud(xyz, np.full((n * n, 3), grey, np.uint8), np.full(n * n, 1.3 * half / n, np.float32))


def test_a_mover_hides_what_is_behind_it_and_is_hidden_by_what_is_before_it():
    view = Camera.from_fov(64, 48, 1.0)
    background = render(quad(4, 50, 4) + quad(1, 100, 0.05), view)
    picture, moving = draw(background.rgb, background.depth, view, [Mover(quad(2, 200), np.eye(4)[None])], 0)
    ys, xs = np.nonzero((background.rgb == 100).all(-1))
    assert (picture[ys, xs] == 100).all(), "the near square covers it"
    assert (picture == 200).all(-1).sum() > 200
    assert moving[(picture != background.rgb).any(-1)].all()
    np.testing.assert_array_equal(picture[~moving], background.rgb[~moving])


def test_a_mover_is_seen_before_the_unknown():
    view = Camera.from_fov(64, 48, 1.0)
    nothing = np.full((48, 64), np.nan, np.float32)
    picture, _ = draw(np.zeros((48, 64, 3), np.uint8), nothing, view, [Mover(quad(2, 200), np.eye(4)[None])], 0)
    assert (picture == 200).any()


@given(st.integers(2, 5))
def test_a_way_goes_through_its_ends_at_even_speed(count):
    stops = np.random.default_rng(count).uniform(-1, 1, (count, 3))
    mover = Mover.travelling(cloud(3), stops, 400)
    offsets = mover.poses[:, :3, 3]
    np.testing.assert_allclose(offsets[[0, -1]], stops[[0, -1]], atol=1e-6)
    steps = np.linalg.norm(np.diff(offsets, axis=0), axis=1)
    assert steps.max() < 1.03 * steps.mean()
    for stop in stops:
        assert np.linalg.norm(offsets - stop, axis=1).min() < 1.5 * steps.mean()
    np.testing.assert_array_equal(mover.part(range(399, 403)).poses[:, 0, 3], np.full(4, offsets[-1, 0]))


def test_a_way_without_length_stands_still():
    assert np.ptp(Mover.travelling(cloud(3), np.zeros((3, 3)), 5).poses, axis=0).max() == 0


@given(poses)
def test_a_mover_is_where_its_pose_says(T):
    np.testing.assert_allclose(Mover(cloud(9), T[None]).at(5).xyz, cloud(9).transformed(T).xyz, atol=1e-5)


def test_motions_that_are_not_rigid_are_refused():
    with pytest.raises(InvalidInput, match="rigid"):
        Mover(cloud(3), 2 * np.eye(4)[None])
    with pytest.raises(InvalidInput, match="finite offset"):
        Mover.travelling(cloud(3), np.full((2, 3), np.nan), 4)


@cache
def clip_with_a_mover() -> tuple[SpatialMemory, Clip]:
    """The room without its thing, and a clip in which the thing goes to the right."""
    cleared = clear(memory(), start(), thing_mask())
    path = [start().moved(se3.translation(np.array([0.02 * i, 0, 0]))) for i in range(6)]
    mover = Mover.travelling(cleared.solid_thing, np.array([[0, 0, 0], [0.8, 0, 0.2]]), len(path))
    shown = replace(condition(cleared.memory, path), movers=(mover,))
    return cleared.memory, ReprojectGenerator().generate(shown, "", GenerationSettings())


def test_the_clip_shows_the_thing_moving_and_says_so():
    base, clip = clip_with_a_mover()
    assert clip.dynamic is not None
    centres = [np.nonzero(m)[1].mean() for m in clip.dynamic]
    assert centres[-1] > centres[0] + 15
    assert "only one thing moves" in clip.notes[0]
    first = render(base.cloud, start())
    assert np.abs(clip.images[0].astype(int) - first.rgb)[clip.dynamic[0]].mean() > 15
    np.testing.assert_array_equal(clip.images[0][~clip.dynamic[0]], first.rgb[~clip.dynamic[0]])


def test_a_mover_never_enters_the_memory():
    base, clip = clip_with_a_mover()
    depths = [DepthMap(d, "given") for d in depths_with_the_mover(base, clip)]
    tracked = Tracking(clip.cameras, tuple(range(len(clip))))
    fused, _ = fuse_clip(base, clip, tracked, NO_ESTIMATE, FusionOptions(depths=depths))
    new = fused.of(Provenance.GENERATED)
    inside = 0
    assert clip.dynamic is not None
    for i, camera in enumerate(clip.cameras):
        uv, z = camera.project(fused.xyz[new])
        at = np.clip(np.nan_to_num(uv).astype(int), 0, [207, 119])
        inside += int((clip.dynamic[i][at[:, 1], at[:, 0]] & (z < 0.95 * depths[i].depth[at[:, 1], at[:, 0]])).sum())
    assert inside == 0
    open_door, _ = fuse_clip(base, replace(clip, dynamic=None), tracked, NO_ESTIMATE, FusionOptions(depths=depths))
    assert len(open_door) > len(fused), "without its masks the thing would have entered"


def depths_with_the_mover(base: SpatialMemory, clip: Clip) -> list[np.ndarray]:
    """What a perfect depth camera would measure: half the distance wherever the thing is seen."""
    out = []
    assert clip.dynamic is not None
    for i, camera in enumerate(clip.cameras):
        seen = render(base.cloud, camera).depth
        out.append(np.where(clip.dynamic[i], 0.7 * seen, seen).astype(np.float32))
    return out
