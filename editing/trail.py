"""Undo over selections: the steps of a selection belong to the state that they were made in."""

from dataclasses import dataclass, replace
from typing import Self

from editing.state import Picking, State

SELECTION = "Selection"
"""What undo calls a step of the selection."""

Pickings = tuple[Picking, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Left:
    """The selection of a state that is not the present one."""

    state: State
    pickings: Pickings
    undone: Pickings
    floor: int


@dataclass(frozen=True, eq=False, slots=True)
class Trail:
    """Which steps of the selection undo may take back, which it did, and the selections of other states."""

    floor: int = 1
    """Steps that were there before the present state was; undo takes back the state before it takes back these."""
    undone: Pickings = ()
    """Taken back, the next to come again first."""
    left: tuple[_Left, ...] = ()

    def can_take_back(self, pickings: Pickings) -> bool:
        """True when the last thing done was a step of the selection."""
        return len(pickings) > self.floor

    def leaving(self, state: State, pickings: Pickings, most: int = 100) -> Self:
        """The trail that remembers the selection of a state."""
        others = [entry for entry in self.left if entry.state is not state][-most + 1 :]
        return replace(self, left=(*others, _Left(state, pickings, self.undone, self.floor)))

    def arriving(self, pickings: Pickings) -> Self:
        """The trail in a state that begins with these steps."""
        return replace(self, floor=len(pickings), undone=())

    def returning(self, state: State, pickings: Pickings) -> tuple[Pickings, Self]:
        """The steps of a state as they were when it was left; `pickings` where nothing is known of it."""
        for entry in self.left:
            if entry.state is state:
                return entry.pickings, replace(self, floor=entry.floor, undone=entry.undone)
        return pickings, self.arriving(pickings)

    def took_back(self, last: Picking, pickings: Pickings) -> Self:
        """The trail after one step was taken back."""
        return replace(self, floor=min(self.floor, len(pickings)), undone=(last, *self.undone))

    def again(self, pickings: Pickings) -> tuple[Pickings, Self]:
        """The steps with the one that was taken back last."""
        return (*pickings, self.undone[0]), replace(self, undone=self.undone[1:])
