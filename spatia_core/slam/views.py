"""A frame made ready for tracking: pyramids of depth, normals and shading, points to align, features."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.arrays import Image, Intrinsics
from spatia_core.errors import InvalidInput
from spatia_core.slam import kernels
from spatia_core.slam.features import Features, detect

WORKING_WIDTH = 320
"""Pixels of the finest level that is aligned densely."""
LEVELS = 3
DISPARITY_SIGMA = 0.01
"""Inverse depth (times the scene's unit) within which neighbours are averaged."""
BEND = 0.04
"""Share by which inverse depth may bend before it counts as an edge."""
STRIDE = (3, 2, 1)
"""Every how many pixels a level gives a point to align."""


@dataclass(eq=False, slots=True)
class Level:
    """One resolution of a view."""

    lens: tuple[float, float, float, float]
    """fx, fy, cx, cy in pixels of this level."""
    depth: Float32[np.ndarray, "h w"]
    """0 = unknown."""
    normals: Float32[np.ndarray, "h w 3"]
    """Towards the camera; zeros at edges."""
    shading: Float32[np.ndarray, "h w 3"]
    """Intensity (0 to 255) and its slopes per pixel along x and y."""
    points: Float32[np.ndarray, "n 7"]
    """What this view brings to an alignment, camera frame: place, normal, intensity."""


@dataclass(eq=False, slots=True)
class View:
    """A frame as the front ends see it."""

    index: int
    """Which frame."""
    K: Intrinsics
    """(3, 3) of the full picture."""
    levels: list[Level]
    """Finest first."""
    features: Features
    texture: float
    """Median absolute slope of intensity, grey levels a pixel: near 0 on blank walls and in the dark."""
    known: float
    """Share of pixels with known static depth."""
    weight: Float32[np.ndarray, "h w"] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    """How many depth maps were averaged into the finest level; empty until the first."""
    straight: bool = False
    """True once the sensor's bend was taken out of depth (`bending.py`)."""
    registered: bool = False
    """True once intensities were laid on depth (`registration.py`)."""


def prepare(
    index: int, image: Image, depth: np.ndarray | None, K: Intrinsics, dynamic: np.ndarray | None, most: int = 1000
) -> View:
    """The view of one frame; unknown depth is NaN or not positive; `dynamic` pixels take part in nothing."""
    _check(image, depth, dynamic)
    height, width = image.shape[:2]
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    full = np.zeros((height, width), np.float32) if depth is None else depth.astype(np.float32, copy=True)
    with np.errstate(invalid="ignore"):
        full[~(np.isfinite(full) & (full > 0))] = 0
    if dynamic is not None:
        full[dynamic] = 0
    factor = max(1, round(width / WORKING_WIDTH))
    size = (-(-width // factor), -(-height // factor))
    small = _smoothed(_reduced(full, factor, size))
    shade = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    scale = np.diag([size[0] / width, size[1] / height, 1.0])
    levels = []
    for level in range(LEVELS):
        levels.append(make_level(small, shade, scale @ K, STRIDE[level]))
        if level + 1 < LEVELS:
            h, w = small.shape
            half = (w // 2, h // 2)
            small = _reduced(small[: 2 * half[1], : 2 * half[0]], 2, half)
            shade = cv2.resize(shade[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA)
            scale = np.diag([0.5, 0.5, 1.0]) @ scale
    features = detect(gray, levels[0].depth, K, dynamic, most)
    slopes = np.abs(levels[0].shading[..., 1:]).max(axis=2)
    return View(index, K, levels, features, float(np.mean(slopes)), float((levels[0].depth > 0).mean()))


def make_level(depth: np.ndarray, shade: np.ndarray, K: np.ndarray, stride: int) -> Level:
    """One level from its depth (0 = unknown) and intensities."""
    lens = (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))
    depth = np.ascontiguousarray(depth, np.float32)
    normals = np.empty((*depth.shape, 3), np.float32)
    kernels.normals_of(depth, lens, 2, BEND, normals)
    shading = np.stack([shade, _slope(shade, 1, 0), _slope(shade, 0, 1)], axis=2)
    return Level(lens, depth, normals, shading, points_of(depth, normals, shade, lens, stride))


def refresh(view: View) -> None:
    """Recomputes the normals and points of the finest level after its depth was averaged."""
    level = view.levels[0]
    level.depth[:] = _smoothed(level.depth)
    kernels.normals_of(level.depth, level.lens, 2, BEND, level.normals)
    level.points = points_of(level.depth, level.normals, level.shading[..., 0], level.lens, STRIDE[0])


def relight(level: Level, shade: np.ndarray, which: int) -> None:
    """Gives the level (number `which`, 0 = finest) other intensities."""
    level.shading = np.stack([shade, _slope(shade, 1, 0), _slope(shade, 0, 1)], axis=2)
    level.points = points_of(level.depth, level.normals, shade, level.lens, STRIDE[which])


def _check(image: np.ndarray, depth: np.ndarray | None, dynamic: np.ndarray | None) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InvalidInput(f"A frame must be a uint8 picture (h, w, 3), got {image.dtype} of shape {image.shape}.")
    for name, given in (("depth map", depth), ("mask of moving things", dynamic)):
        if given is not None and given.shape != image.shape[:2]:
            raise InvalidInput(
                f"The {name} has shape {given.shape}, the picture is {image.shape[1]}x{image.shape[0]}; give both at "
                "one size."
            )


def _slope(shade: np.ndarray, x: int, y: int) -> np.ndarray:
    return cv2.Scharr(shade, cv2.CV_32F, x, y, scale=1 / 32)


def _reduced(depth: np.ndarray, factor: int, size: tuple[int, int]) -> np.ndarray:
    """Blocks averaged over what is near their front surface; a block with under half known pixels is unknown."""
    if factor == 1:
        return depth
    out = np.empty((size[1], size[0]), np.float32)
    kernels.reduce_depth(np.ascontiguousarray(depth), factor, out)
    return out


def _smoothed(depth: np.ndarray) -> np.ndarray:
    known = depth > 0
    inverse = np.where(known, 1 / np.where(known, depth, 1), -10).astype(np.float32)
    soft = cv2.bilateralFilter(inverse, 5, DISPARITY_SIGMA, 2.0)
    return np.where(known, 1 / np.maximum(soft, 1e-6), 0).astype(np.float32)


def points_of(depth: np.ndarray, normals: np.ndarray, shade: np.ndarray, lens: tuple, stride: int) -> np.ndarray:
    """(n, 7) what a level brings to an alignment: every `stride`-th pixel with a normal; place, normal, intensity."""
    fx, fy, cx, cy = lens
    h, w = depth.shape
    rows, columns = np.mgrid[stride // 2 : h : stride, stride // 2 : w : stride]
    flat = (np.abs(normals[rows, columns]).sum(axis=2) > 0.5) & (depth[rows, columns] > 0)
    rows, columns = rows[flat], columns[flat]
    z = depth[rows, columns]
    out = np.empty((len(z), kernels.COLUMNS), np.float32)
    out[:, 0], out[:, 1], out[:, 2] = (columns + 0.5 - cx) / fx * z, (rows + 0.5 - cy) / fy * z, z
    out[:, 3:6] = normals[rows, columns]
    out[:, 6] = shade[rows, columns]
    return out
