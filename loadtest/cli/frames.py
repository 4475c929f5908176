"""``python -m loadtest frames``."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import click
import orjson


@click.command()
@click.option("--throttle", default=4.0, show_default=True, help="Slow the page's CPU down by this factor.")
@click.option("--seconds", default=5.0, show_default=True, help="Duration of each measurement.")
@click.option("--rate", default=400.0, show_default=True, help="Seats that change each second in a storm.")
@click.option("--device", "devices", multiple=True, type=click.Choice(["desktop", "phone"]), help="Default: both.")
@click.option(
    "--seats", default="60000", type=click.Choice(["60000", "200000"]), show_default=True, help="Of the hall."
)
@click.option("--network", type=click.Choice(["slow4g"]), help="Measure instead how soon the page is there on it.")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures to a file."
)
def frames(
    throttle: float,
    seconds: float,
    rate: float,
    devices: tuple[str, ...],
    seats: str,
    network: str | None,
    file: Path | None,
) -> None:
    """Measure the seat map's frame rate in Chromium, in a hall of 60,000 or 200,000 seats.

    Measures pan, zoom (wheel and pinch) and a storm of changes by other people, zoomed out and zoomed in. Starts a
    cluster of its own on free loopback ports and in a temporary folder. Other load on the machine distorts the figures,
    so the load average is printed with them.

    With --network: requests, bytes and times until the map is painted and live, on a phone (360 x 740) with a network
    of 1.6 Mbit/s and 150 ms, for 280, 60,000 and 200,000 seats; and the bytes a minute of a storm.
    """
    # Playwright is a development dependency: the other commands must work without it.
    try:
        from loadtest.frames import run, weight
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}: this command needs `make install-dev`") from None

    click.echo(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, CPU throttled {throttle:g}x")
    with tempfile.TemporaryDirectory(prefix="tickingtickets-frames-") as folder:
        if network is not None:
            work = weight.measure(Path(folder), network, throttle, seconds, rate, click.echo)
        else:
            screens = devices or ("desktop", "phone")
            work = run.measure(Path(folder), screens, int(seats), throttle, seconds, rate, click.echo)
        figures = asyncio.run(work)
    click.echo(f"load average {os.getloadavg()[0]:.1f} at the end")
    if file is not None:
        file.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
