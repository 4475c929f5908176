"""``plans``, ``theatres``, ``shows``: what operators do; carried out and answered by the owning region's keeper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from redis.exceptions import RedisError

from realtime import connect, keys, limits, wire
from realtime.cli.common import load_settings, run
from realtime.errors import InvalidPlan, RegionUnavailable, TheatreNotFound
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.model import Layout, SalesState, Show, Theatre, region_of
from realtime.plans import read_plan
from realtime.settings import Settings

TIMEOUT_S = 5.0


@click.group()
def plans() -> None:
    """Seating plans, in the JSON format of the free pretix editor."""


@plans.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--theatre", required=True, help="A theatre of the region that shall have the layout.")
@click.option("--name", default="", help="A name for the layout; default: the plan's own.")
@click.pass_obj
def import_plan(topology: Path, file: Path, theatre: str, name: str) -> None:
    """Import a seating plan and print the id of its layout.

    \b
    tickingtickets plans import hall.json --theatre mumbai-gateway
    """
    try:
        layout = read_plan(file.read_bytes(), name)
    except InvalidPlan as error:
        raise click.ClickException(f"{file}: {error.message}") from None
    run(_import_plan(load_settings(topology), layout, theatre))


async def _import_plan(settings: Settings, layout: Layout, theatre: str) -> None:
    region = await _region_of_theatre(settings, theatre)
    async with _master(settings, region) as master:
        await master.command("SET", keys.layout(layout.id), wire.encode_layout(layout))
        done = (await run_command(master, "layout", {"id": layout.id}))["layout"]
    click.echo(f"layout {done['id']} in {region}: {done['name']}, {done['seats']} seats")
    click.echo(f"categories: {', '.join(done['categories'])}")


@click.group()
def theatres() -> None:
    """Theatres; each belongs to one region."""


@theatres.command("list")
@click.pass_obj
def list_theatres(topology: Path) -> None:
    """List the theatres of all regions."""
    found, _shows = run(_directory(load_settings(topology)))
    for theatre in sorted(found, key=lambda theatre: (theatre.region, theatre.id)):
        click.echo(f"{theatre.region:<8} {theatre.id:<32} {theatre.name}, {theatre.city}")


@theatres.command("add")
@click.argument("theatre")
@click.option("--region", required=True)
@click.option("--name", required=True)
@click.option("--city", required=True)
@click.pass_obj
def add_theatre(topology: Path, theatre: str, region: str, name: str, city: str) -> None:
    """Declare a theatre, or change its name and city."""
    run(_command(load_settings(topology), region, "theatre", {"id": theatre, "name": name, "city": city}))
    click.echo(f"{theatre} belongs to {region}")


@click.group()
def shows() -> None:
    """Shows and their sales."""


@shows.command("list")
@click.pass_obj
def list_shows(topology: Path) -> None:
    """List the shows of all regions."""
    _theatres, found = run(_directory(load_settings(topology)))
    for show in sorted(found, key=lambda show: (show.starts_at, show.id)):
        click.echo(f"{show.starts_at[:16]}  {show.id:<48} {show.sales.value:<7} {show.title}, {show.theatre_name}")


@shows.command("add")
@click.option("--theatre", required=True)
@click.option("--layout", required=True, help="The id that `plans import` printed.")
@click.option("--title", required=True)
@click.option("--starts-at", required=True, help="ISO 8601 with offset: 2026-11-23T18:30:00+05:30")
@click.option(
    "--price", "prices", multiple=True, required=True, metavar="CATEGORY=RUPEES", help="One for each category."
)
@click.option("--id", "show_id", help="Begins with the region; default: made from theatre and time.")
@click.option("--hold-s", type=int, default=limits.DEFAULT_HOLD_S, show_default=True)
@click.pass_obj
def add_show(
    topology: Path,
    theatre: str,
    layout: str,
    title: str,
    starts_at: str,
    prices: tuple[str, ...],
    show_id: str | None,
    hold_s: int,
) -> None:
    """Declare a show and open its sales.

    \b
    tickingtickets shows add --theatre mumbai-gateway --layout 5f0c... --title "Monsoon Wedding" \\
        --starts-at 2026-11-23T18:30:00+05:30 --price Gold=450 --price Silver=250
    """
    body: dict[str, Any] = {
        "theatre": theatre,
        "layout": layout,
        "title": title,
        "starts_at": starts_at,
        "prices": dict(map(_price, prices)),
        "hold_s": hold_s,
    }
    if show_id is not None:
        body["id"] = show_id
    settings = load_settings(topology)
    done = run(_add_show(settings, theatre, body))
    click.echo(f"{done['show']['id']}: {done['show']['seat_count']} seats, on sale")


async def _add_show(settings: Settings, theatre: str, body: dict[str, Any]) -> dict[str, Any]:
    return await _command(settings, await _region_of_theatre(settings, theatre), "show", body)


def _price(text: str) -> tuple[str, int]:
    category, _, rupees = text.rpartition("=")
    if not category or not rupees.isdecimal():
        raise click.UsageError(f"--price {text}: give CATEGORY=RUPEES, as in Gold=450")
    return category, int(rupees)


def _sales_command(name: str, sales: SalesState, text: str) -> click.Command:
    @shows.command(name, help=text)
    @click.argument("show")
    @click.pass_obj
    def change(topology: Path, show: str) -> None:
        run(_command(load_settings(topology), region_of(show), "sales", {"show": show, "sales": sales.value}))
        click.echo(f"{show} is {sales.value}")

    return change


_sales_command("open", SalesState.OPEN, "Open the sales of a show.")
_sales_command("pause", SalesState.PAUSED, "Pause the sales of a show; who holds seats may still pay.")
_sales_command("close", SalesState.CLOSED, "Close the sales of a show.")


# --- links --------------------------------------------------------------------------------------------------------
@asynccontextmanager
async def _master(settings: Settings, region: str) -> AsyncIterator[LockMaster]:
    known = settings.topology.regions.get(region)
    if known is None:
        raise click.UsageError(f"there is no region {region}; there are {', '.join(settings.topology.regions)}")
    master = LockMaster(known, settings.redis_password, timeout_s=TIMEOUT_S)
    try:
        yield master
    finally:
        await master.close()


async def _command(settings: Settings, region: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    async with _master(settings, region) as master:
        return await run_command(master, name, body)


async def _directory(settings: Settings) -> tuple[list[Theatre], list[Show]]:
    regions = await asyncio.gather(*(_declared(settings, region) for region in settings.topology.regions))
    return [t for theatres, _ in regions for t in theatres], [s for _, shows in regions for s in shows]


async def _declared(settings: Settings, region: str) -> tuple[list[Theatre], list[Show]]:
    try:
        where = await connect.locate(settings.topology.regions[region].master, settings.redis_password)
        redis = connect.client(where, settings.redis_password, timeout_s=TIMEOUT_S, connections=2)
        try:
            theatres, shows = await redis.hvals(keys.THEATRES), await redis.hvals(keys.SHOWS)
        finally:
            await connect.close(redis)
    except (RedisError, OSError):
        raise RegionUnavailable(region=region) from None
    return list(map(wire.decode_theatre, theatres)), list(map(wire.decode_show, shows))


async def _region_of_theatre(settings: Settings, theatre: str) -> str:
    by_file = settings.topology.theatre_region(theatre)
    if by_file is not None:
        return by_file
    theatres, _shows = await _directory(settings)
    for known in theatres:
        if known.id == theatre:
            return known.region
    raise TheatreNotFound(f"There is no theatre {theatre}; `tickingtickets theatres list` lists them.")
