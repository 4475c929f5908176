"""Gates: the commands ``admit``, ``gate_lease``, ``gate_return`` and ``gate_report``, and the query ``gate_shows``.

The ledger has an admission before it is answered. Devices that admit without a network are described in docs/gate.md.

| command | body | answer |
| --- | --- | --- |
| ``admit`` | ``{"theatre", "booking" or "code", "show", "gate", "lease"}`` | the admission |
| ``gate_lease`` | ``{"theatre", "show", "gate", "lease", "sections"}`` | the tickets that are in the lease now |
| ``gate_return`` | ``{"theatre", "lease"}``, or ``{"key"}`` as ``ledger.gate_leases.lease_key`` | how many it had |
| ``gate_report`` | ``{"theatre", "gate", "lease", "admitted": {code: ms ago}}`` | what became of each |
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realtime import connect, limits
from realtime.errors import BookingNotFound, ShowNotFound, WrongShow
from realtime.keeper.booking_search import UNREADABLE
from realtime.ledger import Ledger
from realtime.ledger.gate_leases import LeaseAsk, lease_key
from realtime.ledger.rows import AdmissionRow, BookingRow
from realtime.ledger.shows import Shows
from realtime.locks.master import LockMaster
from realtime.model import PLAIN_TEXT, Layout, Show
from realtime.sales_window import to_ms
from realtime.wire.requests import Id, parse_json

log = logging.getLogger(__name__)
_Name = Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)]
_Ago = Annotated[int, Meta(ge=0, le=limits.MAX_ADMITTED_AGO_MS)]


class _AdmitBody(msgspec.Struct):
    """``code`` names the booking, or ``booking``, which nodes of the previous release send.

    ``show`` is empty where a gate admits to every show of the day.
    """

    theatre: Id
    booking: Annotated[str, Meta(max_length=2 * limits.MAX_ID_LENGTH, pattern=PLAIN_TEXT)] = ""
    code: Annotated[str, Meta(max_length=8, pattern=PLAIN_TEXT)] = ""
    show: _Name = ""
    gate: _Name = ""
    lease: _Name = ""


class _LeaseBody(msgspec.Struct):
    """Without ``sections`` the lease is for the whole show."""

    theatre: Id
    show: Id
    lease: Id
    gate: _Name = ""
    sections: list[str] | None = None


class _ReturnBody(msgspec.Struct):
    """Without ``theatre`` the lease may be of any theatre: operators and nodes of the previous release leave it out."""

    lease: _Name = ""
    key: _Name = ""
    theatre: _Name = ""


class _ReportBody(msgspec.Struct):
    theatre: Id
    lease: Id
    admitted: dict[Annotated[str, Meta(max_length=8, pattern=PLAIN_TEXT)], _Ago]
    gate: _Name = ""


class _TheatreBody(msgspec.Struct):
    theatre: Id


class Gate:
    """The gates of one region's theatres."""

    def __init__(self, ledger: Ledger, master: LockMaster, shows: Shows) -> None:
        """All arguments belong to the same region."""
        self._ledger = ledger
        self._master = master
        self._shows = shows

    async def admit(self, body: bytes, fencing_token: str | None, entry: bytes = b"") -> dict[str, Any]:
        """Admit everybody on a ticket, once: at the time of ``entry``, that of the command in the outbox.

        A keeper that repeats the command after another one has died therefore records the same time, and gets the same
        answer.

        Raises ``BookingNotFound``, ``WrongShow``, ``BookingCancelled``, ``AlreadyAdmitted``, ``TicketLeased``,
        ``StaleFencingToken``.
        """
        ask = parse_json(_AdmitBody, body)
        booking = await self._booking(ask)
        show = await self._ledger.show(booking.show_id)
        assert show is not None, "shows are never deleted"
        ms, _, number = entry.partition(b"-")
        # Several commands may have been appended within one ms, perhaps for different people. Only the first gets this
        # time.
        now = connect.count(ms) if number == b"0" else await self._master.time_ms()
        if show.theatre != ask.theatre or ask.show not in ("", show.id) or not (ask.show or _is_now(show, now)):
            raise _wrong(show)
        lease = lease_key(ask.lease) if ask.lease else ""
        await self._ledger.admit(AdmissionRow(booking.id, now, ask.gate, lease), fencing_token)
        return {"booking": booking.id, "show": show.id, "seats": len(booking.seats), "admitted_at": now}

    async def lease(self, body: bytes, fencing_token: str | None) -> dict[str, Any]:
        """Lease the tickets of a show, or of some sections, for ``limits.GATE_LEASE_S``; renew those that are leased.

        Raises ``ShowNotFound``, or ``WrongShow`` for one of another theatre or time.
        """
        ask = parse_json(_LeaseBody, body)
        show = await self._ledger.show(ask.show)
        if show is None:
            raise ShowNotFound()
        now = await self._master.time_ms()
        if show.theatre != ask.theatre or not _is_now(show, now):
            raise _wrong(show)
        layout = await self._shows.layout(show.layout)
        seats = None if ask.sections is None else _in_sections(layout, set(ask.sections))
        until = now + (limits.GATE_LEASE_S + limits.GATE_LEASE_MARGIN_S) * 1000
        wanted = LeaseAsk(lease_key(ask.lease), ask.gate, show.id, until, seats)
        leased = await self._ledger.lease(wanted, now, fencing_token)
        return {
            "show": {"id": show.id, "title": show.title, "starts_at": show.starts_at},
            "lease_ms": limits.GATE_LEASE_S * 1000,
            "until": until,
            "tickets": {each.code: [layout.seats[index].id for index in each.seats] for each in leased.tickets},
            "seats": layout.printed_by_id(index for each in leased.tickets for index in each.seats),
            "elsewhere": leased.elsewhere,
            "left_over": leased.left_over,
        }

    async def end_lease(self, body: bytes, fencing_token: str | None) -> dict[str, Any]:
        """End a lease: its device has returned it, or an operator knows that the device admits nobody any more.

        Raises ``WrongShow`` for a lease of another theatre.
        """
        ask = parse_json(_ReturnBody, body)
        key = lease_key(ask.lease) if ask.lease else ask.key
        ended = await self._ledger.end_lease(key, fencing_token, theatre=ask.theatre)
        if ended.elsewhere and not ended.tickets:
            show = await self._ledger.show(ended.elsewhere)
            assert show is not None, "shows are never deleted"
            raise _wrong(show)
        return {"tickets": ended.tickets}

    async def report(self, body: bytes, fencing_token: str | None, entry: bytes = b"") -> dict[str, Any]:
        """Record whom a device has admitted offline; see ``GateLeases.report_admissions``.

        Only tickets of shows that the theatre's gates admitted to at that time are accepted, within the longest time of
        a lease. "How long ago" counts from the time of ``entry``, the command's entry in the outbox, because the
        command may have waited there for the ledger.
        """
        ask = parse_json(_ReportBody, body)
        now = connect.count(entry.partition(b"-")[0]) or await self._master.time_ms()
        admitted_at = {code: now - ago for code, ago in ask.admitted.items()}
        key = lease_key(ask.lease)
        outcomes = await self._ledger.report_admissions(
            key, ask.gate, ask.theatre, admitted_at, now, fencing_token, was_on=_was_on
        )
        return {"outcomes": outcomes}

    async def shows(self, body: bytes) -> list[dict[str, Any]]:
        """Answer with the shows of a theatre that a gate admits to now, the soonest first, and their sections."""
        ask = parse_json(_TheatreBody, body)
        now = await self._master.time_ms()
        shows = [each for each in await self._ledger.active_shows() if each.theatre == ask.theatre]
        found = []
        for show in shows:
            if _is_now(show, now):
                about = {"id": show.id, "title": show.title, "starts_at": show.starts_at}
                found.append({**about, "sections": await self._sections(show)})
        return found

    async def _sections(self, show: Show) -> list[str]:
        """Return the sections of a show; none if its layout can't be read, which must not hide the other shows."""
        try:
            layout = await self._shows.layout(show.layout)
        except UNREADABLE as error:
            log.error("the layout of %s can't be read: %r", show.id, error)
            return []
        return list(Counter(seat.section for seat in layout.seats))

    async def _booking(self, ask: _AdmitBody) -> BookingRow:
        if ask.booking:
            found = await self._ledger.booking(ask.booking)
        else:
            found = await self._ledger.booking_of_code(ask.code)
        if found is None:
            raise BookingNotFound()
        return found


def _is_now(show: Show, now: int) -> bool:
    return _is_on(show.starts_at, now)


def _was_on(starts_at: str, admitted_at: int) -> bool:
    return _is_on(starts_at, admitted_at, limits.GATE_LEASE_S + limits.GATE_LEASE_MARGIN_S)


def _is_on(starts_at: str, at: int, late_s: int = 0) -> bool:
    starts = to_ms(starts_at)
    return starts - limits.ADMIT_BEFORE_S * 1000 <= at <= starts + (limits.ADMIT_AFTER_S + late_s) * 1000


def _wrong(show: Show) -> WrongShow:
    return WrongShow(show=show.id, title=show.title, starts_at=show.starts_at)


def _in_sections(layout: Layout, sections: set[str]) -> frozenset[int]:
    return frozenset(index for index, seat in enumerate(layout.seats) if seat.section in sections)
