"""Value noise that is a function of the place alone: the same in every view, every process, every order of calls."""

import math
from typing import Any

from numba import njit

OPTIONS = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "arcp", "nsz", "nnan", "reassoc"},
}
"""How every kernel of the world is compiled; infinities stay possible (the sky's depth), NaN is not."""

WITHOUT_MEMORY: dict[str, Any] = OPTIONS | {"_nrt": False}
"""For kernels that allocate nothing: numba then counts no references, which is half of their time."""


@njit(inline="always", **WITHOUT_MEMORY)
def cell(ix, iy, iz):  # pragma: no cover - compiled
    """A number in [0, 1] for a cell of the integer grid."""
    h = (ix * 73856093) ^ (iy * 19349663) ^ (iz * 83492791)
    h = (h ^ ((h >> 13) & 0x7FFFF)) * 1274126177
    h = h ^ (h >> 16)
    return (h & 0xFFFF) * (1.0 / 65535.0)


@njit(**WITHOUT_MEMORY)
def value_noise(x, y, z):  # pragma: no cover - compiled
    """Smooth noise in [0, 1] with one cell a unit."""
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    ix, iy, iz = int(fx), int(fy), int(fz)
    x, y, z = x - fx, y - fy, z - fz
    x, y, z = x * x * (3 - 2 * x), y * y * (3 - 2 * y), z * z * (3 - 2 * z)
    a = cell(ix, iy, iz)
    a += x * (cell(ix + 1, iy, iz) - a)
    b = cell(ix, iy + 1, iz)
    b += x * (cell(ix + 1, iy + 1, iz) - b)
    a += y * (b - a)
    c = cell(ix, iy, iz + 1)
    c += x * (cell(ix + 1, iy, iz + 1) - c)
    d = cell(ix, iy + 1, iz + 1)
    d += x * (cell(ix + 1, iy + 1, iz + 1) - d)
    c += y * (d - c)
    return a + z * (c - a)


@njit(**WITHOUT_MEMORY)
def fbm(x, y, z, octaves, foot):  # pragma: no cover - compiled
    """Noise of several octaves, about -1 to 1; octaves finer than `foot`, a pixel's width in cells, fade out."""
    total, amplitude, f = 0.0, 0.5, 1.0
    for o in range(octaves):
        weight = 1.4 - 1.6 * f * foot
        if weight <= 0.0:
            break
        total += amplitude * min(weight, 1.0) * (2 * value_noise(x * f + 17.3 * o, y * f + 3.1 * o, z * f) - 1)
        amplitude *= 0.55
        f *= 2.03
    return total


@njit(inline="always", **WITHOUT_MEMORY)
def frac(x):  # pragma: no cover - compiled
    """What stands behind the point."""
    return x - math.floor(x)


@njit(inline="always", **WITHOUT_MEMORY)
def line(u, width, foot):  # pragma: no cover - compiled
    """1 near whole numbers of `u` (a share `width` of the period), its border as soft as a pixel is wide."""
    if foot > 0.5:
        return width
    distance = abs(frac(u + 0.5) - 0.5)
    return min(1.0, max(0.0, (0.5 * width - distance) / max(foot, 1e-3) + 0.5))
