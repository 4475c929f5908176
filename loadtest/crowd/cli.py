"""``python -m loadtest viewers | buyers | onsale | pollers | slow | soak``: what people say, made into a plan."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from loadtest.crowd import target
from loadtest.crowd.plan import MAX_VIEWERS_PER_PROCESS, Plan
from loadtest.crowd.run import Outcome, Run
from loadtest.report import document, page, terminal

Command = Callable[..., Any]
FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
MAX_SECONDS = 24 * 3600
SECONDS = click.FloatRange(0, MAX_SECONDS)
COMMON = (
    click.option("--url", "urls", multiple=True, required=True, help="A node; give it again for more."),
    click.option("--show", "shows", multiple=True, help="A show by id; give it again for more."),
    click.option("--shows", "count", type=click.IntRange(1, 200), default=1, show_default=True, help="Or so many."),
    click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Load processes."),
    click.option("--connect-rate", type=click.FloatRange(1, 20_000), default=1000.0, show_default=True,
                 help="New connections a second, at most."),
    click.option("--seed", type=int, help="Of everybody's choices."),
    click.option("--json", "json_file", type=FILE, help="Write all figures here."),
    click.option("--html", "html_file", type=FILE, help="Write the report here: one file, with plots."),
    click.option("--i-own-this-target", "owned", is_flag=True, help="Allow nodes that are not this machine."),
)  # fmt: skip
WATCHING = (
    click.option("--arrive", "arrive_s", type=SECONDS, default=10.0, show_default=True, help="They come within (s)."),
    click.option("--curve", type=click.Choice(["even", "rush"]), default="even", show_default=True),
    click.option("--refresh", "refresh_s", type=SECONDS, default=0.0, help="Each asks again every so many s."),
    click.option("--reload", "reload_s", type=SECONDS, default=0.0, help="Each connects anew every so many s."),
    click.option("--probe", "probe_s", type=SECONDS, default=1.0, show_default=True,
                 help="Hold a seat and let it go every so many s to measure staleness; 0: change nothing."),
)  # fmt: skip
BUYING = (
    click.option("--think", "think_s", type=(click.FloatRange(0), click.FloatRange(0)), default=(1.0, 4.0),
                 show_default=True, help="Seconds between two steps, from and to."),
    click.option("--pay", type=click.FloatRange(0, 1), default=0.6, show_default=True, help="Share that pays,"),
    click.option("--release", type=click.FloatRange(0, 1), default=0.3, show_default=True,
                 help="that lets go; the rest closes the tab."),
)  # fmt: skip


def _with(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def _people(name: str, default: int) -> Callable[[Command], Command]:
    return click.option(f"--{name}", type=click.IntRange(1, 1_000_000), default=default, show_default=True)


def _seconds(default: float) -> Callable[[Command], Command]:
    kind = click.FloatRange(1, MAX_SECONDS)
    return click.option("--seconds", type=kind, default=default, show_default=True, help="How long it runs.")


@click.command()
@_people("viewers", 1000)
@_seconds(60)
@_with(WATCHING, COMMON)
def viewers(**options: Any) -> None:
    """Let viewers come and watch; say how old their maps get."""
    _carry_out("viewers", options)


@click.command()
@_people("buyers", 50)
@_seconds(60)
@_with(BUYING, COMMON)
def buyers(**options: Any) -> None:
    """Let buyers choose, hold, pay, let go and walk away."""
    _carry_out("buyers", options)


@click.command()
@_people("viewers", 1000)
@_people("buyers", 50)
@click.option("--doors", "doors_s", type=SECONDS, default=15.0, show_default=True, help="Buying begins at (s).")
@click.option("--operator-key", default="", envvar="TICKINGTICKETS_OPERATOR_KEY",
              help="With it sales are paused until the doors open.")  # fmt: skip
@_seconds(90)
@_with(WATCHING, BUYING, COMMON)
def onsale(**options: Any) -> None:
    """Let a crowd gather, then open the doors."""
    _carry_out("onsale", options)


@click.command()
@_people("pollers", 50)
@click.option(
    "--every", "poll_s", type=SECONDS, default=1.0, show_default=True, help="Each asks every (s); 0: at once."
)
@_seconds(30)
@_with(COMMON)
def pollers(**options: Any) -> None:
    """Let people refresh the seat map over HTTP, with its ETag."""
    _carry_out("pollers", options)


@click.command()
@_people("slow", 50)
@_people("viewers", 100)
@click.option("--stall", "stall_s", type=SECONDS, default=60.0, show_default=True, help="They read nothing for (s).")
@click.option("--ask", "ask_s", type=click.FloatRange(0.02, 60), default=0.05, show_default=True,
              help="... and ask for the whole map every (s).")  # fmt: skip
@_seconds(75)
@_with(COMMON)
def slow(**options: Any) -> None:
    """Let viewers stop reading, among others who read: what do they cost, and are they caught up, or closed?"""
    _carry_out("slow", options, largest=True)


@click.command()
@_people("viewers", 500)
@_people("buyers", 10)
@click.option("--minutes", type=click.FloatRange(0.1, MAX_SECONDS / 60), default=60.0, show_default=True)
@click.option(
    "--stay", "stay_s", type=SECONDS, default=30.0, show_default=True, help="A viewer leaves after about (s)."
)
@_with(WATCHING, BUYING, COMMON)
def soak(minutes: float, **options: Any) -> None:
    """Let people come, refresh and leave for long; watch the servers' memory."""
    _carry_out("soak", {**options, "seconds": minutes * 60})


COMMANDS = (viewers, buyers, onsale, pollers, slow, soak)


def _carry_out(command: str, options: dict[str, Any], *, largest: bool = False) -> None:
    json_file, html_file = options.pop("json_file"), options.pop("html_file")
    operator_key = options.pop("operator_key", "")
    try:
        plan = asyncio.run(_plan(command, options, largest))
    except target.TargetError as error:
        raise click.ClickException(str(error)) from None
    with terminal.Progress() as progress:
        outcome = asyncio.run(_run(plan, progress, operator_key))
    terminal.summary(outcome)
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(document.document(outcome), option=orjson.OPT_INDENT_2))
    if html_file is not None:
        html_file.write_text(page.page(outcome), encoding="utf-8")
    if not outcome.passed:
        click.get_current_context().exit(1)


async def _plan(command: str, options: dict[str, Any], largest: bool) -> Plan:
    urls = target.checked_urls(options.pop("urls"), options.pop("owned"))
    people = options.get("viewers", 0) + options.get("slow", 0) + options.get("buyers", 0) + options.get("pollers", 0)
    if people > MAX_VIEWERS_PER_PROCESS * options["processes"]:
        needed = -(-people // MAX_VIEWERS_PER_PROCESS)
        raise target.TargetError(f"{people:,} connections need at least --processes {needed}")
    if options.get("pay", 0) + options.get("release", 0) > 1:
        raise target.TargetError("--pay and --release together are more than everybody")
    if options.get("think_s") and options["think_s"][0] > options["think_s"][1]:
        raise target.TargetError("--think is from and to, in this order")
    seed = options.pop("seed")
    found = await target.look(urls, options.pop("shows"), options.pop("count"), largest)
    return Plan(
        command=command,
        urls=found.urls,
        shows=found.shows,
        demo_payments=found.demo_payments,
        seed=random.randrange(1_000_000) if seed is None else seed,
        connects_per_s=options.pop("connect_rate"),
        **options,
    )


async def _run(plan: Plan, progress: terminal.Progress, operator_key: str) -> Outcome:
    return await Run(plan, progress.show, operator_key).run()
