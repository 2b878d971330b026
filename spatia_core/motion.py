"""What moves by itself in a film whose camera is known: masks from motion, and a person's mask carried through it.

A still surface moves in the picture as its depth and the camera's motion say, and is never seen through by another
frame. Optical flow that contradicts the first, and depth that contradicts the second, is evidence of motion; it is
gathered over several partner frames, decided with hysteresis, and carried from frame to frame along the flow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import binary_fill_holes

from spatia_core.arrays import Depth, Image, Mask
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.flow import Flow, consistent, flow_between, pixel_grid, sampled
from spatia_core.fusion.carving import free_depth
from spatia_core.fusion.draft import differs
from spatia_core.memory import SpatialMemory
from spatia_core.render import render

TOLERATED = 1.0 / 640
"""Disagreement of flow, in widths of the picture, that counts as none; noise of the pair itself comes on top."""

STRONG, WEAK = 1.0, 0.45
"""Evidence from which a pixel moves, and from which it moves when it is connected to one that does."""

CERTAIN = 3.0
"""Most evidence that one partner frame can give."""

BORDER = 0.008
"""How far a mask is widened, in widths of the picture: outlines of moving things are uncertain."""

SLACK = 1.7
"""Factor by which an estimated depth may be wrong: flow along the line that this leaves open proves nothing."""

SEEDED = 0.15
"""Share of a moving region that must be sure."""

GROWN = 0.03
"""How far, in widths of the picture, a moving region reaches beyond what is sure."""

MISFIT = 5.0
"""Grey levels by which pictures must differ where a still surface should show the same."""

SMALLEST = 4e-4
"""Share of the picture below which a moving region is taken for noise."""

WITNESSES = 10
"""Frames all over a film that are asked whether they see through a surface: slow things take long to leave a place."""

THROUGH = 0.08
"""Share of the depth by which a frame must see through a surface to prove that it has moved."""

HELD = 8
"""Frames for which a thing is still taken to move after it was last seen moving."""


# --- evidence of one pair of frames


def _rigid(depth: Depth, a: Camera, b: Camera, turn: np.ndarray) -> tuple[Float[np.ndarray, "h w 3"], Flow]:
    """Where still surfaces seen by `a` are in the frame of `b` corrected by `turn` (4, 4), and their flow."""
    T = turn @ b.w2c @ a.c2w
    p = (a.rays() * depth[..., None]) @ T[:3, :3].T + T[:3, 3]
    with np.errstate(invalid="ignore", divide="ignore"):
        uv = p[..., :2] / np.where(p[..., 2:] > 0, p[..., 2:], np.nan) * b.K[[0, 1], [0, 1]] + b.K[:2, 2]
    return p, (uv - 0.5 - pixel_grid(depth.shape)).astype(np.float32)


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
class _Evidence:
    """What one frame shows of motion; 1 = just significant, NaN = cannot tell."""

    flow: Float32[np.ndarray, "h w"]
    """Flow unlike a still world's. It leaks over the outlines of near things and is lost in repeated patterns."""
    sure: Float32[np.ndarray, "h w"]
    """The same where the pictures, too, contradict a still world."""


def _still(depth: Depth, ab: tuple[Camera, Camera], turn: np.ndarray, slack: float, flow: Flow) -> Flow:
    """The flow of still surfaces; where depth may be wrong by the factor `slack`, the one most like `flow`."""
    if slack <= 1:
        return _rigid(depth, *ab, turn)[1]
    near, far = (_rigid(depth * np.float32(f), *ab, turn)[1] for f in (1 / slack, slack))
    way = far - near
    along = ((flow - near) * way).sum(-1) / np.maximum((way**2).sum(-1), 1e-9)
    return near + np.clip(along, 0, 1)[..., None] * way


def _flow_evidence(
    depth: Depth, images: tuple[Image, Image], flow: Flow, good: Mask, ab: tuple[Camera, Camera], slack: float
) -> "_Evidence":
    """The evidence of one pair of frames, from the first one's depth, which may be wrong by the factor `slack`.

    The camera's motion is refined on the flow first, because a pose off by a fraction of a degree moves everything.
    """
    (image, other), (a, b) = images, ab
    p, _ = _rigid(depth, a, b, np.eye(4))
    still = _still(depth, (a, b), np.eye(4), slack, flow)
    usable = good & np.isfinite(still).all(-1)
    at = np.flatnonzero(usable)
    if len(at) < 200:
        nothing = np.full(depth.shape, np.nan, np.float32)
        return _Evidence(nothing, nothing)
    at = at[:: max(1, len(at) // 4000)]
    turn = _corrected(p.reshape(-1, 3)[at], (flow - still).reshape(-1, 2)[at].astype(np.float64), b.K)
    p, _ = _rigid(depth, a, b, turn)
    still = np.nan_to_num(_still(depth, (a, b), turn, slack, flow), nan=-1e6)
    moved = _significance(np.hypot(*np.moveaxis(flow - still, -1, 0)), flow, usable)
    if_still, as_it_went = _misfit(image, sampled(other, still)), _misfit(image, sampled(other, flow))
    contradicts = (if_still > MISFIT) & (if_still > 2 * as_it_went)
    moved[1.5 * if_still + 0.5 < as_it_went] = 0  # the flow leads to something else, a still world does not
    hidden = _hidden(p[..., 2], still)
    moved[hidden] = np.nan
    return _Evidence(moved, np.where(contradicts, moved, np.where(np.isnan(moved), moved, 0)))


def _misfit(image: Image, warped: Image) -> np.ndarray:
    """(h, w) grey levels, mean over a small window, by which a warped picture lies outside of what is around here."""
    low, high = (f(image, np.ones((3, 3), np.uint8)).astype(np.float32) for f in (cv2.erode, cv2.dilate))
    soft = cv2.blur(warped, (3, 3)).astype(np.float32)
    off = np.maximum(np.maximum(low - soft, soft - high), 0).max(-1)
    return cv2.blur(off, (5, 5))


def _hidden(z: np.ndarray, still: Flow) -> Mask:
    """(h, w) surfaces that would be behind a nearer one of the same frame, seen from the other."""
    h, w = z.shape
    at = np.rint(pixel_grid((h, w)) + still).astype(np.int64)
    inside = ((at >= 0) & (at < [w, h])).all(-1) & (z > 0)
    nearest = np.full(h * w, np.inf)
    place = np.where(inside, at[..., 1] * w + at[..., 0], 0)
    np.minimum.at(nearest, place[inside], z[inside])
    around = cv2.erode(nearest.reshape(h, w), np.ones((3, 3), np.uint8))
    return inside & (z / 1.06 > around.ravel()[place])


def _epipolar_evidence(flow: Flow, good: Mask, a: Camera, b: Camera) -> np.ndarray:
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


def _seen_through(depth: Depth, other: Depth, a: Camera, b: Camera) -> Mask:
    """(h, w) surfaces of `a` that `b`, which measured `other`, sees through: they are no longer there."""
    p, still = _rigid(depth, a, b, np.eye(4))
    free = free_depth(other, np.isfinite(other), THROUGH)
    beyond = sampled(free, np.nan_to_num(still, nan=-1e6), nearest=True)
    with np.errstate(invalid="ignore"):
        return (p[..., 2] > 0) & (p[..., 2] < np.nan_to_num(beyond))


@dataclass(frozen=True, eq=False, slots=True)
class Film:
    """Pictures whose cameras are known."""

    images: np.ndarray
    """(t, h, w, 3) uint8 RGB."""
    cameras: Sequence[Camera]
    """Tracked camera of every frame."""
    depths: Sequence[Depth] | None = None
    """Measured z-depth of every frame, NaN = unknown; None = what the memory shows, or none at all."""
    fps: float = 24.0
    measured: bool = True
    """False when depths are estimates: what sees through a surface then proves nothing."""

    def __post_init__(self) -> None:
        n = len(self.images)
        if len(self.cameras) != n or (self.depths is not None and len(self.depths) != n):
            raise InvalidInput(f"A film of {n} frames needs {n} cameras, and {n} depth maps or none.")

    def __len__(self) -> int:
        return len(self.images)

    def partners(self, i: int) -> list[int]:
        """Frames to compare frame i with: an eighth and a quarter of a second before and after it."""
        gap = max(1, min(round(self.fps / 8), (len(self) - 1) // 2))
        return [k for k in (i - 2 * gap, i - gap, i + gap, i + 2 * gap) if 0 <= k < len(self)]

    def witnesses(self, i: int) -> list[int]:
        """Frames whose measured depth may see through frame i's surfaces: its partners, and some all over the film."""
        spread = np.round(np.linspace(0, len(self) - 1, min(WITNESSES, len(self)))).astype(int).tolist()
        return sorted({*self.partners(i), *spread} - {i})


def moving_masks(
    film: Film, memory: SpatialMemory | None = None, marked: Mask | None = None
) -> Bool[np.ndarray, "t h w"]:
    """(t, h, w) True where something moves by itself, a little widened.

    memory: stands in for depths where the film has none, and its colours help to complete what was found. marked: a
    person's mask of moving things in frame 0, carried through the film and added to what motion shows.
    """
    evidence = [_evidence(film, i, memory) for i in range(len(film))]
    found = [_decided(e) for e in evidence]
    flows = _Steps(film)
    held = _carried(found, [np.nan_to_num(e.flow, nan=WEAK) >= 0.5 * WEAK for e in evidence], flows)
    out = np.stack([_widened(m) for m in held]) if held else np.zeros(film.images.shape[:3], bool)
    if marked is not None:
        out |= propagated(film.images, marked, flows)
    return out


def _evidence(film: Film, i: int, memory: SpatialMemory | None) -> _Evidence:
    """The evidence of motion in frame i, mean over the partner frames that can tell."""
    camera, image = film.cameras[i], film.images[i]
    depth, unlike = None if film.depths is None else film.depths[i], np.zeros(image.shape[:2], bool)
    if memory is not None and len(memory):
        seen = render(memory.cloud, camera)
        depth = seen.depth if depth is None else depth
        unlike = seen.coverage & differs(image, seen.rgb)
    pairs: list[_Evidence] = []
    gone = np.zeros(image.shape[:2], np.float32)
    for k in film.partners(i):
        flow, back = flow_between(image, film.images[k]), flow_between(film.images[k], image)
        good = consistent(flow, back)
        if depth is None:
            off = _epipolar_evidence(flow, good, camera, film.cameras[k])
            pairs.append(_Evidence(off, off))
        else:
            slack = 1.0 if film.measured else SLACK
            pairs.append(_flow_evidence(depth, (image, film.images[k]), flow, good, (camera, film.cameras[k]), slack))
    if film.depths is not None and film.measured:
        for k in film.witnesses(i):
            gone += _seen_through(film.depths[i], film.depths[k], camera, film.cameras[k])
    proof = np.where(gone > 0, CERTAIN * np.minimum(gone / 2, 1), np.nan)
    flow, sure = (
        np.fmax(_mean([getattr(e, name) for e in pairs], image.shape[:2]), proof) for name in ("flow", "sure")
    )
    # another colour than the memory's proves nothing (a clip may be lit otherwise) but completes what moves
    flow = np.where(unlike, np.fmax(np.nan_to_num(flow), WEAK), flow)
    return _Evidence(flow.astype(np.float32), sure.astype(np.float32))


def _mean(maps: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for m in maps:
        known = np.isfinite(m)
        total[known] += m[known]
        count[known] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _decided(evidence: _Evidence) -> Mask:
    """The mask of the evidence: hysteresis, closed, without specks."""
    shape = evidence.flow.shape
    likely, sure = (cv2.medianBlur(np.nan_to_num(e).astype(np.float32), 5) for e in (evidence.flow, evidence.sure))
    strong, weak = sure >= STRONG, ((likely >= STRONG) | (sure >= WEAK)).astype(np.uint8)
    size = max(3, round(0.02 * shape[1]) | 1)
    r = round(GROWN * shape[1])
    weak &= np.asarray(cv2.dilate(strong.astype(np.uint8), np.ones((2 * r + 1, 2 * r + 1), np.uint8)), np.uint8)
    weak = cv2.morphologyEx(weak, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    parts = np.asarray(labels, np.int32)
    seeds = np.bincount(parts[strong], minlength=count)
    keep = (seeds >= SEEDED * stats[:, cv2.CC_STAT_AREA]) & (seeds >= SMALLEST * likely.size)
    keep[0] = False
    return np.asarray(binary_fill_holes(keep[parts]))


class _Steps:
    """Flows between neighbouring frames, found when asked for."""

    def __init__(self, film: Film) -> None:
        self._images = film.images
        self._kept: dict[tuple[int, int], tuple[Flow, Mask]] = {}

    def __call__(self, a: int, b: int) -> tuple[Flow, Mask]:
        """The flow from frame a to frame b and where it can be believed."""
        if (a, b) not in self._kept:
            there, back = flow_between(self._images[a], self._images[b]), flow_between(self._images[b], self._images[a])
            self._kept[a, b] = there, consistent(there, back)
            self._kept[b, a] = back, consistent(back, there)
        return self._kept[a, b]


def _carried(found: list[Mask], possible: list[Mask], flows: _Steps) -> list[Mask]:
    """Every mask with its neighbours' carried along the flow for up to HELD frames, both ways, where possible."""
    out = [m.copy() for m in found]
    for order in (range(len(found)), range(len(found) - 1, -1, -1)):
        age = np.zeros(found[0].shape, np.int32) if found else None
        previous: Mask | None = None
        last = -1
        for i in order:
            if previous is not None and previous.any() and age is not None:
                flow, good = flows(i, last)
                came = sampled(previous.astype(np.uint8), flow, nearest=True) > 0
                old = sampled(age.astype(np.float32), np.nan_to_num(flow), nearest=True)
                age = np.where(came, np.nan_to_num(old) + 1, 0).astype(np.int32)
                came &= good & possible[i] & (age <= HELD)
                out[i] |= came
            assert age is not None
            age[found[i]] = 0
            previous, last = found[i] | (out[i] & (age > 0)), i
    return out


def _widened(mask: Mask) -> Mask:
    r = max(1, round(BORDER * mask.shape[1]))
    return cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1))) > 0


def propagated(images: np.ndarray, mask: Mask, flows: _Steps | None = None) -> Bool[np.ndarray, "t h w"]:
    """(t, h, w) a mask of frame 0 carried through the film along the optical flow, a little widened.

    Where the flow cannot be believed (something is being uncovered or hidden) a pixel belongs to whichever side its
    colour is nearer to, of the pixels around it that are sure.
    """
    if mask.shape != images.shape[1:3]:
        raise InvalidInput(f"The mask is {mask.shape[::-1]}, the film's frames {images.shape[1:3][::-1]} pixels.")
    flows = flows or _Steps(Film(images, [Camera.from_fov(images.shape[2], images.shape[1], 1.0)] * len(images)))
    masks = [mask]
    for i in range(1, len(images)):
        flow, good = flows(i, i - 1)
        came = sampled(masks[-1].astype(np.uint8), flow, nearest=True) > 0
        masks.append(_by_colour(images[i], came, good))
    return np.stack([_widened(m) for m in masks])


def _by_colour(image: Image, came: Mask, good: Mask) -> Mask:
    """The mask with its doubtful pixels, and those at its border, given to the side whose colours are nearer."""
    if not came.any():
        return came
    lab = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (0, 0), 0.8).astype(np.float32)
    r = max(2, round(0.01 * image.shape[1]))
    window = np.ones((2 * r + 1, 2 * r + 1), np.uint8)
    near = cv2.dilate(came.astype(np.uint8), window) > 0
    core = cv2.erode(came.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    doubtful = near & ~core & ~(good & (cv2.erode((~came).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0))
    if not core.any():
        return came
    size = (8 * r + 1, 8 * r + 1)

    def unlike(side: Mask) -> np.ndarray:
        w = cv2.boxFilter(side.astype(np.float32), -1, size, normalize=False)
        mean = cv2.boxFilter(lab * side[..., None], -1, size, normalize=False) / np.maximum(w, 1e-6)[..., None]
        square = cv2.boxFilter(lab**2 * side[..., None], -1, size, normalize=False) / np.maximum(w, 1e-6)[..., None]
        spread = np.maximum(square - mean**2, 0) + 25.0
        cost = ((lab - mean) ** 2 / spread + np.log(spread)).sum(-1)
        return np.where(w > 5, cost, np.inf)

    inside = unlike(core) < unlike(near & ~core & ~doubtful | (~near & (cv2.dilate(near.astype(np.uint8), window) > 0)))
    out = np.where(doubtful, came & inside | (came & good), came)
    return cv2.medianBlur(out.astype(np.uint8), 3) > 0
