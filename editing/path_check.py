"""What a person should know about a camera path before trusting its clip."""

from collections.abc import Sequence

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


def _first_collision(memory: SpatialMemory, path: Sequence[Camera]) -> int | None:
    """The first frame at which seen points have passed from before the camera to behind it."""
    real = np.flatnonzero(~memory.of(Provenance.COMPLETED))
    points = memory.xyz[real[:: max(1, len(real) // SAMPLE)]]
    ahead = np.zeros(len(points), bool)
    for k, camera in enumerate(path):
        uv, z = camera.project(points)
        if np.count_nonzero(ahead & (z <= 0)) > max(THROUGH * len(points), 2):
            return k
        with np.errstate(invalid="ignore"):
            ahead = (z > 0) & (uv >= 0).all(1) & (uv < np.array([camera.width, camera.height])).all(1)
    return None


def _least_known(memory: SpatialMemory, path: Sequence[Camera]) -> tuple[float, int]:
    """The smallest share of a frame that points cover, and the frame."""
    scale = PREVIEW / max(path[0].width, path[0].height)
    size = max(1, round(path[0].width * scale)), max(1, round(path[0].height * scale))
    frames = sorted({round(s * (len(path) - 1)) for s in np.linspace(0, 1, 9)})
    shares = [float(render(memory.cloud, path[k].resized(*size)).coverage.mean()) for k in frames]
    worst = int(np.argmin(shares))
    return shares[worst], frames[worst]


def path_warnings(memory: SpatialMemory, path: Sequence[Camera]) -> tuple[str, ...]:
    """One sentence for every reason to doubt the path; empty for a path through free and known space."""
    out = []
    collision = _first_collision(memory, path)
    if collision is not None:
        out.append(
            f"At frame {collision + 1} of {len(path)} the camera flies through something; use a smaller amount or "
            "another camera move."
        )
    known, frame = _least_known(memory, path)
    if 1 - known > UNKNOWN:
        out.append(
            f"At frame {frame + 1} of {len(path)} the camera leaves the known scene: {1 - known:.0%} of the picture is "
            "made up. Use a smaller amount to stay inside it."
        )
    return tuple(out)
