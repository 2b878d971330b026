"""The editing half of a session: what is selected is changed, or shown as it would look."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from editing.chosen import usable
from editing.edits import NOTHING, Edit, Fill, Look, Placing, Triple
from editing.inserting import first_size, spot_on_ground
from editing.marks import Marks
from editing.objects import MOST_OBJECTS, Objects, thing
from editing.operations import Changed, Cleared, changed, clear, motion, placed
from editing.placing import Similarity, displacement, hint, offset_to_pixel
from editing.selecting import Selecting
from editing.selection import edge_width, grown
from editing.state import Source, State
from editing.volume_selection import Volume
from spatia_core.arrays import Image
from spatia_core.backends.protocols import Progress, silent
from spatia_core.errors import InvalidInput
from spatia_core.movers import draw
from spatia_core.point_cloud import PointCloud
from spatia_core.render import fill_small_holes, render
from spatia_core.se3 import Vec3


class Changing(Selecting):
    """Edits of the selection; every one is a new state that undo takes back."""

    @property
    @abstractmethod
    def source(self) -> Source:
        """The photo."""

    @property
    @abstractmethod
    def unit(self) -> float:
        """Median depth of the scene."""

    @abstractmethod
    def _advance(self, label: str, state: State) -> None: ...

    _cleared_along = NOTHING

    def cleared(self, progress: Progress = silent) -> Cleared:
        """The present memory without the selection; worked out once per selection. `progress` may raise Cancelled."""
        found, kept = self._selected(progress), self._cleared
        if kept is None or not kept[0].same_as(found) or self._cleared_along != self.along:
            with self._timed("complete"):
                cleared = clear(self.state.memory, self.state.camera, found.mask, found.volume, self.along, progress)
            self._cleared = kept = (found, cleared)
            self._cleared_along = self.along
        return kept[1]

    def glimpse(self) -> Image:
        """(h, w, 3) the present view with the selection roughly painted over, while its place is being completed."""
        camera, mask = self.state.camera, usable(self._found(), self.state).mask
        seen = render(self.state.memory.cloud, camera)
        return fill_small_holes(seen.rgb, seen.coverage & ~grown(mask, edge_width(camera)))

    @property
    def along_says(self) -> str:
        """What became of the wishes to take shadow and reflection along; empty without one."""
        marks = Marks() if self.along == NOTHING else self.cleared().marks
        said = []
        if self.along.shadow:
            said.append("Its shadow goes with it." if marks.shadow else "No shadow of it was found on the ground.")
        if self.along.reflection:
            said.append("Its reflection goes with it." if marks.reflection else "No reflection of it was found.")
        return " ".join(said)

    @property
    def foothold(self) -> Vec3 | None:
        """(3,) where the selection touches its ground, or None as long as its place was not cleared."""
        kept = self._cleared
        same = kept is not None and kept[0].picking is self.picking and kept[0].memory is self.state.memory
        return kept[1].ground.contact if kept is not None and same else None

    # --- changes -----------------------------------------------------------------------------------------------------

    def delete(self, fill: Fill = "completed") -> None:
        """The selected thing is gone and its place filled."""
        self._edit(self._of_selection("delete", fill=fill))

    def move(self, offset: Triple, on_ground: bool = True) -> None:
        """The selected thing stands elsewhere; see Placing.offset for units."""
        self._edit(self.placing_edit(Placing(offset, on_ground=on_ground), "move"))

    def transform(self, placing: Placing, fill: Fill = "completed") -> None:
        """The selected thing is moved, turned and resized at once."""
        self._edit(replace(self.placing_edit(placing), fill=fill))

    def duplicate(self, placing: Placing) -> None:
        """A copy of the selected thing stands elsewhere; the thing stays."""
        self._edit(self.placing_edit(placing, "duplicate"))

    def recolour(self, look: Look) -> None:
        """The selected thing has other colours."""
        self._edit(self.recolouring(look))

    def animate(self, way: Sequence[Triple], on_ground: bool = True, fill: Fill = "completed") -> None:
        """The selected thing leaves the memory and goes along a way in the edited clip; see Edit.way."""
        self._edit(self._of_selection("animate", way=tuple(way), on_ground=on_ground, fill=fill))

    def insert(self, cloud: PointCloud, x: float, y: float, size: float | None = None, turn: float = 0.0) -> None:
        """A thing from elsewhere (see inserting.standing) stands at working pixel (x, y), and is selected.

        turn: radians about the upright. size: largest side in median depths; None fills about a third of the picture.
        """
        self._edit(self._insertion(cloud, x, y, size, turn))
        self.select_object(self.state.objects.items[-1].key)

    # --- kept selections ---------------------------------------------------------------------------------------------

    def keep(self, name: str = "") -> str:
        """The selection is in the list of objects; its key there."""
        volume = self._selected_volume()
        known = self.state.objects.of(volume)
        if known is not None:
            return known.key
        objects = self.state.objects.kept(volume, name)
        self._advance("Keep the selection", replace(self.state, objects=objects))
        self._pick_volume(volume)
        return objects.items[-1].key

    def hide(self) -> None:
        """The selection is left out of the 3D view and of the picture, as an object of the list."""
        volume = self._selected_volume()
        objects, known = self.state.objects, self.state.objects.of(volume)
        objects = objects.kept(volume, hidden=True) if known is None else objects.changed(known.key, hidden=True)
        self._advance("Hide", replace(self.state, objects=objects))
        self._forget_selection()

    def show_all(self) -> None:
        """Nothing is hidden any more; raises InvalidInput when nothing was."""
        if not any(item.hidden for item in self.state.objects):
            raise InvalidInput("Nothing is hidden.")
        self._advance("Show all", replace(self.state, objects=self.state.objects.all_shown()))

    def change_object(self, key: str, **values: Any) -> None:
        """A kept object has another name or colour, is hidden, shown, locked or free; a hidden one is not selected."""
        selected = self.picking.solid is not None and self.picking.solid is self.state.objects[key].volume
        self._advance("Change the list", replace(self.state, objects=self.state.objects.changed(key, **values)))
        if values.get("hidden") and selected:
            self._forget_selection()

    def drop_object(self, key: str) -> None:
        """A kept object is no longer in the list; its points stay."""
        self._advance("Take off the list", replace(self.state, objects=self.state.objects.without(key)))

    def _selected_volume(self) -> Volume:
        found = self._selected()
        volume = found.volume or found.picking.volume(self.state.camera)
        if volume is None or not volume.points(self.state.memory).any():
            raise InvalidInput("Nothing is selected. Click on a thing, or draw around it in the 3D view.")
        return volume

    def _objects_after(self, edit: Edit, now: Changed) -> Objects:
        """The list as it is after an edit: what was changed is an object of its own."""
        objects = self.state.objects
        known = None if edit.volume is None else objects.of(edit.volume)
        if edit.kind in ("delete", "animate"):
            return objects if known is None else objects.without(known.key)
        volume = thing(int(now.memory.labels.object_id.max(initial=0)))
        if known is not None and edit.kind != "duplicate":
            return objects.changed(known.key, volume=volume)
        names = {"insert": "Inserted", "duplicate": f"Copy of {known.name}" if known else "Copy"}
        return objects.kept(volume, names.get(edit.kind, "")) if len(objects) < MOST_OBJECTS else objects

    # --- how it would look -------------------------------------------------------------------------------------------

    def preview_move(self, offset: Triple, on_ground: bool = True) -> Image:
        """(h, w, 3) what the photo's camera would see after the move; changes nothing."""
        return self.preview_edit(self.placing_edit(Placing(offset, on_ground=on_ground), "move"))

    def preview_edit(self, edit: Edit) -> Image:
        """(h, w, 3) what the photo's camera would see after the edit; a thing that moves is shown where it ends."""
        now = self._changed(edit)
        picture, seen = self._without_hidden(now.memory)
        if now.walker is None:
            return picture
        steps = 5
        mover = now.walker.mover(steps)
        return draw(picture, seen.depth, self.state.camera, [mover], steps - 1)[0]

    def hint(self, placing: Placing) -> str:
        """What a person should know of where the selection would stand: it bumps into something, hangs in the air."""
        cleared, edit = self.cleared(), self.placing_edit(placing)
        return hint(cleared.memory, placed(cleared, edit, self.unit), cleared.ground, self.state.camera)

    def offset_to(self, x: float, y: float) -> Triple:
        """The move that brings the selection's ground contact under working pixel (x, y)."""
        return offset_to_pixel(self.cleared().ground, self.state.camera, x, y, self.unit)

    def displacement(self, offset: Triple, on_ground: bool = True) -> Vec3:
        """(3,) where a move takes the selection, world frame."""
        placing = Placing(offset, on_ground=on_ground)
        return displacement(self.cleared().ground, placing, self.state.camera, self.unit)

    def motion(self, placing: Placing) -> Similarity:
        """Where a placing takes the selection's points, world frame."""
        return motion(self.cleared(), self.placing_edit(placing), self.unit)

    def along_camera(self, world: Triple, on_ground: bool = True) -> Triple:
        """A move along the world's axes as one along the photo's camera's; on the ground it does not sink."""
        x, y, z = self.state.camera.w2c[:3, :3] @ np.array(world)
        return float(x), float(min(y, 0.0) if on_ground else y), float(z)

    # --- edits as values ---------------------------------------------------------------------------------------------

    def placing_edit(self, placing: Placing, kind: str | None = None) -> Edit:
        """The edit that places the selection; named by what it does unless `kind` names it."""
        named = {k: getattr(placing, k) for k in ("offset", "turn", "size", "on_ground", "about")}
        return self._of_selection(kind or placing.kind, **named)

    def recolouring(self, look: Look) -> Edit:
        """The edit that gives the selection other colours."""
        return self._of_selection("recolour", look=look)

    def _of_selection(self, kind: str, **more: object) -> Edit:
        found = self._selected()
        # what was selected in space is moved as it is; what a click shows is stood upright first
        solid = self.source.estimated and found.volume is None
        along = NOTHING if kind in ("recolour", "duplicate") else self.along
        named = {"solid": solid, "volume": found.volume, "shadow": along.shadow, "reflection": along.reflection}
        return Edit(kind, self.state.camera, found.mask, **named, **more)  # type: ignore[arg-type]

    def _insertion(self, thing: PointCloud, x: float, y: float, size: float | None, turn: float) -> Edit:
        camera = self.state.camera
        nothing = np.zeros((camera.height, camera.width), bool)
        edit = Edit("insert", camera, nothing, (x, y, 0.0), turn=(0.0, turn, 0.0), size=size or 1.0, thing=thing)
        if size is not None:
            return edit
        ground = spot_on_ground(self.state.memory, camera, x, y)
        return replace(edit, size=first_size(ground, camera, self.unit))

    def _changed(self, edit: Edit) -> Changed:
        clears = edit.kind not in ("insert", "recolour")
        return changed(edit, self.state.memory, self.cleared() if clears else None)

    def _edit(self, edit: Edit) -> None:
        with self._timed("edit"):
            now = self._changed(edit)
        state = self.state
        walkers = state.walkers if now.walker is None else (*state.walkers, now.walker)
        new = replace(state, memory=now.memory, log=state.log.then(edit), walkers=walkers, after=None)
        new = replace(new, left_open=state.left_open + now.left_open, objects=self._objects_after(edit, now))
        self._advance(edit.label, new)
        self._forget_selection()
