"""A film whose cameras are known, and which of its frames bear witness about each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatia_core.arrays import Depth, Image
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput

WITNESSES = 10
"""Frames all over a film that are asked whether they see through a surface: slow things take long to leave a place."""


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """One picture of a film."""

    image: Image
    """(h, w, 3) uint8 RGB."""
    camera: Camera
    """Its camera."""
    depth: Depth | None = None
    """(h, w) z-depth of what stands there, NaN = unknown; None = nothing is known."""


@dataclass(frozen=True, eq=False, slots=True)
class Film:
    """Pictures whose cameras are known."""

    images: np.ndarray
    """(t, h, w, 3) uint8 RGB."""
    cameras: Sequence[Camera]
    """Tracked camera of every frame."""
    depths: Sequence[Depth] | None = None
    """Measured z-depth of every frame, NaN = unknown; None = what the memory shows, or none at all."""
    fps: float = 24.0
    measured: bool = True
    """False when depths are estimates: what sees through a surface then proves nothing."""

    def __post_init__(self) -> None:
        n = len(self.images)
        if len(self.cameras) != n or (self.depths is not None and len(self.depths) != n):
            raise InvalidInput(f"A film of {n} frames needs {n} cameras, and {n} depth maps or none.")

    def __len__(self) -> int:
        return len(self.images)

    def partners(self, i: int) -> list[int]:
        """Frames to compare frame i with: an eighth and a quarter of a second before and after it."""
        return self._apart(i, (1, 2))

    def distant(self, i: int) -> list[int]:
        """Frames half a second before and after frame i: their flow says little, their depth more than a near one's."""
        return self._apart(i, (4,))

    def _apart(self, i: int, steps: tuple[int, ...]) -> list[int]:
        gap = max(1, min(round(self.fps / 8), (len(self) - 1) // 2))
        return [k for k in sorted(i + sign * s * gap for s in steps for sign in (-1, 1)) if 0 <= k < len(self)]

    def witnesses(self, i: int) -> list[int]:
        """Frames whose measured depth may see through frame i's surfaces: its partners, and some all over the film."""
        spread = np.round(np.linspace(0, len(self) - 1, min(WITNESSES, len(self)))).astype(int).tolist()
        return sorted({*self.partners(i), *spread} - {i})
