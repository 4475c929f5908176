"""Events about holds in the ledger: written once, by the newest fencing token, and not after the hold's booking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from realtime.ledger import Ledger, StaleFencingToken
from realtime.ledger.fencing import check_fencing_token
from realtime.ledger.hold_events import START
from realtime.ledger.targets import EventType, Target
from realtime.ledger.webhooks import Event, write_events
from realtime.model import Theatre, hold_of
from realtime.wire.layouts import encode_layout

from .test_store import LAYOUT, booking, show

BOOKED = booking("a", [1])
EVENTS = [Event(EventType.HOLD_CREATED, hold, hold, 5, {"hold": hold}) for hold in ("west-s.h1", hold_of(BOOKED.id))]


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[Ledger]:
    opened = Ledger(url, [Target("all"), Target("holds", ("hold.created",)), Target("both", tuple(EventType))])
    await opened.open()
    await opened.save_theatre(Theatre("gateway", "Gateway", "Mumbai", "west"))
    await opened.save_layout(LAYOUT.id, encode_layout(LAYOUT))
    await opened.save_show(show())
    await opened.begin_fencing_token("token", number=1)
    yield opened
    await opened.close()


async def events_of_holds(ledger: Ledger) -> list[tuple[str, str]]:
    found = await ledger.deliveries()
    return sorted((each.target, each.about) for each in found if each.type == "hold.created")


async def test_an_event_is_written_once_for_the_targets_that_name_it_unless_they_have_the_booking(
    ledger: Ledger,
) -> None:
    await ledger.record([BOOKED], "token")
    for _again in range(2):
        await ledger.record_hold_events("token", {START: "1-0", "west-s": "7-0"}, EVENTS)
    first, late = (event.about for event in EVENTS)
    assert await events_of_holds(ledger) == sorted([("both", first), ("holds", first), ("holds", late)])
    assert await ledger.log_positions() == {START: "1-0", "west-s": "7-0"}
    await ledger.forget_log_positions(["west-s"])
    assert await ledger.log_positions() == {START: "1-0"}
    await ledger.forget_log_positions()
    assert await ledger.log_positions() == {}


async def test_events_of_a_hold_wait_for_a_booking_that_another_keeper_records(ledger: Ledger, url: str) -> None:
    other = Ledger(url)
    await other.open()
    hold = hold_of(BOOKED.id)
    async with other.transaction() as connection:
        await check_fencing_token(connection, "token")
        await write_events(connection, [Event(EventType.BOOKING_CONFIRMED, hold, BOOKED.id, 6, {})], ledger.targets)
        writing = asyncio.create_task(ledger.record_hold_events("token", {}, EVENTS[1:]))
        await asyncio.wait([writing], timeout=0.3)
    await writing
    assert await events_of_holds(ledger) == [("holds", hold)], "only who is not sent the booking"
    await other.close()


async def test_a_keeper_that_was_replaced_writes_no_event_and_no_position(ledger: Ledger) -> None:
    await ledger.begin_fencing_token("newer", number=2)
    with pytest.raises(StaleFencingToken):
        await ledger.record_hold_events("token", {"west-s": "7-0"}, EVENTS)
    assert (await events_of_holds(ledger), await ledger.log_positions()) == ([], {})
