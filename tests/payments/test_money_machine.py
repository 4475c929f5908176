"""Page, webhooks, reconciler, expiry and refunds in any order: each payment ends in one booking or one refund.

The gateway is the demo bank's own ledger, its webhooks are signed and read as they are in a node, and the desk is the
smallest possible stand-in for node, keeper and ledger: unique keys, and the ladder.
"""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime.dev.bank.ledger import BankLedger, BankRefusal, Behaviour, DueEvent, OrderRow, Webhooks
from realtime.payments.demo import BankPayment, DemoPayments, webhook_signer
from realtime.payments.ladder import HoldMoney, Rung, must_capture, rungs
from realtime.payments.service import refund_key
from realtime.payments.status import PaymentState, PaymentStatus

SECRET, HOLD, DUE = "the bank's own secret", "west-show.hAAAAAAAAAAAAAAAAAAAAAA", 10_000
HOLD_MS = 1_000


class Desk:
    """What an installation knows of one hold, with the unique keys that its ledger has."""

    def __init__(self, block_allowed: bool) -> None:
        self.block_allowed = block_allowed
        self.seats_are_ours_to_take = True
        self.blocks_left = 1
        self.show_is_over = False
        self.known: dict[str, PaymentStatus] = {}
        self.fates: dict[str, Rung] = {}
        self.booked_with = ""
        self.promised: dict[str, str] = {}

    def report(self, status: PaymentStatus) -> None:
        """Learn of a payment from anybody, any number of times."""
        known = self.known.get(status.payment)
        status = self.known[status.payment] = status if known is None else known.merged(status)
        if status.payment in self.fates:
            return
        money = HoldMoney(HOLD, DUE, self.booked_with, not self.show_is_over, self.block_allowed)
        for rung in rungs(status, money):
            assert not must_capture(status, rung), "this bank captures by itself"
            if self._can_take(rung):
                self.fates[status.payment] = rung
                self.booked_with = self.booked_with if rung is Rung.REFUND else status.payment
                return

    def _can_take(self, rung: Rung) -> bool:
        if rung is Rung.REFUND:
            return True
        if rung is Rung.EQUAL_BLOCK and self.blocks_left:
            self.blocks_left -= 1
        elif rung is not Rung.SAME_SEATS or not self.seats_are_ours_to_take:
            return False
        return True


class MoneyMachine(RuleBasedStateMachine):
    """One hold, its orders at the bank, and everything that can happen around them."""

    def __init__(self) -> None:
        super().__init__()
        self.bank = BankLedger(":memory:")
        self.gateway = DemoPayments("http://127.0.0.1:1", SECRET)
        self.signer = webhook_signer(SECRET)
        self.now = 0
        self.orders: list[str] = []
        self.sent: list[DueEvent] = []

    @initialize(block_allowed=st.booleans())
    def hold_seats(self, block_allowed: bool) -> None:
        self.desk = Desk(block_allowed)
        self.order_is_made(DUE)

    @precondition(lambda self: len(self.orders) < 3)
    @rule(amount=st.sampled_from([DUE, DUE, DUE - 1]))
    def order_is_made(self, amount: int) -> None:
        wanted = OrderRow("", f"key-{len(self.orders)}", HOLD, "digest", amount, "INR", HOLD_MS, "")
        self.orders.append(self.bank.create_order(wanted, self.now).id)

    @rule(
        behaviour=st.sampled_from(Behaviour),
        webhooks=st.sampled_from(Webhooks),
        late_ms=st.integers(0, 2_000),
        data=st.data(),
    )
    def buyer_pays(self, behaviour: Behaviour, webhooks: Webhooks, late_ms: int, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self.orders))
        try:
            self.bank.pay(order, behaviour, webhooks, late_ms, self.now)
        except BankRefusal as refusal:
            assert refusal.code == "order_paid"

    @rule(ms=st.integers(1, 3_000))
    def time_passes(self, ms: int) -> None:
        self.now += ms
        self.bank.carry_out_due(self.now)

    @rule()
    def webhooks_arrive(self) -> None:
        for event in self.bank.due_events(self.now, 10):
            self._deliver(event)
            self.sent.append(event)
            self.bank.event_sent(event, delivered=True, now=self.now)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def an_old_webhook_arrives_again(self, data: st.DataObject) -> None:
        self._deliver(data.draw(st.sampled_from(self.sent)))

    @rule(data=st.data())
    def the_page_reports_a_payment(self, data: st.DataObject) -> None:
        paid = [p for p in self._all() if p.state.has_money]
        if paid:
            self.desk.report(_status(data.draw(st.sampled_from(paid))))

    @rule(data=st.data())
    def the_reconciler_asks(self, data: st.DataObject) -> None:
        for payment in self.bank.payments_of(data.draw(st.sampled_from(self.orders))):
            self.desk.report(_status(payment))

    @precondition(lambda self: Rung.SAME_SEATS not in self.desk.fates.values())
    @rule()
    def somebody_else_takes_a_seat_of_the_expired_hold(self) -> None:
        self.desk.seats_are_ours_to_take = False

    @rule()
    def the_show_is_over(self) -> None:
        self.desk.show_is_over = True

    @rule(answer_lost=st.booleans())
    def a_worker_refunds(self, answer_lost: bool) -> None:
        for payment, rung in self.desk.fates.items():
            if rung is Rung.REFUND and payment not in self.desk.promised:
                key = refund_key(HOLD, payment)
                made = self.bank.refund(payment, self.desk.known[payment].amount, key, self.now)
                if not answer_lost:
                    self.desk.promised[payment] = made.id

    @invariant()
    def at_most_one_booking_and_never_for_returned_money(self) -> None:
        if not self.orders:
            return
        booked = [payment for payment, rung in self.desk.fates.items() if rung is not Rung.REFUND]
        assert len(booked) <= 1
        refunds = self.bank.all_refunds()
        assert len({refund.payment for refund in refunds}) == len(refunds)
        assert all(self.desk.fates[refund.payment] is Rung.REFUND for refund in refunds)

    def teardown(self) -> None:
        self.now += 1_000_000
        while self.bank.carry_out_due(self.now):
            self.now += 1_000_000
        for order in self.orders:
            for payment in self.bank.payments_of(order):
                self.desk.report(_status(payment))
        if self.orders:
            self.a_worker_refunds(answer_lost=False)
        for payment in self._all():
            booked = self.desk.fates.get(payment.id) in (Rung.SAME_SEATS, Rung.EQUAL_BLOCK)
            assert payment.state is not PaymentState.CREATED
            took_money = payment.state is not PaymentState.FAILED
            assert took_money == (booked or payment.refunded == payment.amount), payment
            assert not (booked and (payment.refunded or payment.amount != DUE))
        self.bank.close()

    def _deliver(self, event: DueEvent) -> None:
        now = datetime.now(UTC)
        headers = {
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.signer.sign(event.id, now, event.body.decode()),
        }
        read = self.gateway.read_webhook(headers, event.body)
        assert read is not None and read.payment is not None
        self.desk.report(read.payment)

    def _all(self) -> list[BankPayment]:
        return self.bank.all_payments()


def _status(payment: BankPayment) -> PaymentStatus:
    return PaymentStatus(
        payment.id, payment.state, payment.amount, payment.currency, payment.order, payment.hold, payment.refunded
    )


TestMoneyMachine = MoneyMachine.TestCase
TestMoneyMachine.settings = settings(max_examples=60, stateful_step_count=30)
