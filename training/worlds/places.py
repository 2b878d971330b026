"""Places out of doors, and heaps of anything. Scene axes: x right, y forward, z up."""

import math
from collections.abc import Callable

import numpy as np

from training.worlds import furniture, indoors, outdoors, stills, textures
from training.worlds.builder import Builder, Mover
from training.worlds.indoors import View, walking
from training.worlds.light import ground_height

Put = Callable[[Builder, float, float, float], object]


def _height(b: Builder) -> Callable[[float, float], float]:
    return lambda x, y: float(ground_height(b.ground, x, y))


def _scatter(b: Builder, put: Put, near: float, far: float, turns: range, width: float = 0.7) -> None:
    """Puts things at depths spread evenly in the logarithm, within `width` of the view's middle."""
    height = _height(b)
    for _ in turns:
        y = near * (far / near) ** b.rng.random()
        x = b.u(-width, width) * y
        put(b, x, y, height(x, y))


def _turned(put: Callable[[Builder, float, float, float, float], object]) -> Put:
    return lambda b, x, y, z: put(b, x, y, z, b.u(0, 6.28))


def _grass(b: Builder) -> int:
    first, second = (b.green() if b.chance(0.75) else b.warm() for _ in range(2))
    third = b.pick(np.full(3, 0.9), np.array([0.8, 0.7, 0.1]), b.green())
    return b.material(b.pick(textures.GRASS, textures.GRASS, textures.CLOUDY), first, second, third=third)


def _paving(b: Builder) -> int:
    kind = b.pick(textures.CLOUDY, textures.PLAIN, textures.TILES, textures.BRICKS, textures.GRASS)
    return b.material(kind, b.colour(0.1, 0.6, b.u(0, 0.2)), scale=b.u(0.5, 3), grain=0.3)


def _hilly(b: Builder) -> None:
    u, g = b.u, b.ground
    for at, most, waves in ((1, 0.5, 1), (5, 0.25, 2), (9, 0.08, 5)):
        if b.chance(0.7):
            f, a = u(0.05, 0.25) * waves, u(0, 6.28)
            g[at : at + 4] = u(0, most), f * math.cos(a), f * math.sin(a), u(0, 6.28)
    if b.chance(0.5):
        g[13], g[14] = u(0.01, 0.12), u(5, 50)


def _track(b: Builder) -> None:
    g, u = b.ground, b.u
    if b.chance(0.5):
        a = u(-1.2, 1.2)
        g[16], g[17:20] = _paving(b) if b.chance(0.8) else _grass(b), (math.cos(a), math.sin(a), u(-4, 4))
        g[20], g[21] = u(0.4, 3), u(0, 3)


def _far_away(b: Builder) -> None:
    """A line of woods, and hills behind it."""
    u, height = b.u, _height(b)
    if b.chance(0.5):
        b.thing("woods")
        far = u(50, 160)
        m = b.material(textures.FOLIAGE, b.green() * 0.4, b.green() * 0.8, scale=u(0.15, 0.6), grain=0)
        for _ in b.some(5, 15):
            x, r = u(-0.9, 0.9) * far, far * u(0.06, 0.2)
            half = [r * u(1, 2.5), r, r * u(0.6, 1.2)]
            b.ball([x, far * u(0.9, 1.2), height(x, far)], half, m, leafy=(u(0.3, 0.42), u(10, 30) / r))
    if b.chance(0.4):
        b.thing("hills")
        far = u(200, 700)
        second = b.pick(b.warm(), b.green(), np.array([0.6, 0.65, 0.75]))
        m = b.material(textures.CLOUDY, b.green() * u(0.5, 1.5), second, scale=0.01, grain=0, gloss=0)
        for _ in b.some(2, 6):
            r = far * u(0.1, 0.5)
            b.ball([u(-0.9, 0.9) * far, far, -r * 0.3], [r * u(1, 2), r * 0.5, r * u(0.5, 1)], m)


def _eye(b: Builder, aside: float = 0.3) -> View:
    high = b.u(0.6, 2.2) if b.chance(0.8) else b.u(2.2, 8)
    pitch = b.u(-18, 8) if high < 2.2 else b.u(-35, -3)
    return View((0, 0, high + _height(b)(0, 0)), b.u(-aside, aside), pitch, b.u(40, 88), 0.8)


def meadow(b: Builder) -> View:
    """Grass and hills, trees, animals, perhaps a house."""
    _hilly(b)
    b.ground[0], b.ground[15] = 1, _grass(b)
    _track(b)
    _scatter(b, _turned(outdoors.animal), 3, 25, b.some(0, 5), 0.5)
    _scatter(b, outdoors.tree, 7, 80, b.some(1, 9))
    _scatter(b, _turned(outdoors.house), 18, 70, b.some(0, 2))
    _scatter(b, outdoors.bush, 3, 30, b.some(1, 10))
    _scatter(b, outdoors.rock, 2.5, 15, b.some(0, 4))
    _scatter(b, _turned(outdoors.person), 3, 15, b.some(0, 2), 0.4)
    height = _height(b)
    for _ in b.some(0, 2):
        y, a = b.u(3, 18), b.u(-0.7, 0.7)
        outdoors.fence(b, (-b.u(3, 14), y - 6 * a, b.u(3, 14), y + 6 * a), height)
    if b.chance(0.6):
        x, y = b.u(-2, 2), b.u(4, 9)
        walking(b, x, y, height(x, y), 3)
    _far_away(b)
    return _eye(b)


def street(b: Builder) -> View:
    """Houses on both sides, cars, people on their way."""
    u = b.u
    b.ground[0], b.ground[15] = 1, _paving(b)
    half = u(3, 9)
    for side in (-1, 1):
        if side == 1 and b.chance(0.2):
            continue
        y = u(-6, 2)
        while y < 60:
            w = u(3, 9)
            outdoors.house(b, side * (half + 4), y + w, 0, -side * math.pi / 2, (w, u(3.5, 4.2), u(2, 9)))
            y += 2 * w + (u(0, 3) if b.chance(0.3) else 0)
        b.thing("kerb")
        kerb = b.material(b.pick(textures.TILES, textures.PLAIN), b.grey(0.2, 0.7))
        b.box([side * (half - 0.1), 30, 0.03], [0.9, 40, 0.06], kerb)
    if b.chance(0.4):
        outdoors.house(b, u(-3, 3), u(35, 70), 0, 0, (u(6, 15), u(2, 7), u(3, 10)))
    for _ in b.some(0, 6):
        yaw = math.pi / 2 * b.pick(1, -1) + u(-0.08, 0.08)
        outdoors.car(b, b.pick(-1, 1) * half * u(0.55, 0.75), u(4, 35), 0, yaw)
    if b.chance(0.5):
        way = b.pick(1, -1)
        x, y = u(-0.2, 0.2) * half, u(9, 18)
        b.movers.append(Mover(outdoors.car(b, x, y, 0, way * math.pi / 2), (x, y), way * math.pi / 2, u(1, 5), 5.0))
    _scatter(b, _turned(outdoors.person), 3, 25, b.some(0, 6), 0.3)
    for _ in b.some(0, 5):
        outdoors.tree(b, b.pick(-1, 1) * half * 0.9, u(5, 40), 0, u(3, 8))
    for _ in b.some(0, 5):
        outdoors.post(b, b.pick(-1, 1) * half * 0.85, u(4, 30), 0)
    for _ in b.some(0, 2):
        walking(b, u(-0.4, 0.4) * half, u(4, 10), 0, 3)
    return _eye(b, 0.5)


def yard(b: Builder) -> View:
    """A court or garden between buildings."""
    u = b.u
    b.ground[0], b.ground[15] = 1, _grass(b) if b.chance(0.6) else _paving(b)
    _track(b)
    w, d, h = u(7, 30), u(10, 40), u(2, 8)
    outdoors.house(b, 0, d + 4, 0, 0, (w + 4, 4, h * u(0.8, 1.3)))
    for side in (-1, 1):
        if b.chance(0.6):
            yaw = -side * math.pi / 2
            outdoors.house(b, side * (w + 3), d / 2 - u(0, 6), 0, yaw, (d / 2, 3.5, h * u(0.7, 1.2)))
    for _ in b.some(0, 3):
        outdoors.house(b, u(-w, w), d, 0, 0, (u(1, 3), u(1, 2), h * u(0.5, 1.5)))
    _scatter(b, outdoors.tree, 5, d * 0.8, b.some(0, 5), 0.6)
    _scatter(b, _turned(outdoors.person), 3, d * 0.8, b.some(0, 5), 0.4)
    _scatter(b, outdoors.bush, 3, d * 0.8, b.some(1, 7), 0.5)
    _scatter(b, _turned(furniture.chair), 2.5, 8, b.some(0, 3), 0.5)
    _scatter(b, _turned(furniture.table), 3, 9, b.some(0, 2), 0.5)
    _scatter(b, lambda b, x, y, z: furniture.item(b, x, y, z, b.u(1.5, 4)), 2, 6, b.some(0, 3), 0.5)
    if b.chance(0.6):
        walking(b, u(-2, 2), u(3.5, 8), 0, 3)
    if b.chance(0.5):
        y = u(6, 12)
        outdoors.fence(b, (-u(3, 10), y, u(3, 10), y + u(-3, 3)), _height(b))
    return _eye(b)


def clutter(b: Builder) -> View:
    """A heap of solids of every kind before a wall or the sky: things the other places lack."""
    u = b.u
    b.thing("floor")
    b.box([0, 5, -0.05], [12, 12, 0.05], b.material())
    if b.chance(0.6):
        b.thing("wall")
        b.box([0, u(4, 9), 2], [14, 0.1, 4], b.material(), u(-0.4, 0.4))
        if b.chance(0.5):
            b.box([b.pick(-1, 1) * u(1.8, 4), 3, 2], [0.1, 12, 4], b.material())
    moving = b.chance(0.5)
    for k in b.some(6, 28):
        y = u(1.2, 8)
        x = u(-0.8, 0.8) * y
        thing = b.thing("solid")
        half = np.array([u(0.05, 0.6), u(0.05, 0.6), u(0.05, 0.9)]) * u(0.4, 1.2)
        z = half[2] if b.chance(0.75) else u(half[2], 2.5)
        if b.chance(0.25):
            kind = b.pick("toy", "blob", "bird", "leaves", "person", "four_legged")
            b.silhouette(kind, [x, y, z - half[2]], half, b.material(gloss=0), u(-1.2, 1.2))
        else:
            turn: float | np.ndarray = u(0, 6.28)
            if b.chance(0.3):
                turn = np.linalg.qr(b.rng.normal(size=(3, 3)))[0]
                turn[2] = np.cross(turn[0], turn[1])
            leafy = (u(0.35, 0.5), u(3, 10)) if b.chance(0.1) else None
            b.add(int(b.rng.integers(5)), [x, y, z], half, b.material(), turn, leafy)
        if moving and k == 0:
            b.movers.append(Mover(thing, (x, y), u(0, 6.28), u(0.3, 1.2), u(0.5, 1.5)))
    b.lamp([u(-2, 2), u(0, 3), u(2, 3.5)], u(0.5, 3), u(0, 0.4))
    return View((u(-0.5, 0.5), u(-0.8, 0.3), u(0.5, 2)), u(-0.4, 0.4), u(-30, 5), u(42, 85), 0.4)


PLACES: dict[str, tuple[Callable[[Builder], View], bool, float]] = {
    "room": (indoors.room, True, 0.32),
    "corridor": (indoors.corridor, True, 0.08),
    "tabletop": (indoors.tabletop, True, 0.12),
    "street": (street, False, 0.14),
    "meadow": (meadow, False, 0.14),
    "yard": (yard, False, 0.1),
    "clutter": (clutter, True, 0.1),
}
"""Kind: how it is built, whether indoors, how often it is drawn when the kind is left open."""

STILLS: dict[str, tuple[Callable[[Builder], View], bool]] = {"road": (stills.road, False), "nook": (stills.nook, True)}
"""Kinds for single pictures, never drawn when the kind is left open."""
