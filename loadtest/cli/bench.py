"""``python -m loadtest bench``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from loadtest.bench import programs, table
from loadtest.bench.run import FULL, QUICK, measure


@click.command()
@click.option("--quick", is_flag=True, help="A few viewers for a moment: shows that it works, measures nothing.")
@click.option("--no-node", is_flag=True, help="Skip the Node.js server (otherwise it is installed when missing).")
@click.option("--json", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write all figures to a file.")
def bench(quick: bool, no_node: bool, target: Path | None) -> None:
    """Compare with plain emit, Node.js and the bare kernel: fan-out, joins, memory, storms, pollers, writes.

    Takes about ten minutes. The server under test has one core, its clients have the other. Costs are CPU times of the
    server, because rates depend on the clients. Uses loopback only.
    """
    folder = Path("var") / "bench"
    try:
        binaries = programs.build(folder / "bin")
        peer = None if no_node else programs.install_peer(folder / "peer")
    except programs.Missing as error:
        raise click.ClickException(str(error)) from None
    with tempfile.TemporaryDirectory() as temporary:
        run = measure(binaries, peer, Path(temporary), QUICK if quick else FULL, _print_progress)
    click.echo(f"\n{table.text(run)}")
    if target is not None:
        target.write_text(json.dumps(run, indent=1) + "\n")


def _print_progress(elapsed_s: float, what: str) -> None:
    click.echo(f"{elapsed_s:5.0f} s  {what}", err=True)
