"""One region's record path as steps that a test calls by hand, with a gateway in memory and a fuse that ends a step."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, cast

import orjson
from bullmq import UnrecoverableError
from sqlalchemy import update

from realtime import connect, keys
from realtime.errors import PaymentRefused, PaymentUnavailable, SeatsTaken, TicketError
from realtime.jobs import Jobs
from realtime.keeper.commands import Commands
from realtime.keeper.contradictions import Contradictions
from realtime.keeper.outbox import Entry, Outbox
from realtime.keeper.position import Position
from realtime.keeper.rebuild import Rebuilder
from realtime.keeper.reconcile import Reconciler
from realtime.keeper.recorder import Recorder
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.rerecord import record_again
from realtime.keeper.settlement import Settlement
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger import Ledger, schema
from realtime.ledger.rows import Queue
from realtime.ledger.shows import Shows
from realtime.locks.equal_seats import free_equal_blocks
from realtime.locks.holds import PaymentProof
from realtime.locks.incidents import Incidents
from realtime.locks.master import LockMaster
from realtime.locks.refund_notices import RefundNotices
from realtime.locks.replies import new_reply_id, read_reply
from realtime.locks.seats import SeatLocks
from realtime.model import Show, Theatre
from realtime.payments.errors import NoAnswer, Refusal, refused, unavailable
from realtime.payments.report import PaymentReport, encode_report
from realtime.payments.service import (
    Checkout,
    CheckoutKind,
    Order,
    OrderRequest,
    PaymentService,
    VerifiedPayment,
    WebhookEvent,
)
from realtime.payments.status import PaymentState, PaymentStatus, RefundState, RefundStatus
from realtime.topology import Plain, Region, Topology
from realtime.web.checkout import RETURNED
from realtime.wire.layouts import encode_layout
from realtime.workers.claims import NotDoneYet
from realtime.workers.payload import Payload
from realtime.workers.refunds import Refunds
from tests.cluster import grid
from tests.ledgers import new_ledger

LAYOUT = grid(rows=2, numbers=4)
SHOW_ID = "west-s"
PRICE = 45_000
OWNER = "owner"


class Died(BaseException):
    """The process ended here; as BaseException, so that nothing in it handles the end."""


@dataclass
class Fuse:
    """How many more calls a process makes before it dies; None: it lives."""

    left: int | None = None

    def burn(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise Died
            self.left -= 1


class Mortal:
    """Any part of a process: each of its calls burns the fuse before it is made."""

    def __init__(self, part: Any, fuse: Fuse) -> None:
        self._part = part
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            self._fuse.burn()
            return await found(*args, **named)

        return call


@dataclass
class Gateway(PaymentService):
    """A gateway as ``PaymentService`` documents one. It may be away, or lose its answer after it has done its work."""

    name = "memory"
    orders: dict[str, Order] = field(default_factory=dict)
    payments: dict[str, PaymentStatus] = field(default_factory=dict)
    refunds: dict[str, RefundStatus] = field(default_factory=dict)
    away: bool = False
    loses_answers: bool = False
    can_ask: bool = True  # type: ignore[misc]  # of the class elsewhere
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def pay(self, order: str, amount: int, state: PaymentState) -> None:
        payment = f"pay-{next(self._numbers)}"
        self.payments[payment] = PaymentStatus(payment, state, amount, order=order, hold=self.orders[order].hold)

    async def create_order(self, request: OrderRequest) -> Order:
        order = Order(
            f"order-{len(self.orders)}",
            request.hold,
            request.amount,
            request.currency,
            request.expires_at,
            Checkout(CheckoutKind.EXTERNAL),
        )
        self.orders[order.id] = order
        return order

    async def state(self, payment: str) -> PaymentStatus:
        self._answer()
        return self.payments[payment]

    async def payments_of(self, order: str) -> tuple[PaymentStatus, ...]:
        self._answer()
        return tuple(each for each in self.payments.values() if each.order == order)

    async def capture(self, payment: str, amount: int) -> PaymentStatus:
        self._answer()
        known = self.payments[payment]
        if known.amount != amount:
            raise refused(Refusal.WRONG_AMOUNT)
        if not known.state.has_money:
            raise refused(Refusal.NOT_PAID)
        if known.state is PaymentState.AUTHORIZED and self._has_captured(known.order):
            raise refused(Refusal.ORDER_PAID)
        self.payments[payment] = replace(known, state=PaymentState.CAPTURED)
        return self.payments[payment]

    async def refund(self, payment: str, amount: int, key: str) -> RefundStatus:
        self._answer()
        if key not in self.refunds:
            known = self.payments[payment]
            if not known.state.has_money:
                raise refused(Refusal.NOT_PAID)
            if amount > known.amount - known.refunded:
                return RefundStatus(key, payment, amount, RefundState.FAILED, reason="too much")
            back = known.refunded + amount
            state = PaymentState.REFUNDED if back == known.amount else known.state
            self.payments[payment] = replace(known, refunded=back, state=state)
            self.refunds[key] = RefundStatus(key, payment, amount, RefundState.DONE, refund=f"refund of {payment}")
        if self.loses_answers:
            raise unavailable(NoAnswer.TIMEOUT)
        return self.refunds[key]

    async def refund_status(self, payment: str, amount: int, key: str) -> RefundStatus | None:
        self._answer()
        return self.refunds.get(key)

    async def verify(self, hold: str, proof: str, amount: int, seats: Iterable[str]) -> VerifiedPayment:
        self._answer()
        known = self.payments[proof]
        if (known.hold, known.amount, known.refunded) != (hold, amount, 0) or not known.state.has_money:
            raise refused(Refusal.NOT_PAID)
        return VerifiedPayment(proof, known.order, hold, amount, known.currency, known.state)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent | None:
        raise AssertionError("reports are made by the test")

    async def close(self) -> None:
        pass

    def _has_captured(self, order: str) -> bool:
        return any(each.order == order and each.state is PaymentState.CAPTURED for each in self.payments.values())

    def _answer(self) -> None:
        if self.away:
            raise unavailable(NoAnswer.UNREACHABLE)


class Desk:
    """Node, keeper and worker of one show, on a real master and a real ledger."""

    def __init__(self, url: str, database: Path, *, equal_seats: bool, can_ask: bool = True) -> None:
        region = Region("west", "Mumbai", Plain(url), {}, new_ledger(database))
        self.fuse = Fuse()
        self.gateway = Gateway(can_ask=can_ask)
        self.master = LockMaster(region, timeout_s=5.0)
        self.ledger = Ledger(region.ledger)
        self.locks = SeatLocks(self.master)
        self.token = ""
        self._url = url
        self._numbers = itertools.count(1)
        self._equal_seats = equal_seats
        self._reconciler = Reconciler("west", self.ledger, self.master, self.locks)
        self._rebuilder = Rebuilder(self.ledger, self.master, self.locks)
        self.jobs = Jobs("west", self.master)
        self._outbox = Outbox(self.master, "k")
        ledger, locks, jobs, outbox, gateway, notices = (
            cast(Any, Mortal(part, self.fuse))
            for part in (
                self.ledger,
                self.locks,
                self.jobs,
                self._outbox,
                self.gateway,
                RefundNotices(self.master),
            )
        )
        shows = Shows(self.ledger)
        delivery = RefundDelivery(jobs, notices)
        self.incidents = Incidents("k", self.master)
        contradictions = Contradictions(self.master, self.incidents)
        self._settlement = Settlement(ledger, locks, shows, gateway, delivery, contradictions)
        master = cast(Any, Mortal(self.master, self.fuse))
        commands = Commands(Topology({"west": region}), "west", "", ledger, master, locks, shows, delivery, jobs)
        self._recorder = Recorder(outbox, ledger, locks, jobs, shows, commands, self._settlement, delivery)
        self._refunds = Refunds(ledger, gateway, notices, jobs)
        self._task_keeper = TaskKeeper(self.ledger, self.jobs)

    async def open(self) -> None:
        await self.master.command("FLUSHALL")
        await self.ledger.open()
        await self.ledger.save_theatre(Theatre("gateway", "Gateway", "Mumbai", "west"))
        await self.ledger.save_layout(LAYOUT.id, encode_layout(LAYOUT))
        await self.ledger.save_show(
            Show(
                SHOW_ID,
                "A show",
                "gateway",
                "Gateway",
                "Mumbai",
                "west",
                LAYOUT.id,
                len(LAYOUT.seats),
                "2030-01-01T18:30:00+05:30",
                {"Gold": PRICE // 100},
                equal_seats=self._equal_seats,
            )
        )
        await self.reconcile()
        self.ledger.on_commit = Position(self.ledger, self.locks).tell

    async def close(self) -> None:
        for part in (self._outbox, self.jobs, self.master, self.ledger):
            await part.close()

    async def reconcile(self) -> None:
        token = await self._reconciler.ensure_reconciled()
        assert token is not None
        self.token = token
        await self._rebuilder.turn(token)
        await self._task_keeper.add_all()

    async def another_show(self) -> str:
        """Declare a second show, like the first; return its id."""
        first = await self.ledger.show(SHOW_ID)
        assert first is not None
        show = replace(first, id="west-t")
        await self.ledger.save_show(show)
        await self.locks.declare(show, "1")
        return show.id

    async def rebuild(self, show_id: str) -> None:
        """Put a show on sale that was suspended."""
        show = await self.ledger.show(show_id)
        assert show is not None
        await self._rebuilder.rebuild_shows([show])

    async def record_again(self) -> None:
        """Repair a ledger that has lost commits, as ``check --repair`` does, and reconcile the master."""
        tell, self.ledger.on_commit = self.ledger.on_commit, None  # its process has a ledger of its own
        async with connect.to_master(Plain(self._url), "", timeout_s=5.0) as redis:
            await record_again(redis, self.ledger, self.jobs)
        self.ledger.on_commit = tell
        await self.master.command("DEL", keys.RECONCILED)
        await self.reconcile()

    # --- a node ---------------------------------------------------------------------------------------------------
    async def order(self, hold: str, seats: tuple[int, ...], amount: int) -> str:
        """Order the payment of a hold; the ledger has the order then."""
        names = tuple(LAYOUT.seats[seat].id for seat in seats)
        order = await self.gateway.create_order(OrderRequest(hold, names, amount, 1, hold))
        with contextlib.suppress(TicketError):
            await self.locks.order(hold, OWNER, order.id, seats, amount)
            await self.record(kinds=("order",))
            return order.id
        del self.gateway.orders[order.id]
        return ""

    async def confirm(self, hold: str, payment: str) -> str:
        """Confirm as ``web.checkout`` does; return the reply id with which the ledger's refund is answered, if any."""
        try:
            held = (await self.locks.get(hold))[0].seats
            amount = PRICE * len(held)
            names = [LAYOUT.seats[seat].id for seat in held]
            verified = await self.gateway.verify(hold, payment, amount, names)
            if verified.state is PaymentState.AUTHORIZED:
                await self.gateway.capture(payment, amount)
        except TicketError:
            return ""
        proof = PaymentProof(payment, amount, verified.order, reply=new_reply_id())
        doubled = False
        try:
            try:
                _hold, doubled = await self.locks.confirm(hold, OWNER, proof, None, None if self._equal_seats else ())
            except SeatsTaken:
                blocks = await free_equal_blocks(self.locks, SHOW_ID, LAYOUT, held)
                _hold, doubled = await self.locks.confirm(hold, OWNER, proof, None, blocks)
        except RETURNED:
            return proof.reply
        return proof.reply if doubled else ""

    async def webhook(self, payment: str, event: str = "") -> str:
        """Report a payment as a node does; return the reply id with which the ledger's record is answered."""
        known, reply = self.gateway.payments[payment], new_reply_id()
        report = PaymentReport(
            event or f"event of {payment}", payment, known.order, known.hold, known.amount, known.state.value
        )
        event_and_reply = ("event", encode_report(report), "reply", reply)
        await self.master.command("XADD", keys.OUTBOX, "*", "kind", "webhook", *event_and_reply)
        return reply

    async def replied(self, reply: str) -> Any:
        """Return a keeper's reply, None if there is none (yet). Raises the ``TicketError`` in it."""
        found = await self.master.command("LPOP", keys.reply(reply))
        return None if found is None else read_reply(found)

    async def cancel(self, booking: str, owner: str = OWNER) -> None:
        """Ask the keeper to cancel a booking, as ``locks.commands`` does; an empty owner is an operator."""
        body = orjson.dumps({"booking": booking, "owner": owner})
        entry = ("kind", "command", "id", f"c{next(self._numbers)}", "name", "cancel", "body", body)
        await self.master.command("XADD", keys.OUTBOX, "*", *entry)

    # --- a keeper -------------------------------------------------------------------------------------------------
    async def entries(self) -> list[Entry]:
        found = await self.master.command("XRANGE", keys.OUTBOX, "-", "+")
        return [Entry(entry_id, connect.text_fields(fields)) for entry_id, fields in found]

    async def record(self, kinds: tuple[str, ...] = (), dies_after: int | None = None) -> None:
        """Process what is in the outbox as a keeper that read it; it may die after some calls."""
        entries = [entry for entry in await self.entries() if not kinds or entry.kind in kinds]
        await self.process(entries, self.token, dies_after)

    async def process(self, entries: list[Entry], token: str, dies_after: int | None = None) -> None:
        """Process entries that were read under a fencing token."""
        await self._outbox.open()
        await self._until_death(self._recorder.process(entries, token), dies_after)

    async def check(self, order: str, dies_after: int | None = None) -> None:
        """Ask the gateway about one order."""
        row = await self.ledger.order(order)
        assert row is not None
        with contextlib.suppress(PaymentUnavailable, PaymentRefused):
            await self._until_death(self._settlement.check_order(row), dies_after)

    async def check_due(self) -> None:
        """Ask the gateway about every order, as if the time of each had come."""
        async with self.ledger.transaction() as connection:
            await connection.execute(update(schema.orders).values(check_at=1))
        await self._settlement.check_due_orders()

    # --- a worker -------------------------------------------------------------------------------------------------
    async def refund_all(self, dies_after: int | None = None) -> None:
        """Run the jobs of all unfinished refunds."""
        for task in await self.ledger.unfinished_tasks(10**15, 500):
            if task.queue is Queue.REFUNDS:
                payload = Payload(1, task.id, "west", task.subject, task.created_at)
                with contextlib.suppress(NotDoneYet, PaymentUnavailable, UnrecoverableError):
                    await self._until_death(self._refunds.process(payload), dies_after)

    async def end_jobs(self, state: str) -> None:
        """Move the jobs that wait in the queue of refunds to ``completed`` or ``failed``, as its worker does."""
        queue = f"{keys.JOBS_PREFIX}:{Queue.REFUNDS.value}"
        while job := await self.master.command("RPOP", f"{queue}:wait"):
            await self.master.command("ZADD", f"{queue}:{state}", 1, job)

    async def _until_death(self, step: Any, dies_after: int | None) -> None:
        self.fuse.left = dies_after
        try:
            await step
        except Died:
            pass
        finally:
            self.fuse.left = None
