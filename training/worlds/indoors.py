"""Rooms, corridors and table tops. Scene axes: x right, y forward, z up; floors at z = 0."""

import math
from dataclasses import dataclass

import numpy as np

from training.worlds import furniture, outdoors, textures
from training.worlds.builder import WALLS, WOODEN, Builder, Mover


@dataclass(frozen=True, slots=True)
class View:
    """Where the first camera of a world stands."""

    place: tuple[float, float, float]
    yaw: float
    """Radians to the right of the scene's y."""
    pitch: float
    """Degrees up."""
    fov: float
    """Degrees, across."""
    near: float
    """Nothing stands closer than this, metres."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A door or window in a wall: from a to b along it, from low to high."""

    a: float
    b: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Wall:
    """An upright wall across `axis` at `at`, from `low` to `high` along the other axis."""

    axis: int
    at: float
    low: float
    high: float


def wall(b: Builder, w: Wall, height: float, material: int, openings: list[Opening]) -> None:
    """The wall of the current thing, with its openings left out."""

    def piece(p: float, q: float, low: float, high: float) -> None:
        if q - p < 0.01 or high - low < 0.01:
            return
        centre, half = [0.0, 0.0, (low + high) / 2], [0.06, 0.06, (high - low) / 2]
        centre[w.axis], centre[1 - w.axis] = w.at, (p + q) / 2
        half[1 - w.axis] = (q - p) / 2
        b.box(centre, half, material)

    done = w.low
    for o in sorted(openings, key=lambda o: o.a):
        piece(done, o.a, 0, height)
        piece(o.a, o.b, 0, o.low)
        piece(o.a, o.b, o.high, height)
        done = o.b
    piece(done, w.high, 0, height)


def frame(b: Builder, w: Wall, o: Opening) -> None:
    """What stands in an opening: casing, cross bars, glass with a view, curtains."""
    b.thing("window" if o.low > 0 else "door")
    m = b.material(b.pick(textures.PLAIN, textures.PLANKS), b.warm() if b.chance(0.4) else b.grey(0.3, 0.9))
    inward = -1.0 if w.at > 0 else 1.0

    def part(along: float, z: float, half: float, high: float, material: int, thick: float = 0.09) -> None:
        centre, size = [0.0, 0.0, z], [thick, thick, high]
        centre[w.axis], centre[1 - w.axis] = w.at, along
        size[1 - w.axis] = half
        b.box(centre, size, material)

    middle, z, half, high = (o.a + o.b) / 2, (o.low + o.high) / 2, (o.b - o.a) / 2, (o.high - o.low) / 2
    t = b.u(0.03, 0.08)
    part(o.a, z, t, high, m)
    part(o.b, z, t, high, m)
    part(middle, o.high, half + t, t, m)
    if o.low == 0:
        return
    part(middle, o.low, half + t, t / 2, m, 0.14)
    bars = int(b.rng.integers(0, 4))
    for i in range(1, bars + 1):
        part(o.a + 2 * half * i / (bars + 1), z, 0.02, high, m, 0.03)
    if b.chance(0.5):
        part(middle, z, half, 0.02, m, 0.03)
    if b.chance(0.6):
        bright = b.colour(0.5, 1)
        glass = b.material(
            b.pick(textures.PLAIN, textures.PICTURE, textures.FOLIAGE), bright, b.green(), glow=b.u(0.7, 2)
        )
        part(middle, z, half, high, glass, 0.008)
    for end, side in ((o.a, -1), (o.b, 1))[: b.pick(0, 1, 2, 2)]:
        b.thing("curtain")
        cloth = b.material(textures.STRIPES, b.colour(0.3, 0.95), scale=b.u(6, 20), p1=0.5, gloss=0)
        wide = b.u(0.15, 0.5)
        for k in range(4):  # folds
            centre = [0.0, 0.0, o.high / 2 + 0.1]
            centre[w.axis], centre[1 - w.axis] = w.at + inward * 0.15, end + side * wide * (k - 1.2) / 2.5
            b.cylinder(centre, [wide / 4, wide / 4, o.high / 2 + 0.08], cloth)


def day(b: Builder, indoors: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(sun, sky, air): bright, dull, low sun, dusk or a dark room."""
    u = b.u
    high, around = math.radians(u(8, 75)), u(0, 6.28)
    warm = u(0, 0.35)
    sun = np.array([math.cos(high) * math.cos(around), math.cos(high) * math.sin(around), math.sin(high)])
    sun = np.concatenate([sun, [0.0, 1, 1 - warm * 0.4, 1 - warm]])
    air = np.zeros(8)
    if indoors:
        sun[3] = u(1, 4) if b.chance(0.5) else 0
        level = u(0.03, 0.15) if b.chance(0.2) else u(0.25, 0.9)
        air[:3] = level * np.array([1, 1 - u(-0.05, 0.12), 1 - u(-0.1, 0.25)])
        air[3], air[4] = u(0.5, 0.9), u(0.4, 1.2)
    else:
        sun[3] = u(0.8, 3.5) if b.chance(0.7) else u(0, 0.3)
        blue = u(0, 0.3)
        air[:3] = u(0.3, 0.8) * np.array([1 - blue, 1 - blue * 0.5, 1])
        air[3], air[4] = u(0.25, 0.7), u(0.6, 2)
        air[5] = u(0.0005, 0.01) if b.chance(0.5) else (u(0.01, 0.05) if b.chance(0.12) else 0)
    air[7] = u(-0.3, 0.6)
    sky = np.zeros(13)
    white, pure = np.ones(3), np.array([0.15, 0.35, 0.8])
    sky[0:3], sky[3:6] = (
        (np.array([0.75, 0.85, 1]) * u(0.6, 1.2), pure * u(0.5, 1.2)),
        (white * u(0.6, 1.2), np.array([0.95, 0.98, 1]) * u(0.5, 1.1)),
        (np.array([1, u(0.5, 0.8), u(0.3, 0.7)]) * u(0.6, 1.1), np.array([0.25, 0.35, 0.65]) * u(0.3, 1)),
        (np.array([0.5, 0.7, 1]) * u(0.5, 1), np.array([0.25, 0.5, 0.95]) * u(0.4, 1)),
    )[int(b.rng.integers(4))]
    sky[6], sky[7], sky[8] = u(0, 0.6) if b.chance(0.65) else -1, u(0.4, 2), u(0, 50)
    sky[9:12] = u(0.6, 1.3) * (white if b.chance(0.7) else np.array([0.8, 0.85, 0.95]))
    sky[12] = u(0, 0.5)
    return sun, sky, air


def walking(b: Builder, x: float, y: float, z: float, reach: float) -> None:
    """A person or animal that walks: to and fro within `reach` metres, or round."""
    yaw = b.u(0, 2 * math.pi)
    thing = outdoors.animal(b, x, y, z, yaw) if b.chance(0.3) else outdoors.person(b, x, y, z, yaw)
    radius = b.u(0.4, 0.5) * reach if b.chance(0.35) else 0.0
    b.movers.append(Mover(thing, (x, y), yaw, b.u(0.4, 1.5), reach * b.u(0.6, 1), radius))


def room(b: Builder) -> View:
    """A furnished room with doors to another, windows, pictures, lamps."""
    u = b.u
    wide, deep, high = u(1.5, 4.0), u(2.6, 8.0), u(2.2, 3.4)
    paint = b.colour(0.35, 0.95, u(0, 0.3))
    papers = b.material(b.pick(*WALLS), paint, np.clip(paint * u(0.8, 1.1), 0, 1), gloss=0)
    back = papers if b.chance(0.6) else b.material(b.pick(*WALLS, textures.PICTURE), gloss=0)
    beyond = _shell(b, (wide, deep, high), (papers, back))
    _along_walls(b, wide, deep)
    for _ in b.some(1, 4):
        x, y = u(-0.65, 0.65) * wide, u(1.0, deep - 0.7)
        kind = b.pick("table", "table", "chair", "sofa", "person", "pile")
        if kind == "table":
            yaw = b.pick(0.0, math.pi / 2, u(0, 3))
            furniture.table(b, x, y, 0, yaw)
            for _ in b.some(0, 5):
                a, r = yaw + b.pick(0, 1, 2, 3) * math.pi / 2 + u(-0.3, 0.3), u(0.6, 1.1)
                px, py = x + r * math.cos(a), y + r * math.sin(a)
                if abs(px) < wide - 0.3 and 0.3 < py < deep - 0.3:
                    furniture.chair(b, px, py, 0, a - math.pi / 2 + u(-0.3, 0.3))
        elif kind == "chair":
            furniture.chair(b, x, y, 0, u(0, 6.28))
        elif kind == "sofa":
            furniture.sofa(b, x, y, 0, u(0, 6.28))
        elif kind == "person":
            outdoors.person(b, x, y, 0, u(0, 6.28))
        else:
            for _ in b.some(2, 6):
                furniture.item(b, x + u(-0.4, 0.4), y + u(-0.4, 0.4), 0, u(1, 3))
    for _ in b.some(0, 5):
        furniture.item(b, u(-0.9, 0.9) * wide, u(0.9, deep - 0.3), 0, u(1, 3.5))
    if b.chance(0.45):
        walking(b, u(-0.4, 0.4) * wide, u(0.45, 0.8) * deep, 0, min(wide, deep) * 0.7)
    _hang(b, (wide, deep, high))
    if beyond:
        furniture.cabinet(b, u(-1, 1) * wide, deep + u(1.2, 2), 0, 0)
    b.lamp([u(-0.5, 0.5) * wide, u(0.3, 0.8) * deep, high - u(0.15, 0.6)], u(0.6, 3.5), u(0, 0.5))
    if b.chance(0.3):
        b.lamp([b.pick(-1, 1) * wide * 0.85, u(0.5, deep - 0.3), u(0.8, 1.8)], u(0.6, 2.5), u(0.2, 0.6))
    x = u(-0.7, 0.7) * wide
    yaw = (u(-0.5, 0.5) if b.chance(0.75) else u(-1.1, 1.1)) - 0.35 * x / wide
    return View((x, u(-1.9, min(0.6, deep * 0.2)), u(0.8, 1.9)), yaw, u(-32, 6), u(45, 90), 0.35)


def _shell(b: Builder, size: tuple[float, float, float], materials: tuple[int, int]) -> bool:
    """Floor, ceiling, walls with openings; True when one sees into a further room."""
    (wide, deep, high), (papers, back), u = size, materials, b.u
    floor = b.pick(textures.PLANKS, textures.PLANKS, textures.TILES, textures.TILES, textures.CLOUDY, textures.MARBLE)
    far = deep + u(2, 5)
    b.thing("floor")
    m = b.material(floor, b.warm(0.08, 0.6) if b.chance(0.6) else None, gloss=u(0, 0.6))
    b.box([0, far / 2 - 1, -0.05], [wide + 6, far / 2 + 3, 0.05], m)
    b.thing("ceiling")
    ceiling = b.material(textures.PLAIN, b.grey(0.5, 0.95), grain=0.05)
    b.box([0, far / 2 - 1, high + 0.05], [wide + 6, far / 2 + 3, 0.05], ceiling)
    walls = {Wall(1, deep, -wide, wide): back, Wall(0, -wide, -3, deep): papers, Wall(0, wide, -3, deep): papers}
    through = False
    for w, m in walls.items():
        openings = []
        low, top = (w.low, w.high) if w.axis else (0.3, w.high)
        if b.chance(0.55) and top - low > 1.2:
            a = u(low + 0.15, top - 1.0)
            door = b.chance(0.45)
            openings.append(Opening(a, min(top - 0.15, a + u(0.7, 2.4)), 0 if door else u(0.3, 1.1), u(1.7, 2.15)))
            through |= door and w.axis == 1
        b.thing("wall")
        wall(b, w, high, m, openings)
        for o in openings:
            frame(b, w, o)
    b.thing("wall")
    wall(b, Wall(1, -3, -wide, wide), high, papers, [])
    wall(b, Wall(1, far, -wide - 6, wide + 6), high, b.material(b.pick(*WALLS), gloss=0), [])
    for side in (-1, 1):
        wall(b, Wall(0, side * (wide + 5.9), -3, far), high, papers, [])
    if b.chance(0.6):
        b.thing("skirting")
        board = b.material(textures.PLAIN, b.grey(0.3, 0.9))
        for side in (-1, 1):
            b.box([side * (wide - 0.07), deep / 2 - 1.5, 0.05], [0.02, deep / 2 + 1.5, 0.05], board)
    return through


def _along_walls(b: Builder, wide: float, deep: float) -> None:
    for _ in b.some(2, 6):
        put = b.pick(furniture.cabinet, furniture.cabinet, furniture.cabinet, furniture.sofa, furniture.table)
        side = b.pick(-1, 1, 0)
        if side == 0:
            put(b, b.u(-0.8, 0.8) * wide, deep - 0.55, 0, 0)
        else:
            put(b, side * (wide - 0.5), b.u(0.9, deep - 0.6), 0, -side * math.pi / 2)


def _hang(b: Builder, size: tuple[float, float, float]) -> None:
    """Pictures on walls, a rug, lamps on cables."""
    (wide, deep, high), u = size, b.u
    for _ in b.some(0, 5):
        b.thing("picture")
        m = b.material(b.pick(textures.PICTURE, textures.PICTURE, textures.CELLS, textures.CLOUDY))
        edge, half = b.material(textures.PLAIN), [u(0.12, 0.6), 0.02, u(0.12, 0.45)]
        z, side = u(1.1, high - 0.5), b.pick(-1, 0, 1)
        place = [u(-0.8, 0.8) * wide, deep - 0.075, z] if side == 0 else [side * (wide - 0.075), u(0.6, deep - 0.5), z]
        turn = -side * math.pi / 2
        b.box(place, half, m, turn)
        b.box(place, [half[0] + 0.03, 0.013, half[2] + 0.03], edge, turn)
    if b.chance(0.45):
        b.thing("rug")
        m = b.material(b.pick(textures.STRIPES, textures.PICTURE, textures.CELLS, textures.CLOUDY), gloss=0)
        b.box(
            [u(-0.5, 0.5) * wide, u(0.8, deep * 0.8), 0.006], [u(0.5, wide * 0.8), u(0.4, 1.6), 0.006], m, u(-0.3, 0.3)
        )
    for _ in b.some(0, 2):
        b.thing("hanging lamp")
        x, y, z, r = u(-0.6, 0.6) * wide, u(0.9, deep - 0.3), u(1.6, high - 0.3), u(0.1, 0.3)
        b.rod([x, y, z], [x, y, high], 0.008, b.material(textures.PLAIN))
        shade = b.material(textures.PLAIN, b.grey(0.3, 1), glow=b.pick(0.0, 0.0, 1.3))
        b.pick(b.ball, b.cylinder, b.cone)([x, y, z], [r, r, r * u(0.5, 1)], shade)


def corridor(b: Builder) -> View:
    """A long narrow way with doors on both sides, lamps in a row, someone coming."""
    u = b.u
    wide, deep, high = u(0.8, 1.5), u(7, 16), u(2.2, 3.2)
    paint = b.colour(0.35, 0.95, u(0, 0.3))
    m = b.material(b.pick(*WALLS), paint, np.clip(paint * u(0.8, 1.1), 0, 1), gloss=0)
    b.thing("floor")
    tiles = b.material(b.pick(textures.TILES, textures.PLANKS, textures.CLOUDY, textures.MARBLE), gloss=u(0.1, 0.9))
    b.box([0, deep / 2, -0.05], [wide + 4, deep / 2 + 4, 0.05], tiles)
    b.thing("ceiling")
    b.box([0, deep / 2, high + 0.05], [wide + 4, deep / 2 + 4, 0.05], b.material(textures.PLAIN, b.grey(0.5, 0.95)))
    b.thing("wall")
    wall(b, Wall(1, deep, -wide - 3, wide + 3), high, m, [])
    wall(b, Wall(1, -2.5, -wide - 3, wide + 3), high, m, [])
    for side in (-1, 1):
        doors, y = [], u(0.5, 2)
        while y < deep - 1.2:
            doors.append(Opening(y, y + u(0.8, 1.1), 0, u(1.9, 2.1)))
            y += u(1.6, 5)
        w = Wall(0, side * wide, -2.5, deep)
        b.thing("wall")
        wall(b, w, high, m, doors)
        wall(b, Wall(0, side * (wide + 3), -2.5, deep), high, m, [])
        leaf = b.material(b.pick(textures.PLANKS, textures.PLAIN), b.warm() if b.chance(0.5) else None)
        for o in doors:
            frame(b, w, o)
            if b.chance(0.75):
                b.box([side * wide, (o.a + o.b) / 2, o.high / 2], [0.03, (o.b - o.a) / 2, o.high / 2], leaf)
    for _ in b.some(1, 6):
        x, y = b.pick(-1, 1) * (wide - 0.3), u(1.2, deep - 0.5)
        put = b.pick(furniture.item, furniture.chair, furniture.item)
        put(b, x, y, 0, u(0, 3)) if put is furniture.chair else put(b, x, y, 0, u(1, 3))
    _hang(b, (wide, deep, high))
    for k in range(b.pick(2, 3)):
        b.lamp([0, deep * (k + 0.5) / 3, high - 0.1], u(0.5, 2), u(0, 0.4))
    if b.chance(0.6):
        walking(b, u(-0.3, 0.3) * wide, u(0.4, 0.8) * deep, 0, min(1.5, 1.6 * wide))
    return View((u(-0.4, 0.4) * wide, u(-1.5, 0.3), u(1.0, 1.8)), u(-0.2, 0.2), u(-15, 3), u(45, 85), 0.3)


def tabletop(b: Builder) -> View:
    """Many small things close by on a table or a floor."""
    u = b.u
    w, d = u(0.5, 1.5), u(0.4, 1.2)
    b.thing("table")
    top = b.material(b.pick(*WOODEN, textures.TILES, textures.STRIPES), b.warm() if b.chance(0.5) else None)
    b.box([0, d * 0.8, -0.03], [w, d, 0.03], top)
    b.thing("floor")
    floor = b.material(b.pick(textures.PLANKS, textures.TILES, textures.CLOUDY, textures.PLAIN))
    b.box([0, 0, -0.8], [9, 9, 0.03], floor)
    back = d * 1.8 + u(0.05, 2.5)
    b.thing("wall")
    b.box([0, back + 0.1, 0.5], [9, 0.1, 3], b.material(b.pick(*WALLS, textures.PICTURE), gloss=0))
    if b.chance(0.4):
        b.box([b.pick(-1, 1) * u(w, 3), 0, 0.5], [0.1, 9, 3], b.material(b.pick(*WALLS), gloss=0))
    for _ in b.some(4, 14):
        furniture.item(b, u(-0.8, 0.8) * w, u(0, 1.6) * d, 0, u(0.7, 1.8))
    for _ in b.some(0, 2):
        furniture.cabinet(b, u(-3, 3), back - 0.4, -0.77, 0)
    if b.chance(0.4):  # a toy on rails
        thing = b.thing("toy")
        x, y, heading = u(-0.4, 0.4) * w, u(0.4, 1.2) * d, u(0, 6.28)
        b.silhouette("toy", [x, y, 0], [0.1, 0.06, u(0.08, 0.16)], b.material(gloss=0), u(0, 3))
        b.movers.append(Mover(thing, (x, y), heading, u(0.08, 0.3), u(0.15, 0.4) * d))
    b.lamp([u(-1.5, 1.5), u(-0.5, 1.5), u(0.7, 2)], u(0.5, 3), u(0, 0.5))
    return View((u(-0.4, 0.4), u(-0.6, -0.2), u(0.15, 0.8)), u(-0.35, 0.35), u(-45, -8), u(38, 70), 0.12)
