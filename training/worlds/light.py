"""Ground, sky and light: what a ray finally sees. Colours are linear until `developed`."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from training.worlds.noise import WITHOUT_MEMORY, fbm, value_noise
from training.worlds.solids import FAR, LEAF_CUT, MATERIAL, surface
from training.worlds.textures import GLOSS, GLOW, colour
from training.worlds.tree import blocked, nearest

GROUND, NOTHING = -2, -1
"""What a ray met when it was no solid."""


class Arrays(NamedTuple):
    """All of a scene, as kernels read it."""

    solids: np.ndarray
    materials: np.ndarray
    outlines: np.ndarray
    photos: np.ndarray
    nodes: np.ndarray
    order: np.ndarray
    glows: np.ndarray
    """(n,) bool: the solid throws no shadow."""
    ground: np.ndarray
    """0 on, 1:13 three waves (height, kx, ky, phase), 13 rise, 14 from where, 15 material, 16 material of a track or
    -1, 17:20 its line ax + by + c = 0, 20 half width, 21 wobble."""
    sky: np.ndarray
    """0:3 horizon, 3:6 zenith, 6 clouds, 7 their scale, 8 seed, 9:12 their colour, 12 glow around the sun."""
    sun: np.ndarray
    """0:3 towards the sun, 3 strength, 4:7 colour."""
    lamps: np.ndarray
    """(n, 7) place, strength, colour."""
    air: np.ndarray
    """0:3 light from everywhere, 3 share of it from below, 4 reach of corner shade, 5 fog, 6 exposure, 7 contrast."""
    tone: np.ndarray
    """See `tone_curve`."""
    stack: np.ndarray
    """Scratch of the tree's kernels, one per rendering, as is `entry`."""
    entry: np.ndarray
    haze: np.ndarray
    colour: np.ndarray


@njit(**WITHOUT_MEMORY)
def ground_height(g, x, y):  # pragma: no cover - compiled
    """The ground's height at (x, y)."""
    z = 0.0
    for k in range(1, 13, 4):
        if g[k] != 0:
            z += g[k] * math.sin(g[k + 1] * x + g[k + 2] * y + g[k + 3])
    if g[13] > 0 and y > g[14]:
        z += g[13] * (y - g[14]) ** 1.3
    return z


@njit(**WITHOUT_MEMORY)
def ground_hit(g, o, d, far):  # pragma: no cover - compiled
    """Where the ray meets the ground before `far`, or FAR."""
    high = abs(g[1]) + abs(g[5]) + abs(g[9])
    if high == 0 and g[13] == 0:
        t = -o[2] / d[2] if d[2] != 0 else FAR
        return t if 0 < t < far else FAR
    t = 0.03
    if g[13] == 0:
        if d[2] >= 0 and o[2] > high:
            return FAR
        if d[2] < 0 and o[2] > high:
            t = max(t, 0.98 * (high + 0.005 - o[2]) / d[2])
    last, above = t, o[2] + t * d[2] - ground_height(g, o[0] + t * d[0], o[1] + t * d[1])
    for _ in range(90):
        if t > far:
            return FAR
        t += max(0.02 + 0.03 * t, 0.6 * above)
        z = o[2] + t * d[2] - ground_height(g, o[0] + t * d[0], o[1] + t * d[1])
        if z <= 0:
            for _ in range(30):
                m = 0.5 * (last + t)
                if o[2] + m * d[2] > ground_height(g, o[0] + m * d[0], o[1] + m * d[1]):
                    last = m
                else:
                    t = m
            return t if t < far else FAR
        last, above = t, z
    return FAR


@njit(**WITHOUT_MEMORY)
def sky_colour(s, sun, d, out):  # pragma: no cover - compiled
    """Writes the colour of the sky in direction `d`."""
    k = max(0.0, d[2]) ** 0.6
    cloud = 0.0
    if s[6] > 0 and d[2] > 0.01:
        q = s[7] / (d[2] + 0.08)
        n = fbm(d[0] * q + s[8], d[1] * q, s[8], 5, 0.003 * q / (d[2] + 0.08))
        cloud = min(1.0, max(0.0, (n - 0.35 + s[6]) * 2.2)) * min(1.0, d[2] * 6)
    glow = s[12] * max(0.0, d[0] * sun[0] + d[1] * sun[1] + d[2] * sun[2]) ** 24
    for i in range(3):
        out[i] = (s[i] * (1 - k) + s[3 + i] * k) * (1 - cloud) + s[9 + i] * cloud + glow


@njit(**WITHOUT_MEMORY)
def meet(a, o, d):  # pragma: no cover - compiled
    """(t, what, face): the first thing on the ray; what is a solid's index, GROUND or NOTHING."""
    t, which, face = nearest(a, o, d, 1e-4, FAR)
    if a.ground[0] > 0:
        g = ground_hit(a.ground, o, d, min(t, 900.0))
        if g < t:
            return g, GROUND, 2
    return t, which, face


@njit(**WITHOUT_MEMORY)
def _place(a, which, face, p):  # pragma: no cover - compiled
    """(material, normal, surface coordinates, place on the thing) where the ray met something at scene place `p`."""
    if which == GROUND:
        g, e = a.ground, 0.02
        nx = (ground_height(g, p[0] - e, p[1]) - ground_height(g, p[0] + e, p[1])) / (2 * e)
        ny = (ground_height(g, p[0], p[1] - e) - ground_height(g, p[0], p[1] + e)) / (2 * e)
        q = 1 / math.sqrt(nx * nx + ny * ny + 1)
        m = int(g[15])
        if g[16] >= 0 and abs(g[17] * p[0] + g[18] * p[1] + g[19] + g[21] * math.sin(0.15 * p[1] + g[4])) < g[20]:
            m = int(g[16])
        return m, (nx * q, ny * q, q), (p[0], p[1]), p
    s = a.solids
    here = (p[0] - s[which, 1], p[1] - s[which, 2], p[2] - s[which, 3])
    normal, uv, place = surface(s, which, a.outlines, face, here)
    if s[which, LEAF_CUT] > -1:  # leaves look every way
        x, y, z = place
        nx = normal[0] + value_noise(x * 7, y * 7, z * 7) - 0.5
        ny = normal[1] + value_noise(x * 7 + 50, y * 7, z * 7) - 0.5
        nz = normal[2] + value_noise(x * 7, y * 7 + 50, z * 7) - 0.3
        q = 1 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
        normal = (nx * q, ny * q, nz * q)
    return int(s[which, MATERIAL]), normal, uv, place


@njit(inline="always", **WITHOUT_MEMORY)
def _dot(a, b):  # pragma: no cover - compiled
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(**WITHOUT_MEMORY)
def _lit(a, n, p, r, shadows):  # pragma: no cover - compiled
    """(red, green, blue, shine): diffuse light of sun and lamps, and what of it is mirrored along `r`."""
    red, green, blue, shine = 0.0, 0.0, 0.0, 0.0
    sun, lamps = a.sun, a.lamps
    towards = (sun[0], sun[1], sun[2])
    facing = _dot(n, towards)
    if sun[3] > 0 and facing > 0 and (not shadows or blocked(a, p, towards, 200.0) >= 200.0):
        facing *= sun[3]
        red, green, blue = facing * sun[4], facing * sun[5], facing * sun[6]
        shine += sun[3] * max(0.0, _dot(r, towards)) ** 30
    for k in range(len(lamps)):
        v = (lamps[k, 0] - p[0], lamps[k, 1] - p[1], lamps[k, 2] - p[2])
        r2 = _dot(v, v)
        far = math.sqrt(r2) + 1e-9
        v = (v[0] / far, v[1] / far, v[2] / far)
        strength = lamps[k, 3] / (1.2 + 0.35 * r2)
        facing = _dot(n, v) * strength
        if facing < 0.004 or (shadows and blocked(a, p, v, far - 0.05) < far - 0.05):
            continue
        red, green, blue = red + facing * lamps[k, 4], green + facing * lamps[k, 5], blue + facing * lamps[k, 6]
        shine += strength * max(0.0, _dot(r, v)) ** 30
    return red, green, blue, shine


@njit(**WITHOUT_MEMORY)
def _open(a, which, n, p):  # pragma: no cover - compiled
    """How much of the light from everywhere reaches `p`, 0.35 to 1: less in corners and under things."""
    reach = a.air[4]
    if reach <= 0:
        return 1.0
    free = 1.0
    # one ray out and up: a function of the place alone, so that all views agree
    v = (n[0] + 0.11, n[1] - 0.17, n[2] + 0.45)
    q = 1 / math.sqrt(_dot(v, v) + 1e-12)
    v = (v[0] * q, v[1] * q, v[2] * q)
    if _dot(v, n) > 0.1:
        free = blocked(a, p, v, reach) / reach
    if a.ground[0] > 0 and which != GROUND:
        above = (p[2] - ground_height(a.ground, p[0], p[1])) / reach
        free = min(free, 0.6 + 0.4 * min(1.0, max(0.0, above)))
    return 0.4 + 0.6 * min(free, 1.0)


@njit(**WITHOUT_MEMORY)
def seen(a, o, d, meeting, pixel, shadows, out):  # pragma: no cover - compiled
    """Writes the linear colour of what the ray met; `pixel` is a pixel's angle, radians."""
    t, which, face = meeting
    if which == NOTHING:
        sky_colour(a.sky, a.sun, d, out)
        return
    p = (o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2])
    index, n, uv, place = _place(a, which, face, p)
    m = a.materials[index]
    cosine = -_dot(n, d)
    if cosine < 0:
        n, cosine = (-n[0], -n[1], -n[2]), -cosine
    colour(m, a.photos, uv, place, t * pixel / max(0.12, cosine), out)
    if m[GLOW] > 0.5:
        for i in range(3):
            out[i] *= m[GLOW]
        return
    lift = 0.003 * (1 + 0.1 * t)
    q = (p[0] + n[0] * lift, p[1] + n[1] * lift, p[2] + n[2] * lift)
    r = (d[0] + 2 * cosine * n[0], d[1] + 2 * cosine * n[1], d[2] + 2 * cosine * n[2])
    red, green, blue, shine = _lit(a, n, q, r, shadows)
    shine = m[GLOSS] * (shine + 0.25 * (1 - cosine) ** 3)
    around = (a.air[3] + (1 - a.air[3]) * (0.5 + 0.5 * n[2])) * (_open(a, which, n, q) if shadows else 1.0)
    out[0] = out[0] * (red + around * a.air[0]) + shine
    out[1] = out[1] * (green + around * a.air[1]) + shine
    out[2] = out[2] * (blue + around * a.air[2]) + shine
    if a.air[5] > 0:
        clear = math.exp(-t * a.air[5])
        haze = a.haze
        sky_colour(a.sky, a.sun, (d[0], d[1], 0.02), haze)
        for i in range(3):
            out[i] = out[i] * clear + haze[i] * (1 - clear)


TONES = 2048
BRIGHTEST = 3.0


def tone_curve(exposure: float, contrast: float) -> np.ndarray:
    """Display values in [0, 1] of linear light: exposure, a soft shoulder, gamma, contrast.

    Entry k belongs to exposed light BRIGHTEST * (k / TONES)^2; the last two entries are equal, and entry TONES + 2 is
    the factor from light to squared place.
    """
    x = BRIGHTEST * (np.arange(TONES + 1) / TONES) ** 2
    x = np.where(x < 0.7, x, 0.7 + 0.3 * (1 - np.exp(-(x - 0.7) / 0.3)))
    x = np.clip(x, 0, 1) ** (1 / 2.2)
    x = np.clip(x + contrast * x * (1 - x) * (2 * x - 1), 0, 1)
    return np.concatenate([x, x[-1:], [exposure * TONES**2 / BRIGHTEST]])


@njit(inline="always", **WITHOUT_MEMORY)
def developed(tone, c):  # pragma: no cover - compiled
    """The display value of linear light `c` by a tone curve."""
    at = min(math.sqrt(max(c * tone[TONES + 2], 0.0)), float(TONES))
    k = int(at)
    return tone[k] + (at - k) * (tone[k + 1] - tone[k])


@njit(**WITHOUT_MEMORY)
def cast(a, rays, c2w, flags, rgb, depth, what):  # pragma: no cover - compiled
    """Fills rgb (h, w, 3) with display values in [0, 1], z-depth (inf for sky) and what each pixel's centre shows."""
    h, w, _ = rays.shape
    shadows, pixel = flags
    o = (c2w[0, 3], c2w[1, 3], c2w[2, 3])
    out = a.colour
    for y in range(h):
        for x in range(w):
            rx, ry, rz = rays[y, x]
            length = math.sqrt(rx * rx + ry * ry + rz * rz)
            rx, ry, rz = rx / length, ry / length, rz / length
            d = (
                c2w[0, 0] * rx + c2w[0, 1] * ry + c2w[0, 2] * rz,
                c2w[1, 0] * rx + c2w[1, 1] * ry + c2w[1, 2] * rz,
                c2w[2, 0] * rx + c2w[2, 1] * ry + c2w[2, 2] * rz,
            )
            meeting = meet(a, o, d)
            seen(a, o, d, meeting, pixel, shadows, out)
            for i in range(3):
                rgb[y, x, i] = developed(a.tone, out[i])
            what[y, x] = meeting[1]
            depth[y, x] = math.inf if meeting[1] == NOTHING else meeting[0] * rz


@njit(**WITHOUT_MEMORY)
def smooth_edges(a, rays, c2w, flags, rgb, what):  # pragma: no cover - compiled
    """Averages four rays in the pixels at the border of two things, in place."""
    h, w, _ = rays.shape
    shadows, pixel = flags
    o = (c2w[0, 3], c2w[1, 3], c2w[2, 3])
    out = a.colour
    dx, dy = rays[0, 1, 0] - rays[0, 0, 0], rays[1, 0, 1] - rays[0, 0, 1]
    for y in range(h):
        for x in range(w):
            k = what[y, x]
            same = (x == 0 or what[y, x - 1] == k) and (x == w - 1 or what[y, x + 1] == k)
            if same and (y == 0 or what[y - 1, x] == k) and (y == h - 1 or what[y + 1, x] == k):
                continue
            red, green, blue = 0.0, 0.0, 0.0
            for s in range(4):
                rx = rays[y, x, 0] + dx * (0.25 if s & 1 else -0.25) + dx * (0.1 if s & 2 else -0.1)
                ry = rays[y, x, 1] + dy * (0.25 if s & 2 else -0.25) - dy * (0.1 if s & 1 else -0.1)
                length = math.sqrt(rx * rx + ry * ry + 1)
                rx, ry, rz = rx / length, ry / length, 1 / length
                d = (
                    c2w[0, 0] * rx + c2w[0, 1] * ry + c2w[0, 2] * rz,
                    c2w[1, 0] * rx + c2w[1, 1] * ry + c2w[1, 2] * rz,
                    c2w[2, 0] * rx + c2w[2, 1] * ry + c2w[2, 2] * rz,
                )
                seen(a, o, d, meet(a, o, d), pixel, shadows, out)
                red += 0.25 * developed(a.tone, out[0])
                green += 0.25 * developed(a.tone, out[1])
                blue += 0.25 * developed(a.tone, out[2])
            rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2] = red, green, blue
