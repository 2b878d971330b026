"""What moves by itself in a film whose camera is known: masks from motion alone."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool
from scipy.ndimage import binary_fill_holes

from spatia_core.arrays import Depth, Mask
from spatia_core.fusion.draft import differs
from spatia_core.memory import SpatialMemory
from spatia_core.motion.carrying import carried, propagated, widened
from spatia_core.motion.evidence import CERTAIN, Evidence, epipolar_evidence, flow_evidence, neared, seen_through
from spatia_core.motion.film import Film, View
from spatia_core.motion.flows import Flows
from spatia_core.render import Rendering, render

STRONG, WEAK = 1.0, 0.45
"""Evidence from which a pixel moves, and from which it moves when it is connected to one that does."""

SLACK = 1.7
"""Factor by which an estimated depth may be wrong: flow along the line that this leaves open proves nothing."""

SEEDED = 0.15
"""Share of a moving region that must be sure."""

GROWN = 0.03
"""How far, in widths of the picture, a moving region reaches beyond what is sure."""

SMALLEST = 4e-4
"""Share of the picture below which a moving region is taken for noise."""


def moving_masks(
    film: Film, memory: SpatialMemory | None = None, marked: Mask | None = None
) -> Bool[np.ndarray, "t h w"]:
    """(t, h, w) True where something moves by itself, a little widened.

    memory: stands in for depths where the film has none, and its colours help to complete what was found. marked: a
    person's mask of moving things in frame 0, carried through the film and added to what motion shows.
    """
    drawn = None if memory is None or not len(memory) else [render(memory.cloud, c) for c in film.cameras]
    depths = film.depths if drawn is None or film.depths is not None else [d.depth for d in drawn]
    flows = Flows(film, depths)
    evidence: list[Evidence] = []
    for i in range(len(film)):
        evidence.append(_evidence(film, i, flows, depths, None if drawn is None else drawn[i]))
        flows.forget(i)
    found = [_decided(e) for e in evidence]
    # where measured depth bears witness too, what moves shows more
    least = WEAK if film.depths is not None and film.measured else 0.5 * WEAK
    held = carried(found, [np.nan_to_num(e.flow, nan=WEAK) >= least for e in evidence], flows)
    out = np.stack([widened(m) for m in held]) if held else np.zeros(film.images.shape[:3], bool)
    if marked is not None:
        out |= propagated(film.images, marked, flows)
    return out


def _evidence(film: Film, i: int, flows: Flows, depths: Sequence[Depth] | None, shown: Rendering | None) -> Evidence:
    """The evidence of motion in frame i, mean over the partner frames that can tell.

    depths: of every frame, measured, estimated or the memory's. shown: the memory as frame i's camera sees it.
    """
    views = {k: View(film.images[k], film.cameras[k], None if depths is None else depths[k]) for k in range(len(film))}
    here, shape = views[i], film.images.shape[1:3]
    pairs: list[Evidence] = []
    for k in film.partners(i):
        flow, good = flows(i, k)
        if here.depth is None:
            off = epipolar_evidence(flow, good, here.camera, views[k].camera)
            pairs.append(Evidence(off, off))
        else:
            pairs.append(flow_evidence(here, views[k], flow, good, 1.0 if film.measured else SLACK))
    proof = np.full(shape, np.nan, np.float32)
    if film.depths is not None and film.measured:
        others = [*film.partners(i), *film.distant(i)]
        gone = np.zeros(shape, np.float32)
        for k in film.witnesses(i):
            gone += seen_through(film.depths[i], film.depths[k], film.cameras[i], film.cameras[k])
        nearer = _mean([neared(here, views[k], *flows(i, k)) for k in others], shape)
        proof = np.fmax(nearer, np.where(gone > 0, CERTAIN * np.minimum(gone / 2, 1), np.nan))
    flow, sure = (np.fmax(_mean([getattr(e, name) for e in pairs], shape), proof) for name in ("flow", "sure"))
    if shown is not None:
        # another colour than the memory's proves nothing (a clip may be lit otherwise) but completes what moves
        unlike = shown.coverage & differs(film.images[i], shown.rgb)
        flow = np.where(unlike, np.fmax(np.nan_to_num(flow), WEAK), flow)
    return Evidence(flow.astype(np.float32), sure.astype(np.float32))


def _mean(maps: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for m in maps:
        known = np.isfinite(m)
        total[known] += m[known]
        count[known] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _decided(evidence: Evidence) -> Mask:
    """The mask of the evidence: hysteresis, closed, without specks."""
    shape = evidence.flow.shape
    likely, sure = (cv2.medianBlur(np.nan_to_num(e).astype(np.float32), 5) for e in (evidence.flow, evidence.sure))
    strong, weak = sure >= STRONG, ((likely >= STRONG) | (sure >= WEAK)).astype(np.uint8)
    size = max(3, round(0.02 * shape[1]) | 1)
    r = round(GROWN * shape[1])
    weak &= np.asarray(cv2.dilate(strong.astype(np.uint8), np.ones((2 * r + 1, 2 * r + 1), np.uint8)), np.uint8)
    weak = cv2.morphologyEx(weak, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    parts = np.asarray(labels, np.int32)
    seeds = np.bincount(parts[strong], minlength=count)
    keep = (seeds >= SEEDED * stats[:, cv2.CC_STAT_AREA]) & (seeds >= SMALLEST * likely.size)
    keep[0] = False
    return np.asarray(binary_fill_holes(keep[parts]))
