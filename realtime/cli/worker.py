"""``worker``: runs one worker."""

from __future__ import annotations

from pathlib import Path

import click

from realtime.cli.common import load_settings, run, stop_on_signals
from realtime.ledger.rows import Queue
from realtime.settings import Settings
from realtime.workers import service
from realtime.workers.service import QUEUES


@click.command()
@click.option("--region", required=True, help="The region whose jobs it runs.")
@click.option("--queues", default=",".join(QUEUES), show_default=True, help="The queues that it takes jobs from.")
@click.option(
    "--concurrency", default=4, show_default=True, type=click.IntRange(1, 100), help="Concurrent jobs of one queue."
)
@click.pass_obj
def worker(topology: Path, region: str, queues: str, concurrency: int) -> None:
    """Run one worker.

    It draws tickets, sends mails, returns payments, delivers webhooks and enters sales into the figures. Run several in
    a region to share the jobs. Stop it with SIGTERM: it finishes the jobs that it has begun.
    """
    wanted = [name.strip() for name in queues.split(",") if name.strip()]
    if not wanted or not set(wanted) <= set(QUEUES):
        raise click.UsageError(f"--queues takes {', '.join(QUEUES)}")
    run(_worker(load_settings(topology), region, [Queue(name) for name in wanted], concurrency))


async def _worker(settings: Settings, region: str, queues: list[Queue], concurrency: int) -> None:
    await service.run(settings, region, stop_on_signals(), queues, concurrency)
