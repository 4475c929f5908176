"""A rogue keeper: writes bookings of sold seats into the ledger, without any lock. The ledger's key must refuse them.

Every other fault is stopped by the locks first, so without this test nobody would notice that the key is missing.
"""

from __future__ import annotations

from loadtest.faults.judge.end_state import FinalState
from loadtest.installation import Installation
from realtime.ledger import NewBooking, Recorded
from realtime.model import booking_of, region_of

TRIES = 5
"""Bookings of each show that it repeats under another id."""


async def book_again(installation: Installation, state: FinalState) -> None:
    """Try to book sold seats of every show, and set ``state.rebooking_refused``."""
    for show_id, show in state.shows.items():
        ledger = installation.ledger(region_of(show_id))
        try:
            again = [
                NewBooking(
                    id=booking_of(f"{show_id}.hrogue-{number:0>16}"),
                    show_id=show_id,
                    owner="rogue",
                    seats=tuple((show.seat_ids[index], index) for index in booking.seats),
                    payment="none",
                    amount=0,
                    confirmed_at=0,
                )
                for number, booking in enumerate(show.bookings[:TRIES])
            ]
            results = await ledger.record(again) if again else []
        finally:
            await ledger.close()
        state.rebooking_refused[show_id] = [result.recorded is Recorded.REFUSED for result in results]
