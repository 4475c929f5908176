"""The command line: ``tickingtickets`` (also ``python -m realtime``)."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from realtime import __version__, settings
from realtime.cli.check import check
from realtime.cli.operate import plans, shows, theatres
from realtime.cli.run import keeper, node, worker
from realtime.cli.up import up
from realtime.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tickingtickets")
@click.option(
    "--topology",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(os.environ.get(f"{settings.PREFIX}TOPOLOGY", settings.DEFAULT_TOPOLOGY)),
    show_default=True,
    help="The topology file. The environment variable TICKINGTICKETS_TOPOLOGY sets it, too.",
)
@click.option("--verbose", is_flag=True, help="Log debug messages.")
@click.pass_context
def cli(context: click.Context, topology: Path, verbose: bool) -> None:
    """Real-time seat maps and seat booking across regions.

    \b
    tickingtickets up                                  run the whole system on this machine
    tickingtickets node --region west --port 8002      run one web node
    tickingtickets keeper --region west                run one keeper
    tickingtickets plans import hall.json --theatre west-hall
    tickingtickets shows list
    tickingtickets check                               compare ledgers and masters

    All commands except `up` read the topology file and the secret TICKINGTICKETS_SECRET from the environment.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("aiosqlite").setLevel(logging.INFO)
    context.obj = topology


for command in (up, node, keeper, worker, plans, shows, theatres, check, verify):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="tickingtickets")
