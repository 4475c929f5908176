"""``check``: do ledger, lock master and outbox of a running installation agree?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import click
import orjson

from realtime.cli.common import load_settings, run
from realtime.errors import RegionUnavailable
from realtime.keeper.check import Checker, Difference, Report
from realtime.ledger import LedgerUnavailable
from realtime.settings import Settings


@dataclass(slots=True)
class Outcome:
    """What became of one region: its report, what is wrong in words, or why it could not be checked."""

    report: Report = field(default_factory=Report)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    unchecked: str = ""

    @property
    def ok(self) -> bool:
        """Whether the region was checked and nothing is wrong (any more)."""
        return not self.unchecked and all(each["mended"] for each in self.wrong)


@click.command()
@click.option("--repair", is_flag=True, help="Mend on the masters what the ledger proves.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--region", "regions", multiple=True, help="Only this region; may be given again.")
@click.pass_context
def check(context: click.Context, repair: bool, as_json: bool, regions: tuple[str, ...]) -> None:
    """Compare ledger, lock master and outbox of every region while everything runs.

    Shows each difference in words and ends with 1 if there is one (with --repair: one that could not be mended), or if
    a region can't be checked. Entries that keepers set aside are shown, but are no difference. Needs to reach masters
    and ledgers, so run it where a keeper could run.
    """
    settings = load_settings(context.obj)
    known = settings.topology.regions
    for name in regions:
        if name not in known:
            raise click.UsageError(f"there is no region {name}; there are {', '.join(known)}")
    outcomes = run(_check(settings, list(regions or known), repair))
    if as_json:
        click.echo(orjson.dumps(_document(outcomes), option=orjson.OPT_INDENT_2))
    else:
        for name, outcome in outcomes.items():
            _tell(name, outcome)
    if not all(outcome.ok for outcome in outcomes.values()):
        context.exit(1)


async def _check(settings: Settings, regions: list[str], repair: bool) -> dict[str, Outcome]:
    outcomes = await asyncio.gather(*(_region(settings, name, repair) for name in regions))
    return dict(zip(regions, outcomes, strict=True))


async def _region(settings: Settings, name: str, repair: bool) -> Outcome:
    checker = Checker(settings.topology.regions[name], settings.redis_password)
    try:
        report = await checker.check()
        left: list[Difference] = report.differences
        if repair and left:
            await checker.mend(left)
            again = (await checker.check()).differences
            left, report.differences = again, [*report.differences, *(d for d in again if d not in report.differences)]
        return Outcome(report, [await _wrong(checker, each, each not in left) for each in report.differences])
    except RegionUnavailable:
        return Outcome(unchecked="the lock master is out of reach")
    except LedgerUnavailable as error:
        return Outcome(unchecked=f"the ledger is out of reach: {error}")
    finally:
        await checker.close()


async def _wrong(checker: Checker, difference: Difference, mended: bool) -> dict[str, Any]:
    seats = await checker.seat_ids(difference)
    return {
        "kind": difference.kind.value,
        "show": difference.show,
        "seats": seats,
        "hold": difference.hold,
        "other": difference.other,
        "text": difference.words(seats),
        "mended": mended,
    }


def _document(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    regions = {
        name: {
            "ok": outcome.ok,
            "unchecked": outcome.unchecked or None,
            "shows": outcome.report.shows,
            "bookings": outcome.report.bookings,
            "holds": outcome.report.holds,
            "outbox": outcome.report.outbox,
            "parked": outcome.report.parked,
            "differences": outcome.wrong,
        }
        for name, outcome in outcomes.items()
    }
    return {"ok": all(outcome.ok for outcome in outcomes.values()), "regions": regions}


def _tell(name: str, outcome: Outcome) -> None:
    if outcome.unchecked:
        click.echo(f"{name}: NOT CHECKED: {outcome.unchecked}")
        return
    report = outcome.report
    state = "in order" if not outcome.wrong else f"{len(outcome.wrong)} differences"
    click.echo(
        f"{name}: {state} ({report.shows} shows, {report.bookings} bookings, {report.holds} live holds, "
        f"{report.outbox} outbox entries)"
    )
    for wrong in outcome.wrong:
        click.echo(f"  {'mended  ' if wrong['mended'] else 'WRONG   '}{wrong['text']}")
    for parked in report.parked:
        click.echo(f"  set aside by a keeper: {parked}")
