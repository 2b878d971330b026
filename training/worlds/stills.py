"""Places for single pictures: what a car's or walker's camera sees of a road, and what fills a view close by.

Films, whose benchmarks count on the other places alone, are not made here. Scene axes: x right, y forward, z up.
"""

import math

from training.worlds import furniture, outdoors, textures
from training.worlds.builder import WALLS, WOODEN, Builder
from training.worlds.indoors import View


def road(b: Builder) -> View:
    """A road with marks, verges, walls, hedges and trees, cars parked and driving, seen from it or from its side."""
    u, half = b.u, b.u(2.5, 7)
    b.ground[0], b.ground[15] = 1, b.material(b.pick(textures.CLOUDY, textures.PLAIN), b.grey(0.08, 0.4), grain=0.4)
    _marks(b, half)
    for side in (-1, 1):
        _roadside(b, side, half)
    for _ in b.some(0, 5):  # on the road, both ways
        lane = b.pick(-1, 1)
        outdoors.car(b, lane * half * u(0.35, 0.6), u(6, 60), 0, lane * math.pi / 2)
    if b.chance(0.25):
        b.thing("truck")
        x, y, high = b.pick(-1, 1) * half * 0.5, u(8, 40), u(1.2, 1.9)
        b.box([x, y, high + 0.6], [1.2, u(2, 5), high], b.material(textures.PLAIN))
        b.box([x, y, 0.35], [1.1, 2, 0.35], b.material(textures.PLAIN, b.grey(0.01, 0.1)))
    for _ in b.some(0, 3):
        outdoors.person(b, b.pick(-1, 1) * (half + u(-0.5, 2)), u(4, 25), 0, u(0, 6.28))
    if b.chance(0.3):
        outdoors.house(b, u(-10, 10), u(60, 110), 0, 0, (u(6, 20), u(4, 7), u(3, 10)))
    aside = u(-0.12, 0.12) if b.chance(0.75) else u(-1.2, 1.2)
    x = u(-0.6, 0.6) * half if b.chance(0.7) else b.pick(-1, 1) * (half + u(0, 1.5))
    return View((x, 0, u(1.2, 2.1)), aside, u(-9, 4), u(45, 95), 1.0)


def _marks(b: Builder, half: float) -> None:
    if b.chance(0.25):
        return
    b.thing("ground mark")
    paint, u = b.material(textures.PLAIN, b.grey(0.5, 0.95), gloss=0), b.u
    long, gap = u(1, 4), u(1.5, 6)
    y = u(-4, 0)
    while y < 60:
        b.box([0, y + long / 2, 0], [0.07, long / 2, 0.006], paint)
        y += long + gap
    for side in (-1, 1):
        if b.chance(0.6):
            b.box([side * (half - 0.3), 40, 0], [0.06, 60, 0.006], paint)
    if b.chance(0.15):
        y = u(6, 20)
        for k in range(7):
            b.box([(k - 3) * half * 0.28, y, 0], [0.25, 1.5, 0.006], paint)


def _roadside(b: Builder, side: int, half: float) -> None:
    """From the kerb outwards: a strip to walk on, a verge; then cars, trees, hedge, wall, rail or houses in a row."""
    u = b.u
    walk = u(1, 3) if b.chance(0.6) else 0.0
    if walk:
        b.thing("kerb")
        paving = b.material(b.pick(textures.TILES, textures.PLAIN, textures.BRICKS, textures.CLOUDY), b.grey(0.15, 0.6))
        b.box([side * (half + walk / 2), 40, 0.05], [walk / 2, 60, 0.05], paving)
    b.thing("verge")
    green = b.material(textures.GRASS if b.chance(0.7) else textures.CLOUDY, b.green(), b.green())
    b.box([side * (half + walk + 30), 40, 0], [30, 60, 0.06], green)
    out = half + walk
    if b.chance(0.5):
        y, turn = u(-3, 8), b.pick(1, -1)
        while y < u(20, 60):
            outdoors.car(b, side * (half - u(0.9, 1.3)), y, 0, turn * math.pi / 2 + u(-0.04, 0.04))
            y += u(4.8, 9)
    for kind in b.rng.permutation(["trees", "hedge", "wall", "rail", "houses", "bushes", "posts"])[
        : b.pick(1, 2, 3, 3)
    ]:
        _row(b, str(kind), side, out)


def _row(b: Builder, kind: str, side: int, out: float) -> None:
    u = b.u
    y = u(-4, 3)
    if kind == "trees":
        reach, step, high = u(0.5, 6), u(2, 9), u(4, 14)
        while y < 70:
            outdoors.tree(b, side * (out + reach + u(0, 2)), y, 0, high * u(0.7, 1.3))
            y += step * u(0.6, 1.4)
    elif kind == "houses":
        reach = u(1, 12)
        while y < 70:
            w = u(3, 8)
            outdoors.house(b, side * (out + reach + 4), y + w, 0, -side * math.pi / 2, (w, u(3, 4), u(1.8, 8)))
            y += 2 * w + u(0, 6)
    elif kind in ("hedge", "wall"):
        b.thing(kind)
        leaves = b.material(textures.FOLIAGE, b.green() * 0.45, b.green(), scale=u(1, 3), grain=0)
        stones = b.material(b.pick(textures.BRICKS, textures.CLOUDY, textures.PLAIN, textures.PLANKS))
        high = u(0.4, 1.6)
        b.box([side * (out + u(0.3, 3)), y + 30, high], [u(0.1, 0.8), 30, high], leaves if kind == "hedge" else stones)
    elif kind == "rail":
        x = side * (out + u(0, 1))
        outdoors.fence(b, (x, y, x, y + 40), lambda x, y: 0.0)
    elif kind == "bushes":
        for _ in b.some(3, 10):
            outdoors.bush(b, side * (out + u(0.3, 6)), u(2, 45), 0.03, u(0.3, 1.8))
    else:
        for _ in b.some(2, 6):
            outdoors.post(b, side * (out + u(-0.3, 1)), u(3, 50), 0)


def nook(b: Builder) -> View:
    """A desk, counter, bench or shelf against a wall, crowded, seen from as near as a person stands."""
    u, back = b.u, b.u(0.7, 2.8)
    wide, deep, high = u(0.6, 2.2), u(0.2, 0.42), b.pick(u(0.35, 0.5), u(0.7, 0.95), u(0.7, 0.95))
    b.thing("floor")
    kind = b.pick(textures.PLANKS, textures.TILES, textures.CLOUDY, textures.PLAIN)
    b.box([0, 0, -0.05], [8, 8, 0.05], b.material(kind))
    b.thing("wall")
    papers = b.material(b.pick(*WALLS, textures.PICTURE), gloss=0)
    b.box([0, back + 0.1, 1.5], [8, 0.1, 1.7], papers)
    b.box([0, 0, 3.0], [8, 8, 0.05], b.material(textures.PLAIN, b.grey(0.5, 0.95)))
    if b.chance(0.5):
        x = b.pick(-1, 1) * (wide + u(0, 0.6))
        b.box([x, 0, 1.5], [0.06, 8, 1.7], papers if b.chance(0.6) else b.material(b.pick(*WALLS), gloss=0))
    _bench(b, (wide, deep, high), back)
    _above(b, (wide, high), back)
    for _ in b.some(0, 2):
        b.pick(furniture.chair, furniture.sofa)(b, u(-1, 1) * wide, back - 2 * deep - u(0.3, 0.6), 0, u(0, 6.28))
    for _ in b.some(0, 4):
        furniture.item(b, u(-1.2, 1.2) * wide, back - 2 * deep - u(0.1, 0.9), 0, u(1, 3.5))
    if b.chance(0.2):
        outdoors.person(b, u(-1, 1) * wide, back - 2 * deep - 0.4, 0, u(0, 6.28))
    b.lamp([u(-1.5, 1.5), u(-1, back), u(1.8, 2.9)], u(0.6, 3), u(0, 0.5))
    eye = u(high + 0.1, 1.8)
    return View((u(-0.7, 0.7) * wide, u(-1.2, 0.2), eye), u(-0.6, 0.6), u(-42, 8), u(42, 75), 0.25)


def _bench(b: Builder, size: tuple[float, float, float], back: float) -> None:
    """The board with what is on and under it."""
    (wide, deep, high), u = size, b.u
    middle = back - deep
    b.thing("table")
    board = b.material(b.pick(*WOODEN, textures.TILES, textures.STRIPES), b.warm() if b.chance(0.5) else None)
    b.box([0, middle, high - 0.02], [wide, deep, 0.02], board)
    if b.chance(0.6):
        front = b.material(b.pick(*WOODEN), b.warm() if b.chance(0.4) else None)
        b.box([0, middle + 0.03, high / 2 - 0.03], [wide, deep - 0.03, high / 2 - 0.02], front)
        for k in b.some(1, 6):
            door = [(k / 3.5 - 1) * wide, back - 2 * deep + 0.05, high / 2]
            b.box(door, [wide / 8, 0.01, high * 0.4], b.material(textures.PLAIN))
    else:
        for i in (-1, 1):
            for j in (-1, 1):
                foot = [i * wide * 0.95, middle + j * deep * 0.9, 0]
                b.rod(foot, [foot[0], foot[1], high], 0.025, board)
        for _ in b.some(0, 3):
            furniture.item(b, u(-0.9, 0.9) * wide, middle + u(-0.5, 0.5) * deep, 0, u(1.5, 4))
    for _ in b.some(0, 3):
        _screen(b, u(-0.8, 0.8) * wide, middle + u(-0.2, 0.6) * deep, high)
    for _ in b.some(0, 4):
        b.thing("paper")
        sheet = [u(-0.9, 0.9) * wide, middle + u(-0.7, 0.3) * deep, high + 0.003]
        b.box(sheet, [u(0.07, 0.2), u(0.07, 0.15), 0.003], b.material(textures.PICTURE, gloss=0), u(0, 3))
    for _ in b.some(3, 16):
        furniture.item(b, u(-0.95, 0.95) * wide, middle + u(-0.85, 0.8) * deep, high, u(0.7, 2))


def _screen(b: Builder, x: float, y: float, z: float) -> None:
    b.thing("screen")
    u, turn = b.u, b.u(-0.5, 0.5)
    w, h, foot = u(0.16, 0.32), u(0.1, 0.2), u(0, 0.12)
    black = b.material(textures.PLAIN, b.grey(0.01, 0.15), gloss=0.3)
    b.box([x, y, z + foot + h], [w, u(0.01, 0.15), h], black, turn)
    shown = b.material(b.pick(textures.PICTURE, textures.PLAIN), glow=b.pick(0.0, 0.6))
    front = [x + math.sin(turn) * 0.16, y - math.cos(turn) * 0.16, z + foot + h]
    b.box(front, [w * 0.93, 0.004, h * 0.9], shown, turn)
    if foot > 0.02:
        b.rod([x, y, z], [x, y, z + foot + 0.02], 0.03, black)


def _above(b: Builder, size: tuple[float, float], back: float) -> None:
    """Boards, cupboards, pictures and pipes on the wall over the bench."""
    (wide, high), u = size, b.u
    for _ in b.some(0, 3):
        b.thing("shelf")
        z, x, half, deep = high + u(0.35, 1.1), u(-0.5, 0.5) * wide, u(0.3, 0.9) * wide, u(0.08, 0.16)
        if b.chance(0.35):
            b.box([x, back - deep, z + 0.3], [half, deep, 0.3], b.material(b.pick(*WOODEN)))
            continue
        b.box([x, back - deep, z], [half, deep, 0.012], b.material(b.pick(*WOODEN)))
        for _ in b.some(2, 9):
            furniture.item(b, x + u(-0.9, 0.9) * half, back - deep + u(-0.4, 0.3) * deep, z + 0.012, u(0.7, 1.6))
    for _ in b.some(0, 4):
        b.thing("picture")
        place = [u(-1.2, 1.2) * wide, back - 0.01, u(high + 0.2, 2.3)]
        b.box(place, [u(0.08, 0.5), 0.012, u(0.08, 0.4)], b.material(textures.PICTURE))
    if b.chance(0.2):
        b.thing("pipe")
        x = u(-1, 1) * wide
        b.rod([x, back - 0.08, 0], [x, back - 0.08, 3], u(0.02, 0.06), b.material(textures.PLAIN))
