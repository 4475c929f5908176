"""The report of a run: for people, and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

from loadtest.faults.run import Outcome

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
            kind: {"injected": count, "longest_outage_s": _longest(outcome.outages.get(kind, []))}  # type: ignore[call-overload]
            for kind, count in sorted(kinds.items())
        },
        "counts": {**outcome.counts, "seats_sold": outcome.seats_sold},
        "errors": outcome.errors,
        "checks": dict(outcome.verdict.checks),
        "violations": [{"rule": each.rule, "text": each.text} for each in outcome.verdict.violations],
        "trouble": outcome.trouble,
        "history": str(outcome.history),
    }


def _longest(outages: list[float | None]) -> float | None:
    return None if not outages or None in outages else round(max(each for each in outages if each is not None), 2)


def text(outcome: Outcome) -> str:
    """Return the report for a terminal."""
    told = document(outcome)
    lines = ["", f"{'fault':<42}{'injected':>9}{'longest outage':>16}"]
    for kind, each in told["faults"].items():
        longest = each["longest_outage_s"]
        lines.append(f"{kind:<42}{each['injected']:>9}{'never back' if longest is None else f'{longest:.2f} s':>16}")
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
