"""Things from elsewhere: cut from another photo, or from files; set down on the ground."""

from dataclasses import replace

import numpy as np
import pytest

from editing.edits import Edit
from editing.guests import Donor, read_thing
from editing.inserting import inserted, spot_on_ground, standing
from editing.operations import apply
from editing.project_file import open_project, save_project
from spatia_core.errors import InvalidInput
from spatia_core.io.clouds import write_ply
from spatia_core.memory import Provenance
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render
from tests.studio import centre_of_thing, first_view, make_session, memory, start, thing_mask

SPOT = (104.0, 100.0)


def pillar(n: int = 4000) -> PointCloud:
    """A magenta pillar, three times as tall as wide, somewhere."""
    g = np.random.default_rng(1)
    xyz = (g.uniform(-0.5, 0.5, (n, 3)) * [1, 3, 1] + [5, 7, 9]).astype(np.float32)
    return PointCloud(xyz, np.full((n, 3), (255, 0, 255), np.uint8), np.full(n, 0.05, np.float32))


def insertion(**more) -> Edit:
    nothing = np.zeros((120, 208), bool)
    base = {"offset": (*SPOT, 0.0), "size": 0.2, "thing": standing(pillar())}
    return Edit("insert", start(), nothing, **(base | more))  # type: ignore[arg-type]


def test_a_thing_stands_with_its_foot_at_the_origin_and_its_largest_side_is_one():
    cloud = standing(pillar())
    low, high = np.percentile(cloud.xyz, (0.5, 99.5), axis=0)
    assert (high - low).max() == pytest.approx(1, abs=0.01)
    assert high[1] == pytest.approx(0, abs=0.01)
    assert abs(low[0] + high[0]) < 0.01


def test_it_stands_on_the_ground_at_the_clicked_pixel():
    after = apply(insertion(), memory())
    new = after.labels.object_id == 1
    assert new.sum() == 4000
    uv, _ = start().project(after.xyz[new])
    foot = np.percentile(uv[:, 1], 99)
    assert np.median(uv[:, 0]) == pytest.approx(SPOT[0], abs=3)
    assert foot == pytest.approx(SPOT[1], abs=5)
    tall = np.ptp(after.xyz[new][:, 1])
    assert tall == pytest.approx(0.2 * memory().median_depth(), rel=0.05)
    ground = spot_on_ground(memory(), start(), *SPOT)
    heights = after.xyz[new].astype(float) @ ground.normal - ground.offset
    assert np.percentile(heights, 2) > -0.1 * tall


def test_nothing_else_changes_and_it_is_seen():
    after = apply(insertion(), memory())
    assert np.array_equal(after.xyz[: len(memory())], memory().xyz)
    seen = render(after.cloud, start()).rgb
    assert (seen == (255, 0, 255)).all(-1).sum() > 50


def test_inserting_replays_is_saved_and_undone(tmp_path):
    session = make_session(tmp_path / "a")
    first = session.state
    session.insert(standing(pillar()), *SPOT)
    again = session.state.log.replay(session.state.original)
    assert np.array_equal(again.xyz, session.state.memory.xyz)
    other = make_session(tmp_path / "b")
    open_project(other, save_project(session, tmp_path / "guest.spatia"))
    assert np.array_equal(other.state.log.replay(other.state.original).xyz, session.state.memory.xyz)
    while session.history.can_undo:
        session.undo()
    assert session.state is first


def test_deleting_an_inserted_thing_takes_what_completion_copied_from_it(tmp_path):
    m = inserted(memory(), insertion(), memory().median_depth())
    guest = np.flatnonzero(m.labels.object_id == 1)[:20]
    labels = m.labels[guest]
    ghosts = m.insert(m.cloud[guest], replace(labels, provenance=np.full(20, int(Provenance.COMPLETED), np.uint8)))
    session = make_session(tmp_path)
    session.begin(session.source, replace(session.state, original=memory(), memory=ghosts))
    seen = render(ghosts.cloud, start())
    mask = (seen.rgb == (255, 0, 255)).all(-1)
    after = apply(Edit("delete", start(), mask), ghosts)
    assert not (after.cloud.rgb == (255, 0, 255)).all(-1).any()


@pytest.mark.parametrize(
    "more",
    [{"offset": (np.nan, 1.0, 0.0)}, {"offset": (-5.0, 1.0, 0.0)}, {"size": 0.0}, {"size": 1e4}, {"thing": None}],
)
def test_impossible_insertions_are_refused_in_a_sentence(more):
    with pytest.raises(InvalidInput, match=r"\.$"):
        insertion(**more)


# --- where they come from ---------------------------------------------------------------------------------------------


def test_points_of_a_ply_file_become_a_thing(tmp_path):
    cloud = pillar()
    write_ply(tmp_path / "a.ply", replace(cloud, radius=np.zeros(len(cloud), np.float32)))
    thing = read_thing(tmp_path / "a.ply")
    assert len(thing) == 4000
    assert thing.radius.min() > 0, "sizes come from the distance of neighbours"


def test_other_files_and_points_in_one_place_are_refused(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0")
    with pytest.raises(InvalidInput, match=r"\.ply or \.glb"):
        read_thing(tmp_path / "a.obj")
    one = PointCloud(np.zeros((5, 3), np.float32), np.zeros((5, 3), np.uint8), np.zeros(5, np.float32))
    with pytest.raises(InvalidInput, match="no size"):
        standing(one)
    with pytest.raises(InvalidInput, match="no points"):
        standing(PointCloud.empty())


def test_a_thing_is_cut_from_another_photo_with_one_click(tmp_path):
    session = make_session(tmp_path)
    donor = Donor(first_view().image, first_view().depth, start(), session.tools.segmenter.embed(first_view().image))
    mask = donor.mask(session.tools, *centre_of_thing())
    assert np.array_equal(mask, thing_mask())
    thing = donor.cut(mask)
    assert len(thing) == mask.sum()
    assert np.array_equal(thing.rgb, first_view().image[mask])
    session.insert(thing, *SPOT)
    assert session.state.objects.items[-1].name == "Inserted"
    with pytest.raises(InvalidInput, match=r"\.$"):
        donor.cut(np.zeros_like(mask))
