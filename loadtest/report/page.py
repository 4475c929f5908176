"""The report as one page: HTML with its style, plots and script inside, nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from importlib.resources import files

import msgspec
import orjson

from loadtest.crowd.figures import Bin
from loadtest.crowd.run import Outcome
from loadtest.report import plots
from loadtest.report.plots import Line
from loadtest.report.words import TIMES, amount, ms, rows

TITLES = {
    "viewers": "Viewers on seat maps",
    "buyers": "Buyers at work",
    "onsale": "The doors open",
    "pollers": "Refreshing over HTTP",
    "slow": "Viewers that stop reading",
    "soak": "A long day",
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


# --- the top ------------------------------------------------------------------------------------------------------
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
        f"{escape(urls)}. {outcome.began:%d %B %Y, %H:%M %Z}.</p>"
    )


def _tiles(outcome: Outcome) -> str:
    whole, bins, width = outcome.series.whole, outcome.series.bins, outcome.series.width_s
    tiles: list[tuple[str, str, str]] = []

    def peak(value: Callable[[Bin], float | None]) -> float:
        return max((value(each) or 0.0 for each in bins), default=0.0)

    def percentiles(name: str, words: str) -> None:
        if name in whole.times:
            found = whole.times[name]
            tiles.append((words, ms(found.percentile(0.99)), f"p99; half within {ms(found.percentile(0.5))}"))

    if outcome.plan.viewers:
        tiles.append(("Viewers at a time", amount(peak(lambda each: each.gauge("viewers"))), "with a live map"))
    percentiles("staleness", "A change to a viewer")
    percentiles("join", "Joining")
    percentiles("hold", "Holding seats")
    percentiles("poll", "GET seats")
    if whole.counts["frames"]:
        rate = peak(lambda each: each.counts["frames"] / width)
        tiles.append(("Messages a second", amount(rate), f"at most; {amount(whole.counts['frames'])} in all"))
    if whole.counts["bookings"]:
        tiles.append(("Bookings", amount(whole.counts["bookings"]), f"{amount(whole.counts['seats sold'])} seats"))
    if "poll" in whole.times:
        tiles.append(("Polls a second", amount(peak(lambda each: each.times["poll"].total / width)), "at most"))
    if any(each.gauge("server cpu") for each in bins):
        busiest = peak(lambda each: each.gauge("server cpu"))
        tiles.append(("Busiest node", f"{100 * busiest:.0f} %", "of one core, at most"))
    if outcome.maps_right:
        tiles.append(("Maps verified", amount(outcome.maps_right), "equal to the authority's"))
    if outcome.seats_checked:
        tiles.append(("Claims to seats", amount(outcome.seats_checked), "checked for a second owner"))
    made = "".join(
        f'<div class="tile"><div class="name">{escape(name)}</div><div class="figure">{escape(figure)}</div>'
        f'<div class="more">{escape(more)}</div></div>'
        for name, figure, more in tiles
    )
    return f'<div class="tiles">{made}</div>'


def _notes(outcome: Outcome) -> str:
    wrong = "".join(f'<li class="bad">{escape(words)}</li>' for words in outcome.wrong[:20])
    notes = "".join(f"<li>{escape(words)}</li>" for words in outcome.notes)
    return f'<ul class="notes">{wrong}{notes}</ul>' if wrong or notes else ""


# --- plots --------------------------------------------------------------------------------------------------------
def _card(title: str, words: str, body: str, css: str = "card") -> str:
    return f'<section class="{css}"><h3>{escape(title)}</h3><p>{escape(words)}</p>{body}</section>'


def _over_time(outcome: Outcome) -> Iterator[str]:
    series, plan = outcome.series, outcome.plan
    # What came after the planned time (saying good-bye, comparing maps) belongs to no second of it.
    bins = series.bins[: max(1, int(plan.seconds // series.width_s))]
    xs = [(n + 1.0) * series.width_s for n in range(len(bins))]

    def gauge(name: str, scale: float = 1.0) -> list[float | None]:
        told = [each.gauge(name) for each in bins]
        return [None if value is None else value / scale for value in told]

    def rate(name: str) -> list[float | None]:
        return [each.counts[name] / series.width_s for each in bins]

    def percentiles(name: str) -> str:
        drawn = [
            Line(label, css, [each.times[name].percentile(share) if name in each.times else None for each in bins])
            for share, label, css in PERCENTILES
        ]
        return plots.lines(xs, drawn, "ms")

    def card(title: str, words: str, unit: str, *drawn: Line) -> str:
        return _card(title, words, plots.lines(xs, drawn, unit))

    if plan.viewers:
        line = Line("viewers", "a", gauge("viewers"))
        yield card("Viewers", "Connected, with a map that is kept up to date", "", line)
    for name in ("staleness", "hold", "poll", "join"):
        if name in series.whole.times:
            yield _card(HEADS[name], f"From {TIMES[name].replace('...', 'to')}", percentiles(name))
    if series.whole.counts["frames"]:
        yield card("Messages", "Changes delivered to viewers a second", "/s", Line("messages", "a", rate("frames")))
    if plan.buyers:
        drawn = [Line(name, css, rate(name)) for name, css in (("holds", "a"), ("bookings", "c"), ("releases", "b"))]
        yield card("Sales", "A second", "/s", *drawn)
    if plan.pollers:
        same, new = Line("unchanged (304)", "a", rate("polls unchanged")), Line("new (200)", "b", rate("polls changed"))
        yield card("Polls", "Answers a second", "/s", same, new)
    if any(each.gauge("server cpu") is not None for each in bins):
        line = Line("busiest node", "a", gauge("server cpu", 0.01))
        yield card("CPU of the busiest node", "Of one core, from its /metrics", "%", line)
    if any(each.gauge("server memory") is not None for each in bins):
        line = Line("memory", "c", gauge("server memory", 1e6))
        yield card("Memory of the nodes", "Resident, together, from their /metrics", "MB", line)
    if series.whole.errors:
        line = Line("refusals", "b", [sum(each.errors.values()) / series.width_s for each in bins])
        yield card("Refusals and failures", "A second, of any kind", "/s", line)


def _histograms(outcome: Outcome) -> Iterator[str]:
    times = outcome.series.whole.times
    for name in ("staleness", "hold", "confirm", "join", "poll", "spread"):
        if name in times and times[name].total:
            found = times[name]
            words = f"{TIMES[name].replace('...', 'to')}; {amount(found.total)} times"
            yield _card(HEADS[name], words, plots.histogram(found))


# --- tables -------------------------------------------------------------------------------------------------------
def _tables(outcome: Outcome) -> Iterator[str]:
    whole = outcome.series.whole
    shares = (0.5, 0.95, 0.99, 1.0)
    body = "".join(
        f'<tr><td>{escape(words.replace("...", "→"))}</td><td class="n">{amount(whole.times[name].total)}</td>'
        + "".join(f'<td class="n">{ms(whole.times[name].percentile(share))}</td>' for share in shares)
        + "</tr>"
        for name, words in TIMES.items()
        if name in whole.times
    )
    behind = whole.times.get("versions behind")
    if behind is not None:
        marks = "".join(f'<td class="n">{behind.number_at(share)}</td>' for share in shares)
        body += f'<tr><td>versions behind the newest</td><td class="n">{amount(behind.total)}</td>{marks}</tr>'
    head = "".join(f'<th class="n">{name}</th>' for name in ("number", "p50", "p95", "p99", "most"))
    yield _card("Times", "At most 4.4 % too high, never too low", _table(head, body), "card wide")
    body = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{amount(number)}</td><td class="n">{rate}</td></tr>'
        for name, number, rate in rows(outcome)
    )
    head = '<th class="n">in all</th><th class="n">a second</th>'
    yield _card("Counts", "Over the whole run", _table(head, body))
    if whole.errors:
        body = plots.bars_by_name(whole.errors.most_common(20))
        yield _card("Refusals and failures by code", "As the servers named them", body)


def _table(head: str, body: str) -> str:
    return f'<div class="scroll"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _plan(outcome: Outcome) -> str:
    plan = orjson.dumps(msgspec.to_builtins(outcome.plan), option=orjson.OPT_INDENT_2).decode()
    summary = f"What was asked for (seed {outcome.plan.seed})"
    return f"<details><summary>{summary}</summary><pre>{escape(plan)}</pre></details>"
