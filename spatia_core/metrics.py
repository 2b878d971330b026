"""Numbers that judge pictures, edits, loops and tracked cameras."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from spatia_core import se3
from spatia_core.arrays import Image, Mask, Pose
from spatia_core.camera import Camera
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip

PSNR_CAP = 100.0
"""What equal pictures score, dB."""

VISIBLE_CHANGE = 24
"""The removed thing counts as visible where it differs from the background by more than this, grey levels of 255."""

STILL_THERE = 8
"""A pixel still shows the removed thing when it lies within this of the old picture, grey levels of 255."""

Pictures = UInt8[np.ndarray, "*t h w 3"]
Masks = Bool[np.ndarray, "*t h w"]


def psnr(a: Pictures, b: Pictures, mask: Masks | None = None) -> float:
    """Peak signal-to-noise ratio in dB over the masked pixels of all frames, at most 100; NaN for an empty mask."""
    _same_shape(a, b)
    if mask is None:
        error = _squared_error(a, b)
    elif mask.any():
        error = _squared_error(a[mask], b[mask])
    else:
        return float("nan")
    return psnr_of(error)


def psnr_of(mean_squared_error: float) -> float:
    """PSNR in dB of an error given in squared grey levels, at most 100."""
    return PSNR_CAP if mean_squared_error == 0 else float(min(PSNR_CAP, 10 * np.log10(255.0**2 / mean_squared_error)))


def ssim(a: Image, b: Image, mask: Mask | None = None) -> float:
    """Mean structural similarity over the masked pixels, averaged over channels; NaN for an empty mask.

    Wang, Bovik, Sheikh and Simoncelli 2004: Gaussian window of 11 pixels, sigma 1.5, K1 = 0.01, K2 = 0.03. Without a
    mask the border of 5 pixels is left out, as the authors' program does; a masked pixel there sees mirrored pixels.
    """
    _same_shape(a, b)
    if min(a.shape[:2]) < 11:
        raise InvalidInput(f"SSIM needs pictures of at least 11x11 pixels, got {a.shape[1]}x{a.shape[0]}.")
    values = _ssim_map(a.astype(np.float64), b.astype(np.float64)).mean(axis=2)
    if mask is None:
        return float(values[5:-5, 5:-5].mean())
    return float(values[mask].mean()) if mask.any() else float("nan")


def _ssim_map(x: Float[np.ndarray, "h w 3"], y: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    def mean(v: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(v, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return ((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))


def outside_psnr(before: Pictures, after: Pictures, edited: Masks) -> float:
    """PSNR in dB where the edit had no business: over the pixels that `edited` leaves out."""
    return psnr(before, after, ~edited)


def residue(before: Pictures, background: Pictures, after: Pictures, seen: Masks) -> float:
    """The share of a removed thing's visible pixels that still look as before the removal, 0 to 1.

    Counted are the pixels where the thing was `seen` and differs from the completed `background` by more than 24 of
    255 in some channel; a pixel is residue when `after` lies within 8 of `before` in every channel. 0 when nothing of
    the thing can be told from the background.
    """
    for other in (background, after):
        _same_shape(before, other)
    telling = seen & (_largest_difference(before, background) > VISIBLE_CHANGE)
    if not telling.any():
        return 0.0
    return float((_largest_difference(before, after)[telling] <= STILL_THERE).mean())


@dataclass(frozen=True, slots=True)
class LoopScore:
    """How well the last frame of a clip repeats its first, for a path that comes back."""

    psnr: float
    """dB, at most 100."""
    ssim: float
    """-1 to 1."""


def closed_loop(clip: Clip) -> LoopScore:
    """Last frame against first frame; raises InvalidInput when the clip's path does not come back."""
    first, last = clip.cameras[0], clip.cameras[-1]
    if len(clip) < 2 or not (np.allclose(first.w2c, last.w2c, atol=1e-4) and first.same_lens(last)):
        raise InvalidInput("The closed-loop score needs a clip whose last camera is its first one again.")
    return LoopScore(psnr(clip.images[0], clip.images[-1]), ssim(clip.images[0], clip.images[-1]))


def match_accuracy(first: Image, last: Image, ratio: float = 0.8) -> float:
    """The share of the first picture's features that are found again in the last, 0 to 1; NaN without features.

    SIFT with mutual nearest neighbours and Lowe's ratio test, divided by how many features of the first picture are
    told apart within it in the same way. Spatia (table 3) counts dense RoMa matches instead: not the same scale.
    """
    _same_shape(first, last)
    sift = cv2.SIFT.create(2000)
    (_, a), (_, b) = (sift.detectAndCompute(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), None) for p in (first, last))
    if a is None or len(a) < 2:
        return float("nan")
    return 0.0 if b is None or len(b) < 2 else min(1.0, _matched(a, b, ratio) / max(_matched(a, a, ratio), 1))


def _matched(a: np.ndarray, b: np.ndarray, ratio: float) -> int:
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    forth, back = matcher.knnMatch(a, b, k=2), matcher.match(b, a)
    nearest = {m.queryIdx: m.trainIdx for m in back}
    return sum(m.distance <= ratio * n.distance and nearest[m.trainIdx] == m.queryIdx for m, n in forth)


def rotation_error(a: Pose, b: Pose) -> float:
    """Angle between the rotations of two poses, degrees."""
    return float(np.rad2deg(np.linalg.norm(se3.so3_log(a[:3, :3].T @ b[:3, :3]))))


def translation_error(a: Camera, b: Camera) -> float:
    """Distance between the places of two cameras, scene units."""
    return float(np.linalg.norm(a.centre - b.centre))


def _same_shape(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape:
        raise InvalidInput(f"Pictures to compare must have one shape, got {a.shape} and {b.shape}.")


def _squared_error(a: np.ndarray, b: np.ndarray) -> float:
    difference = a.astype(np.int32) - b
    return float(np.mean(difference * difference, dtype=np.float64))


def _largest_difference(a: Pictures, b: Pictures) -> np.ndarray:
    return np.abs(a.astype(np.int16) - b).max(axis=-1)
