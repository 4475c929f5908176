"""``node``, ``keeper`` and ``worker``: the kinds of processes that an installation runs."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

import click

import realtime
from realtime.cli.common import load_settings, run, stop_on_signals
from realtime.keeper import service
from realtime.ledger.rows import Queue
from realtime.settings import Settings
from realtime.transport.acceptor import ListenError, serving
from realtime.web.app import make_app
from realtime.workers import service as workers
from realtime.workers.service import QUEUES

BACKLOG = 4096
"""Connections that the kernel queues until they are accepted; a crowd arrives within a second."""
SHUTDOWN_S = 5.0


@click.command()
@click.option("--region", required=True, help="The region in which this node runs.")
@click.option("--port", required=True, type=click.IntRange(1, 65535), help="The port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.pass_obj
def node(topology: Path, region: str, port: int, host: str) -> None:
    """Run one web node.

    It serves the pages, HTTP and Socket.IO for the shows of all regions. Stop it with SIGTERM: it answers pending
    requests and closes its connections, and the clients reconnect to other nodes.
    """
    run(_node(load_settings(topology), region, host, port))


async def _node(settings: Settings, region: str, host: str, port: int) -> None:
    _raise_file_limit()
    stop = stop_on_signals()
    app = make_app(settings, region, static=static_folder())
    try:
        async with serving(app, host, port, backlog=BACKLOG, shutdown_timeout=SHUTDOWN_S):
            await stop.wait()
    except ListenError as error:
        raise click.ClickException(f"{error}; choose another --port or --host") from None


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


@click.command()
@click.option("--region", required=True, help="The region whose jobs it runs.")
@click.option("--queues", default=",".join(QUEUES), show_default=True, help="The queues that it takes jobs from.")
@click.option(
    "--concurrency", default=4, show_default=True, type=click.IntRange(1, 100), help="Jobs of one queue at once."
)
@click.pass_obj
def worker(topology: Path, region: str, queues: str, concurrency: int) -> None:
    """Run one worker: refunds. Several in a region share the jobs."""
    wanted = [name.strip() for name in queues.split(",") if name.strip()]
    if not wanted or not set(wanted) <= set(QUEUES):
        raise click.UsageError(f"--queues takes {', '.join(QUEUES)}")
    run(_worker(load_settings(topology), region, [Queue(name) for name in wanted], concurrency))


async def _worker(settings: Settings, region: str, queues: list[Queue], concurrency: int) -> None:
    await workers.run(settings, region, stop_on_signals(), queues, concurrency)


def static_folder() -> Path:
    """Return the folder of the pages: next to the package in a checkout, inside it when installed from a wheel."""
    package = Path(realtime.__file__).parent
    inside = package / "static"
    return inside if inside.is_dir() else package.parent / "static"


def _raise_file_limit() -> None:
    # Each viewer needs a socket, and the soft limit is often 1,024.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
