"""The commands of ``python -m loadtest``: options are checked here, the work is done by the packages below."""

from __future__ import annotations

import click

from loadtest.cli.bench import bench
from loadtest.cli.crowd import COMMANDS
from loadtest.cli.faults import faults
from loadtest.cli.frames import frames
from loadtest.cli.hostile import hostile
from loadtest.cli.lapses import lapses
from loadtest.cli.recovery import recovery
from loadtest.cli.scalper import scalper


@click.group()
def main() -> None:
    """Load tests, fault tests and benchmarks for TickingTickets.

    Every command ends by itself. The exit code is 1 if a check failed.
    """


for command in (bench, faults, frames, hostile, lapses, recovery, scalper, *COMMANDS):
    main.add_command(command)
