"""``python -m loadtest``: crowds, faults and benchmarks, against a cluster of one's own or any installation."""

from __future__ import annotations

import click

try:
    from loadtest.bench.cli import bench
    from loadtest.crowd.cli import COMMANDS
    from loadtest.faults.cli import faults
    from loadtest.frames.cli import frames
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: install what load tests need with `pip install 'tickingtickets[loadtest]'`") from None


@click.group()
def main() -> None:
    """Load and faults for TickingTickets; every command ends by itself, and with 1 if anything was wrong."""


main.add_command(bench)
main.add_command(faults)
main.add_command(frames)
for command in COMMANDS:
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="python -m loadtest")
