"""The ordered list of edits. Whenever the memory is rebuilt the log is replayed, so an edit outlives every rebuild."""

from collections.abc import Iterator
from dataclasses import dataclass

from editing.operations import Edit, apply
from spatia_core.memory import SpatialMemory


@dataclass(frozen=True, eq=False, slots=True)
class EditLog:
    """Edits in the order they were made; immutable, so an undo keeps the old value."""

    edits: tuple[Edit, ...] = ()

    def __len__(self) -> int:
        return len(self.edits)

    def __iter__(self) -> Iterator[Edit]:
        return iter(self.edits)

    def then(self, edit: Edit) -> "EditLog":
        """The log with one more edit at its end."""
        return EditLog((*self.edits, edit))

    def replay(self, memory: SpatialMemory) -> SpatialMemory:
        """The memory after all edits, in order; each mask is lifted against the memory as it is at that point."""
        for edit in self.edits:
            memory = apply(edit, memory)
        return memory
