"""``check``: compares ledger, lock master, outbox, payments and queues of a running installation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import click
import orjson

from realtime.cli.common import load_settings, require_region, run
from realtime.errors import RegionUnavailable
from realtime.keeper.check import Checker, Report
from realtime.keeper.compare import Difference
from realtime.ledger import LedgerUnavailable, WrongRegion
from realtime.ledger.targets import Target
from realtime.settings import Settings
from realtime.tickets.code import derive_key


@dataclass(slots=True)
class Outcome:
    """The result for one region: its report, the differences as printed, or why it could not be checked."""

    report: Report = field(default_factory=Report)
    differences: list[dict[str, Any]] = field(default_factory=list)
    unchecked: str = ""

    @property
    def ok(self) -> bool:
        """Whether the region was checked, and no difference was found or all were repaired."""
        return not self.unchecked and all(each["repaired"] for each in self.differences)


@click.command()
@click.option("--repair", is_flag=True, help="Repair what the ledger proves.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--region", "regions", multiple=True, help="Check only this region. Can be repeated.")
@click.pass_context
def check(context: click.Context, repair: bool, as_json: bool, regions: tuple[str, ...]) -> None:
    """Compare ledger, lock master, outbox, payments, tasks and queues of every region.

    It is safe to run at any time, also under load. It prints each difference, and exits with 1 if there is one (with
    --repair: one that could not be repaired), or if a region could not be checked. Dead letters are listed, but are not
    differences. It needs access to the masters and the ledgers, so run it where a keeper runs.
    """
    settings = load_settings(context.obj)
    for name in regions:
        require_region(settings, name)
    outcomes = run(_check_regions(settings, list(regions or settings.topology.regions), repair))
    if as_json:
        click.echo(orjson.dumps(_document(outcomes), option=orjson.OPT_INDENT_2))
    else:
        for name, outcome in outcomes.items():
            _print_outcome(name, outcome)
    if not all(outcome.ok for outcome in outcomes.values()):
        context.exit(1)


async def _check_regions(settings: Settings, regions: list[str], repair: bool) -> dict[str, Outcome]:
    outcomes = await asyncio.gather(*(_check_region(settings, name, repair) for name in regions))
    return dict(zip(regions, outcomes, strict=True))


async def _check_region(settings: Settings, name: str, repair: bool) -> Outcome:
    targets = [Target(target, each.events) for target, each in settings.topology.webhooks.items()]
    checker = Checker(
        settings.topology.regions[name], settings.redis_password, targets, derive_key(settings.secret, name)
    )
    try:
        report = await checker.compare_all()
        left: list[Difference] = report.differences
        if repair and left:
            await checker.repair(left)
            again = (await checker.compare_all()).differences
            left, report.differences = again, [*report.differences, *(d for d in again if d not in report.differences)]
        return Outcome(report, [await _describe(checker, each, each not in left) for each in report.differences])
    except RegionUnavailable:
        return Outcome(unchecked="the lock master is unreachable")
    except WrongRegion as error:
        return Outcome(unchecked=str(error))
    except LedgerUnavailable as error:
        return Outcome(unchecked=f"the ledger is unreachable: {error}")
    finally:
        await checker.close()


async def _describe(checker: Checker, difference: Difference, repaired: bool) -> dict[str, Any]:
    seats = await checker.seat_ids(difference)
    return {
        "kind": difference.kind.value,
        "show": difference.show,
        "seats": seats,
        "hold": difference.hold,
        "other": difference.other,
        "payment": difference.payment,
        "subject": difference.subject,
        "text": difference.words(seats),
        "repaired": repaired,
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
            "payments": outcome.report.payments,
            "refunds": outcome.report.refunds,
            "unfinished_tasks": outcome.report.tasks,
            "dead_letters": outcome.report.dead_letters,
            "differences": outcome.differences,
        }
        for name, outcome in outcomes.items()
    }
    return {"ok": all(outcome.ok for outcome in outcomes.values()), "regions": regions}


def _print_outcome(name: str, outcome: Outcome) -> None:
    if outcome.unchecked:
        click.echo(f"{name}: NOT CHECKED: {outcome.unchecked}")
        return
    report = outcome.report
    count = len(outcome.differences)
    state = f"{count} difference{'s' if count > 1 else ''}" if count else "in order"
    click.echo(
        f"{name}: {state} ({report.shows} shows, {report.bookings} bookings, {report.holds} live holds, "
        f"{report.outbox} outbox entries, {report.payments} payments, {report.refunds} refunds, "
        f"{report.tasks} unfinished tasks)"
    )
    for each in outcome.differences:
        click.echo(f"  {'repaired' if each['repaired'] else 'DIFFERS'}: {each['text']}")
    for dead_letter in report.dead_letters:
        click.echo(f"  dead letter: {dead_letter}")
