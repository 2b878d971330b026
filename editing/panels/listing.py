"""What the controls of turning, recolouring, walking and the list of objects show for a desk."""

from typing import Any

import gradio as gr
import numpy as np

from editing.panels.desk import Desk


def shown(page: Any, desk: Desk, some: bool) -> dict[Any, Any]:
    """The values of these controls for the desk's present state; `some` when something is selected."""
    session = desk.session
    way = len(desk.way)
    says = f'<p class="how">{way} {"stop" if way == 1 else "stops"} so far.</p>' if way else ""
    degrees = [round(float(v), 1) for v in np.rad2deg(desk.turn)]
    fields = zip((page.turn_x, page.turn_y, page.turn_z), degrees, strict=True)
    return {
        **{f: gr.update(value=v, interactive=some) for f, v in fields},
        page.times: gr.update(value=round(desk.size, 3), interactive=some),
        page.duplicate: gr.update(interactive=some and desk.placing.changes),
        page.recolour: gr.update(interactive=some),
        page.add_stop: gr.update(interactive=some and any(desk.offset)),
        page.clear_way: gr.update(interactive=bool(way)),
        page.animate: gr.update(interactive=some and (bool(way) or any(desk.offset))),
        page.way_says: says,
        page.objects: listed(desk),
        page.keep: gr.update(interactive=some),
        page.show_all: gr.update(interactive=any(o.hidden for o in session.state.objects)),
    }


def listed(desk: Desk) -> list[dict[str, Any]]:
    """The rows of the list of objects."""
    session = desk.session
    memory, chosen = session.state.memory, session.picking.solid
    rows = []
    for item in session.state.objects:
        count = desk.counted(item.volume, memory)
        rows.append(
            {
                "key": item.key,
                "name": item.name,
                "colour": item.colour,
                "points": f"{count:,} points",
                "chosen": "true" if item.volume is chosen else "false",
                "hidden": "true" if item.hidden else "false",
                "locked": "true" if item.locked else "false",
                "state": " ".join(n for n in ("hidden", "locked") if getattr(item, n)),
            }
        )
    return rows
