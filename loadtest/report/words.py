"""The words and numbers that all reports share."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.crowd.run import Outcome

TIMES = {
    "staleness": "a change made ... a viewer has it",
    "spread": "the first viewer has a frame ... another",
    "join": "connecting ... a map",
    "refresh": "asking again ... the answer",
    "gap": "a gap ... the missing changes",
    "hold": "asking for seats ... held",
    "release": "letting go ... done",
    "confirm": "confirming ... booked or pending",
    "poll": "GET seats ... the answer",
}
"""Durations that are measured, in the order of their weight: from where to where."""
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
    "found nothing free",
    "polls changed",
    "polls unchanged",
    "stalled",
    "reads again",
    "closed while stalled",
    "bytes",
)


def ms(value: float | None) -> str:
    """Write a duration (ms) for people."""
    if value is None:
        return "-"
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def amount(number: float) -> str:
    """Write a count for people."""
    return f"{number:,.0f}"


def rows(outcome: Outcome) -> Iterator[tuple[str, int, str]]:
    """Yield what was counted: name, number, and number a second as text."""
    for name in COUNTS:
        number = outcome.series.whole.counts[name]
        if number:
            rate = number / outcome.plan.seconds
            yield name, number, f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"
