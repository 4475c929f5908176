"""The report of a run: for people, and as JSON."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from loadtest.faults.run import Outcome
from loadtest.faults.schedule import Kind

SHOWN = 12


def passed(outcome: Outcome) -> bool:
    """Whether every promise was kept, and the runner did its work."""
    return not outcome.verdict.violations and not outcome.trouble and outcome.counts.get("bookings", 0) > 0


def document(outcome: Outcome) -> dict[str, Any]:
    """Return everything as plain values."""
    kinds = Counter(fault.kind.value for fault in outcome.faults)
    return {
        "passed": passed(outcome),
        "seed": outcome.plan.seed,
        "minutes": outcome.plan.minutes,
        "buyers_per_region": outcome.plan.buyers,
        "faults": {
            kind: {"injected": count, **_outages(outcome.outages.get(Kind(kind), []))}
            for kind, count in sorted(kinds.items())
        },
        "counts": {**outcome.counts, "seats_sold": outcome.seats_sold},
        "errors": outcome.errors,
        "checks": dict(outcome.verdict.checks),
        "violations": [{"rule": each.rule, "text": each.text} for each in outcome.verdict.violations],
        "trouble": outcome.trouble,
        "history": str(outcome.history),
    }


def _outages(outages: list[float | None]) -> dict[str, float | None]:
    felt = [each for each in outages if each is not None]
    if not felt or len(felt) < len(outages):
        return {"median_outage_s": None, "longest_outage_s": None}
    return {"median_outage_s": round(median(felt), 2), "longest_outage_s": round(max(felt), 2)}


def _s(seconds: float | None) -> str:
    return "never back" if seconds is None else f"{seconds:.2f} s"


def text(outcome: Outcome) -> str:
    """Return the report for a terminal."""
    told = document(outcome)
    lines = ["", f"{'fault':<42}{'injected':>9}{'outage: median':>16}{'longest':>12}"]
    for kind, each in told["faults"].items():
        lines.append(
            f"{kind:<42}{each['injected']:>9}{_s(each['median_outage_s']):>16}{_s(each['longest_outage_s']):>12}"
        )
    counts = told["counts"]
    lines += [
        "",
        f"{counts.get('holds', 0)} holds, {counts.get('bookings', 0)} bookings, {counts['seats_sold']} seats sold, "
        f"{counts.get('gaps', 0)} gaps in viewers' frames",
        "answers other than ok: " + (", ".join(f"{c} {n}" for c, n in Counter(told["errors"]).most_common()) or "none"),
        "",
        f"{'checked':<48}{'times':>9}{'broken':>9}",
    ]
    broken = Counter(each.rule for each in outcome.verdict.violations)
    for rule, count in sorted(told["checks"].items()):
        lines.append(f"{rule:<48}{count:>9}{broken[rule]:>9}")
    shown = outcome.verdict.violations[:SHOWN]
    lines += ["", *(f"VIOLATION  {each.rule}: {each.text}" for each in shown)]
    if len(broken) and len(outcome.verdict.violations) > SHOWN:
        lines.append(f"... and {len(outcome.verdict.violations) - SHOWN} more")
    lines += [f"THE RUNNER FAILED  {each}" for each in outcome.trouble]
    options = f"--seed {outcome.plan.seed} --minutes {outcome.plan.minutes:g} --buyers {outcome.plan.buyers}"
    lines += [f"{'PASSED' if told['passed'] else 'FAILED'}   replay: python -m loadtest faults {options}"]
    return "\n".join(lines)
