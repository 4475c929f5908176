"""Answers queries about the ledger that nodes ask (``locks.queries``).

| name | body | answer |
| --- | --- | --- |
| ``refunds``, ``payments`` | ``Listing`` | the rows, newest first |
| ``refund`` | ``{"hold", "owner"}`` | the refunds of a hold |
| ``command`` | ``{"owner", "request_id"}`` | what a request led to, or null |
| ``booking`` | ``{"booking"}`` | one booking with what its ticket needs (``booking_detail``), or null |
| ``bookings`` | ``{"owner"}`` | the bookings of an owner, newest first, in the same form |
| ``find`` | ``booking_search.Wanted`` | the bookings that match, newest first, in the same form |
| ``story`` | ``{"booking"}`` | all that is known about a booking, or null |
| ``gate_shows`` | ``{"theatre"}`` | the shows that its gates admit to now, with their sections |
| ``gate`` | ``{}`` | leases of gates that have not ended, conflicts of admissions (newest first), their shows |
| ``jobs`` | ``{"limit"}`` | jobs by queue and state, and those that have failed |
| ``deliveries`` | ``{"booking", "state", "limit"}`` | webhooks with their attempts, newest first |
| ``figures`` | ``{"since", "until", "show"}`` | sales by hour and show |
| ``staff`` | ``{}`` | the staff tokens, newest first |
| ``audit`` | ``{"before" (ms), "limit"}`` | the audit log, newest first |
| ``blocks`` | ``{"show"}`` | the blocked seats with their reasons |
| ``orders`` | ``{}`` | how many orders are open, and since when the oldest is (ms) |
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec
import orjson
from redis.exceptions import RedisError

from realtime import keys
from realtime.cancellation import pause
from realtime.errors import BadRequest, RegionUnavailable, TicketError
from realtime.jobs import Jobs
from realtime.keeper.booking_search import UNREADABLE, BookingSearch, details
from realtime.keeper.gate import Gate
from realtime.keeper.refunds import listed_refund
from realtime.ledger import Ledger, LedgerUnavailable, WrongRegion
from realtime.ledger.money import Filter
from realtime.ledger.orders import open_orders
from realtime.ledger.rows import BookingRow
from realtime.ledger.shows import Shows, UnknownShow
from realtime.locks import replies
from realtime.locks.master import LockMaster
from realtime.model import hold_of, is_booking_id, show_of
from realtime.sales_window import cancel_deadline
from realtime.transport.limited_log import LimitedLog
from realtime.wire.queries import DeliveriesListed, JobsListed, Limit, Listing, Ms, Short
from realtime.wire.requests import Id, LongId, parse_json

log = logging.getLogger(__name__)
limited_log = LimitedLog(log)
BLOCK_S = 1
PAUSE_S = 0.5


class _Query(msgspec.Struct):
    id: Id
    name: str
    body: msgspec.Raw


class _OfHold(msgspec.Struct):
    hold: LongId
    owner: Id


class _Booking(msgspec.Struct):
    booking: LongId


class _Owner(msgspec.Struct):
    owner: Id


class _Show(msgspec.Struct):
    show: Id


class _Command(msgspec.Struct):
    owner: Id
    request_id: Id


class _Figures(msgspec.Struct):
    since: Ms
    until: Ms
    show: Short = ""


class _Audit(msgspec.Struct):
    before: Ms
    limit: Limit = 100


class Queries:
    """Answers the queries of one region, one after the other. ``run`` it; cancel it to end."""

    def __init__(self, ledger: Ledger, master: LockMaster, shows: Shows, jobs: Jobs) -> None:
        """All arguments belong to the same region."""
        self._jobs = jobs
        self._ledger = ledger
        self._master = master
        self._shows = shows
        self._search = BookingSearch(ledger, master, shows, self._detail)
        self._verbs: dict[str, Callable[[bytes], Awaitable[Any]]] = {
            "refunds": self._refunds,
            "payments": self._payments,
            "refund": self._refunds_of_hold,
            "command": self._command,
            "orders": self._orders,
            "blocks": self._blocks,
            "staff": self._staff,
            "audit": self._audit,
            "jobs": self._failed_jobs,
            "deliveries": self._deliveries,
            "figures": self._figures,
            "gate_shows": Gate(ledger, master, shows).shows,
            "gate": self._gate,
            "find": self._search.find,
            "story": self._search.story,
            "booking": self._booking,
            "bookings": self._bookings,
        }

    async def run(self, stopping: asyncio.Event) -> None:
        """Answer queries until ``stopping`` is set."""
        while not stopping.is_set():
            try:
                await self._serve(stopping)
            except (RegionUnavailable, WrongRegion, RedisError, OSError) as error:
                log.debug("queries: %s", error)
                await pause(PAUSE_S, stopping)

    async def _serve(self, stopping: asyncio.Event) -> None:
        with contextlib.suppress(LedgerUnavailable):
            await self._ledger.fencing_state()  # raises ``WrongRegion``: no answer comes from another region's ledger
        async with self._master.own_connection(BLOCK_S + 4) as redis:
            generation = self._master.generation
            while not stopping.is_set() and self._master.generation == generation:
                popped = await redis.execute_command("BLPOP", keys.STAFF_QUERIES, keys.QUERIES, BLOCK_S)  # type: ignore[no-untyped-call]
                if popped is not None:
                    await self._answer(popped[1])

    async def _answer(self, blob: bytes) -> None:
        try:
            query = msgspec.json.decode(blob, type=_Query)
        except msgspec.MsgspecError as error:
            log.warning("queries: dropped a malformed query: %s", type(error).__name__)
            return
        try:
            if query.name not in self._verbs:
                raise BadRequest(f"There is no query {query.name!r}.")
            answer = replies.result(await self._verbs[query.name](bytes(query.body)))
        except TicketError as error:
            answer = replies.refusal(error)
        except LedgerUnavailable as error:
            log.warning("queries: %s", error)
            answer = replies.refusal(RegionUnavailable(region=self._master.region))
        except UNREADABLE as error:
            limited_log.warning("a query about a record that can't be read", query.name, error)
            answer = replies.refusal(RegionUnavailable(region=self._master.region))
        except Exception:
            # One bad row must not end the answers to all other queries.
            log.exception("queries: %s failed", query.name)
            answer = replies.refusal(TicketError())
        await replies.send_reply(self._master, query.id, answer)

    # --- verbs ----------------------------------------------------------------------------------------------------
    async def _refunds(self, body: bytes) -> Any:
        return [listed_refund(row) for row in await self._ledger.refunds(_filter(body))]

    async def _payments(self, body: bytes) -> Any:
        return [asdict(row) for row in await self._ledger.payments(_filter(body))]

    async def _refunds_of_hold(self, body: bytes) -> Any:
        ask = parse_json(_OfHold, body)
        rows = await self._ledger.refunds(Filter(hold=ask.hold))
        return [asdict(row) for row in rows if row.owner == ask.owner]

    async def _command(self, body: bytes) -> Any:
        ask = parse_json(_Command, body)
        found = await self._ledger.command(ask.owner, ask.request_id)
        if found is None:
            return None
        outcome = orjson.loads(found.outcome)
        if "ok" in outcome:  # a keeper's reply to a command
            outcome = outcome.get("result", {"error": outcome.get("error")})
        return {"kind": found.kind, "subject": found.subject, "at": found.at, "outcome": outcome}

    async def _booking(self, body: bytes) -> Any:
        row = await self._ledger.booking(parse_json(_Booking, body).booking)
        return await self._detail(row) if row is not None else None

    async def _bookings(self, body: bytes) -> Any:
        return await details(self._detail, await self._ledger.bookings_of(parse_json(_Owner, body).owner))

    async def _detail(self, row: BookingRow) -> dict[str, Any]:
        show = await self._ledger.show(row.show_id)
        assert show is not None, "shows are never deleted"
        layout = await self._shows.layout(show.layout)
        theatre = await self._ledger.theatre(show.region, show.theatre)
        seats = [(layout.seats[index], *layout.printed(index)) for index in row.seats]
        return {
            "id": row.id,
            "code": row.code,
            "owner": row.owner,
            "show": show.id,
            "title": show.title,
            "theatre": show.theatre_name,
            "city": show.city,
            "address": theatre.address if theatre is not None else "",
            "starts_at": show.starts_at,
            "booked_at": row.confirmed_at,
            "state": "booked" if row.cancelled_at is None else "cancelled",
            "cancelled_at": row.cancelled_at,
            "cancelled_by": row.cancelled_by,
            "cancel_until": cancel_deadline(show),
            "admitted_at": row.admitted_at,
            "links_revoked_at": row.links_revoked_at,
            "amount": row.amount,
            "prices": orjson.loads(row.prices) if row.prices is not None else None,
            "seats": [
                {
                    "id": seat.id,
                    "section": section,
                    "row": name,
                    "number": number,
                    "category": seat.category,
                    "accessible": seat.accessible,
                }
                for seat, section, name, number in seats
            ],
        }

    async def _failed_jobs(self, body: bytes) -> Any:
        ask = parse_json(JobsListed, body)
        failed = await self._jobs.failed(ask.limit)
        return {"queues": await self._jobs.counts(), "failed": [asdict(job) for job in failed]}

    async def _deliveries(self, body: bytes) -> Any:
        ask = parse_json(DeliveriesListed, body)
        if ask.booking and not is_booking_id(ask.booking):
            raise BadRequest("booking is not the id of a booking.")
        about = hold_of(ask.booking) if ask.booking else ""
        rows = await self._ledger.deliveries(about=about, state=ask.state, limit=ask.limit)
        return [{**asdict(row), "body": row.body.decode(errors="replace")} for row in rows]

    async def _gate(self, _body: bytes) -> Any:
        leases = await self._ledger.open_leases(await self._master.time_ms())
        conflicts = await self._ledger.gate_conflicts()
        ids = {each.show_id for each in leases} | {show_of(each.booking) for each in conflicts}
        shows = []
        for each in sorted(ids):
            with contextlib.suppress(UnknownShow):
                shows.append(await self._shows.show(each))
        return {
            "leases": [asdict(each) for each in leases],
            "conflicts": [asdict(each) for each in conflicts],
            "shows": {
                show.id: {"title": show.title, "theatre": show.theatre_name, "starts_at": show.starts_at}
                for show in shows
            },
        }

    async def _figures(self, body: bytes) -> Any:
        ask = parse_json(_Figures, body)
        return [asdict(row) for row in await self._ledger.figures(ask.since, ask.until, ask.show)]

    async def _blocks(self, body: bytes) -> Any:
        rows = await self._ledger.blocks(parse_json(_Show, body).show)
        return [{"seat": seat, "reason": reason, "at": at} for seat, reason, at in rows]

    async def _staff(self, _body: bytes) -> Any:
        return [asdict(token) for token in await self._ledger.staff_tokens()]

    async def _audit(self, body: bytes) -> Any:
        ask = parse_json(_Audit, body)
        return [asdict(row) for row in await self._ledger.audit_log(ask.before, ask.limit)]

    async def _orders(self, _body: bytes) -> Any:
        async with self._ledger.snapshot() as connection:
            count, oldest = await open_orders(connection)
        return {"open": count, "oldest": oldest}


def _filter(body: bytes) -> Filter:
    ask = parse_json(Listing, body)
    return Filter(ask.state, ask.show, ask.hold, ask.since, ask.until, ask.limit)
