"""``python -m loadtest faults``."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from pathlib import Path

import click
import orjson

from loadtest.crowd.target import TargetError, checked_urls
from loadtest.faults import report
from loadtest.faults.place import Place
from loadtest.faults.run import Plan, run, watch
from realtime.cli.common import load_settings


@click.command()
@click.option("--minutes", default=2.0, show_default=True, help="How long faults are injected.")
@click.option("--seed", type=int, help="The faults and the buyers' choices; another one every time if not given.")
@click.option("--buyers", default=50, show_default=True, help="Buyers in each region.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here too.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the history in this folder; of a run that failed it is kept in any case.",
)
@click.option(
    "--topology",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Sell and judge on this installation instead; its faults are yours to cause.",
)
@click.option("--i-own-this-target", "owned", is_flag=True, help="Allow nodes that are not on this machine.")
@click.pass_context
def faults(
    context: click.Context,
    minutes: float,
    seed: int | None,
    buyers: int,
    file: Path | None,
    keep: Path | None,
    topology: Path | None,
    owned: bool,
) -> None:
    """Sell seats while masters, replicas, nodes, keepers, links and ledgers fail; say whether a promise was broken.

    Starts a cluster of its own on free ports of loopback and in a temporary folder. Ends with 1 if anything that
    anybody was told is not true.
    """
    what = Plan(minutes, random.randrange(1_000_000) if seed is None else seed, buyers)
    place = None if topology is None else _place(topology, owned)
    click.echo(f"seed {what.seed}: {minutes:g} minutes, {buyers} buyers in each region")
    folder = Path(tempfile.mkdtemp(prefix="tickingtickets-faults-"))
    try:
        work = run(what, folder, click.echo) if place is None else watch(what, place, folder, click.echo)
        outcome = asyncio.run(work)
        if keep is None and not report.passed(outcome):
            keep = Path(tempfile.gettempdir())
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            outcome.history = Path(shutil.move(outcome.history, keep / outcome.history.name))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(report.text(outcome))
    if file is not None:
        file.write_bytes(orjson.dumps(report.document(outcome), option=orjson.OPT_INDENT_2))
    if not report.passed(outcome):
        context.exit(1)


def _place(topology: Path, owned: bool) -> Place:
    settings = load_settings(topology)
    try:
        checked_urls([url for urls in settings.topology.nodes.values() for url in urls], owned)
    except TargetError as error:
        raise click.UsageError(str(error)) from None
    for name, region in settings.topology.regions.items():
        if not settings.topology.nodes.get(name) or not region.ledger:
            raise click.UsageError(f"regions.{name} in {topology} needs its nodes and its ledger")
    return Place.of_topology(settings.topology, settings.redis_password)
