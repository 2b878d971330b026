"""The values a session goes through: source, selection, clips, state. All immutable; undo keeps the old one."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from editing.comparison import Comparison
from editing.edit_log import EditLog
from editing.filming import Footage, Shot
from editing.objects import Objects
from editing.selection import Combination, combine, grown
from editing.timeline import Timeline
from editing.volume_selection import Drawn, InView, Volume
from editing.walking import Walker
from spatia_core.arrays import Image, Mask, read_only
from spatia_core.backends.protocols import DepthPrediction, Prompt, Segmentation
from spatia_core.camera import Camera
from spatia_core.camera_path import CameraPath
from spatia_core.frames import Clip
from spatia_core.io.fitting import Fit
from spatia_core.memory import SpatialMemory
from spatia_core.point_cloud import PointCloud


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """What the session began with."""

    image: Image
    """(h, w, 3) the photo at working size."""
    fit: Fit
    """Photo pixels to working pixels."""
    prediction: DepthPrediction
    """Its depth and lens at working size."""
    name: str
    """The photo's file name, for people."""
    shown_size: tuple[int, int]
    """(width, height) of the photo as its owner sees it, upright; larger than the fit's when it had to be reduced."""
    notes: tuple[str, ...] = ()
    """What was done to the photo on the way in."""

    def to_working(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Pixel coordinates of the photo as shown as working pixels."""
        return self.fit.to_working(points * (np.array(self.fit.photo_size) / np.array(self.shown_size)))

    def window(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the part that is used, pixels of the photo as shown."""
        x, y = np.array(self.shown_size) / np.array(self.fit.photo_size)
        left, top, right, bottom = self.fit.window
        return left * x, top * y, right * x, bottom * y

    def mask_to_working(self, mask: Mask) -> Bool[np.ndarray, "work_h work_w"]:
        """A mask of the photo as shown at working size, nearest pixels."""
        w, h = self.fit.photo_size
        rows = (np.arange(h) + 0.5) * mask.shape[0] / h
        columns = (np.arange(w) + 0.5) * mask.shape[1] / w
        return self.fit.of_map(mask[rows.astype(int)[:, None], columns.astype(int)])

    @property
    def estimated(self) -> bool:
        """True when the depth is an estimate, not given."""
        return self.prediction.depth.source != "given"


@dataclass(frozen=True, slots=True)
class Click:
    """One click, working pixels."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class Picking:
    """A selection in the making; every click gives a new one, so clicks are taken back one by one."""

    clicks: tuple[Click, ...] = ()
    box: tuple[float, float, float, float] | None = None
    candidates: Segmentation | None = None
    """What the segmenter offers for these clicks."""
    choice: int = 0
    """Which of the candidates is taken."""
    base: Mask | None = None
    """The earlier selection that this one is put together with."""
    how: Combination = "replace"
    """How it is put together."""
    grow: int = 0
    """Pixels by which the border is moved outwards."""
    drawn: Mask | None = None
    """A mask given as it is, in place of the segmenter's."""
    solid: Volume | None = None
    """What was selected in space; `drawn` shows where the camera sees it until more is clicked in the picture."""

    @property
    def _own(self) -> Mask | None:
        if self.drawn is not None or self.candidates is None:
            return self.drawn
        return self.candidates.masks[min(self.choice, len(self.candidates.masks) - 1)]

    def volume(self, camera: Camera) -> Volume | None:
        """The selection in space; clicks in the picture, which `camera` took, count for what they show."""
        own = self._own
        if self.solid is not None and (self.drawn is not None or own is None):
            return self.solid
        if self.solid is not None and own is not None:
            return self.solid.then(Drawn(InView(camera, grown(own, self.grow)), self.how))
        mask = self.mask
        return None if mask is None else Volume((Drawn(InView(camera, mask)),))

    @property
    def mask(self) -> Mask | None:
        """(h, w) what is selected, or None before the first click."""
        own = self._own
        if own is None:
            return self.base
        return combine(self.base, grown(own, self.grow), self.how)

    @property
    def prompt(self) -> Prompt:
        """What to ask the segmenter."""
        return Prompt(
            np.array([(c.x, c.y) for c in self.clicks], np.float64).reshape(-1, 2),
            np.array([c.positive for c in self.clicks], bool),
            self.box,
            None if self.candidates is None else self.candidates.masks[self.choice],
        )

    def asked(self, click: Click | None = None, box: tuple[float, float, float, float] | None = None) -> "Picking":
        """The picking with one more click or another box; the segmenter has to be asked again."""
        clicks = self.clicks if click is None else (*self.clicks, click)
        solid = None if self.how == "replace" else self.solid
        return replace(self, clicks=clicks, box=self.box if box is None else box, drawn=None, solid=solid)


@dataclass(frozen=True, eq=False, slots=True)
class Take:
    """A clip with what it was made from."""

    clip: Clip
    """All frames, held by a file."""
    footage: Footage
    """The same, round by round, with the tracked camera and the memory that came out."""
    path: CameraPath
    shot: Shot
    file: Path
    """The mp4."""
    edits: int
    """How many edits it shows; 0 = the original."""
    comparison: Comparison | None = None
    """Against the original of the same path."""
    notes: tuple[str, ...] = ()
    pace: float | None = None
    """Seconds that one frame took; None where it was not measured."""

    @property
    def memory(self) -> SpatialMemory:
        """The memory as it was after filming."""
        return self.footage.memory

    @property
    def coverage(self) -> float:
        """Smallest share of a frame that points covered before completion along the path."""
        return 1 - self.footage.unknown


@dataclass(frozen=True, eq=False, slots=True)
class State:
    """Everything that undo and redo bring back."""

    original: SpatialMemory
    """The memory without any edit."""
    memory: SpatialMemory
    """The memory under the edit log."""
    camera: Camera
    """The view selections are made in: the photo's."""
    log: EditLog = field(default_factory=EditLog)
    walkers: tuple[Walker, ...] = ()
    """What moves in clips of the edited memory and is in no memory."""
    left_open: PointCloud = field(default_factory=PointCloud.empty)
    """Places of the edited memory that only a generator may fill."""
    objects: Objects = field(default_factory=Objects)
    """Selections that were kept under a name."""
    before: Take | None = None
    """Clip of the original memory."""
    after: Take | None = None
    """Clip of the edited memory on the same path; None until an edit was regenerated."""
    keys: Timeline | None = None
    """The camera path in the making; None while a move by name or a file is chosen."""


def frozen_clip(images: np.ndarray, clip: Clip) -> Clip:
    """The clip with its pictures held by `images` (a memory-mapped file, so that sessions stay small)."""
    return replace(clip, images=read_only(images, np.uint8))
