"""What the demo bank knows: orders, payments, refunds, and the events that its webhooks carry. Synchronous, in SQLite.

Every method is one transaction and returns after its commit. A change of a payment and the event that reports it are
written together, so that no crash separates them. Times are ms since the epoch and come from the caller.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from realtime.payments.demo import BankEvent, BankPayment, BankRefund
from realtime.payments.status import PaymentState, RefundState

RETRY_FIRST_MS = 500
RETRY_MAX_MS = 30_000
EVENT_LIFE_MS = 24 * 3600 * 1000
"""How long an event is retried, as at Razorpay."""
LATE_WEBHOOK_MS = 15_000


class Behaviour(StrEnum):
    """What the bank does with one payment."""

    PAY = "pay"
    """Captured at once."""
    DECLINE = "decline"
    LATE = "late"
    """Not answered at first, failed when the order's time is over, and captured after all some time later."""
    TWICE = "twice"
    """Two payments for one order, both captured."""
    SILENT = "silent"
    """Captured, and neither the page nor a webhook says so: only a question finds it."""


class Webhooks(StrEnum):
    """How the events of one payment are delivered."""

    ONCE = "once"
    TWICE = "twice"
    LATE = "late"
    NEVER = "never"


class BankRefusal(Exception):
    """The bank refuses; ``code`` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as stored."""

    id: str
    key: str
    hold: str
    seats: str
    amount: int
    currency: str
    expires_at: int
    return_url: str


@dataclass(frozen=True, slots=True)
class DueEvent:
    """A webhook to send now."""

    id: str
    body: bytes
    attempts: int
    made_at: int


_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, hold TEXT NOT NULL, seats TEXT NOT NULL, amount INTEGER NOT NULL,
    currency TEXT NOT NULL, expires_at INTEGER NOT NULL, return_url TEXT NOT NULL, made_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS payments (
    id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES orders, state TEXT NOT NULL, webhooks TEXT NOT NULL,
    made_at INTEGER NOT NULL, next_state TEXT, next_at INTEGER, late_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS payments_of_order ON payments (order_id);
CREATE INDEX IF NOT EXISTS payments_due ON payments (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, payment_id TEXT NOT NULL REFERENCES payments, key TEXT NOT NULL UNIQUE,
    amount INTEGER NOT NULL, made_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS refunds_of_payment ON refunds (payment_id);
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, body BLOB NOT NULL, made_at INTEGER NOT NULL, next_at INTEGER, attempts INTEGER NOT NULL,
    deliveries INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS events_due ON events (next_at) WHERE next_at IS NOT NULL;
"""

_PAYMENTS = """
SELECT p.id, p.order_id, o.hold, o.seats, o.amount, o.currency, p.state,
       (SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.payment_id = p.id)
FROM payments p JOIN orders o ON o.id = p.order_id
"""


class BankLedger:
    """One bank's books. Used by one thread at a time."""

    def __init__(self, file: Path | str) -> None:
        """Open or make the file (``":memory:"`` for tests)."""
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        # A process that is killed loses nothing with NORMAL; only a power cut could.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- orders -------------------------------------------------------------------------------------------------------
    def create_order(self, wanted: OrderRow, now: int) -> OrderRow:
        """Make an order (``wanted.id`` is ignored), or return the one with this key; refuse a key used for another."""
        with self._transaction() as db:
            row = db.execute(f"SELECT {_ORDER} FROM orders WHERE key = ?", (wanted.key,)).fetchone()
            if row is None:
                made = OrderRow(f"order_{secrets.token_urlsafe(16)}", *_values(wanted)[1:])
                db.execute(f"INSERT INTO orders ({_ORDER}, made_at) VALUES (?,?,?,?,?,?,?,?,?)", (*_values(made), now))
                return made
        known = OrderRow(*row)
        same = (known.hold, known.seats, known.amount, known.currency)
        if same != (wanted.hold, wanted.seats, wanted.amount, wanted.currency):
            raise BankRefusal("key_reused", "This key made an order for something else.")
        return known

    def order(self, order: str) -> OrderRow:
        """Return an order; refuse an unknown id."""
        row = self._db.execute(f"SELECT {_ORDER} FROM orders WHERE id = ?", (order,)).fetchone()
        if row is None:
            raise BankRefusal("not_found", "There is no such order.")
        return OrderRow(*row)

    # --- payments -----------------------------------------------------------------------------------------------------
    def pay(
        self, order: str, behaviour: Behaviour, webhooks: Webhooks, late_ms: int, now: int
    ) -> tuple[BankPayment, ...]:
        """Make a payment with this behaviour and return it (or both); refuse an order that was paid already."""
        wanted = self.order(order)
        with self._transaction() as db:
            paid = db.execute("SELECT 1 FROM payments WHERE order_id = ? AND state = 'captured'", (order,)).fetchone()
            if paid and behaviour is not Behaviour.TWICE:
                raise BankRefusal("order_paid", "This order was already paid.")
            if behaviour is Behaviour.SILENT:
                webhooks = Webhooks.NEVER
            state = {Behaviour.DECLINE: PaymentState.FAILED, Behaviour.LATE: PaymentState.CREATED}.get(
                behaviour, PaymentState.CAPTURED
            )
            is_late = behaviour is Behaviour.LATE
            next_step = (PaymentState.FAILED, max(now, wanted.expires_at)) if is_late else (None, None)
            made = []
            for _ in range(2 if behaviour is Behaviour.TWICE else 1):
                payment = f"pay_{secrets.token_urlsafe(12)}"
                db.execute(
                    "INSERT INTO payments VALUES (?,?,?,?,?,?,?,?)",
                    (payment, order, state, webhooks, now, *next_step, late_ms),
                )
                made.append(payment)
                if state is not PaymentState.CREATED:
                    self._report(payment, webhooks, now)
        return tuple(map(self.payment, made))

    def payment(self, payment: str) -> BankPayment:
        """Return a payment; refuse an unknown id."""
        row = self._db.execute(f"{_PAYMENTS} WHERE p.id = ?", (payment,)).fetchone()
        if row is None:
            raise BankRefusal("not_found", "There is no such payment.")
        return _payment(row)

    def payments_of(self, order: str) -> list[BankPayment]:
        """Return the payments of an order, oldest first; refuse an unknown id."""
        self.order(order)
        rows = self._db.execute(f"{_PAYMENTS} WHERE p.order_id = ? ORDER BY p.rowid", (order,))
        return [_payment(row) for row in rows]

    # --- refunds ------------------------------------------------------------------------------------------------------
    def refund(self, payment: str, amount: int, key: str, now: int) -> BankRefund:
        """Return money once for each key; refuse more than was captured, and a key used for another refund."""
        with self._transaction() as db:
            row = db.execute(f"SELECT {_REFUND} FROM refunds WHERE key = ?", (key,)).fetchone()
            if row is not None:
                known = _refund(row)
                if (known.payment, known.amount) != (payment, amount):
                    raise BankRefusal("key_reused", "This key returned other money.")
                return known
            paid = self.payment(payment)
            if paid.state not in (PaymentState.CAPTURED, PaymentState.REFUNDED):
                raise BankRefusal("not_captured", "No money was captured with this payment.")
            if amount > paid.amount - paid.refunded:
                raise BankRefusal("too_much", "The refund amount is greater than what is left of the payment.")
            refund = f"refund_{secrets.token_urlsafe(12)}"
            db.execute("INSERT INTO refunds VALUES (?,?,?,?,?)", (refund, payment, key, amount, now))
            made = BankRefund(refund, key, payment, amount, RefundState.DONE)
            (webhooks,) = db.execute("SELECT webhooks FROM payments WHERE id = ?", (payment,)).fetchone()
            self._report(payment, Webhooks(webhooks), now, made)
        return made

    def refunds_of(self, payment: str) -> list[BankRefund]:
        """Return the refunds of a payment, oldest first; refuse an unknown id."""
        self.payment(payment)
        rows = self._db.execute(f"SELECT {_REFUND} FROM refunds WHERE payment_id = ? ORDER BY rowid", (payment,))
        return [_refund(row) for row in rows]

    # --- audit --------------------------------------------------------------------------------------------------------
    def all_payments(self) -> list[BankPayment]:
        """Return every payment, oldest first."""
        return [_payment(row) for row in self._db.execute(f"{_PAYMENTS} ORDER BY p.rowid")]

    def all_refunds(self) -> list[BankRefund]:
        """Return every refund, oldest first."""
        return [_refund(row) for row in self._db.execute(f"SELECT {_REFUND} FROM refunds ORDER BY rowid")]

    # --- later --------------------------------------------------------------------------------------------------------
    def carry_out_due(self, now: int) -> int:
        """Change the payments that are due to change, and return how many they were."""
        with self._transaction() as db:
            due = db.execute(
                "SELECT id, next_state, webhooks, late_ms FROM payments WHERE next_at <= ?", (now,)
            ).fetchall()
            for payment, state, webhooks, late_ms in due:
                later = (PaymentState.CAPTURED, now + late_ms) if state == PaymentState.FAILED else (None, None)
                db.execute(
                    "UPDATE payments SET state = ?, next_state = ?, next_at = ? WHERE id = ?", (state, *later, payment)
                )
                self._report(payment, Webhooks(webhooks), now)
        return len(due)

    def due_events(self, now: int, limit: int) -> list[DueEvent]:
        """Return webhooks to send now, the longest due first."""
        rows = self._db.execute(
            "SELECT id, body, attempts, made_at FROM events WHERE next_at <= ? ORDER BY next_at LIMIT ?", (now, limit)
        )
        return [DueEvent(*row) for row in rows]

    def event_sent(self, event: DueEvent, delivered: bool, now: int) -> None:
        """Note an attempt to send a webhook: a failed one is repeated after a growing time, for a day."""
        with self._transaction() as db:
            if delivered:
                db.execute(
                    "UPDATE events SET attempts = 0, deliveries = deliveries - 1,"
                    " next_at = CASE WHEN deliveries > 1 THEN ? END WHERE id = ?",
                    (now + RETRY_FIRST_MS, event.id),
                )
                return
            wait = min(RETRY_FIRST_MS * 2 ** min(event.attempts, 10), RETRY_MAX_MS)
            next_at = now + wait if now - event.made_at < EVENT_LIFE_MS else None
            db.execute("UPDATE events SET attempts = attempts + 1, next_at = ? WHERE id = ?", (next_at, event.id))

    def next_due(self) -> int | None:
        """Return when something is due next, ``None`` if nothing is."""
        (at,) = self._db.execute(
            "SELECT min(next_at) FROM (SELECT min(next_at) AS next_at FROM payments UNION ALL"
            " SELECT min(next_at) FROM events)"
        ).fetchone()
        return None if at is None else int(at)

    def _report(self, payment: str, webhooks: Webhooks, now: int, refund: BankRefund | None = None) -> None:
        if webhooks is Webhooks.NEVER:
            return
        about = self.payment(payment)
        kind = f"payment.{about.state.value}" if refund is None else "refund.processed"
        body = msgspec.json.encode(BankEvent(kind, about, refund))
        at = now + (LATE_WEBHOOK_MS if webhooks is Webhooks.LATE else 0)
        deliveries = 2 if webhooks is Webhooks.TWICE else 1
        event = f"event_{secrets.token_urlsafe(12)}"
        self._db.execute("INSERT INTO events VALUES (?,?,?,?,0,?)", (event, body, now, at, deliveries))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


_ORDER = "id, key, hold, seats, amount, currency, expires_at, return_url"
_REFUND = "id, key, payment_id, amount"


def _values(order: OrderRow) -> tuple[str, str, str, str, int, str, int, str]:
    return (
        order.id,
        order.key,
        order.hold,
        order.seats,
        order.amount,
        order.currency,
        order.expires_at,
        order.return_url,
    )


def _payment(row: tuple[str, str, str, str, int, str, str, int]) -> BankPayment:
    payment, order, hold, seats, amount, currency, state, refunded = row
    known = PaymentState.REFUNDED if refunded >= amount else PaymentState(state)
    return BankPayment(payment, order, hold, seats, amount, currency, known, refunded)


def _refund(row: tuple[str, str, str, int]) -> BankRefund:
    refund, key, payment, amount = row
    return BankRefund(refund, key, payment, amount, RefundState.DONE)
