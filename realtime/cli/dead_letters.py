"""``dead-letters``: lists entries that no keeper could process, retries them, or returns their payments."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click
from redis.exceptions import RedisError

from realtime import connect, keys
from realtime.cli.common import load_settings, require_region, run
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.settings import Settings

TIMEOUT_S = 5.0


@click.group("dead-letters")
def dead_letters() -> None:
    """List, retry and refund entries that no keeper could process."""


@dead_letters.command("list")
@click.option("--region", "regions", multiple=True, help="Only this region. Can be repeated.")
@click.pass_obj
def list_dead_letters(topology: Path, regions: tuple[str, ...]) -> None:
    """List the dead letters of all regions: id, kind, hold, payment and reason.

    Regions that do not answer are named after the list, and the exit status is 1.
    """
    settings = load_settings(topology)
    asked = list(regions or settings.topology.regions)
    for name in asked:
        require_region(settings, name)
    answers = run(_ask_all(settings, asked))
    for line in (line for lines in answers for line in lines or ()):
        click.echo(line)
    missing = [name for name, lines in zip(asked, answers, strict=True) if lines is None]
    if missing:
        raise click.ClickException(f"no answer from {', '.join(missing)}: dead letters there are not listed")


@dead_letters.command("retry")
@click.argument("letter")
@click.option("--region", required=True, help="The region that has the dead letter.")
@click.pass_obj
def retry(topology: Path, letter: str, region: str) -> None:
    """Process the dead letter with the id LETTER again. Remove its cause first."""
    done = run(_command(load_settings(topology), region, "retry_dead_letter", {"id": letter}))
    click.echo(f"{letter} ({done['kind']}) is in the outbox again")


@dead_letters.command("refund")
@click.argument("letter")
@click.option("--region", required=True, help="The region that has the dead letter.")
@click.pass_obj
def refund(topology: Path, letter: str, region: str) -> None:
    """Return the payment of the dead letter with the id LETTER."""
    done = run(_command(load_settings(topology), region, "refund_dead_letter", {"id": letter}))
    click.echo(f"payment {done['payment']} will be returned")


async def _ask_all(settings: Settings, regions: list[str]) -> list[list[str] | None]:
    return await asyncio.gather(*(_lines(settings, name) for name in regions))


async def _lines(settings: Settings, name: str) -> list[str] | None:
    """Return a line for each dead letter of a region; None if its master does not answer."""
    master = settings.topology.regions[name].master
    try:
        async with connect.to_master(master, settings.redis_password, timeout_s=TIMEOUT_S) as redis:
            entries: Any = await redis.xrange(keys.DEAD_LETTERS)
    except (RedisError, OSError):
        return None
    return [_line(name, entry_id.decode(), connect.text_fields(fields)) for entry_id, fields in entries]


def _line(region: str, entry_id: str, fields: dict[str, str]) -> str:
    what = " ".join(f"{name}={fields[name]}" for name in ("hold", "payment", "order", "name") if fields.get(name))
    return f"{region} {entry_id} {fields.get('kind', '')} {what}: {fields.get('reason', '')}"


async def _command(settings: Settings, region: str, name: str, body: dict[str, str]) -> dict[str, Any]:
    master = LockMaster(require_region(settings, region), settings.redis_password, timeout_s=TIMEOUT_S)
    try:
        return await run_command(master, name, body)
    finally:
        await master.close()
