"""Webhooks: signed, in order, repeated for a day, to public addresses only, and delivered again on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from bullmq import UnrecoverableError
from sqlalchemy import update
from standardwebhooks import Webhook

from realtime import keys
from realtime.clock import now_ms
from realtime.dev.fork_server import Fork
from realtime.ledger import Ledger, NewBooking, schema
from realtime.ledger.follow_ups import after_cancellation
from realtime.ledger.targets import Target
from realtime.ledger.webhooks import DeliveryState
from realtime.locks.commands import run_command
from realtime.locks.queries import run_query
from realtime.locks.seats import SeatLocks
from realtime.model import SalesState, hold_of
from realtime.topology import WebhookTarget
from realtime.workers.public_addresses import is_public
from realtime.workers.webhooks import NotDelivered, Webhooks
from tests.cluster import until

from .conftest import HOOK_SECRET, Desk
from .test_mails import booked, booking

OLD, NEW = "whsec_b2xkIHNlY3JldCBvZiB0aGUgc2hvcA==", HOOK_SECRET
BOOKINGS = 4
FAR = 4_000_000_000_000


@dataclass
class Shop:
    """The shop's system: checks each signature with its one secret, and keeps what arrived."""

    url: str = ""
    secret: str = NEW
    answers: list[int] = field(default_factory=list)
    """HTTP statuses of the next requests; 200 when there are no more."""
    arrived: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    on_event: Any = None

    async def take(self, request: web.Request) -> web.Response:
        body = await request.text()
        Webhook(self.secret).verify(body, dict(request.headers))
        self.arrived.append((request.headers["webhook-id"], orjson.loads(body)))
        if self.on_event is not None:
            self.on_event(len(self.arrived))
        return web.Response(status=self.answers.pop(0) if self.answers else 200, headers={"Location": "/elsewhere"})

    def story(self, hold: str) -> list[str]:
        """The types of the events about a hold, in the order in which they came first."""
        first: dict[str, str] = {}
        for event, body in self.arrived:
            if body["data"]["hold"] == hold:
                first.setdefault(event, body["type"])
        return list(first.values())


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    here, app = Shop(), web.Application()
    app.router.add_post("/hooks", here.take)
    server = TestServer(app)
    await server.start_server()
    here.url = str(server.make_url("/hooks"))
    yield here
    await server.close()


@pytest.fixture
async def subscribed(desk: Desk) -> AsyncIterator[Desk]:
    """A desk whose ledger writes webhooks to the target ``shop``."""
    desk.ledger.targets = [Target("shop", ("booking.confirmed", "booking.cancelled"))]
    yield desk


def sender(desk: Desk, url: str, *, private: bool = True, secrets: tuple[str, ...] = (NEW,)) -> Webhooks:
    return Webhooks(desk.ledger, {"shop": WebhookTarget(url, private=private)}, {"shop": secrets})


async def test_events_of_a_hold_are_sent_once_and_in_order_however_it_ends(desk: Desk, shop: Shop) -> None:
    """The first keeper stops in between; one lapsed hold is swept by a keeper, another may be by the next taker.

    The record of another show can't be read.
    """
    await booked(desk)
    show = await desk.ledger.show("west-s")
    assert show is not None
    await desk.ledger.save_show(replace(show, id="west-quick", hold_s=1))
    await desk.ledger.save_show(replace(show, id="west-broken"))
    async with desk.ledger.transaction() as connection:
        await connection.execute(update(schema.shows).where(schema.shows.c.id == "west-broken").values(body=b"?"))
    target = WebhookTarget(shop.url, ("hold.created", "hold.expired", "hold.released"), private=True)
    desk.settings = replace(desk.settings, topology=replace(desk.settings.topology, webhooks={"shop": target}))
    first = desk.keeper()
    await until(lambda: desk.master.command("GET", keys.REBUILT))
    await until(lambda: desk.ledger.log_positions())
    await desk.master.command("XADD", keys.log("west-broken"), "*", "kind", "held", "hold", f"west-broken.h{'_' * 22}")
    desk.worker(queues="webhooks", hooks=shop.url)
    locks = SeatLocks(desk.master)
    shows = ("west-quick", "west-quick", "west-s", "west-s")
    lapsing, swept, kept, given_up = (f"{name}.h{n:_<22}" for n, name in enumerate(shows))
    await locks.hold(lapsing, "a", [1])
    await until(lambda: _came(shop, lapsing, 1), timeout_s=120)
    await first.stop()
    desk.keepers.remove(first)
    await locks.hold(swept, "a", [2])
    await locks.hold(kept, "a", [3, 4])
    await locks.hold(given_up, "a", [5])
    await asyncio.sleep(1.1)
    await locks.hold("west-quick.h" + "9" * 22, "b", [2])
    desk.keeper()
    for hold in (lapsing, swept):
        await until(lambda hold=hold: _came(shop, hold, 2), timeout_s=120)
        assert shop.story(hold) == ["hold.created", "hold.expired"]
    await until(lambda: _came(shop, kept, 1), timeout_s=120)
    await locks.release(kept, "a", [3])
    await locks.release(given_up, "a")
    await until(lambda: _came(shop, given_up, 2), timeout_s=120)
    assert shop.story(given_up) == ["hold.created", "hold.released"]
    assert shop.story(kept) == ["hold.created"], "it has a seat left, and its log was read first"
    (created,) = [body["data"] for _id, body in shop.arrived if body["data"]["hold"] == kept]
    assert (created["show"], created["seats"]) == ("west-s", ["A-4", "A-5"])
    assert created["expires_at"] - created["created_at"] == show.hold_s * 1000
    assert len({event for event, _body in shop.arrived}) == len(shop.arrived)


async def _came(shop: Shop, hold: str, count: int) -> bool:
    return len(shop.story(hold)) == count


async def only_delivery(ledger: Ledger) -> Any:
    (delivery,) = await ledger.deliveries()
    return delivery


async def deliver(desk: Desk, hooks: Webhooks) -> None:
    task = await desk.ledger.task((await only_delivery(desk.ledger)).id)
    assert task is not None
    await hooks.deliver(task)


async def test_an_event_is_signed_with_every_secret_while_they_are_rotated(subscribed: Desk, shop: Shop) -> None:
    new = booking("a", 1, "asha@example.in")
    await booked(subscribed, new)
    hooks = sender(subscribed, shop.url, secrets=(OLD, NEW))
    await deliver(subscribed, hooks)
    shop.secret = OLD
    await subscribed.ledger.reopen_delivery((await only_delivery(subscribed.ledger)).id, now_ms())
    await deliver(subscribed, hooks)
    await hooks.close()
    (first, body), (second, _same) = shop.arrived
    assert first == second and body["type"] == "booking.confirmed"
    assert body["data"] == {
        "booking": new.id,
        "hold": new.id.replace(".b", ".h"),
        "show": "west-s",
        "seats": ["A-2"],
        "payment": "paid a",
        "amount": 45_000,
        "currency": "INR",
        "confirmed_at": 1,
    }
    delivery = await only_delivery(subscribed.ledger)
    assert [attempt.status for attempt in delivery.attempts] == [200, 200]


async def test_nothing_is_sent_to_an_address_that_is_not_public(subscribed: Desk, shop: Shop) -> None:
    port = shop.url.rpartition(":")[2].partition("/")[0]
    urls = [
        f"http://127.0.0.1:{port}/hooks",
        f"http://[::1]:{port}/hooks",
        f"http://[::ffff:127.0.0.1]:{port}/hooks",
        f"http://localhost:{port}/hooks",
        f"http://１２７.０.０.１:{port}/hooks",
        f"http://127。0。0。1:{port}/hooks",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/hooks",
    ]
    await booked(subscribed, fresh("a", 1))
    for url in urls:
        hooks = sender(subscribed, url, private=False)
        with pytest.raises(NotDelivered):
            await deliver(subscribed, hooks)
        await hooks.close()
    attempts = (await only_delivery(subscribed.ledger)).attempts
    assert [attempt.detail for attempt in attempts] == ["not a public address"] * len(urls)
    assert shop.arrived == []


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "100.64.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "fec0::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "nonsense",
    ],
)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_public(address)


def fresh(name: str, seat: int) -> NewBooking:
    """A booking of now: its webhooks have a day."""
    return replace(booking(name, seat, ""), confirmed_at=now_ms())


async def test_what_is_not_accepted_is_tried_again(subscribed: Desk, shop: Shop) -> None:
    await booked(subscribed, fresh("a", 1))
    refusals = [301, 400, 410, 500]
    hooks, shop.answers = sender(subscribed, shop.url), [*refusals]
    for _ in refusals:
        with pytest.raises(NotDelivered):
            await deliver(subscribed, hooks)
    await deliver(subscribed, hooks)
    await hooks.close()
    delivery = await only_delivery(subscribed.ledger)
    assert [attempt.status for attempt in delivery.attempts] == [*refusals, 200]
    assert delivery.state is DeliveryState.DONE and len(shop.arrived) == 5, "a redirect is not followed"


async def test_a_new_or_changed_show_is_sent_and_nothing_else_of_it(subscribed: Desk) -> None:
    subscribed.ledger.targets = [Target("shop", ("show.changed",))]
    for _ in range(2):
        await booked(subscribed)
    await subscribed.ledger.set_sales("west-s", SalesState.PAUSED)
    bodies = [orjson.loads(delivery.body) for delivery in await subscribed.ledger.deliveries(about="west-s")]
    assert [(body["type"], body["data"]["show"]["status"]) for body in bodies] == [
        ("show.changed", "paused"),
        ("show.changed", "live"),
    ]
    assert [task.subject for task in await subscribed.ledger.open_tasks("west-s")] == ["west-s"] * 2


async def cancel(desk: Desk, new: NewBooking) -> None:
    async with desk.ledger.transaction() as connection:
        await after_cancellation(connection, new.id, new.show_id, now_ms(), desk.ledger.targets)


async def test_what_was_given_up_after_a_day_does_not_hold_up_what_came_later(subscribed: Desk, shop: Shop) -> None:
    old = booking("a", 1, "")
    await booked(subscribed, old)
    await cancel(subscribed, old)
    hooks, shop.answers = sender(subscribed, shop.url), [500]
    cancelled, confirmed = await subscribed.ledger.deliveries()
    assert confirmed.give_up_at > now_ms(), "the clock by which it was booked does not count"
    async with subscribed.ledger.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE webhook_deliveries SET give_up_at = 1 WHERE id = '{confirmed.id}'")
    task = await subscribed.ledger.task(cancelled.id)
    assert task is not None
    await hooks.deliver(task)
    assert [delivery.state.value for delivery in await subscribed.ledger.deliveries()] == ["done", "failed"]
    given_up = await subscribed.ledger.task(confirmed.id)
    assert given_up is not None and given_up.done_at is None
    with pytest.raises(UnrecoverableError):
        await hooks.deliver(given_up)
    await hooks.close()
    assert len(shop.arrived) == 2, "it is not sent again by itself"


async def test_a_worker_that_is_killed_leaves_one_sequence_of_events_for_each_booking(
    subscribed: Desk, shop: Shop
) -> None:
    """It is killed while the shop has an event and has not answered; some events are refused at first."""
    bookings = [fresh(f"n{n}", n) for n in range(BOOKINGS)]
    await booked(subscribed, *bookings)
    for each in bookings:
        await cancel(subscribed, each)
    workers: list[Fork] = []

    def kill(count: int) -> None:
        if count == 4:
            workers[0].kill()

    shop.on_event, shop.answers = kill, [500, 503]
    await subscribed.jobs.add(await subscribed.ledger.unfinished_tasks(FAR, 100))
    workers.append(subscribed.worker(queues="webhooks,analytics", hooks=shop.url))
    await asyncio.to_thread(workers[0].wait, 100)
    workers.append(subscribed.worker(queues="webhooks,analytics", hooks=shop.url))

    async def delivered() -> bool:
        return {each.state for each in await subscribed.ledger.deliveries()} == {DeliveryState.DONE}

    await until(delivered, timeout_s=120)
    for each in bookings:
        assert shop.story(hold_of(each.id)) == ["booking.confirmed", "booking.cancelled"]
    ids = {event for event, _body in shop.arrived}
    assert len(ids) == 2 * BOOKINGS

    async def entered() -> int:
        return sum(hour.bookings for hour in await subscribed.ledger.figures(0, FAR))

    await until(lambda: _equals(entered, BOOKINGS))


async def _equals(figure: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await figure() == wanted


async def test_an_operator_sees_the_log_and_has_an_event_delivered_again(subscribed: Desk, shop: Shop) -> None:
    subscribed.keeper()
    await until(lambda: subscribed.master.command("GET", keys.RECONCILED))
    new = fresh("a", 1)
    await booked(subscribed, new)
    subscribed.worker(queues="webhooks", hooks=shop.url)

    async def log() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await run_query(
            subscribed.master, "deliveries", {"booking": new.id, "state": "done"}
        )
        return rows

    (row,) = await until(log)
    assert (row["type"], row["target"], [each["status"] for each in row["attempts"]]) == (
        "booking.confirmed",
        "shop",
        [200],
    )
    assert orjson.loads(row["body"])["data"]["booking"] == new.id
    await run_command(subscribed.master, "retry_task", {"id": row["id"]})

    async def twice() -> bool:
        return len(shop.arrived) == 2

    await until(twice)
    assert len({event for event, _body in shop.arrived}) == 1
