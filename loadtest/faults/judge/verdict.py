"""What was checked, how often, and what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: the rule, and the evidence."""

    rule: str
    text: str


@dataclass(slots=True)
class Verdict:
    """Number of checks by rule, and the violations. ``figures``: what buyers on the old side of partitions got."""

    checks: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)

    def check(self, rule: str, good: bool, text: str) -> None:
        """Count a check; if it is not ``good``, add a violation with ``text`` as its evidence."""
        self.checks[rule] += 1
        if not good:
            self.violations.append(Violation(rule, text))
