"""Mails: one for each booking, whatever is killed; refused ones are shown and retried; no address is repeated."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import text

from realtime import keys
from realtime.contact import Contact
from realtime.dev import valkey
from realtime.dev.fork_server import Fork
from realtime.dev.mailbox.store import parse
from realtime.job_states import JobState
from realtime.keeper import task_keeper
from realtime.keeper.task_keeper import TaskKeeper
from realtime.ledger import Ledger, NewBooking
from realtime.ledger.contacts import Whose
from realtime.ledger.rows import BookingRow, CancelledBy, NewExchange, Queue, RefundProgress, TaskRow, task_id
from realtime.ledger.shows import Shows
from realtime.locks.commands import run_command
from realtime.locks.queries import run_query
from realtime.model import Row, Show, Theatre, hold_of
from realtime.tickets.data import Locale, MailKind, Seller, Ticket
from realtime.tickets.link import TicketLinks
from realtime.tickets.mail import Sender
from realtime.tickets.token import derive_key
from realtime.wire.layouts import encode_layout, make_layout
from realtime.workers.booked_tickets import BookedTickets
from realtime.workers.mails import EXCHANGED, NO_ADDRESS, SENT, Mails
from realtime.workers.smtp import Smtp
from tests.cluster import grid, until
from tests.ledgers import new_ledger

from .conftest import PUBLIC, SECRET, Desk, end

LAYOUT = grid()
BOOKINGS = 6


@dataclass
class FakeMailServer:
    """A mail server in this process; ``on_mail`` may answer in its place, before or after the mail is kept."""

    url: str = ""
    arrived: list[tuple[str, bytes]] = field(default_factory=list)
    answer: str = "250 OK"
    on_mail: Callable[[int], None] | None = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.arrived += [(recipient, envelope.content) for recipient in envelope.rcpt_tos]
        if self.on_mail is not None:
            self.on_mail(len(self.arrived))
        return self.answer

    def message_ids(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for recipient, content in self.arrived:
            found.setdefault(recipient, set()).add(str(parse(content)["Message-ID"]))
        return found


@pytest.fixture
async def server() -> AsyncIterator[FakeMailServer]:
    here, port = FakeMailServer(), valkey.free_port()
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(here), "127.0.0.1", port)
    here.url = f"smtp://127.0.0.1:{port}"
    yield here
    listening.close()


def booking(name: str, seat: int, email: str, locale: str = "en") -> NewBooking:
    seats = ((LAYOUT.seats[seat].id, seat),)
    contact = Contact(email, "", "", "hi" if locale == "hi" else "en")
    return NewBooking(f"west-s.b{name:_<22}", "west-s", name, seats, f"paid {name}", 45_000, 1, contact=contact)


async def saved(ledger: Ledger, *bookings: NewBooking) -> list[TaskRow]:
    await ledger.save_theatre(Theatre("gateway", "Gateway", "Mumbai", "west"))
    await ledger.save_layout(LAYOUT.id, encode_layout(LAYOUT))
    start = "2030-01-01T18:30:00+05:30"
    await ledger.save_show(Show("west-s", "A show", "gateway", "Gateway", "Mumbai", "west", LAYOUT.id, 120, start))
    return [task for result in await ledger.record(bookings) for task in result.tasks]


async def booked(desk: Desk, *bookings: NewBooking) -> None:
    await desk.jobs.add(await saved(desk.ledger, *bookings))


async def all_done(desk: Desk) -> bool:
    return not await desk.ledger.unfinished_tasks(4_000_000_000_000, 100)


async def test_a_worker_that_is_killed_leaves_one_ticket_and_one_mail_for_each_booking(
    desk: Desk, server: FakeMailServer
) -> None:
    """It is killed when the server has a mail and has not answered yet; another one finishes, and is stopped."""
    workers: list[Fork] = []

    def kill(count: int) -> None:
        if count == 2:
            workers[0].kill()

    server.on_mail = kill
    await booked(desk, *(booking(f"n{n}", n, f"n{n}@example.in") for n in range(BOOKINGS)))
    workers.append(desk.worker(server.url))
    await asyncio.to_thread(workers[0].wait, 100)
    workers.append(desk.worker(server.url))
    await until(lambda: all_done(desk), timeout_s=120)
    assert await asyncio.to_thread(end, workers[1]) == 0
    ids = server.message_ids()
    assert sorted(ids) == [f"n{n}@example.in" for n in range(BOOKINGS)]
    assert all(len(each) == 1 for each in ids.values()), "mails that were sent twice are recognisable as one"
    assert len(server.arrived) <= BOOKINGS + 4, "only what was under way is sent again"
    files = [await desk.ledger.ticket_file(f"west-s.b{f'n{n}':_<22}") for n in range(BOOKINGS)]
    assert all(file is not None and file.startswith(b"%PDF") for file in files)


async def test_a_ticket_is_drawn_again_if_the_ledger_has_lost_it_and_its_job_is_completed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger was replaced by a backup from before; its position does not tell, because tickets are not counted."""
    monkeypatch.setattr(task_keeper, "YOUNG_MS", -1)
    one = booking("n1", 1, "n1@example.in")
    await booked(desk, one)
    desk.worker(queues="tickets")
    tickets = task_id(Queue.TICKETS, one.id)

    async def is_recorded() -> bool:
        row = await desk.ledger.task(tickets)
        return row is not None and await desk.jobs.states([row]) == [JobState.RECORDED]

    await until(is_recorded)
    async with desk.ledger.transaction() as connection:
        await connection.execute(text("DELETE FROM ticket_files"))
        await connection.execute(text("UPDATE tasks SET done_at = NULL"))
    await TaskKeeper(desk.ledger, desk.jobs).turn()

    async def drawn() -> bool:
        return await desk.ledger.ticket_file(one.id) is not None

    await until(drawn)


async def test_a_mail_that_is_refused_for_good_is_kept_shown_and_retried(desk: Desk, server: FakeMailServer) -> None:
    keeper = desk.keeper()
    await until(lambda: desk.master.command("GET", keys.RECONCILED))
    server.answer = "550 5.1.1 <asha@example.in>: no such user"
    new = booking("a", 1, "asha@example.in")
    await booked(desk, new)
    desk.worker(server.url, "mail")

    async def failed() -> list[dict[str, object]]:
        return list((await run_query(desk.master, "jobs", {"limit": 10}))["failed"])

    (job,) = await until(failed)
    assert (job["queue"], job["task"], job["attempts"]) == ("mail", f"mail.ticket.{new.id}", 1)
    assert "550" in str(job["reason"]) and "asha" not in str(job)
    server.answer = "250 OK"
    await run_command(desk.master, "retry_task", {"id": f"mail.ticket.{new.id}"})
    await until(lambda: _arrived(server, 1))
    assert "asha@" not in (desk.folder / "worker.log").read_text()
    assert not any(task.done() for task in keeper.tasks)


async def _arrived(server: FakeMailServer, count: int) -> bool:
    return len(server.arrived) == count


async def test_a_mail_waits_for_its_server_and_an_erased_address_gets_none(desk: Desk, server: FakeMailServer) -> None:
    server.answer = "451 4.3.2 later"
    waiting, erased = booking("a", 1, "asha@example.in", "hi"), booking("b", 2, "ravi@example.in")
    await booked(desk, waiting, erased)
    desk.worker(server.url, "mail")
    refused: list[int] = []
    server.on_mail = refused.append
    await until(lambda: _true(len(refused) >= 2))
    await desk.ledger.erase_contacts(Whose(email="ravi@example.in"), 5)
    server.answer = "250 OK"

    async def mails_done() -> bool:
        tasks = await desk.ledger.unfinished_tasks(4_000_000_000_000, 100)
        return not [task for task in tasks if task.queue.value == "mail"]

    await until(mails_done)
    assert sorted(server.message_ids()) == ["asha@example.in"]
    plain = parse(server.arrived[0][1]).get_body(("plain",))
    assert plain is not None and "नमस्ते" in plain.get_content()
    (token,) = re.findall(rf"{PUBLIC}/tickets#t=(\S+)", plain.get_content())
    assert TicketLinks([SECRET]).booking(token, time.time()).id == waiting.id


async def _true(value: bool) -> bool:
    return value


async def test_a_buyer_is_written_to_when_the_money_has_been_returned(desk: Desk, server: FakeMailServer) -> None:
    await booked(desk)
    refund = await desk.promised("a", contact=Contact("asha@example.in"))
    desk.worker(server.url)
    await desk.until_state(refund, RefundProgress.DONE)
    await until(lambda: _arrived(server, 1))
    plain = parse(server.arrived[0][1]).get_body(("plain",))
    assert plain is not None and "450.00" in plain.get_content()


class ErasedWhileDrawn(BookedTickets):
    """Tickets of buyers whose contact is erased while the mail is being written."""

    async def ticket(self, booking: BookingRow, locale: Locale, holder: str = "") -> Ticket:
        ticket = await super().ticket(booking, locale, holder)
        await self._ledger.erase_contacts(Whose(hold=hold_of(booking.id)), 5)
        return ticket


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = Ledger(new_ledger(tmp_path / "west.db"))
    await opened.open()
    yield opened
    await opened.close()


def mails_of(ledger: Ledger, server: FakeMailServer, tickets: type[BookedTickets] = BookedTickets) -> Mails:
    shows = Shows(ledger)
    drawn = tickets(ledger, shows, Seller("Hall"), derive_key(SECRET, "west"), {})
    sender = Sender("tickets@hall.example")
    return Mails(ledger, shows, drawn, Smtp(server.url), sender, "Hall", lambda *_: "", {})


async def test_an_address_that_is_erased_while_its_mail_is_written_gets_none(
    ledger: Ledger, server: FakeMailServer
) -> None:
    bookings = {MailKind.TICKET: booking("a", 1, "asha@example.in"), MailKind.CANCELLED: booking("b", 2, "b@b.in")}
    await saved(ledger, *bookings.values())
    mails = mails_of(ledger, server, ErasedWhileDrawn)
    for kind, new in bookings.items():
        assert await mails.send(TaskRow("a task", Queue.MAIL, new.id, 1, kind=kind.value)) == NO_ADDRESS
    assert server.arrived == []


async def test_exchanges_before_the_first_mail_was_sent_leave_one_mail_with_the_seats_of_now(
    ledger: Ledger, server: FakeMailServer
) -> None:
    new = booking("a", 1, "asha@example.in")
    await saved(ledger, new)
    for sequence, seat in ((1, 2), (2, 3)):
        await ledger.exchange(NewExchange(new.id, sequence, ((LAYOUT.seats[seat].id, seat),), 2))
    mails = mails_of(ledger, server)
    remarks = [await mails.send(task) for task in await ledger.open_tasks(new.id) if task.queue is Queue.MAIL]
    assert sorted(remarks) == sorted([EXCHANGED, EXCHANGED, SENT])
    assert len(server.arrived) == 1


async def test_the_seats_of_a_mail_are_named_as_the_plan_prints_them(ledger: Ledger, server: FakeMailServer) -> None:
    new = booking("a", 1, "asha@example.in")
    await saved(ledger, new)
    rows = (Row(0, 20, label="Box 3", seat_label="Chair %s"),)
    boxes = make_layout("Boxes", 200, 60, LAYOUT.categories, LAYOUT.seats, rows=rows)
    await ledger.save_layout(boxes.id, encode_layout(boxes))
    show = await ledger.show("west-s")
    assert show is not None
    await ledger.save_show(replace(show, layout=boxes.id))
    await mails_of(ledger, server).send(TaskRow("a task", Queue.MAIL, new.id, 1, kind=MailKind.TICKET.value))
    plain = parse(server.arrived[0][1]).get_body(("plain",))
    assert plain is not None and "Box 3 · Chair 2" in plain.get_content()


async def test_the_ticket_in_a_mail_has_its_language_also_if_the_contact_came_after_it_was_drawn(
    ledger: Ledger, server: FakeMailServer
) -> None:
    new = booking("a", 1, "asha@example.in", "hi")
    await saved(ledger, new)
    await ledger.save_ticket_file(new.id, b"%PDF in English", "en", 1)
    await mails_of(ledger, server).send(TaskRow("a task", Queue.MAIL, new.id, 1, kind=MailKind.TICKET.value))
    attached = [part.get_content() for part in parse(server.arrived[0][1]).iter_attachments()]
    assert attached[0].startswith(b"%PDF") and attached[0] != b"%PDF in English"


@pytest.mark.parametrize(("amount", "queues"), [(0, {Queue.ANALYTICS}), (1, {Queue.ANALYTICS, Queue.MAIL})])
async def test_nobody_is_written_to_about_a_refund_of_nothing(ledger: Ledger, amount: int, queues: set[Queue]) -> None:
    new = replace(booking("a", 1, "asha@example.in"), amount=amount)
    await saved(ledger, new)
    cancelled = await ledger.cancel(new.id, CancelledBy.OWNER, 4)
    assert cancelled is not None
    tasks = await ledger.update_refund(cancelled.refund.id, RefundProgress.DONE, 5)
    assert {task.queue for task in tasks} == queues
