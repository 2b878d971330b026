"""Outlines of people, animals and plants, drawn anew each time, as signed distances inside a square picture."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

SIDE = 96
"""Picture side; the feet stand on its last row."""

Canvas = UInt8[np.ndarray, "h w"]


def _points(*xy: tuple[float, float]) -> np.ndarray:
    return np.round(np.array(xy) * SIDE).astype(np.int32)


def _limb(canvas: Canvas, a: tuple[float, float], b: tuple[float, float], width: float) -> None:
    p, q = _points(a, b)
    cv2.line(canvas, p.tolist(), q.tolist(), 255, max(2, round(width * SIDE)), cv2.LINE_8)


def _disc(canvas: Canvas, centre: tuple[float, float], half: tuple[float, float], turn: float = 0) -> None:
    c, r = _points(centre, half)
    cv2.ellipse(canvas, c.tolist(), np.maximum(r, 1).tolist(), turn, 0, 360, 255, -1)


def person(rng: np.random.Generator) -> Canvas:
    """Someone standing or walking, in trousers or a coat, arms anywhere."""
    c = np.zeros((SIDE, SIDE), np.uint8)
    stride, broad = rng.uniform(-0.12, 0.12), rng.uniform(0.10, 0.15)
    _disc(c, (0.5 + rng.uniform(-0.02, 0.02), 0.09), (0.055, 0.075))
    _limb(c, (0.5, 0.12), (0.5, 0.25), 0.07)
    _disc(c, (0.5, 0.34), (broad, 0.17))
    for side in (-1, 1):
        hip, knee = (0.5 + 0.05 * side, 0.5), (0.5 + side * (0.05 + abs(stride) * 0.4), 0.74)
        foot = (0.5 + side * (0.05 + abs(stride)), 0.965)
        _limb(c, hip, knee, 0.1)
        _limb(c, knee, foot, 0.075)
        _limb(c, foot, (foot[0] + 0.05, 0.975), 0.05)
        elbow = (0.5 + side * rng.uniform(0.13, 0.24), rng.uniform(0.3, 0.46))
        hand = (0.5 + side * rng.uniform(0.08, 0.33), rng.uniform(0.2, 0.62))
        _limb(c, (0.5 + side * broad * 0.8, 0.24), elbow, 0.06)
        _limb(c, elbow, hand, 0.05)
    if rng.random() < 0.35:  # a coat or skirt
        hem = rng.uniform(0.62, 0.85)
        cv2.fillPoly(c, [_points((0.42, 0.4), (0.58, 0.4), (0.5 + 0.17, hem), (0.5 - 0.17, hem))], 255)
    return c


def four_legged(rng: np.random.Generator) -> Canvas:
    """A dog, a cow, a horse: body, neck, head, tail, four legs."""
    c = np.zeros((SIDE, SIDE), np.uint8)
    leg, deep = rng.uniform(0.25, 0.45), rng.uniform(0.12, 0.2)
    back = 1 - leg - deep
    _disc(c, (0.47, back), (0.29, deep))
    neck = (0.8 + rng.uniform(-0.04, 0.06), max(0.12, back - rng.uniform(-0.1, 0.32)))
    _limb(c, (0.68, back), neck, rng.uniform(0.1, 0.18))
    _disc(c, (neck[0] + 0.05, neck[1]), (0.11, 0.065), rng.uniform(0, 50))
    for ear in (0.0, 0.06):
        _limb(c, (neck[0] + ear, neck[1]), (neck[0] + ear - 0.02, max(0.02, neck[1] - 0.1)), 0.035)
    for x in (0.24, 0.33, 0.63, 0.71):
        _limb(c, (x, back), (x + rng.uniform(-0.06, 0.06), 0.975), rng.uniform(0.045, 0.075))
    _limb(c, (0.2, back - deep * 0.4), (rng.uniform(0.04, 0.14), back + rng.uniform(-0.25, 0.2)), 0.03)
    return c


def bird(rng: np.random.Generator) -> Canvas:
    """A standing bird."""
    c = np.zeros((SIDE, SIDE), np.uint8)
    _disc(c, (0.47, 0.55), (0.28, 0.18), rng.uniform(-35, 10))
    head = (0.74, rng.uniform(0.18, 0.36))
    _limb(c, (0.62, 0.48), head, 0.14)
    _disc(c, head, (0.09, 0.08))
    cv2.fillPoly(c, [_points((head[0], head[1] - 0.04), (head[0], head[1] + 0.04), (head[0] + 0.2, head[1]))], 255)
    cv2.fillPoly(c, [_points((0.3, 0.48), (0.3, 0.62), (0.04, rng.uniform(0.5, 0.8)))], 255)
    for x in (0.46, 0.54):
        _limb(c, (x, 0.65), (x, 0.97), 0.03)
    return c


def leaves(rng: np.random.Generator) -> Canvas:
    """A plant: blades or leafy stalks from one root."""
    c = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(int(rng.integers(6, 15))):
        lean, high = rng.uniform(-0.45, 0.45), rng.uniform(0.03, 0.5)
        tip, knee = (0.5 + lean, high), (0.5 + lean * 0.35, 0.6 + 0.2 * high)
        _limb(c, (0.5 + lean * 0.05, 0.97), knee, 0.035)
        _limb(c, knee, tip, 0.03)
        for share in rng.uniform(0.15, 1.0, 3):
            x, y = knee[0] + share * (tip[0] - knee[0]), knee[1] + share * (tip[1] - knee[1])
            _disc(c, (x, y), (rng.uniform(0.04, 0.1), rng.uniform(0.02, 0.05)), rng.uniform(0, 180))
    return c


def toy(rng: np.random.Generator) -> Canvas:
    """A soft toy: head with ears, belly, stubby limbs."""
    c = np.zeros((SIDE, SIDE), np.uint8)
    _disc(c, (0.5, 0.66), (0.25, 0.28))
    _disc(c, (0.5, 0.28), (0.2, 0.19))
    for side in (-1, 1):
        _disc(c, (0.5 + side * 0.17, 0.11), (0.07, 0.09))
        _limb(c, (0.5 + side * 0.2, 0.55), (0.5 + side * 0.38, rng.uniform(0.4, 0.8)), 0.12)
        _limb(c, (0.5 + side * 0.12, 0.8), (0.5 + side * 0.22, 0.93), 0.13)
    return c


def blob(rng: np.random.Generator) -> Canvas:
    """Anything: a closed curve of a few waves that stands on the last row."""
    a = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    r = np.ones_like(a)
    for k in range(2, 8):
        r += rng.normal() * 0.35 / k * np.cos(k * a + rng.uniform(0, 6.3))
    r = np.maximum(r, 0.25)
    x, y = r * np.cos(a), r * np.sin(a)
    x, y = (x - x.min()) / np.ptp(x) * 0.94 + 0.03, (y - y.min()) / np.ptp(y) * 0.94 + 0.05
    c = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(c, [np.round(np.stack([x, y], 1) * SIDE).astype(np.int32)], 255)
    return c


KINDS: dict[str, Callable[[np.random.Generator], Canvas]] = {
    "person": person,
    "four_legged": four_legged,
    "bird": bird,
    "leaves": leaves,
    "toy": toy,
    "blob": blob,
}


def draw(kind: str, rng: np.random.Generator) -> Float32[np.ndarray, "side side"]:
    """Signed distance to a new outline of that kind, positive inside, 1 = half the picture; mirrored half the time."""
    canvas = KINDS[kind](rng)
    if rng.random() < 0.5:
        canvas = canvas[:, ::-1]
    canvas = (cv2.GaussianBlur(np.ascontiguousarray(canvas), (0, 0), 1.2) > 127).astype(np.uint8)
    inside, outside = (cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (canvas, 1 - canvas))
    signed = np.where(canvas > 0, inside - 0.5, 0.5 - outside) / (SIDE / 2)
    return cv2.GaussianBlur(signed.astype(np.float32), (0, 0), 0.8)
