"""Small plots over the frames of a clip as inline SVG; colours come from the page (assets/web/player.css)."""

from collections.abc import Sequence
from html import escape

from editing.trust import Series, Trust

WIDTH, HEIGHT = 300, 92
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 8, 18


def limits(series: Series) -> tuple[float, float]:
    """Lowest and highest value of the axis: round numbers around what there is, never wider than what is possible."""
    known = [v for v in series.values if v is not None]
    low, high = min(known), max(known)
    if series.best == "low":
        low = 0.0
    # what is good when high is never drawn so large that a hair looks like a fall
    least = 10.0 if series.best == "high" else 1e-9 if high > 0 else 1.0
    span = max(high - low, least)
    step = next(s for s in _steps() if s >= span / 4)
    bottom = step * int(low // step)
    top = step * (int(-(-high // step)) if high > bottom else 1)
    top = max(top, bottom + step, bottom + step * int(span / step) if series.best == "high" else 0.0)
    if series.top is not None and top > series.top:
        top = series.top
        bottom = min(bottom, top - span)
    return bottom, top


def _steps():
    for power in range(-6, 7):
        for digit in (1, 2, 5):
            yield digit * 10.0**power


def _number(value: float) -> str:
    return f"{value:.3g}"


def _pieces(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Runs of neighbouring known values."""
    out: list[list[tuple[int, float]]] = [[]]
    for k, v in enumerate(values):
        if v is None:
            out.append([])
        else:
            out[-1].append((k, v))
    return [run for run in out if run]


def plot(series: Series) -> str:
    """The series as a line over the frames, its worst frame marked; empty without values."""
    worst = series.worst
    if worst is None:
        return ""
    low, high = limits(series)
    last = max(len(series.values) - 1, 1)

    def x(frame: float) -> float:
        return _LEFT + frame / last * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    lines = "".join(
        f'<polyline points="{" ".join(f"{x(k):.1f},{y(v):.1f}" for k, v in run)}"/>'
        if len(run) > 1
        else f'<circle class="dot" cx="{x(run[0][0]):.1f}" cy="{y(run[0][1]):.1f}" r="2"/>'
        for run in _pieces(series.values)
    )
    frame, value = worst
    says = f"{series.title}, {series.unit} over {len(series.values)} frames. {series.sentence}"
    ticks = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{_LEFT - 5}" y="{y(v) + 3.5:.1f}" text-anchor="end">{_number(v)}</text>'
        for v in (low, high)
    )
    frames = (
        f'<text x="{_LEFT}" y="{HEIGHT - 4}">1</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" text-anchor="end">frame {len(series.values)}</text>'
    )
    mark = (
        f'<circle class="worst" cx="{x(frame):.1f}" cy="{y(value):.1f}" r="3.5">'
        f"<title>worst: {_number(value)} {escape(series.unit)} in frame {frame + 1}</title></circle>"
    )
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">'
        f"{ticks}{frames}{lines}{mark}</svg>"
    )


def panel(trust: Trust) -> str:
    """All series as small figures, each with its sentence; what has no values is a sentence alone."""
    figures = "".join(
        f'<figure class="measure"><figcaption><b>{escape(s.title)}</b><span>{escape(s.unit)}</span></figcaption>'
        f"{plot(s)}<p>{escape(s.sentence)}</p></figure>"
        for s in trust.series
        if s.values
    )
    silent = "".join(f"<p>{escape(s.sentence)}</p>" for s in trust.series if not s.values)
    return f'<div class="measures">{figures}</div>{silent}'
