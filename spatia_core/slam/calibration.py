"""Keyframes, their colour camera and the bend of their depth, found together: all three explain what does not agree.

A turn of the camera, a longer lens and a bent wall look alike to depth alone. Intensities tell them apart, because they
know how far the camera turned; so all are sought at once, and what the film leaves open is held near nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatia_core import se3
from spatia_core.arrays import Pose
from spatia_core.slam import calibration_kernels as kernels
from spatia_core.slam.align import GAINS, GATES, LEAST_GEO, LEAST_PHOTO, adjoint
from spatia_core.slam.bending import bent
from spatia_core.slam.keyframes import MapKeyframe
from spatia_core.slam.refine import DAMPING, LEAST_NEAR
from spatia_core.slam.registration import PRIOR
from spatia_core.slam.views import Level

COLOURS, BENDS = 6, 5
"""Terms of each."""
EXPECTED = np.r_[1 / np.sqrt(PRIOR), 0.003, 0.003, 0.02, 0.03, 0.01]
"""How large the terms of colour and of bend usually are."""
INDEPENDENT = 0.02
"""Share of the points that count: neighbouring pixels err alike."""
MOST_POINTS = 1500
"""Points of a view that take part."""
LIGHT_ROUNDS = 2
"""Looks at a pair until gain and offset are known."""
LEAST_POINTS = 100
"""Fewest points by which a pair says anything."""


@dataclass(frozen=True, eq=False, slots=True)
class Sensor:
    """What is not as K says."""

    colour: np.ndarray
    """(6,) how colour lies to depth, as in `laying.py`."""
    bend: np.ndarray
    """(5,) what must be added to inverse depth, as in `bending.py`."""


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """What is sought, and by what."""

    photo: float
    """Weight of intensity against depth."""
    colour: bool
    """Seek how colour lies to depth."""
    bend: bool
    """Seek how depth bends."""
    levels: tuple[int, ...]
    """The level of every Gauss-Newton step."""


@dataclass(eq=False, slots=True)
class _Pair:
    """What is known of a pair from the step before: gain, offset and the scales of both kinds of residual."""

    gain: float = 1.0
    offset: float = 0.0
    photo: float = 12.0
    geo: float = 0.01
    counts: tuple[int, float, int, float] = (0, 0.0, 0, 0.0)
    """Points seen and their summed distance (no more than the gate each), points lit and their summed difference."""


def calibrate(
    keyframes: Sequence[MapKeyframe], pairs: Sequence[tuple[int, int]], fixed: set[int], start: Sensor,
    settings: CalibrationSettings,
) -> Sensor:  # fmt: skip
    """Moves the keyframes that are not `fixed`, and the sensor, to where all pairs agree best; returns the sensor.

    The depth of the keyframes stays as it was measured.
    """
    members = sorted({k for p in pairs for k in p})
    slot = {k: i for i, k in enumerate(k for k in members if k not in fixed)}
    terms, poses = np.r_[start.colour, start.bend], 6 * len(slot)
    free = np.r_[np.full(poses, True), np.full(COLOURS, settings.colour), np.full(BENDS, settings.bend)]
    known = {pair: _Pair() for a, b in pairs for pair in ((a, b), (b, a))}
    for level in settings.levels:
        views = {k: bent(keyframes[k].view.levels[level], terms[COLOURS:], level) for k in members}
        H, g = np.zeros((len(free), len(free))), np.zeros(len(free))
        for (source, target), pair in known.items():
            W = se3.inverse(keyframes[target].c2w)
            relative = W @ keyframes[source].c2w
            gates = (GATES[level] / 2, settings.photo)
            part = _equations((views[source], views[target]), relative, terms[:COLOURS], pair, gates)
            if part is not None:
                _add(H, g, part, adjoint(W), (slot.get(source), slot.get(target)))
        H[range(poses, len(free)), range(poses, len(free))] += 1 / EXPECTED**2
        g[poses:] += terms / EXPECTED**2
        kept, step = H[np.ix_(free, free)], np.zeros(len(free))
        step[free] = -np.linalg.solve(kept + DAMPING * np.diag(np.maximum(np.diag(kept), 1)), g[free])
        for k, i in slot.items():
            c2w = se3.exp(step[6 * i : 6 * i + 6]) @ keyframes[k].c2w
            c2w[:3, :3] = se3.nearest_rotation(c2w[:3, :3])
            keyframes[k].c2w = c2w
        terms = terms + step[poses:]
    return Sensor(terms[:COLOURS], terms[COLOURS:])


def disagreement(
    keyframes: Sequence[MapKeyframe], pairs: Sequence[tuple[int, int]], sensor: Sensor, photo: float
) -> tuple[float, float]:
    """Mean distance (scene units at a depth of 2) and difference of intensity (grey levels) left between the pairs."""
    views = {k: bent(keyframes[k].view.levels[0], sensor.bend, 0) for p in pairs for k in p}
    total = np.zeros(4)
    for a, b in pairs:
        for source, target in ((a, b), (b, a)):
            T, pair = se3.inverse(keyframes[target].c2w) @ keyframes[source].c2w, _Pair()
            for _ in range(LIGHT_ROUNDS):
                _equations((views[source], views[target]), T, sensor.colour, pair, (GATES[0] / 2, photo))
            total += pair.counts
    return float(total[1] / max(total[0], 1)), float(total[3] / max(total[2], 1))


def _equations(
    views: tuple[Level, Level], relative: Pose, colour: np.ndarray, pair: _Pair, gates: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray] | None:
    """(17, 17) and (17,) of the normal equations of a pair at its best gain; None when it hardly sees one surface."""
    near, far = views
    stride = -(-len(near.points) // MOST_POINTS) or 1
    points = near.points[::stride]
    gate, weight = gates
    H, g = np.zeros((kernels.TERMS, kernels.TERMS)), np.zeros(kernels.TERMS)
    seen, surfaces, geo, lit, photo = kernels.sensor_system(
        points, relative, (near.lens, near.shading), (far.lens, far.depth, far.normals, far.shading), colour,
        (gate, pair.geo), (pair.gain, pair.offset, pair.photo, weight), H, g,
    )  # fmt: skip
    pair.counts = seen, geo + gate * (seen - surfaces), lit, photo
    if surfaces * stride < LEAST_POINTS or surfaces < LEAST_NEAR * seen:
        return None
    n = kernels.LIGHT
    if lit * stride > LEAST_POINTS // 2:
        inner = np.linalg.inv(H[n:, n:] + 1e-9 * np.eye(2) * np.trace(H[n:, n:]))
        change = inner @ g[n:]
        pair.gain, pair.offset = float(np.clip(pair.gain - change[0], *GAINS)), pair.offset - float(change[1])
        pair.photo = max(LEAST_PHOTO, 1.3 * photo / lit)
        g[:n] -= H[:n, n:] @ change
        H[:n, :n] -= H[:n, n:] @ inner @ H[n:, :n]
    pair.geo = max(LEAST_GEO, 1.3 * geo / surfaces)
    return stride * INDEPENDENT * H[:n, :n], stride * INDEPENDENT * g[:n]


def _add(H: np.ndarray, g: np.ndarray, part: tuple, world: np.ndarray, slots: tuple[int | None, int | None]) -> None:
    """Adds a pair's equations to those of all keyframes and the sensor; `world` takes twists to the target's frame."""
    shared = COLOURS + BENDS
    columns, blocks = [], []
    for i, sign in zip(slots, (1, -1), strict=True):
        if i is not None:
            columns.append(np.arange(6 * i, 6 * i + 6))
            blocks.append(np.vstack([sign * world, np.zeros((shared, 6))]))
    columns.append(np.arange(len(g) - shared, len(g)))
    blocks.append(np.vstack([np.zeros((6, shared)), np.eye(shared)]))
    at, J = np.concatenate(columns), np.hstack(blocks)
    H[np.ix_(at, at)] += J.T @ part[0] @ J
    g[at] += J.T @ part[1]
