"""The directory with a feed that answers when the test says so: which answer wins, and what counts as read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import ResponseError

from realtime import keys, limits
from realtime.errors import RegionUnavailable, ShowNotFound
from realtime.feeds import directory as directory_module
from realtime.feeds.directory import Directory
from realtime.feeds.listener import Listener
from realtime.model import Show, Theatre
from realtime.topology import Plain, Region, Topology
from realtime.wire.shows import encode_show, encode_theatre
from tests.read_path import SHOW

THEATRE = Theatre("gateway", "Gateway", "Mumbai", "west")


class ScriptedFeed:
    """A feed of ``west`` that holds each command until the test lets it through."""

    region = "west"

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.is_marked = 1
        self.mark: bytes | None = b"by a keeper"
        self.theatres = [THEATRE]
        self.shows: list[Show] = [SHOW]
        self.unreadable = ""
        """The id of a show whose record is ``record``, "" for none."""
        self.record = b"{"
        self.theatre = b""
        """The record of a theatre that can't be read."""
        self.pending: list[str | int] = []
        self.open = asyncio.Event()
        self.open.set()

    async def command(self, *args: str | int) -> Any:
        self.pending.append(args[-1])
        await self.open.wait()
        shows = {show.id.encode(): encode_show(show) for show in self.shows}
        if self.unreadable:
            shows[self.unreadable.encode()] = self.record
        if args[0] == "EXISTS":
            return self.is_marked
        if args == ("HGETALL", keys.THEATRES):
            theatres = {each.id.encode(): encode_theatre(each) for each in self.theatres}
            return theatres | ({b"broken": self.theatre} if self.theatre else {})
        if args == ("HGETALL", keys.SHOWS):
            return shows
        return shows.get(str(args[2]).encode())

    async def reconciled(self) -> bytes | None:
        return self.mark


@pytest.fixture
async def feed() -> ScriptedFeed:
    return ScriptedFeed()


@pytest.fixture
async def directory(feed: ScriptedFeed) -> Directory:
    region = Region("west", "Mumbai", Plain("redis://127.0.0.1:1"), {}, "")
    scripted: Any = feed
    return Directory(Topology({"west": region}), {"west": scripted})


async def read(directory: Directory) -> None:
    await asyncio.wait_for(asyncio.gather(*directory._reading.values()), 5)


async def test_before_a_region_was_read_its_shows_are_unavailable_and_then_unknown(
    directory: Directory, feed: Any
) -> None:
    with pytest.raises(RegionUnavailable):
        directory.show("west-other")
    directory.on_connected(feed)
    await read(directory)
    with pytest.raises(ShowNotFound):
        directory.show("west-other")
    assert directory.show(SHOW.id) == SHOW


async def test_a_master_that_is_not_reconciled_yet_does_not_count_as_read_and_removes_nothing(
    directory: Directory, feed: Any
) -> None:
    feed.is_marked, feed.mark = 0, None
    directory.on_connected(feed)
    await read(directory)
    with pytest.raises(RegionUnavailable):
        directory.show("west-other")
    assert directory.show(SHOW.id) == SHOW, "what it has is known all the same"
    feed.theatres, feed.shows = [], []
    directory.on_connected(feed)
    await read(directory)
    assert directory.show(SHOW.id) == SHOW and directory.theatres() == [THEATRE]
    feed.is_marked, feed.mark = 1, b"by a keeper"
    directory.on_connected(feed)
    await read(directory)
    assert directory.theatres() == [] and directory.show(SHOW.id) == SHOW


async def test_a_master_with_older_data_removes_nothing_until_it_is_reconciled(directory: Directory, feed: Any) -> None:
    new, new_theatre = replace(SHOW, id="west-new"), replace(THEATRE, id="new")
    feed.shows, feed.theatres = [SHOW, new], [THEATRE, new_theatre]
    directory.on_connected(feed)
    await read(directory)
    feed.shows, feed.theatres, feed.mark = [SHOW], [THEATRE], None
    directory.on_connected(feed)
    await read(directory)
    assert directory.show(new.id) == new and new_theatre in directory.theatres()
    feed.mark = b"by a keeper"
    directory.on_connected(feed)
    await read(directory)
    with pytest.raises(ShowNotFound):
        directory.show(new.id)
    assert directory.theatres() == [THEATRE]


async def test_a_master_that_is_reconciled_again_during_a_read_removes_nothing(
    directory: Directory, feed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.on_connected(feed)
    await read(directory)
    feed.shows = []
    marks = [b"by a keeper", b"by another one"]

    async def reconciled() -> bytes:
        return marks.pop(0)

    monkeypatch.setattr(feed, "reconciled", reconciled)
    directory.on_connected(feed)
    await read(directory)
    assert marks == [] and directory.show(SHOW.id) == SHOW


async def test_declarations_during_a_read_are_read_after_it_and_the_newest_wins(
    directory: Directory, feed: Any
) -> None:
    directory.on_connected(feed)
    await read(directory)
    feed.open.clear()
    feed.pending.clear()
    directory.on_directory(feed, {"show": SHOW.id})
    await asyncio.sleep(0)
    directory.on_directory(feed, {"show": SHOW.id})
    await asyncio.sleep(0)
    assert feed.pending == [SHOW.id], "one read of a region at a time"
    feed.shows = [replace(SHOW, title="Another title")]
    feed.open.set()
    await read(directory)
    assert feed.pending == [SHOW.id, SHOW.id]
    assert directory.show(SHOW.id).title == "Another title"


async def test_a_show_that_belongs_to_another_region_is_ignored(directory: Directory, feed: Any) -> None:
    by_id, by_region = replace(SHOW, id="south-s"), replace(SHOW, id="west-x", region="south")
    feed.shows = [SHOW, by_id, by_region]
    directory.on_connected(feed)
    directory.on_directory(feed, {"show": by_region.id})
    await read(directory)
    assert directory.shows() == [SHOW]
    with pytest.raises(ShowNotFound):
        directory.show(by_id.id)
    with pytest.raises(RegionUnavailable):
        directory.show(by_region.id)
    assert {each.id for each in directory.unreadable("west")} >= {by_id.id, by_region.id}


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(encode_show(SHOW)), "id": BROKEN, **fields}).encode()


BROKEN = "west-broken"
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"\xff{",
    "half of it": encode_show(SHOW)[:40],
    "a list": b"[]",
    "too deep": b'{"x":' * 100_000,
    "no title": b'{"id": "west-broken"}',
    "a number as title": changed(title=5),
    "bytes that are no text": changed(title="TITLE").replace(b"TITLE", b"\xff"),
    "a lone surrogate": changed(title="TITLE").replace(b"TITLE", rb"\ud800"),
    "more seats than a number can say": changed(seat_count=10**30),
    "a price of ten digits": changed(prices={"Stalls": 9_999_999_999}),
    "a price below nothing": changed(prices={"Stalls": -1}),
    "the id of another show": changed(id="west-other"),
}


@pytest.mark.parametrize("record", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_record_that_can_not_be_read_is_listed_with_its_reason_and_hides_no_other(
    directory: Directory, feed: Any, record: bytes
) -> None:
    feed.unreadable, feed.record = BROKEN, record
    directory.on_connected(feed)
    await read(directory)
    assert directory.shows() == [SHOW]
    (found,) = directory.unreadable("west")
    assert (found.kind, found.id) == ("show", BROKEN) and 0 < len(found.reason) <= limits.MAX_TEXT_LENGTH
    with pytest.raises(RegionUnavailable):
        directory.show(BROKEN)
    feed.record = changed()
    directory.on_directory(feed, {"show": BROKEN})
    await read(directory)
    assert directory.unreadable("west") == [] and directory.show(BROKEN).title == SHOW.title
    feed.record = record
    directory.on_directory(feed, {"show": BROKEN})
    await read(directory)
    assert [each.id for each in directory.unreadable("west")] == [BROKEN]
    assert directory.shows() == [SHOW]


async def test_a_theatre_that_can_not_be_read_is_listed_with_its_reason_and_hides_no_other(
    directory: Directory, feed: Any
) -> None:
    feed.theatre = b"{"
    directory.on_connected(feed)
    await read(directory)
    assert directory.theatres() == [THEATRE] and directory.shows() == [SHOW]
    assert [(each.kind, each.id) for each in directory.unreadable("west")] == [("theatre", "broken")]


async def test_a_damaged_key_is_logged_once_with_its_cause_and_read_again_until_it_is_repaired(
    directory: Directory, feed: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(directory_module, "RETRY_S", 0.001)
    reads, command = 0, feed.command

    async def damaged(*args: str | int) -> Any:
        nonlocal reads
        reads += 1
        if reads < 5:
            raise RegionUnavailable(region="west") from ResponseError("WRONGTYPE of a key")
        return await command(*args)

    monkeypatch.setattr(feed, "command", damaged)
    directory.on_connected(feed)
    await read(directory)
    assert directory.show(SHOW.id) == SHOW
    assert [record.message for record in caplog.records] == [
        "directory: the records of west can't be read: WRONGTYPE of a key"
    ]
