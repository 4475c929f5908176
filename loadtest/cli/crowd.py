"""``python -m loadtest viewers | buyers | onsale | pollers | slow | soak``: options become a plan."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from loadtest.crowd.nodes import read_target
from loadtest.crowd.outcome import Outcome
from loadtest.crowd.plan import MAX_VIEWERS_PER_PROCESS, Plan
from loadtest.crowd.run import Run
from loadtest.report import document, page, terminal
from loadtest.target import TargetError, checked_urls

Command = Callable[..., Any]
FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
MAX_SECONDS = 24 * 3600
SECONDS = click.FloatRange(0, MAX_SECONDS)
COMMON = (
    click.option("--url", "urls", multiple=True, required=True, help="URL of a node; repeat for more."),
    click.option("--show", "shows", multiple=True, help="Id of a show; repeat for more."),
    click.option("--shows", "count", type=click.IntRange(1, 200), default=1, show_default=True,
                 help="Without --show: how many of the shows on sale to use."),
    click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True,
                 help="Number of load processes."),
    click.option("--connect-rate", type=click.FloatRange(1, 20_000), default=1000.0, show_default=True,
                 help="Limit of new connections a second."),
    click.option("--seed", type=int, help="Seed of all random choices."),
    click.option("--json", "json_file", type=FILE, help="Write all figures to this file."),
    click.option("--html", "html_file", type=FILE, help="Write the report, with plots, to this file."),
    click.option("--i-own-this-target", "owned", is_flag=True, help="Allow nodes that are not on this machine."),
)  # fmt: skip
WATCHING = (
    click.option("--arrive", "arrive_s", type=SECONDS, default=10.0, show_default=True,
                 help="Viewers arrive within (s)."),
    click.option("--curve", type=click.Choice(["even", "rush"]), default="even", show_default=True,
                 help="Arrivals: spread evenly, or half of them in the first fifth."),
    click.option("--refresh", "refresh_s", type=SECONDS, default=0.0, help="Each viewer watches again every (s)."),
    click.option("--reload", "reload_s", type=SECONDS, default=0.0, help="Each viewer reconnects every (s)."),
    click.option("--probe", "probe_s", type=SECONDS, default=1.0, show_default=True,
                 help="Hold and release a seat every (s) to measure staleness; 0: change nothing."),
)  # fmt: skip
BUYING = (
    click.option("--think", "think_s", type=(click.FloatRange(0), click.FloatRange(0)), default=(1.0, 4.0),
                 show_default=True, help="Pause between two steps (s), from and to."),
    click.option("--pay", type=click.FloatRange(0, 1), default=0.6, show_default=True,
                 help="Share of buyers that pay."),
    click.option("--release", type=click.FloatRange(0, 1), default=0.3, show_default=True,
                 help="Share of buyers that release; the rest close the tab."),
)  # fmt: skip


def _with(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def _people(name: str, default: int, kind: str = "") -> Callable[[Command], Command]:
    return click.option(f"--{name}", type=click.IntRange(1, 1_000_000), default=default, show_default=True,
                        help=f"Number of {kind or name}.")  # fmt: skip


def _seconds(default: float) -> Callable[[Command], Command]:
    kind = click.FloatRange(1, MAX_SECONDS)
    return click.option("--seconds", type=kind, default=default, show_default=True, help="Duration of the run.")


@click.command()
@_people("viewers", 1000)
@_seconds(60)
@_with(WATCHING, COMMON)
def viewers(**options: Any) -> None:
    """Measure viewers who watch seat maps: joins, and how stale their maps get."""
    _run_command("viewers", options)


@click.command()
@_people("buyers", 50)
@_seconds(60)
@_with(BUYING, COMMON)
def buyers(**options: Any) -> None:
    """Measure buyers who choose, hold, pay, release and abandon."""
    _run_command("buyers", options)


@click.command()
@_people("viewers", 1000)
@_people("buyers", 50)
@click.option("--doors", "doors_s", type=SECONDS, default=15.0, show_default=True, help="Sales begin after (s).")
@click.option("--operator-key", default="", envvar="TICKINGTICKETS_OPERATOR_KEY",
              help="With this key, sales are paused until --doors.")  # fmt: skip
@_seconds(90)
@_with(WATCHING, BUYING, COMMON)
def onsale(**options: Any) -> None:
    """Measure an on-sale: viewers gather, then sales begin."""
    _run_command("onsale", options)


@click.command()
@_people("pollers", 50)
@click.option(
    "--every", "poll_s", type=SECONDS, default=1.0, show_default=True, help="Each polls every (s); 0: without a pause."
)
@_seconds(30)
@_with(COMMON)
def pollers(**options: Any) -> None:
    """Measure people who refresh the seat map over HTTP, with its ETag."""
    _run_command("pollers", options)


@click.command()
@_people("slow", 50, "viewers that stop reading")
@_people("viewers", 100)
@click.option(
    "--stall", "stall_s", type=SECONDS, default=60.0, show_default=True, help="Slow viewers read nothing for (s)."
)
@click.option("--ask", "ask_s", type=click.FloatRange(0.02, 60), default=0.05, show_default=True,
              help="They request the whole map every (s) meanwhile.")  # fmt: skip
@_seconds(75)
@_with(COMMON)
def slow(**options: Any) -> None:
    """Measure what viewers cost that stop reading, and whether they are caught up or closed."""
    _run_command("slow", options, largest=True)


@click.command()
@_people("viewers", 500)
@_people("buyers", 10)
@click.option("--minutes", type=click.FloatRange(0.1, MAX_SECONDS / 60), default=60.0, show_default=True,
              help="Duration of the run.")  # fmt: skip
@click.option("--stay", "stay_s", type=SECONDS, default=30.0, show_default=True, help="A viewer stays for about (s).")
@_with(WATCHING, BUYING, COMMON)
def soak(minutes: float, **options: Any) -> None:
    """Let people come, refresh and leave for a long time; fail if the nodes' memory grows."""
    _run_command("soak", {**options, "seconds": minutes * 60})


COMMANDS = (viewers, buyers, onsale, pollers, slow, soak)


def _run_command(command: str, options: dict[str, Any], *, largest: bool = False) -> None:
    json_file, html_file = options.pop("json_file"), options.pop("html_file")
    operator_key = options.pop("operator_key", "")
    try:
        plan = asyncio.run(_plan(command, options, largest))
    except TargetError as error:
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
    urls = checked_urls(options.pop("urls"), options.pop("owned"))
    people = options.get("viewers", 0) + options.get("slow", 0) + options.get("buyers", 0) + options.get("pollers", 0)
    if people > MAX_VIEWERS_PER_PROCESS * options["processes"]:
        needed = -(-people // MAX_VIEWERS_PER_PROCESS)
        raise TargetError(f"{people:,} connections need at least --processes {needed}")
    if options.get("pay", 0) + options.get("release", 0) > 1:
        raise TargetError("--pay and --release are more than 1 together")
    if options.get("think_s") and options["think_s"][0] > options["think_s"][1]:
        raise TargetError("--think takes the shorter pause first")
    seed = options.pop("seed")
    found = await read_target(urls, options.pop("shows"), options.pop("count"), largest)
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
    return await Run(plan, progress.update, operator_key).run()
