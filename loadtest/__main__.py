"""``python -m loadtest``: crowds, faults and benchmarks against a cluster of one's own."""

from __future__ import annotations

import click

from loadtest.bench.cli import bench
from loadtest.faults.cli import faults
from loadtest.frames.cli import frames


@click.group()
def main() -> None:
    """Load and faults for TickingTickets; every command starts its own cluster, and ends by itself."""


main.add_command(bench)
main.add_command(faults)
main.add_command(frames)

if __name__ == "__main__":
    main(prog_name="python -m loadtest")
