"""Reads the state of ledgers, lock masters and outboxes at the end of a run, where it is stored."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from sqlalchemy import select

from loadtest.faults.bank import Bank
from loadtest.faults.judge.after_booking import AfterBooking, Event
from loadtest.faults.judge.end_state import Booking, FinalState, ShowState
from loadtest.faults.judge.payments import BookingRow, Money, RefundRow
from loadtest.faults.shows import ShowSeats
from loadtest.faults.surroundings import Surroundings
from loadtest.installation import Installation
from realtime import connect, keys
from realtime.ledger import Ledger, schema
from realtime.ledger.rows import RefundProgress
from realtime.locks.master import LockMaster
from realtime.model import hold_of

EVERYTHING = 1_000_000
"""More rows than a run makes."""
EVERYTHING_MS = 2**53
"""Later than any task."""


async def read(installation: Installation, shows: Iterable[ShowSeats]) -> FinalState:
    """Read the state of all regions. Raises ``RegionUnavailable`` or ``LedgerUnavailable``."""
    final = FinalState({})
    async with installation.masters() as masters:
        for region, master in masters.items():
            final.outbox[region] = await master.command("XLEN", keys.OUTBOX)
            final.dead_letters[region] = await master.command("XLEN", keys.DEAD_LETTERS)
            ledger = installation.ledger(region)
            try:
                for show in shows:
                    if show.region == region:
                        final.shows[show.id] = await _read_show(master, ledger, show)
            finally:
                await ledger.close()
    return final


async def read_money(installation: Installation, bank: Bank) -> Money:
    """Return the books of the bank and of all ledgers. Raises ``LedgerUnavailable``, or an error of ``Bank``."""
    bookings: list[BookingRow] = []
    refunds: list[RefundRow] = []
    # Not from the ledger's listings, which end after some hundred rows.
    paid, promised = schema.payments, schema.refunds
    for region in installation.regions:
        ledger = installation.ledger(region)
        try:
            async with ledger.snapshot() as connection:
                for row in await connection.execute(select(paid).where(paid.c.booking_id.is_not(None))):
                    bookings.append(BookingRow(row.booking_id, hold_of(row.booking_id), row.id, row.amount))
                for row in await connection.execute(select(promised)):
                    done = row.state == RefundProgress.DONE.value
                    refunds.append(RefundRow(row.hold_id, row.payment_id, row.amount, done))
        finally:
            await ledger.close()
    payments, returned = await bank.audit()
    return Money(payments, returned, bookings, refunds)


async def read_after_booking(installation: Installation, surroundings: Surroundings) -> AfterBooking:
    """Return what followed the bookings. Raises ``LedgerUnavailable``, or an error of the mail server's page."""
    unfinished: list[str] = []
    tickets: set[str] = set()
    entries: set[tuple[str, str]] = set()
    contacts: dict[str, str] = {}
    events: list[Event] = []
    files, counted, people, sent = schema.ticket_files, schema.analytics, schema.contacts, schema.webhook_deliveries
    for region in installation.regions:
        ledger = installation.ledger(region)
        try:
            unfinished += [task.id for task in await ledger.unfinished_tasks(EVERYTHING_MS, EVERYTHING)]
            async with ledger.snapshot() as connection:
                tickets.update(await connection.scalars(select(files.c.booking_id)))
                entries.update((r.kind, r.subject) for r in await connection.execute(select(counted)))
                contacts |= {r.hold_id: r.email for r in await connection.execute(select(people))}
                rows = await connection.execute(select(sent).order_by(sent.c.number))
                events += [Event(row.event, row.type, row.about, row.subject) for row in rows]
        finally:
            await ledger.close()
    shop = surroundings.shop
    mails = await surroundings.mails()
    return AfterBooking(unfinished, tickets, entries, contacts, mails, events, list(shop.arrived), shop.forged)


async def _read_show(master: LockMaster, ledger: Ledger, show: ShowSeats) -> ShowState:
    meta, seats, taken, holds = keys.show(show.id)[:4]
    truth, declared = (await ledger.truths([show.id]))[show.id], await ledger.show(show.id)
    assert declared is not None, "shows are never deleted"
    bookings = [Booking(hold_of(each.id), each.owner, each.seats) for each in truth.booked]
    epoch, version, sales = await master.command("HMGET", meta, "epoch", "version", "sales")
    digits = await master.command("GET", seats)
    takers = connect.pairs(await master.command("HGETALL", taken))
    records = {hold: orjson.loads(record) for hold, record in connect.pairs(await master.command("HGETALL", holds))}
    return ShowState(
        show.seats,
        bookings,
        (epoch or b"").decode(),
        int(version or 0),
        (digits or b"").decode(),
        {int(seat): hold.decode() for seat, hold in takers},
        {hold.decode(): r["state"] for hold, r in records.items() if r["state"] in ("held", "confirming")},
        frozenset(truth.blocked),
        (sales or b"").decode(),
        declared.sales.value,
    )
