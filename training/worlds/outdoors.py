"""Things out of doors: living ones, plants, vehicles, buildings; the foot of each is at (x, y, z)."""

import math

import numpy as np

from training.worlds import textures
from training.worlds.builder import Builder


def skin(b: Builder) -> np.ndarray:
    """A colour of skin, linear."""
    return np.array([0.75, 0.5, 0.38]) * b.u(0.15, 1.1)


def person(b: Builder, x: float, y: float, z: float, yaw: float) -> int:
    """Someone, built of limbs or as an inflated outline; yaw is where they walk to, radians from x to y."""
    thing = b.thing("person")
    u, h = b.u, b.u(1.1, 1.95)
    if b.chance(0.4):
        kind = b.pick(textures.PLAIN, textures.CLOUDY, textures.STRIPES, textures.PICTURE)
        b.silhouette("person", [x, y, z], [h / 2, 0.09 * h, h / 2], b.material(kind, gloss=0), yaw)
        b.ball([x, y, z + 0.91 * h], [0.05 * h, 0.06 * h, 0.07 * h], b.material(textures.PLAIN, skin(b)), yaw)
        return thing
    point, _ = b.placed(x, y, z, yaw - math.pi / 2)
    shirt = b.material(b.pick(textures.PLAIN, textures.PLAIN, textures.STRIPES, textures.CLOUDY))
    legs, face, shoes = b.material(textures.PLAIN), b.material(textures.PLAIN, skin(b)), b.material(textures.PLAIN)
    stride = u(-0.15, 0.15) * h
    for i in (-1, 1):
        b.rod(point(i * 0.07 * h, i * stride, 0), point(i * 0.05 * h, 0, 0.48 * h), 0.05 * h, legs)
        foot = point(i * 0.07 * h, i * stride + 0.03 * h, 0.02 * h)
        b.ball(foot, [0.03 * h, 0.075 * h, 0.03 * h], shoes, yaw - math.pi / 2)
        elbow = point(i * u(0.13, 0.2) * h, u(-0.1, 0.1) * h, u(0.55, 0.66) * h)
        b.rod(point(i * 0.11 * h, 0, 0.79 * h), elbow, 0.03 * h, shirt)
        b.rod(elbow, point(i * u(0.1, 0.25) * h, u(0, 0.25) * h, u(0.42, 0.75) * h), 0.025 * h, face)
    b.ball(point(0, 0, 0.64 * h), [u(0.1, 0.14) * h, 0.08 * h, 0.21 * h], shirt, yaw - math.pi / 2)
    b.rod(point(0, 0, 0.8 * h), point(0, 0, 0.9 * h), 0.03 * h, face)
    b.ball(point(0, 0, 0.92 * h), [0.055 * h, 0.065 * h, 0.075 * h], face, yaw - math.pi / 2)
    if b.chance(0.8):
        hair = b.material(textures.PLAIN, b.warm(0.01, 0.3))
        b.ball(point(0, -0.014 * h, 0.94 * h), [0.06 * h, 0.065 * h, 0.07 * h], hair, yaw - math.pi / 2)
    return thing


def animal(b: Builder, x: float, y: float, z: float, yaw: float) -> int:
    """A four-legged animal or a bird, looking along `yaw`."""
    thing = b.thing("animal")
    u = b.u
    coat = b.pick(textures.PATCHES, textures.PATCHES, textures.PLAIN, textures.CLOUDY)
    second = b.grey(0.5, 0.9) if b.chance(0.5) else b.warm(0.01, 0.4)
    if b.chance(0.35):
        h = u(0.3, 1.5)
        m = b.material(coat, b.warm(0.02, 0.9), second, scale=u(1.2, 2.5) / h, gloss=0)
        kind = "four_legged" if h > 0.5 or b.chance(0.5) else "bird"
        b.silhouette(kind, [x, y, z], [h * u(0.5, 0.7), h * u(0.15, 0.25), h / 2], m, yaw)
        return thing
    h = u(0.35, 1.6)
    m = b.material(coat, b.warm(0.02, 0.9), second, scale=u(1.2, 2.5) / h, gloss=0)
    long, w, leg = h * u(0.5, 0.75), h * u(0.15, 0.24), h * u(0.4, 0.6)
    point, _ = b.placed(x, y, z, yaw)
    b.ball(point(0, 0, (leg + h) / 2), [long * 0.85, w, (h - leg) * 0.62], m, yaw)
    b.ball(point(long * 0.55, 0, h * 0.8), [w * 1.2, w * 0.95, (h - leg) * 0.55], m, yaw)
    b.ball(point(-long * 0.55, 0, h * 0.78), [w * 1.3, w, (h - leg) * 0.55], m, yaw)
    for i in (-1, 1):
        for j in (-1, 1):
            foot = point(i * long * 0.7 + u(-0.1, 0.1) * h, j * w * 0.6, -0.02)
            b.rod(foot, point(i * long * 0.7, j * w * 0.6, leg * 1.2), h * u(0.03, 0.055), m)
    head = point(long * u(1.1, 1.5), u(-0.2, 0.2) * h, u(0.3, 1.25) * h)
    b.rod(point(long * 0.75, 0, h * 0.85), head, w * 0.55, m)
    b.ball(head, [h * 0.16, h * 0.09, h * 0.1], m, yaw + u(-0.5, 0.5))
    b.rod(point(-long, 0, h * 0.9), point(-long * 1.15, 0, h * 0.4), h * 0.02, m)
    return thing


def tree(b: Builder, x: float, y: float, z: float, h: float | None = None) -> None:
    """A leafy tree or a fir."""
    b.thing("tree")
    u = b.u
    h = u(3, 14) if h is None else h
    bark = b.material(textures.CLOUDY, b.warm(0.02, 0.25), scale=18 / h)
    second = b.green() if b.chance(0.85) else b.warm()
    m = b.material(textures.FOLIAGE, b.green() * 0.45, second, scale=u(1, 3), grain=0)
    if b.chance(0.3):
        b.rod([x, y, z - 0.2], [x, y, z + h * 0.3], h * 0.02, bark)
        n = int(b.rng.integers(2, 5))
        for i in range(n):
            wide = h * 0.22 * (1 - 0.75 * i / n)
            centre = [x, y, z + h * (0.35 + 0.75 * i / n)]
            b.cone(centre, [wide, wide, h * 0.22], m, leafy=(u(0.3, 0.46), u(15, 60) / h))
        return
    fork = np.array([x + u(-0.05, 0.05) * h, y, z + h * u(0.35, 0.55)])
    b.rod([x, y, z - 0.2], fork, h * u(0.015, 0.04), bark)
    for _ in b.some(1, 3):
        b.rod(fork, fork + np.array([u(-0.25, 0.25), u(-0.2, 0.2), u(0.1, 0.3)]) * h, h * 0.012, bark)
    for _ in b.some(3, 8):
        r = h * u(0.1, 0.24)
        place = fork + np.array([u(-0.25, 0.25), u(-0.25, 0.25), u(0, 0.45)]) * h
        b.ball(place, [r, r, r * u(0.6, 1)], m, leafy=(u(0.33, 0.5), u(20, 90) / h))


def bush(b: Builder, x: float, y: float, z: float, r: float | None = None) -> None:
    """A bush, tall grass, or flowers."""
    b.thing("bush")
    u = b.u
    r = u(0.2, 1.2) if r is None else r
    if b.chance(0.35):
        m = b.material(
            textures.CLOUDY, b.green() * 0.7, b.green() if b.chance(0.6) else b.colour(0.3, 0.9, 0.9), scale=8
        )
        for k in range(3):
            b.silhouette("leaves", [x + u(-0.3, 0.3) * r, y, z], [r, 0.04, r * 0.9], m, k * 1.05 + u(-0.3, 0.3))
        return
    second = b.green() if b.chance(0.8) else b.warm()
    m = b.material(textures.FOLIAGE, b.green() * 0.4, second, scale=u(2, 5) / r, grain=0)
    for _ in b.some(1, 4):
        q = r * u(0.5, 1)
        place = [x + u(-1, 1) * r, y + u(-1, 1) * r, z + q * 0.5]
        b.ball(place, [q, q, q * u(0.6, 1.1)], m, leafy=(u(0.33, 0.5), u(4, 14) / r))


def rock(b: Builder, x: float, y: float, z: float) -> None:
    """A boulder."""
    b.thing("rock")
    m = b.material(textures.CLOUDY, b.colour(0.1, 0.6, 0.1), gloss=0)
    b.ball([x, y, z], [b.u(0.1, 0.7), b.u(0.1, 0.7), b.u(0.1, 0.5)], m, b.u(0, 3))


def car(b: Builder, x: float, y: float, z: float, yaw: float) -> int:
    """A car or van that drives along `yaw`."""
    thing = b.thing("car")
    u = b.u
    paint, glass = b.material(textures.PLAIN, gloss=0.4), b.material(textures.PLAIN, [0.05, 0.06, 0.08], gloss=0.5)
    tyre, light = b.material(textures.PLAIN, [0.02, 0.02, 0.02]), b.material(textures.PLAIN, [0.9, 0.85, 0.7])
    point, box = b.placed(x, y, z, yaw)
    long, w, h = u(1.7, 2.6), u(0.8, 0.95), u(0.25, 0.4)
    box((0, 0, 0.3 + h), (long, w, h), paint)
    cabin = u(-0.4, 0.2)
    b.roof(point(cabin, 0, 0.3 + 2 * h + 0.42), [w * 0.88, long * 0.72, 0.42], glass, yaw + math.pi / 2)
    box((cabin, 0, 0.3 + 2 * h + 0.25), (long * 0.42, w * 0.86, 0.25), glass)
    box((cabin, 0, 0.3 + 2 * h + 0.52), (long * 0.42, w * 0.87, 0.03), paint)
    for i in (-1, 1):
        for j in (-1, 1):
            b.rod(point(i * long * 0.62, j * (w + 0.02), 0.32), point(i * long * 0.62, j * (w - 0.2), 0.32), 0.32, tyre)
        box((long, i * w * 0.7, 0.3 + h * 1.2), (0.02, 0.15, 0.08), light)
    return thing


def house(b: Builder, x: float, y: float, z: float, yaw: float, size: tuple[float, float, float] | None = None) -> None:
    """A building of half size (wide, deep, high), its front towards -v."""
    b.thing("house")
    u = b.u
    w, d, h = size or (u(2, 9), u(2, 7), u(1.2, 3) if b.chance(0.5) else u(2, 10))
    point, box = b.placed(x, y, z, yaw)
    wall = b.warm(0.15, 0.7) if b.chance(0.5) else b.colour(0.1, 0.9, u(0, 0.3))
    windows = b.pick(np.array([0.03, 0.04, 0.05]), np.array([0.3, 0.4, 0.5]), b.colour())
    kind = b.pick(textures.FACADE, textures.FACADE, textures.FACADE, textures.BRICKS, textures.PLANKS, textures.PLAIN)
    m = b.material(kind, wall, windows, third=b.pick(np.full(3, 0.8), wall * 0.7))
    box((0, 0, h - 0.3), (w, d, h + 0.3), m)
    roofing = b.pick(textures.STRIPES, textures.BRICKS, textures.PLAIN, textures.CLOUDY)
    tiles = b.material(roofing, b.warm(0.04, 0.4) if b.chance(0.6) else b.colour(0.05, 0.4, 0.1), scale=u(1, 5))
    if b.chance(0.65):
        high = d * u(0.2, 0.5)
        b.roof(point(0, 0, 2 * h + high), [w + u(0.1, 0.5), d + u(0.1, 0.5), high], tiles, yaw)
    elif b.chance(0.6):
        box((0, 0, 2 * h + 0.15), (w + 0.15, d + 0.15, 0.15), tiles)
    for _ in b.some(0, 3):
        door = b.material(b.pick(textures.PLAIN, textures.PLANKS))
        box((u(-0.8, 0.8) * w, -d - 0.02, u(0.9, 1.2)), (u(0.4, 0.7), 0.05, u(0.9, 1.2)), door)
    if b.chance(0.4):
        box((u(-0.7, 0.7) * w, u(-0.5, 0.5) * d, 2 * h + 0.8), (0.3, 0.3, u(0.8, 2)), m)
    for _ in b.some(0, 2):  # balconies and awnings
        box((u(-0.7, 0.7) * w, -d - 0.4, u(0.5, 1) * 2 * h), (u(0.5, 1.5), 0.4, u(0.05, 0.4)), b.material())


def fence(b: Builder, ends: tuple[float, float, float, float], height) -> None:
    """Posts and rails from (x0, y0) to (x1, y1); height(x, y) is the ground's."""
    b.thing("fence")
    x0, y0, x1, y1 = ends
    u = b.u
    wood = b.warm() if b.chance(0.5) else b.grey(0.1, 0.9)
    m = b.material(b.pick(textures.PLAIN, textures.PLANKS), wood)
    n = int(min(14, max(2, math.hypot(x1 - x0, y1 - y0) / u(1, 3))))
    h, r, rails = u(0.6, 1.6), u(0.02, 0.06), len(b.some(1, 3))
    posts = [(x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n) for i in range(n + 1)]
    feet = [np.array([x, y, height(x, y)]) for x, y in posts]
    up = np.array([0, 0, h])
    for i, foot in enumerate(feet):
        b.rod(foot - [0, 0, 0.2], foot + up, r, m)
        for k in range(rails if i else 0):
            share = (k + 0.8) / (rails + 0.3)
            b.rod(feet[i - 1] + share * up, foot + share * up, r * 0.6, m)


def post(b: Builder, x: float, y: float, z: float) -> None:
    """A street lamp, a sign, or a bollard."""
    b.thing("post")
    h = b.u(0.8, 6)
    m = b.material(textures.PLAIN, b.grey(0.02, 0.4))
    b.rod([x, y, z], [x, y, z + h], b.u(0.03, 0.09), m)
    if h > 4:
        b.ball([x, y, z + h], [0.3, 0.3, 0.15], b.material(textures.PLAIN, [0.9, 0.9, 0.8]))
    elif h > 2:
        b.box([x, y - 0.06, z + h - 0.3], [0.35, 0.02, 0.3], b.material(textures.PICTURE), b.u(-0.5, 0.5))
