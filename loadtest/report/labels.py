"""Labels and number formats that all reports share."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.crowd.outcome import Outcome

TIMES = {
    "staleness": "a change ... a viewer has received it",
    "spread": "the first viewer has received a frame ... another has",
    "join": "connecting ... the map",
    "refresh": "watching again ... the answer",
    "gap": "a gap in versions ... the missing changes",
    "hold": "requesting seats ... held",
    "release": "releasing a hold ... released",
    "confirm": "confirming ... booked or pending",
    "poll": "GET seats ... the answer",
}
"""Durations that are measured, most important first: from which moment to which."""
COUNTS = (
    "connects",
    "joins",
    "refreshes",
    "leaves",
    "lost",
    "frames",
    "gaps",
    "missed",
    "holds",
    "releases",
    "abandoned",
    "bookings",
    "seats sold",
    "pending",
    "no free seats",
    "polls changed",
    "polls unchanged",
    "stalled",
    "reads again",
    "closed while stalled",
    "bytes",
)


def ms(value: float | None) -> str:
    """Format a duration (ms)."""
    if value is None:
        return "-"
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def amount(number: float) -> str:
    """Format a count."""
    return f"{number:,.0f}"


def rows(outcome: Outcome) -> Iterator[tuple[str, int, str]]:
    """Yield what was counted: name, number, and rate a second as text."""
    for name in COUNTS:
        number = outcome.series.whole.counts[name]
        if number:
            rate = number / outcome.plan.seconds
            yield name, number, f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"
