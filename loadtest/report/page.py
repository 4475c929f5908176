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
    whole, bins, width = outcome.series.whole, outcome.series.bins, outcome.series.width_s
    tiles: list[tuple[str, str, str]] = []

    def peak(value: Callable[[Bin], float | None]) -> float:
        return max((value(each) or 0.0 for each in bins), default=0.0)

    def percentiles(name: str, label: str) -> None:
        if name in whole.times:
            found = whole.times[name]
            tiles.append((label, ms(found.percentile(0.99)), f"p99; median {ms(found.percentile(0.5))}"))

    if outcome.plan.viewers:
        tiles.append(
            ("Concurrent viewers", amount(peak(lambda each: each.gauge("viewers"))), "at the peak, with a live map")
        )
    percentiles("staleness", "Staleness of a map")
    percentiles("join", "Joining")
    percentiles("hold", "Holding seats")
    percentiles("poll", "GET seats")
    if whole.counts["frames"]:
        rate = peak(lambda each: each.counts["frames"] / width)
        tiles.append(("Messages a second", amount(rate), f"at the peak; {amount(whole.counts['frames'])} in total"))
    if whole.counts["bookings"]:
        tiles.append(("Bookings", amount(whole.counts["bookings"]), f"{amount(whole.counts['seats sold'])} seats"))
    if "poll" in whole.times:
        tiles.append(("Polls a second", amount(peak(lambda each: each.times["poll"].total / width)), "at the peak"))
    if any(each.gauge("server cpu") for each in bins):
        busiest = peak(lambda each: each.gauge("server cpu"))
        tiles.append(("Busiest node", f"{100 * busiest:.0f} %", "of one core, at the peak"))
    if outcome.maps_verified:
        tiles.append(("Maps verified", amount(outcome.maps_verified), "equal to the nodes' at the same version"))
    if outcome.claims_checked:
        tiles.append(("Held seats", amount(outcome.claims_checked), "checked for a second owner"))
    body = "".join(
        f'<div class="tile"><div class="name">{escape(name)}</div><div class="figure">{escape(figure)}</div>'
        f'<div class="more">{escape(more)}</div></div>'
        for name, figure, more in tiles
    )
    return f'<div class="tiles">{body}</div>'


def _notes(outcome: Outcome) -> str:
    failures = "".join(f'<li class="bad">{escape(text)}</li>' for text in outcome.failures[:20])
    notes = "".join(f"<li>{escape(text)}</li>" for text in outcome.notes)
    return f'<ul class="notes">{failures}{notes}</ul>' if failures or notes else ""


# --- plots --------------------------------------------------------------------------------------------------------
def _card(title: str, text: str, body: str, css: str = "card") -> str:
    return f'<section class="{css}"><h3>{escape(title)}</h3><p>{escape(text)}</p>{body}</section>'


def _over_time(outcome: Outcome) -> Iterator[str]:
    series, plan = outcome.series, outcome.plan
    # Leave out what came after the planned time: disconnecting and comparing maps.
    bins = series.bins[: max(1, int(plan.seconds // series.width_s))]
    xs = [(n + 1.0) * series.width_s for n in range(len(bins))]

    def gauge(name: str, scale: float = 1.0) -> list[float | None]:
        values = [each.gauge(name) for each in bins]
        return [None if value is None else value / scale for value in values]

    def rate(name: str) -> list[float | None]:
        return [each.counts[name] / series.width_s for each in bins]

    def percentiles(name: str) -> str:
        drawn = [
            Line(label, css, [each.times[name].percentile(share) if name in each.times else None for each in bins])
            for share, label, css in PERCENTILES
        ]
        return plots.lines(xs, drawn, "ms")

    def card(title: str, text: str, unit: str, *drawn: Line) -> str:
        return _card(title, text, plots.lines(xs, drawn, unit))

    if plan.viewers:
        line = Line("viewers", "a", gauge("viewers"))
        yield card("Viewers", "Connected, with a live map", "", line)
    for name in ("staleness", "hold", "poll", "join"):
        if name in series.whole.times:
            yield _card(HEADS[name], f"From {TIMES[name].replace('...', 'to')}", percentiles(name))
    if series.whole.counts["frames"]:
        yield card("Messages", "Changes delivered to viewers, a second", "/s", Line("messages", "a", rate("frames")))
    if plan.buyers:
        drawn = [Line(name, css, rate(name)) for name, css in (("holds", "a"), ("bookings", "c"), ("releases", "b"))]
        yield card("Sales", "Holds, bookings and releases a second", "/s", *drawn)
    if plan.pollers:
        same, new = Line("unchanged (304)", "a", rate("polls unchanged")), Line("new (200)", "b", rate("polls changed"))
        yield card("Polls", "Answers a second", "/s", same, new)
    if any(each.gauge("server cpu") is not None for each in bins):
        line = Line("busiest node", "a", gauge("server cpu", 0.01))
        yield card("CPU of the busiest node", "Share of one core, from /metrics", "%", line)
    if any(each.gauge("server memory") is not None for each in bins):
        line = Line("memory", "c", gauge("server memory", 1e6))
        yield card("Memory of the nodes", "Resident memory of all nodes, from /metrics", "MB", line)
    if series.whole.errors:
        line = Line("refusals", "b", [sum(each.errors.values()) / series.width_s for each in bins])
        yield card("Refusals and failures", "All kinds, a second", "/s", line)


def _histograms(outcome: Outcome) -> Iterator[str]:
    times = outcome.series.whole.times
    for name in ("staleness", "hold", "confirm", "join", "poll", "spread"):
        if name in times and times[name].total:
            found = times[name]
            text = f"{TIMES[name].replace('...', 'to')}; {amount(found.total)} values"
            yield _card(HEADS[name], text, plots.histogram(found))


# --- tables -------------------------------------------------------------------------------------------------------
def _tables(outcome: Outcome) -> Iterator[str]:
    whole = outcome.series.whole
    shares = (0.5, 0.95, 0.99, 1.0)
    body = "".join(
        f'<tr><td>{escape(label.replace("...", "→"))}</td><td class="n">{amount(whole.times[name].total)}</td>'
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
