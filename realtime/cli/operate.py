"""``plans``, ``theatres`` and ``shows``: the commands of operators, carried out by a keeper of the owning region."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
from redis.exceptions import RedisError

from realtime import connect, keys, limits
from realtime import plans as seating_plans
from realtime.cli.common import load_settings, require_region, run
from realtime.errors import InvalidPlan, RegionUnavailable, TheatreNotFound
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.logs import escaped
from realtime.model import Admission, Layout, SalesState, Show, Theatre, region_of
from realtime.settings import Settings
from realtime.wire.layouts import encode_layout
from realtime.wire.shows import decode_show, decode_theatre, read_records

TIMEOUT_S = 5.0


@click.group()
def plans() -> None:
    """Import seating plans, in the JSON format of the free pretix editor."""


@plans.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--theatre", required=True, help="A theatre of the region that gets the layout.")
@click.option("--name", default="", help="The name of the layout.  [default: the name in the plan]")
@click.pass_obj
def import_plan(topology: Path, file: Path, theatre: str, name: str) -> None:
    """Import the seating plan FILE; print the id of its layout, and what may cause problems in a sale.

    \b
    tickingtickets plans import hall.json --theatre mumbai-gateway
    """
    try:
        layout, report = seating_plans.import_plan(file.read_bytes(), name)
    except InvalidPlan as error:
        raise click.ClickException(f"{file}: {error.message}") from None
    run(_import_plan(load_settings(topology), layout, theatre))
    for finding in report:
        click.echo(f"note: {finding.message}")
        for example in finding.examples:
            click.echo(f"        {example}")
        if finding.count > len(finding.examples):
            click.echo(f"        and {finding.count - len(finding.examples):,} more")


async def _import_plan(settings: Settings, layout: Layout, theatre: str) -> None:
    region = await _region_of_theatre(settings, theatre)
    async with _master(settings, region) as master:
        done = (await declare_layout(master, layout.id, encode_layout(layout)))["layout"]
    click.echo(f"layout {done['id']} in {region}: {done['name']}, {done['seats']} seats")
    click.echo(f"categories: {', '.join(done['categories'])}")


@click.group()
def theatres() -> None:
    """List and declare theatres. Each theatre belongs to one region."""


@theatres.command("list")
@click.pass_obj
def list_theatres(topology: Path) -> None:
    """List the theatres of all regions."""
    found, _shows = run(_directory(load_settings(topology)))
    for theatre in sorted(found, key=lambda theatre: (theatre.region, theatre.id)):
        click.echo(f"{theatre.region:<8} {theatre.id:<32} {theatre.name}, {theatre.city}")


@theatres.command("add")
@click.argument("theatre")
@click.option("--region", required=True, help="The region that owns the theatre.")
@click.option("--name", required=True, help="The name that buyers see.")
@click.option("--city", required=True, help="The city that buyers see.")
@click.pass_obj
def add_theatre(topology: Path, theatre: str, region: str, name: str, city: str) -> None:
    """Declare the theatre with the id THEATRE, or change its name and city.

    \b
    tickingtickets theatres add mumbai-gateway --region west --name "Gateway Talkies" --city Mumbai
    """
    run(_command(load_settings(topology), region, "theatre", {"id": theatre, "name": name, "city": city}))
    click.echo(f"{theatre} belongs to {region}")


@theatres.command("remove")
@click.argument("theatre")
@click.option("--region", required=True, help="The region from which it is removed.")
@click.pass_obj
def remove_theatre(topology: Path, theatre: str, region: str) -> None:
    """Remove the theatre with the id THEATRE, which must not have shows, from a region.

    \b
    tickingtickets theatres remove mumbai-gateway --region north
    """
    run(_command(load_settings(topology), region, "remove_theatre", {"id": theatre}))
    click.echo(f"{theatre} is removed from {region}")


@click.group()
def shows() -> None:
    """List and declare shows; open, pause and close their sales."""


@shows.command("list")
@click.pass_obj
def list_shows(topology: Path) -> None:
    """List the shows of all regions."""
    _theatres, found = run(_directory(load_settings(topology)))
    for show in sorted(found, key=lambda show: (show.starts_at, show.id)):
        click.echo(f"{show.starts_at[:16]}  {show.id:<48} {show.sales.value:<7} {show.title}, {show.theatre_name}")


@shows.command("add")
@click.option("--theatre", required=True, help="The id of the theatre.")
@click.option("--layout", required=True, help="The id that `plans import` printed.")
@click.option("--title", required=True, help="The title that buyers see.")
@click.option("--starts-at", required=True, help="ISO 8601 with UTC offset: 2027-01-15T18:30:00+05:30")
@click.option(
    "--price",
    "prices",
    multiple=True,
    required=True,
    metavar="CATEGORY=RUPEES",
    help="The price of a category in whole rupees. Repeat it for every category of the layout.",
)
@click.option(
    "--id", "show_id", help="The id of the show; begins with the region.  [default: from theatre and start time]"
)
@click.option(
    "--admission",
    type=click.Choice([kind.value for kind in Admission]),
    default=Admission.OTHER.value,
    show_default=True,
    help="The kind of event, which decides the tax.",
)
@click.option("--fee-paise", default=0, help="The booking fee of each seat, before tax.")
@click.option("--fee-basis-points", default=0, help="In addition, a share of the price: 200 is 2 %.")
@click.option("--sales-start", default="", metavar="TIME", help="When seats go on sale.  [default: at once]")
@click.option("--sales-end", default="", metavar="TIME", help="When sales end.  [default: 20 min after the start]")
@click.option(
    "--hold-s",
    type=click.IntRange(limits.MIN_HOLD_S, limits.MAX_HOLD_S),
    default=limits.DEFAULT_HOLD_S,
    show_default=True,
    help="How long a buyer can hold seats, in seconds.",
)
@click.pass_obj
def add_show(
    topology: Path,
    theatre: str,
    layout: str,
    title: str,
    starts_at: str,
    prices: tuple[str, ...],
    admission: str,
    fee_paise: int,
    fee_basis_points: int,
    sales_start: str,
    sales_end: str,
    show_id: str | None,
    hold_s: int,
) -> None:
    """Declare a show and open its sales.

    \b
    tickingtickets shows add --theatre mumbai-gateway --layout 5f0c... --title "Monsoon Wedding" \\
        --starts-at 2027-01-15T18:30:00+05:30 --price Gold=450 --price Silver=250
    """
    body: dict[str, Any] = {
        "theatre": theatre,
        "layout": layout,
        "title": title,
        "starts_at": starts_at,
        "prices": dict(map(_price, prices)),
        "admission": admission,
        "fee": {"paise": fee_paise, "basis_points": fee_basis_points},
        "hold_s": hold_s,
        "sales_start": sales_start,
        "sales_end": sales_end,
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
        raise click.UsageError(f"--price {text}: write CATEGORY=RUPEES, for example Gold=450")
    return category, int(rupees)


@shows.command("terms")
@click.argument("show")
@click.option("--sales-start", metavar="TIME", help='When seats go on sale; "" for at once.')
@click.option("--sales-end", metavar="TIME", help='When sales end; "" for 20 min after the start.')
@click.option("--cancel-until", metavar="TIME", help='When buyers may cancel; "" for up to 2 h before the start.')
@click.pass_obj
def change_terms(
    topology: Path, show: str, sales_start: str | None, sales_end: str | None, cancel_until: str | None
) -> None:
    """Change when seats of SHOW are on sale, and until when buyers may cancel. Times are ISO 8601 with UTC offset.

    \b
    tickingtickets shows terms west-gateway-20270115-1830 --sales-start 2027-01-02T10:00:00+05:30
    """
    terms = {"sales_start": sales_start, "sales_end": sales_end, "cancel_until": cancel_until}
    given = {name: value for name, value in terms.items() if value is not None}
    if not given:
        raise click.UsageError("Nothing to change: give --sales-start, --sales-end or --cancel-until.")
    done = run(_command(load_settings(topology), region_of(show), "terms", {"show": show, **given}))["show"]
    click.echo(f"{show} is on sale from {done['sales_start'] or 'now'} to {done['sales_end']}")
    click.echo(f"bookings can be cancelled until {done['cancel_until']}")


def _sales_command(name: str, sales: SalesState, text: str) -> click.Command:
    @shows.command(name, help=text)
    @click.argument("show")
    @click.pass_obj
    def change(topology: Path, show: str) -> None:
        run(_command(load_settings(topology), region_of(show), "sales", {"show": show, "sales": sales.value}))
        click.echo(f"{show} is {sales.value}")

    return change


_sales_command("open", SalesState.OPEN, "Open the sales of SHOW.")
_sales_command("pause", SalesState.PAUSED, "Pause the sales of SHOW. Buyers who hold seats can still pay.")
_sales_command("close", SalesState.CLOSED, "Close the sales of SHOW. Buyers who hold seats can still pay.")


@shows.command("archive")
@click.argument("show")
@click.pass_obj
def archive_show(topology: Path, show: str) -> None:
    """Archive SHOW: it leaves the lock master, and the ledger keeps it.

    Keepers do this by themselves a day after a show is over. A show that has not begun must be closed first.
    """
    run(_command(load_settings(topology), region_of(show), "archive", {"show": show}))
    click.echo(f"{show} is archived")


# --- connections to masters ---------------------------------------------------------------------------------------
@asynccontextmanager
async def _master(settings: Settings, region: str) -> AsyncIterator[LockMaster]:
    master = LockMaster(require_region(settings, region), settings.redis_password, timeout_s=TIMEOUT_S)
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
        master = settings.topology.regions[region].master
        async with connect.to_master(master, settings.redis_password, timeout_s=TIMEOUT_S) as redis:
            theatres, unreadable = read_records(decode_theatre, connect.pairs(await redis.hgetall(keys.THEATRES)))
            shows, unreadable_shows = read_records(decode_show, connect.pairs(await redis.hgetall(keys.SHOWS)))
    except (RedisError, OSError):
        raise RegionUnavailable(
            f"The lock master of {region} is unreachable; check the topology file and the server.", region=region
        ) from None
    for record_id, reason in (unreadable | unreadable_shows).items():
        click.echo(escaped(f"{region}: the record of {record_id} can't be read: {reason}"), err=True)
    return list(theatres.values()), list(shows.values())


async def _region_of_theatre(settings: Settings, theatre: str) -> str:
    by_file = settings.topology.theatre_region(theatre)
    if by_file is not None:
        return by_file
    theatres, _shows = await _directory(settings)
    for known in theatres:
        if known.id == theatre:
            return known.region
    raise TheatreNotFound(f"There is no theatre {theatre}. `tickingtickets theatres list` lists all theatres.")
