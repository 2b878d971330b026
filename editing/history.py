"""Undo and redo: a line of labelled states. States are values, so going back gives the identical object."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from spatia_core.errors import InvalidInput

State = TypeVar("State")

STEPS = 100
"""States that are kept at most."""


@dataclass(frozen=True, eq=False, slots=True)
class History(Generic[State]):
    """All states of a session and which of them is the present one."""

    states: tuple[tuple[str, State], ...]
    """(label, state), oldest first; never empty."""
    at: int = 0
    """Index of the present state."""

    @classmethod
    def starting(cls, label: str, state: State) -> "History[State]":
        """A history of one state."""
        return cls(((label, state),))

    @property
    def state(self) -> State:
        """The present state."""
        return self.states[self.at][1]

    @property
    def label(self) -> str:
        """What led to the present state."""
        return self.states[self.at][0]

    @property
    def can_undo(self) -> bool:
        """True when there is an earlier state."""
        return self.at > 0

    @property
    def can_redo(self) -> bool:
        """True when a state was undone and nothing was done since."""
        return self.at + 1 < len(self.states)

    def then(self, label: str, state: State, limit: int = STEPS) -> "History[State]":
        """The history with a new present; undone states are dropped, the oldest beyond `limit` too."""
        states = (*self.states[: self.at + 1], (label, state))[-limit:]
        return History(states, len(states) - 1)

    def later(self) -> "History[State]":
        """The history without its oldest state; the present one is always kept."""
        return History(self.states[1:], self.at - 1) if self.at else self

    def undo(self) -> "History[State]":
        """One state back; raises InvalidInput at the beginning."""
        if not self.can_undo:
            raise InvalidInput("There is nothing to undo.")
        return History(self.states, self.at - 1)

    def redo(self) -> "History[State]":
        """One state forward again; raises InvalidInput when nothing was undone."""
        if not self.can_redo:
            raise InvalidInput("There is nothing to redo.")
        return History(self.states, self.at + 1)
