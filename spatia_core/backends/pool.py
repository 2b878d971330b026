"""Backends that are costly to make are made once per process and shared; they hold no user's data."""

import threading
from collections.abc import Callable
from typing import Any

from spatia_core.backends import registry


class Pool:
    """Makes each (kind, name, options) once, also when several threads ask at the same time."""

    def __init__(self, create: Callable[..., Any] = registry.create) -> None:
        self._create = create
        self._made: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    def get(self, kind: registry.Kind, name: str, **options: Any) -> Any:
        """The one backend of that name and options; errors of its making are raised again at every call."""
        key = (kind, name, tuple(sorted(options.items())))
        with self._lock:
            if key not in self._made:
                self._made[key] = self._create(kind, name, **options)
            return self._made[key]
