"""The report as one HTML page, with style, plots and script inlined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from importlib.resources import files

import msgspec
import orjson

from loadtest.crowd.figures import Bin
from loadtest.crowd.outcome import Outcome
from loadtest.report import plots
from loadtest.report.labels import TIMES, amount, ms, rows
from loadtest.report.plots import Line

TITLES = {
    "viewers": "Viewers on seat maps",
    "buyers": "Buyers",
    "onsale": "An on-sale",
    "pollers": "Polling over HTTP",
    "slow": "Viewers that stop reading",
    "soak": "A long run with people coming and going",
}
HEADS = {
    "staleness": "Staleness",
    "hold": "Holding seats",
    "confirm": "Confirming",
    "poll": "GET seats",
    "join": "Joining",
    "spread": "Spread over viewers",
}
LATENCY_TILES = (
    ("staleness", "Staleness of a map"),
    ("join", "Joining"),
    ("hold", "Holding seats"),
    ("poll", "GET seats"),
)
PERCENTILES = ((0.5, "p50", "p1"), (0.95, "p95", "p2"), (0.99, "p99", "p3"))


def page(outcome: Outcome) -> str:
    """Return the HTML of a report."""
    here = files("loadtest.report")
    title = TITLES[outcome.plan.command]
    style, script = (here.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
        f"{_head(outcome, title)}{_tiles(outcome)}{_notes(outcome)}"
        f'<h2>Over time</h2><div class="cards">{"".join(_over_time(outcome))}</div>'
        f'<h2>Distribution</h2><div class="cards">{"".join(_histograms(outcome))}</div>'
        f'<h2>All figures</h2><div class="cards">{"".join(_tables(outcome))}</div>'
        f"{_plan(outcome)}</main><script>{script}</script></body></html>\n"
    )


# --- header -------------------------------------------------------------------------------------------------------
def _head(outcome: Outcome, title: str) -> str:
    plan = outcome.plan
    css, verdict = ("good", "passed") if outcome.passed else ("bad", "failed")
    people = [
        f"{number:,} {name}"
        for name, number in (
            ("viewers", plan.viewers), ("slow viewers", plan.slow), ("buyers", plan.buyers), ("pollers", plan.pollers),
        )
        if number
    ]  # fmt: skip
    shows = plan.shows[0].id if len(plan.shows) == 1 else f"{len(plan.shows)} shows"
    seats = " and ".join(sorted({f"{show.seats:,}" for show in plan.shows}))
    urls = ", ".join(plan.urls[:6]) + (", ..." if len(plan.urls) > 6 else "")
    return (
        f'<header><h1>{escape(title)}</h1><span class="badge {css}">{verdict}</span></header>'
        f'<p class="lead">{" and ".join(people)} at {escape(shows)} ({seats} seats) for {plan.seconds:,.0f} s, on '
        f"{escape(urls)}. {outcome.started_at:%d %B %Y, %H:%M %Z}.</p>"
    )


def _tiles(outcome: Outcome) -> str:
    body = "".join(
        f'<div class="tile"><div class="name">{escape(name)}</div><div class="figure">{escape(figure)}</div>'
        f'<div class="more">{escape(more)}</div></div>'
        for name, figure, more in (*_viewing_tiles(outcome), *_load_tiles(outcome))
    )
    return f'<div class="tiles">{body}</div>'


def _peak(outcome: Outcome, value: Callable[[Bin], float | None]) -> float:
    return max((value(each) or 0.0 for each in outcome.series.bins), default=0.0)


def _viewing_tiles(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    """Yield name, figure and explanation of what people notice."""
    whole = outcome.series.whole
    if outcome.plan.viewers:
        viewers = _peak(outcome, lambda each: each.gauge("viewers"))
        yield "Concurrent viewers", amount(viewers), "at the peak, with a live map"
    for name, label in LATENCY_TILES:
        if name in whole.times:
            found = whole.times[name]
            yield label, ms(found.percentile(0.99)), f"p99; median {ms(found.percentile(0.5))}"
    if outcome.maps_verified:
        yield "Maps verified", amount(outcome.maps_verified), "equal to the nodes' at the same version"
    if outcome.claims_checked:
        yield "Held seats", amount(outcome.claims_checked), "checked for a second owner"


def _load_tiles(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    """Yield name, figure and explanation of the load."""
    whole, width = outcome.series.whole, outcome.series.width_s
    if whole.counts["frames"]:
        rate = _peak(outcome, lambda each: each.counts["frames"] / width)
        yield "Messages a second", amount(rate), f"at the peak; {amount(whole.counts['frames'])} in total"
    if whole.counts["bookings"]:
        yield "Bookings", amount(whole.counts["bookings"]), f"{amount(whole.counts['seats sold'])} seats"
    if "poll" in whole.times:
        rate = _peak(outcome, lambda each: each.times["poll"].total / width)
        yield "Polls a second", amount(rate), "at the peak"
    busiest = _peak(outcome, lambda each: each.gauge("server cpu"))
    if busiest:
        yield "Busiest node", f"{100 * busiest:.0f} %", "of one core, at the peak"


def _notes(outcome: Outcome) -> str:
    failures = "".join(f'<li class="bad">{escape(text)}</li>' for text in outcome.failures[:20])
    notes = "".join(f"<li>{escape(text)}</li>" for text in outcome.notes)
    return f'<ul class="notes">{failures}{notes}</ul>' if failures or notes else ""


# --- plots --------------------------------------------------------------------------------------------------------
def _card(title: str, text: str, body: str, css: str = "card") -> str:
    return f'<section class="{css}"><h3>{escape(title)}</h3><p>{escape(text)}</p>{body}</section>'


class _TimePlots:
    """Plots over the planned time of a run; the time for disconnecting and comparing maps is left out."""

    def __init__(self, outcome: Outcome) -> None:
        series = outcome.series
        self.bins = series.bins[: max(1, int(outcome.plan.seconds // series.width_s))]
        self._width_s = series.width_s
        self._xs = [(n + 1.0) * series.width_s for n in range(len(self.bins))]

    def gauge(self, name: str, scale: float = 1.0) -> list[float | None]:
        values = [each.gauge(name) for each in self.bins]
        return [None if value is None else value / scale for value in values]

    def rate(self, count: str) -> list[float | None]:
        return [each.counts[count] / self._width_s for each in self.bins]

    def error_rate(self) -> list[float | None]:
        return [sum(each.errors.values()) / self._width_s for each in self.bins]

    def card(self, title: str, text: str, unit: str, *drawn: Line) -> str:
        return _card(title, text, plots.lines(self._xs, drawn, unit))

    def percentiles(self, name: str) -> str:
        drawn = [
            Line(label, css, [each.times[name].percentile(share) if name in each.times else None for each in self.bins])
            for share, label, css in PERCENTILES
        ]
        return self.card(HEADS[name], _sentence(TIMES[name]), "ms", *drawn)


def _over_time(outcome: Outcome) -> Iterator[str]:
    over, plan, whole = _TimePlots(outcome), outcome.plan, outcome.series.whole
    if plan.viewers:
        yield over.card("Viewers", "Connected, with a live map", "", Line("viewers", "a", over.gauge("viewers")))
    for name in ("staleness", "hold", "poll", "join"):
        if name in whole.times:
            yield over.percentiles(name)
    if whole.counts["frames"]:
        line = Line("messages", "a", over.rate("frames"))
        yield over.card("Messages", "Changes delivered to viewers, a second", "/s", line)
    if plan.buyers:
        names = (("holds", "a"), ("bookings", "c"), ("releases", "b"))
        sales = [Line(name, css, over.rate(name)) for name, css in names]
        yield over.card("Sales", "Holds, bookings and releases a second", "/s", *sales)
    if plan.pollers:
        unchanged = Line("unchanged (304)", "a", over.rate("polls unchanged"))
        changed = Line("new (200)", "b", over.rate("polls changed"))
        yield over.card("Polls", "Answers a second", "/s", unchanged, changed)
    yield from _node_plots(over)
    if whole.errors:
        line = Line("refusals", "b", over.error_rate())
        yield over.card("Refusals and failures", "All kinds, a second", "/s", line)


def _node_plots(over: _TimePlots) -> Iterator[str]:
    if any(each.gauge("server cpu") is not None for each in over.bins):
        line = Line("busiest node", "a", over.gauge("server cpu", 0.01))
        yield over.card("CPU of the busiest node", "Share of one core, from /metrics", "%", line)
    if any(each.gauge("server memory") is not None for each in over.bins):
        line = Line("memory", "c", over.gauge("server memory", 1e6))
        yield over.card("Memory of the nodes", "Resident memory of all nodes, from /metrics", "MB", line)


def _histograms(outcome: Outcome) -> Iterator[str]:
    times = outcome.series.whole.times
    for name in ("staleness", "hold", "confirm", "join", "poll", "spread"):
        if name in times and times[name].total:
            found = times[name]
            text = f"{_sentence(TIMES[name])}; {amount(found.total)} values"
            yield _card(HEADS[name], text, plots.histogram(found))


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


# --- tables -------------------------------------------------------------------------------------------------------
def _tables(outcome: Outcome) -> Iterator[str]:
    whole = outcome.series.whole
    shares = (0.5, 0.95, 0.99, 1.0)
    body = "".join(
        f'<tr><td>{escape(label)}</td><td class="n">{amount(whole.times[name].total)}</td>'
        + "".join(f'<td class="n">{ms(whole.times[name].percentile(share))}</td>' for share in shares)
        + "</tr>"
        for name, label in TIMES.items()
        if name in whole.times
    )
    behind = whole.times.get("versions behind")
    if behind is not None:
        marks = "".join(f'<td class="n">{behind.number_at(share)}</td>' for share in shares)
        body += f'<tr><td>versions behind the newest</td><td class="n">{amount(behind.total)}</td>{marks}</tr>'
    head = "".join(f'<th class="n">{name}</th>' for name in ("number", "p50", "p95", "p99", "max"))
    yield _card("Times", "Percentiles are at most 4.4 % too high, never too low", _table(head, body), "card wide")
    body = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{amount(number)}</td><td class="n">{rate}</td></tr>'
        for name, number, rate in rows(outcome)
    )
    head = '<th class="n">total</th><th class="n">a second</th>'
    yield _card("Counts", "Over the whole run", _table(head, body))
    if whole.errors:
        body = plots.bars_by_name(whole.errors.most_common(20))
        yield _card(
            "Refusals and failures by code", "Codes of the nodes' answers, and reasons why connections ended", body
        )


def _table(head: str, body: str) -> str:
    return f'<div class="scroll"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _plan(outcome: Outcome) -> str:
    plan = orjson.dumps(msgspec.to_builtins(outcome.plan), option=orjson.OPT_INDENT_2).decode()
    summary = f"Plan of the run (seed {outcome.plan.seed})"
    return f"<details><summary>{summary}</summary><pre>{escape(plan)}</pre></details>"
