"""The report as JSON: everything that was measured, with names that stay."""

from __future__ import annotations

from typing import Any

import msgspec

from loadtest.crowd.figures import Bin, Histogram
from loadtest.crowd.run import Outcome

MARKS = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
NUMBERS = "versions behind"


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the report; durations in ms, ``series`` a point for each ``width_s``."""
    series = outcome.series
    return {
        "passed": outcome.passed,
        "wrong": outcome.wrong,
        "notes": outcome.notes,
        "began": outcome.began.isoformat(timespec="seconds"),
        "took_s": round(outcome.took_s, 1),
        "plan": msgspec.to_builtins(outcome.plan),
        "maps_right": outcome.maps_right,
        "seats_checked": outcome.seats_checked,
        "whole": _bin(series.whole),
        "series": {"width_s": series.width_s, "bins": [_bin(each) for each in series.bins]},
    }


def _bin(what: Bin) -> dict[str, Any]:
    times = {name: _marks(found) for name, found in what.times.items() if name != NUMBERS and found.total}
    body: dict[str, Any] = {"counts": what.counts, "errors": what.errors, "gauges": what.gauges, "times_ms": times}
    behind = what.times.get(NUMBERS)
    if behind is not None:
        body["versions_behind"] = {name: behind.number_at(share) for name, share in MARKS.items()}
    return body


def _marks(found: Histogram) -> dict[str, Any]:
    marks = {name: round(found.percentile(share) or 0.0, 3) for name, share in MARKS.items()}
    return {"number": found.total, **marks}
