"""Pictures with their depth, and clips."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from spatia_core.arrays import Depth, Image, read_only
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput


@dataclass(frozen=True, eq=False, slots=True)
class DepthMap:
    """z-depth of a picture and how far it can be trusted."""

    depth: Depth
    """(h, w) float32 z-depth, scene units, > 0; NaN = unknown."""
    source: str
    """Who made it: a backend's name or "given"."""
    metric: bool = False
    """True when the unit is the metre."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", read_only(self.depth, np.float32))
        if self.depth.ndim != 2:
            raise InvalidInput(f"A depth map has two axes (h, w), got shape {self.depth.shape}.")
        known = self.depth[~np.isnan(self.depth)]
        if known.size and (not np.isfinite(known).all() or float(known.min()) <= 0):
            raise InvalidInput("Depth must be finite and greater than 0 wherever it is not NaN.")


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """A picture taken by a camera."""

    image: Image
    """(h, w, 3) uint8 RGB."""
    camera: Camera
    """The camera that took it, same size as the picture."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", read_only(self.image, np.uint8))
        if self.image.shape != (self.camera.height, self.camera.width, 3):
            raise InvalidInput(
                f"The picture has shape {self.image.shape}, its camera expects "
                f"({self.camera.height}, {self.camera.width}, 3)."
            )


@dataclass(frozen=True, eq=False, slots=True)
class Clip:
    """A short film and the path its camera was told to take."""

    images: np.ndarray
    """(t, h, w, 3) uint8 RGB."""
    cameras: tuple[Camera, ...]
    """Commanded camera of every frame."""
    fps: int = 24
    """Frames per second."""
    maker: str = ""
    """Name of the generator that made it."""
    seed: int = 0
    """Seed it was made with."""
    prompt: str = ""
    """Prompt it was made with; empty where the generator reads none."""
    notes: tuple[str, ...] = field(default=())
    """What a person should know about it, one sentence each."""
    dynamic: np.ndarray | None = None
    """(t, h, w) bool True where something moves and is kept out of the memory; None = nothing is known to move."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", read_only(self.images, np.uint8))
        if self.dynamic is not None:
            object.__setattr__(self, "dynamic", read_only(self.dynamic, bool))
            if self.dynamic.shape != self.images.shape[:3]:
                raise InvalidInput(
                    f"The masks of what moves have shape {self.dynamic.shape}, the clip's frames "
                    f"{self.images.shape[:3]}; give one mask of the frame's size for every frame."
                )
        if self.images.ndim != 4 or self.images.shape[-1] != 3 or len(self.images) == 0:
            raise InvalidInput(f"A clip needs frames of shape (t, h, w, 3), got {self.images.shape}.")
        if len(self.cameras) != len(self.images):
            raise InvalidInput(f"A clip needs one camera per frame, got {len(self.cameras)} for {len(self.images)}.")

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Frame]:
        return (Frame(i, c) for i, c in zip(self.images, self.cameras, strict=True))

    @property
    def seconds(self) -> float:
        """Playing time."""
        return len(self) / self.fps
