"""Output on the terminal: a progress line during the run, tables after it."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loadtest.crowd.figures import Bin
from loadtest.crowd.outcome import Outcome
from loadtest.crowd.run import Run
from loadtest.report.labels import TIMES, amount, ms, rows

LINE_S = 10
"""Interval of progress lines when stdout is not a terminal."""


class Progress:
    """Shows the progress of a run; a context manager."""

    def __init__(self) -> None:
        """On a terminal the line is updated in place, otherwise lines are printed."""
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._printed_at = float("-inf")

    def __enter__(self) -> Progress:
        """Start updating the terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop updating the terminal."""
        if self._console.is_terminal:
            self._live.stop()

    def update(self, run: Run) -> None:
        """Show the figures of the last second."""
        line = _line(run)
        if self._console.is_terminal:
            self._live.update(Text(line), refresh=True)
        elif run.elapsed_s - self._printed_at >= LINE_S:
            self._printed_at = run.elapsed_s
            self._console.print(line, soft_wrap=True)


def _line(run: Run) -> str:
    plan, series = run.plan, run.series
    # The last bin is not complete yet.
    last = series.bins[-2] if len(series.bins) > 1 else Bin()
    parts = [f"{min(run.elapsed_s, plan.seconds):4.0f} of {plan.seconds:.0f} s"]
    if plan.viewers or plan.slow:
        parts.append(f"{last.gauge('viewers') or 0:,.0f} viewers")
        parts.append(f"{last.counts['frames'] / series.width_s:,.0f} frames/s")
        parts.append(f"staleness p99 {ms(last.times['staleness'].percentile(0.99))}")
    if plan.buyers:
        parts.append(f"{last.counts['holds'] / series.width_s:,.0f} holds/s")
        parts.append(f"hold p99 {ms(last.times['hold'].percentile(0.99))}")
    if plan.pollers:
        parts.append(f"{last.times['poll'].total / series.width_s:,.0f} polls/s")
        parts.append(f"p99 {ms(last.times['poll'].percentile(0.99))}")
    errors = sum(series.whole.errors.values())
    parts.append(f"{errors:,} errors")
    return "  ".join(parts)


def summary(outcome: Outcome) -> None:
    """Print the result of a run."""
    console = Console(highlight=False)
    whole = outcome.series.whole
    counts = Table(
        title=f"{outcome.plan.command}, {outcome.duration_s:.0f} s, seed {outcome.plan.seed}", title_justify="left"
    )
    counts.add_column("count")
    counts.add_column("total", justify="right")
    counts.add_column("a second", justify="right")
    for name, number, rate in rows(outcome):
        counts.add_row(name, amount(number), rate)
    console.print(counts)
    if any(name in whole.times for name in TIMES):
        console.print(_times(whole))
    if whole.errors:
        errors = Table(title="refusals and failures", title_justify="left")
        errors.add_column("code")
        errors.add_column("count", justify="right")
        for code, number in whole.errors.most_common():
            errors.add_row(code, amount(number))
        console.print(errors)
    for note in outcome.notes:
        console.print(f"note: {note}", soft_wrap=True)
    for failure in outcome.failures[:20]:
        console.print(f"failure: {failure}", soft_wrap=True, style="bold red")
    verdict = "PASSED" if outcome.passed else "FAILED"
    console.print(
        f"{verdict}: {outcome.maps_verified:,} maps verified, {outcome.claims_checked:,} held seats checked, "
        f"{len(outcome.failures):,} failures",
        soft_wrap=True,
    )


def _times(whole: Bin) -> Table:
    table = Table(title="times", title_justify="left")
    table.add_column("duration")
    for name in ("number", "p50", "p95", "p99", "max"):
        table.add_column(name, justify="right")
    for name, label in TIMES.items():
        if name in whole.times:
            found = whole.times[name]
            percentiles = [ms(found.percentile(share)) for share in (0.5, 0.95, 0.99, 1.0)]
            table.add_row(label, amount(found.total), *percentiles)
    behind = whole.times.get("versions behind")
    if behind is not None:
        percentiles = [str(behind.number_at(share)) for share in (0.5, 0.95, 0.99, 1.0)]
        table.add_row("versions behind the newest, sampled each second", amount(behind.total), *percentiles)
    return table
