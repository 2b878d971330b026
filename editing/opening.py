"""From a photo file, and what a person gives with it, to the source of a session."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from editing.state import Source
from spatia_core.arrays import Depth, Intrinsics
from spatia_core.backends.protocols import DepthEstimator, DepthPrediction
from spatia_core.camera import Camera
from spatia_core.completion.surfaces import continue_depth
from spatia_core.errors import InvalidInput
from spatia_core.frames import DepthMap
from spatia_core.io.depth_files import load_depth, load_intrinsics
from spatia_core.io.files import PathLike, name_of
from spatia_core.io.fitting import Fit
from spatia_core.io.images import load_photo

SMALLEST, LARGEST = 64, 4096
"""Allowed sides of a working picture, pixels."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session is opened with."""

    photo: PathLike | bytes
    depth: PathLike | None = None
    """A depth file for the photo; None for the map that the photo brings, or an estimate where it brings none."""
    intrinsics: PathLike | None = None
    """A file with the photo's lens, or None to read it from EXIF or assume one."""
    size: tuple[int, int] | None = None
    """(width, height) of clips, or None for about 832x480 pixels in the photo's own shape."""


def parse_size(text: str) -> tuple[int, int]:
    """(width, height) from `832x480`."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.strip().isdigit() for p in parts):
        raise InvalidInput(f"A size is given as WIDTHxHEIGHT, for example 832x480, not {text!r}.")
    width, height = int(parts[0]), int(parts[1])
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        raise InvalidInput(f"Both sides of the size must lie between {SMALLEST} and {LARGEST} pixels, got {text}.")
    return width, height


def open_source(opening: Opening, estimator: DepthEstimator) -> Source:
    """The photo at working size with its depth: the given one, or the estimator's."""
    photo = load_photo(opening.photo)
    fit = Fit.default(photo) if opening.size is None else Fit(photo.size, opening.size)
    image = fit.of_image(photo.image)
    K = photo.K
    if opening.intrinsics is not None:
        # the file speaks of the photo as it is shown; a large one was reduced on the way in
        K = load_intrinsics(opening.intrinsics, photo.original_size).copy()
        K[:2] *= np.array([[photo.size[0] / photo.original_size[0]], [photo.size[1] / photo.original_size[1]]])
    K = None if K is None else fit.intrinsics_to_working(K)
    notes = list(photo.notes)
    depth = photo.depth
    if opening.depth is not None:
        given = load_depth(opening.depth, photo.size)
        notes += given.notes
        depth = given.depth
    prediction = estimator.estimate(image, K) if depth is None else _given(fit.of_map(depth), K, notes)
    if K is None:
        notes.append("The photo does not say with what lens it was taken; a view of about 60 degrees is assumed.")
    name = "photo" if isinstance(opening.photo, bytes) else Path(name_of(opening.photo)).name
    return Source(image, fit, prediction, name, photo.original_size, tuple(notes))


def _given(depth: Depth, K: Intrinsics | None, notes: list[str]) -> DepthPrediction:
    """A given depth map as a prediction, its gaps continued from the surfaces around them."""
    h, w = depth.shape
    K = Camera.from_fov(w, h, np.deg2rad(60)).K if K is None else K
    unknown = ~np.isfinite(depth)
    if unknown.any():
        depth = continue_depth(depth, unknown, Camera(K, np.eye(4), w, h), None)
        notes.append(f"{unknown.mean():.0%} of the depth map was unknown and was continued from its surroundings.")
    return DepthPrediction(DepthMap(depth, "given"), K, np.zeros((h, w), bool))
