"""``python -m loadtest frames``."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import click
import orjson


@click.command()
@click.option("--throttle", default=4.0, show_default=True, help="How many times slower the page's CPU is.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each measurement.")
@click.option("--rate", default=400.0, show_default=True, help="Seats that change each second in a storm.")
@click.option("--device", "devices", multiple=True, type=click.Choice(["desktop", "phone"]), help="Default: both.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too.")
def frames(throttle: float, seconds: float, rate: float, devices: tuple[str, ...], file: Path | None) -> None:
    """Measure the seat map's frames in Chromium on a stadium of 60,000 seats.

    Pan, zoom (wheel, pinch) and a storm of other people's changes, from afar and near. Starts a cluster of its own on
    free ports of loopback and in a temporary folder. Other work on the machine shows in the figures: the load average
    is printed beside them.
    """
    # The browser's driver is a tool of development: the other commands work without it.
    from loadtest.frames.run import measure

    click.echo(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, CPU throttled {throttle:g}x")
    with tempfile.TemporaryDirectory(prefix="tickingtickets-frames-") as folder:
        work = measure(Path(folder), devices or ("desktop", "phone"), throttle, seconds, rate, click.echo)
        figures = asyncio.run(work)
    click.echo(f"load average {os.getloadavg()[0]:.1f} at the end")
    if file is not None:
        file.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
