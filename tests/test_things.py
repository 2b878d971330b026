"""The things found in a picture: looked for once, offered as pictures, picked as selections."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from editing.panels import things
from editing.panels.api_operations import thing_rows
from editing.session import Session
from editing.state import Click
from spatia_core.errors import Cancelled, InvalidInput
from tests.studio import centre_of_thing, first_view, make_session, thing_mask


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return make_session(tmp_path)


def number_of_the_thing(session: Session) -> int:
    assert session.things is not None
    return next(k for k, m in enumerate(session.things.masks) if np.array_equal(m, thing_mask()))


def test_nothing_is_offered_before_it_was_looked_for(session):
    assert session.things is None
    assert things.value(session) == []
    with pytest.raises(InvalidInput, match="Press Find things"):
        session.select_thing(0)


def test_the_scene_s_things_are_found_and_picked_whole(session):
    found = session.find_things()
    assert session.things is found
    mask = session.select_thing(number_of_the_thing(session))
    assert np.array_equal(mask, thing_mask())
    session.take_back()
    assert session.picking.mask is None


def test_a_second_look_costs_nothing_and_an_edit_makes_another_picture(session, monkeypatch):
    found = session.find_things()
    monkeypatch.setattr("editing.selecting.find_things", lambda *_, **__: pytest.fail("looked again"))
    assert session.find_things() is found
    session.select_thing(number_of_the_thing(session))
    session.delete()
    assert session.things is None
    session.undo()
    assert session.things is found


def test_things_are_added_to_what_is_selected(session):
    found = session.find_things()
    k = number_of_the_thing(session)
    other = next(i for i, m in enumerate(found.masks) if i != k and not (m & thing_mask()).any())
    session.select_thing(k)
    mask = session.select_thing(other, "add")
    assert np.array_equal(mask, found.masks[other] | thing_mask())
    assert np.array_equal(session.select_thing(other), found.masks[other])  # without it, it takes its place


def test_a_click_goes_on_from_the_thing(session):
    session.find_things()
    session.select_thing(number_of_the_thing(session))
    assert np.array_equal(session.picking.asked(click=Click(*centre_of_thing())).prompt.previous, thing_mask())


def test_a_locked_thing_is_not_picked(session):
    session.click(*centre_of_thing())
    key = session.keep()
    session.change_object(key, locked=True)
    session.find_things()
    with pytest.raises(InvalidInput, match="locked or hidden"):
        session.select_thing(number_of_the_thing(session))


def test_stopping_half_way_leaves_no_list(session):
    def stop(share: float, doing: str) -> None:
        if share > 0.3:
            raise Cancelled("Cancelled. Nothing was changed.")

    with pytest.raises(Cancelled):
        session.find_things(stop)
    assert session.things is None


def test_the_page_gets_a_mask_to_point_at_and_a_picture_of_each(session):
    found = session.find_things()
    shown = things.value(session)
    assert [t["name"] for t in shown] == [str(k) for k in range(len(found.masks))]
    for told, mask in zip(shown, found.masks, strict=True):
        data = base64.b64decode(told["mask"].partition(",")[2])
        alpha = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))[..., 3] > 0
        assert np.array_equal(alpha, mask)  # the picture is small: masks go as they are
        assert told["share"] == pytest.approx(mask.mean())
        picture = Image.open(io.BytesIO(base64.b64decode(told["image"].partition(",")[2])))
        assert picture.width > picture.height


def test_a_small_picture_keeps_the_thing_bright_and_the_rest_dark():
    picture = np.full((100, 160, 3), 200, np.uint8)
    mask = np.zeros((100, 160), bool)
    mask[40:60, 70:90] = True
    out = things.cut_out(picture, mask)
    h, w = out.shape[:2]
    assert out[h // 2, w // 2].tolist() == [200, 200, 200]
    assert out[1, 1].max() < 100
    assert w / h == pytest.approx(1.6, rel=0.06)


@pytest.mark.parametrize("at", [np.s_[:1, :1], np.s_[-1:, -1:], np.s_[:, :2], np.s_[:2, :]])
def test_things_at_the_edge_have_a_picture_as_well(at):
    mask = np.zeros((90, 120), bool)
    mask[at] = True
    assert min(things.cut_out(first_view().image[:90, :120], mask).shape[:2]) > 5


def test_the_endpoint_tells_place_and_size(session):
    session.find_things()
    row = thing_rows(session)[number_of_the_thing(session)]
    left, top, right, bottom = row["box"]
    ys, xs = np.nonzero(thing_mask())
    assert (left, top, right, bottom) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert row["share"] == pytest.approx(thing_mask().mean(), abs=1e-5)
