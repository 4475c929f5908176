"""The directory with a feed that answers when the test says so: which answer wins, and what counts as read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from realtime import keys
from realtime.errors import RegionUnavailable, ShowNotFound
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
        self.reconciled = 1
        self.theatres = [THEATRE]
        self.shows: list[Show] = [SHOW]
        self.unreadable = ""
        self.pending: list[str | int] = []
        self.open = asyncio.Event()
        self.open.set()

    async def command(self, *args: str | int) -> Any:
        self.pending.append(args[-1])
        await self.open.wait()
        shows = {show.id.encode(): encode_show(show) for show in self.shows} | {self.unreadable.encode(): b"{"}
        if args[0] == "EXISTS":
            return self.reconciled
        if args == ("HGETALL", keys.THEATRES):
            return {each.id.encode(): encode_theatre(each) for each in self.theatres}
        if args == ("HGETALL", keys.SHOWS):
            return shows
        return shows.get(str(args[2]).encode())


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
    feed.reconciled = 0
    directory.on_connected(feed)
    await read(directory)
    with pytest.raises(RegionUnavailable):
        directory.show("west-other")
    assert directory.show(SHOW.id) == SHOW, "what it has is known all the same"
    feed.theatres, feed.shows = [], []
    directory.on_connected(feed)
    await read(directory)
    assert directory.show(SHOW.id) == SHOW and directory.theatres() == [THEATRE]
    feed.reconciled = 1
    directory.on_connected(feed)
    await read(directory)
    assert directory.theatres() == [] and directory.show(SHOW.id) == SHOW


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
    for show in (by_id, by_region):
        with pytest.raises(ShowNotFound):
            directory.show(show.id)


async def test_one_declaration_that_can_not_be_decoded_does_not_hide_the_others(
    directory: Directory, feed: Any
) -> None:
    feed.unreadable = "west-broken"
    directory.on_connected(feed)
    await read(directory)
    assert directory.shows() == [SHOW]
