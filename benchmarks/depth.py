"""How right the depth of one photo is: python -m benchmarks.depth DIR [--backend NAME].

DIR holds `NAME.jpg` (or .png) with `NAME.npy` (float32 z-depth, NaN = none) or `NAME.disparity.npy`, optionally
`NAME.K.txt` (fx fy cx cy). Estimates are aligned by scale and shift in inverse depth, least squares, as is everything
that they are compared with in the same run:

- constant: one depth everywhere;
- ramp: inverse depth grows evenly from the top to the bottom;
- layout: a horizon found from the photo's lines, ground below it, things standing upright where the ground ends, sky.

`edge2px` is the share of the estimate's depth-edge pixels within 2 pixels of an image edge. `better_than_ramp` counts
images with a smaller AbsRel.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float

from benchmarks.reporting import finish
from spatia_core.arrays import Image, Mask
from spatia_core.backends import registry

Inverse = Float[np.ndarray, "h w"]
ENDINGS = (".jpg", ".jpeg", ".png")
_EDGE = 0.10
"""Change of log depth between neighbours that is a depth edge."""


@dataclass(frozen=True, eq=False, slots=True)
class Example:
    """A photo, its true inverse depth (NaN = unknown) and lens."""

    name: str
    image: Image
    inverse: Inverse
    K: np.ndarray | None


def examples(folder: Path) -> list[Example]:
    """All photos of the folder that have depth; raises SystemExit when there is none."""
    found = [_example(f) for f in sorted(folder.iterdir()) if f.suffix.lower() in ENDINGS and _truth_of(f)]
    if not found:
        raise SystemExit(f"No photo with depth (NAME.jpg with NAME.npy or NAME.disparity.npy) in {folder}.")
    return found


def read_photo(file: Path) -> Image:
    """The pixels as they lie in the file: truth was measured on those."""
    image = cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise SystemExit(f"{file.name} cannot be read as a picture.")
    return np.ascontiguousarray(image[..., ::-1])


def _truth_of(file: Path) -> Path | None:
    for ending in (".npy", ".disparity.npy"):
        if (path := file.with_suffix(ending)).exists():
            return path
    return None


def _example(file: Path) -> Example:
    image = read_photo(file)
    path = _truth_of(file)
    assert path is not None
    truth = np.load(path).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = truth if path.name.endswith(".disparity.npy") else 1 / truth
    inverse[~np.isfinite(inverse) | (inverse <= 0)] = np.nan
    if inverse.shape != image.shape[:2]:
        inverse = cv2.resize(inverse, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_NEAREST)
    lens = file.with_suffix(".K.txt")
    K = None
    if lens.exists():
        fx, fy, cx, cy = np.loadtxt(lens).ravel()[:4]
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return Example(file.stem, image, inverse, K)


def score(estimate: Inverse, truth: Inverse) -> tuple[float, float]:
    """(AbsRel, share within a factor of 1.25) of depth after the best scale and shift of inverse depth."""
    known = np.isfinite(truth)
    e, t = estimate[known], truth[known]
    spread = e - e.mean()
    variance = float((spread**2).mean())
    slope = float((spread * t).mean()) / variance if variance > 1e-12 * float(e.mean() ** 2) else 0.0
    aligned = t.mean() + slope * spread
    depth = 1 / np.maximum(aligned, 0.02 * np.median(t))
    true_depth = 1 / t
    ratio = np.maximum(depth / true_depth, true_depth / depth)
    return float(np.mean(np.abs(depth - true_depth) / true_depth)), float(np.mean(ratio < 1.25))


def edge_share(depth: np.ndarray, image: Image) -> float:
    """Share of depth-edge pixels that lie within 2 pixels of an edge of the photo; NaN without depth edges."""
    log = np.log(depth)
    edge = np.zeros(depth.shape, bool)
    edge[:, 1:] |= np.abs(np.diff(log, axis=1)) > _EDGE
    edge[1:] |= np.abs(np.diff(log, axis=0)) > _EDGE
    if not edge.any():
        return float("nan")
    seen = cv2.Canny(cv2.GaussianBlur(image, (0, 0), 1.0), 40, 100)
    near = cv2.dilate(seen, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))) > 0
    return float(near[edge].mean())


def constant(image: Image) -> Inverse:
    return np.ones(image.shape[:2])


def ramp(image: Image) -> Inverse:
    h, w = image.shape[:2]
    return np.broadcast_to(((np.arange(h) + 0.5) / h)[:, None], (h, w))


def layout(image: Image) -> Inverse:
    """Sky, ground below a horizon, and everything else upright where the ground below it ends."""
    h, w = 240, 320
    small = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(cv2.bilateralFilter(small, 5, 30, 5), cv2.COLOR_RGB2LAB).astype(np.float32)
    horizon = _horizon(small)
    rows = np.broadcast_to(np.arange(h, dtype=np.float32)[:, None], (h, w))
    floor = np.maximum(rows - horizon, 0.02 * h) / h
    ground = _like_the_border(lab, lab[-8:], 22.0, from_top=False) & (rows > horizon)
    sky = _like_the_border(lab, lab[:6], 20.0, from_top=True) & (rows < horizon) & (lab[..., 0] > 140)
    foot = np.full(w, float(h - 1), np.float32)
    contact = np.zeros((h, w), np.float32)
    for y in range(h - 1, -1, -1):
        foot = np.where(ground[y] | (y > 0.85 * h), y, foot)
        contact[y] = foot
    upright = np.maximum(contact - horizon, 0.03 * h) / h
    inverse = np.where(ground, floor, upright)
    inverse[sky] = 0
    return cv2.resize(inverse + 0.01, (image.shape[1], image.shape[0])).astype(np.float64)


def _like_the_border(lab: np.ndarray, border: np.ndarray, reach: float, from_top: bool) -> Mask:
    """Pixels of the border's median colour that hang together with it."""
    like = (np.abs(lab - np.median(border.reshape(-1, 3), 0)) * np.array([0.5, 1.3, 1.3])).sum(2) < reach
    closed = cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    labels = cv2.connectedComponents(closed)[1]
    touching = np.unique(labels[0 if from_top else -1])
    return np.isin(labels, touching[touching > 0])


def _horizon(image: Image) -> float:
    """Row where slanted lines meet most often, near the middle when they do not say."""
    h, w = image.shape[:2]
    edges = cv2.Canny(image, 60, 150)
    lines = cv2.HoughLinesP(edges, 1, np.pi / 180, 30, minLineLength=w * 0.1, maxLineGap=4)
    rows = np.arange(h)
    votes = np.zeros(h)
    if lines is not None:
        ends = np.reshape(lines, (-1, 4)).astype(float)[:60]
        slope = np.abs(np.degrees(np.arctan2(ends[:, 3] - ends[:, 1], ends[:, 2] - ends[:, 0])))
        ends = ends[(np.minimum(slope, 180 - slope) > 5) & (np.minimum(slope, 180 - slope) < 70)]
        ones = np.ones(len(ends))
        through = np.cross(np.column_stack([ends[:, :2], ones]), np.column_stack([ends[:, 2:], ones]))
        for i in range(len(through) - 1):
            p = np.cross(through[i], through[i + 1 :])
            p = p[np.abs(p[:, 2]) > 1e-6]
            meets = (p[:, 1] / p[:, 2])[np.abs(p[:, 0] / p[:, 2] - w / 2) < w]
            votes += np.exp(-0.5 * ((meets[:, None] - rows) / (0.03 * h)) ** 2).sum(0)
    votes = (votes + 0.15 * votes.max() + 1e-6) * np.exp(-0.5 * ((rows / h - 0.45) / 0.16) ** 2)
    return float(votes.argmax())


BASELINES: dict[str, Callable[[Image], Inverse]] = {"constant": constant, "ramp": ramp, "layout": layout}


def measure(folder: Path, backend: str) -> dict[str, Any]:
    """All figures of the folder's photos."""
    estimator = registry.create("depth", backend)
    photos = examples(folder)
    estimator.estimate(photos[0].image, photos[0].K)  # loading and compiling are not timed
    rows: dict[str, list[tuple[float, float]]] = {k: [] for k in ("ours", *BASELINES)}
    edges, seconds = [], []
    for photo in photos:
        started = time.perf_counter()
        depth = estimator.estimate(photo.image, photo.K).depth.depth
        seconds.append(time.perf_counter() - started)
        depth = np.where(np.isfinite(depth), depth, np.nanmax(depth)).astype(np.float64)
        rows["ours"].append(score(1 / depth, photo.inverse))
        edges.append(edge_share(depth, photo.image))
        for name, baseline in BASELINES.items():
            rows[name].append(score(baseline(photo.image), photo.inverse))
    table = {k: np.array(v) for k, v in rows.items()}
    return {
        "backend": backend,
        "images": len(photos),
        **_means(table["ours"]),
        "better_than_ramp": round(float((table["ours"][:, 0] < table["ramp"][:, 0]).mean()), 3),
        **{name: _means(table[name]) for name in BASELINES},
        "edge2px": round(float(np.nanmean(edges)), 3) if np.isfinite(edges).any() else None,
        "seconds": round(float(np.median(seconds)), 3),
        "each": {p.name: [round(v, 4) for v in r] for p, r in zip(photos, rows["ours"], strict=True)},
    }


def _means(rows: np.ndarray) -> dict[str, float]:
    absrel, delta1 = rows.mean(0)
    return {"delta1": round(float(delta1), 4), "absrel": round(float(absrel), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description="Depth of photos against truth.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--backend", default="nano", choices=registry.names("depth"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    finish(measure(options.folder, options.backend))


if __name__ == "__main__":
    main()
