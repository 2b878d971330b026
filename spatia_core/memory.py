"""The spatial memory: points that know where they come from, and the keyframes they were seen in."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Self

import numpy as np
from jaxtyping import Float32, Int16, Int32, UInt8

from spatia_core.arrays import Depth, Image, Mask, Points, Selection, read_only
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.growing import Store, continued
from spatia_core.point_cloud import PointCloud

NEARNESS = 2.5
"""See SpatialMemory.stage_depth."""


class Provenance(IntEnum):
    """How a point came to be known."""

    OBSERVED = 0
    """Seen in a photo or a video frame."""
    COMPLETED = 1
    """Invented by completion where nothing was seen."""
    GENERATED = 2
    """Seen in a generated clip."""


@dataclass(frozen=True, eq=False, slots=True)
class Keyframe:
    """A view the memory was built from."""

    image: Image
    """(h, w, 3) uint8 RGB."""
    depth: Depth
    """(h, w) float32 z-depth, NaN = unknown."""
    camera: Camera
    """Where it was taken."""
    dynamic: Mask
    """(h, w) True where something moves and is kept out of the memory."""
    sky: Mask
    """(h, w) True where the picture shows sky: its depth is a far shell, not a measurement."""

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        for name, dtype in (("image", np.uint8), ("depth", np.float32), ("dynamic", bool), ("sky", bool)):
            value = read_only(getattr(self, name), dtype)
            object.__setattr__(self, name, value)
            if value.shape[:2] != size:
                raise InvalidInput(
                    f"A keyframe's image, depth and masks must have its camera's size {size[1]}x{size[0]}; its {name} "
                    f"has shape {value.shape}."
                )

    @classmethod
    def static(cls, image: Image, depth: Depth, camera: Camera) -> Self:
        """A view in which nothing moves and no sky is seen."""
        nothing = np.zeros(depth.shape, bool)
        return cls(image, depth, camera, nothing, nothing)


LABEL_TYPES = {
    "confidence": np.float32,
    "keyframe": np.int32,
    "object_id": np.int16,
    "provenance": np.uint8,
    "source": np.int32,
}
"""What is known of every point, and as what."""


@dataclass(frozen=True, eq=False, slots=True)
class PointLabels:
    """What is known about each of n points beside its place and colour."""

    confidence: Float32[np.ndarray, " n"]
    """(n,) float32 in [0, 1]."""
    keyframe: Int32[np.ndarray, " n"]
    """(n,) int32 index of the keyframe the point was first seen in (for completed points: completed from)."""
    object_id: Int16[np.ndarray, " n"]
    """(n,) int16, 0 = nothing in particular."""
    provenance: UInt8[np.ndarray, " n"]
    """(n,) uint8, a Provenance."""
    source: Int32[np.ndarray, " n"] | None = None
    """(n,) int32 the pixel of its keyframe (row * width + column) whose colour it shows, also where completion copied
    that colour elsewhere; -1 = none. None becomes -1 everywhere."""
    store: Store | None = field(default=None, init=False, repr=False)
    """What its arrays are views of, once it was continued."""

    def __post_init__(self) -> None:
        if self.source is None:
            object.__setattr__(self, "source", np.full(len(self.provenance), -1, np.int32))
        for name, dtype in LABEL_TYPES.items():
            object.__setattr__(self, name, read_only(getattr(self, name), dtype))

    @property
    def origin(self) -> np.ndarray:
        """(n,) int64 one number for keyframe and source together, -1 where the source is unknown."""
        source = np.asarray(self.source, np.int64)
        return np.where(source < 0, -1, self.keyframe.astype(np.int64) << 32 | source)

    @classmethod
    def uniform(cls, n: int, provenance: Provenance, keyframe: int = 0, confidence: float = 1.0) -> Self:
        """Equal labels for n points."""
        return cls(
            np.full(n, confidence, np.float32),
            np.full(n, keyframe, np.int32),
            np.zeros(n, np.int16),
            np.full(n, int(provenance), np.uint8),
        )

    def owned(self) -> Self:
        """A copy with a store that nobody else knows: its maker may write there until handing the value on."""
        mine = [getattr(self, name) for name in LABEL_TYPES]
        store, columns = continued(None, mine, [c[:0] for c in mine])
        out = type(self)(*columns)
        object.__setattr__(out, "store", store)
        return out

    def closed_up(self, alive: Selection) -> Self:
        """The labels where `alive` is True, for the maker of an owned copy: they are closed up where they lie."""
        assert self.store is not None
        out = type(self)(*self.store.close_up(alive))
        object.__setattr__(out, "store", self.store)
        return out

    def __getitem__(self, keep: Selection | np.ndarray) -> Self:
        """The labels picked by a boolean mask or by indices."""
        return type(self)(*(getattr(self, name)[keep] for name in LABEL_TYPES))

    def __add__(self, other: Self) -> Self:
        """Both sets of labels, those of `other` last; continuing the newest value costs no copy of its labels."""
        if not len(other.provenance):
            return self
        mine, theirs = ([getattr(labels, name) for name in LABEL_TYPES] for labels in (self, other))
        store, columns = continued(self.store, mine, theirs)
        out = type(self)(*columns)
        object.__setattr__(out, "store", store)
        return out


@dataclass(frozen=True, slots=True)
class MemoryStatistics:
    """Counts a person can read."""

    points: int
    observed: int
    completed: int
    generated: int
    keyframes: int


@dataclass(frozen=True, eq=False, slots=True)
class SpatialMemory:
    """An immutable memory: every change gives a new value that shares the arrays it did not touch."""

    cloud: PointCloud
    """The points, world frame."""
    labels: PointLabels
    """As many labels as points."""
    keyframes: tuple[Keyframe, ...] = ()
    """Views it was built from, in order of arrival; raw pictures, never shown to a generator as they are."""
    metric: bool = False
    """True when the scene unit is the metre."""

    def __post_init__(self) -> None:
        if len(self.labels.confidence) != len(self.cloud):
            raise InvalidInput(f"{len(self.labels.confidence)} labels for {len(self.cloud)} points.")

    @classmethod
    def empty(cls) -> Self:
        """A memory that knows nothing."""
        return cls(PointCloud.empty(), PointLabels.uniform(0, Provenance.OBSERVED))

    def __len__(self) -> int:
        return len(self.cloud)

    @property
    def xyz(self) -> Points:
        """(n, 3) float32 positions."""
        return self.cloud.xyz

    def insert(self, cloud: PointCloud, labels: PointLabels, keyframes: Sequence[Keyframe] = ()) -> Self:
        """The memory with the points appended; indices of earlier points stay what they were."""
        return replace(
            self, cloud=self.cloud + cloud, labels=self.labels + labels, keyframes=(*self.keyframes, *keyframes)
        )

    def without(self, points: Selection) -> Self:
        """The memory without the selected points; the order of the others is kept."""
        if not points.any():
            return self
        return replace(self, cloud=self.cloud[~points], labels=self.labels[~points])

    def of(self, provenance: Provenance) -> Selection:
        """(n,) True for the points of that origin."""
        return self.labels.provenance == provenance

    def median_depth(self) -> float:
        """Median z-depth of what the first keyframe saw beside sky (the unit of moves)."""
        return float(np.median(self._first_depths()))

    def stage_depth(self) -> float:
        """The depth that camera moves are sized by: the median, but at most NEARNESS times the near part's depth.

        A move of one size then shifts the nearest things about equally, whatever lies far behind them.
        """
        known = self._first_depths()
        return float(min(np.median(known), NEARNESS * np.percentile(known, 5)))

    def _first_depths(self) -> np.ndarray:
        if not self.keyframes:
            raise InvalidInput("A memory without keyframes has no size: add a photo first.")
        first = self.keyframes[0]
        known = first.depth[np.isfinite(first.depth) & ~first.sky]
        known = known if known.size else first.depth[np.isfinite(first.depth)]
        if not known.size:
            raise InvalidInput("The first keyframe has no known depth, so the scene has no size.")
        return known

    def statistics(self) -> MemoryStatistics:
        """How many points of each origin."""
        counts = np.bincount(self.labels.provenance, minlength=3)
        return MemoryStatistics(len(self), int(counts[0]), int(counts[1]), int(counts[2]), len(self.keyframes))
