"""Things that leave the memory to move in the clip, places left to the generator, and what is compared then."""

from dataclasses import replace

import numpy as np
import pytest

from editing.comparison import Comparison, missing_from
from editing.edits import Edit, Look
from editing.filming import Shot
from editing.operations import changed
from editing.project_file import open_project, save_project
from editing.selection import grown, lift_mask
from editing.session import Session
from editing.state import Take
from spatia_core.backends.protocols import Rounds
from spatia_core.errors import InvalidInput
from spatia_core.memory import Provenance
from spatia_core.render import render
from tests.studio import RecordingGenerator, centre_of_thing, make_session, memory, start, thing_mask
from tests.test_no_ghost import has_paint, painted, pictures

WAY = ((0.0, 0.0, 0.0), (-0.3, 0.0, 0.0), (-0.45, 0.0, 0.15))
SHOT = Shot("truck-right", frames=6)


def edited(session: Session) -> Take:
    """The edited clip."""
    take = session.state.after
    assert take is not None
    return take


def compared(session: Session) -> Comparison:
    """The edited clip against the original."""
    seen = edited(session).comparison
    assert seen is not None
    return seen


def animated(folder, generator=None, paint=False) -> Session:
    session = make_session(folder, generator)
    if paint:
        m = painted(session.state.original)
        session.begin(session.source, replace(session.state, original=m, memory=m))
    session.click(*centre_of_thing())
    session.animate(WAY)
    return session


@pytest.fixture(scope="module")
def filmed(tmp_path_factory) -> Session:
    session = animated(tmp_path_factory.mktemp("walk"))
    session.generate(SHOT)
    return session


def test_a_thing_that_walks_leaves_the_memory_and_its_place_is_completed(filmed):
    after = edited(filmed)
    gone = memory().xyz[lift_mask(memory(), start(), thing_mask())]
    assert missing_from(gone, after.memory.xyz).all()
    seen = render(after.memory.cloud, start())
    assert (after.memory.labels.provenance[seen.point_index[thing_mask()]] == Provenance.COMPLETED).all()


def test_it_is_seen_in_every_frame_and_never_enters_the_memory(filmed):
    after = edited(filmed)
    assert after.clip.dynamic is not None
    assert all(mask.any() for mask in after.clip.dynamic)
    walker = filmed.state.walkers[0]
    mover = walker.mover(SHOT.frames)
    fused = after.memory.cloud[after.memory.of(Provenance.GENERATED)]
    colours = {tuple(c) for c in walker.cloud.rgb.tolist()}
    near = 0
    for frame in range(SHOT.frames):
        where = mover.at(frame).xyz
        low, high = where.min(0), where.max(0)
        inside = ((fused.xyz >= low) & (fused.xyz <= high)).all(1)
        near += sum(tuple(c) in colours for c in fused.rgb[inside].tolist())
    assert near <= 0.01 * len(walker.cloud)


def test_it_goes_from_its_first_stop_to_its_last_on_the_ground(filmed):
    walker = filmed.state.walkers[0]
    assert np.allclose(walker.mover(9).at(0).xyz, walker.cloud.xyz + walker.stops[0].astype(np.float32), atol=1e-4)
    unit = filmed.unit
    assert walker.stops[-1][0] == pytest.approx(-0.45 * unit, rel=0.05)
    assert np.allclose(walker.mover(9).at(8).xyz, walker.cloud.xyz + walker.stops[-1].astype(np.float32), atol=1e-4)


def test_what_moves_counts_as_edited_and_the_rest_is_the_same(filmed):
    seen = compared(filmed)
    assert seen.outside_psnr > 60
    assert seen.residue is None or seen.residue < 0.02
    region = thing_mask().mean()
    assert seen.edited_share > region


def test_its_walk_outlives_filming_again_and_longer_films_are_cut_into_one_walk(tmp_path):
    generator = RecordingGenerator()
    generator.rounds = Rounds(first=4, later=3, history=2)  # type: ignore[attr-defined]
    session = animated(tmp_path, generator)
    session.generate(replace(SHOT, frames=7))
    session.generate(replace(SHOT, frames=7))
    movers = [shown.movers for shown in generator.shown[-2:]]
    assert [len(m[0]) for m in movers] == [4, 3]
    whole = session.state.walkers[0].mover(7)
    assert np.allclose(np.concatenate([m[0].poses for m in movers]), whole.poses)
    clip = edited(session).clip
    assert clip.dynamic is not None
    assert clip.dynamic.shape == clip.images.shape[:3]


def test_nothing_but_the_movers_shows_the_thing_to_a_generator(tmp_path):
    generator = RecordingGenerator()
    session = animated(tmp_path, generator, paint=True)
    session.generate(SHOT)
    shown = generator.shown[-1]
    assert shown.movers
    assert not any(has_paint(p) for p in pictures(shown))
    assert any(has_paint(frame) for frame in edited(session).clip.images)


def test_a_walk_replays_is_saved_and_is_undone(tmp_path, filmed):
    session = animated(tmp_path / "a")
    again = session.state.log.played(session.state.original)
    assert np.array_equal(again.walkers[0].cloud.xyz, session.state.walkers[0].cloud.xyz)
    other = make_session(tmp_path / "b")
    open_project(other, save_project(session, tmp_path / "walk.spatia"))
    other.generate(SHOT)
    assert np.array_equal(edited(other).clip.images, edited(filmed).clip.images)
    while session.history.can_undo:
        session.undo()
    assert not session.state.walkers


@pytest.mark.parametrize(
    "way", [(), ((0.0, 0.0, 0.0),), ((0.0, 0.0, 0.0), (np.nan, 0.0, 0.0)), ((0.0, 0.0, 0.0),) * 200]
)
def test_impossible_ways_are_refused_in_a_sentence(way):
    with pytest.raises(InvalidInput, match=r"\.$"):
        Edit("animate", start(), thing_mask(), way=way)


# --- what comes where a thing stood -----------------------------------------------------------------------------------


def test_a_place_left_to_the_generator_is_a_hole_in_all_that_it_is_shown(tmp_path):
    generator = RecordingGenerator()
    session = make_session(tmp_path, generator)
    session.click(*centre_of_thing())
    session.delete(fill="hole")
    inner = grown(thing_mask(), -3)
    assert not render(session.state.memory.cloud, start()).coverage[inner].any()
    session.generate(Shot("pan-left", frames=2, amount=0.1))
    first = generator.shown[-1].projections[0]
    assert not first.coverage[inner].any()
    assert first.coverage[~grown(thing_mask(), 4)].all()
    assert edited(session).clip.images[0][inner].any(), "the generator filled it"


def test_a_plain_fill_is_even_and_a_completed_one_is_not_plain(tmp_path):
    results = {}
    for fill in ("completed", "plain"):
        edit = Edit("delete", start(), thing_mask(), fill=fill)
        seen = render(changed(edit, memory()).memory.cloud, start())
        assert seen.coverage.all()
        grey = seen.rgb.astype(float).mean(-1)
        rough = np.abs(np.diff(grey, axis=1))[:, :][grown(thing_mask(), -2)[:, 1:]]
        results[fill] = rough.mean()
    assert results["plain"] < 0.6 * results["completed"]


def test_left_open_places_replay_and_are_saved(tmp_path):
    session = make_session(tmp_path / "a")
    session.click(*centre_of_thing())
    session.delete(fill="hole")
    assert len(session.state.log.played(session.state.original).left_open) == len(session.state.left_open) > 100
    other = make_session(tmp_path / "b")
    open_project(other, save_project(session, tmp_path / "hole.spatia"))
    assert np.array_equal(other.state.left_open.xyz, session.state.left_open.xyz)


def test_a_recoloured_thing_counts_as_edited(tmp_path):
    session = make_session(tmp_path)
    session.click(*centre_of_thing())
    session.recolour(Look((255, 0, 0), 1.0))
    session.generate(Shot("pan-left", frames=2, amount=0.1))
    seen = compared(session)
    assert seen.edited_share >= thing_mask().mean()
    assert seen.outside_psnr > 60
    assert seen.residue is not None
    assert seen.residue < 0.05
