"""Frames made for showing: a wipe that moves, a poster, a small moving preview. Labels are drawn in."""

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from spatia_core.arrays import Image
from spatia_core.errors import InvalidInput

LABELS = ("Original", "Edited")
SECONDS = 4.0
"""Shortest wipe film: shorter clips go on backwards and forwards."""

PREVIEW_SIDE = 384
PREVIEW_FPS = 8

Clip = UInt8[np.ndarray, "t h w 3"]


@cache
def _tag(text: str, height: int) -> tuple[UInt8[np.ndarray, "th tw 3"], Bool[np.ndarray, "th tw"]]:
    """White text on a dark rounded plate, and where the plate is."""
    font = ImageFont.load_default(height * 0.62)
    left, _, right, _ = font.getbbox(text)
    size = round(right - left + height * 0.9), height
    plate = PilImage.new("L", size, 0)
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), height / 2, fill=255)
    picture = PilImage.new("RGB", size, (24, 26, 28))
    ImageDraw.Draw(picture).text((size[0] / 2, size[1] / 2), text, (255, 255, 255), font, anchor="mm")
    return np.asarray(picture), np.asarray(plate) > 127


def _label(picture: np.ndarray, text: str, right: bool) -> None:
    """Writes the text into an upper corner of the picture where there is room for it."""
    h, w = picture.shape[:2]
    height = max(14, round(min(h, 2 * w) / 18))
    tag, plate = _tag(text, height)
    gap = height // 2
    x = w - gap - tag.shape[1] if right else gap
    if x < 0 or x + tag.shape[1] > w or gap + height > h:
        return
    picture[gap : gap + height, x : x + tag.shape[1]][plate] = tag[plate]


Labels = tuple[str, str]


def wiped(before: Image, after: Image, cut: float, labels: Labels | None = LABELS) -> Image:
    """The original left of the line at `cut` (0 to 1 of the width), the edited picture right of it."""
    w = before.shape[1]
    x = round(cut * w)
    one, two = before.copy(), after.copy()
    if labels:
        _label(one[:, :x], labels[0], right=False)
        _label(two[:, x:], labels[1], right=True)
    out = two
    out[:, :x] = one[:, :x]
    if 0 < x < w:
        half = max(1, round(w / 560))
        out[:, max(0, x - half) : x + half] = 255
    return out


def order(frames: int, fps: float, seconds: float = SECONDS) -> np.ndarray:
    """Frame numbers of a film that runs forth and back until it lasts at least `seconds`; a long one runs once."""
    once = np.arange(frames)
    if frames < 2 or frames / fps >= seconds:
        return once if frames > 1 else np.zeros(max(1, round(seconds * fps)), int)
    lap = np.concatenate([once, once[-2:0:-1]])
    laps = int(np.ceil(seconds * fps / len(lap)))
    return np.tile(lap, laps)


def moving_wipe(before: Clip, after: Clip, fps: float, labels: Labels = LABELS) -> Iterator[Image]:
    """Both clips in step while the line travels from right to left and back: first all original, then all edited."""
    if before.shape != after.shape:
        raise InvalidInput("Only clips of one size and length can be wiped.")
    numbers = order(len(before), fps)
    for k, i in enumerate(numbers):
        share = 0.5 - 0.5 * np.cos(2 * np.pi * k / max(len(numbers) - 1, 1))
        # the line rests for a moment at both ends
        yield wiped(before[i], after[i], 1 - float(np.clip(1.16 * share - 0.08, 0, 1)), labels)


def telling_frame(before: Clip, after: Clip) -> int:
    """The frame in which the edit shows most."""
    step = max(1, len(before) // 24)
    differences = [int(cv2.absdiff(before[i], after[i]).sum()) for i in range(0, len(before), step)]
    return step * int(np.argmax(differences))


def poster(before: Clip, after: Clip, labels: Labels = LABELS) -> UInt8[np.ndarray, "poster_h poster_w 3"]:
    """The most telling frame of both clips, one beside the other: stacked where they are wide."""
    i = telling_frame(before, after)
    panels = [before[i].copy(), after[i].copy()]
    for panel, text in zip(panels, labels, strict=True):
        _label(panel, text, right=False)
    h, w = panels[0].shape[:2]
    line = max(2, round(max(h, w) / 200))
    gap = np.full((line, w, 3) if w >= h else (h, line, 3), 255, np.uint8)
    return np.concatenate([panels[0], gap, panels[1]], axis=0 if w >= h else 1)


def preview(before: Clip, after: Clip, fps: float, labels: Labels = LABELS) -> list[PilImage.Image]:
    """The moving wipe small and slow, for places that play no film."""
    scale = min(1.0, PREVIEW_SIDE / max(before.shape[1:3]))
    size = max(1, round(before.shape[2] * scale)), max(1, round(before.shape[1] * scale))
    wanted = max(1, round(fps / PREVIEW_FPS))
    frames = [f for k, f in enumerate(moving_wipe(before, after, fps, labels)) if k % wanted == 0]
    return [PilImage.fromarray(cv2.resize(f, size, interpolation=cv2.INTER_AREA)) for f in frames]
