"""The report of a run: as text for a terminal, and as JSON."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from loadtest.faults.outcome import Outcome
from loadtest.faults.schedule import OPTIONAL, Kind

SHOWN = 12
"""Violations printed in full."""


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the whole report as plain values."""
    kinds = Counter(fault.kind.value for fault in outcome.faults)
    return {
        "passed": outcome.passed,
        "seed": outcome.plan.seed,
        "minutes": outcome.plan.minutes,
        "buyers_per_region": outcome.plan.buyers,
        "faults": {
            kind: {"injected": count, **_outages(outcome.outages.get(Kind(kind), []))}
            for kind, count in sorted(kinds.items())
        },
        "counts": {**outcome.counts, "seats_sold": outcome.seats_sold},
        "errors": outcome.errors,
        "partitions": dict(outcome.verdict.figures),
        "checks": dict(outcome.verdict.checks),
        "violations": [{"rule": each.rule, "text": each.text} for each in outcome.verdict.violations],
        "runner_errors": outcome.runner_errors,
        "history": str(outcome.history),
    }


def _outages(outages: list[float | None]) -> dict[str, float | None]:
    ended = [each for each in outages if each is not None]
    if not ended or len(ended) < len(outages):
        return {"median_outage_s": None, "longest_outage_s": None}
    return {"median_outage_s": round(median(ended), 2), "longest_outage_s": round(max(ended), 2)}


def _s(seconds: float | None) -> str:
    return "not ended" if seconds is None else f"{seconds:.2f} s"


def _partitions(figures: dict[str, int]) -> list[str]:
    if not figures:
        return []
    return [
        "asked for seats on the old master's side of a partition: " + ", ".join(f"{n} {c}" for c, n in figures.items())
    ]


def text(outcome: Outcome) -> str:
    """Return the report for a terminal."""
    report = document(outcome)
    lines = ["", f"{'fault':<42}{'injected':>9}{'outage: median':>16}{'longest':>12}"]
    for kind, each in report["faults"].items():
        lines.append(
            f"{kind:<42}{each['injected']:>9}{_s(each['median_outage_s']):>16}{_s(each['longest_outage_s']):>12}"
        )
    counts = report["counts"]
    lines += [
        "",
        f"{counts.get('holds', 0)} holds, {counts.get('bookings', 0)} bookings, {counts['seats_sold']} seats sold, "
        f"{counts.get('gaps', 0)} gaps in versions at viewers",
        "refused or without an answer: "
        + (", ".join(f"{c} {n}" for c, n in Counter(report["errors"]).most_common()) or "none"),
        *_partitions(report["partitions"]),
        "",
        f"{'rule':<48}{'checks':>9}{'violated':>9}",
    ]
    broken = Counter(each.rule for each in outcome.verdict.violations)
    for rule, count in sorted(report["checks"].items()):
        lines.append(f"{rule:<48}{count:>9}{broken[rule]:>9}")
    shown = outcome.verdict.violations[:SHOWN]
    lines += ["", *(f"VIOLATION  {each.rule}: {each.text}" for each in shown)]
    if len(broken) and len(outcome.verdict.violations) > SHOWN:
        lines.append(f"... and {len(outcome.verdict.violations) - SHOWN} more")
    lines += [f"RUNNER ERROR  {each}" for each in outcome.runner_errors]
    options = f"--seed {outcome.plan.seed} --minutes {outcome.plan.minutes:g} --buyers {outcome.plan.buyers}"
    if outcome.plan.kinds != frozenset(Kind) - OPTIONAL:
        options += f" --faults {','.join(sorted(kind.option for kind in outcome.plan.kinds))}"
    if outcome.plan.previous is not None:
        options += f" --previous {outcome.plan.previous}"
    lines += [f"{'PASSED' if report['passed'] else 'FAILED'}   replay: python -m loadtest faults {options}"]
    return "\n".join(lines)
