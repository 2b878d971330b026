"""What backends share whose one model is a local folder or comes from the hub."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch

from spatia_core.backends import hub
from spatia_core.backends.protocols import Progress, silent
from spatia_core.errors import BackendUnavailable


@dataclass(eq=False)
class HubModel(ABC):
    """A model that is loaded when it is first needed."""

    source: ClassVar[hub.Source]
    """The default weights."""

    weights: str | None = None
    """A local folder or hub id; None = `source`."""
    device: str | None = None
    """None = a GPU where there is one."""
    download: bool = True
    accept_non_commercial: bool = False
    _model: Any = field(init=False, default=None)
    _folder: Path = field(init=False, default=Path())
    """Where the weights lie, once the model is loaded."""
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def prepare(self, progress: Progress = silent) -> None:
        """The model is loaded, its weights fetched if need be; the other methods do this by themselves."""
        with self._lock:
            if self._model is None:
                access = hub.Access(self.download, self.accept_non_commercial)
                folder = hub.model_folder(self.weights, self.source, access, progress)
                self._folder = folder
                self._model = self._loaded(folder, self.device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @abstractmethod
    def _loaded(self, folder: Path, device: str) -> Any:
        """The folder's model, ready on the device; raises BackendUnavailable for a folder of another kind."""


@contextmanager
def reading(folder: Path, what: str, source: hub.Source) -> Iterator[None]:
    """Turns what a library raises over a folder that is no `what` into BackendUnavailable."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as e:
        lines = str(e).strip().splitlines()
        raise BackendUnavailable(
            f"{folder} cannot be used as a {what} model: {lines[0] if lines else e!r} {source.instead}"
        ) from e
