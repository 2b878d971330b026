"""Things from elsewhere: cut from another photo, or points from a file; set down on the ground of this scene."""

from dataclasses import replace

import numpy as np

from editing.edits import Edit
from editing.ground import Ground, ground_at
from editing.placing import set_down
from spatia_core import se3
from spatia_core.arrays import nearest_false
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.memory import PointLabels, Provenance, SpatialMemory
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render

CONFIDENCE = 0.5
"""How far an inserted thing's points are believed."""

FIRST_HEIGHT = 0.3
"""Share of the picture's height that a thing fills at first."""


def standing(cloud: PointCloud) -> PointCloud:
    """The cloud with its foot at the origin and its largest side 1; axes x right, y down, z forward."""
    if not len(cloud):
        raise InvalidInput("There is nothing to insert: the thing has no points.")
    xyz = cloud.xyz.astype(np.float64)
    low, high = np.percentile(xyz, (0.5, 99.5), axis=0)
    side = float((high - low).max())
    if not side > 0:
        raise InvalidInput("All points of the thing lie in one place, so it has no size.")
    foot = np.array([(low[0] + high[0]) / 2, high[1], (low[2] + high[2]) / 2])
    radius = cloud.radius / np.float32(side)
    return PointCloud(((xyz - foot) / side).astype(np.float32), cloud.rgb, radius)


def spot_on_ground(memory: SpatialMemory, camera: Camera, x: float, y: float) -> Ground:
    """The surface at pixel (x, y) as the ground to stand on."""
    seen = render(memory.cloud, camera)
    if not seen.coverage.any():
        raise InvalidInput("Nothing is known of the scene, so there is no ground to stand on.")
    depth = seen.depth
    if not seen.coverage.all():
        rows, columns = nearest_false(~seen.coverage)
        depth = depth[rows, columns]
    return ground_at(x, y, depth, camera)


def first_size(ground: Ground, camera: Camera, unit: float) -> float:
    """The size, in median depths, at which a thing fills FIRST_HEIGHT of the picture there."""
    z = float(se3.transform(camera.w2c, ground.contact[None])[0, 2])
    size = FIRST_HEIGHT * camera.height * z / float(camera.K[1, 1]) / unit
    return float(np.clip(size, 0.06, 15.0))


def stood(thing: PointCloud, ground: Ground, edit: Edit, unit: float) -> PointCloud:
    """An inserted thing's points where they come to stand: upright, turned, as large as asked."""
    axes = edit.camera.c2w[:3, :3]
    R = se3.so3_exp(axes @ np.array(edit.turn, np.float64)) @ axes
    side = edit.size * unit
    xyz = side * thing.xyz.astype(np.float64) @ R.T
    height = xyz @ ground.normal
    xyz -= ground.normal * float(np.percentile(height, 1)) * (1.0 if any(edit.turn) else 0.0)
    return PointCloud((ground.contact + xyz).astype(np.float32), thing.rgb, thing.radius * np.float32(side))


def inserted(memory: SpatialMemory, edit: Edit, unit: float) -> SpatialMemory:
    """The memory with the edit's thing standing on the ground at its pixel, as an object of its own."""
    assert edit.thing is not None
    x, y, _ = edit.offset
    ground = spot_on_ground(memory, edit.camera, x, y)
    thing = stood(edit.thing, ground, edit, unit)
    labels = PointLabels.uniform(len(thing), Provenance.OBSERVED, confidence=CONFIDENCE)
    # its pixels are numbered, so that what completion copies from it goes when it goes
    labels = replace(labels, source=np.arange(len(thing), dtype=np.int32))
    return set_down(memory, thing, labels, edit.camera)
