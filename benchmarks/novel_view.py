"""One photo of a posed set rendered at the pose of another: python -m benchmarks.novel_view DIR [--backend NAME].

DIR holds `images/%05d.jpg`, `depth/%05d.png` (uint16 mm, 0 = none), `poses.txt` (16 numbers a line, camera to world,
OpenCV, metres) and `K.txt`. The picture of frame i is moved to frame i + gap, for gaps of 2, 5 and 10 frames:

- ours: by the backend's depth;
- ramp: by inverse depth that grows evenly from the top to the bottom;
- homography: by the plane that faces the camera at the median depth;
- truth: by the measured depth, for comparison.

Estimates have no scale, so ours and ramp are first fitted to the measured depth by scale and shift of inverse depth.
PSNR and SSIM are means over pairs, over pixels that both photos really see (by measured depth) and all methods reach.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.depth import read_photo
from benchmarks.reporting import finish
from spatia_core import metrics
from spatia_core.alignment import fit_inverse_depth
from spatia_core.arrays import Depth, Image, Mask
from spatia_core.backends import registry
from spatia_core.camera import Camera
from spatia_core.fusion import remember_view
from spatia_core.memory import Keyframe, Provenance, SpatialMemory
from spatia_core.render import render, resample

GAPS = (2, 5, 10)
PAIRS = 8
"""Pairs of every gap."""
_SAME = 0.05
"""Relative difference of depth within which two photos see the same place."""

Estimate = Callable[[Image, Camera], Depth]


@dataclass(frozen=True, eq=False, slots=True)
class Shot:
    """A photo with measured depth (NaN = none) and camera."""

    image: Image
    depth: Depth
    camera: Camera


class Sequence:
    """Frames of a folder, read when asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._poses = np.loadtxt(folder / "poses.txt").reshape(-1, 4, 4)
        self._K = np.loadtxt(folder / "K.txt").reshape(3, 3)

    def __len__(self) -> int:
        return len(self._poses)

    def __getitem__(self, i: int) -> Shot:
        image = read_photo(self._folder / f"images/{i:05d}.jpg")
        mm = cv2.imread(str(self._folder / f"depth/{i:05d}.png"), cv2.IMREAD_UNCHANGED)
        if mm is None:
            raise SystemExit(f"depth/{i:05d}.png cannot be read.")
        h, w = image.shape[:2]
        if mm.shape != (h, w):
            mm = cv2.resize(mm, (w, h), interpolation=cv2.INTER_NEAREST)
        depth = np.where(mm > 0, mm / np.float32(1000), np.nan).astype(np.float32)
        return Shot(image, depth, Camera(self._K, np.linalg.inv(self._poses[i]), w, h))


def moved(shot: Shot, depth: Depth, camera: Camera) -> tuple[Image, Mask]:
    """The shot's picture, lifted by `depth`, as `camera` sees it, and where it is seen at all."""
    blank = np.zeros(depth.shape, bool)
    memory = remember_view(
        SpatialMemory.empty(), Keyframe(shot.image, depth, shot.camera, blank, blank), Provenance.OBSERVED
    )
    seen = render(memory.cloud, camera)
    return resample(seen, camera, [(shot.image, depth, shot.camera)]), seen.coverage


def by_plane(shot: Shot, camera: Camera) -> tuple[Image, Mask]:
    """The shot's picture on a plane that faces it at its median depth."""
    h, w = shot.depth.shape
    T = camera.w2c @ shot.camera.c2w
    normal = np.array([[0, 0, 1 / float(np.nanmedian(shot.depth))]])
    H = camera.K @ (T[:3, :3] + T[:3, 3:] @ normal) @ np.linalg.inv(shot.camera.K)
    picture = cv2.warpPerspective(shot.image, H, (w, h), flags=cv2.INTER_LINEAR)
    return picture, cv2.warpPerspective(np.full((h, w), 255, np.uint8), H, (w, h), flags=cv2.INTER_NEAREST) > 0


def seen_by_both(source: Shot, target: Shot) -> Mask:
    """Pixels of the target whose measured place the source sees too."""
    h, w = target.depth.shape
    known = np.isfinite(target.depth)
    places = target.camera.unproject(np.where(known, target.depth, 1).astype(np.float32)).reshape(-1, 3)
    pixels, z = source.camera.project(places.astype(np.float32))
    x, y = np.floor(np.where((z > 0.05)[:, None], pixels, -1)).T
    inside = known.ravel() & (x >= 0) & (x < w) & (y >= 0) & (y < h)
    out = np.zeros(h * w, bool)
    there = source.depth[y[inside].astype(int), x[inside].astype(int)]
    out[inside] = np.abs(there - z[inside]) < _SAME * z[inside]
    return out.reshape(h, w)


def ramp(image: Image, camera: Camera) -> Depth:
    h, w = image.shape[:2]
    inverse = (np.arange(h, dtype=np.float32) + 0.5)[:, None] / h + 0.02
    return np.broadcast_to(1 / inverse, (h, w)).astype(np.float32)


def fitted(depth: Depth, truth: Depth) -> Depth:
    """An estimate on the scale of the measured depth, within what was measured."""
    out = fit_inverse_depth(depth, truth).apply(depth)
    low, high = np.nanpercentile(truth, [1, 99])
    return np.clip(np.nan_to_num(out, nan=float(high)), 0.5 * low, 1.5 * high).astype(np.float32)


def measure(folder: Path, backend: str) -> dict[str, Any]:
    """All figures of the folder."""
    estimator = registry.create("depth", backend)
    sequence = Sequence(folder)
    estimates: dict[str, Estimate] = {
        "ours": lambda image, camera: estimator.estimate(image, camera.K).depth.depth,
        "ramp": ramp,
    }
    rows: dict[str, list[tuple[float, float]]] = {k: [] for k in (*estimates, "homography", "truth")}
    pairs = 0
    for gap in GAPS:
        for i in np.linspace(0, len(sequence) - 1 - gap, PAIRS).astype(int).tolist() if len(sequence) > gap else ():
            source, target = sequence[i], sequence[i + gap]
            if np.count_nonzero(np.isfinite(source.depth)) < 0.1 * source.depth.size:
                continue
            made = {
                k: moved(source, fitted(f(source.image, source.camera), source.depth), target.camera)
                for k, f in estimates.items()
            }
            made["homography"] = by_plane(source, target.camera)
            visible = seen_by_both(source, target) & np.logical_and.reduce([m for _, m in made.values()])
            made["truth"] = moved(source, source.depth, target.camera)
            visible &= made["truth"][1]
            if visible.mean() < 0.05:
                continue
            pairs += 1
            for k, (picture, _) in made.items():
                rows[k].append(
                    (metrics.psnr(picture, target.image, visible), metrics.ssim(picture, target.image, visible))
                )
    if not pairs:
        raise SystemExit(f"No two frames of {folder} see the same places.")
    means = {k: np.mean(v, 0) for k, v in rows.items()}
    return {
        "backend": backend,
        "pairs": pairs,
        **{k: {"psnr": round(float(m[0]), 2), "ssim": round(float(m[1]), 4)} for k, m in means.items()},
        "better_than_ramp": round(
            float(np.mean([a[0] > b[0] for a, b in zip(rows["ours"], rows["ramp"], strict=True)])), 3
        ),
        "better_than_homography": round(
            float(np.mean([a[0] > b[0] for a, b in zip(rows["ours"], rows["homography"], strict=True)])), 3
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.novel_view", description="One photo seen from another.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--backend", default="nano", choices=registry.names("depth"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    finish(measure(options.folder, options.backend))


if __name__ == "__main__":
    main()
