"""``contacts``: erases a buyer's contacts, at the buyer's request (docs/privacy.md)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from realtime.cli.common import load_settings, run
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.settings import Settings

TIMEOUT_S = 5.0


@click.group()
def contacts() -> None:
    """Erase the contacts of buyers."""


@contacts.command("erase")
@click.option("--email", default="", help="The mail address that the buyer has given.")
@click.option("--phone", default="", help="The phone number, however it is written.")
@click.option("--booking", default="", help="The id of one booking.")
@click.pass_obj
def erase(topology: Path, email: str, phone: str, booking: str) -> None:
    """Erase the contacts of one person in all regions. Bookings and payments stay, without a name.

    \b
    tickingtickets contacts erase --email asha@example.in
    """
    given = {"email": email, "phone": phone, "booking": booking}
    if sum(map(bool, given.values())) != 1:
        raise click.UsageError("give one of --email, --phone and --booking")
    erased = run(_erase(load_settings(topology), {name: value for name, value in given.items() if value}))
    click.echo(f"{erased} contacts erased")


async def _erase(settings: Settings, body: dict[str, str]) -> int:
    masters = [
        LockMaster(region, settings.redis_password, timeout_s=TIMEOUT_S)
        for region in settings.topology.regions.values()
    ]
    try:
        answers = await asyncio.gather(*(run_command(master, "erase_contacts", body) for master in masters))
    finally:
        await asyncio.gather(*(master.close() for master in masters))
    return sum(int(answer["erased"]) for answer in answers)
