"""``python -m loadtest faults``."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from pathlib import Path

import click
import orjson

from loadtest.faults import report
from loadtest.faults.run import Plan, run


@click.command()
@click.option("--minutes", default=2.0, show_default=True, help="How long faults are injected.")
@click.option("--seed", type=int, help="The faults and the buyers' choices; another one every time if not given.")
@click.option("--buyers", default=50, show_default=True, help="Buyers in each region.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here too.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the history in this folder.")
@click.pass_context
def faults(
    context: click.Context, minutes: float, seed: int | None, buyers: int, file: Path | None, keep: Path | None
) -> None:
    """Sell seats while masters, replicas, nodes, keepers, links and ledgers fail; say whether a promise was broken.

    Starts a cluster of its own on free ports of loopback and in a temporary folder. Ends with 1 if anything that
    anybody was told is not true.
    """
    what = Plan(minutes, random.randrange(1_000_000) if seed is None else seed, buyers)
    click.echo(f"seed {what.seed}: {minutes:g} minutes of faults, {buyers} buyers in each region")
    folder = Path(tempfile.mkdtemp(prefix="tickingtickets-faults-"))
    try:
        outcome = asyncio.run(run(what, folder, click.echo))
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
