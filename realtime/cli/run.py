"""``node`` and ``keeper``: the two kinds of processes that an installation runs."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

import click

import realtime
from realtime.cli.common import load_settings, run, stop_on_signals
from realtime.keeper import service
from realtime.settings import Settings
from realtime.transport.acceptor import ListenError, serving
from realtime.web.app import make_app

BACKLOG = 4096
"""A crowd arrives at once; connections that the kernel may queue meanwhile."""
SHUTDOWN_S = 5.0


@click.command()
@click.option("--region", required=True, help="The region that this node stands in.")
@click.option("--port", required=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.pass_obj
def node(topology: Path, region: str, port: int, host: str) -> None:
    """Run one web node: HTTP and Socket.IO for any show of any region."""
    run(_node(load_settings(topology), region, host, port))


async def _node(settings: Settings, region: str, host: str, port: int) -> None:
    _raise_file_limit()
    stop = stop_on_signals()
    app = make_app(settings, region, static=static_folder())
    try:
        async with serving(app, host, port, backlog=BACKLOG, shutdown_timeout=SHUTDOWN_S):
            await stop.wait()
    except ListenError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.option("--region", required=True, help="The region that this keeper serves.")
@click.option("--name", help="Its name among the keepers of the region; default: host and process.")
@click.pass_obj
def keeper(topology: Path, region: str, name: str | None) -> None:
    """Run one keeper: expiry, ledger, reconciliation, jobs. Two or more a region share the work."""
    run(_keeper(load_settings(topology), region, name))


async def _keeper(settings: Settings, region: str, name: str | None) -> None:
    await service.run(settings, region, stop_on_signals(), name)


def static_folder() -> Path:
    """Return the folder of the pages: beside the package in a checkout, inside it when installed from a wheel."""
    package = Path(realtime.__file__).parent
    inside = package / "static"
    return inside if inside.is_dir() else package.parent / "static"


def _raise_file_limit() -> None:
    # A viewer is a socket; the soft limit is often 1,024.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
