"""A thing selected in one view, changed as every view of the memory shows it."""

from functools import cache

import numpy as np
import pytest

from editing.every_view import MOST_VIEWS, in_every_view
from editing.opening import Fit
from editing.operations import changed
from editing.panels.desk import Desk, Studio
from editing.panels.operations import OperationsHandlers
from editing.panels.page import Page
from editing.selecting import Tools
from editing.selection import lift_mask, shown_mask
from editing.session import Session
from editing.state import Source, State
from editing.volume_selection import Ball, Drawn
from spatia_core import se3
from spatia_core.backends.generate_reproject import ReprojectGenerator
from spatia_core.backends.protocols import Prompt, Segmentation
from spatia_core.backends.track_commanded import CommandedTracker
from spatia_core.camera import Camera
from spatia_core.errors import Cancelled, InvalidInput
from spatia_core.fusion import remember_view
from spatia_core.memory import Keyframe, SpatialMemory
from spatia_core.pipeline import Backends
from spatia_core.render import render
from tests.scenes import SceneView, make_scene
from tests.studio import TrueDepth, page_of

W, H = 208, 128
ANGLES = (0, 45, -45, 80, -80)


@cache
def ring() -> list[tuple[Camera, SceneView]]:
    """A room seen from around its first thing."""
    scene = make_scene(4)
    start = scene.start(W, H)
    about = se3.translation(scene.things[0].pose[:3, 3])
    turns = [se3.rigid(se3.so3_exp(np.array([0, np.deg2rad(a), 0])), np.zeros(3)) for a in ANGLES]
    cameras = [start.moved(start.w2c @ about @ turn @ se3.inverse(about)) for turn in turns]
    return [(c, scene.render(c)) for c in cameras]


@cache
def memory(views: int = len(ANGLES)) -> SpatialMemory:
    """The memory of the first of them."""
    out = SpatialMemory.empty()
    for camera, seen in ring()[:views]:
        out = remember_view(out, Keyframe.static(seen.image, seen.depth, camera))
    return out


def mask() -> np.ndarray:
    return ring()[0][1].mask(1)


@cache
def truth() -> np.ndarray:
    """(n,) the points that show the thing."""
    shown = np.stack([seen.object_id.ravel() for _, seen in ring()])
    labels = memory().labels
    return shown[labels.keyframe, labels.source] == 1


class Oracle:
    """A segmenter that knows what is under a click; views it is told to get wrong, it gets wrong in a set way."""

    name = "oracle"

    def __init__(self, wrong=()):
        self.wrong, self.asked = wrong, []

    def embed(self, image):
        apart = [np.abs(image.astype(int) - seen.image).mean() for _, seen in ring()]
        self.asked.append(int(np.argmin(apart)))
        return self.asked[-1]

    def segment(self, embedding: int, prompt: Prompt) -> Segmentation:
        ids = ring()[embedding][1].object_id
        if embedding in self.wrong:
            found = ids != 1  # all but the thing
        elif len(prompt.points):
            x, y = prompt.points[0].astype(int)
            found = ids == ids[y, x]
        else:
            found = np.zeros(ids.shape, bool)
        return Segmentation(found[None], np.ones(1))


def quality(selected: np.ndarray) -> tuple[float, float]:
    both = (selected & truth()).sum()
    return both / truth().sum(), both / selected.sum()


def test_the_other_sides_of_a_thing_are_found():
    before = quality(lift_mask(memory(), ring()[0][0], mask()))
    found = in_every_view(Oracle(), memory(), ring()[0][0], mask())
    assert found.volume is not None
    assert found.agreed == found.asked > 0
    recall, precision = quality(found.volume.points(memory()))
    assert before[0] < 0.8
    assert recall > 0.95
    assert precision > 0.95


def test_an_answer_that_contradicts_what_is_known_does_not_count():
    oracle = Oracle(wrong=(3, 4))
    found = in_every_view(oracle, memory(), ring()[0][0], mask())
    assert {3, 4} & set(oracle.asked)
    assert found.agreed < found.asked
    assert found.volume is not None
    assert quality(found.volume.points(memory()))[1] > 0.95


class Follower(Oracle):
    """It knows the thing again in other pictures, or takes everything else for it."""

    def __init__(self, wrong=(), strays=False):
        super().__init__(wrong)
        self.strays, self.given = strays, []

    def follow(self, image, mask):
        self.given.append((self.embed(image), mask))
        return lambda picture: (ring()[self.embed(picture)][1].object_id == 1) != self.strays


def test_a_segmenter_that_follows_things_is_believed_before_one_that_must_be_pointed_at_them():
    oracle = Follower(wrong=range(len(ANGLES)))
    found = in_every_view(oracle, memory(), ring()[0][0], mask())
    assert oracle.given[0][0] == 0, "it is shown the person's own view"
    np.testing.assert_array_equal(oracle.given[0][1], mask())
    assert found.volume is not None
    recall, precision = quality(found.volume.points(memory()))
    assert recall > 0.95
    assert precision > 0.95


def test_where_it_loses_the_thing_it_is_pointed_at_it():
    found = in_every_view(Follower(strays=True), memory(), ring()[0][0], mask())
    assert found.agreed == found.asked > 0
    assert found.volume is not None
    assert quality(found.volume.points(memory()))[0] > 0.95


def test_nothing_is_added_when_no_view_agrees():
    found = in_every_view(Oracle(wrong=range(len(ANGLES))), memory(), ring()[0][0], mask())
    assert found.volume is None
    assert found.agreed == 0


def test_what_the_persons_view_shows_outside_the_mask_stays_unselected():
    half = mask().copy()
    half[:, : int(np.nonzero(half)[1].mean())] = False  # a person who wants one half only
    camera = ring()[0][0]
    found = in_every_view(Oracle(), memory(), camera, half)
    assert found.volume is not None
    other = lift_mask(memory(), camera, mask()) & ~lift_mask(memory(), camera, half)
    kept_out = (found.volume.points(memory()) & other).sum() / other.sum()
    assert kept_out < 0.1


def test_a_memory_of_one_view_asks_nobody():
    oracle = Oracle()
    assert in_every_view(oracle, memory(1), ring()[0][0], mask()).asked == 0
    assert oracle.asked == []


def test_it_can_be_stopped_and_tells_how_far_it_is():
    told = []

    def stop(share, doing):
        told.append(share)
        if len(told) == 2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        in_every_view(Oracle(), memory(), ring()[0][0], mask(), stop)
    assert told == [0, 1 / MOST_VIEWS]


def test_an_empty_mask_is_refused():
    with pytest.raises(InvalidInput, match="Nothing is selected"):
        in_every_view(Oracle(), memory(), ring()[0][0], np.zeros((H, W), bool))


@pytest.fixture
def session(tmp_path):
    """A session that has opened the ring as its memory."""
    camera, seen = ring()[0]
    depth = TrueDepth(seen)
    made = Session(Tools(Backends(depth, ReprojectGenerator(), CommandedTracker()), Oracle()), tmp_path)
    fit, prediction = Fit((W, H), (W, H)), depth.estimate(seen.image, None)
    made.begin(Source(seen.image, fit, prediction, "ring.mp4", (W, H)), State(memory(), memory(), camera))
    rows, columns = np.nonzero(mask())
    made.click(float(np.median(columns)) + 0.5, float(np.median(rows)) + 0.5)
    return made


def left(session) -> float:
    """Share of the thing's points that the memory still holds."""
    alive = {tuple(p) for p in session.state.memory.xyz.tolist()}
    return float(np.mean([tuple(p) in alive for p in memory().xyz[truth()].tolist()]))


def test_what_is_deleted_is_gone_from_every_side(session):
    session.delete()
    assert left(session) < 0.05


def test_where_it_is_not_wanted_only_this_side_goes(session):
    session.everywhere = False
    session.delete()
    assert left(session) > 0.2


def test_the_edit_made_again_takes_the_same_points(session):
    session.delete()
    edit = session.state.log.edits[-1]
    again = changed(edit, memory(), None)
    np.testing.assert_array_equal(again.memory.xyz, session.state.memory.xyz)


def test_it_is_asked_once_and_said(session):
    assert session.everywhere_says == ""
    session.cleared()
    asked = len(session.tools.segmenter.asked)
    assert session.everywhere_says == "More of it was found in 4 of 4 other views."
    session.preview_move((0.1, 0.0, 0.0))
    session.delete()
    assert len(session.tools.segmenter.asked) == asked
    assert session.everywhere_says == ""


def test_points_of_other_views_are_shown_as_selected_once_they_are_known(session):
    before = session.selected_points.sum()
    session.cleared()
    assert session.selected_points.sum() > 1.3 * before


def test_what_is_locked_is_not_taken_along(session):
    behind = memory().xyz[truth() & ~lift_mask(memory(), ring()[0][0], mask())]
    x, y, z = (float(v) for v in behind[len(behind) // 2])
    session.select_nothing()
    inside = session.select_in_space(Drawn(Ball((x, y, z), 0.25)))
    session.change_object(session.keep(), locked=True)
    session.select_nothing()
    session.select_mask(mask() & ~shown_mask(inside, render(memory().cloud, ring()[0][0])))
    session.cleared()
    assert (inside & truth()).sum() > 20
    assert session.everywhere_says == "More of it was found in 4 of 4 other views."
    assert not (session.selected_points & inside).any()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    yield from page_of(tmp_path_factory.mktemp("page"))


@pytest.mark.filterwarnings("ignore")
def test_the_page_offers_it_where_there_are_several_views_and_says_what_came_of_it(session, page: Page):
    desk = Desk(Studio(session.folder))
    desk._session = session
    assert page.shown(desk)[page.everywhere]["visible"] is True
    *_, last = OperationsHandlers(desk.studio, page).delete(desk)
    assert "gone from the memory. More of it was found in 4 of 4 other views. Press" in last[page.message]["value"]
    session.begin(session.source, State(memory(1), memory(1), ring()[0][0]))
    assert page.shown(desk)[page.everywhere]["visible"] is False
