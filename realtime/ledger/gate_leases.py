"""Gates without a network: which device may admit with which ticket, and what the devices report later.

A ticket is in one lease at a time. There is one row for each leased ticket, with the time (by the master's clock) until
which no other gate admits with it. The device that has the lease stops earlier, by its own clock (docs/gate.md). A
ticket leaves its lease when somebody was admitted with it, when an operator cancels its booking, when the device
returns the lease, or when an operator ends the lease. A device makes a new lease each time, so that a late command
about an old lease does not affect the new one.

Leases, admissions and cancellations lock the row of the booking first. If two happen at the same time, the later one
therefore sees the earlier one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from realtime import limits
from realtime.errors import TicketLeased
from realtime.ledger import schema
from realtime.ledger.database import insert_new, parts, read_rows
from realtime.ledger.fencing import Fencing, check_fencing_token

ADMITTED, UNKNOWN = "admitted", "unknown"
"""Outcomes of a reported admission, apart from the kinds of conflicts."""


def lease_key(lease: str) -> str:
    """Return the name of a lease in the ledger. The lease's id is a secret that only its device knows."""
    return hashlib.sha256(lease.encode()).hexdigest()[:32]


class ConflictKind(StrEnum):
    """Why an admission that a device reports contradicts the ledger."""

    TWICE = "twice"
    """Somebody was admitted with the ticket at another gate."""
    CANCELLED = "cancelled"
    """The booking is cancelled."""
    LEASE_OVER = "lease_over"
    """The lease had ended. Nobody else has been admitted with the ticket so far."""


@dataclass(frozen=True, slots=True)
class LeaseAsk:
    """A lease for tickets of a show until a time (ms). ``seats``: only bookings whose first seat is one of these."""

    lease: str
    gate: str
    show_id: str
    until: int
    seats: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class LeasedTicket:
    """A ticket in a lease. ``seats`` are indices, ascending."""

    booking: str
    code: str
    seats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Leased:
    """What is in a lease now.

    ``elsewhere`` counts wanted tickets that are in other leases, ``left_over`` those beyond the limit.
    """

    tickets: tuple[LeasedTicket, ...]
    elsewhere: int = 0
    left_over: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How many tickets were in the ended lease. ``elsewhere``: a show of another theatre, whose tickets stay."""

    tickets: int
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease that has not ended, and the time until which the last of its tickets is leased."""

    lease: str
    gate: str
    show_id: str
    tickets: int
    until: int


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """An admission that a device has reported and that contradicts another, a cancellation or its lease."""

    booking: str
    lease: str
    gate: str
    kind: ConflictKind
    admitted_at: int
    reported_at: int
    code: str = ""
    """The code of the ticket."""


class GateLeases(Fencing):
    """Leases tickets to devices, and records what they report."""

    async def lease(self, ask: LeaseAsk, now: int, token: str | None = None) -> Leased:
        """Add a show's tickets that are in no other lease and have not admitted; renew those in the lease.

        ``now`` and ``ask.until`` are times of the master (ms). Idempotent. At most ``limits.MAX_LEASED`` tickets.
        Raises ``StaleFencingToken`` (see ``Cancellations.cancel``).
        """
        table = schema.gate_leases
        async with self.transaction() as connection:
            await check_fencing_token(connection, token)
            tickets = await _lock_tickets(connection, ask.show_id)
            admitted = await _admitted(connection, ask.show_id)
            holders = await _holders(connection, ask.show_id, now)
            open_ = [each for each in tickets if each.booking not in admitted]
            had = [each for each in open_ if holders.get(each.booking) == ask.lease]
            wanted = [each for each in open_ if holders.get(each.booking) != ask.lease and _is_wanted(each, ask)]
            free = [each for each in wanted if each.booking not in holders]
            mine = [*had, *free][: limits.MAX_LEASED]
            await _delete(connection, [each.booking for each in mine])
            if mine:
                values = {"show_id": ask.show_id, "lease": ask.lease, "gate": ask.gate, "until": ask.until}
                await connection.execute(insert(table), [{**values, "booking_id": each.booking} for each in mine])
            await self.advance(connection)
            return Leased(tuple(mine), len(wanted) - len(free), len(had) + len(free) - len(mine))

    async def end_lease(self, lease: str, token: str | None = None, *, theatre: str = "") -> Ended:
        """End a lease of a theatre, or ("") of any theatre. Idempotent."""
        table, shows = schema.gate_leases, schema.shows
        chosen = table.c.lease == lease
        if theatre:
            chosen &= table.c.show_id.in_(select(shows.c.id).where(shows.c.theatre_id == theatre))
        async with self.transaction() as connection:
            await check_fencing_token(connection, token)
            ended = await connection.execute(delete(table).where(chosen))
            left = await connection.scalar(select(table.c.show_id).where(table.c.lease == lease).limit(1))
            await self.advance(connection)
            return Ended(ended.rowcount, left or "")

    async def report_admissions(
        self,
        lease: str,
        gate: str,
        theatre: str,
        admitted_at: Mapping[str, int],
        now: int,
        token: str | None = None,
        *,
        was_on: Callable[[str, int], bool],
    ) -> dict[str, str]:
        """Record who was admitted under a lease without a network; return the outcome of each report, by ticket code.

        ``admitted_at`` has times (ms) by code. The outcomes are: ``admitted``, recorded now or before; a
        ``ConflictKind``, recorded as a conflict (with ``lease_over`` the admission is recorded too); ``unknown``, the
        theatre has no such ticket, or its show was not on at that time, which ``was_on`` decides by the show's start
        (ISO 8601) and the time. Idempotent.
        """
        outcomes = dict.fromkeys(admitted_at, UNKNOWN)
        async with self.transaction() as connection:
            await check_fencing_token(connection, token)
            for booking in await _lock_reported(connection, theatre, list(admitted_at)):
                if not was_on(booking.starts_at, admitted_at[booking.code]):
                    continue
                row = ConflictRow(
                    booking.id, lease, gate, ConflictKind.TWICE, admitted_at[booking.code], reported_at=now
                )
                outcomes[booking.code] = await _report(connection, booking, row)
            await self.advance(connection)
        return outcomes

    async def open_leases(self, now: int) -> list[LeaseRow]:
        """Return the leases that have not ended, ordered by gate."""
        table = schema.gate_leases
        query = (
            select(table.c.lease, table.c.gate, table.c.show_id, func.count(), func.max(table.c.until))
            .where(table.c.until > now)
            .group_by(table.c.lease, table.c.gate, table.c.show_id)
            .order_by(table.c.gate)
        )
        async with self.snapshot() as connection:
            return [LeaseRow(*row) for row in await connection.execute(query)]

    async def gate_conflicts(self, booking: str = "") -> list[ConflictRow]:
        """Return the conflicts, of one booking or of all, the newest first."""
        table, bookings = schema.gate_conflicts, schema.bookings
        newest = table.c.reported_at.desc()
        query = select(table, bookings.c.code).join(bookings).order_by(newest).limit(limits.MAX_LISTED)
        if booking:
            query = query.where(table.c.booking_id == booking)
        async with self.snapshot() as connection:
            return read_rows(await connection.execute(query), _conflict_row)


async def count_gate_conflicts(connection: AsyncConnection, since: int) -> dict[str, int]:
    """Return how many conflicts of each kind were reported at ``since`` (ms) or later; kinds without any are 0."""
    table = schema.gate_conflicts
    query = select(table.c.kind, func.count()).where(table.c.reported_at >= since).group_by(table.c.kind)
    found = {kind: int(count) for kind, count in await connection.execute(query)}
    return {kind.value: found.get(kind.value, 0) for kind in ConflictKind}


# --- in the transaction of the caller, which has locked the booking ---------------------------------------------------
async def check_not_leased(connection: AsyncConnection, booking: str, now: int, lease: str = "") -> None:
    """Raise ``TicketLeased`` if the ticket of a booking is in another lease."""
    table = schema.gate_leases
    row = (await connection.execute(select(table).where(table.c.booking_id == booking))).one_or_none()
    if row is not None and row.until > now and row.lease != lease:
        raise TicketLeased(gate=row.gate, until=row.until)


async def end_lease_of(connection: AsyncConnection, booking: str) -> None:
    """Take a ticket out of its lease; the device learns of it when it renews the lease."""
    await _delete(connection, [booking])


async def _delete(connection: AsyncConnection, bookings: list[str]) -> None:
    table = schema.gate_leases
    for some in parts(bookings):
        await connection.execute(delete(table).where(table.c.booking_id.in_(some)))


async def _lock_tickets(connection: AsyncConnection, show: str) -> list[LeasedTicket]:
    """Lock the bookings of a show that are not cancelled, in the order of their ids, and return them."""
    bookings, seats = schema.bookings, schema.booked_seats
    stands = (bookings.c.show_id == show, bookings.c.cancelled_at.is_(None), bookings.c.code.is_not(None))
    query = select(bookings.c.id, bookings.c.code).where(*stands).order_by(bookings.c.id).with_for_update()
    codes = {row.id: row.code for row in await connection.execute(query)}
    of_booking: dict[str, list[int]] = defaultdict(list)
    booked = select(seats.c.booking_id, seats.c.seat_index).where(seats.c.show_id == show)
    for booking, index in await connection.execute(booked.order_by(seats.c.seat_index)):
        of_booking[booking].append(index)
    return [LeasedTicket(booking, code, tuple(of_booking[booking])) for booking, code in codes.items()]


def _is_wanted(ticket: LeasedTicket, ask: LeaseAsk) -> bool:
    return ask.seats is None or ticket.seats[0] in ask.seats


async def _admitted(connection: AsyncConnection, show: str) -> set[str]:
    admissions, bookings = schema.admissions, schema.bookings
    query = select(admissions.c.booking_id).join(bookings).where(bookings.c.show_id == show)
    return set((await connection.execute(query)).scalars())


async def _holders(connection: AsyncConnection, show: str, now: int) -> dict[str, str]:
    """Return the lease that each ticket is in now, by booking."""
    table = schema.gate_leases
    query = select(table.c.booking_id, table.c.lease).where(table.c.show_id == show, table.c.until > now)
    return {row.booking_id: row.lease for row in await connection.execute(query)}


async def _lock_reported(connection: AsyncConnection, theatre: str, codes: list[str]) -> list[Any]:
    bookings, shows = schema.bookings, schema.shows
    query = (
        select(bookings.c.id, bookings.c.code, bookings.c.cancelled_at, shows.c.starts_at)
        .join(shows, shows.c.id == bookings.c.show_id)
        .where(shows.c.theatre_id == theatre, bookings.c.code.in_(codes))
        .order_by(bookings.c.id)
        .with_for_update(of=bookings)
    )
    return list(await connection.execute(query))


async def _report(connection: AsyncConnection, booking: Any, report: ConflictRow) -> str:
    """Record one reported admission; return what became of it."""
    conflicts, admissions, leases = schema.gate_conflicts, schema.admissions, schema.gate_leases
    mine = (conflicts.c.booking_id == booking.id, conflicts.c.lease == report.lease)
    if (known := await connection.scalar(select(conflicts.c.kind).where(*mine))) is not None:
        return str(known)
    if booking.cancelled_at is not None:
        return await _conflict(connection, report, ConflictKind.CANCELLED)
    by = await connection.scalar(select(admissions.c.lease).where(admissions.c.booking_id == booking.id))
    if by is not None:
        return ADMITTED if by == report.lease else await _conflict(connection, report, ConflictKind.TWICE)
    held = (await connection.execute(select(leases).where(leases.c.booking_id == booking.id))).one_or_none()
    in_time = held is not None and held.lease == report.lease and report.admitted_at <= held.until
    values = {"booking_id": booking.id, "admitted_at": report.admitted_at, "gate": report.gate}
    await connection.execute(insert(admissions).values(**values, lease=report.lease))
    await _delete(connection, [booking.id])
    return ADMITTED if in_time else await _conflict(connection, report, ConflictKind.LEASE_OVER)


async def _conflict(connection: AsyncConnection, report: ConflictRow, kind: ConflictKind) -> str:
    row = {
        "booking_id": report.booking,
        "lease": report.lease,
        "gate": report.gate,
        "kind": kind.value,
        "admitted_at": report.admitted_at,
        "reported_at": report.reported_at,
    }
    await connection.execute(insert_new(connection, schema.gate_conflicts).values(row))
    return kind.value


def _conflict_row(row: Any) -> ConflictRow:
    kind = ConflictKind(row.kind)
    return ConflictRow(row.booking_id, row.lease, row.gate, kind, row.admitted_at, row.reported_at, row.code)
