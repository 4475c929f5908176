"""Reads a running region's ledger, lock master, outbox and queues, compares them, and repairs what the ledger proves.

A running region changes while it is read. Each look therefore reads the outbox first, then the shows on the master one
by one, and of each show the master before the ledger, because the ledger is never behind the master. A difference
counts only if several looks in a row see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from realtime import connect, keys
from realtime.clock import now_ms
from realtime.errors import RegionUnavailable
from realtime.job_states import JobLists, job_states
from realtime.jobs import Jobs
from realtime.keeper.compare import LIVE, REPAIRED_ON_MASTER, Difference, Kind, OnMaster, compare, refused_payments
from realtime.keeper.compare_money import faults_of, lost_refunds, money_differences, task_differences
from realtime.keeper.declare import Declarations
from realtime.keeper.outbox import stream_entries
from realtime.keeper.rebuild import Rebuilder
from realtime.keeper.reconcile import Reconciler, check_region
from realtime.keeper.rerecord import is_behind, record_again
from realtime.ledger import Ledger
from realtime.ledger.rows import Queue, TaskRow
from realtime.ledger.shows import Shows
from realtime.ledger.targets import Target
from realtime.locks.answers import decode_record
from realtime.locks.damage import delete_unusable, delete_unusable_of_queues, unusable_of_queues
from realtime.locks.master import LockMaster
from realtime.locks.rebuild import read_hash
from realtime.locks.seats import SeatLocks
from realtime.logs import escaped
from realtime.model import Show
from realtime.sales_window import SalesWindow
from realtime.topology import Region

LOOKS = 4
LOOK_AGAIN_S = 0.5
TURNS = 20
"""How many times a repair waits for ``LOOK_AGAIN_S`` while a keeper reconciles the master."""
TIMEOUT_S = 10.0
YOUNG_MS = 5_000
"""The jobs of tasks younger than this may still be on their way to their queue."""
PAGE = 500


@dataclass(slots=True)
class Report:
    """What was compared and what differs; ``dead_letters`` describes each entry of the dead-letter stream."""

    shows: int = 0
    bookings: int = 0
    holds: int = 0
    outbox: int = 0
    payments: int = 0
    refunds: int = 0
    tasks: int = 0
    """Tasks that are not done yet."""
    dead_letters: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Outbox:
    """The number of entries, the holds whose bookings are among the entries, and the payments that the entries name."""

    length: int
    holds: frozenset[str]
    payments: frozenset[str]


class Checker:
    """Checks one region; ``close`` it after use.

    Methods raise ``RegionUnavailable`` or ``LedgerUnavailable``, and ``WrongRegion`` before anything is repaired.
    """

    def __init__(
        self, region: Region, password: str = "", targets: Sequence[Target] = (), code_key: bytes = b""
    ) -> None:
        """Open no connection yet. ``targets`` are sent webhooks about bookings that are recorded again.

        ``code_key`` is that of ``Ledger``.
        """
        self._region = region
        self._password = password
        self._ledger = Ledger(region.ledger, targets, code_key, region.name)
        self._shows = Shows(self._ledger)

    async def close(self) -> None:
        """Close the connections."""
        await self._ledger.close()

    async def compare_all(self) -> Report:
        """Compare everything. A difference that a later look no longer sees was a change in progress."""
        try:
            async with connect.to_master(self._region.master, self._password, timeout_s=TIMEOUT_S) as redis:
                link = LockMaster(self._region, self._password, timeout_s=TIMEOUT_S)
                try:
                    return await self._check(redis, link)
                finally:
                    await link.close()
        except (RedisError, OSError):
            raise RegionUnavailable(region=self._region.name) from None

    async def _check(self, redis: Redis, link: LockMaster) -> Report:
        name: Any = await redis.get(keys.REGION)
        check_region(name, self._region.name)
        outbox = await _read_outbox(link)
        report = Report(outbox=outbox.length, dead_letters=await _dead_letters(link))
        report.payments, report.refunds = await self._ledger.count_money(now_ms())
        shows = {show.id: show for show in await self._ledger.active_shows()}
        found: dict[str, set[Difference]] = {}
        for show in shows.values():
            found[show.id] = set(await self._look(link, show, outbox, report))
        suspects = {show: differences for show, differences in found.items() if differences}
        money = set(await self._look_at_money(redis, link, report))
        for _ in range(LOOKS - 1):
            if suspects or money:
                await asyncio.sleep(LOOK_AGAIN_S)
            if suspects:
                outbox = await _read_outbox(link)
            again = {show: suspects[show] & set(await self._look(link, shows[show], outbox)) for show in suspects}
            suspects = {show: differences for show, differences in again.items() if differences}
            if money:
                money &= set(await self._look_at_money(redis, link))
        report.differences = sorted([*(difference for some in suspects.values() for difference in some), *money])
        # The master is read first, because the ledger gets a new show before the master does.
        declared: Any = await redis.hkeys(keys.SHOWS)
        unknown = set(connect.names(declared)) - {show.id for show in await self._ledger.active_shows()}
        unknown -= set(await self._ledger.archived_of(sorted(unknown)))  # keepers remove them
        report.differences += [Difference(show_id, Kind.UNKNOWN_SHOW) for show_id in sorted(unknown)]
        if await is_behind(redis, self._ledger):
            report.differences.insert(0, Difference("", Kind.LEDGER_BEHIND))
        return report

    # --- looks ----------------------------------------------------------------------------------------------------
    async def _look(
        self, link: LockMaster, show: Show, outbox: _Outbox, count: Report | None = None
    ) -> list[Difference]:
        try:
            master = await _read(link, show.id, outbox)
        except (ResponseError, ValueError, msgspec.MsgspecError) as error:
            return [Difference(show.id, Kind.DAMAGED, other=escaped(str(error)))]
        now = await self._ledger.show(show.id) or show
        truth = (await self._ledger.truths([show.id]))[show.id]
        if master is None:
            return [Difference(show.id, Kind.MISSING_SHOW)]
        if count is not None:
            count.shows += 1
            count.bookings += len(truth.booked)
            count.holds += sum(record.state in LIVE for record in master.holds.values())
        refused = refused_payments(master.holds)
        known = await self._ledger.known_payments(sorted(set(refused.values())))
        return [
            *compare(now, master, truth.booked, truth.blocked, truth.cancelled),
            *lost_refunds(show.id, refused, known | master.waiting_payments),
        ]

    async def _look_at_money(self, redis: Redis, link: LockMaster, count: Report | None = None) -> list[Difference]:
        found = money_differences(await self._ledger.audit_money(now_ms()))
        refunds = {each.subject for each in found if each.kind is Kind.REFUND_FAILED}
        damaged = await unusable_of_queues(link, tuple(Queue))
        found += [Difference("", Kind.QUEUE_DAMAGED, subject=key, other=why) for key, why in damaged.items()]
        lists = JobLists()
        for tasks in [page async for page in self._unfinished()]:
            found += task_differences(tasks, await job_states(redis, tasks, lists), refunds)
            if count is not None:
                count.tasks += len(tasks)
        return found

    async def _unfinished(self) -> AsyncIterator[list[TaskRow]]:
        before, after = now_ms() - YOUNG_MS, ""
        while tasks := await self._ledger.unfinished_tasks(before, PAGE, after):
            yield tasks
            after = tasks[-1].id

    async def seat_ids(self, difference: Difference) -> list[str]:
        """Return the ids of the seats of a difference."""
        if not difference.seats:
            return []
        show = await self._shows.show(difference.show)
        layout = await self._shows.layout(show.layout)
        return [layout.seats[index].id for index in difference.seats]

    # --- repairs --------------------------------------------------------------------------------------------------
    async def repair(self, differences: Iterable[Difference]) -> None:
        """Repair what the ledger proves; the other differences are left for an operator."""
        found = list(differences)
        link = LockMaster(self._region, self._password, timeout_s=TIMEOUT_S)
        jobs = Jobs(self._region.name, link, self._password)
        try:
            if any(each.kind is Kind.LEDGER_BEHIND for each in found):
                async with connect.to_master(self._region.master, self._password, timeout_s=TIMEOUT_S) as redis:
                    await record_again(redis, self._ledger, jobs)
                found = [each for each in found if each.kind not in (Kind.LEDGER_BEHIND, *REPAIRED_ON_MASTER)]
            await self._ledger.repair_money(faults_of(found), now_ms())
            await self._repair_master(link, [d for d in found if d.kind in REPAIRED_ON_MASTER])
            await delete_unusable_of_queues(link, tuple(Queue))
            await self._repair_queues(jobs, {d.subject for d in found if d.kind is Kind.TASK_WITHOUT_JOB})
        finally:
            await jobs.close()
            await link.close()

    async def _repair_queues(self, jobs: Jobs, lost: set[str]) -> None:
        """Add the jobs of all unfinished tasks; those of ``lost`` (task ids) replace an ended job."""
        for tasks in [page async for page in self._unfinished()]:
            await jobs.add_anew([task for task in tasks if task.id in lost])
            await jobs.add([task for task in tasks if task.id not in lost])

    async def _repair_master(self, link: LockMaster, found: list[Difference]) -> None:
        if not found:
            return
        locks = SeatLocks(link)
        # The repair writes under the keepers' token. If a keeper begins another token meanwhile, the repair is refused.
        reconciler = Reconciler(self._region.name, self._ledger, link, locks)
        for _ in range(TURNS):
            if await reconciler.ensure_reconciled() is not None:
                break
            await asyncio.sleep(LOOK_AGAIN_S)  # a keeper reconciles the master
        else:
            raise RegionUnavailable(region=self._region.name)
        rebuilder = Rebuilder(self._ledger, link, locks)
        declare = Declarations(link, locks)
        await locks.expire([d.hold for d in found if d.kind is Kind.OVERDUE])
        for show_id in sorted({d.show for d in found if d.kind is not Kind.OVERDUE}):
            show = await self._ledger.show(show_id)
            assert show is not None, "shows are never removed"
            blob = await self._ledger.layout_blob(show.layout)
            assert blob is not None, "layouts are never removed"
            await declare.declare_layout(show.layout, blob)
            await delete_unusable(link, show)
            await rebuilder.rebuild_shows([show])
            await declare.announce(show=show_id)


async def _dead_letters(link: LockMaster) -> list[str]:
    found = []
    async for entry_id, fields in stream_entries(link, keys.DEAD_LETTERS):
        what = fields.get("hold") or fields.get("name") or "an entry"
        found.append(f"{entry_id.decode()}: {fields.get('kind')} of {what}: {fields.get('reason')}")
    return found


async def _read_outbox(link: LockMaster) -> _Outbox:
    length, holds, payments = 0, set(), set()
    async for _id, entry in stream_entries(link, keys.OUTBOX):
        length += 1
        if entry.get("kind") == "booking" and "hold" in entry:
            holds.add(entry["hold"])
        if "payment" in entry:
            payments.add(entry["payment"])
    return _Outbox(length, frozenset(holds), frozenset(payments))


async def _read(link: LockMaster, show: str, outbox: _Outbox) -> OnMaster | None:
    """Return what a master has of a show, None if it has none.

    Raises redis-py's ``ResponseError``, ``ValueError`` or ``msgspec.MsgspecError`` if its keys are damaged.
    """
    meta, seats, taken, holds = keys.show(show)[:4]
    (sales, start, end), text, now, *lengths = await asyncio.gather(
        link.command("HMGET", meta, "sales", "sales_start", "sales_end"),
        link.command("GET", seats),
        link.command("TIME"),
        *(link.command("HLEN", key) for key in (taken, holds)),
    )
    if sales is None or text is None:
        return None
    takers, records = [await read_hash(link, key, length) for key, length in zip((taken, holds), lengths, strict=True)]
    return OnMaster(
        sales=sales.decode(),
        window=SalesWindow(int(start), int(end)) if start is not None and end is not None else None,
        seats=text,
        taken={int(seat): hold.decode() for seat, hold in takers.items()},
        holds={hold.decode(): decode_record(record) for hold, record in records.items()},
        waiting=outbox.holds,
        waiting_payments=outbox.payments,
        now=connect.time_ms(now),
    )
