"""The command line: ``tickingtickets`` (also ``python -m realtime``)."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from pathlib import Path

import click

from realtime import __version__, logs, settings
from realtime.environment import PREFIX

_MODULES = {
    "check": "check",
    "contacts": "contacts",
    "keeper": "keeper",
    "node": "node",
    "dead-letters": "dead_letters",
    "plans": "operate",
    "shows": "operate",
    "staff": "staff",
    "theatres": "operate",
    "up": "up",
    "verify": "verify",
    "worker": "worker",
}
"""The module of this package for each command. It is imported only when the command runs, because a node needs no
database library and a keeper no web server, and importing either takes nearly a second of CPU time."""


class _Commands(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _MODULES:
            return None
        command: click.Command = getattr(import_module(f"realtime.cli.{_MODULES[name]}"), name.replace("-", "_"))
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tickingtickets")
@click.option(
    "--topology",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(os.environ.get(f"{PREFIX}TOPOLOGY", settings.DEFAULT_TOPOLOGY)),
    show_default=True,
    help="The topology file. The environment variable TICKINGTICKETS_TOPOLOGY sets it too.",
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
    logs.configure(logging.DEBUG if verbose else logging.INFO)
    context.obj = topology


def main() -> None:
    """Run the command line."""
    cli(prog_name="tickingtickets")
