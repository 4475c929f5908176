"""The report as JSON: every figure that was measured, under names that don't change between releases."""

from __future__ import annotations

from typing import Any

import msgspec

from loadtest.crowd.figures import Bin, Histogram
from loadtest.crowd.outcome import Outcome

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
NUMBERS = "versions behind"
"""The histogram of integers instead of durations."""


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the report. Durations are in ms; ``series`` has a bin for each ``width_s`` seconds."""
    series = outcome.series
    return {
        "passed": outcome.passed,
        "failures": outcome.failures,
        "notes": outcome.notes,
        "started_at": outcome.started_at.isoformat(timespec="seconds"),
        "duration_s": round(outcome.duration_s, 1),
        "plan": msgspec.to_builtins(outcome.plan),
        "maps_verified": outcome.maps_verified,
        "claims_checked": outcome.claims_checked,
        "whole": _bin(series.whole),
        "series": {"width_s": series.width_s, "bins": [_bin(each) for each in series.bins]},
    }


def _bin(figures: Bin) -> dict[str, Any]:
    times = {name: _percentiles(found) for name, found in figures.times.items() if name != NUMBERS and found.total}
    body: dict[str, Any] = {
        "counts": figures.counts,
        "errors": figures.errors,
        "gauges": figures.gauges,
        "times_ms": times,
    }
    behind = figures.times.get(NUMBERS)
    if behind is not None:
        body["versions_behind"] = {name: behind.number_at(share) for name, share in PERCENTILES.items()}
    return body


def _percentiles(found: Histogram) -> dict[str, Any]:
    percentiles = {name: round(found.percentile(share) or 0.0, 3) for name, share in PERCENTILES.items()}
    return {"number": found.total, **percentiles}
