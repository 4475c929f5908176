"""``python -m loadtest hostile``."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click
import orjson

from loadtest.hostile.run import ALL, attack_all


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="Duration of each attack.")
@click.option("--attack", "names", multiple=True, type=click.Choice(ALL), help="Run this one; default: all.")
@click.option(
    "--addresses",
    default=1,
    show_default=True,
    type=click.IntRange(1, 2500),
    help="Network addresses that the connections of an attack come from.",
)
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures to a file."
)
def hostile(seconds: float, names: tuple[str, ...], addresses: int, file: Path | None) -> None:
    """Attack a node and measure what other people notice.

    Runs each attack from one core against a node of an own cluster on free loopback ports, in a temporary folder.
    Prints, quiet and under the attack, the times of other people's requests from another address, and the node's
    memory before, at most, and 10 s after. Exits with 1 unless each attack costs others at most 50 ms (p99) and the
    node at most 20 MB. Never point attacks at anything but your own machine.
    """
    with tempfile.TemporaryDirectory(prefix="tickingtickets-hostile-") as folder:
        outcomes = asyncio.run(attack_all(Path(folder), names or ALL, seconds, addresses, click.echo))
    if file is not None:
        file.write_bytes(orjson.dumps(outcomes, option=orjson.OPT_INDENT_2))
    if not all(outcome["met"] for outcome in outcomes):
        raise SystemExit(1)
