"""Labels and number formats that all reports share."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.crowd.outcome import Outcome

TIMES = {
    "staleness": "from a change to its arrival at a viewer",
    "spread": "from a frame's first arrival at a viewer to each other arrival",
    "join": "from connecting to the map",
    "refresh": "from watching again to the answer",
    "gap": "from noticing missing versions to receiving them",
    "hold": "from requesting seats to holding them",
    "release": "from releasing a hold to the answer",
    "confirm": "from confirming to booked or pending",
    "poll": "from GET seats to the whole answer",
}
"""The durations that are measured, most important first."""
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
