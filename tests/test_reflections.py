"""Reflections that go with their thing, and honesty where there is none."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from editing.edit_file import described, read
from editing.edit_log import EditLog
from editing.edits import Along, Edit, Fill
from editing.filming import Shot
from editing.ground import ground_under
from editing.operations import apply, clear
from editing.panels.desk import Desk, Studio
from editing.panels.operations import OperationsHandlers
from editing.panels.page import Page
from editing.placing import displacement
from editing.project_file import open_project, save_project
from editing.reflections import reflection_of
from editing.selection import grown
from editing.session import Session, Tools
from editing.state import Source, State
from spatia_core.arrays import Mask
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.protocols import DepthPrediction
from spatia_core.backends.track_commanded import CommandedTracker
from spatia_core.camera import Camera
from spatia_core.frames import DepthMap
from spatia_core.io.fitting import Fit
from spatia_core.memory import SpatialMemory
from spatia_core.pipeline import Backends, start_memory
from spatia_core.render import Rendering, render
from tests.mirroring import Floor, Photo, photo
from tests.studio import RecordingGenerator, TrueDepth, TrueMasks, page_of
from tests.test_no_ghost import pictures

SEEDS = (1, 2, 4, 6)
MIRROR = Along(reflection=True)
"""What the edits of these tests take with them."""


def looked_for(seen: Photo) -> Mask | None:
    """Where the finder sees the thing mirrored."""
    h, w = seen.view.depth.shape
    shown = Rendering(seen.image, seen.view.depth, np.arange(h * w, dtype=np.int32).reshape(h, w))
    ground = ground_under(seen.thing, seen.view.depth, seen.camera)
    found = reflection_of(seen.thing, shown, seen.camera, ground)
    return None if found is None else found.mask


WITH_MIRROR = {
    "strong": Floor(0.8),
    "medium": Floor(0.4),
    "weak": Floor(0.2),
    "rippled": Floor(0.4, ripples=2.0, blur=1.5),
    "noisy": Floor(0.4, noise=5.0),
    "patterned": Floor(0.5, contrast=0.5),
}
WITHOUT = {
    "matt": Floor(0.0),
    "tiles": Floor(0.0, contrast=1.0),
    "faint shadow": Floor(0.0, shadow=0.3),
    "dark shadow": Floor(0.0, shadow=0.7),
    "another thing": Floor(0.0, second=True),
}


@pytest.mark.parametrize("floor", WITH_MIRROR.values(), ids=WITH_MIRROR.keys())
def test_a_mirror_image_is_found_where_it_is(floor: Floor):
    for seed in SEEDS:
        seen = photo(seed, floor)
        mask = looked_for(seen)
        assert mask is not None, seed
        assert (mask & seen.mirrored).sum() > 0.95 * seen.mirrored.sum()
        assert (mask & ~grown(seen.mirrored, 6)).sum() < 0.1 * mask.sum()
        assert not (mask & seen.thing).any()


@pytest.mark.parametrize("floor", WITHOUT.values(), ids=WITHOUT.keys())
def test_what_is_no_mirror_image_is_not_taken_for_one(floor: Floor):
    for seed in range(8):
        assert looked_for(photo(seed, floor)) is None, seed


WET = Floor(0.4, noise=1.0)


@cache
def wet() -> Photo:
    """The photo whose reflection the edits of these tests meet."""
    return photo(SEEDS[1], WET)


@cache
def first() -> Camera:
    """Its camera in the memory's world."""
    return wet().camera.moved(np.eye(4))


def prediction(depth: np.ndarray) -> DepthPrediction:
    """The depth as an estimator gives it."""
    return DepthPrediction(DepthMap(depth, "true"), wet().camera.K, np.zeros(depth.shape, bool))


@cache
def memory() -> SpatialMemory:
    """The photo's memory."""
    return start_memory(wet().image, prediction(wet().view.depth))


def edit(kind: str, **more) -> Edit:
    """An edit of the thing that takes its reflection along."""
    return Edit(kind, first(), wet().thing, reflection=True, solid=False, **more)  # type: ignore[arg-type]


def session(folder, generator=None) -> Session:
    """A session that has just opened the photo."""
    backends = Backends(TrueDepth(wet().view), generator or ReprojectGenerator(), CommandedTracker())
    made = Session(Tools(backends, TrueMasks(wet().view)), folder)
    h, w = wet().view.depth.shape
    source = Source(wet().image, Fit((w, h), (w, h)), prediction(wet().view.depth), "wet.png", (w, h))
    made.begin(source, State(memory(), memory(), first()))
    made.select_mask(wet().thing)
    return made


def violet(image: np.ndarray, least: int = 8) -> np.ndarray:
    """(h, w) where the picture has so much of the thing's colour, which the grey room has not."""
    colours = image.astype(int)
    return np.minimum(colours[..., 0], colours[..., 2]) - colours[..., 1] > least


def test_a_deleted_thing_takes_its_mirror_image_with_it():
    after = render(apply(edit("delete"), memory()).cloud, first()).rgb
    left = render(apply(Edit("delete", first(), wet().thing), memory()).cloud, first()).rgb
    true, place = wet().empty.astype(float), wet().mirrored
    error = [np.abs(picture.astype(float) - true)[place].mean() for picture in (after, left)]
    assert error[0] < 0.5 * error[1]
    assert violet(left)[place].mean() > 0.5
    assert not violet(after).any()


@pytest.mark.parametrize("fill", ["completed", "hole", "plain"])
def test_nothing_is_left_from_any_side_however_the_place_is_filled(fill: Fill):
    after = apply(edit("delete", fill=fill), memory())
    for x in (-0.5, 0.0, 0.5):
        w2c = np.eye(4)
        w2c[:3, 3] = x, 0.3, 0.4
        assert not violet(render(after.cloud, first().moved(w2c)).rgb).any()
    assert not violet(after.cloud.rgb[None]).any()


def test_a_mirror_image_whose_depth_was_taken_for_that_of_a_thing_goes_too():
    depth = wet().view.depth.copy()
    depth[wet().mirrored] = float(np.median(depth[wet().thing]))
    fooled = start_memory(wet().image, prediction(depth))
    left = render(apply(edit("delete"), fooled).cloud, first()).rgb
    # what is completed evens its light out with its border, so a breath of colour may remain
    assert violet(left, 8).mean() < 0.002
    assert not violet(left, 16).any()


def test_a_mirror_image_comes_back_where_it_was_when_its_thing_does_not_move():
    memories = memory(), apply(edit("move"), memory()), apply(edit("delete"), memory())
    before, after, without = (render(m.cloud, first()).rgb.astype(float) for m in memories)
    inner = grown(wet().mirrored, -3)
    assert np.abs(after - before)[inner].mean() < 0.5 * np.abs(without - before)[inner].mean()


def test_a_moved_thing_is_mirrored_where_it_stands_then():
    offset = (0.12, 0.0, -0.04)
    moved = render(apply(edit("move", offset=offset), memory()).cloud, first()).rgb
    plain = apply(Edit("move", first(), wet().thing, offset, solid=False), memory())
    changed = np.abs(moved.astype(int) - render(plain.cloud, first()).rgb).max(-1) > 6
    ground = clear(memory(), first(), wet().thing, along=MIRROR).ground
    shift = displacement(ground, edit("move", offset=offset).placing, first(), memory().median_depth())
    there = first().unproject(wet().view.depth)[wet().thing].astype(np.float64) + shift
    below = there - 2 * np.outer(there @ ground.normal - ground.offset, ground.normal)
    uv, _ = first().project(below.astype(np.float32))
    x, y = np.clip(uv.astype(int), 0, [207, 119]).T
    expected = np.zeros_like(changed)
    expected[y, x] = True
    expected &= ~grown(violet(moved, 60), 1)
    assert changed[expected].mean() > 0.6
    low = np.arange(len(changed))[:, None] > np.nonzero(wet().thing)[0].max()
    assert not (changed & low & ~grown(expected | wet().mirrored, 8)).any()
    assert not violet(moved)[wet().mirrored & ~grown(expected, 8)].any()


def test_a_thing_that_was_moved_with_its_mirror_image_can_be_deleted_with_it(tmp_path):
    made = session(tmp_path)
    made.along = MIRROR
    made.move((0.12, 0.0, 0.0))
    made.select_object(made.state.objects.items[-1].key)
    assert made.along_says == "Its reflection goes with it."
    made.delete()
    assert not violet(made.stage).any()


def test_where_there_is_no_reflection_none_is_taken_and_it_is_said(tmp_path):
    made = session(tmp_path)
    assert made.along_says == ""
    made.along = Along(shadow=True, reflection=True)
    assert made.along_says == "No shadow of it was found on the ground. Its reflection goes with it."
    matt = photo(SEEDS[1], Floor(0.0, noise=1.0))
    dry = start_memory(matt.image, prediction(matt.view.depth))
    with_wish, without = (clear(dry, first(), matt.thing, along=along) for along in (MIRROR, Along()))
    assert with_wish.marks.reflection is None
    assert np.array_equal(with_wish.memory.cloud.rgb, without.memory.cloud.rgb)


def test_undo_gives_back_the_reflection_and_files_keep_that_it_went(tmp_path):
    made = session(tmp_path / "one")
    before = made.state.memory
    made.along = MIRROR
    made.delete()
    (kept,) = made.state.log
    assert kept.along == MIRROR
    assert np.array_equal(EditLog((kept,)).replay(before).cloud.rgb, made.state.memory.cloud.rgb)
    file = save_project(made, tmp_path / "wet.spatia")
    other = Session(made.tools, tmp_path / "two")
    open_project(other, file)
    assert [e.along for e in other.state.log] == [MIRROR]
    assert np.array_equal(other.state.memory.cloud.rgb, made.state.memory.cloud.rgb)
    made.undo()
    assert made.state.memory is before


def test_files_from_before_reflections_went_along_still_open():
    told = described(edit("delete"), None, lambda camera: None)
    assert told.pop("reflection") is True
    assert read(told, first(), wet().thing, None, None).along == Along()


def test_a_shadow_and_a_reflection_go_together():
    both = photo(SEEDS[1], Floor(0.3, shadow=0.5, noise=1.0))
    memory = start_memory(both.image, prediction(both.view.depth))
    after = render(clear(memory, first(), both.thing, along=Along(True, True)).memory.cloud, first()).rgb
    assert np.abs(after.astype(float) - both.empty)[both.mirrored].mean() < 8


def test_a_thing_that_walks_leaves_no_reflection():
    walked = apply(edit("animate", way=((0.0, 0.0, 0.0), (0.2, 0.0, 0.0))), memory())
    assert not violet(render(walked.cloud, first()).rgb).any()


def test_copies_and_colours_leave_the_reflection_where_it_is(tmp_path):
    made = session(tmp_path)
    made.along = MIRROR
    made.duplicate(edit("move", offset=(0.3, 0.0, 0.0)).placing)
    assert made.state.log.edits[-1].along == Along()
    assert violet(made.stage)[wet().mirrored].mean() > 0.5


def test_no_generator_input_shows_a_reflection_that_went(tmp_path):
    generator = RecordingGenerator()
    made = session(tmp_path, generator)
    made.generate(Shot("truck-right", frames=3, amount=0.4))
    assert all(violet(picture).any() for picture in pictures(generator.shown[-1]))
    made.along = MIRROR
    made.select_mask(wet().thing)
    made.delete()
    made.generate(Shot("truck-right", frames=3, amount=0.4, turns=2))
    for shown in generator.shown[-2:]:
        assert not any(violet(picture).any() for picture in pictures(shown))


# --- the page -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Page]:
    yield from page_of(tmp_path_factory.mktemp("page"))


@pytest.mark.filterwarnings("ignore")
def test_the_page_says_at_once_whether_a_reflection_is_found(tmp_path, page: Page):
    desk = Desk(Studio(tmp_path))
    desk._session = session(tmp_path / "wet")
    handlers = OperationsHandlers(desk.studio, page)

    def said(shadow: bool, reflection: bool) -> str:
        return handlers.chose_along(desk, shadow, reflection, True)[page.message]["value"]

    assert "Its reflection goes with it." in said(False, True)
    assert desk.session.along == MIRROR
    assert "No shadow of it was found" in said(True, False)
    assert "stay where they are" in said(False, False)
    desk.session.select_nothing()
    assert "What is changed next takes its shadow and reflection along." in said(True, True)
    assert handlers.chose_along(Desk(desk.studio), True, True, True) == {}
    assert page.said_before(desk)[page.reflection] is True
    said_of_views = handlers.chose_along(desk, True, True, False)[page.message]["value"]
    assert "What is changed next is what this view shows of it." in said_of_views
    assert desk.session.everywhere is False
    assert desk.session.along == Along(shadow=True, reflection=True)
