"""Exchanges on SQLite and PostgreSQL: one of several at once wins, and a seat never has two bookings."""

from __future__ import annotations

import asyncio

import pytest

from realtime.errors import SeatsTaken
from realtime.ledger import Ledger, StaleFencingToken
from realtime.ledger.rows import NewExchange

from .test_store import LAYOUT, booking, ledger

__all__ = ["ledger"]


def to(name: str, *seats: int, sequence: int = 1) -> NewExchange:
    named = tuple((LAYOUT.seats[seat].id, seat) for seat in seats)
    return NewExchange(booking(name, []).id, sequence, named, 7)


async def test_of_several_keepers_with_one_command_one_records_it(ledger: Ledger) -> None:
    await ledger.record([booking("a", [1, 2])])
    answers = await asyncio.gather(*(ledger.exchange(to("a", 2, 3)) for _ in range(4)))
    assert sorted(answers) == [False, False, False, True]
    assert [each.seats for each in await ledger.booked("west-s")] == [(2, 3)]
    assert [(each.before, each.after) for each in await ledger.exchanges(booking("a", []).id)] == [((1, 2), (2, 3))]


async def test_a_seat_of_another_booking_is_refused_and_nothing_changes(ledger: Ledger) -> None:
    await ledger.record([booking("a", [1, 2]), booking("b", [3])])
    with pytest.raises(SeatsTaken):
        await ledger.exchange(to("a", 3, 4))
    with pytest.raises(StaleFencingToken):
        await ledger.exchange(to("a", 4, 5), "an old token")
    assert {each.id: each.seats for each in await ledger.booked("west-s")} == {
        booking("a", []).id: (1, 2),
        booking("b", []).id: (3,),
    }
    moved = await asyncio.gather(ledger.exchange(to("a", 5, 6)), ledger.exchange(to("b", 5)), return_exceptions=True)
    assert [type(each).__name__ for each in moved].count("SeatsTaken") == 1


async def test_the_ticket_of_before_an_exchange_is_not_kept(ledger: Ledger) -> None:
    await ledger.record([booking("a", [1])])
    name = booking("a", []).id
    await ledger.save_ticket_file(name, b"before", "en", 1)
    await ledger.exchange(to("a", 2))
    assert await ledger.ticket_file(name, 1) is None
    await ledger.save_ticket_file(name, b"after", "en", 2, 1)
    await ledger.save_ticket_file(name, b"late", "en", 3)
    assert (await ledger.ticket_file(name), await ledger.ticket_file(name, 1)) == (None, b"after")
