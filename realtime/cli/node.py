"""``node``: runs one web node."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

import click

import realtime
from realtime.cli.common import load_settings, run, stop_on_signals
from realtime.settings import Settings
from realtime.transport.acceptor import ListenError, serving
from realtime.web.app import make_app

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
