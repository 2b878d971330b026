"""The handlers of the 3D view: what is drawn, clicked and dragged in it, as the page tells of it."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from editing.edits import Placing
from editing.panels import viewport as panel
from editing.panels.desk import Desk, Studio
from editing.panels.page import Page
from editing.panels.space import SpaceHandlers, counted
from editing.selection import grown
from editing.session import Session
from editing.viewport import (
    pack,
    read_step,
)
from editing.volume_selection import Ball, Drawn
from spatia_core.memory import Provenance
from tests.studio import centre_of_thing, make_session, memory, thing_mask
from tests.test_viewport import message


def sent(data: Any) -> gr.EventData:
    """What the page sends."""
    return gr.EventData(None, data)


def drawn(*steps: Any) -> gr.EventData:
    """What the view sends of shapes and clicks."""
    return sent({"steps": list(steps), "message": 7})


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Desk:
    desk = Desk(Studio(tmp_path))
    desk._session = make_session(tmp_path / "room")
    monkeypatch.setattr("editing.panels.handlers.gr.Warning", lambda *_, **__: None)
    return desk


@pytest.fixture
def handlers(desk: Desk) -> SpaceHandlers:
    page = object.__new__(Page)
    for name in Page.__dataclass_fields__:
        object.__setattr__(page, name, name)
    return SpaceHandlers(desk.studio, page)


def said(updates: dict[Any, Any]) -> str:
    return updates["message"]["value"]


def test_points_are_written_when_they_are_asked_for_and_only_once(desk, handlers):
    value = panel.value(desk.session, desk.window, Placing())
    assert value["url"] is None
    asked = handlers.ask(desk)["viewport"]
    file = Path(asked["url"].partition("file=")[2])
    assert file.read_bytes() == pack(memory()).data
    assert file.parent == desk.session.folder
    assert handlers.ask(desk)["viewport"]["url"] == asked["url"]
    assert asked["token"] == value["token"]


def test_old_points_make_room_and_undo_brings_the_same_name_back(desk, handlers):
    first = handlers.ask(desk)["viewport"]
    for step in range(6):
        corner = {"kind": "rectangle", "points": [[4 + 30 * step, 4], [24 + 30 * step, 24]]}
        handlers.pick(desk, drawn(message(**corner)))
        desk.session.delete()
        handlers.ask(desk)
    assert len(list(desk.session.folder.glob("points-*.bin"))) == panel.KEPT
    assert len(list(desk.session.folder.glob("selected-*.bin"))) <= panel.KEPT
    while desk.session.history.can_undo:
        desk.session.undo()
    again = handlers.ask(desk)["viewport"]
    assert again["token"] == first["token"]
    assert Path(again["url"].partition("file=")[2]).exists()


def test_a_shape_selects_counts_and_names_the_depth(desk, handlers):
    handlers.ask(desk)
    out = handlers.pick(desk, drawn(message("lasso")))
    assert "Only what you see" in said(out)
    assert "through, it would be" in said(out)
    value = out["viewport"]
    points = desk.session.selected_points
    assert value["selection"]["count"] == points.sum()
    bits = np.frombuffer(Path(value["selection"]["url"].partition("file=")[2]).read_bytes(), np.uint8)
    order = desk.window.find(memory()).payload.order
    assert np.array_equal(np.unpackbits(bits, bitorder="little")[: len(points)].astype(bool), points[order])
    assert out["delete"]["interactive"]
    assert "Through" in said(handlers.pick(desk, drawn(message("lasso", through=True))))
    assert said(handlers.pick(desk, drawn(message("lasso", how="intersect", points=[[0, 0], [3, 0], [3, 3]]))))
    whole = message("rectangle", how="subtract", points=[[0, 0], [208, 120]], through=True)
    assert "Nothing is selected" in said(handlers.pick(desk, drawn(whole)))


def test_a_click_on_a_thing_selects_it(desk, handlers):
    out = handlers.pick(desk, drawn(message("click")))
    assert "are selected" in said(out)
    mask = desk.session.picking.mask
    assert (mask & ~grown(thing_mask(), 2)).sum() == 0
    assert mask.sum() > 0.9 * thing_mask().sum()


@pytest.mark.parametrize("data", [None, "x", {"kind": "click"}, {"kind": "click", "at": [1, 1], "camera": {}}])
def test_forged_picks_change_nothing_and_are_told(desk, handlers, data):
    handlers.pick(desk, drawn(message("lasso")))
    before = desk.session.picking
    assert "cannot be used" in said(handlers.pick(desk, drawn(data)))
    assert desk.session.picking is before


@pytest.mark.parametrize("data", [None, "x", {}, {"steps": 3}, {"steps": []}])
def test_messages_without_steps_change_nothing_and_are_told(desk, handlers, data):
    assert "cannot be used" in said(handlers.pick(desk, sent(data)))
    assert desk.session.picking.mask is None


def test_shapes_that_came_while_the_page_waited_are_one_step(desk, handlers):
    handlers.ask(desk)
    first, second = message("rectangle", points=[[4, 4], [24, 24]]), message("rectangle", points=[[44, 4], [64, 24]])
    apart = [int(desk.session.select_in_space(read_step(m, memory())).sum()) for m in (first, second)]
    out = handlers.pick(desk, drawn(message("lasso"), first, second | {"how": "add"}))
    assert out["viewport"]["heard"] == 7
    assert desk.session.selected_points.sum() == sum(apart)
    before = desk.session.picking
    handlers.pick(desk, drawn(message("lasso"), {"how": "replace", "kind": "invert"}))
    assert desk.session.undo() == "Selection"
    assert desk.session.picking is before


def test_too_many_shapes_at_once_are_refused_whole(desk, handlers):
    before = desk.session.picking
    assert "50 are the most" in said(handlers.pick(desk, drawn(*[message("lasso", how="add")] * 51)))
    assert desk.session.picking is before


def test_letting_the_arrows_go_shows_the_move_and_keeps_the_numbers_in_step(desk, handlers):
    handlers.ask(desk)
    handlers.pick(desk, drawn(message("click")))
    out = handlers.place(desk, sent({"offset": [0.1, 0.0, 0.0]}))
    assert (out["x"]["value"], out["y"]["value"], out["z"]["value"]) == (0.1, 0.0, 0.0)
    shift = desk.session.displacement((0.1, 0.0, 0.0)).tolist()
    assert out["viewport"]["moved"] == pytest.approx([1, 0, 0, 0, 1, 0, 0, 0, 1, *shift], abs=1e-6)
    assert out["stage"]["preview"].startswith("data:image/jpeg")
    assert out["move"]["interactive"]
    assert len(desk.session.state.log) == 0
    turned = handlers.place(desk, sent({"offset": [0.1, 0.0, 0.0], "turn": [0, 0.5, 0], "size": 1.5}))
    assert (turned["turn_y"]["value"], turned["times"]["value"]) == (pytest.approx(28.6, abs=0.1), 1.5)
    assert np.cbrt(np.linalg.det(np.reshape(turned["viewport"]["moved"][:9], (3, 3)))) == pytest.approx(1.5)
    still = {"offset": [0, 0, 0]}
    for wrong in (
        still | {"turn": [0, float("nan"), 0]},
        still | {"turn": [0, 99, 0]},
        still | {"turn": "left"},
        still | {"size": float("nan")},
        still | {"size": 0},
        still | {"size": 1e9},
        still | {"size": True},
    ):
        assert "cannot be used" in said(handlers.place(desk, sent(wrong)))
        assert desk.size == 1.5, "what was shown stays"
    for wrong in (None, {"do": "explode"}, {"do": ["hide"]}):
        assert "." in said(handlers.object(desk, sent(wrong)))
        assert not len(desk.session.state.objects)
    for wrong in (None, {"offset": [1, 2]}, {"offset": [float("nan"), 0, 0]}, {"offset": ["a", 0, 0]}):
        assert "cannot be used" in said(handlers.place(desk, sent(wrong)))
    assert "not possible" in said(handlers.place(desk, sent({"offset": [900, 0, 0]})))


def test_things_on_the_ground_do_not_sink_into_it(desk):
    assert desk.session.along_camera((0.1, 0.3, 0.2)) == pytest.approx((0.1, 0.0, 0.2))
    assert desk.session.along_camera((0.1, 0.3, 0.2), on_ground=False) == pytest.approx((0.1, 0.3, 0.2))
    assert desk.session.along_camera((0.0, -0.3, 0.0)) == pytest.approx((0.0, -0.3, 0.0))


def test_a_click_in_the_picture_is_shown_in_the_view_as_well(desk, handlers):
    handlers.ask(desk)
    out = handlers.point(desk, sent({"clicks": [[*centre_of_thing(), True]]}))
    assert out["viewport"]["selection"]["count"] > 500
    foot = memory().xyz[desk.session.selected_points]
    assert (out["viewport"]["gizmo"] >= foot.min(0) - 1e-5).all()
    assert (out["viewport"]["gizmo"] <= foot.max(0) + 1e-5).all()


def test_counting_says_nothing_of_depth_for_shapes_in_space(tmp_path):
    session: Session = make_session(tmp_path)
    assert counted(session, Drawn(Ball((0, 0, 2), 1.0)), 7) == "7 points are selected. Refine it, or go on to step 3."
    assert memory().of(Provenance.COMPLETED).any()
