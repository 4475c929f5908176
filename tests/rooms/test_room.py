"""One room with a feed that answers when the test says so: in which order it reads, and which map wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from realtime import limits
from realtime.feeds.listener import Listener
from realtime.feeds.replica import Map
from realtime.model import SalesState
from realtime.rooms.room import Room
from realtime.rooms.rooms import Rooms
from realtime.wire.maps import ChangeMessage, seat_lists
from tests.read_path import SHOW

SEATS = SHOW.seat_count


class ScriptedFeed:
    """A feed whose reads wait until the test answers them."""

    live = True
    stale_since = 0

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.calls: list[str] = []
        self._reads: asyncio.Queue[asyncio.Future[Map | None]] = asyncio.Queue()

    async def subscribe(self, show: str) -> None:
        self.calls.append("subscribe")

    async def unsubscribe(self, show: str) -> None:
        self.calls.append("unsubscribe")

    async def read_map(self, show: str) -> Map | None:
        self.calls.append("read")
        answer: asyncio.Future[Map | None] = asyncio.get_running_loop().create_future()
        self._reads.put_nowait(answer)
        return await answer

    async def answer(self, version: int, *held: int, epoch: str = "e1") -> None:
        """Wait for the next read, and answer it; nobody waits any more for one that was cancelled."""
        while (future := await asyncio.wait_for(self._reads.get(), 5)).cancelled():
            pass
        future.set_result((epoch, version, SalesState.OPEN, bytearray(seat in held for seat in range(SEATS)), None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @property
    def reads(self) -> int:
        return self.calls.count("read")


class NoFanout:
    """Sends nothing: these rooms have no viewers."""


@pytest.fixture
async def feed() -> ScriptedFeed:
    return ScriptedFeed()


@pytest.fixture
async def room(feed: ScriptedFeed) -> AsyncIterator[Room]:
    scripted: Any = feed
    silent: Any = NoFanout()
    each = Room(SHOW, scripted, silent, lambda _room: None)
    yield each
    await each.close()


def change(version: int, *held: int, epoch: str = "e1") -> ChangeMessage:
    return ChangeMessage(epoch, version, **seat_lists(dict.fromkeys(held, 1)))  # type: ignore[arg-type]


def held(room: Room) -> tuple[int, set[int]]:
    """Return the version of a room's map, and which seats are held in it."""
    assert room.state is not None
    return room.state.version, {seat for seat, status in enumerate(room.state.statuses) if status == 1}


async def test_a_room_subscribes_before_it_reads(room: Room, feed: ScriptedFeed) -> None:
    await feed.answer(1)
    assert feed.calls == ["subscribe", "read"]
    await room.ready(5)


async def test_changes_that_arrive_while_the_map_is_read_are_applied_to_it(room: Room, feed: ScriptedFeed) -> None:
    await asyncio.sleep(0)
    for version, seat in ((4, 4), (5, 5), (6, 6)):
        room.on_change(change(version, seat))
    await feed.answer(5, 5)  # the map has the changes up to 5 already
    assert held(room) == (6, {5, 6})
    assert feed.reads == 1


async def test_a_gap_between_the_map_and_the_changes_after_it_is_read_again(room: Room, feed: ScriptedFeed) -> None:
    await asyncio.sleep(0)
    room.on_change(change(9, 1))
    await feed.answer(5)
    await feed.answer(9, 1, 2)
    assert held(room) == (9, {1, 2})


async def test_an_answer_is_not_used_when_the_feed_moved_while_it_was_on_its_way(
    room: Room, feed: ScriptedFeed
) -> None:
    await asyncio.sleep(0)
    room.resync()  # the feed is on another server now
    await feed.answer(7, 7)
    assert room.state is None
    await feed.answer(8, 8)
    assert held(room) == (8, {8})
    assert feed.reads == 2


async def test_changes_of_the_server_before_are_dropped_with_its_answer(room: Room, feed: ScriptedFeed) -> None:
    await asyncio.sleep(0)
    room.on_change(change(8, 1, epoch="e1"))
    room.resync()
    await feed.answer(7)
    await feed.answer(7, epoch="e2")
    assert held(room) == (7, set()), "a change of an earlier epoch would be a gap"
    assert feed.reads == 2


async def test_an_older_map_of_a_replica_that_lags_does_not_replace_a_newer_one(room: Room, feed: ScriptedFeed) -> None:
    await feed.answer(7, 7)
    room.resync()
    await feed.answer(3, 3)
    assert held(room) == (7, {7})
    room.on_change(change(8, 8))
    assert held(room) == (8, {7, 8})
    assert feed.reads == 2


async def test_a_map_of_another_size_is_never_used(room: Room, feed: ScriptedFeed) -> None:
    await feed.answer(7, 7)
    room.resync()
    future = await asyncio.wait_for(feed._reads.get(), 5)
    future.set_result(("e1", 8, SalesState.OPEN, bytearray(SEATS + 1), None))
    await feed.answer(8, 8)
    assert held(room) == (8, {8})


async def test_more_changes_than_can_be_kept_make_the_room_read_once_more(
    room: Room, feed: ScriptedFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROOM_HISTORY_CHANGES", 2)
    await asyncio.sleep(0)
    for version in (2, 3, 4):
        room.on_change(change(version, version))
    await feed.answer(1)
    assert room.state is None
    await feed.answer(4, 2, 3, 4)
    assert held(room) == (4, {2, 3, 4})


async def test_a_digest_of_an_earlier_version_is_no_reason_to_read(room: Room, feed: ScriptedFeed) -> None:
    await feed.answer(7, 7)
    room.check_digest("e1", 6, 12345)
    await asyncio.sleep(0)
    assert feed.reads == 1
    room.check_digest("e1", 8, 12345)
    await feed.answer(8, 8)
    assert held(room) == (8, {8}) and room.gaps == 1


async def test_a_digest_of_another_epoch_is_a_reason_to_read_at_any_version(room: Room, feed: ScriptedFeed) -> None:
    await feed.answer(7, 7)
    room.check_digest("e2", 1, 12345)
    await feed.answer(1, epoch="e2")
    assert held(room) == (1, set())


async def test_an_older_map_does_not_bring_back_the_sales_state_from_before(feed: ScriptedFeed) -> None:
    scripted: Any = feed
    room = Room(SHOW, scripted, Mock(), lambda _room: None)
    await feed.answer(7)
    paused = ChangeMessage("e1", 8, sales=SalesState.PAUSED)
    room.on_change(paused)
    room.resync()
    await feed.answer(7)  # sales are open in it: of a replica that lags
    room.on_change(paused)  # it catches up
    assert room.status == "paused"
    room.resync()
    await feed.answer(9)
    assert room.status == "live"
    await room.close()


async def test_changes_behind_a_gap_are_no_gaps_of_their_own(room: Room, feed: ScriptedFeed) -> None:
    await asyncio.sleep(0)
    for version in (9, 10):
        room.on_change(change(version, 1))
    await feed.answer(5)
    assert room.gaps == 1
    await feed.answer(10, 1)
    assert held(room) == (10, {1})


async def test_a_viewer_that_joins_again_gets_nothing_of_before(feed: ScriptedFeed) -> None:
    scripted: Any = feed
    room = Room(SHOW, scripted, Mock(), lambda _room: None)
    await feed.answer(7)
    room.join("a")
    before = room.viewers["a"]
    room.join("a")
    now = room.viewers["a"]
    assert (before.left, now.left) == (True, False)
    assert now.connection is before.connection
    await room.close()


async def test_a_map_without_a_sales_window_keeps_the_one_that_was_announced(feed: ScriptedFeed) -> None:
    scripted: Any = feed
    room = Room(SHOW, scripted, Mock(), lambda _room: None)
    await feed.answer(7)
    room.on_change(ChangeMessage("e1", 8, sales=SalesState.OPEN, sales_start=0, sales_end=1))
    assert room.status == "closed"
    room.resync()
    await feed.answer(9)
    assert room.status == "closed"
    await room.close()


async def test_a_room_that_was_opened_again_while_it_closes_stays_subscribed(feed: ScriptedFeed) -> None:
    scripted: Any = feed
    rooms = Rooms(AsyncMock(), {SHOW.region: scripted})
    opening = asyncio.create_task(rooms.snapshot(SHOW))
    await feed.answer(1)
    await opening
    room = rooms._rooms[SHOW.id]
    room.resync()  # so that closing it takes some time
    rooms._empty(room)
    opening = asyncio.create_task(rooms.snapshot(SHOW))
    await feed.answer(1)
    await opening
    assert "unsubscribe" not in feed.calls
    await rooms.close()
    assert feed.calls[-1] == "unsubscribe"
