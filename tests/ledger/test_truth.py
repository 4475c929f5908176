"""What the ledger proves about shows is read at once, and at one moment."""

from __future__ import annotations

import asyncio

from realtime.ledger import Ledger
from realtime.ledger.rows import CancelledBy

from .test_store import booking, ledger, show

__all__ = ["ledger"]


async def test_several_shows_are_read_at_once_and_each_has_its_own(ledger: Ledger) -> None:
    await ledger.save_show(show("west-t"))
    sold, gone, other = booking("sold", [12, 3]), booking("gone", [5]), booking("other", [3], "west-t")
    await ledger.record([sold, gone, other])
    await ledger.cancel(gone.id, CancelledBy.OPERATOR, 7)
    await ledger.block("west-t", [("A-10", 9)])
    truths = await ledger.truths(["west-s", "west-t", "west-unknown"])
    found = {name: ([b.seats for b in each.booked], [b.seats for b in each.cancelled]) for name, each in truths.items()}
    assert found == {"west-s": ([(3, 12)], [(5,)]), "west-t": ([(3,)], []), "west-unknown": ([], [])}
    assert [each.blocked for each in truths.values()] == [[], [9], []]
    assert [each.paid for each in truths.values()] == [[], [], []], "every payment has its booking"


async def test_readers_wait_for_no_writer_and_see_nothing_of_it_before_its_commit(ledger: Ledger) -> None:
    await ledger.record([booking("sold", [1])])
    async with ledger.transaction() as writer, asyncio.timeout(2):
        await ledger.advance(writer)
        assert [b.seats for b in await ledger.booked("west-s")] == [(1,)]
