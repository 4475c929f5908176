"""The same behaviour on SQLite and on a real PostgreSQL: the key (show, seat) has the last word."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from realtime.ledger import Ledger, LedgerUnavailable, NewBooking, Recorded, StaleFencingToken, WrongRegion, schema
from realtime.ledger.fencing import check_fencing_token
from realtime.ledger.money import Filter
from realtime.ledger.orders import open_orders
from realtime.ledger.rows import NewRefund, OrderRow, OrderState, RefundProgress, RefundReason
from realtime.model import DATED_OWNER_LENGTH, SalesState, Show, Theatre
from realtime.staff import Role, StaffToken
from realtime.tickets.code import derive_code
from realtime.wire.layouts import decode_layout, encode_layout
from tests.cluster import grid

LAYOUT = grid()


def show(show_id: str = "west-s") -> Show:
    return Show(show_id, "A show", "gateway", "Gateway", "Mumbai", "west", LAYOUT.id, 120, "2030-01-01T18:30:00+05:30")


def booking(name: str, seats: list[int], show_id: str = "west-s") -> NewBooking:
    named = tuple((LAYOUT.seats[index].id, index) for index in seats)
    return NewBooking(f"{show_id}.b{name:_<22}", show_id, name, named, f"paid {name}", 450 * len(seats), 1)


@contextlib.asynccontextmanager
async def with_show(ledger: Ledger) -> AsyncIterator[None]:
    """Open a ledger and save a show with its theatre and layout; close it at the end."""
    await ledger.open()
    await ledger.save_theatre(Theatre("gateway", "Gateway", "Mumbai", "west"))
    await ledger.save_layout(LAYOUT.id, encode_layout(LAYOUT))
    await ledger.save_show(show())
    yield
    await ledger.close()


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    opened = Ledger(url)
    async with with_show(opened):
        yield opened


async def test_nothing_is_read_or_written_in_the_ledger_of_another_region(ledger: Ledger, url: str) -> None:
    new = Ledger(url, region="south")
    assert await new.booked("west-s") == []  # nobody's yet
    await new.close()
    await ledger.begin_fencing_token("west's", region="west")
    own, other = Ledger(url, region="west"), Ledger(url, region="south")
    try:
        await own.open()
        assert [theatre.id for theatre in await own.theatres("west")] == ["gateway"]
        for call in (other.open, other.fencing_state, lambda: other.mark_behind(9, 9), lambda: other.catch_up(9, 9)):
            with pytest.raises(WrongRegion):
                await call()
        assert (await own.fencing_state()).position < 9
    finally:
        await asyncio.gather(own.close(), other.close())


async def test_a_booking_is_recorded_once_however_often_it_comes(ledger: Ledger) -> None:
    first = booking("a", [1, 2])
    assert [r.recorded for r in await ledger.record([first, booking("b", [3])])] == [Recorded.NEW, Recorded.NEW]
    again = await ledger.record([first, booking("c", [4]), first])
    assert [r.recorded for r in again] == [Recorded.ALREADY, Recorded.NEW, Recorded.ALREADY]
    assert {b.id: b.seats for b in await ledger.booked("west-s")} == {
        first.id: (1, 2),
        booking("b", []).id: (3,),
        booking("c", []).id: (4,),
    }


async def test_a_code_follows_from_the_key_of_the_region_unless_the_ledger_has_one(ledger: Ledger, url: str) -> None:
    keepers = [Ledger(url, code_key=key) for key in (b"before", b"after")]
    codes: list[str] = []
    for first, second in (keepers, keepers[::-1]):
        sold = booking(f"n{len(codes)}", [len(codes)])
        await first.record([sold])
        await second.record([sold])
        recorded = await ledger.booking(sold.id)
        assert recorded is not None
        codes.append(recorded.code)
    names = [f"{booking(f'n{n}', []).id} 0" for n in range(2)]
    assert codes == [derive_code(key, name) for key, name in zip((b"before", b"after"), names, strict=True)]
    for keeper in keepers:
        await keeper.close()


async def test_a_seat_that_is_sold_is_refused_and_the_rest_of_the_batch_stands(ledger: Ledger) -> None:
    first = booking("a", [1, 2])
    await ledger.record([first])
    results = await ledger.record([booking("b", [5]), booking("c", [2, 3]), booking("d", [6]), booking("e", [6])])
    assert [r.recorded for r in results] == [Recorded.NEW, Recorded.REFUSED, Recorded.NEW, Recorded.REFUSED]
    assert results[1].sold == {2: first.id}
    assert results[3].sold == {6: booking("d", []).id}
    sold = sorted(seat for b in await ledger.booked("west-s") for seat in b.seats)
    assert sold == [1, 2, 5, 6], "nothing of a refused booking stays"


async def test_a_refusal_that_is_repeated_names_the_same_seats_and_the_same_refund(ledger: Ledger) -> None:
    await ledger.record([booking("a", [1, 2])])
    (first,) = await ledger.record([booking("b", [2, 3])])
    assert (first.recorded, first.sold) == (Recorded.REFUSED, {2: booking("a", []).id})
    assert await ledger.record([booking("b", [2, 3])]) == [first]


async def test_what_an_earlier_attempt_of_a_refund_led_to_changes_nothing_about_a_later_one(ledger: Ledger) -> None:
    refund = await ledger.promise_refund(NewRefund("west-s.ha", "west-s", "a", "paid", 450, RefundReason.LATE, at=1))
    assert refund is not None

    async def fail(at: int) -> None:
        await ledger.update_refund(refund.id, RefundProgress.FAILED, at, attempt=0, detail="no", next_attempt=True)

    async def now() -> tuple[RefundProgress, int]:
        row = await ledger.refund(refund.id)
        assert row is not None
        return row.state, row.attempt

    await fail(2)
    await fail(3)
    assert await now() == (RefundProgress.FAILED, 1), "two processes have heard of the same failure"
    await ledger.retry_refund(refund.id, 4)
    await fail(5)
    await ledger.update_refund(refund.id, RefundProgress.SENT, 6, attempt=0)
    assert await now() == (RefundProgress.PROMISED, 1)
    await ledger.update_refund(refund.id, RefundProgress.DONE, 7, attempt=0)
    assert await now() == (RefundProgress.DONE, 1), "the money is returned, by whichever attempt"


async def test_two_keepers_that_race_sell_each_seat_once(ledger: Ledger, url: str) -> None:
    other = Ledger(url)
    await other.open()
    mine = [booking(f"m{n}", [n, n + 1]) for n in range(0, 60, 2)]
    theirs = [booking(f"t{n}", [n, n + 1]) for n in range(1, 60, 2)]

    async def record(store: Ledger, bookings: list[NewBooking]) -> list[Recorded]:
        done = []
        for n in range(0, len(bookings), 3):
            done += [result.recorded for result in await store.record(bookings[n : n + 3])]
        return done

    outcomes = await asyncio.gather(record(ledger, mine), record(other, theirs))
    kept = [b for b, o in zip([*mine, *theirs], [*outcomes[0], *outcomes[1]], strict=True) if o is Recorded.NEW]
    stored = await ledger.booked("west-s")
    assert {b.id for b in stored} == {b.id for b in kept}
    seats = [seat for b in stored for seat in b.seats]
    assert len(seats) == len(set(seats))
    await other.close()


async def test_the_same_batch_from_two_keepers_at_once_is_recorded_once(ledger: Ledger, url: str) -> None:
    other = Ledger(url)
    await other.open()
    batch = [booking(f"n{n}", [n]) for n in range(40)]
    results = await asyncio.gather(ledger.record(batch), other.record(batch))
    for one, two in zip(*results, strict=True):
        assert sorted((one.recorded.value, two.recorded.value)) == ["already", "new"]
    await other.close()


async def test_declarations_come_back_as_they_were_saved(ledger: Ledger) -> None:
    await ledger.save_show(show("west-t"))
    await ledger.save_theatre(Theatre("gateway", "New Gateway", "Mumbai", "west"))
    assert await ledger.theatres("west") == [Theatre("gateway", "New Gateway", "Mumbai", "west")]
    assert await ledger.theatre("west", "nowhere") is None
    assert sorted(s.id for s in await ledger.shows()) == ["west-s", "west-t"]
    paused = await ledger.set_sales("west-t", SalesState.PAUSED)
    assert paused is not None
    assert paused.sales is SalesState.PAUSED
    assert await ledger.show("west-t") == paused
    assert await ledger.set_sales("nowhere", SalesState.OPEN) is None
    blob = await ledger.layout_blob(LAYOUT.id)
    assert blob is not None
    assert decode_layout(blob) == LAYOUT
    assert await ledger.layout_blob("f" * 32) is None
    assert await ledger.layout_ids() == [LAYOUT.id]


async def test_blocked_seats_are_kept_and_blocking_twice_is_harmless(ledger: Ledger) -> None:
    for _ in range(2):
        await ledger.block("west-s", [("A-1", 0), ("A-2", 1)], "camera", 7)
    await ledger.unblock("west-s", ["A-1", "A-9"])
    assert (await ledger.truths(["west-s"]))["west-s"].blocked == [1]
    assert await ledger.blocks("west-s") == [("A-2", "camera", 7)]


async def test_what_operators_decide_is_not_recorded_under_an_earlier_fencing_token(ledger: Ledger) -> None:
    await ledger.begin_fencing_token("one")
    await ledger.block("west-s", [("A-1", 0)], token="one")
    await ledger.begin_fencing_token("two")
    for late in (
        ledger.set_sales("west-s", SalesState.PAUSED, "one"),
        ledger.block("west-s", [("A-2", 1)], token="one"),
        ledger.unblock("west-s", ["A-1"], "one"),
    ):
        with pytest.raises(StaleFencingToken):
            await late
    assert await ledger.blocks("west-s") == [("A-1", "", 0)]
    show = await ledger.show("west-s")
    assert show is not None
    assert show.sales is SalesState.OPEN
    await ledger.unblock("west-s", ["A-1"], "two")
    assert await ledger.blocks("west-s") == []


async def test_batches_that_wait_for_each_other_end_up_recorded_once(ledger: Ledger, url: str) -> None:
    """The same seats upwards and downwards: PostgreSQL may find a deadlock, which is to be tried again."""
    other = Ledger(url)
    up = [booking(f"u{n}", [n]) for n in range(80)]
    down = [booking(f"d{n}", [n]) for n in reversed(range(80))]

    async def record(store: Ledger, batch: list[NewBooking]) -> None:
        while True:
            with contextlib.suppress(LedgerUnavailable):
                await store.record(batch)
                return

    await asyncio.gather(record(ledger, up), record(other, down))
    sold = sorted(seat for b in await ledger.booked("west-s") for seat in b.seats)
    assert sold == list(range(80))
    await other.close()


async def test_what_was_acknowledged_survives_a_kill(ledger: Ledger, url: str) -> None:
    code = """
import asyncio, sys
from realtime.ledger import Ledger
from tests.ledger.test_store import booking
async def main():
    ledger = Ledger(sys.argv[1])
    for n in range(120):
        await ledger.record([booking(f"k{n}", [n])])
        print(n, flush=True)
asyncio.run(main())
"""
    said = await asyncio.to_thread(_kill_after, 30, code, url)
    stored = {seat for b in await ledger.booked("west-s") for seat in b.seats}
    assert set(said) <= stored
    assert len(said) >= 30


def _kill_after(lines: int, code: str, url: str) -> list[int]:
    """Run ``code`` and kill it once it has printed so many numbers; return all that it printed."""
    with subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True) as process:
        said: list[int] = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(int(line))
            if len(said) == lines:
                process.kill()
        return said


async def test_a_locked_or_missing_database_is_unavailable_not_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.ledger.database.BUSY_MS", 50)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    await ledger.save_theatre(Theatre("gateway", "Gateway", "Mumbai", "west"))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerUnavailable):
        await ledger.record([booking("a", [1])])
    other.execute("ROLLBACK")
    other.close()
    assert len(await ledger.theatres("west")) == 1
    await ledger.close()
    for url in ("postgresql://nobody@127.0.0.1:1/nothing", f"postgresql://nobody@/x?host={tmp_path}"):
        nowhere = Ledger(url)
        with pytest.raises(LedgerUnavailable):
            await nowhere.open()
        await nowhere.close()


async def test_bookings_of_an_earlier_fencing_token_are_refused_whole(ledger: Ledger) -> None:
    await ledger.begin_fencing_token("one")
    await ledger.record([booking("a", [1])], "one")
    await ledger.begin_fencing_token("two")
    with pytest.raises(StaleFencingToken):
        await ledger.record([booking("b", [2]), booking("c", [3])], "one")
    with pytest.raises(StaleFencingToken):
        await ledger.record([booking("b", [1])], "one")
    await ledger.record([booking("b", [2])], "two")
    assert [each.seats for each in await ledger.booked("west-s")] == [(1,), (2,)]


async def test_no_fencing_token_begins_while_bookings_are_being_recorded(ledger: Ledger, url: str) -> None:
    await ledger.begin_fencing_token("one")
    other = Ledger(url)
    recording = [asyncio.create_task(ledger.record([booking(f"k{n}", [n])], "one")) for n in range(8)]
    await other.begin_fencing_token("two")
    seen = {each.id for each in await other.booked("west-s")}
    await asyncio.gather(*recording, return_exceptions=True)
    assert {each.id for each in await other.booked("west-s")} == seen
    await other.close()


async def test_a_fencing_token_waits_for_transactions_under_the_one_before(ledger: Ledger, url: str) -> None:
    """Without the lock on its row, bookings of the token before could be committed after the next one has begun."""
    await ledger.begin_fencing_token("one")
    other = Ledger(url)
    async with ledger.transaction() as connection:
        await check_fencing_token(connection, "one")
        begins = asyncio.create_task(other.begin_fencing_token("two"))
        done, _pending = await asyncio.wait([begins], timeout=0.5)
        assert not done, "the next token began inside the transaction"
    assert await begins == "one"
    await other.close()


async def test_keepers_that_record_the_same_things_at_once_leave_one_of_each(url: str, ledger: Ledger) -> None:
    """An entry of the outbox that is not acknowledged in time is claimed by another keeper, and repeated by buyers."""
    others = [Ledger(url) for _ in range(3)]
    await asyncio.gather(*(each.open() for each in others))
    orders = [OrderRow(f"order-{n}", "west-s.h1", "west-s", "a", (1,), 450, OrderState.OPEN, 1, 1, 0) for n in range(5)]
    for round_ in range(4):
        some = [replace(order, id=f"{order.id}-{round_}") for order in orders]
        new = Theatre(f"theatre-{round_}", "Theatre", "Mumbai", "west")
        await asyncio.gather(*(each.save_orders(turned) for each in others for turned in (some, some[::-1])))
        await asyncio.gather(*(each.save_theatre(new) for each in others))
        await asyncio.gather(*(each.save_show(show(f"west-{round_}")) for each in others))
        await asyncio.gather(*(each.block("west-s", [(f"A-{round_}", round_)]) for each in others))
    async with ledger.snapshot() as connection:
        assert await open_orders(connection) == (20, 1)
    for each in others:
        await each.close()


async def test_a_row_that_can_not_be_read_hides_no_other(ledger: Ledger) -> None:
    """As a later release writes it, which knows more roles, states and reasons."""
    for n in ("1", "2"):
        await ledger.save_staff_token(StaffToken(n, "mira", Role.GATE, "gateway", 1, 2))
        await ledger.save_orders([OrderRow(n, "west-s.h1", "west-s", "a", (1,), 450, OrderState.OPEN, 1, 1, 0)])
        await ledger.promise_refund(NewRefund("west-s.h1", "west-s", "a", n, 450, RefundReason.LATE, 1))
    async with ledger.transaction() as connection:
        tokens, orders, refunds = schema.staff_tokens, schema.orders, schema.refunds
        await connection.execute(update(tokens).where(tokens.c.id == "1").values(role="usher"))
        await connection.execute(update(orders).where(orders.c.id == "1").values(seats="1,?"))
        await connection.execute(update(refunds).where(refunds.c.payment_id == "1").values(reason="rain"))
    assert [token.id for token in await ledger.staff_tokens()] == ["2"]
    assert [refund.payment for refund in await ledger.refunds(Filter())] == ["2"]
    assert [order.id for order in await ledger.claim_due_orders(5, 10, 10)] == ["2"]
    assert await ledger.claim_due_orders(5, 10, 1) == [], "it takes no place of the next turn"


async def test_a_customer_stays_revoked_and_a_guest_until_the_identity_has_ended(ledger: Ledger) -> None:
    customer, guest = f"s{'x' * 24}", "g" * DATED_OWNER_LENGTH
    for owner in (customer, guest):
        await ledger.revoke_guest(owner, 5)
    assert sorted(await ledger.revoked_guests(5)) == [guest, customer]
    assert await ledger.revoked_guests(6) == [customer]


async def test_the_id_of_a_token_means_this_token_only_whatever_others_are_named(ledger: Ledger) -> None:
    one, other, last = (f"west-{n:016x}" for n in range(3))
    for token, name in ((one, "asha"), (other, one), (last, "asha")):
        await ledger.save_staff_token(StaffToken(token, name, Role.GATE, "", 1, 2))
    assert await ledger.revoke_staff_tokens(one, 5) == [one]
    assert await ledger.revoke_staff_tokens("asha", 6) == [last], "by name, those that are not revoked yet"
    assert [each.id for each in await ledger.staff_tokens() if not each.revoked_at] == [other]


async def test_no_fencing_token_begins_after_one_of_the_same_name_whose_number_has_risen(ledger: Ledger) -> None:
    """The ledger was repaired meanwhile, which raises the number alone."""
    read = await ledger.fencing_state()
    await ledger.catch_up(read.position, read.number + 5)
    assert (await ledger.fencing_state()).token == read.token
    with pytest.raises(StaleFencingToken):
        await ledger.begin_fencing_token("frozen", after=read)
    now = await ledger.fencing_state()
    await ledger.begin_fencing_token("next", after=now)
    assert (await ledger.fencing_state()).number == now.number + 1
