"""The result of a run, with what a reader of its figures must know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from loadtest.crowd.figures import Bin, Series
from loadtest.crowd.plan import Plan

MAX_GROWTH = 0.05
"""A soak in which the nodes' memory grows by more than this share has found a leak."""
LEAK_AFTER_S = 600.0
"""In a shorter soak growth is only a note, because memory takes minutes to reach its level."""


@dataclass(slots=True)
class Outcome:
    """Result of a run. ``failures`` is empty if figures were measured and every check passed."""

    plan: Plan
    series: Series
    started_at: datetime
    duration_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    maps_verified: int = 0
    claims_checked: int = 0

    @property
    def passed(self) -> bool:
        """Whether the run measured something and every check passed."""
        return not self.failures

    def conclude(self) -> None:
        """Add what the figures of the whole run show to ``failures`` and ``notes``."""
        whole = self.series.whole
        if whole.counts["versions fell"]:
            self.failures.append(f"{whole.counts['versions fell']} times a viewer received an older version")
        if not any(name in whole.times for name in ("join", "hold", "poll")):
            self.failures.append("nothing could be measured: no viewer, buyer or poller got an answer")
        self.notes += _notes(self.plan, whole, self.series)
        growth = self.series.growth("server memory") if self.plan.command == "soak" else None
        if growth is not None:
            text = f"The nodes' memory changed by {growth:+.1%} from the second quarter of the run to the last."
            is_leak = growth > MAX_GROWTH and self.duration_s >= LEAK_AFTER_S
            (self.failures if is_leak else self.notes).append(text)


def _notes(plan: Plan, whole: Bin, series: Series) -> list[str]:
    notes = []
    if plan.buyers and not plan.demo_payments:
        notes.append("The target has no demo payment service: buyers held and released seats, but booked none.")
    if whole.counts["probes by the request"]:
        notes.append(
            "The clocks of this machine and of the lock masters differ: staleness is counted from the request for a "
            "change instead of from the change, so it is an upper bound."
        )
    if whole.counts["missed"]:
        notes.append(
            f"{whole.counts['missed']:,} times a viewer received a change after more than 10 s or never; each is "
            "counted as 10 s."
        )
    busy = [bin.gauges[name] / series.width_s for bin in series.bins for name in bin.gauges if "load cpu" in name]
    if busy and sorted(busy)[len(busy) // 2] > 0.9:
        notes.append("The load processes used a whole core, which distorts the figures: add --processes.")
    if whole.counts["no seat to probe"] and "staleness" not in whole.times:
        notes.append("Staleness was not measured, because no seat was free to be held for it.")
    if whole.errors["rate_limited"]:
        notes.append(
            f"{whole.errors['rate_limited']:,} requests were refused as rate_limited; the crowd waited as long as the "
            "nodes asked."
        )
    return notes
