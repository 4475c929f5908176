"""The terminal: a line that moves while a run goes on (without a terminal, one now and then), and tables in the end."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from loadtest.crowd.figures import Bin
from loadtest.crowd.run import Outcome, Run
from loadtest.report.words import TIMES, amount, ms, rows

LINE_S = 10
"""Without a terminal, a line of progress this often."""


class Progress:
    """How a run goes; a context manager."""

    def __init__(self) -> None:
        """Find out whether this is a terminal."""
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._said_at = float("-inf")

    def __enter__(self) -> Progress:
        """Take the terminal's last lines."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give them back."""
        if self._console.is_terminal:
            self._live.stop()

    def show(self, run: Run) -> None:
        """Show how it goes now."""
        line = _line(run)
        if self._console.is_terminal:
            self._live.update(Text(line), refresh=True)
        elif run.elapsed_s - self._said_at >= LINE_S:
            self._said_at = run.elapsed_s
            self._console.print(line, soft_wrap=True)


def _line(run: Run) -> str:
    plan, series = run.plan, run.series
    # The last stretch is not complete yet.
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
    """Print what came of a run."""
    console = Console(highlight=False)
    whole = outcome.series.whole
    counts = Table(
        title=f"{outcome.plan.command}, {outcome.took_s:.0f} s, seed {outcome.plan.seed}", title_justify="left"
    )
    counts.add_column("what")
    counts.add_column("in all", justify="right")
    counts.add_column("a second", justify="right")
    for name, number, rate in rows(outcome):
        counts.add_row(name, amount(number), rate)
    console.print(counts)
    if any(name in whole.times for name in TIMES):
        console.print(_times(whole))
    if whole.errors:
        errors = Table(title="refusals and failures", title_justify="left")
        errors.add_column("code")
        errors.add_column("times", justify="right")
        for code, number in whole.errors.most_common():
            errors.add_row(code, amount(number))
        console.print(errors)
    for note in outcome.notes:
        console.print(f"note: {note}", soft_wrap=True)
    for words in outcome.wrong[:20]:
        console.print(f"wrong: {words}", soft_wrap=True, style="bold red")
    verdict = "PASSED" if outcome.passed else "FAILED"
    console.print(
        f"{verdict}: {outcome.maps_right:,} maps equal to the authority's, {outcome.seats_checked:,} claims to seats "
        f"checked, {len(outcome.wrong):,} things wrong",
        soft_wrap=True,
    )


def _times(whole: Bin) -> Table:
    table = Table(title="times", title_justify="left")
    table.add_column("from ... to")
    for name in ("number", "p50", "p95", "p99", "most"):
        table.add_column(name, justify="right")
    for name, words in TIMES.items():
        if name in whole.times:
            found = whole.times[name]
            marks = [ms(found.percentile(share)) for share in (0.5, 0.95, 0.99, 1.0)]
            table.add_row(words, amount(found.total), *marks)
    behind = whole.times.get("versions behind")
    if behind is not None:
        marks = [str(behind.number_at(share)) for share in (0.5, 0.95, 0.99, 1.0)]
        table.add_row("versions behind the newest, each second", amount(behind.total), *marks)
    return table
