"""Selections that were kept: a list of things with names and colours, hidden or locked where asked."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from editing.volume_selection import Drawn, Thing, Volume, Whole
from spatia_core.arrays import Selection
from spatia_core.errors import InvalidInput
from spatia_core.memory import SpatialMemory

MOST_OBJECTS = 200
LONGEST_NAME = 60

COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000", "#f032e6", "#000075")
"""Given out in turn; well told apart on light and dark."""


@dataclass(frozen=True, eq=False, slots=True)
class Kept:
    """A selection under a name."""

    key: str
    """Told from all others by it."""
    name: str
    colour: str
    """#rrggbb."""
    volume: Volume
    hidden: bool = False
    """Left out of the 3D view, the picture and selections; the memory and the clips hold it as ever."""
    locked: bool = False
    """Not selected by clicks and shapes."""


@dataclass(frozen=True, eq=False, slots=True)
class Objects:
    """All kept selections, oldest first; immutable."""

    items: tuple[Kept, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self.items)

    def __getitem__(self, key: str) -> Kept:
        """The object of that key; raises InvalidInput for others."""
        for item in self.items:
            if item.key == key:
                return item
        raise InvalidInput("There is no such object in the list any more.")

    def kept(self, volume: Volume, name: str = "", **more: Any) -> "Objects":
        """The list with one more object at its end, named and coloured if nobody does."""
        if len(self.items) >= MOST_OBJECTS:
            raise InvalidInput(f"The list holds at most {MOST_OBJECTS} objects. Remove one first.")
        used = {item.name for item in self.items}
        stem = name or "Thing"
        names = [stem] if name else []
        names += [f"{stem} {k}" for k in range(1 if not name else 2, len(used) + 3)]
        free = next(n for n in names if n not in used)
        colour = COLOURS[len(self.items) % len(COLOURS)]
        return Objects((*self.items, Kept(uuid.uuid4().hex[:12], free, colour, volume, **more)))

    def without(self, key: str) -> "Objects":
        """The list without an object; its points stay in the memory."""
        gone = self[key]
        return Objects(tuple(item for item in self.items if item is not gone))

    def changed(self, key: str, **values: Any) -> "Objects":
        """The list with other values of one object; raises InvalidInput for an empty name or a colour that is none."""
        if "name" in values:
            values["name"] = " ".join(str(values["name"]).split())[:LONGEST_NAME]
            if not values["name"]:
                raise InvalidInput("An object needs a name of at least one letter.")
        if "colour" in values and not _is_colour(values["colour"]):
            raise InvalidInput(f"A colour is written #rrggbb, not {values['colour']!r}.")
        old = self[key]
        return Objects(tuple(replace(item, **values) if item is old else item for item in self.items))

    def of(self, volume: Volume | None) -> Kept | None:
        """The object whose selection this is."""
        return next((item for item in self.items if item.volume is volume), None)

    def all_shown(self) -> "Objects":
        """The list with nothing hidden."""
        return Objects(tuple(replace(item, hidden=False) for item in self.items))

    def hidden(self, memory: SpatialMemory) -> Selection:
        """(n,) True for the points that the 3D view and the picture leave out."""
        return self._union(memory, [i for i in self.items if i.hidden])

    def closed(self, memory: SpatialMemory) -> Selection:
        """(n,) True for the points that clicks and shapes do not select: locked and hidden ones."""
        return self._union(memory, [i for i in self.items if i.hidden or i.locked])

    def kept_out(self, volume: Volume) -> Volume:
        """The selection without what is locked or hidden."""
        for item in self.items:
            if item.hidden or item.locked:
                volume = volume.then(Drawn(Whole(item.volume), "subtract"))
        return volume

    @staticmethod
    def _union(memory: SpatialMemory, items: list[Kept]) -> Selection:
        out = np.zeros(len(memory), bool)
        for item in items:
            out |= item.volume.points(memory)
        return out


def _is_colour(text: Any) -> bool:
    if not isinstance(text, str) or len(text) != 7 or text[0] != "#":
        return False
    return all(c in "0123456789abcdefABCDEF" for c in text[1:])


def thing(number: int) -> Volume:
    """The selection of one object of the memory."""
    return Volume((Drawn(Thing(number)),))
