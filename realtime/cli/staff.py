"""``staff``: issues, lists and revokes the tokens of staff."""

from __future__ import annotations

import asyncio
import getpass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from realtime.cli.common import load_settings, require_region, run
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.locks.audit import append_audit
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.settings import Settings
from realtime.staff import MAX_DAYS, MAX_NAME_LENGTH, Principal, Role, StaffToken, StaffTokens, new_token_id

TIMEOUT_S = 5.0
DAY_MS = 86_400_000


@click.group()
def staff() -> None:
    """Issue, list and revoke the tokens of staff: operators, gates, kiosks, services."""


@staff.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What the token may do.")
@click.option("--theatre", default="", help="The theatre of a kiosk or gate; a kiosk needs one.")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=90, show_default=True, help="Days until it expires.")
@click.option("--region", help="The region whose ledger registers the token.  [default: the first of the topology]")
@click.pass_obj
def add(topology: Path, name: str, role: str, theatre: str, days: int, region: str | None) -> None:
    """Issue a token for NAME and print it. It is shown once, and works at every node of every region.

    \b
    tickingtickets staff add asha --role gate --days 30
    """
    if not name.isprintable() or not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise click.UsageError(f"NAME has 1 to {MAX_NAME_LENGTH} printable characters")
    if role == Role.KIOSK and not theatre:
        raise click.UsageError("a kiosk needs --theatre")
    settings = load_settings(topology)
    where = region or next(iter(settings.topology.regions))
    require_region(settings, where)
    at = now_ms()
    token = StaffToken(new_token_id(where), name, Role(role), theatre, at, at + days * DAY_MS)
    body = {
        "id": token.id,
        "name": name,
        "role": role,
        "theatre": theatre,
        "issued_at": at,
        "expires_at": token.expires_at,
    }
    run(_command(settings, where, "staff_add", body, f"{name} ({role})"))
    click.echo(f"token {token.id} for {name}, {role}, until {_day(token.expires_at)}:", err=True)
    click.echo(StaffTokens([settings.secret]).sign(token))


@staff.command("revoke")
@click.argument("who")
@click.pass_obj
def revoke(topology: Path, who: str) -> None:
    """Revoke the token with the id WHO, or all tokens of the name WHO, in all regions."""
    settings = load_settings(topology)
    revoked = run(_revoke(settings, who))
    if not revoked:
        raise click.ClickException(f"{who} has no token that is not revoked")
    for token_id in revoked:
        click.echo(f"revoked {token_id}")


@staff.command("list")
@click.pass_obj
def list_tokens(topology: Path) -> None:
    """List all tokens, of all regions, the newest first."""
    rows = run(_tokens(load_settings(topology)))
    for row in sorted(rows, key=lambda row: -row["issued_at"]):
        state = "valid" if row["expires_at"] > now_ms() else "expired"
        if row["revoked_at"]:
            state = f"revoked {_day(row['revoked_at'])}"
        where = row["theatre"] or "-"
        click.echo(f"{row['id']:<26} {row['name']:<24} {row['role']:<9} {where:<24} {_day(row['expires_at'])}  {state}")


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d")


async def _command(settings: Settings, region: str, name: str, body: dict[str, Any], subject: str) -> dict[str, Any]:
    """Have a keeper carry out a command, and record who gave it."""
    master = _master(settings, region)
    try:
        done = await run_command(master, name, body)
        who = Principal(f"{getpass.getuser()} (command line)", Role.OPERATOR)
        await append_audit(master, who, name, subject)
        return done
    finally:
        await master.close()


async def _revoke(settings: Settings, who: str) -> list[str]:
    revoked: list[str] = []
    for region in settings.topology.regions:
        done = await _command(settings, region, "staff_revoke", {"who": who}, who)
        revoked += done["revoked"]
    return revoked


async def _tokens(settings: Settings) -> list[dict[str, Any]]:
    async def of(region: str) -> list[dict[str, Any]]:
        master = _master(settings, region)
        try:
            rows: list[dict[str, Any]] = await run_query(master, "staff", {})
            return rows
        except RegionUnavailable:
            click.echo(f"{region} does not answer; its tokens are missing", err=True)
            return []
        finally:
            await master.close()

    return [row for rows in await asyncio.gather(*map(of, settings.topology.regions)) for row in rows]


def _master(settings: Settings, region: str) -> LockMaster:
    return LockMaster(settings.topology.regions[region], settings.redis_password, timeout_s=TIMEOUT_S)
