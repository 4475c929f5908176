"""Checks what follows each booking and refund: one ticket, one mail, one sequence of webhooks, one entry of the
analytics, and no task that was forgotten. No I/O.

Mails and webhooks may arrive more than once, because no server can tell whether a lost answer was a yes. A repeated one
has the Message-ID, or the ``webhook-id``, of the first, so ids are counted here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from loadtest.faults.judge.payments import Money
from loadtest.faults.judge.verdict import Verdict
from realtime.ledger.rows import AnalyticsKind
from realtime.ledger.targets import EventType


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that arrived; one that came again is the same one."""

    id: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook as it arrived, or as the ledger has it. ``subject`` is the booking or the refund."""

    id: str
    type: str
    hold: str
    subject: str


@dataclass(frozen=True, slots=True)
class AfterBooking:
    """What ledgers, mail server and the shop have at the end.

    ``tickets`` are bookings with a drawn ticket; ``entries`` (kind, subject) are those of the analytics; ``events`` are
    in the order of the ledger, ``arrived`` in that of the shop, repeats included; ``forged`` counts webhooks whose
    signature was wrong. ``contacts`` are the addresses of the ledger, by hold.
    """

    unfinished: Sequence[str] = ()
    tickets: Collection[str] = ()
    entries: Collection[tuple[str, str]] = ()
    contacts: Mapping[str, str] | None = None
    mails: Sequence[Mail] = ()
    events: Sequence[Event] = ()
    arrived: Sequence[Event] = ()
    forged: int = 0


def check_after_booking(
    after: AfterBooking,
    money: Money,
    given: Mapping[str, str],
    verdict: Verdict,
    lost: Collection[str] = (),
) -> None:
    """Compare what followed with the bookings and refunds. ``given``: addresses that a node acknowledged, by hold.

    A ledger that was set back may have lost the addresses of the holds ``lost``, before or after it was written to.
    """
    for task in after.unfinished:
        verdict.check("every task is done in the end", False, task)
    verdict.check("every task is done in the end", True, "")
    for booking in money.bookings:
        verdict.check("every booking has a ticket", booking.id in after.tickets, booking.id)
        counted = (AnalyticsKind.BOOKED.value, booking.id) in after.entries
        verdict.check("every booking is counted", counted, f"{booking.id}: no entry of the analytics")
    _check_mails(after, money, given, verdict, lost)
    _check_webhooks(after, money, verdict)


def _check_mails(
    after: AfterBooking, money: Money, given: Mapping[str, str], verdict: Verdict, lost: Collection[str]
) -> None:
    contacts = after.contacts or {}
    for hold, address in given.items():
        text = f"{hold}: the address was taken by a node, and the ledger has {contacts.get(hold)!r}"
        kept = contacts.get(hold) == address
        verdict.check("every acknowledged contact is in the ledger", kept or hold in lost, text)
    wanted = Counter(row.hold for row in money.bookings)
    wanted.update(row.hold for row in money.refunds if row.done)
    arrived: defaultdict[str, set[str]] = defaultdict(set)
    for mail in after.mails:
        arrived[mail.recipient].add(mail.id)
    for hold, address in contacts.items():
        found = len(arrived.pop(address, ()))
        text = f"{hold}: {found} mails for {wanted[hold]} bookings and refunds"
        verdict.check("one mail for each booking and refund", found == wanted[hold], text)
    for hold in lost:
        arrived.pop(given[hold], None)
    for address, ids in arrived.items():
        verdict.check(
            "one mail for each booking and refund", False, f"{len(ids)} mails to {address}, whom nobody named"
        )


def _check_webhooks(after: AfterBooking, money: Money, verdict: Verdict) -> None:
    verdict.check("every webhook is signed", not after.forged, f"{after.forged} signatures were wrong")
    first = list(dict.fromkeys(after.arrived))
    subjects = Counter((event.type, event.subject) for event in first)
    for booking in money.bookings:
        found = subjects.pop((EventType.BOOKING_CONFIRMED.value, booking.id), 0)
        verdict.check("one webhook for each booking and refund", found == 1, f"{booking.id}: {found} webhooks")
    done = sum(row.done for row in money.refunds)
    reported = sum(count for (kind, _subject), count in subjects.items() if kind == EventType.REFUND_COMPLETED)
    verdict.check("one webhook for each booking and refund", reported == done, f"{reported} webhooks, {done} refunds")
    unknown = [subject for kind, subject in subjects if kind == EventType.BOOKING_CONFIRMED]
    verdict.check("one webhook for each booking and refund", not unknown, f"webhooks about no booking: {unknown[:5]}")
    in_order, came = _by_hold(after.events), _by_hold(first)
    for hold, events in came.items():
        text = f"{hold}: {[event.type for event in events]}"
        verdict.check("webhooks about a hold come in order", events == in_order.get(hold), text)


def _by_hold(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.hold].append(event)
    return found
