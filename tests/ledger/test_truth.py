"""What the ledger proves about shows is read at once, and at one moment."""

from __future__ import annotations

import asyncio

from realtime.ledger import Ledger
from realtime.ledger.money import Filter
from realtime.ledger.rows import CancelledBy
from realtime.ledger.search import Find

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


READS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("active_records", ()),
    ("active_show_ids", ()),
    ("admission", ("b",)),
    ("archived_of", (["west-s"],)),
    ("audit_log", (0, 9)),
    ("audit_money", (0,)),
    ("blocks", ("west-s",)),
    ("booked", ("west-s",)),
    ("command", ("owner", "request")),
    ("contact", ("h",)),
    ("count_money", (0,)),
    ("deliveries", ()),
    ("delivery", ("d",)),
    ("exchanges", ("b",)),
    ("fencing_state", ()),
    ("figures", (0, 1)),
    ("find_bookings", (Find(owner="sold"),)),
    ("gate_conflicts", ()),
    ("is_archived", ("west-s",)),
    ("known_payments", (["p"],)),
    ("knows_webhook", ("w",)),
    ("layout_blob", ("l",)),
    ("layout_ids", ()),
    ("log_positions", ()),
    ("open_leases", (0,)),
    ("open_tasks", ("b",)),
    ("order", ("o",)),
    ("orders_of_hold", ("h", 1)),
    ("orders_of", ("h",)),
    ("payment", ("p",)),
    ("payments", (Filter(),)),
    ("refund", ("r",)),
    ("refund_of_payment", ("p",)),
    ("refunds", (Filter(),)),
    ("revoked_guests", (0,)),
    ("show", ("west-s",)),
    ("shows", ()),
    ("shows_of", (["west-s"],)),
    ("shows_over", (0, 9)),
    ("staff_tokens", ()),
    ("task", ("t",)),
    ("tasks_about", (["b"],)),
    ("tell_reached", ()),
    ("theatre", ("west", "gateway")),
    ("ticket_file", ("b",)),
    ("truths", (["west-s"],)),
    ("unfinished_tasks", (0, 9)),
)


async def test_readers_wait_for_no_writer_and_see_nothing_of_it_before_its_commit(ledger: Ledger) -> None:
    await ledger.record([booking("sold", [1])])
    async with ledger.transaction() as writer, asyncio.timeout(60):
        await ledger.advance(writer)
        assert [b.seats for b in await ledger.booked("west-s")] == [(1,)]
    for name, arguments in READS:
        # A transaction for each: PostgreSQL ends one that is idle for long, as on a busy machine.
        async with ledger.transaction() as writer, asyncio.timeout(60):
            await ledger.advance(writer)
            await getattr(ledger, name)(*arguments)
