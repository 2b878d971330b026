"""The end of a film: pieces joined, keyframes refined together, every frame placed once more."""

from collections.abc import Sequence

from spatia_core import se3
from spatia_core.slam.align import AlignSettings, align
from spatia_core.slam.frontends import LEAST_DEPTH, LEAST_TEXTURE, believable, recognise
from spatia_core.slam.graph import Edge
from spatia_core.slam.keyframes import Map, Record
from spatia_core.slam.refine import refine
from spatia_core.slam.sensor import learn_sensor
from spatia_core.slam.values import SlamOptions, Trajectory
from spatia_core.slam.views import refresh

FINAL_TARGETS = 4
"""Keyframes every frame is laid on in the end."""


def anchors(graph: Map) -> list[int]:
    """The first keyframe of every piece: it stays where it is."""
    first: dict[int, int] = {}
    for k, frame in enumerate(graph.keyframes):
        first.setdefault(frame.piece, k)
    return list(first.values())


def conclude(graph: Map, records: Sequence[Record], options: SlamOptions, notes: Sequence[str]) -> Trajectory:
    """The trajectory after all that can be known is known."""
    if options.loops:
        join_pieces(graph, options)
    if options.refine and len(graph.keyframes) > 1:
        for frame in graph.keyframes:
            if frame.averaged:
                refresh(frame.view)
        fixed, pairs = set(anchors(graph)), graph.pairs()
        refine(graph.keyframes, pairs, fixed, options.photo, levels=(1, 1, 1))
        photo = learn_sensor(graph, records, options, pairs, fixed)
        refine(graph.keyframes, pairs, fixed, photo, levels=(0, 0))
        _place_all(graph, records, photo)
    recover(graph, records, options)
    return _trajectory(graph, records, list(notes))


def join_pieces(graph: Map, options: SlamOptions) -> None:
    """Brings pieces that saw the same place into one world."""
    joined = True
    while joined and len({f.piece for f in graph.keyframes}) > 1:
        joined = False
        for k, frame in enumerate(graph.keyframes):
            others = [i for i, f in enumerate(graph.keyframes) if f.piece < frame.piece]
            hit = recognise(frame.view, graph, others, options, most=3) if others else None
            if hit is None:
                continue
            into = graph.keyframes[hit.keyframe]
            move = into.c2w @ hit.relative @ se3.inverse(frame.c2w)
            gone = frame.piece
            for other in graph.keyframes:
                if other.piece == gone:
                    other.c2w, other.piece = move @ other.c2w, into.piece
            graph.edges.append(Edge(hit.keyframe, k, hit.relative))
            graph.loops.append((hit.keyframe, k))
            joined = True
            break


def _place_all(graph: Map, records: Sequence[Record], weight: float) -> None:
    for record in records:
        if record.keyframe < 0 or record.view is None:
            continue
        home = graph.keyframes[record.keyframe]
        if home.view is record.view or record.view.known < LEAST_DEPTH:
            continue
        guess = home.c2w @ record.relative
        near = graph.near(record.view, guess, home.piece, FINAL_TARGETS) or [record.keyframe]
        targets = [(graph.keyframes[k].view, graph.keyframes[k].c2w) for k in near]
        photo = weight if record.view.texture > LEAST_TEXTURE else 0.0
        c2w, fit, _ = align(record.view, guess, targets, AlignSettings(1, photo, (4, 6), gate=0.7))
        if believable(fit):
            record.relative = se3.inverse(home.c2w) @ c2w


def recover(graph: Map, records: Sequence[Record], options: SlamOptions) -> None:
    """Tries the lost frames once more, against all keyframes and from the poses of their neighbours."""
    everywhere = range(len(graph.keyframes))
    for i, record in enumerate(records):
        if record.keyframe >= 0 or record.view is None:
            continue
        hit = recognise(record.view, graph, everywhere, options, most=3)
        if hit is not None:
            record.keyframe, record.relative, record.relocalised = hit.keyframe, hit.relative, True
            continue
        for j in (i - 1, i + 1):
            if not 0 <= j < len(records) or records[j].keyframe < 0 or record.view.known < LEAST_DEPTH:
                continue
            home = graph.keyframes[records[j].keyframe]
            c2w, fit, _ = align(record.view, home.c2w @ records[j].relative, [(home.view, home.c2w)])
            if believable(fit):
                record.keyframe, record.relocalised = records[j].keyframe, True
                record.relative = se3.inverse(home.c2w) @ c2w
                break


def _trajectory(graph: Map, records: Sequence[Record], notes: list[str]) -> Trajectory:
    poses, pieces = [], []
    for record in records:
        home = graph.keyframes[record.keyframe] if record.keyframe >= 0 else None
        poses.append(None if home is None else home.c2w @ record.relative)
        pieces.append(-1 if home is None else home.piece)
    names = {p: n for n, p in enumerate(dict.fromkeys(p for p in pieces if p >= 0))}
    pieces = [names.get(p, -1) for p in pieces]
    if len(names) > 1:
        starts = [pieces.index(n) for n in range(len(names))]
        notes.append(
            f"The film falls into {len(names)} pieces that show nothing in common (they begin at frames "
            f"{', '.join(map(str, starts))}); each has a world of its own."
        )
    lost = [i for i, p in enumerate(pieces) if p < 0]
    if lost:
        some = ", ".join(map(str, lost[:8])) + (" ..." if len(lost) > 8 else "")
        notes.append(f"{len(lost)} of {len(pieces)} frames could not be placed: {some}.")
    index = [f.view.index for f in graph.keyframes]
    loops = tuple((min(index[a], index[b]), max(index[a], index[b])) for a, b in graph.loops)
    loops = tuple(sorted({*loops, *graph.revisits}))
    again = tuple(i for i, r in enumerate(records) if r.relocalised)
    return Trajectory(tuple(poses), tuple(index), loops, tuple(pieces), again, tuple(notes))
