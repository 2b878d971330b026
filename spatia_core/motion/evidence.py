"""What a pair of frames shows of motion: flow, depth and colour that a still world would not give."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32

from spatia_core.arrays import Depth, Mask
from spatia_core.camera import Camera
from spatia_core.flow import Flow, pixel_grid, sampled
from spatia_core.fusion.carving import free_depth
from spatia_core.motion.film import View
from spatia_core.motion.flows import hidden, inside, misfit, rigid

TOLERATED = 1.0 / 640
"""Disagreement of flow, in widths of the picture, that counts as none; noise of the pair itself comes on top."""

CERTAIN = 3.0
"""Most evidence that one partner frame can give."""

MISFIT = 5.0
"""Grey levels by which pictures must differ where a still surface should show the same."""

THROUGH = 0.08
"""Share of the depth by which a frame must see through a surface to prove that it has moved."""

NEARED = 0.012
"""Share of the depth by which a surface may come nearer or go away unnoticed; noise of the pair comes on top."""

SLIPPED = 0.25
"""Share of the depth from which another depth means another surface: the flow has slipped off the first."""


def _corrected(p: np.ndarray, left: np.ndarray, K: np.ndarray) -> np.ndarray:
    """The small motion (4, 4) of the camera that explains most of what flow is left over (6 unknowns, Huber)."""
    x, y, z = p.T
    one, none = np.ones_like(x), np.zeros_like(x)
    # d(u, v) / d(translation, rotation) of a point in the camera's frame
    du = K[0, 0] * np.stack([one / z, none, -x / z**2, -x * y / z**2, 1 + x**2 / z**2, -y / z], 1)
    dv = K[1, 1] * np.stack([none, one / z, -y / z**2, -1 - y**2 / z**2, x * y / z**2, x / z], 1)
    A, b = np.concatenate([du, dv]), np.concatenate([left[:, 0], left[:, 1]])
    step = np.zeros(6)
    for _ in range(6):
        off = np.hypot(*(b - A @ step).reshape(2, -1))
        spread = 1.4826 * np.median(off) + 1e-3
        w = np.tile(np.minimum(1, spread / (off + 1e-9)) ** 2, 2)
        step = np.linalg.lstsq(A.T @ (A * w[:, None]) + 1e-6 * np.eye(6), A.T @ (w * b), rcond=None)[0]
    T = np.eye(4)
    T[:3, :3] = cv2.Rodrigues(step[3:])[0]
    T[:3, 3] = step[:3]
    return T


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """What one frame shows of motion; 1 = just significant, NaN = cannot tell."""

    flow: Float32[np.ndarray, "h w"]
    """Flow unlike a still world's. It leaks over the outlines of near things and is lost in repeated patterns."""
    sure: Float32[np.ndarray, "h w"]
    """The same where the pictures, too, contradict a still world."""


def _still(a: View, b: View, turn: np.ndarray, slack: float, flow: Flow) -> Flow:
    """The flow of still surfaces; where depth may be wrong by the factor `slack`, the one most like `flow`."""
    assert a.depth is not None
    if slack <= 1:
        return rigid(a.depth, a.camera, b.camera, turn)[1]
    near, far = (rigid(a.depth * np.float32(f), a.camera, b.camera, turn)[1] for f in (1 / slack, slack))
    way = far - near
    along = ((flow - near) * way).sum(-1) / np.maximum((way**2).sum(-1), 1e-9)
    return near + np.clip(along, 0, 1)[..., None] * way


def flow_evidence(a: View, b: View, flow: Flow, good: Mask, slack: float) -> Evidence:
    """The evidence of one pair of frames, from the first one's depth, which may be wrong by the factor `slack`.

    The camera's motion is refined on the flow first, because a pose off by a fraction of a degree moves everything.
    """
    assert a.depth is not None
    p, _ = rigid(a.depth, a.camera, b.camera, np.eye(4))
    still = _still(a, b, np.eye(4), slack, flow)
    usable = good & np.isfinite(still).all(-1)
    at = np.flatnonzero(usable)
    if len(at) < 200:
        nothing = np.full(a.depth.shape, np.nan, np.float32)
        return Evidence(nothing, nothing)
    at = at[:: max(1, len(at) // 4000)]
    turn = _corrected(p.reshape(-1, 3)[at], (flow - still).reshape(-1, 2)[at].astype(np.float64), b.camera.K)
    p, _ = rigid(a.depth, a.camera, b.camera, turn)
    still = np.nan_to_num(_still(a, b, turn, slack, flow), nan=-1e6)
    moved = _significance(np.hypot(*np.moveaxis(flow - still, -1, 0)), flow, usable)
    if_still, as_it_went = misfit(a, b, still), misfit(a, b, flow)
    contradicts = (if_still > MISFIT) & (if_still > 2 * as_it_went)
    moved[1.5 * if_still + 0.5 < as_it_went] = 0  # the flow leads to something else, a still world does not
    # the other frame cannot tell about what it would not show
    moved[hidden(p[..., 2], still) | ~inside(still)] = np.nan
    return Evidence(moved, np.where(contradicts, moved, np.where(np.isnan(moved), moved, 0)))


def epipolar_evidence(flow: Flow, good: Mask, a: Camera, b: Camera) -> np.ndarray:
    """The same without depth: distance of the flow from the line a still surface can only move along."""
    T = b.w2c @ a.c2w
    t = T[:3, 3]
    skew = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    commanded = np.linalg.inv(b.K).T @ skew @ T[:3, :3] @ np.linalg.inv(a.K)
    one = np.ones((*flow.shape[:2], 1))
    p = np.concatenate([pixel_grid(flow.shape[:2]) + 0.5, one], -1)
    q = np.concatenate([p[..., :2] + flow, one], -1)
    at = np.flatnonzero(good)[:: max(1, np.count_nonzero(good) // 3000)]
    refined = None
    if len(at) >= 200:
        pairs = [x.reshape(-1, 3)[at, :2] for x in (p, q)]
        refined, _ = cv2.findFundamentalMat(pairs[0], pairs[1], cv2.USAC_MAGSAC, 0.7, 0.999, 1000)
    best = np.full(flow.shape[:2], np.inf)
    for F in (commanded, refined):
        if F is None or F.shape != (3, 3):
            continue
        line, back = p @ F.T, q @ F
        with np.errstate(invalid="ignore", divide="ignore"):
            norm = np.sqrt((line[..., :2] ** 2).sum(-1) + (back[..., :2] ** 2).sum(-1))
            off = np.abs((q * line).sum(-1)) / norm
        off = np.nan_to_num(off, nan=np.inf)
        if good.any() and np.median(off[good]) < np.median(best[good]):
            best = off
    return _significance(best, flow, good & np.isfinite(best))


def _significance(off: np.ndarray, flow: Flow, usable: Mask) -> np.ndarray:
    if np.count_nonzero(usable) < 200:
        return np.full(off.shape, np.nan, np.float32)
    noise = 1.4826 * np.median(off[usable])
    limit = TOLERATED * off.shape[1] + 3 * noise + 0.02 * np.hypot(flow[..., 0], flow[..., 1])
    return np.where(usable, np.minimum(off / limit, CERTAIN), np.nan).astype(np.float32)


def seen_through(depth: Depth, other: Depth, a: Camera, b: Camera) -> Mask:
    """(h, w) surfaces of `a` that `b`, which measured `other`, sees through: they are no longer there."""
    p, still = rigid(depth, a, b, np.eye(4))
    free = free_depth(other, np.isfinite(other), THROUGH)
    beyond = sampled(free, np.nan_to_num(still, nan=-1e6), nearest=True)
    with np.errstate(invalid="ignore"):
        return (p[..., 2] > 0) & (p[..., 2] < np.nan_to_num(beyond))


def neared(a: View, b: View, flow: Flow, good: Mask) -> np.ndarray:
    """(h, w) evidence that what `a` shows has come nearer or gone away from where a still surface would be in `b`.

    A thing that comes straight towards the camera leaves its place in the picture to nobody and moves in it by almost
    nothing. Both depths are measured; they must contradict a still world both where the flow leads and
    where the flow of a still world would.
    """
    assert a.depth is not None
    assert b.depth is not None
    p, still = rigid(a.depth, a.camera, b.camera, np.eye(4))
    z, still, flow = p[..., 2].astype(np.float32), np.nan_to_num(still, nan=-1e6), np.nan_to_num(flow, nan=-1e6)
    off, if_still = _deeper(z, b.depth, flow), _deeper(z, b.depth, still)
    usable = good & np.isfinite(off) & np.isfinite(if_still) & ~hidden(z, still)
    if np.count_nonzero(usable) < 200:
        return np.full(z.shape, np.nan, np.float32)
    # what sensors measure gets worse with the distance
    noise = 1.4826 * np.percentile((off / z)[usable], 75) * z
    usable &= (off < SLIPPED) & (misfit(a, b, flow) < MISFIT)
    off = np.minimum(off, if_still)
    return np.where(usable, np.minimum(off / (NEARED + 3 * noise), CERTAIN), np.nan).astype(np.float32)


def _deeper(z: Depth, other: Depth, flow: Flow) -> np.ndarray:
    """(h, w) least share by which the other depth differs from `z` around where the flow leads; NaN = unknown."""
    known, window = np.isfinite(other), np.ones((3, 3), np.uint8)
    low = cv2.erode(np.where(known, other, np.inf).astype(np.float32), window)
    high = cv2.dilate(np.where(known, other, -np.inf).astype(np.float32), window)
    there, low, high = (sampled(x, flow, nearest=True) for x in (other, low, high))
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.maximum(np.maximum(low - z, z - high), 0) / z
        return np.where(np.isfinite(there) & (z > 0), off, np.nan)
