"""Things people put in rooms; every function puts one thing, its foot at (x, y, z), turned by `yaw`."""

import math

from training.worlds import textures
from training.worlds.builder import WOODEN, Builder


def table(b: Builder, x: float, y: float, z: float, yaw: float) -> float:
    """A table with things on it; returns its height."""
    b.thing("table")
    u = b.u
    w, d, h = u(0.35, 1.1), u(0.3, 0.55), u(0.4, 0.78)
    m = b.material(b.pick(*WOODEN), b.warm() if b.chance(0.6) else None)
    legs = m if b.chance(0.6) else b.material(textures.PLAIN)
    point, box = b.placed(x, y, z, yaw)
    thick, is_round = u(0.012, 0.04), b.chance(0.3)
    if is_round:
        b.cylinder(point(0, 0, h - thick), [w, d if b.chance(0.5) else w, thick], m, yaw)
    else:
        box((0, 0, h - thick), (w, d, thick), m)
    if b.chance(0.2):
        b.rod(point(0, 0, 0), point(0, 0, h - thick), u(0.03, 0.08), legs)
        b.cylinder(point(0, 0, 0.02), [w * 0.5, w * 0.5, 0.02], legs)
    else:
        r, k, spread = u(0.015, 0.04), 0.65 if is_round else 0.92, u(0.8, 1.1)
        for i in (-1, 1):
            for j in (-1, 1):
                b.rod(point(i * w * k * spread, j * d * k * spread, 0), point(i * w * k, j * d * k, h - thick), r, legs)
    for _ in b.some(0, 6):
        p = point(u(-0.8, 0.8) * w, u(-0.8, 0.8) * d, h)
        item(b, p[0], p[1], p[2])
    return h


def chair(b: Builder, x: float, y: float, z: float, yaw: float) -> None:
    """A chair, its back towards v."""
    b.thing("chair")
    u = b.u
    w, h = u(0.19, 0.27), u(0.4, 0.48)
    top = h + u(0.35, 0.55)
    m = b.material(b.pick(*WOODEN), b.warm() if b.chance(0.6) else None)
    seat = m if b.chance(0.4) else b.material(b.pick(textures.PLAIN, textures.CLOUDY, textures.STRIPES))
    point, box = b.placed(x, y, z, yaw)
    r = u(0.012, 0.025)
    box((0, 0, h), (w, w, u(0.015, 0.045)), seat)
    if b.chance(0.8):
        for i in (-1, 1):
            b.rod(point(i * w * 0.95, -w * 0.95, 0), point(i * w * 0.9, -w * 0.9, h), r, m)
            b.rod(point(i * w * 0.95, w * 1.05, 0), point(i * w * 0.95, w * (1.05 + u(0, 0.3)), top), r, m)
    else:
        b.rod(point(0, 0, 0), point(0, 0, h), 0.03, m)
        b.cylinder(point(0, 0, 0.02), [w, w, 0.02], m)
    style = b.pick("panel", "slats", "rail")
    if style == "panel":
        box((0, w * 1.1, (h + top) / 2 + 0.05), (w, 0.012, (top - h) * 0.4), seat)
    for q in range({"panel": 0, "slats": 3, "rail": 1}[style]):
        box((0, w * 1.1, top - 0.05 - q * 0.11), (w, 0.012, 0.03 if style == "slats" else 0.07), m)


def sofa(b: Builder, x: float, y: float, z: float, yaw: float) -> None:
    """A sofa of rounded cushions, or a bed."""
    bed = b.chance(0.3)
    b.thing("bed" if bed else "sofa")
    u = b.u
    w, d, h = u(0.5, 1.2), u(0.9, 1.1) if bed else u(0.38, 0.5), u(0.2, 0.27)
    m = b.material(b.pick(textures.PLAIN, textures.CLOUDY, textures.STRIPES, textures.PICTURE), gloss=0)
    point, box = b.placed(x, y, z, yaw)
    box((0, 0, h * 0.8), (w, d, h * 0.8), m)
    for i in (-1, 1):  # cushions
        b.ball(point(i * w * 0.5, 0, h * 1.6), [w * 0.56, d * 1.05, 0.13], m, yaw)
    box((0, d, h * 2), (w, 0.1, u(0.3, 0.6)), m)
    if not bed:
        for i in (-1, 1):
            box((i * w, 0, h * 1.2), (0.09, d, h * 1.2), m)
            b.rod(point(i * w, -d, h * 2.4), point(i * w, d, h * 2.4), 0.1, m)
    for _ in b.some(0, 5):
        cushion = b.material(b.pick(textures.PLAIN, textures.STRIPES, textures.PICTURE), gloss=0)
        place = point(u(-0.8, 0.8) * w, d * u(0.4, 0.8), h * 2 + 0.13)
        b.ball(place, [u(0.15, 0.28), u(0.07, 0.12), u(0.13, 0.2)], cushion, yaw + u(-0.4, 0.4))


def cabinet(b: Builder, x: float, y: float, z: float, yaw: float) -> None:
    """Doors and drawers, or a bookshelf."""
    b.thing("cabinet")
    u = b.u
    w, d, h = u(0.25, 1.0), u(0.15, 0.35), u(0.2, 1.1)
    m = b.material(b.pick(*WOODEN), b.warm() if b.chance(0.4) else None)
    point, box = b.placed(x, y, z, yaw)
    if b.chance(0.5):
        leg = b.pick(0.0, 0.06, 0.15)
        box((0, 0, h + leg / 2), (w, d, h - leg / 2), m)
        if leg:
            for i in (-1, 1):
                for j in (-1, 1):
                    b.rod(point(i * w * 0.9, j * d * 0.9, 0), point(i * w * 0.9, j * d * 0.9, leg), 0.02, m)
        doors = b.material(textures.PLAIN) if b.chance(0.4) else m
        rows, columns = min(5, max(1, int(h * u(1, 5)))), min(4, max(1, int(w * u(1, 3))))
        for i in range(columns):
            for j in range(rows):
                place = ((2 * (i + 0.5) / columns - 1) * w, -d, leg + (2 * h - leg) * (j + 0.5) / rows)
                box(place, (w / columns * 0.93, 0.012, (h - leg / 2) / rows * 0.92), doors)
                b.ball(point(place[0], -d - 0.02, place[2]), 0.014, m)
    else:
        _shelf(b, box, (w, d, h), m)
    if h < 0.7:
        for _ in b.some(0, 4):
            p = point(u(-0.8, 0.8) * w, u(-0.5, 0.5) * d, 2 * h)
            item(b, p[0], p[1], p[2])


def _shelf(b: Builder, box, size: tuple[float, float, float], m: int) -> None:
    (w, d, h), t, u = size, 0.012, b.u
    for i in (-1, 1):
        box((i * w, 0, h), (t, d, h), m)
    if b.chance(0.7):
        box((0, d, h), (w, t, h), m)
    n = max(1, int(h * u(2, 4)))
    spines = [b.material(b.pick(textures.PLAIN, textures.STRIPES)) for _ in range(5)]
    for j in range(n + 1):
        box((0, 0, 2 * h * j / n + t), (w, d, t), m)
        q = -w * 0.9
        while j < n and q < w * 0.9:
            wide, high = u(0.015, 0.05) if b.chance(0.7) else u(0.05, 0.12), min(u(0.08, 0.14), h / n * 0.9)
            if b.chance(0.75):
                place = (q + wide, u(-0.4, 0.2) * d, 2 * h * j / n + t * 2 + high)
                box(place, (wide * 0.95, d * 0.5, high), b.pick(*spines))
            q += 2 * wide


def item(b: Builder, x: float, y: float, z: float, k: float = 1.0) -> None:
    """A small thing: cup, ball, box, bottle, pot plant, books, lamp, plate, picture frame, toy, fruit."""
    kind = b.pick("cup", "ball", "box", "bottle", "plant", "books", "lamp", "plate", "frame", "toy", "blob", "cable")
    b.thing(kind)
    u, yaw = b.u, b.u(0, 6.28)
    m = b.material()
    if kind == "cup":
        r, h = u(0.03, 0.08) * k, u(0.04, 0.18) * k
        b.cylinder([x, y, z + h], [r, r, h], m)
    elif kind == "ball":
        r = u(0.03, 0.12) * k
        b.ball([x, y, z + r * 0.9], [r, r * u(0.8, 1.2), r], m)
    elif kind == "box":
        h = [u(0.03, 0.15) * k, u(0.03, 0.12) * k, u(0.02, 0.15) * k]
        b.box([x, y, z + h[2]], h, m, yaw)
    elif kind == "bottle":
        r, h = u(0.025, 0.04) * k, u(0.07, 0.12) * k
        b.cylinder([x, y, z + h], [r, r, h], m)
        b.cone([x, y, z + 2 * h + r], [r, r, r], m)
        b.cylinder([x, y, z + 2 * h + r * 1.3], [r * 0.35, r * 0.35, r * 1.3], m)
    elif kind == "plant":
        r = u(0.06, 0.12) * k
        b.cylinder([x, y, z + r * 0.6], [r, r, r * 0.6], m)
        pot_plant(b, x, y, z + 1.2 * r, u(0.1, 0.35) * k)
    elif kind == "books":
        for _ in b.some(1, 4):
            h = [u(0.08, 0.13) * k, u(0.06, 0.1) * k, u(0.008, 0.025) * k]
            b.box([x, y, z + h[2]], h, b.material(textures.PLAIN), yaw + u(-0.3, 0.3))
            z += 2 * h[2]
    elif kind == "lamp":
        h = u(0.1, 0.25) * k
        b.cylinder([x, y, z + 0.01], [0.07 * k, 0.07 * k, 0.01], m)
        b.rod([x, y, z], [x, y, z + 2 * h], 0.01, m)
        shade = b.material(textures.PLAIN, [0.9, 0.85, 0.7], glow=b.pick(0.0, 1.0))
        b.cylinder([x, y, z + 2 * h], [0.1 * k, 0.1 * k, 0.08 * k], shade)
    elif kind == "plate":
        r = u(0.08, 0.16) * k
        b.cylinder([x, y, z + 0.012], [r, r, 0.012], m)
        b.ball([x, y, z + 0.03], [0.05 * k, 0.06 * k, 0.03 * k], b.material())
    elif kind == "frame":
        w = u(0.06, 0.2) * k
        b.box([x, y, z + w], [w, 0.012, w * u(0.7, 1.2)], b.material(textures.PICTURE), u(-0.6, 0.6))
    elif kind == "cable":
        for _ in b.some(1, 3):
            a = u(0, 6.28)
            b.rod(
                [x, y, z + 0.01], [x + 0.3 * k * math.cos(a), y + 0.3 * k * math.sin(a), z + u(0.01, 0.3) * k], 0.005, m
            )
    else:
        h = u(0.06, 0.2) * k
        soft = b.material(b.pick(textures.PLAIN, textures.CLOUDY, textures.PATCHES), gloss=0)
        b.silhouette(kind, [x, y, z], [h * u(0.7, 1.1), h * u(0.4, 0.8), h], soft, u(-0.9, 0.9))


def pot_plant(b: Builder, x: float, y: float, z: float, r: float) -> None:
    """The green part of a plant, of the current thing."""
    if b.chance(0.5):
        m = b.material(textures.CLOUDY, b.green() * 0.6, b.green(), scale=b.u(4, 12), gloss=0.05)
        for k in b.some(1, 3):
            b.silhouette("leaves", [x, y, z], [r * 1.2, 0.02 + 0.05 * r, r * 1.3], m, 1.1 * k + b.u(-0.4, 0.4))
        return
    m = b.material(textures.FOLIAGE, b.green() * 0.5, b.green(), scale=b.u(1.5, 4) / r, grain=0)
    for _ in b.some(2, 5):
        q = r * b.u(0.4, 0.9)
        place = [x + b.u(-0.7, 0.7) * r, y + b.u(-0.7, 0.7) * r, z + b.u(0.3, 1.6) * r]
        b.ball(place, [q, q, q * b.u(0.6, 1.3)], m, leafy=(b.u(0.4, 0.54), b.u(4, 12) / r))
