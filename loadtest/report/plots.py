"""Plots as inline SVG: lines over time, bars of a histogram, bars by name. No I/O, no external resources.

Colours are CSS classes (``a`` to ``c`` for different quantities, ``p1`` to ``p3`` for rising percentiles of one), which
the page defines for light and dark. Every plot carries its data for the page's script, which shows the values under the
pointer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

import orjson

from loadtest.crowd.figures import BUCKETS_PER_OCTAVE, Histogram, upper_ms

WIDTH, HEIGHT = 620, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 30
BRIDGED = 2
"""A line is drawn across at most this many points without a value."""
BAR_BUCKETS = BUCKETS_PER_OCTAVE // 4


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name in the legend, the class of its colour, and a value (None: no value) for each point."""

    name: str
    css: str
    values: Sequence[float | None]


def nice_ticks(top: float, about: int = 4) -> list[float]:
    """Return round tick values from 0 to at least ``top``."""
    rough = max(top, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [step * n for n in range(math.ceil(top / step - 1e-9) + 1)] if top > 0 else [0.0, step]


def short(value: float) -> str:
    """Format the label of a tick."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def clock(seconds: float) -> str:
    """Format a time since the beginning of a run."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def lines(xs: Sequence[float], drawn: Sequence[Line], unit: str) -> str:
    """Plot lines over time; ``xs`` in seconds."""
    known = [value for line in drawn for value in line.values if value is not None]
    ticks = nice_ticks(max(known, default=1.0))
    end = max([*xs, 1.0])

    def x(second: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * second / end

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / ticks[-1]

    parts = [_frame(ticks, y, unit)]
    for second in _time_ticks(end):
        parts.append(_below(x(second), clock(second)))
    for line in drawn:
        path, missing = [], BRIDGED + 1
        for second, value in zip(xs, line.values, strict=True):
            if value is None:
                missing += 1
                continue
            # The zero-length segment draws an isolated point as a dot.
            path.append(f"{'L' if missing <= BRIDGED else 'M'}{x(second):.1f} {y(value):.1f}h0")
            missing = 0
        parts.append(f'<path class="line {line.css}" d="{" ".join(path)}"/>')
    data = {
        "x": [round(x(second), 1) for second in xs],
        "label": [clock(second) for second in xs],
        "lines": [
            {"name": line.name, "css": line.css, "v": [_rounded(value) for value in line.values]} for line in drawn
        ],
        "unit": unit,
    }
    legend = "".join(f'<span class="key {line.css}">{escape(line.name)}</span>' for line in drawn)
    return _figure("".join(parts), data, legend if len(drawn) > 1 else "")


@dataclass(frozen=True, slots=True)
class _Bars:
    """The bars of a histogram, from ``low`` up to but not ``high``; each covers ``BAR_BUCKETS`` buckets."""

    shares: dict[int, float]
    low: int
    high: int

    @classmethod
    def of(cls, found: Histogram) -> _Bars:
        """Return the bars of a histogram that is not empty; at least 12, so that few values don't fill the plot."""
        shares: dict[int, float] = {}
        for bucket, count in found.counts.items():
            shares[bucket // BAR_BUCKETS] = shares.get(bucket // BAR_BUCKETS, 0.0) + 100 * count / found.total
        low, high = min(shares), max(shares) + 1
        if high - low < 12:
            low, high = max(0, low - (12 - high + low) // 2), high + (12 - high + low) // 2
        return cls(shares, low, high)

    @property
    def width(self) -> float:
        """Width of a bar."""
        return (WIDTH - LEFT - RIGHT) / (self.high - self.low)

    def x_of_bar(self, bar: int) -> float:
        """Return the left edge of a bar."""
        return LEFT + (bar - self.low) * self.width

    def x_of(self, value_ms: float) -> float:
        """Return the place of a duration on the logarithmic axis."""
        return LEFT + (math.log2(value_ms * 1000) * BUCKETS_PER_OCTAVE / BAR_BUCKETS - self.low) * self.width


def histogram(found: Histogram, css: str = "a") -> str:
    """Plot the distribution of durations, on a logarithmic axis."""
    bars = _Bars.of(found)
    ticks = nice_ticks(max(bars.shares.values()))

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / ticks[-1]

    parts = [_frame(ticks, y, "%")]
    middles, labels, values = [], [], []
    for bar in range(bars.low, bars.high):
        share, left = bars.shares.get(bar, 0.0), bars.x_of_bar(bar)
        if share:
            height, width = max(1.0, y(0) - y(share)), max(1.0, bars.width - 2)
            parts.append(
                f'<rect class="bar {css}" x="{left + 1:.1f}" y="{y(0) - height:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}" rx="2"/>'
            )
        middles.append(round(left + bars.width / 2, 1))
        first, last = upper_ms(bar * BAR_BUCKETS - 1), upper_ms(bar * BAR_BUCKETS + BAR_BUCKETS - 1)
        labels.append(f"{first:.3g} to {last:.3g} ms")
        values.append(round(share, 3))
    parts += [*_duration_ticks(bars), *_percentile_marks(bars, found)]
    data = {"x": middles, "label": labels, "lines": [{"name": "of all", "css": css, "v": values}], "unit": "%"}
    return _figure("".join(parts), data, "")


def _duration_ticks(bars: _Bars) -> Iterator[str]:
    for mark in (10.0**n * m for n in range(-3, 7) for m in ((1, 3) if bars.high - bars.low < 40 else (1,))):
        if LEFT <= bars.x_of(mark) <= WIDTH - RIGHT - 8:
            yield _below(bars.x_of(mark), f"{mark:g} ms" if mark < 1000 else f"{mark / 1000:g} s")


def _percentile_marks(bars: _Bars, found: Histogram) -> Iterator[str]:
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        at = min(WIDTH - RIGHT, max(LEFT, bars.x_of(found.percentile(share) or 0.001)))
        yield f'<path class="mark" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        anchor, shift = ("end", -4) if at > WIDTH / 2 else ("start", 4)
        yield f'<text class="tick" x="{at + shift:.1f}" y="{TOP + 10}" text-anchor="{anchor}">{name}</text>'


def bars_by_name(counts: Sequence[tuple[str, int]]) -> str:
    """Plot numbers by name, as HTML because names may be long."""
    top = max((number for _name, number in counts), default=1)
    rows = "".join(
        f'<div class="hbar"><span class="name">{escape(name)}</span>'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="bar e" width="{max(0.5, 100 * number / top):.2f}" height="10"/></svg>'
        f'<span class="value">{number:,}</span></div>'
        for name, number in counts
    )
    return f'<div class="hbars">{rows}</div>'


def _below(x: float, label: str) -> str:
    return f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{label}</text>'


def _frame(ticks: Sequence[float], y: Callable[[float], float], unit: str) -> str:
    parts = []
    for tick in ticks:
        css = "axis" if tick == 0 else "grid"
        parts.append(f'<path class="{css}" d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}"/>')
        label = f"{short(tick)}{' ' + unit if tick == ticks[-1] and unit else ''}"
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{label}</text>')
    return "".join(parts)


def _time_ticks(end: float) -> list[float]:
    for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400):
        if end / step <= 7:
            return [float(second) for second in range(0, int(end) + 1, step)]
    return [0.0, end]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _figure(inside: str, data: object, legend: str) -> str:
    json = escape(orjson.dumps(data).decode(), quote=True)
    return (
        f'<div class="legend">{legend}</div><div class="plot" data-plot="{json}">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{inside}'
        f'<path class="cross" d="M0 {TOP}V{HEIGHT - BOTTOM}"/></svg>'
        '<div class="tip" hidden></div></div>'
    )
