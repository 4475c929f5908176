"""Admits people with their tickets: the command ``admit``. The ledger has the admission before it is answered."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realtime import limits, wire
from realtime.errors import BookingNotFound, WrongShow
from realtime.ledger import Ledger
from realtime.ledger.rows import AdmissionRow, BookingRow
from realtime.locks.master import LockMaster
from realtime.model import Show
from realtime.sales_window import to_ms


class _AdmitBody(msgspec.Struct):
    """``booking`` or ``code`` names the booking; ``show`` is empty where a gate admits to every show of the day."""

    theatre: wire.Id
    booking: Annotated[str, Meta(max_length=2 * limits.MAX_ID_LENGTH)] = ""
    code: Annotated[str, Meta(max_length=8)] = ""
    show: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH)] = ""
    gate: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH)] = ""


class Gate:
    """The gates of one region's theatres."""

    def __init__(self, ledger: Ledger, master: LockMaster) -> None:
        """Both of the same region."""
        self._ledger = ledger
        self._master = master

    async def admit(self, body: bytes, fencing_token: str | None) -> dict[str, Any]:
        """Admit everybody on a ticket, once.

        Raises ``BookingNotFound``, ``WrongShow``, ``BookingCancelled``, ``AlreadyAdmitted``, ``StaleFencingToken``.
        """
        ask = wire.parse_json(_AdmitBody, body)
        booking = await self._booking(ask)
        show = await self._ledger.show(booking.show_id)
        assert show is not None, "shows are never deleted"
        now = await self._master.time_ms()
        if show.theatre != ask.theatre or ask.show not in ("", show.id) or not (ask.show or _is_now(show, now)):
            raise WrongShow(show=show.id, title=show.title, starts_at=show.starts_at)
        await self._ledger.admit(AdmissionRow(booking.id, now, ask.gate), fencing_token)
        return {"booking": booking.id, "show": show.id, "seats": len(booking.seats), "admitted_at": now}

    async def _booking(self, ask: _AdmitBody) -> BookingRow:
        if ask.booking:
            found = await self._ledger.booking(ask.booking)
        else:
            found = await self._ledger.booking_of_code(ask.code)
        if found is None:
            raise BookingNotFound()
        return found


def _is_now(show: Show, now: int) -> bool:
    starts = to_ms(show.starts_at)
    return starts - limits.ADMIT_BEFORE_S * 1000 <= now <= starts + limits.ADMIT_AFTER_S * 1000
