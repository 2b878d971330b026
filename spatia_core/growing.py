"""Columns that can be continued at their end without copying what they hold.

A value that is continued again and again would copy itself each time. Here the first continuation moves the columns
to a store with room to spare; later ones write behind the last row and hand out longer views. Rows that somebody can
see are never written again, so values stay immutable, and a value that was already continued once is copied anew.
"""

import threading
from collections.abc import Sequence

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _close_up(column, alive, first):  # pragma: no cover - compiled
    to = first
    for i in range(first, len(alive)):
        if alive[i]:
            column[to] = column[i]
            to += 1


ROOM = 1.5
"""Rows a store is made for, in units of those it must hold at once."""


class Store:
    """Columns with room at their end; `used` rows are taken."""

    __slots__ = ("_lock", "columns", "used")

    def __init__(self, columns: list[np.ndarray], used: int) -> None:
        self.columns = columns
        self.used = used
        self._lock = threading.Lock()

    def claimed(self, after: int, rows: int) -> bool:
        """True when rows [after, after + rows) were free and now belong to the caller."""
        with self._lock:
            if self.used != after or after + rows > len(self.columns[0]):
                return False
            self.used = after + rows
            return True

    def close_up(self, alive: np.ndarray) -> list[np.ndarray]:
        """The columns without the rows where `alive` is False, closed up where they lie, as read-only views.

        Only for who made the store and has shown its rows to nobody: every other view of them changes too.
        """
        dead = np.flatnonzero(~alive)
        if len(dead):
            for column in self.columns:
                for part in column.T if column.ndim == 2 else [column]:
                    _close_up(part, alive, int(dead[0]))
        self.used = len(alive) - len(dead)
        out = [column[: self.used] for column in self.columns]
        for view in out:
            view.flags.writeable = False
        return out

    def __reduce__(self) -> tuple[type["Store"], tuple[list[np.ndarray], int]]:
        return Store, ([np.empty(0)], 1)  # in another process the rows are held once, without room behind them


def picked(column: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """The rows of a column where `keep` is True, laid out as the column is; each piece is copied at one go."""
    if column.ndim == 1:
        return column[keep]
    if column.strides[0] == column.itemsize:
        return np.stack([column[:, k][keep] for k in range(column.shape[1])]).T
    whole = np.dtype((np.void, column.itemsize * column.shape[1]))
    rows = np.ascontiguousarray(column).view(whole)[:, 0]
    return rows[keep].view(column.dtype).reshape(-1, column.shape[1])


def _room_like(column: np.ndarray, rows: int) -> np.ndarray:
    if column.ndim == 2 and column.strides[0] == column.itemsize:  # column by column
        return np.empty((column.shape[1], rows), column.dtype).T
    return np.empty((rows, *column.shape[1:]), column.dtype)


def continued(
    store: Store | None, columns: Sequence[np.ndarray], more: Sequence[np.ndarray]
) -> tuple[Store, list[np.ndarray]]:
    """The columns with the rows of `more` behind them, read-only, and the store that holds them.

    store: the one that the columns are views of, when they are.
    """
    n, k = len(columns[0]), len(more[0])
    if store is None or not store.claimed(n, k):
        fresh = [_room_like(c, int(ROOM * (n + k))) for c in columns]
        for new, old in zip(fresh, columns, strict=True):
            new[:n] = old
        store = Store(fresh, n + k)
    out = []
    for held, added in zip(store.columns, more, strict=True):
        held[n : n + k] = added
        view = held[: n + k]
        view.flags.writeable = False
        out.append(view)
    return store, out
