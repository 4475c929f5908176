"""Contacts in the ledger: the last one given stays, an erased one never comes back, old ones are deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, update

from realtime.contact import Contact
from realtime.ledger import Ledger, schema
from realtime.ledger.contacts import GivenContact, Whose, holds_of_person
from realtime.ledger.rows import NewRefund, OrderRow, OrderState, Recorded, RefundProgress, RefundReason
from realtime.ledger.search import Find
from realtime.model import hold_of

from .test_store import booking, show, with_show

ASHA = Contact("asha@example.in", "+91 98765 43210", "Asha", "hi")
FAR = 4_000_000_000_000
"""After every show of these tests (ms)."""


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    opened = Ledger(url)
    async with with_show(opened):
        yield opened


def order(hold: str, at: int) -> OrderRow:
    return OrderRow("order", hold, "west-s", "a", (1,), 450, OrderState.OPEN, at, at, 0)


async def save_order(ledger: Ledger, order: OrderRow, contact: Contact) -> None:
    await ledger.save_orders([order], [GivenContact(order.hold, order.show_id, contact, order.created_at)])


async def open_tasks(ledger: Ledger) -> list[str]:
    return [task.id for task in await ledger.unfinished_tasks(FAR, 100)]


async def test_a_booking_has_a_ticket_task_and_with_an_address_a_mail_task(ledger: Ledger) -> None:
    known, unknown = replace(booking("a", [1]), contact=ASHA), booking("b", [2])
    results = await ledger.record([known, unknown])
    assert [sorted(task.id for task in result.tasks) for result in results] == [
        [f"analytics.booked.{known.id}", f"mail.ticket.{known.id}", f"tickets.{known.id}"],
        [f"analytics.booked.{unknown.id}", f"tickets.{unknown.id}"],
    ]
    assert await ledger.contact(hold_of(known.id)) == ASHA
    for done in ("tickets", "analytics.booked"):
        await ledger.finish_task(f"{done}.{known.id}", 5)
    (again,) = await ledger.record([known])
    assert [task.id for task in again.tasks] == [f"mail.ticket.{known.id}"]


@pytest.mark.parametrize("booked_first", [False, True])
async def test_the_contact_of_an_order_reaches_a_booking_without_one(ledger: Ledger, booked_first: bool) -> None:
    """The gateway's webhook books without the page; two keepers may record order and booking in either order."""
    new = booking("a", [1])
    if booked_first:
        await ledger.record([new])
    await save_order(ledger, order(hold_of(new.id), 1), ASHA)
    await ledger.record([new])
    assert await open_tasks(ledger) == [f"{queue}.{new.id}" for queue in ("analytics.booked", "mail.ticket", "tickets")]


@pytest.mark.parametrize("page_first", [False, True])
async def test_the_entries_of_page_and_webhook_are_recorded_together_without_losing_the_contact(
    ledger: Ledger, page_first: bool
) -> None:
    webhook = booking("a", [1])
    page = replace(webhook, contact=ASHA)
    results = await ledger.record([page, webhook] if page_first else [webhook, page])
    expected = [f"analytics.booked.{page.id}", f"mail.ticket.{page.id}", f"tickets.{page.id}"]
    assert [sorted(task.id for task in result.tasks) for result in results] == [expected, expected]
    assert await ledger.contact(hold_of(page.id)) == ASHA


async def test_two_payments_of_one_hold_that_are_recorded_together_end_in_a_booking_and_a_refund(
    ledger: Ledger,
) -> None:
    first = booking("a", [1])
    second = replace(first, payment="another")
    booked, doubled = await ledger.record([first, second])
    assert booked.recorded is Recorded.NEW and booked.refund is None
    assert doubled.refund is not None
    assert (doubled.refund.payment, doubled.refund.reason) == ("another", RefundReason.DOUBLED)


@pytest.mark.parametrize("done", [False, True])
async def test_the_contact_of_a_payment_reaches_a_refund_that_was_promised_without_one(
    ledger: Ledger, done: bool
) -> None:
    """The gateway's webhook comes before the page's entry, which has the contact."""
    webhook = NewRefund("west-s.ha", "west-s", "a", "paid", 450, RefundReason.LATE, at=1)
    refund = await ledger.promise_refund(webhook)
    assert refund is not None
    if done:
        await ledger.update_refund(refund.id, RefundProgress.DONE, 2)
    page = replace(webhook, contact=ASHA, at=3)
    assert await ledger.promise_refund(page) == await ledger.refund(refund.id)
    assert await ledger.contact(refund.hold) == ASHA
    await ledger.update_refund(refund.id, RefundProgress.DONE, 4)
    assert f"mail.refunded.{refund.id}" in await open_tasks(ledger)


async def test_the_contact_of_a_refused_booking_whose_payment_is_known_is_kept(ledger: Ledger) -> None:
    late = booking("a", [1])
    await ledger.promise_refund(NewRefund(hold_of(late.id), "west-s", "a", late.payment, 450, RefundReason.LATE, at=1))
    (refused,) = await ledger.record([replace(late, contact=ASHA)])
    assert refused.recorded is Recorded.REFUSED and refused.refund is not None
    assert await ledger.contact(hold_of(late.id)) == ASHA


async def test_the_contact_that_was_given_last_stays(ledger: Ledger) -> None:
    hold, later = hold_of(booking("a", []).id), Contact("later@example.in")
    await save_order(ledger, order(hold, 7), later)
    await save_order(ledger, order(hold, 3), ASHA)
    assert await ledger.contact(hold) == later
    both = [GivenContact(hold, "west-s", Contact(email), 8) for email in ("first@example.in", "second@example.in")]
    await ledger.save_orders([order(hold, 8)], both)
    assert await ledger.contact(hold) == both[1].contact, "both were given in one millisecond"


@pytest.mark.parametrize(
    "whose",
    [Whose(email="ASHA@example.in"), Whose(phone=ASHA.phone), Whose(phone="098765-43210"), Whose(hold="own")],
)
async def test_what_was_erased_does_not_come_back(ledger: Ledger, whose: Whose) -> None:
    mine, other = replace(booking("a", [1]), contact=ASHA), replace(booking("b", [2]), contact=Contact("b@example.in"))
    await ledger.record([mine, other])
    whose = replace(whose, hold=hold_of(mine.id)) if whose.hold else whose
    assert await ledger.erase_contacts(whose, 10) == 1
    assert await ledger.erase_contacts(whose, 11) == 0
    await ledger.record([mine])
    await save_order(ledger, order(hold_of(mine.id), 20), ASHA)
    assert await ledger.contact(hold_of(mine.id)) is None
    assert await ledger.contact(hold_of(other.id)) == other.contact


async def test_bookings_are_found_by_the_contact_of_their_hold_whatever_its_spelling(ledger: Ledger) -> None:
    mine, other = replace(booking("a", [1]), contact=ASHA), replace(booking("b", [2]), contact=Contact("b@example.in"))
    abroad = replace(booking("c", [3]), contact=Contact(phone="+98765 43210"))
    await ledger.record([mine, other, abroad])

    async def found(email: str = "", phone: str = "", show: str = "") -> list[str]:
        return [row.id for row in await ledger.find_bookings(Find(email=email, phone=phone, show=show))]

    for spelling in ("9876543210", "+91 98765 43210", "0091-98765-43210", "919876543210"):
        assert await found(phone=spelling) == [mine.id]
    assert await found(email="Asha@Example.in") == [mine.id]
    assert await found(phone="+9876543210") == [abroad.id]
    for nobody in ({"email": "asha"}, {"email": "%"}, {"phone": " "}, {"phone": "+"}, {"phone": "43210"}):
        assert await found(**nobody) == []
    assert await found(email="asha@example.in", show="west-other") == []
    assert await ledger.erase_contacts(Whose(phone=" "), 5) == 0
    await ledger.erase_contacts(Whose(email=ASHA.email), 5)
    assert await found(phone=ASHA.phone) == []


@pytest.mark.parametrize(
    ("whose", "index"),
    [({"email": "a@example.in"}, "ix_contacts_email_lower"), ({"phone": "98765 43210"}, "ix_contacts_phone_digits")],
)
async def test_a_search_by_contact_uses_an_index(ledger: Ledger, whose: dict[str, str], index: str) -> None:
    sent: list[tuple[str, Any]] = []
    async with ledger.transaction() as connection:
        postgres = connection.dialect.name == "postgresql"
        event.listen(connection.sync_connection, "before_cursor_execute", lambda *call: sent.append(call[2:4]))
        await holds_of_person(connection, **whose)
        if postgres:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # it prefers to read a small table whole
        statement, parameters = sent[0]
        explain = "EXPLAIN" if postgres else "EXPLAIN QUERY PLAN"
        plan = await connection.exec_driver_sql(f"{explain} {statement}", parameters)
        assert index in str(plan.all())


async def test_contacts_and_tickets_go_some_time_after_the_show_and_those_of_unpaid_orders_earlier(
    ledger: Ledger,
) -> None:
    paid = replace(booking("a", [1]), contact=ASHA)
    await ledger.record([paid])
    await ledger.save_ticket_file(paid.id, b"%PDF", "hi", 1)
    await save_order(ledger, order("west-s.hunpaid", 1), ASHA)
    assert await ledger.delete_old_contacts(1, 1) == 0
    assert await ledger.delete_old_contacts(1, 2) == 1, "the order that nobody paid"
    assert await ledger.contact(hold_of(paid.id)) == ASHA
    assert await ledger.delete_old_contacts(FAR, 2) == 1
    assert await ledger.contact(hold_of(paid.id)) is None and await ledger.ticket_file(paid.id) is None


async def test_a_show_with_a_start_that_can_not_be_read_keeps_no_contacts_of_others(ledger: Ledger) -> None:
    await ledger.save_show(show("west-t"))
    sound, odd = (replace(booking(name, [1], of), contact=ASHA) for name, of in (("a", "west-s"), ("b", "west-t")))
    await ledger.record([sound, odd])
    async with ledger.transaction() as connection:
        await connection.execute(update(schema.shows).where(schema.shows.c.id == "west-t").values(starts_at="soon"))
    assert await ledger.delete_old_contacts(FAR, 0) == 1
    assert await ledger.contact(hold_of(sound.id)) is None


async def test_an_error_of_the_database_does_not_repeat_a_contact(ledger: Ledger) -> None:
    with pytest.raises(Exception) as error:
        await ledger.record([replace(booking("a", [1], "west-nowhere"), contact=ASHA)])
    assert "west-nowhere" not in str(error.value) and "asha@" not in str(error.value)
