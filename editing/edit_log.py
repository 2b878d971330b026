"""The ordered list of edits. Whenever the memory is rebuilt the log is replayed, so an edit outlives every rebuild."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from editing.edits import Edit
from editing.operations import changed
from editing.walking import Walker
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud


@dataclass(frozen=True, eq=False, slots=True)
class Played:
    """What all edits make of a memory."""

    memory: SpatialMemory
    walkers: tuple[Walker, ...] = ()
    """What moves in the clip and is not in the memory."""
    left_open: PointCloud = field(default_factory=PointCloud.empty)
    """Places that only a generator may fill."""


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

    def played(self, memory: SpatialMemory) -> Played:
        """All that the edits make of the memory, in order; each mask is lifted against it as it is at that point."""
        walkers: tuple[Walker, ...] = ()
        left_open = PointCloud.empty()
        for edit in self.edits:
            now = changed(edit, memory)
            memory, left_open = now.memory, left_open + now.left_open
            walkers = walkers if now.walker is None else (*walkers, now.walker)
        return Played(memory, walkers, left_open)

    def replay(self, memory: SpatialMemory) -> SpatialMemory:
        """The memory after all edits."""
        return self.played(memory).memory
