"""What a film tells of the sensor it was taken with: how colour lies to depth, and how depth bends."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spatia_core.slam.bending import Bend
from spatia_core.slam.calibration import BENDS, COLOURS, CalibrationSettings, Sensor, calibrate, disagreement
from spatia_core.slam.keyframes import Map, Record
from spatia_core.slam.registration import LARGEST as LARGEST_COLOUR
from spatia_core.slam.registration import find_registration
from spatia_core.slam.values import SlamOptions

_LOG = logging.getLogger(__name__)

REGISTERED_PHOTO = 1.0
"""Weight of intensity once colour was laid on depth: both witnesses count alike, each on its own scale."""
MOST_PAIRS = 120
"""Pairs of keyframes that fit or judge beside those that hold the chain together."""
LEAST_JUDGES = 3
"""Fewer pairs that were not fitted say nothing."""
BETTER = 0.99
"""Share to which distance times difference of intensity must fall, on pairs that were not fitted, for a bend to be
believed."""
LARGEST = 0.1
"""Terms of a bend beyond this are no sensor's."""
STRAIGHT = (1, 1, 0)
"""Levels of the steps with depth as measured."""
BENDING = (1, 1, 0, 0, 0, 0)
"""Levels of the steps with the bend free."""
LAST = (0, 0, 0)
"""Levels of the steps with all pairs, once it is known whether depth bends."""


def learn_sensor(
    graph: Map, records: Sequence[Record], options: SlamOptions, pairs: Sequence[tuple[int, int]], fixed: set[int]
) -> float:
    """Gives every view what the film shows of its sensor, once; returns the weight of intensity from then on."""
    if options.photo <= 0 or options.unscaled_depth:
        return options.photo
    if graph.registration is None and graph.bend is None:
        _find(graph, pairs, options, fixed)
    for view in [k.view for k in graph.keyframes] + [r.view for r in records if r.view is not None]:
        graph.as_known(view)
    return options.photo if graph.registration is None else max(options.photo, REGISTERED_PHOTO)


def _find(graph: Map, pairs: Sequence[tuple[int, int]], options: SlamOptions, fixed: set[int]) -> None:
    """Finds how colour lies, then, if asked, whether depth bends: pairs that were not fitted judge."""
    keyframes = graph.keyframes
    found = find_registration(keyframes, pairs, fixed)
    fitted, judges = _shared_out(graph, pairs)
    if len(judges) < LEAST_JUDGES:
        graph.registration = found
        return
    photo = options.photo if found is None else max(options.photo, REGISTERED_PHOTO)
    start = Sensor(np.zeros(COLOURS) if found is None else found.terms, np.zeros(BENDS))
    settings = CalibrationSettings(photo, found is not None, False, STRAIGHT)
    flat = calibrate(keyframes, fitted, fixed, start, settings)
    sensor, bends = flat, False
    before = after = disagreement(keyframes, judges, flat, photo)
    if options.straighten:
        bent = calibrate(keyframes, fitted, fixed, flat, replace(settings, bend=True, levels=BENDING))
        after = disagreement(keyframes, judges, bent, photo)
        _LOG.info("a bend of depth by %s: %s apart instead of %s", bent.bend.round(4), after, before)
        bends = bool(np.prod(after) < BETTER * np.prod(before) and (np.abs(bent.bend) <= LARGEST).all())
        sensor = bent if bends else flat
    settings = replace(settings, bend=bends, levels=LAST)
    sensor = calibrate(keyframes, sorted({*fitted, *judges}), fixed, sensor, settings)
    if bends:
        graph.bend = Bend(sensor.bend, before[0], after[0])
    if found is not None:
        inside = (np.abs(sensor.colour) <= LARGEST_COLOUR).all()
        graph.registration = replace(found, terms=sensor.colour) if inside else found


def _shared_out(graph: Map, pairs: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs that fit, all that hold the chain together among them, and as many others that judge."""
    chain = {(min(e.a, e.b), max(e.a, e.b)) for e in graph.edges}
    others = [p for p in pairs if p not in chain]
    others = others[:: -(-len(others) // MOST_PAIRS) or 1]
    return sorted(chain.union(others[1::2])), others[::2]
