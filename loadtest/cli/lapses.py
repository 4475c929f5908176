"""``python -m loadtest lapses``."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click

from loadtest.bench.lapses import measure_lapses


@click.command()
@click.option("--holds", type=click.IntRange(1, 50_000), default=10_000, show_default=True, help="Of one seat each.")
@click.option("--keepers", type=click.IntRange(1, 8), default=2, show_default=True, help="Of the region.")
def lapses(holds: int, keepers: int) -> None:
    """Measure how soon a node's map shows seats as free whose holds lapse at the same moment.

    Runs a region of its own. The aim is a second for 10,000 holds.
    """
    with tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(measure_lapses(Path(folder), holds, keepers))
    click.echo(f"{holds:,} holds that lapsed together: all free on the map after {seconds:.2f} s ({keepers} keepers)")
