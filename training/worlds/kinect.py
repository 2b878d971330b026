"""Films as a first-generation Kinect gives them: `python -m training.worlds.kinect FOLDER --seed 1 --frames 300`.

Colour and depth come from two cameras 25 mm apart with different lenses and are not laid on each other; K and the poses
are those of the depth camera. Depth is quantised in disparity, has holes where the projector's light is hidden, at
edges and beyond 5 m, and bends over the picture. Colour has exposure that follows the light, smear, rolling lines and
JPEG. What is drawn for a seed: the room, the way, the bend of the depth, how colour and depth lie to each other.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from spatia_core import se3
from spatia_core.arrays import Depth, Image, Pose
from spatia_core.camera import Camera
from training.worlds.paths import moved
from training.worlds.world import KINDS, World, make_world

DEPTH_FOCAL, COLOUR_FOCAL = 585 / 640, 530 / 640
"""Focal lengths, shares of the picture's width."""
PROJECTOR = 0.075
"""Metres from the depth camera to the projector of its pattern."""
FARTHEST, NEAREST = 5.0, 0.45
FPS = 30.0
DOWN = np.array([0.0, 0.2, 0.0])
"""Radians by which the sensor looks lower than the world's first view: at tables and floors, not at ceilings."""


@dataclass(frozen=True, eq=False, slots=True)
class Kinect:
    """One sensor."""

    colour_from_depth: Pose
    """(4, 4) how the colour camera lies to the depth camera."""
    bend: np.ndarray
    """(6,) what is added to inverse depth (1/m) for 1, x, y, xx, yy, xy of a ray (x, y, 1)."""
    noise: float
    """Standard deviation of disparity, pixels at a width of 640."""
    lag: float
    """Seconds by which colour is taken later than depth."""
    readout: float
    """Seconds from the first to the last line of a colour picture."""
    exposure: float
    """Seconds the colour camera's shutter is open."""
    quality: int = 90
    """Of the JPEG files."""


@dataclass(frozen=True, eq=False, slots=True)
class KinectFrame:
    """What the sensor gives, and where it truly was."""

    image: Image
    depth: Depth
    """(h, w) metres, NaN = unknown."""
    camera: Camera
    """The depth camera."""


def kinect(seed: int) -> Kinect:
    """The sensor of that seed; bends and offsets are of the size found on real ones."""
    rng = np.random.default_rng([83, seed])
    turn = np.deg2rad(rng.normal(size=3) * 0.4)
    apart = np.array([0.025, 0, 0]) + rng.normal(size=3) * 0.002
    bend = np.r_[rng.normal() * 0.001, rng.normal(size=2) * 0.003, rng.normal(size=3) * [0.01, 0.025, 0.01]]
    return Kinect(
        se3.rigid(se3.so3_exp(turn), apart), bend, float(rng.uniform(0.08, 0.16)), float(rng.uniform(-0.012, 0.012)),
        float(rng.uniform(0.015, 0.03)), float(rng.uniform(0.006, 0.02)),
    )  # fmt: skip


def handheld(world: World, frames: int, seed: int, size: tuple[int, int], length: float = 2.0) -> tuple[Camera, ...]:
    """The depth camera's way: slow swings that look around and come back, a trembling hand, `length` metres a 300."""
    rng = np.random.default_rng([84, seed])
    t = np.arange(frames) / FPS

    def swing(low: float, high: float, n: int = 3) -> np.ndarray:
        often, phase = rng.uniform(low, high, n), rng.uniform(0, 2 * np.pi, n)
        return np.sin(2 * np.pi * often * t[:, None] + phase).mean(axis=1)

    place = np.stack([swing(0.05, 0.15), 0.4 * swing(0.05, 0.15), 0.7 * swing(0.05, 0.15)], 1)
    way = np.linalg.norm(np.diff(place, axis=0), axis=1).sum()
    tremble = 0.0015 * np.stack([swing(2, 7, 5) for _ in range(3)], 1)
    look = np.stack([1.4 * swing(0.04, 0.12), 0.15 * swing(0.05, 0.15), 0.08 * swing(0.05, 0.15)], 1)
    look = look + 0.003 * np.stack([swing(2, 7, 5) for _ in range(3)], 1)
    for shrink in (1.0, 0.7, 0.5, 0.3):
        m = place * (length * frames / 300 / max(way, 1e-6)) * shrink + tremble
        m = np.concatenate([(m - m[0]) / world.stage, look - look[0] - DOWN], 1)
        cameras = tuple(moved(world, row, size) for row in m)
        if all(world.free(c.centre) > 0.35 for c in cameras[::10]):
            break
    K = np.array([[DEPTH_FOCAL * size[0], 0, size[0] / 2], [0, DEPTH_FOCAL * size[0], size[1] / 2], [0, 0, 1]])
    return tuple(replace(c, K=K) for c in cameras)


def record(world: World, cameras: tuple[Camera, ...], sensor: Kinect, seed: int = 0) -> Iterator[KinectFrame]:
    """What the sensor gives along the way, frame by frame."""
    w, h = cameras[0].width, cameras[0].height
    poses = [c.c2w for c in cameras]
    colour_K = np.array([[COLOUR_FOCAL * w, 0, w / 2], [0, COLOUR_FOCAL * w, h / 2], [0, 0, 1]])
    gain = 1.0
    for k, camera in enumerate(cameras):
        rng = np.random.default_rng([85, seed, k])
        speed = se3.log(se3.inverse(poses[k]) @ poses[min(k + 1, len(poses) - 1)]) * FPS
        coarse = world.render(camera.resized(w // 2, h // 2), k / FPS, False, False).depth
        true = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_NEAREST)
        depth = measured(true, camera.K, sensor, rng)
        there = poses[k] @ se3.exp(speed * sensor.lag) @ se3.inverse(sensor.colour_from_depth)
        eye = replace(camera, K=colour_K, w2c=se3.inverse(there))
        clean = world.render(eye, k / FPS, False, False).rgb.astype(np.float32)
        gain += 0.08 * (np.clip(115 / max(float(clean.mean()), 1), 0.5, 2) - gain)
        rolled = _rolled(clean * gain, colour_K, speed[:3], sensor)
        noisy = np.clip(rolled + rng.normal(0, 3, rolled.shape), 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])
        again = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        assert again is not None
        yield KinectFrame(again, depth, camera)


def measured(true: Depth, K: np.ndarray, sensor: Kinect, rng: np.random.Generator) -> Depth:
    """Depth (inf = sky) as the sensor measures it."""
    h, w = true.shape
    known = np.isfinite(true) & (true > NEAREST) & (true < FARTHEST)
    z = np.where(known, true, FARTHEST)
    x, y = np.meshgrid((np.arange(w) + 0.5 - K[0, 2]) / K[0, 0], (np.arange(h) + 0.5 - K[1, 2]) / K[1, 1])
    inverse = 1 / z + np.tensordot(sensor.bend, np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]), 1)
    scale = PROJECTOR * K[0, 0]
    grain = cv2.GaussianBlur(rng.normal(size=(h, w)), (0, 0), 1.2)  # a window of pixels is matched as one
    disparity = scale * inverse + grain / grain.std() * sensor.noise * w / 640
    step = w / 640 / 8
    disparity = np.round(disparity / step) * step
    lit = _lit(scale / z)
    edge = cv2.morphologyEx(z.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0.06 * z
    holes = edge & (cv2.GaussianBlur(rng.random((h, w)), (0, 0), 2) > 0.48)
    good = known & lit & ~holes & (disparity > step)
    return np.where(good, scale / np.where(good, disparity, 1), np.nan).astype(np.float32)


def _lit(disparity: np.ndarray) -> np.ndarray:
    """Where the projector's light arrives: nothing to the right on the same line hides it from there."""
    column = np.arange(disparity.shape[1]) + 0.5 - disparity
    behind = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    return column <= behind + 1.5


def _rolled(image: np.ndarray, K: np.ndarray, spin: np.ndarray, sensor: Kinect) -> np.ndarray:
    """The picture with each line taken at its own time while the camera turns, smeared over the exposure."""
    h, w = image.shape[:2]
    inverse = np.linalg.inv(K)

    def at(seconds: np.ndarray) -> np.ndarray:
        u, v = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
        rays = np.stack([u, v, np.ones_like(u)], -1) @ inverse.T
        turned = rays + np.cross(np.broadcast_to(spin, rays.shape), rays) * seconds[:, None, None]
        p = turned @ K.T
        grid = (p[..., :2] / p[..., 2:] - 0.5).astype(np.float32)
        return cv2.remap(image, grid[..., 0], grid[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    line = (np.arange(h) / h - 0.5) * sensor.readout
    return np.mean([at(line + s * sensor.exposure) for s in (-0.4, -0.15, 0.15, 0.4)], axis=0)


def write(folder: Path, seed: int, frames: int, size: tuple[int, int], kind: str = "room") -> None:
    """Writes images/%05d.jpg, depth/%05d.png (uint16 mm), poses.txt (camera to world) and K.txt of a seed's film."""
    world = make_world(kind, seed)
    cameras = handheld(world, frames, seed, size)
    for name in ("images", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    sensor = kinect(seed)
    for k, frame in enumerate(record(world, cameras, sensor, seed)):
        quality = [cv2.IMWRITE_JPEG_QUALITY, sensor.quality]
        cv2.imwrite(str(folder / f"images/{k:05d}.jpg"), frame.image[..., ::-1], quality)
        mm = np.nan_to_num(frame.depth * 1000, nan=0.0)
        cv2.imwrite(str(folder / f"depth/{k:05d}.png"), np.round(mm).astype(np.uint16))
    np.savetxt(folder / "poses.txt", [c.c2w.ravel() for c in cameras], fmt="%.9f")
    np.savetxt(folder / "K.txt", cameras[0].K, fmt="%.6f")


def main() -> None:
    """Writes one film."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480))
    parser.add_argument("--kind", choices=KINDS, default="room")
    asked = parser.parse_args()
    write(asked.folder, asked.seed, asked.frames, tuple(asked.size), asked.kind)


if __name__ == "__main__":
    main()
