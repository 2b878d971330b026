"""Splatting speed beside Open3D's point projection: the same points, camera, picture size and core.

`python -m benchmarks.render [POINTS]`. Ours draws footprints that follow depth and gives colour, depth, coverage and
point index; Open3D's `project_to_rgbd_image` draws one pixel a point and gives colour and depth. Both on one thread.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before Open3D starts its threads
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core for both

import sys

import numpy as np

from benchmarks.reporting import finish, median_ms
from spatia_core import se3
from spatia_core.camera import Camera
from spatia_core.fusion import lift
from spatia_core.point_cloud import PointCloud
from spatia_core.render import render


def scene(points: int) -> tuple[PointCloud, Camera]:
    """About so many points of a wavy floor with a block before it, one a pixel of a photo, and a camera beside it."""
    width = round((points * 16 / 9) ** 0.5)
    height = round(points / width)
    photo = Camera.from_fov(width, height, np.deg2rad(60))
    y, x = np.mgrid[:height, :width] / height
    depth = (2.5 - y + 0.2 * np.sin(9 * x)).astype(np.float32)
    depth[(abs(y - 0.5) < 0.2) & (abs(x - 0.8) < 0.2)] = 1.2
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    cloud = lift(image, depth, photo, np.ones(depth.shape, bool))
    view = Camera.from_fov(832, 480, np.deg2rad(60), se3.exp(np.array([0, 0.05, 0, 0.1, 0, 0.05])))
    return cloud, view


def main(points: int = 1_000_000) -> None:
    """Prints points, ours_ms, open3d_ms, ratio_open3d."""
    import open3d as o3d

    cloud, view = scene(points)
    theirs = o3d.t.geometry.PointCloud(o3d.core.Tensor.from_numpy(np.ascontiguousarray(cloud.xyz)))
    theirs.point.colors = o3d.core.Tensor.from_numpy(cloud.rgb.astype(np.float32) / 255)
    K, w2c = o3d.core.Tensor.from_numpy(np.array(view.K)), o3d.core.Tensor.from_numpy(np.array(view.w2c))
    # in turns, so that a busy machine slows both
    ours_ms, open3d_ms = [], []
    for _ in range(5):
        ours_ms.append(median_ms(lambda: render(cloud, view)))
        open3d_ms.append(median_ms(lambda: theirs.project_to_rgbd_image(view.width, view.height, K, w2c, 1.0, 100.0)))
    ours, open3d = float(np.median(ours_ms)), float(np.median(open3d_ms))
    coverage = float(render(cloud, view).coverage.mean())
    finish(
        {
            "points": len(cloud),
            "size": [view.width, view.height],
            "ours_ms": round(ours, 2),
            "open3d_ms": round(open3d, 2),
            "ratio_open3d": round(open3d / ours, 2),
            "coverage": round(coverage, 4),
        }
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
