"""What all commands share: settings from the context, signals, errors in one line."""

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
from realtime.topology import TopologyError

T = TypeVar("T")


def load_settings(topology: Path) -> Settings:
    """Read topology and environment; a fault ends the program with its one line."""
    try:
        found = settings.load(topology, os.environ)
        check_addresses(found.topology)
    except TopologyError as error:
        raise click.UsageError(str(error)) from None
    return found


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop; refusals end the program with their one line."""
    try:
        return uvloop.run(work)
    except TopologyError as error:
        raise click.UsageError(str(error)) from None
    except TicketError as error:
        details = f" {error.details}" if error.details else ""
        raise click.ClickException(f"{error.code}: {error.message}{details}") from None


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT, SIGTERM or SIGHUP sets; call it in the loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop
