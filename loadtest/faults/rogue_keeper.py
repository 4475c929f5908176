"""A rogue keeper: writes bookings of sold seats into the ledger, without any lock. The ledger's key must refuse them.
It must also refuse whatever a keeper writes under an old fencing token.

Every other fault is stopped by the locks first, so without this test nobody would notice that they are missing.
"""

from __future__ import annotations

from loadtest.faults.judge.end_state import FinalState, ShowState
from loadtest.installation import Installation
from realtime.ledger import Ledger, NewBooking, Recorded, StaleFencingToken
from realtime.model import booking_of, region_of

OLD_TOKEN = "the token of a keeper that was replaced"
TRIES = 5
"""Bookings of each show that it repeats under another id."""


async def book_again(installation: Installation, state: FinalState) -> None:
    """Try to book sold seats of every show, and to book under an old fencing token; set ``state.rogue``."""
    for show_id, show in state.shows.items():
        ledger = installation.ledger(region_of(show_id))
        again = [_booking(show_id, show, number, each.seats) for number, each in enumerate(show.bookings[:TRIES])]
        try:
            results = await ledger.record(again) if again else []
            state.rogue.rebooking_refused += [result.recorded is Recorded.REFUSED for result in results]
            for booking in again:
                state.rogue.old_token_refused.append(await _refuses_old_token(ledger, booking))
        finally:
            await ledger.close()


def _booking(show_id: str, show: ShowState, number: int, seats: tuple[int, ...]) -> NewBooking:
    return NewBooking(
        id=booking_of(f"{show_id}.hrogue-{number:0>16}"),
        show_id=show_id,
        owner="rogue",
        seats=tuple((show.seat_ids[index], index) for index in seats),
        payment=f"rogue-{show_id}-{number}",
        amount=0,
        confirmed_at=0,
    )


async def _refuses_old_token(ledger: Ledger, booking: NewBooking) -> bool:
    try:
        await ledger.record([booking], OLD_TOKEN)
    except StaleFencingToken:
        return True
    return False
