"""``python -m realtime.dev.mailbox``: take mails and show them, both on 127.0.0.1, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import click
from aiohttp import web

from realtime.dev.mailbox.pages import make_app
from realtime.dev.mailbox.server import serve_smtp
from realtime.dev.mailbox.store import MailStore

HOST = "127.0.0.1"
PORT = click.IntRange(1, 65535)
KEY_VARIABLE = "TICKINGTICKETS_MAILBOX_KEY"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--smtp-port", type=PORT, required=True, help="Port of the mail server.")
@click.option("--port", type=PORT, required=True, help="Port of the page.")
@click.option("--data", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The SQLite file.")
def main(smtp_port: int, port: int, data: Path) -> None:
    """Keep every mail that arrives, and show it to those who have the key in TICKINGTICKETS_MAILBOX_KEY."""
    key = os.environ.get(KEY_VARIABLE, "")
    if len(key) < 8:
        raise click.UsageError(f"set {KEY_VARIABLE} to 8 characters or more")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_serve(smtp_port, port, data, key))


async def _serve(smtp_port: int, port: int, data: Path, key: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = MailStore(data)
    runner = web.AppRunner(make_app(store, key), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    server = await serve_smtp(store, HOST, smtp_port)
    await stop.wait()
    server.close()
    await runner.cleanup()
    store.close()


if __name__ == "__main__":
    main()
