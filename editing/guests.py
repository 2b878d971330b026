"""Where inserted things come from: points of a PLY or GLB file, or a thing cut out of another photo."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from editing.inserting import standing
from editing.opening import Opening, open_source
from editing.selecting import Tools
from editing.selection import checked
from spatia_core.arrays import Depth, Image, Mask
from spatia_core.backends.protocols import Prompt
from spatia_core.camera import Camera
from spatia_core.depth_edges import stand_up
from spatia_core.errors import InvalidInput
from spatia_core.fusion import lift
from spatia_core.io.clouds import read_ply
from spatia_core.io.files import PathLike, read_bytes
from spatia_core.io.glb import MAX_BYTES, read_glb, spacing
from spatia_core.point_cloud import PointCloud

MOST_POINTS = 200_000
"""Of a larger thing an even thinning is inserted."""

MODELS = (".ply", ".glb")


def read_thing(file: PathLike) -> PointCloud:
    """The points of a PLY or GLB file, standing; raises InvalidInput for other files and for too much of it."""
    ending = Path(file).suffix.lower()
    if ending not in MODELS:
        raise InvalidInput(
            f"A thing comes from a photo or from a {' or '.join(MODELS)} file, not from {ending or 'this'}."
        )
    if ending == ".glb":
        return standing(read_glb(file))
    cloud, _ = read_ply(read_bytes(file, MAX_BYTES, "point cloud"))
    cloud = cloud[np.arange(0, len(cloud), max(1, -(-len(cloud) // MOST_POINTS)))]
    if len(cloud) and not cloud.radius.any():
        size = np.full(len(cloud), spacing(cloud.xyz.astype(np.float64)), np.float32)
        cloud = replace(cloud, radius=size)
    return standing(cloud)


@dataclass(frozen=True, eq=False, slots=True)
class Donor:
    """Another photo that a thing is cut from."""

    image: Image
    depth: Depth
    camera: Camera
    embedding: Any
    """The segmenter's."""

    @classmethod
    def opened(cls, photo: PathLike | bytes, tools: Tools) -> "Donor":
        """The photo at working size with its depth, ready to be clicked on."""
        source = open_source(Opening(photo), tools.turn.depth)
        h, w = source.image.shape[:2]
        camera = Camera(source.prediction.K, np.eye(4), w, h)
        embedding = tools.segmenter.embed(source.image)
        return cls(source.image, source.prediction.depth.depth, camera, embedding)

    def mask(self, tools: Tools, x: float, y: float) -> Mask:
        """(h, w) what the segmenter finds at pixel (x, y)."""
        prompt = Prompt(np.array([[x, y]]), np.array([True])).checked_for(*self.depth.shape)
        return tools.segmenter.segment(self.embedding, prompt).masks[0]

    def cut(self, mask: Mask) -> PointCloud:
        """The thing that the mask shows, stood upright: a front without a back."""
        known = checked(mask, self.camera) & np.isfinite(self.depth)
        if not known.any():
            raise InvalidInput("Nothing is known of how far that is away. Click on another thing.")
        depth = stand_up(self.depth, known)
        return standing(lift(self.image, np.where(known, depth, np.float32(np.nan)), self.camera, known))
