"""A keeper gone wrong: it books seats again that are sold, past all locks. Only the ledger's key stands in its way.

Every fault before this one is met by something else first, so without it nobody would notice that the key is gone.
"""

from __future__ import annotations

from loadtest.faults.final import Final
from loadtest.faults.place import Place
from realtime.ledger import NewBooking, Recorded
from realtime.model import booking_of, region_of

TRIES = 5
"""Bookings of a show whose seats it reaches for."""


async def book_again(place: Place, state: Final) -> None:
    """Reach for sold seats of every show; note in ``state`` for each show how often, and how often it was refused."""
    for show_id, show in state.shows.items():
        ledger = place.ledger(region_of(show_id))
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
        state.booked_again[show_id] = [result.recorded is Recorded.REFUSED for result in results]
