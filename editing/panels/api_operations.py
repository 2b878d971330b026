"""Named endpoints for turning, copying, recolouring, walking, inserting and the list of objects."""

from collections.abc import Callable
from typing import Any, get_args

import gradio as gr
import numpy as np

from editing.edits import FILLS, Along, Fill, Placing, Triple
from editing.guests import MODELS, Donor, read_thing
from editing.panels.desk import Desk
from editing.panels.things import bounds
from editing.recolouring import look_of
from editing.session import Session
from editing.viewport import number as number_of
from editing.viewport import read_step
from spatia_core.backends.protocols import Progress, silent
from spatia_core.errors import InvalidInput

Named = Callable[..., None]
"""(name, handler, inputs, outputs, slow): an endpoint."""


def placing_of(x: Any, y: Any, z: Any, turn: Any, size: Any, on_ground: Any) -> Placing:
    """A move in median depths with a turn in degrees about the upright."""
    try:
        values = [float(v) for v in (x, y, z, turn, size)]
    except (TypeError, ValueError):
        raise InvalidInput("A placing is five numbers: x, y, z, turn in degrees, size.") from None
    return Placing(
        (values[0], values[1], values[2]), (0.0, float(np.deg2rad(values[3])), 0.0), values[4], bool(on_ground)
    )


def way_of(stops: Any) -> tuple[Triple, ...]:
    """Stops [[x, y, z], ...] in median depths; the thing sets out from where it stands."""
    try:
        way = [tuple(float(v) for v in stop) for stop in stops]
    except (TypeError, ValueError):
        raise InvalidInput("A way is a list of stops [x, y, z], for example [[0.3, 0, 0], [0.3, 0, 0.2]].") from None
    if any(len(stop) != 3 for stop in way):
        raise InvalidInput("A stop has three numbers: x, y, z in median depths.")
    return ((0.0, 0.0, 0.0), *((a, b, c) for a, b, c in way))


def fill_of(fill: Any) -> Fill:
    """What comes where a thing stood."""
    if fill not in FILLS:
        raise InvalidInput(f"The fill is one of {', '.join(get_args(Fill))}, not {fill!r}.")
    return fill


def insert(session: Session, file: Any, at: tuple[float, float], cut: tuple[float, float], size: Any) -> None:
    """A thing from a model file, or from another photo at its pixel `cut`, stands at the session's pixel `at`."""
    path = str(file)
    if path.lower().endswith(MODELS):
        thing = read_thing(path)
    else:
        donor = Donor.opened(path, session.tools)
        thing = donor.cut(donor.mask(session.tools, *cut))
    session.insert(thing, at[0], at[1], float(size) if size else None)


def object_rows(session: Session) -> list[dict[str, Any]]:
    """The list of objects as plain values."""
    memory = session.state.memory
    return [
        {
            "key": o.key,
            "name": o.name,
            "colour": o.colour,
            "hidden": o.hidden,
            "locked": o.locked,
            "points": int(o.volume.points(memory).sum()),
        }
        for o in session.state.objects
    ]


def thing_rows(session: Session, progress: Progress = silent) -> list[dict[str, Any]]:
    """The things found in the picture as plain values, the surest first; box is left, top, right, bottom."""
    things = session.find_things(progress)
    return [
        {"number": k, "share": round(float(m.mean()), 6), "score": round(float(s), 4), "box": list(bounds(m))}
        for k, (m, s) in enumerate(zip(things.masks, things.scores, strict=True))
    ]


def change_object(session: Session, key: str, what: str, value: Any) -> None:
    """One object selected, dropped, renamed, coloured, hidden or locked."""
    if what == "select":
        session.select_object(key)
    elif what == "drop":
        session.drop_object(key)
    elif what in ("name", "colour"):
        session.change_object(key, **{what: value})
    elif what in ("hidden", "locked"):
        session.change_object(key, **{what: str(value).lower() in ("true", "1", "yes")})
    else:
        raise InvalidInput(
            f"An object can be changed by select, drop, name, colour, hidden or locked, not by {what!r}."
        )


def add_operations(
    named: Named,
    changed: Callable[..., Any],
    clear_errors: Callable[..., Any],
    of: Callable[[Desk | None], Desk],
    desk: Any,
) -> None:
    """The endpoints; `changed` makes one of a change of the session, `of` gives the client's desk."""
    x, y, z, turn = (gr.Number(0, label=n) for n in ("x", "y", "z", "turn_degrees"))
    size = gr.Number(1, label="size")
    on_ground = gr.Checkbox(True, label="on_ground")
    fill = gr.Textbox("completed", label="fill")
    tint = gr.Textbox("#ffffff", label="tint")
    strength, brightness, saturation = (
        gr.Number(v, label=n) for n, v in (("strength", 0), ("brightness", 1), ("saturation", 1))
    )
    way, step = gr.JSON([[0.3, 0, 0]], label="way"), gr.JSON({}, label="step")
    file, cut_x, cut_y = gr.File(label="file"), gr.Number(0, label="cut_x"), gr.Number(0, label="cut_y")
    key, what, value = (gr.Textbox("", label=n) for n in ("key", "what", "value"))
    out, rows = gr.JSON(label="session"), gr.JSON(label="objects")
    spot = [desk, x, y, z, turn, size, on_ground]

    def place(s: Session, x: Any, y: Any, z: Any, turn: Any, size: Any, on_ground: Any, fill: Any) -> None:
        s.transform(placing_of(x, y, z, turn, size, on_ground), fill_of(fill))

    def copy(s: Session, x: Any, y: Any, z: Any, turn: Any, size: Any, on_ground: Any) -> None:
        s.duplicate(placing_of(x, y, z, turn, size, on_ground))

    def recolour(s: Session, tint: Any, strength: Any, brightness: Any, saturation: Any) -> None:
        s.recolour(look_of(tint, strength, brightness, saturation))

    def animate(s: Session, way: Any, on_ground: Any, fill: Any) -> None:
        s.animate(way_of(way), bool(on_ground), fill_of(fill))

    def put(s: Session, file: Any, x: Any, y: Any, size: Any, cut_x: Any, cut_y: Any) -> None:
        insert(s, file, (float(x), float(y)), (float(cut_x), float(cut_y)), size)

    def select(s: Session, step: Any) -> None:
        s.select_in_space(read_step(step, s.state.memory))

    def listed(held: Desk | None) -> list[dict[str, Any]]:
        with of(held).quick(wait=60) as session:
            return object_rows(session)

    named("place", changed(place), [*spot, fill], [out], True)
    named("duplicate", changed(copy), spot, [out], True)
    named("recolour", changed(recolour), [desk, tint, strength, brightness, saturation], [out], True)
    named("animate", changed(animate), [desk, way, on_ground, fill], [out], True)
    named("insert", changed(put), [desk, file, x, y, size, cut_x, cut_y], [out], True)
    named("delete_leaving", changed(lambda s, fill: s.delete(fill_of(fill))), [desk, fill], [out], True)
    named("select_in_space", changed(select), [desk, step], [out])
    named("keep", changed(lambda s, name: s.keep(name)), [desk, value], [out])
    named("change_object", changed(change_object), [desk, key, what, value], [out])
    named("objects", clear_errors(listed), [desk], [rows])
    _add_things(named, changed, clear_errors, of, desk)
    _add_along(named, clear_errors, of, desk)


def _add_along(named: Named, clear_errors: Callable[..., Any], of: Callable[[Desk | None], Desk], desk: Any) -> None:
    """The endpoint that says what goes with a thing; it answers what of it was found."""
    shadow, reflection = (gr.Checkbox(False, label=n) for n in ("shadow", "reflection"))
    everywhere = gr.Checkbox(True, label="everywhere")
    said = gr.Textbox(label="said")

    def along(held: Desk | None, shadow: Any, reflection: Any, everywhere: Any) -> str:
        held = of(held)
        with held.quick(wait=60) as session:
            session.along, session.everywhere = Along(bool(shadow), bool(reflection)), bool(everywhere)
            return session.along_says if held.some_selected else ""

    named("take_along", clear_errors(along), [desk, shadow, reflection, everywhere], [said])


def _add_things(
    named: Named,
    changed: Callable[..., Any],
    clear_errors: Callable[..., Any],
    of: Callable[[Desk | None], Desk],
    desk: Any,
) -> None:
    """The endpoints that find things and pick one."""
    out, rows = gr.JSON(label="session"), gr.JSON(label="things")
    add, index = gr.Checkbox(False, label="add"), gr.Number(0, label="number")

    def found(held: Desk | None) -> list[dict[str, Any]]:
        with of(held).long(silent) as told:
            return thing_rows(of(held).session, told)

    def pick(s: Session, number: Any, add: Any) -> None:
        s.select_thing(round(number_of(number, "the thing", 0, 1000)), "add" if add else None)

    named("find_things", clear_errors(found), [desk], [rows], True)
    named("pick_thing", changed(pick), [desk, index, add], [out])
