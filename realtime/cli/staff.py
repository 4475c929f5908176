"""``staff``: issues, lists and revokes the tokens of staff."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from realtime.cli.common import load_settings, require_region, run
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable, TheatreNotFound
from realtime.locks.audit import append_audit
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.settings import Settings
from realtime.staff import MAX_DAYS, Principal, Role, StaffToken, StaffTokens, misnamed, new_token_id

TIMEOUT_S = 5.0
DAY_MS = 86_400_000


@click.group()
def staff() -> None:
    """Issue, list and revoke the tokens of staff: operators, gates, kiosks, services."""


@staff.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True, help="What the token may do.")
@click.option("--theatre", default="", help="The one theatre of a gate or kiosk; a kiosk needs one.")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=90, show_default=True, help="Days until it expires.")
@click.option(
    "--region",
    help="The region whose ledger registers the token.  [default: that of the theatre, or the first of the topology]",
)
@click.pass_obj
def add(topology: Path, name: str, role: str, theatre: str, days: int, region: str | None) -> None:
    """Issue a token for NAME and print it. It is shown once, and works at every node of every region.

    \b
    tickingtickets staff add asha --role gate --days 30
    """
    if why := misnamed(name, Role(role), theatre):
        raise click.UsageError(f"NAME, --role or --theatre: {why}")
    settings = load_settings(topology)
    regions = [region] if region else list(settings.topology.regions)
    for each in regions:
        require_region(settings, each)
    at = now_ms()
    new = StaffToken("", name, Role(role), theatre, at, at + days * DAY_MS)
    token = run(_register(settings, regions if theatre else regions[:1], new))
    if token is None:
        where = region or "no region"
        raise click.ClickException(f"{TheatreNotFound.code}: {where} has {'no' if region else 'a'} theatre {theatre}")
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


async def _register(settings: Settings, regions: list[str], new: StaffToken) -> StaffToken | None:
    """Register a token in the first region that has its theatre, and return it with its id; None if none has it."""
    for region in regions:
        token = replace(new, id=new_token_id(region))
        body = {name: value for name, value in asdict(token).items() if name != "revoked_at"}
        with contextlib.suppress(TheatreNotFound):
            await _command(settings, region, "staff_add", body, f"{token.name} ({token.role})")
            return token
    return None


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
