"""Page, webhook, reconciler, expiry, release, lost masters, late and dying processes in any order: each payment has one
end, a booking or a refund.

Master and ledger are real, the gateway is in memory, and the steps of keepers and workers are called by hand, so that a
process can die before any of its calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import TypeVar

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from realtime import keys
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.errors import TicketError
from realtime.keeper.outbox import Entry
from realtime.keeper.recorder import TRANSIENT
from realtime.ledger.money import Filter
from realtime.ledger.rows import OrderRow
from realtime.model import booking_of
from realtime.payments.status import PaymentState

from .money_desk import LAYOUT, OWNER, PRICE, SHOW_ID, Desk

T = TypeVar("T")
MEMORY = Path("/dev/shm")
deaths = st.none() | st.integers(0, 8)
seat_sets = st.sampled_from([(0, 1), (0, 1), (1, 2), (0,), (4, 5)])
reported = st.sampled_from([PaymentState.CAPTURED, PaymentState.CAPTURED, PaymentState.AUTHORIZED, PaymentState.FAILED])


class MoneyMachine(RuleBasedStateMachine):
    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        # In memory where that can be had: the ledger syncs each commit, and no power is cut here.
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.holds: list[str] = []
        self.orders: dict[str, OrderRow] = {}
        self.webhooks: dict[str, str] = {}
        """Payments by the replies that their webhooks wait for."""
        self.confirms: dict[str, str] = {}
        """Payments by the replies that their confirms wait for."""
        self.acknowledged: set[str] = set()
        """Payments whose webhook was answered with 200: the gateway does not send it again."""
        self.read: list[tuple[list[Entry], str]] = []
        """What a keeper has read and not processed, with its fencing token: it is suspended meanwhile."""
        self.answered: dict[str, bool] = {}
        """Payments about which a buyer was answered: will it be returned?"""

    def run(self, step: Awaitable[T]) -> T:
        return self.loop.run_until_complete(asyncio.wait_for(step, 30))

    @initialize(equal_seats=st.booleans(), can_ask=st.booleans())
    def open(self, equal_seats: bool, can_ask: bool) -> None:
        file = Path(self.folder.name) / "west.db"
        self.desk = Desk(self.url, file, equal_seats=equal_seats, can_ask=can_ask)
        self.run(self.desk.open())

    # --- buyers ---------------------------------------------------------------------------------------------------
    @precondition(lambda self: len(self.holds) < 5)
    @rule(seats=seat_sets)
    def buyer_holds(self, seats: tuple[int, ...]) -> None:
        hold = f"{SHOW_ID}.h{len(self.holds):_<22}"
        try:
            self.run(self.desk.locks.hold(hold, OWNER, seats))
        except TicketError:
            return
        self.holds.append(hold)
        order = self.run(self.desk.order(hold, seats, PRICE * len(seats)))
        row = self.run(self.desk.ledger.order(order))
        assert row is not None
        self.orders[order] = row

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def the_same_request_comes_again(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.orders.values())))
        try:
            self.run(self.desk.locks.hold(order.hold, OWNER, order.seats))
        except TicketError:
            return

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), state=reported, wrong=st.sampled_from([0, 0, 0, -1, PRICE]))
    def buyer_pays(self, data: st.DataObject, state: PaymentState, wrong: int) -> None:
        order = data.draw(st.sampled_from(list(self.orders.values())))
        self.desk.gateway.pay(order.id, order.amount + wrong, state)

    @precondition(lambda self: any(not p.state.has_money for p in self.desk.gateway.payments.values()))
    @rule(data=st.data(), state=st.sampled_from([PaymentState.AUTHORIZED, PaymentState.CAPTURED]))
    def bank_changes_its_mind(self, data: st.DataObject, state: PaymentState) -> None:
        payments = self.desk.gateway.payments
        failed = [name for name, payment in payments.items() if payment.state is PaymentState.FAILED]
        if failed:
            known = payments[data.draw(st.sampled_from(failed))]
            payments[known.payment] = known.merged(type(known)(known.payment, state, known.amount))

    @precondition(lambda self: self.desk.gateway.payments)
    @rule(data=st.data())
    def page_confirms(self, data: st.DataObject) -> None:
        payment = data.draw(st.sampled_from(list(self.desk.gateway.payments.values())))
        if reply := self.run(self.desk.confirm(payment.hold, payment.payment)):
            self.confirms[reply] = payment.payment

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), part=st.booleans())
    def buyer_releases(self, data: st.DataObject, part: bool) -> None:
        order = data.draw(st.sampled_from(list(self.orders.values())))
        try:
            self.run(self.desk.locks.release(order.hold, OWNER, order.seats[:1] if part else None))
        except TicketError:
            return

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def buyer_cancels(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.orders.values())))
        self.run(self.desk.cancel(booking_of(order.hold)))

    # --- the gateway ----------------------------------------------------------------------------------------------
    @precondition(lambda self: self.desk.gateway.payments)
    @rule(data=st.data(), event=st.integers(1, 3))
    def webhook_arrives(self, data: st.DataObject, event: int) -> None:
        payment = data.draw(st.sampled_from(list(self.desk.gateway.payments.values())))
        reply = self.run(self.desk.webhook(payment.payment, f"{payment.payment} {payment.state} {event}"))
        if payment.state.has_money:
            self.webhooks[reply] = payment.payment

    @rule(away=st.booleans(), loses_answers=st.booleans())
    def gateway_changes(self, away: bool, loses_answers: bool) -> None:
        self.desk.gateway.away, self.desk.gateway.loses_answers = away, loses_answers

    # --- keepers and workers --------------------------------------------------------------------------------------
    @rule(dies_after=deaths, master_is_lost=st.booleans())
    def keeper_records(self, dies_after: int | None, master_is_lost: bool) -> None:
        """One batch; entries that it has led to may be lost with the master before the next one."""
        self.run(self.desk.record(dies_after=dies_after))
        self.run(self._nodes_hear())
        if master_is_lost:
            self.master_is_replaced(wiped=True)

    @precondition(lambda self: self.holds)
    @rule()
    def late_keeper_reads(self) -> None:
        self.read.append((self.run(self.desk.entries()), self.desk.token))

    @precondition(lambda self: self.read)
    @rule(data=st.data(), dies_after=deaths)
    def late_keeper_processes(self, data: st.DataObject, dies_after: int | None) -> None:
        """Others have processed some of the entries meanwhile, or all of them."""
        entries, token = data.draw(st.sampled_from(self.read))
        with contextlib.suppress(*TRANSIENT):
            self.run(self.desk.process(entries, token, dies_after))
        self.run(self._nodes_hear())

    @precondition(lambda self: self.holds)
    @rule(dies_after=deaths)
    def keeper_records_while_the_show_is_not_rebuilt(self, dies_after: int | None) -> None:
        self.run(self._record_suspended(dies_after))
        self.run(self._nodes_hear())

    async def _record_suspended(self, dies_after: int | None) -> None:
        await self.desk.locks.suspend(SHOW_ID, "nonce")
        await self.desk.record(dies_after=dies_after)
        if self.desk.gateway.can_ask:
            await self.desk.check_due()
        await self.desk.rebuild(SHOW_ID)

    async def _nodes_hear(self) -> None:
        """Nodes answer gateway and buyers by what the keepers replied."""
        for reply, payment in list(self.webhooks.items()):
            try:
                if await self.desk.replied(reply) is not None:
                    self.acknowledged.add(payment)
                    del self.webhooks[reply]
            except TicketError as error:
                assert error.retryable
        for reply, payment in list(self.confirms.items()):
            if (heard := await self.desk.replied(reply)) is not None:
                returned = heard["refund"] is not None
                assert returned or not self.answered.get(payment), "a promised refund was withdrawn"
                self.answered[payment] = returned
                del self.confirms[reply]

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), dies_after=deaths)
    def reconciler_asks(self, data: st.DataObject, dies_after: int | None) -> None:
        self.run(self.desk.check(data.draw(st.sampled_from(list(self.orders))), dies_after))

    @rule(dies_after=deaths)
    def worker_refunds(self, dies_after: int | None) -> None:
        self.run(self.desk.refund_all(dies_after))

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), swept=st.booleans())
    def hold_expires(self, data: st.DataObject, swept: bool) -> None:
        hold = data.draw(st.sampled_from(self.holds))
        self.run(self._expire(hold, swept))

    async def _expire(self, hold: str, swept: bool) -> None:
        blob = await self.desk.master.command("HGET", keys.holds(SHOW_ID), hold)
        record = orjson.loads(blob) if blob else {}
        if record.get("state") == "held":
            record["expires_at"] -= 3_600_000
            await self.desk.master.command("HSET", keys.holds(SHOW_ID), hold, orjson.dumps(record))
            await self.desk.master.command("ZADD", keys.DEADLINES, record["expires_at"], hold)
            if swept:
                await self.desk.locks.expire([hold])

    @rule(wiped=st.booleans())
    def master_is_replaced(self, wiped: bool) -> None:
        """Wiped with everything in it, or only reconciled anew, as after a restart."""
        self.run(self._replace_master(wiped))

    async def _replace_master(self, wiped: bool) -> None:
        await self.desk.master.command(*(("FLUSHALL",) if wiped else ("DEL", keys.RECONCILED)))
        await self.desk.reconcile()

    # --- the end --------------------------------------------------------------------------------------------------
    def teardown(self) -> None:
        try:
            if hasattr(self, "desk"):
                self.run(self._drain())
                self.run(self._every_payment_has_one_end())
                self.run(self.desk.close())
        finally:
            self.loop.close()
            self.folder.cleanup()

    async def _drain(self) -> None:
        self.desk.gateway.away = self.desk.gateway.loses_answers = False
        for _ in range(2):
            await self.desk.record()
            await self._nodes_hear()
            if self.desk.gateway.can_ask:
                await self.desk.check_due()
            for payment in self.desk.gateway.payments.values():
                if not self.desk.gateway.can_ask and payment.state.has_money:
                    await self._send_until_acknowledged(payment.payment)
        await self.desk.record()
        assert await self.desk.entries() == []
        assert await self.desk.master.command("XLEN", keys.DEAD_LETTERS) == 0
        await self.desk.refund_all()

    async def _send_until_acknowledged(self, payment: str) -> None:
        if payment not in self.acknowledged:
            self.webhooks[await self.desk.webhook(payment, f"{payment} again")] = payment
            await self.desk.record()  # it may become a booking or a refund by another entry
            await self.desk.record()
            await self._nodes_hear()
            assert payment in self.acknowledged

    async def _every_payment_has_one_end(self) -> None:
        desk = self.desk
        assert await desk.ledger.audit_money(now_ms()) == []
        booked = await desk.ledger.booked(SHOW_ID)
        seats = [seat for booking in booked for seat in booking.seats]
        assert len(seats) == len(set(seats)), "a seat was sold twice"
        rows = {row.id: row for row in await desk.ledger.payments(Filter(limit=500))}
        bookings = {booking.payment: booking for booking in booked}
        truth = (await desk.ledger.truths([SHOW_ID]))[SHOW_ID]
        cancelled = {booking.payment: booking.id for booking in truth.cancelled}
        for payment in desk.gateway.payments.values():
            if payment.state is PaymentState.FAILED:
                assert payment.payment not in rows
                continue
            row = rows.pop(payment.payment)
            assert row.amount == payment.amount
            if payment.payment in bookings:
                assert (row.refund, payment.refunded, payment.state) == (None, 0, PaymentState.CAPTURED)
                assert payment.amount == PRICE * len(bookings[payment.payment].seats)
            else:
                assert (row.booking, row.refund) == (cancelled.get(payment.payment), "done")
                assert payment.refunded == payment.amount
            if self.answered.get(payment.payment):
                assert row.refund is not None
        assert rows == {}, "payments that the gateway has not"
        map_now = (await desk.master.command("GET", keys.seats(SHOW_ID))).decode()
        assert [n for n in range(len(LAYOUT.seats)) if map_now[n] == "2"] == sorted(seats)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    started = valkey.start(tmp_path_factory.mktemp("money"))
    try:
        started.wait_ready()
        yield started
    finally:
        started.kill()


def test_every_payment_ends_in_one_booking_or_one_refund(server: valkey.Valkey) -> None:
    machine = type("Machine", (MoneyMachine,), {"url": server.url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
