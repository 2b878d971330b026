"""How far a clip can be trusted: numbers over its frames, each with one plain sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from editing.comparison import Comparison
from editing.state import Take
from spatia_core import metrics
from spatia_core.arrays import Image
from spatia_core.camera import Camera
from spatia_core.memory import Provenance
from spatia_core.render import render

SIDE = 416
"""Longer side of the pictures in which points are looked for, pixels."""

LOOKS = 13
"""Frames that are looked at for that; the others lie on the line between."""

LOST = 12.0
"""A point that is not found within this many pixels (of a picture of SIDE) counts as lost."""

TELLING = 12
"""Fewest points for a reprojection error."""

IDENTICAL = 99.0
"""dB from which two clips count as identical."""

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One number over the frames of a clip."""

    name: str
    """For programs: loop, outside, residue, turn, place, reprojection, coverage."""
    title: str
    unit: str
    values: Values
    """One per frame, None where there is nothing to say; empty when nothing was measured at all."""
    sentence: str
    """What it means, for a person."""
    best: Literal["high", "low"] = "low"
    """Which end is good."""
    top: float | None = None
    """The largest possible value, if there is one."""

    @property
    def worst(self) -> tuple[int, float] | None:
        """Frame and value at which it is worst; None without values."""
        known = [(v if self.best == "high" else -v, k) for k, v in enumerate(self.values) if v is not None]
        if not known:
            return None
        frame = min(known)[1]
        value = self.values[frame]
        assert value is not None
        return frame, value


@dataclass(frozen=True, slots=True)
class Trust:
    """All that was measured of one clip."""

    series: tuple[Series, ...]

    def __getitem__(self, name: str) -> Series:
        return next(s for s in self.series if s.name == name)

    def __contains__(self, name: str) -> bool:
        return any(s.name == name for s in self.series)

    @property
    def sentences(self) -> tuple[str, ...]:
        """One per number."""
        return tuple(s.sentence for s in self.series)


def trust(take: Take, unit: float) -> Trust:
    """What can be said about a take; `unit` is the median depth of the scene. Deterministic, takes about a second."""
    out = [*_compared(take.comparison)]
    if take.path.closed and len(take.clip) > 1:
        out.append(_loop(take))
    out += _cameras(take, unit)
    out += _looked_at(take)
    return Trust(tuple(out))


# --- against the original ---------------------------------------------------------------------------------------


def _compared(seen: Comparison | None) -> list[Series]:
    if seen is None or not seen.frames:
        return []
    values = tuple(f.outside_psnr for f in seen.frames)
    same = 1 - seen.edited_share
    if seen.outside_psnr >= IDENTICAL:
        says = f"Outside the edit ({same:.0%} of the picture) both clips are identical."
    else:
        frame = int(np.argmin(values))
        says = (
            f"Outside the edit ({same:.0%} of the picture) both clips agree to {seen.outside_psnr:.0f} dB, worst in "
            f"frame {frame + 1} ({values[frame]:.0f} dB); 40 is hard to tell apart."
        )
    out = [Series("outside", "Outside the edit", "dB", values, says, "high", metrics.PSNR_CAP)]
    if seen.residue is not None:
        left = tuple(None if f.residue is None else 100 * f.residue for f in seen.frames)
        most = max(v for v in left if v is not None)
        says = f"Of the removed thing {seen.residue:.1%} is still to be seen, at most {most:.1f}% in one frame."
        out.append(Series("residue", "Left of the thing", "%", left, says, "low", 100.0))
    return out


# --- back at the start --------------------------------------------------------------------------------------------


def _same_view(a: Camera, b: Camera) -> bool:
    return a.same_lens(b) and np.allclose(a.w2c, b.w2c, atol=1e-4)


def _loop(take: Take) -> Series:
    """Every frame of the way back against the frame of the way out that has its camera."""
    cameras, images = take.clip.cameras, take.clip.images
    values: list[float | None] = [None] * len(cameras)
    middle = len(cameras) // 2
    for k in range(middle + 1, len(cameras)):
        twin = len(cameras) - 1 - k
        if _same_view(cameras[k], cameras[twin]):
            values[k] = metrics.psnr(images[k], images[twin])
    score = metrics.closed_loop(take.clip)
    values[-1] = score.psnr
    like = "identical to" if score.psnr >= IDENTICAL else f"{score.psnr:.0f} dB (SSIM {score.ssim:.2f}) from"
    says = f"Back at the start the picture is {like} the first frame."
    return Series("loop", "Coming back", "dB", tuple(values), says, "high", metrics.PSNR_CAP)


# --- camera -------------------------------------------------------------------------------------------------------


def _cameras(take: Take, unit: float) -> list[Series]:
    tracked, told = take.footage.tracked, take.clip.cameras
    pairs = list(zip(tracked, told, strict=False))
    if len(tracked) != len(told) or all(np.array_equal(a.w2c, b.w2c) for a, b in pairs):
        return []  # nothing was measured; the tracker says so itself
    turns = tuple(metrics.rotation_error(a.w2c, b.w2c) for a, b in pairs)
    places = tuple(100 * metrics.translation_error(a, b) / unit for a, b in pairs)
    return [
        Series(
            "place",
            "Camera off its path",
            "%",
            places,
            f"The camera kept to its path within {max(places):.1f}% of the scene's depth.",
        ),
        Series(
            "turn", "Camera turned off", "degrees", turns, f"It was turned off by at most {max(turns):.2f} degrees."
        ),
    ]


# --- what the memory says the frames should show ----------------------------------------------------------------


def _small(image: UInt8[np.ndarray, "full_h full_w 3"]) -> UInt8[np.ndarray, "small_h small_w 3"]:
    scale = min(1.0, SIDE / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def found_off(expected: Image, image: Image) -> Float[np.ndarray, " n"]:
    """Pixels by which corners of the expected picture are found elsewhere in the image; only those found both ways."""
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (expected, image)]
    corners = cv2.goodFeaturesToTrack(grey[0], 300, 0.01, 6)
    if corners is None:
        return np.zeros(0)
    window = {"winSize": (15, 15), "maxLevel": 2}
    there, ok, _ = cv2.calcOpticalFlowPyrLK(grey[0], grey[1], corners, None, **window)  # type: ignore[call-overload]
    back, again, _ = cv2.calcOpticalFlowPyrLK(grey[1], grey[0], there, None, **window)  # type: ignore[call-overload]
    kept = (ok.ravel() == 1) & (again.ravel() == 1) & (np.linalg.norm(back - corners, axis=-1).ravel() < 0.5)
    off = np.linalg.norm(there - corners, axis=-1).ravel()[kept]
    return off[off < LOST].astype(np.float64)


def _looked_at(take: Take) -> list[Series]:
    memory, frames = take.memory, list(take.clip)
    looks = sorted({round(s * (len(frames) - 1)) for s in np.linspace(0, 1, min(LOOKS, len(frames)))})
    seen = memory.of(Provenance.OBSERVED)
    known, off = [], []
    for k in looks:
        rendering = render(memory.cloud, frames[k].camera)
        index = rendering.point_index
        known.append(100 * float(((index >= 0) & seen[np.maximum(index, 0)]).mean()))
        expected = _small(rendering.rgb)
        distances = found_off(expected, _small(frames[k].image))
        scale = index.shape[1] / expected.shape[1]
        off.append(scale * float(np.median(distances)) if len(distances) >= TELLING else None)
    return [_reprojection(_between(looks, off, len(frames))), _coverage(_between(looks, known, len(frames)))]


def _between(at: Sequence[int], values: Sequence[float | None], frames: int) -> Values:
    """Values for all frames from those at some; None next to a None."""
    filled = np.array([np.nan if v is None else v for v in values])
    return tuple(None if np.isnan(v) else float(v) for v in np.interp(np.arange(frames), at, filled))


def _reprojection(values: Values) -> Series:
    known = [v for v in values if v is not None]
    if known:
        says = (
            f"Points of the memory are seen {float(np.median(known)):.1f} pixels from where they should be, "
            f"{max(known):.1f} in the worst frame."
        )
    else:
        says = "Too little is to be recognised to say whether points are where they should be."
    return Series("reprojection", "Points off their place", "pixels", values if known else (), says)


def _coverage(values: Values) -> Series:
    least = min(v for v in values if v is not None)
    says = f"At least {least:.0f}% of every frame is what the photo saw; the rest was completed."
    if least >= 99.5:
        says = "Every frame shows nothing but what the photo saw."
    return Series("coverage", "Seen by the photo", "%", values, says, "high", 100.0)
