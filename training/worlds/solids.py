"""Solids and how rays meet them. Scene axes: x right, y forward, z up, metres.

All solids but silhouettes are convex, so a ray is inside for one interval: where it enters and where it leaves.
A silhouette is a picture's outline, inflated: as thick in its middle as its box, thin at its border.
"""

import math

from numba import njit

from training.worlds.noise import WITHOUT_MEMORY, value_noise

BOX, BALL, CYLINDER, CONE, PRISM, SILHOUETTE = range(6)
FAR = 1e9

# columns of a solid; AXES are the rows of the rotation from scene to solid
KIND, CENTRE, AXES, HALF, MATERIAL, THING, LEAF_CUT, LEAF_SCALE, OUTLINE = 0, 1, 4, 13, 16, 17, 18, 19, 20
COLUMNS = 21

CURVED, SLOPE_LEFT, SLOPE_RIGHT = 3, 4, 5
"""Faces besides 0, 1, 2 (across the solid's own x, y, z)."""
ROUND = 0.22
"""How far from its border an inflated silhouette has its full thickness (1 = half its picture)."""


@njit(inline="always", **WITHOUT_MEMORY)
def to_local(s, i, x, y, z):  # pragma: no cover - compiled
    """A scene vector along the solid's own axes."""
    return (
        s[i, AXES] * x + s[i, AXES + 1] * y + s[i, AXES + 2] * z,
        s[i, AXES + 3] * x + s[i, AXES + 4] * y + s[i, AXES + 5] * z,
        s[i, AXES + 6] * x + s[i, AXES + 7] * y + s[i, AXES + 8] * z,
    )


@njit(inline="always", **WITHOUT_MEMORY)
def _clip(t0, f0, t1, f1, a, b, face):  # pragma: no cover - compiled
    """The interval cut by the half space a + b t <= 0."""
    if abs(b) < 1e-12:
        return (t0, f0, t1, f1) if a <= 0 else (FAR, f0, -FAR, f1)
    t = -a / b
    if b < 0:
        return (t, face, t1, f1) if t > t0 else (t0, f0, t1, f1)
    return (t0, f0, t, face) if t < t1 else (t0, f0, t1, f1)


@njit(inline="always", **WITHOUT_MEMORY)
def _round_interval(kind, q, e):  # pragma: no cover - compiled
    """Where the ray is inside the unit ball, the endless cylinder, or the cone (radius 1 at z = -1, 0 at z = 1)."""
    lx, ly, lz = q
    ex, ey, ez = e
    if kind == BALL:
        A, B = ex * ex + ey * ey + ez * ez, lx * ex + ly * ey + lz * ez
        C = lx * lx + ly * ly + lz * lz - 1
    elif kind == CYLINDER:
        A, B, C = ex * ex + ey * ey, lx * ex + ly * ey, lx * lx + ly * ly - 1
    else:
        r, dr = 0.5 * (1 - lz), -0.5 * ez
        A, B, C = ex * ex + ey * ey - dr * dr, lx * ex + ly * ey - r * dr, lx * lx + ly * ly - r * r
    D = B * B - A * C
    if abs(A) < 1e-12:
        return (-FAR, FAR) if C <= 0 else (FAR, -FAR)
    if A < 0:  # a steep ray through both halves of the double cone: the lower one counts
        D = math.sqrt(max(D, 0.0))
        return (max((-B + D) / A, (-B - D) / A), FAR) if ez < 0 else (-FAR, min((-B + D) / A, (-B - D) / A))
    if D < 0:
        return FAR, -FAR
    D = math.sqrt(D)
    return (-B - D) / A, (-B + D) / A


@njit(inline="always", **WITHOUT_MEMORY)
def _interval(kind, q, e):  # pragma: no cover - compiled
    """(t, face) of entering and of leaving; t of entering is the larger where the ray misses."""
    t0, f0, t1, f1 = -FAR, CURVED, FAR, CURVED
    if kind in (BALL, CYLINDER, CONE):
        t0, t1 = _round_interval(kind, q, e)
        if kind == BALL:
            return t0, f0, t1, f1
    else:
        t0, f0, t1, f1 = _clip(t0, f0, t1, f1, q[0] - 1, e[0], 0)
        t0, f0, t1, f1 = _clip(t0, f0, t1, f1, -q[0] - 1, -e[0], 0)
    if kind == PRISM:
        t0, f0, t1, f1 = _clip(t0, f0, t1, f1, q[1] + 0.5 * q[2] - 0.5, e[1] + 0.5 * e[2], SLOPE_RIGHT)
        t0, f0, t1, f1 = _clip(t0, f0, t1, f1, -q[1] + 0.5 * q[2] - 0.5, -e[1] + 0.5 * e[2], SLOPE_LEFT)
    elif kind in (BOX, SILHOUETTE):
        t0, f0, t1, f1 = _clip(t0, f0, t1, f1, q[1] - 1, e[1], 1)
        t0, f0, t1, f1 = _clip(t0, f0, t1, f1, -q[1] - 1, -e[1], 1)
    t0, f0, t1, f1 = _clip(t0, f0, t1, f1, -q[2] - 1, -e[2], 2)
    return _clip(t0, f0, t1, f1, q[2] - 1, e[2], 2)


@njit(**WITHOUT_MEMORY)
def inflated(outline, x, y, z):  # pragma: no cover - compiled
    """Above 0 inside the inflated silhouette; unit box coordinates, outline (side, side) signed distance inside."""
    side = outline.shape[0]
    a = min(max((x + 1) * 0.5 * (side - 1), 0.0), side - 1.001)
    b = min(max((1 - z) * 0.5 * (side - 1), 0.0), side - 1.001)
    j, i = int(a), int(b)
    a, b = a - j, b - i
    d = (outline[i, j] * (1 - a) + outline[i, j + 1] * a) * (1 - b)
    d += (outline[i + 1, j] * (1 - a) + outline[i + 1, j + 1] * a) * b
    if d <= 0:
        return d
    q = 1 - min(d / ROUND, 1.0)
    return math.sqrt(1 - q * q) - abs(y)


@njit(**WITHOUT_MEMORY)
def _march(outline, q, e, t0, t1):  # pragma: no cover - compiled
    """First t in the interval inside the inflated silhouette, or FAR."""
    steps = 28
    last = t0
    for k in range(steps + 1):
        t = t0 + (t1 - t0) * k / steps
        if inflated(outline, q[0] + t * e[0], q[1] + t * e[1], q[2] + t * e[2]) > 0:
            for _ in range(12):
                m = 0.5 * (last + t)
                if inflated(outline, q[0] + m * e[0], q[1] + m * e[1], q[2] + m * e[2]) > 0:
                    t = m
                else:
                    last = m
            return t
        last = t
    return FAR


@njit(inline="always", **WITHOUT_MEMORY)
def leaf(s, i, x, y, z):  # pragma: no cover - compiled
    """False in the gaps between leaves; scene place relative to the solid's centre."""
    if s[i, LEAF_CUT] <= -1:
        return True
    x, y, z = to_local(s, i, x, y, z)
    q = s[i, LEAF_SCALE]
    fine = value_noise(x * q * 2.7, y * q * 2.7, z * q * 2.7)
    return value_noise(x * q, y * q, z * q) * 0.6 + 0.4 * fine > s[i, LEAF_CUT]


@njit(**WITHOUT_MEMORY)
def hit(s, i, outlines, o, d, near, far):  # pragma: no cover - compiled
    """(t, face) of the first meeting with solid `i` between near and far, t = FAR for none."""
    ax, ay, az = o[0] - s[i, CENTRE], o[1] - s[i, CENTRE + 1], o[2] - s[i, CENTRE + 2]
    ix, iy, iz = 1.0 / s[i, HALF], 1.0 / s[i, HALF + 1], 1.0 / s[i, HALF + 2]
    lx, ly, lz = to_local(s, i, ax, ay, az)
    ex, ey, ez = to_local(s, i, d[0], d[1], d[2])
    q, e = (lx * ix, ly * iy, lz * iz), (ex * ix, ey * iy, ez * iz)
    kind = int(s[i, KIND])
    t0, f0, t1, f1 = _interval(kind, q, e)
    if t0 > t1 or t1 <= near or t0 >= far:
        return FAR, 0
    if kind == SILHOUETTE:
        t = _march(outlines[int(s[i, OUTLINE])], q, e, max(t0, near), t1)
        return (t, CURVED) if near < t < far else (FAR, 0)
    if t0 > near and leaf(s, i, ax + t0 * d[0], ay + t0 * d[1], az + t0 * d[2]):
        return t0, f0
    if t1 < far and leaf(s, i, ax + t1 * d[0], ay + t1 * d[1], az + t1 * d[2]) and (t0 <= near or s[i, LEAF_CUT] > -1):
        return t1, f1
    return FAR, 0


@njit(**WITHOUT_MEMORY)
def surface(s, i, outlines, face, p):  # pragma: no cover - compiled
    """(normal in scene axes, surface coordinates, place) at `p`, scene place relative to the solid's centre."""
    lx, ly, lz = to_local(s, i, p[0], p[1], p[2])
    hx, hy, hz = s[i, HALF], s[i, HALF + 1], s[i, HALF + 2]
    kind = int(s[i, KIND])
    a, b, c, u, v = 0.0, 0.0, 0.0, lx, lz
    if face == 0:
        a, u = (1.0 if lx > 0 else -1.0), ly
    elif face == 1:
        b = 1.0 if ly > 0 else -1.0
    elif face == 2:
        c, v = (1.0 if lz > 0 else -1.0), ly
    elif face in (SLOPE_LEFT, SLOPE_RIGHT):
        b, c = (1.0 if face == SLOPE_RIGHT else -1.0) / hy, 0.5 / hz
        v = lz * math.sqrt(1 + (0.5 * hy / hz) ** 2)
    elif kind == SILHOUETTE:
        o = outlines[int(s[i, OUTLINE])]
        x, y, z, h = lx / hx, ly / hy, lz / hz, 0.02
        a = (inflated(o, x - h, y, z) - inflated(o, x + h, y, z)) / hx
        b = (inflated(o, x, y - h, z) - inflated(o, x, y + h, z)) / hy
        c = (inflated(o, x, y, z - h) - inflated(o, x, y, z + h)) / hz
    else:
        a, b = lx / (hx * hx), ly / (hy * hy)
        if kind == BALL:
            c = lz / (hz * hz)
        else:
            c = 0.25 * (1 - lz / hz) / hz if kind == CONE else 0.0
            u = math.atan2(ly, lx) * hx
    n0 = s[i, AXES] * a + s[i, AXES + 3] * b + s[i, AXES + 6] * c
    n1 = s[i, AXES + 1] * a + s[i, AXES + 4] * b + s[i, AXES + 7] * c
    n2 = s[i, AXES + 2] * a + s[i, AXES + 5] * b + s[i, AXES + 8] * c
    q = 1 / math.sqrt(n0 * n0 + n1 * n1 + n2 * n2 + 1e-20)
    return (n0 * q, n1 * q, n2 * q), (u, v), (lx, ly, lz)
