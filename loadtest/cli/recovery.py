"""``python -m loadtest recovery``."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import click

from loadtest.bench.recovery import Installation, Measured, measure_recovery
from loadtest.postgres import postgres_server


@click.command()
@click.option("--archived", type=click.IntRange(0), default=5_000, show_default=True, help="Shows that are over.")
@click.option("--halls", type=click.IntRange(1), default=95, show_default=True, help="Halls of 200 seats on sale.")
@click.option("--stadiums", type=click.IntRange(0), default=5, show_default=True, help="Stadiums on sale, half sold.")
@click.option("--seats", type=click.IntRange(4), default=20_000, show_default=True, help="Seats of a stadium.")
@click.option("--postgres", is_flag=True, help="Keep the ledger on PostgreSQL (needs `make install-dev`).")
def recovery(archived: int, halls: int, stadiums: int, seats: int, *, postgres: bool) -> None:
    """Measure how long a region sells nothing after its lock master has started again.

    Prints the first hold on the most urgent show, and when all shows are on sale, in seconds since the start of a
    keeper: for a master that kept its data, and for one that lost it. Prints the master's longest call too, and that
    of an operator who blocks the free half of a stadium or checks the region. Takes less than a minute with the default
    sizes.
    """
    # The keeper runs in this process, and warns of what is measured here: a master without its data.
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(message)s")
    size = Installation(archived, halls, stadiums, seats)
    with tempfile.TemporaryDirectory() as temporary:
        try:
            found = asyncio.run(_measure(Path(temporary), size, postgres=postgres))
        except ModuleNotFoundError as error:  # a development dependency: the other commands must work without it
            raise click.ClickException(f"{error}: --postgres needs `make install-dev`") from None
    click.echo(f"{archived:,} archived shows, {halls} halls and {stadiums} stadiums of {seats:,} seats on sale")
    for name, each in found.recoveries.items():
        sold = f"first hold after {each.first_hold_s:.2f} s, all on sale after {each.all_on_sale_s:.2f} s"
        click.echo(f"{name}: {sold}; longest call {each.longest_call_ms:.1f} ms")
    for name, longest_ms in found.longest_calls_ms.items():
        click.echo(f"{name}: longest call {longest_ms:.1f} ms")


async def _measure(folder: Path, size: Installation, *, postgres: bool) -> Measured:
    if not postgres:
        return await measure_recovery(folder, size, f"sqlite:///{folder}/ledger.db")
    async with postgres_server() as url:
        return await measure_recovery(folder, size, url)
