"""From a photo's size to the size that is worked at, and coordinates between the two."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from spatia_core import arrays
from spatia_core.arrays import Intrinsics
from spatia_core.errors import InvalidInput
from spatia_core.io.images import Photo

WORKING_PIXELS = 832 * 480
WORKING_MULTIPLE = 16
_LONGEST_ASPECT = 4.0

PixelPoints = Float[np.ndarray, "n 2"]


@dataclass(frozen=True, slots=True)
class Fit:
    """Which part of a photo fills the working picture: working = (photo - offset) * scale, both in pixels."""

    photo_size: tuple[int, int]
    """(width, height) of the photo."""
    size: tuple[int, int]
    """(width, height) of the working picture."""

    def __post_init__(self) -> None:
        if min(*self.photo_size, *self.size) < 1:
            raise InvalidInput(f"Cannot fit a picture of {self.photo_size} pixels to {self.size} pixels.")

    @property
    def scale(self) -> float:
        """Working pixels per photo pixel, the same along both axes."""
        return max(self.size[0] / self.photo_size[0], self.size[1] / self.photo_size[1])

    @property
    def offset(self) -> tuple[float, float]:
        """Photo pixel (x, y) at the top left corner of the working picture."""
        x, y = ((p - s / self.scale) / 2 for p, s in zip(self.photo_size, self.size, strict=True))
        return max(0.0, x), max(0.0, y)

    @property
    def window(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the part that is kept, photo pixels."""
        x, y = self.offset
        right, bottom = x + self.size[0] / self.scale, y + self.size[1] / self.scale
        return x, y, min(right, float(self.photo_size[0])), min(bottom, float(self.photo_size[1]))

    def to_working(self, points: PixelPoints) -> PixelPoints:
        """Photo pixels as working pixels."""
        return (points - np.array(self.offset)) * self.scale

    def to_photo(self, points: PixelPoints) -> PixelPoints:
        """Working pixels as photo pixels."""
        return points / self.scale + np.array(self.offset)

    def intrinsics_to_working(self, K: Intrinsics) -> Intrinsics:
        """The photo's K as K of the working picture."""
        out = np.array(K, dtype=np.float64)
        out[:2, 2] -= self.offset
        out[:2] *= self.scale
        return out

    def intrinsics_to_photo(self, K: Intrinsics) -> Intrinsics:
        """K of the working picture as the photo's K."""
        out = np.array(K, dtype=np.float64)
        out[:2] /= self.scale
        out[:2, 2] += self.offset
        return out

    def of_image(self, image: arrays.Image) -> UInt8[np.ndarray, "height width 3"]:
        """The part of a photo-sized picture that is kept, at working size (Lanczos)."""
        self._check(image)
        whole = self.window == (0.0, 0.0, *map(float, self.photo_size))
        if whole and self.size == self.photo_size:
            return image
        picture = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.resize(self.size, Image.Resampling.LANCZOS, box=self.window))

    def of_map(self, values: np.ndarray) -> np.ndarray:
        """The same part of a photo-sized (h, w) depth map or mask at working size, nearest pixel, dtype kept."""
        self._check(values)
        x = self.to_photo(np.stack([np.arange(self.size[0]) + 0.5] * 2, 1))[:, 0]
        y = self.to_photo(np.stack([np.arange(self.size[1]) + 0.5] * 2, 1))[:, 1]
        columns = np.clip(np.floor(x).astype(np.intp), 0, self.photo_size[0] - 1)
        rows = np.clip(np.floor(y).astype(np.intp), 0, self.photo_size[1] - 1)
        return values[rows[:, None], columns]

    def _check(self, values: np.ndarray) -> None:
        if values.shape[:2] != self.photo_size[::-1]:
            raise InvalidInput(
                f"The picture is {values.shape[1]}x{values.shape[0]} pixels, the photo "
                f"{self.photo_size[0]}x{self.photo_size[1]}."
            )

    @classmethod
    def default(cls, photo: Photo) -> Self:
        """The fit to `working_size` of the photo."""
        return cls(photo.size, working_size(*photo.size))


def fit(photo: Photo, width: int, height: int) -> tuple[arrays.Image, Intrinsics | None, Fit]:
    """The photo at exactly width x height, covered and cropped around its centre, its K there, and the mapping."""
    f = Fit(photo.size, (width, height))
    return f.of_image(photo.image), None if photo.K is None else f.intrinsics_to_working(photo.K), f


def working_size(
    width: int, height: int, pixels: int = WORKING_PIXELS, multiple: int = WORKING_MULTIPLE
) -> tuple[int, int]:
    """(width, height) of about `pixels` in the photo's aspect, both sides multiples of `multiple`.

    A photo that is smaller keeps its size (rounded to the multiple). Aspects beyond 4 to 1 are taken as 4 to 1: `fit`
    then crops.
    """
    if width < 1 or height < 1:
        raise InvalidInput(f"A photo of {width}x{height} pixels has no working size.")
    aspect = min(max(width / height, 1 / _LONGEST_ASPECT), _LONGEST_ASPECT)
    w, h = min(width, height * aspect), min(height, width / aspect)
    shrink = min(1.0, math.sqrt(pixels / (w * h)))
    return tuple(max(multiple, round(side * shrink / multiple) * multiple) for side in (w, h))  # type: ignore[return-value]
