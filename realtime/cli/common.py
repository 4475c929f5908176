"""Used by all commands: loads the settings, handles signals, prints errors as one line without a traceback."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from realtime import settings
from realtime.addresses import check_addresses
from realtime.errors import TicketError
from realtime.settings import Settings
from realtime.topology import Region, TopologyError

T = TypeVar("T")


def load_settings(topology: Path) -> Settings:
    """Read topology and environment; an invalid setting ends the program with one line and exit status 2."""
    try:
        found = settings.load(topology, os.environ)
        check_addresses(found.topology)
    except TopologyError as error:
        raise click.UsageError(str(error)) from None
    return found


def require_region(settings: Settings, region: str) -> Region:
    """Return the region with this name; if there is none, end the program with a line that lists the names."""
    if region not in settings.topology.regions:
        known = ", ".join(settings.topology.regions)
        raise click.UsageError(f"there is no region {region}; the regions are {known}")
    return settings.topology.regions[region]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop; an error with a code ends the program with one line."""
    try:
        return uvloop.run(work)
    except TopologyError as error:
        raise click.UsageError(str(error)) from None
    except TicketError as error:
        details = f" {error.details}" if error.details else ""
        raise click.ClickException(f"{error.code}: {error.message}{details}") from None


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT, SIGTERM or SIGHUP sets; call it in the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop
