"""What surfaces look like: colour as a function of the place on the thing, without aliasing."""

import math

from numba import njit

from training.worlds.noise import WITHOUT_MEMORY, cell, fbm, frac, line, value_noise

(PLAIN, CLOUDY, STRIPES, TILES, BRICKS, PLANKS, GRASS, FACADE, PICTURE, PATCHES, MARBLE, CELLS, FOLIAGE, PHOTO) = range(
    14
)

# columns of a material
KIND, C1, C2, C3, SCALE, P1, P2, GRAIN, GLOW, GLOSS, OFFSET, PHOTO_INDEX = 0, 1, 4, 7, 10, 11, 12, 13, 14, 15, 16, 19
COLUMNS = 20


@njit(**WITHOUT_MEMORY)
def _laid(m, kind, U, V, fs):  # pragma: no cover - compiled
    """Patterns that people lay: shares of the second and third colour, and a factor."""
    p1, p2 = m[P1], m[P2]
    k, k3, factor = 0.0, 0.0, 1.0
    if kind == STRIPES:
        k = line(U + 0.15 * p2 * fbm(U * 0.3, V * 0.3, 0.0, 2, fs), p1, fs)
    elif kind == TILES:
        k3 = max(line(U, 0.04, fs), line(V, 0.04, fs))
        a, b = math.floor(U), math.floor(V)
        k = float((a + b) & 1) if p1 > 0.5 else p2 * cell(a, b, 7)
        if fs > 0.45:
            k = 0.5 if p1 > 0.5 else 0.5 * p2
    elif kind == BRICKS:
        v2 = V * 2.0
        row = math.floor(v2)
        u2 = U + 0.5 * (row & 1)
        k3 = max(line(u2, 0.06, fs), line(v2, 0.10, fs * 2))
        k = 0.5 * p2 if fs > 0.5 else p2 * cell(math.floor(u2), row, 3)
    elif kind == PLANKS:
        plank = math.floor(U)
        along = V * 0.25 + cell(plank, 5, 1) * 9
        k3 = p1 * max(line(U, 0.03, fs), line(along, 0.008, fs * 0.25))
        h = cell(plank, math.floor(along), 2)
        k = 0.35 * h + 0.45 + 0.7 * fbm(U * 5 + h * 50, V * 0.35, h * 31, 4, fs * 3)
        k = 0.6 if fs > 0.6 else min(1.0, max(0.0, k))
    elif kind == FACADE:
        a, b = abs(frac(U) - 0.5), abs(frac(V) - 0.5)
        if fs > 0.4:
            k = p1 * p2
        elif a < p1 * 0.5 and b < p2 * 0.5:
            k = 1.0
            k3 = 1.0 if (a > p1 * 0.5 - 0.04 or a < 0.02 or b > p2 * 0.5 - 0.05) else 0.0
            factor = 0.6 + 0.8 * cell(math.floor(U), math.floor(V), 11)
        factor *= 1.0 - 0.25 * line(V, 0.06, fs)
    elif kind == CELLS:
        a, b = math.floor(U), math.floor(V)
        k = p2 * cell(a, b, int(m[OFFSET + 2]))
        k3 = 1.0 if cell(a, b, 77) > p1 else 0.0
        if fs > 0.5:
            k, k3 = 0.5 * p2, 1.0 - p1
    return k, k3, factor


@njit(**WITHOUT_MEMORY)
def _grown(m, kind, U, V, p, fs):  # pragma: no cover - compiled
    """Patterns that grow: shares of the second and third colour, and a factor; `p` is the scaled place."""
    x, y, z = p
    p1, p2, oz = m[P1], m[P2], m[OFFSET + 2]
    k, k3, factor = 0.0, 0.0, 1.0
    if kind == CLOUDY:
        k = 0.5 + p1 * fbm(x, y, z, 5, fs)
    elif kind == GRASS:
        k = 0.5 + p1 * fbm(x * 6, y * 6, z * 6, 5, fs * 6) + 0.7 * fbm(x * 0.15, y * 0.15 + oz, 0.0, 3, fs * 0.15)
        if fs * 9 < 0.6 and value_noise(x * 9, y * 9, 4.0) > 0.86:
            k3 = p2
    elif kind == PICTURE:
        k = 0.5 + 1.3 * fbm(U * 2, V * 2, oz, 4, fs * 2)
        k3 = 1.0 if fbm(U * 1.3 + 9, V * 1.3, oz + 5, 3, fs * 2) > 0.15 else 0.0
    elif kind == PATCHES:
        k = min(1.0, max(0.0, 0.5 + 6.0 * (fbm(x, y, z, 3, fs) - p1)))
    elif kind == MARBLE:
        wave = math.sin(6.28 * (U + 1.5 * fbm(U * 0.7, V * 0.7, oz, 4, fs)))
        k = 0.5 + 0.5 * wave * max(0.0, 1 - 2 * fs)
    elif kind == FOLIAGE:
        k = min(1.0, max(0.0, 0.5 + 1.2 * fbm(x, y, z, 4, fs)))
        factor = 0.45 + 0.9 * k
    return min(1.0, max(0.0, k)), k3, factor


@njit(**WITHOUT_MEMORY)
def _photo(photos, index, U, V, foot, out):  # pragma: no cover - compiled
    """Writes the photo's colour at (U, V), mirrored beyond its borders; photos are (n, levels, side, side, 3)."""
    _, levels, side, _, _ = photos.shape
    level = min(levels - 1, max(0, int(math.log2(max(foot * side, 1.0)) + 0.5)))
    a, b = abs(frac(U * 0.5) * 2 - 1) * (side - 1), abs(frac(V * 0.5) * 2 - 1) * (side - 1)
    j, i = min(side - 2, int(a)), min(side - 2, int(b))
    a, b = a - j, b - i
    picture = photos[index, level]
    for c in range(3):
        top = picture[i, j, c] * (1 - a) + picture[i, j + 1, c] * a
        bottom = picture[i + 1, j, c] * (1 - a) + picture[i + 1, j + 1, c] * a
        out[c] = top * (1 - b) + bottom * b


@njit(**WITHOUT_MEMORY)
def colour(m, photos, uv, place, foot, out):  # pragma: no cover - compiled
    """Writes the linear colour of material `m` at surface coordinates and place (metres, thing's frame)."""
    kind, s = int(m[KIND]), m[SCALE]
    x, y, z = place
    ox, oy, oz = m[OFFSET], m[OFFSET + 1], m[OFFSET + 2]
    U, V, fs = uv[0] * s + ox, uv[1] * s + oy, foot * s
    shade = 1.0
    if m[GRAIN] > 0:
        shade += m[GRAIN] * fbm(x * 3 + ox, y * 3 + oy, z * 3 + oz, 4, foot * 3)
    if kind == PHOTO:
        _photo(photos, int(m[PHOTO_INDEX]), U, V, fs, out)
        for i in range(3):
            out[i] = max(0.0, out[i] * shade)
        return
    k, k3, factor = 0.0, 0.0, 1.0
    if kind in (STRIPES, TILES, BRICKS, PLANKS, FACADE, CELLS):
        k, k3, factor = _laid(m, kind, U, V, fs)
    elif kind != PLAIN:
        k, k3, factor = _grown(m, kind, U, V, (x * s + ox, y * s + oy, z * s + oz), fs)
    for i in range(3):
        c = m[C1 + i] * (1 - k) + m[C2 + i] * k
        out[i] = max(0.0, (c * (1 - k3) + m[C3 + i] * k3) * factor * shade)
