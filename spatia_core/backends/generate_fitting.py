"""What every network generator has to do around its network: sizes, frame counts, prompts, memory, waiting in turn."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from spatia_core.arrays import Image, Mask
from spatia_core.backends.protocols import Conditioning, Progress, ReferenceView
from spatia_core.errors import BackendUnavailable, InvalidInput
from spatia_core.movers import draw
from spatia_core.render import fill_small_holes

LONGEST_PROMPT = 2000
"""Characters; text encoders read some 500 tokens."""
INSTEAD = "The generator 'reproject' works here without a download."


@dataclass(frozen=True, slots=True)
class Canvas:
    """How pictures of the clip's size are brought to a size the network takes, and back."""

    width: int
    """The clip's."""
    height: int
    inner_width: int
    """What the clip's picture becomes before borders are added; smaller only when a preset caps the size."""
    inner_height: int
    outer_width: int
    """What the network sees: rounded up, the border repeated to the right and below."""
    outer_height: int

    @classmethod
    def of(cls, width: int, height: int, multiple: int, most_pixels: int | None = None) -> "Canvas":
        """Resize-free unless the picture has more than `most_pixels`."""
        scale = min(1.0, (most_pixels / (width * height)) ** 0.5) if most_pixels else 1.0
        inner = [max(1, round(side * scale)) for side in (width, height)]
        outer = [-(-side // multiple) * multiple for side in inner]
        return cls(width, height, inner[0], inner[1], outer[0], outer[1])

    @property
    def resizes(self) -> bool:
        """True when pictures are made smaller and enlarged again."""
        return (self.width, self.height) != (self.inner_width, self.inner_height)

    def fit(self, image: Image) -> UInt8[np.ndarray, "rows columns 3"]:
        """The picture as the network sees it."""
        if self.resizes:
            image = cv2.resize(image, (self.inner_width, self.inner_height), interpolation=cv2.INTER_AREA)
        return self._bordered(image)

    def fit_mask(self, mask: Mask) -> Bool[np.ndarray, "rows columns"]:
        """A mask of known pixels as the network sees it; known only where all that falls into a pixel is known."""
        if self.resizes:
            known = mask.astype(np.float32)
            mask = cv2.resize(known, (self.inner_width, self.inner_height), interpolation=cv2.INTER_AREA) > 0.999
        return self._bordered(mask.astype(np.uint8)).astype(bool)

    def fit_grey(self, image: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "rows columns"]:
        """A grey picture as the network sees it."""
        if self.resizes:
            image = cv2.resize(image, (self.inner_width, self.inner_height), interpolation=cv2.INTER_AREA)
        return self._bordered(image)

    def back(self, images: UInt8[np.ndarray, "t rows columns 3"]) -> UInt8[np.ndarray, "t h w 3"]:
        """Frames of the network at the clip's size."""
        images = images[:, : self.inner_height, : self.inner_width]
        if not self.resizes:
            return np.ascontiguousarray(images)
        size = (self.width, self.height)
        return np.stack([cv2.resize(i, size, interpolation=cv2.INTER_CUBIC) for i in images])

    def _bordered(self, array: np.ndarray) -> np.ndarray:
        right, below = self.outer_width - self.inner_width, self.outer_height - self.inner_height
        if not (right or below):
            return array
        pad = ((0, below), (0, right), *((0, 0),) * (array.ndim - 2))
        return np.pad(array, pad, mode="edge")


@dataclass(frozen=True, eq=False, slots=True)
class Strip:
    """The memory along the path as a network sees it: history first, then the new frames, then repeats of the last."""

    images: UInt8[np.ndarray, "t h w 3"]
    """Black where nothing is known."""
    known: Bool[np.ndarray, "t h w"]
    history: int
    """Frames at the beginning that are shown, not made."""
    new: int
    """Frames after them that the clip consists of."""
    first: Image
    """The first frame with all that the memory shows, invented parts included."""
    dynamic: Bool[np.ndarray, "new clip_h clip_w"] | None = None
    """Where things move in the clip's own frames, at its own size; None where nothing does."""

    def __len__(self) -> int:
        return len(self.images)

    def trimmed(self, frames: np.ndarray) -> np.ndarray:
        """The clip's own frames out of all."""
        return frames[self.history : self.history + self.new]


def strip_length(new: int, history: int) -> int:
    """Frames with the padding that makes them 4k + 1."""
    return -(-(new + history - 1) // 4) * 4 + 1


def history_of(conditioning: Conditioning, most: int) -> tuple[ReferenceView, ...]:
    """The newest 4k + 1 views of the history, at most `most`; none when there are none."""
    usable = min(most, len(conditioning.history))
    usable -= (usable - 1) % 4 if usable else 0
    return conditioning.history[len(conditioning.history) - usable :] if usable else ()


def strip_of(
    conditioning: Conditioning, canvas: Canvas, most_history: int, progress: Progress, imagine: bool = False
) -> Strip:
    """Every picture comes out of the conditioning and so from the edited memory; nothing else is looked at.

    imagine: in new frames, what the memory invented is unknown.
    """
    history = history_of(conditioning, most_history)
    cameras = conditioning.cameras
    if not cameras:
        raise InvalidInput("A clip needs at least one camera.")
    total = strip_length(len(cameras), len(history))
    shape = (total, canvas.outer_height, canvas.outer_width)
    images, known = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
    whole = known[0]
    for i, view in enumerate(history):
        image, seen = at_size(view.image, ~np.isnan(view.depth), canvas.width, canvas.height)
        images[i], known[i] = canvas.fit(image), canvas.fit_mask(seen)
    dynamic = np.zeros((len(cameras), canvas.height, canvas.width), bool) if conditioning.movers else None
    for i, camera in enumerate(cameras):
        progress(i / len(cameras), f"Rendering frame {i + 1} of {len(cameras)}")
        shown = conditioning.projections[i]
        picture, seen = shown.rgb, shown.coverage
        if dynamic is not None:  # what moves is not in the memory: it is drawn into what steers the network
            picture, dynamic[i] = draw(shown.rgb, shown.depth, camera, conditioning.movers, i)
            seen = seen | (picture != shown.rgb).any(-1)
        k = len(history) + i
        images[k] = canvas.fit(picture)
        whole = canvas.fit_mask(seen) if k == 0 else whole
        if imagine and conditioning.invented is not None:
            hidden = conditioning.invented[shown.point_index] & shown.coverage
            seen = seen & ~(hidden & (picture == shown.rgb).all(-1))
        known[k] = canvas.fit_mask(seen)
    last = len(history) + len(cameras)
    images[last:], known[last:] = images[last - 1], known[last - 1]
    first = fill_small_holes(images[0], whole)
    images[~known] = 0
    return Strip(images, known, len(history), len(cameras), first, dynamic)


def at_size(
    image: Image, known: Mask, width: int, height: int, scale: float = 1.0
) -> tuple[UInt8[np.ndarray, "rows columns 3"], Bool[np.ndarray, "rows columns"]]:
    """The middle of a picture that may have a margin, `scale` times as large, at exactly this size.

    What would not cover the size is enlarged until it does, its shape kept.
    """
    scale = max(scale, width / image.shape[1], height / image.shape[0])
    if abs(scale - 1) > 1e-3:
        size = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        known = cv2.resize(known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool)
    x, y = (image.shape[1] - width) // 2, (image.shape[0] - height) // 2
    return image[y : y + height, x : x + width], known[y : y + height, x : x + width]


def reference_pictures(conditioning: Conditioning, canvas: Canvas, most: int = 7) -> list[Image]:
    """The reference views at the network's size; what no point shows is filled smoothly from around it.

    A view's margin is cut off and its lens brought to the clip's: things are as large as the clip shows them.
    """
    lens = conditioning.cameras[0].K[0, 0]
    return [filled(view, canvas, lens / view.camera.K[0, 0]) for view in conditioning.references[:most]]


def filled(view: ReferenceView, canvas: Canvas, scale: float = 1.0) -> Image:
    """One view at the network's size without holes."""
    image, known = at_size(view.image, ~np.isnan(view.depth), canvas.width, canvas.height, scale)
    return canvas.fit(fill_small_holes(np.ascontiguousarray(image), np.ascontiguousarray(known)))


def checked_prompt(prompt: str) -> tuple[str, tuple[str, ...]]:
    """The prompt on one line, without control characters, and a note when it was cut."""
    clean = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", prompt).split())
    if len(clean) <= LONGEST_PROMPT:
        return clean, ()
    return clean[:LONGEST_PROMPT], (f"The prompt has {len(clean)} characters; the first {LONGEST_PROMPT} were used.",)


def noise_seed(seed: int, round_index: int, same_every_round: bool = False) -> int:
    """A seed of its own for every round; round 0 keeps the seed as given."""
    if round_index == 0 or same_every_round:
        return seed % 2**63
    return int(np.random.SeedSequence([abs(seed), round_index]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def out_of_memory(error: BaseException) -> bool:
    """True for what torch and Python raise when a card or main memory is full."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "not enough memory" in text)


@contextmanager
def memory_advice(what: str, advice: str, clean_up: Callable[[], None]) -> Iterator[None]:
    """Errors of a full memory become one sentence with advice; `clean_up` runs in that case."""
    try:
        yield
    except (MemoryError, RuntimeError) as e:
        if not out_of_memory(e) or isinstance(e, BackendUnavailable):
            raise
        clean_up()
        raise BackendUnavailable(f"{what} ran out of memory. {advice} What was filmed before is kept. {INSTEAD}") from e


@contextmanager
def in_turn(lock: threading.Lock, progress: Progress) -> Iterator[None]:
    """One clip at a time; who waits is told so and can cancel."""
    while not lock.acquire(timeout=0.5):
        progress(0.0, "Waiting for another clip to be finished")
    try:
        yield
    finally:
        lock.release()
