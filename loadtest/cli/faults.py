"""``python -m loadtest faults``."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from pathlib import Path

import click
import orjson

from loadtest.faults import mutants, report
from loadtest.faults.outcome import Outcome, Plan
from loadtest.faults.run import run_on_installation, run_on_own_cluster
from loadtest.faults.schedule import OPTIONAL, Kind
from loadtest.installation import Installation
from loadtest.target import TargetError, checked_urls
from realtime import settings
from realtime.addresses import check_addresses
from realtime.topology import TopologyError


@click.command()
@click.option("--minutes", default=2.0, show_default=True, help="Duration of the faults.")
@click.option("--seed", type=int, help="Seed of the faults and of all choices; random by default.")
@click.option("--buyers", default=50, show_default=True, help="Buyers in each region.")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the report to this file."
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the history in this folder. After a failed run it is kept in any case.",
)
@click.option(
    "--faults",
    "chosen",
    callback=lambda _context, _option, names: _kinds(names),
    help="Only these kinds, separated by commas; `all`: also those that happen only by name; `+NAME`: in addition.",
)
@click.option(
    "--edn",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every seat's operations to this file, for Knossos or Porcupine.",
)
@click.option(
    "--previous",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkout of the previous release: one keeper of each region runs it, beside a new one.",
)
@click.option(
    "--mutants", "all_mutants", is_flag=True, help="Run every mutant of broken/ instead; two minutes or more for each."
)
@click.option(
    "--mutant", "only", multiple=True, type=click.Choice(mutants.names()), help="Only this mutant; repeatable."
)
@click.option(
    "--topology",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Use this running installation instead of a new cluster; you cause the faults.",
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
    chosen: frozenset[Kind],
    edn: Path | None,
    previous: Path | None,
    all_mutants: bool,
    only: tuple[str, ...],
    topology: Path | None,
    owned: bool,
) -> None:
    """Sell seats while masters, replicas, nodes, keepers, links and ledgers fail; check every answer afterwards.

    Starts a cluster of its own on free loopback ports and in a temporary folder. The exit code is 1 if a client was
    sent an answer that turned out to be wrong.
    """
    if all_mutants or only:
        results = mutants.run_all(only or mutants.names(), minutes, 7 if seed is None else seed, buyers, click.echo)
        context.exit(0 if all(result.found for result in results) else 1)
    what = Plan(minutes, random.randrange(1_000_000) if seed is None else seed, buyers, chosen, edn, previous)
    installation = None if topology is None else _installation(topology, owned)
    click.echo(f"seed {what.seed}: {minutes:g} minutes, {buyers} buyers in each region")
    outcome = _run(what, installation, keep)
    click.echo(report.text(outcome))
    if file is not None:
        file.write_bytes(orjson.dumps(report.document(outcome), option=orjson.OPT_INDENT_2))
    if not outcome.passed:
        context.exit(1)


def _run(what: Plan, installation: Installation | None, keep: Path | None) -> Outcome:
    """Carry out a run. Its history goes to ``keep``; without that, only the history of a run that failed is kept."""
    folder = Path(tempfile.mkdtemp(prefix="tickingtickets-faults-"))
    passed = False
    try:
        if installation is None:
            work = run_on_own_cluster(what, folder, click.echo)
        else:
            work = run_on_installation(what, installation, folder, click.echo)
        outcome = asyncio.run(work)
        passed = outcome.passed
    finally:
        if keep is None and not passed:
            keep = Path(tempfile.gettempdir())
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            for history in folder.glob("history-*.jsonl"):
                shutil.move(history, keep / history.name)
        shutil.rmtree(folder, ignore_errors=True)
    if keep is not None:
        outcome.history = keep / outcome.history.name
    return outcome


def _kinds(names: str | None) -> frozenset[Kind]:
    usual = frozenset(Kind) - OPTIONAL
    if not names:
        return usual
    if names == "all":
        return frozenset(Kind)
    known = {kind.option: kind for kind in Kind}
    asked = [name.strip() for name in names.split(",")]
    unknown = [name for name in asked if name.removeprefix("+") not in known]
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}. Known: {', '.join(sorted(known))}")
    only = {known[name] for name in asked if not name.startswith("+")}
    more = {known[name[1:]] for name in asked if name.startswith("+")}
    return frozenset((only or usual) | more)


def _installation(topology: Path, owned: bool) -> Installation:
    try:
        loaded = settings.load(topology, os.environ)
        check_addresses(loaded.topology)
        checked_urls([url for urls in loaded.topology.nodes.values() for url in urls], owned)
    except (TargetError, TopologyError) as error:
        raise click.UsageError(str(error)) from None
    for name, region in loaded.topology.regions.items():
        if not loaded.topology.nodes.get(name) or not region.ledger:
            raise click.UsageError(f"regions.{name} in {topology} needs its nodes and its ledger")
    return Installation.of_topology(loaded.topology, loaded.redis_password, loaded.operator_key)
