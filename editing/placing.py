"""Where a thing goes: moved, turned, resized, standing on its ground; and whether it runs into something there."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from editing.edits import FARTHEST_MOVE, Placing
from editing.ground import Ground
from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.memory import PointLabels, SpatialMemory
from spatia_core.point_cloud import PointCloud

TILTED = np.deg2rad(1.0)
"""A thing that leans by more than this after a turn is set down on its ground again."""

SAMPLE = 3000
"""Points of a thing that are asked whether they run into something."""

BUMPS = 0.02
"""Share of them that must before it is said."""


@dataclass(frozen=True, eq=False, slots=True)
class Similarity:
    """x -> pivot + move + size * R (x - pivot)."""

    R: Float[np.ndarray, "3 3"]
    size: float
    pivot: se3.Vec3
    move: se3.Vec3

    def points(self, xyz: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """The points where they come to lie."""
        return self.pivot + self.move + self.size * (xyz - self.pivot) @ self.R.T

    def cloud(self, cloud: PointCloud) -> PointCloud:
        """The cloud where it comes to lie, its points as much larger as the whole."""
        xyz = self.points(cloud.xyz.astype(np.float64)).astype(np.float32)
        return PointCloud(xyz, cloud.rgb, cloud.radius * np.float32(self.size))

    def raised(self, by: se3.Vec3) -> "Similarity":
        """The same, a little farther."""
        return replace(self, move=self.move + by)


def displacement(ground: Ground, placing: Placing, camera: Camera, unit: float) -> se3.Vec3:
    """(3,) the world translation of a placing; `unit` is the scene's median depth."""
    x, y, z = (v * unit for v in placing.offset)
    axes, up = camera.c2w[:3, :3], -camera.c2w[:3, 1]
    if not placing.on_ground:
        return axes @ np.array([x, y, z])
    along = ground.slide(axes @ np.array([x, 0.0, z]), up)
    return along + axes @ np.array([0.0, y, 0.0])


def middle(cloud: PointCloud) -> se3.Vec3:
    """(3,) centre of the box around nearly all points of a thing."""
    low, high = np.percentile(cloud.xyz.astype(np.float64), (2, 98), axis=0)
    return (low + high) / 2


def similarity(thing: PointCloud, ground: Ground, placing: Placing, camera: Camera, unit: float) -> Similarity:
    """The motion of a placing. What turns about the ground and then leans is set down on it again."""
    axes = camera.c2w[:3, :3]
    turn = axes @ np.array(placing.turn, np.float64)
    R = se3.so3_exp(turn)
    pivot = ground.contact if placing.about == "ground" else middle(thing)
    out = Similarity(R, placing.size, pivot, displacement(ground, placing, camera, unit))
    up = -camera.c2w[:3, 1]
    leans = float(np.arccos(np.clip((R @ up) @ up, -1, 1))) > TILTED
    if placing.on_ground and len(thing) and (leans or (placing.size != 1 and placing.about == "centre")):
        xyz = thing.xyz.astype(np.float64)
        before = np.percentile(xyz @ ground.normal, 2)
        lifted = float(displacement(ground, placing, camera, unit) @ ground.normal)
        after = np.percentile(out.points(xyz) @ ground.normal, 2) - lifted
        out = out.raised(ground.normal * float(before - after))
    return out


def as_object(labels: PointLabels, number: int, memory: SpatialMemory) -> PointLabels:
    """The labels as those of an object of its own, whose pixels are nobody else's.

    The copies that completion makes of it from now on are told from those that were made of it where it stood before.
    """
    pixels = max((k.camera.width * k.camera.height for k in memory.keyframes), default=1)
    source = np.asarray(labels.source, np.int64)
    own = number * pixels + source % pixels
    known = (source >= 0) & (own < 2**31)
    return replace(
        labels,
        object_id=np.full(len(source), number, np.int16),
        source=np.where(known, own, -1).astype(np.int32),
    )


def next_number(memory: SpatialMemory) -> int:
    """A number that no object of the memory has."""
    number = int(memory.labels.object_id.max(initial=0)) + 1
    if number > np.iinfo(np.int16).max:
        raise InvalidInput("There are more objects in the memory than can be numbered. Start a new session from it.")
    return number


def set_down(memory: SpatialMemory, thing: PointCloud, labels: PointLabels, camera: Camera) -> SpatialMemory:
    """The memory with the thing, which is where it is to stand, as an object of its own."""
    z = se3.transform(camera.w2c, thing.xyz)[:, 2]
    if len(z) and float(np.median(z)) <= 0:
        raise InvalidInput("The move would put the thing behind the first camera. Give a smaller z.")
    return memory.insert(thing, as_object(labels, next_number(memory), memory))


def offset_to_pixel(ground: Ground, camera: Camera, x: float, y: float, unit: float) -> tuple[float, float, float]:
    """The move, in median depths along the camera's axes, that brings the thing's contact under pixel (x, y).

    Where the ray misses the ground (above its horizon) or meets it absurdly far, the thing stays at its depth.
    """
    ray = camera.c2w[:3, :3] @ np.array(
        [(x - camera.K[0, 2]) / camera.K[0, 0], (y - camera.K[1, 2]) / camera.K[1, 1], 1]
    )
    target = ground.hit(camera.centre, ray)
    depth = float(se3.transform(camera.w2c, ground.contact[None])[0, 2])
    if target is None or float(se3.transform(camera.w2c, target[None])[0, 2]) > 6 * depth:
        target = camera.centre + ray * depth
    move = camera.w2c[:3, :3] @ (target - ground.contact) / unit
    limit = FARTHEST_MOVE
    return (float(np.clip(move[0], -limit, limit)), 0.0, float(np.clip(move[2], -limit, limit)))


def runs_into(memory: SpatialMemory, placed: PointCloud, ground: Ground) -> float:
    """Share of a placed thing's points that lie within other things of the memory, which does not hold the thing.

    What lies on the ground is no obstacle. Depth from one photo knows fronts only, so this is a hint, not a proof.
    """
    if not len(placed) or not len(memory):
        return 0.0
    xyz = placed.xyz[:: max(1, len(placed) // SAMPLE)].astype(np.float64)
    low, high = np.percentile(xyz, (2, 98), axis=0)
    reach = 1.5 * float(np.median(placed.radius)) * 2
    near = np.flatnonzero(((memory.xyz >= low - reach) & (memory.xyz <= high + reach)).all(1))
    height = memory.xyz[near].astype(np.float64) @ ground.normal - ground.offset
    tall = max(float(np.ptp(xyz @ ground.normal)), 1e-9)
    near = near[height > 0.08 * tall]
    above = xyz[xyz @ ground.normal - ground.offset > 0.08 * tall]
    if not len(near) or not len(above):
        return 0.0
    away, _ = KDTree(memory.xyz[near]).query(above, distance_upper_bound=reach)
    return float(np.isfinite(away).sum() / len(xyz))


def hint(memory: SpatialMemory, placed: PointCloud, ground: Ground, camera: Camera) -> str:
    """What a person should know about where a thing would stand, in at most two sentences; empty when nothing."""
    said = []
    bumps = runs_into(memory, placed, ground)
    if bumps > BUMPS:
        said.append(f"It runs into something there ({bumps:.0%} of it).")
    tall = max(float(np.ptp(placed.xyz.astype(np.float64) @ ground.normal)), 1e-9)
    foot = float(np.percentile(placed.xyz.astype(np.float64) @ ground.normal, 2)) - ground.offset
    if foot > 0.15 * tall:
        said.append("It hangs in the air.")
    elif foot < -0.15 * tall:
        said.append("Part of it is below the ground.")
    seen, _, _ = camera.in_view(placed.xyz)
    if seen.mean() < 0.05:
        said.append("It is outside the picture there.")
    return " ".join(said[:2])
