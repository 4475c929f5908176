"""``python -m realtime.dev.bank``: serve the demo bank on 127.0.0.1 until SIGTERM."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click
from aiohttp import web

from realtime.dev.bank.app import make_app

HOST = "127.0.0.1"
SECRET_VARIABLE = "TICKINGTICKETS_BANK_SECRET"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="Port on 127.0.0.1.")
@click.option("--data", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The bank's SQLite file.")
@click.option("--webhook", "webhooks", multiple=True, metavar="URL", help="Receives webhooks; later ones stand by.")
@click.option("--url", default="", help="The bank's address as browsers see it.")
def main(port: int, data: Path, webhooks: tuple[str, ...], url: str) -> None:
    """Serve a bank without money. TICKINGTICKETS_BANK_SECRET is shared with the nodes."""
    secret = os.environ.get(SECRET_VARIABLE, "")
    if len(secret) < 8:
        raise click.UsageError(f"set {SECRET_VARIABLE} to 8 characters or more")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    app = make_app(data, secret, url or f"http://{HOST}:{port}", webhooks)
    web.run_app(app, host=HOST, port=port, print=None, access_log=None, shutdown_timeout=2.0)


if __name__ == "__main__":
    main()
