"""What cameras do to a clean picture: exposure, colour, blur, grain, glare, compression. Depth and masks stay true."""

from dataclasses import dataclass

import cv2
import numpy as np

from spatia_core.arrays import Image


@dataclass(frozen=True, slots=True)
class Degradation:
    """One camera on one day: apply it to every frame of a clip, with another grain each."""

    exposure: float
    """Factor on linear light."""
    balance: tuple[float, float, float]
    """Factors on red, green, blue."""
    contrast: float
    """-1 to 1."""
    saturation: float
    """0 = grey, 1 = as it was."""
    vignette: float
    """Darkening of the corners, 0 to 1."""
    glare: float
    """How much bright places shine over their surroundings, 0 to 1."""
    blur: float
    """Sigma, pixels."""
    motion: tuple[float, float]
    """Smear along x and y, pixels."""
    sharpen: float
    """Share of what a blur of one pixel takes away that is added once more."""
    noise: float
    """Standard deviation of the grain, 0 to 1 of full scale."""
    jpeg: int
    """Quality of the file, 0 = none."""

    def __call__(self, image: Image, seed: int = 0) -> Image:
        """The picture as that camera gives it; `seed` chooses the grain."""
        x = (image.astype(np.float32) / 255) ** 2.2 * self.exposure * np.array(self.balance, np.float32)
        if self.glare > 0:
            bright = np.maximum(x - 0.6, 0)
            x = x + self.glare * cv2.GaussianBlur(bright, (0, 0), 0.06 * image.shape[1])
        x = np.clip(x, 0, 1) ** np.float32(1 / 2.2)
        x = x + self.contrast * x * (1 - x) * (2 * x - 1)
        grey = x.mean(axis=2, keepdims=True)
        x = grey + (x - grey) * self.saturation
        h, w = image.shape[:2]
        if self.vignette > 0:
            y, z = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
            x = x * (1 - self.vignette * (y * y + z * z) / 2)[..., None].astype(np.float32)
        x = self._softened(x.astype(np.float32))
        if self.noise > 0:
            x = x + np.random.default_rng(seed).normal(size=x.shape).astype(np.float32) * np.float32(self.noise)
        out = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
        if self.jpeg:
            _, data = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.jpeg])
            again = cv2.imdecode(data, cv2.IMREAD_COLOR)
            assert again is not None
            out = np.ascontiguousarray(again[..., ::-1])
        return out

    def _softened(self, x: np.ndarray) -> np.ndarray:
        if self.blur > 0:
            x = cv2.GaussianBlur(x, (0, 0), self.blur)
        length = float(np.hypot(*self.motion))
        if length > 1:
            side = 2 * int(np.ceil(length / 2)) + 1
            kernel = np.zeros((side, side), np.float32)
            middle, (dx, dy) = side // 2, self.motion
            a = (round(middle - dx / 2), round(middle - dy / 2))
            cv2.line(kernel, a, (side - 1 - a[0], side - 1 - a[1]), 1.0, 1)
            x = cv2.filter2D(x, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
        if self.sharpen > 0:
            x = x + (x - cv2.GaussianBlur(x, (0, 0), 1.0)) * self.sharpen
        return x


def degradation(seed: int, strength: float = 1.0) -> Degradation:
    """A camera of that seed; `strength` 0 changes nothing, 1 is everyday, 2 is a bad one."""
    rng = np.random.default_rng([71, seed])
    k = float(strength)

    def often(p: float, low: float, high: float) -> float:
        value = rng.uniform(low, high)
        return float(value) * k if rng.random() < p else 0.0

    e, r, g, b = np.exp(rng.normal(size=4) * np.array([0.25, 0.07, 0.03, 0.07]) * k)
    angle = rng.uniform(0, 2 * np.pi)
    smear = often(0.2, 1, 7)
    return Degradation(
        exposure=float(e) * (1 + often(0.08, 0.4, 1.2)) / (1 + often(0.08, 0.5, 2.0)),
        balance=(float(r), float(g), float(b)),
        contrast=float(rng.uniform(-0.5, 0.7)) * k,
        saturation=1 + float(rng.uniform(-0.5, 0.35)) * min(k, 1),
        vignette=often(0.4, 0, 0.45),
        glare=often(0.25, 0.2, 0.9),
        blur=often(0.5, 0.3, 1.1),
        motion=(smear * float(np.cos(angle)), smear * float(np.sin(angle))),
        sharpen=often(0.3, 0.3, 1.0),
        noise=often(0.6, 0.003, 0.03),
        jpeg=int(np.clip(round(100 - k * rng.uniform(5, 60)), 20, 100)) if k > 0 and rng.random() < 0.65 else 0,
    )
