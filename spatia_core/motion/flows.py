"""Optical flow between frames of known cameras: found on top of what the cameras' motion explains.

A frame is first drawn as the other camera would see it, by the depth and the poses; what flow has to find then is only
what moved by itself. A pan, however fast, leaves nothing, and repeated patterns cannot be mistaken for each other.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

from spatia_core.arrays import Depth, Image, Mask
from spatia_core.camera import Camera
from spatia_core.flow import Flow, consistent, flow_between, pixel_grid, sampled
from spatia_core.motion.film import Film, View

FAR = 1e4
"""Depth, in typical depths of the view, at which a surface of unknown depth is taken to stand."""


def rigid(depth: Depth, a: Camera, b: Camera, turn: np.ndarray) -> tuple[Float[np.ndarray, "h w 3"], Flow]:
    """Where still surfaces seen by `a` are in the frame of `b` corrected by `turn` (4, 4), and their flow."""
    T = turn @ b.w2c @ a.c2w
    p = (a.rays() * depth[..., None]) @ T[:3, :3].T + T[:3, 3]
    with np.errstate(invalid="ignore", divide="ignore"):
        uv = p[..., :2] / np.where(p[..., 2:] > 0, p[..., 2:], np.nan) * b.K[[0, 1], [0, 1]] + b.K[:2, 2]
    return p, (uv - 0.5 - pixel_grid(depth.shape)).astype(np.float32)


def inside(flow: Flow) -> Mask:
    """(h, w) pixels that the flow leads to a place of the other picture."""
    h, w = flow.shape[:2]
    at = pixel_grid((h, w)) + flow
    return np.asarray(((at >= 0) & (at <= [w - 1, h - 1])).all(-1))


def hidden(z: np.ndarray, still: Flow) -> Mask:
    """(h, w) surfaces that would be behind a nearer one of the same frame, seen from the other."""
    h, w = z.shape
    at = np.rint(pixel_grid((h, w)) + still).astype(np.int64)
    seen = ((at >= 0) & (at < [w, h])).all(-1) & (z > 0)
    nearest = np.full(h * w, np.inf)
    place = np.where(seen, at[..., 1] * w + at[..., 0], 0)
    np.minimum.at(nearest, place[seen], z[seen])
    around = cv2.erode(nearest.reshape(h, w), np.ones((3, 3), np.uint8))
    return seen & (z / 1.06 > around.ravel()[place])


def misfit(a: View, b: View, flow: Flow) -> np.ndarray:
    """(h, w) grey levels, mean over a small window, by which `b` where the flow leads lies outside of what is in `a`.

    What leads out of the picture fits.
    """
    low, high = (f(a.image, np.ones((3, 3), np.uint8)).astype(np.float32) for f in (cv2.erode, cv2.dilate))
    soft = cv2.blur(_drawn(a, b, flow), (3, 3)).astype(np.float32)
    off = np.maximum(np.maximum(low - soft, soft - high), 0).max(-1)
    return cv2.blur(off, (5, 5))


def _drawn(a: View, b: View, flow: Flow) -> Image:
    """(h, w, 3) the picture of `b` brought to where `a` sees it by the flow; that of `a` where it leads outside."""
    return np.where(inside(flow)[..., None], sampled(b.image, np.nan_to_num(flow, nan=-1e6)), a.image)


def _expected(a: View, b: View) -> Flow:
    """The flow from `a` to `b` if everything stood still; of what has no depth, the flow of what is far away."""
    assert a.depth is not None
    known = np.isfinite(a.depth) & (a.depth > 0)
    typical = np.float32(np.median(a.depth[known])) if known.any() else np.float32(1)
    _, still = rigid(np.where(known, a.depth, FAR * typical).astype(np.float32), a.camera, b.camera, np.eye(4))
    return np.nan_to_num(still, nan=-1e6)


def _over(a: View, b: View) -> Flow:
    """The flow from `a` to `b`, found between `a` and `b` drawn as `a` would see it."""
    still = _expected(a, b)
    left = flow_between(a.image, _drawn(a, b, still))
    return left + sampled(np.where(inside(still)[..., None], still, np.float32(np.nan)), left)


class Flows:
    """Flows between the frames of a film, found when asked for."""

    def __init__(self, film: Film, depths: Sequence[Depth] | None = None) -> None:
        """depths: of every frame, as good as they are known; None = the flow is found without."""
        self._views = [
            View(film.images[i], film.cameras[i], None if depths is None else depths[i]) for i in range(len(film))
        ]
        self._kept: dict[tuple[int, int], tuple[Flow, Mask]] = {}

    def __call__(self, a: int, b: int) -> tuple[Flow, Mask]:
        """The flow from frame a to frame b and where it can be believed."""
        if (a, b) not in self._kept:
            self._kept[a, b], self._kept[b, a] = _both_ways(self._views[a], self._views[b])
        return self._kept[a, b]

    def forget(self, before: int) -> None:
        """Drops what leads to or from frames before that one, save to their neighbours: a long film has many."""
        self._kept = {k: v for k, v in self._kept.items() if min(k) >= before or abs(k[0] - k[1]) == 1}


def _both_ways(a: View, b: View) -> tuple[tuple[Flow, Mask], tuple[Flow, Mask]]:
    """Flow and where it can be believed, from `a` to `b` and from `b` to `a`."""
    there, back = flow_between(a.image, b.image), flow_between(b.image, a.image)
    if a.depth is None or b.depth is None:
        return (there, consistent(there, back)), (back, consistent(back, there))
    over, over_back = _over(a, b), _over(b, a)
    return _better(a, b, (over, over_back), (there, back)), _better(b, a, (over_back, over), (back, there))


def _better(a: View, b: View, over: tuple[Flow, Flow], plain: tuple[Flow, Flow]) -> tuple[Flow, Mask]:
    """The flow on top of the camera's motion, and the plain one where only that fits: what goes with the camera."""
    good, good_plain = consistent(*over), consistent(*plain)
    fit, fit_plain = misfit(a, b, over[0]), misfit(a, b, plain[0])
    take = good_plain & ((fit_plain + 2 < fit) | (~good & (fit_plain < fit)))
    flow = np.where(take[..., None], plain[0], np.where(np.isfinite(over[0]), over[0], plain[0]))
    return flow.astype(np.float32), good | take
