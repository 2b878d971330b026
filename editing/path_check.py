"""What a person should know about a camera path before trusting its clip."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spatia_core.camera import Camera
from spatia_core.memory import Provenance, SpatialMemory
from spatia_core.render import render

SAMPLE = 40_000
"""Points that stand for the scene."""

PREVIEW = 160
"""Longer side of the renderings that the known share is judged by, pixels."""

THROUGH = 5e-4
"""Share of the scene's points that must pass through the camera before the path counts as flying through something."""

UNKNOWN = 0.25
"""Share of a frame that may be unknown before it is said."""


LOOKS = 49
"""Frames that are looked at for a report; the others lie on the line between."""

Shares = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PathReport:
    """What can be said of a path before it is filmed, frame by frame."""

    known: Shares
    """Share of the picture that the memory covers; the rest is made up while filming."""
    seen: Shares
    """Share that a picture really showed: what the memory invented does not count."""
    through: tuple[int, ...]
    """Frames in which the camera flies through something."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for every reason to doubt the path."""
        n = len(self.known)
        worst = int(np.argmin(self.known))
        first = self.through[0] if self.through else None
        return _sentences(n, first, self.known[worst], worst)


def _collisions(memory: SpatialMemory, path: Sequence[Camera]) -> Iterator[int]:
    """The frames at which seen points have passed from before the camera to behind it."""
    real = np.flatnonzero(~memory.of(Provenance.COMPLETED))
    points = memory.xyz[real[:: max(1, len(real) // SAMPLE)]]
    ahead = np.zeros(len(points), bool)
    for k, camera in enumerate(path):
        in_view, z, _ = camera.in_view(points)
        if np.count_nonzero(ahead & (z <= 0)) > max(THROUGH * len(points), 2):
            yield k
        ahead = in_view


def _shares(memory: SpatialMemory, cameras: Sequence[Camera]) -> tuple[list[float], list[float]]:
    """Of every camera's picture the share that points cover, and the share that points some picture showed cover."""
    scale = PREVIEW / max(cameras[0].width, cameras[0].height)
    size = max(1, round(cameras[0].width * scale)), max(1, round(cameras[0].height * scale))
    real = np.append(~memory.of(Provenance.COMPLETED), False)  # the last one is asked for where there is no point
    index = [render(memory.cloud, c.resized(*size)).point_index for c in cameras]
    return [float((i >= 0).mean()) for i in index], [float(real[i].mean()) for i in index]


def _looks(frames: int, most: int) -> list[int]:
    return sorted({round(s * (frames - 1)) for s in np.linspace(0, 1, min(most, frames))})


def inspected(memory: SpatialMemory, path: Sequence[Camera], most: int = LOOKS) -> PathReport:
    """The report of a path through the memory; takes about 10 ms a look."""
    frames = _looks(len(path), most)
    known, seen = _shares(memory, [path[k] for k in frames])
    every = np.arange(len(path))
    through = [*_collisions(memory, [path[k] for k in frames])]
    return PathReport(
        tuple(np.interp(every, frames, known).tolist()),
        tuple(np.interp(every, frames, seen).tolist()),
        tuple(frames[k] for k in through),
    )


def path_warnings(memory: SpatialMemory, path: Sequence[Camera]) -> tuple[str, ...]:
    """One sentence for every reason to doubt the path; empty for a path through free and known space."""
    frames = _looks(len(path), 9)
    known, _ = _shares(memory, [path[k] for k in frames])
    worst = int(np.argmin(known))
    return _sentences(len(path), next(_collisions(memory, path), None), known[worst], frames[worst])


def _sentences(frames: int, collision: int | None, known: float, worst: int) -> tuple[str, ...]:
    out = []
    if collision is not None:
        out.append(
            f"At frame {collision + 1} of {frames} the camera flies through something; use a smaller amount or "
            "another camera move."
        )
    if 1 - known > UNKNOWN:
        out.append(
            f"At frame {worst + 1} of {frames} the camera leaves the known scene: {1 - known:.0%} of the picture is "
            "made up. Use a smaller amount to stay inside it."
        )
    return tuple(out)
