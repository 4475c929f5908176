"""``keeper``: runs one keeper."""

from __future__ import annotations

from pathlib import Path

import click

from realtime.cli.common import load_settings, run, stop_on_signals
from realtime.keeper import service
from realtime.settings import Settings


@click.command()
@click.option("--region", required=True, help="The region that this keeper serves.")
@click.option("--name", help="A name that is unique among the keepers of the region.  [default: host and process id]")
@click.pass_obj
def keeper(topology: Path, region: str, name: str | None) -> None:
    """Run one keeper.

    It frees the seats of expired holds, records bookings in the ledger, reconciles the lock master, carries out
    operators' commands and adds jobs to the queues. Run two or more in each region: they share the work, and one takes
    over when another fails.
    """
    run(_keeper(load_settings(topology), region, name))


async def _keeper(settings: Settings, region: str, name: str | None) -> None:
    await service.run(settings, region, stop_on_signals(), name)
