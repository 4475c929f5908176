"""A room goes on after a read has failed: with an error that is not one of redis-py's, or because of damaged keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from realtime import keys
from realtime.errors import RegionUnavailable
from realtime.feeds.replica import Map
from realtime.keeper.heartbeat import Heartbeat
from realtime.rooms import room as room_module
from tests.cluster import until
from tests.read_path import SHOW, Node, hold_id, settled, viewer


async def test_a_room_goes_on_after_a_read_failed_in_an_unexpected_way(
    own_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await viewer(own_node)
    await settled(own_node, client)
    read_map, failed = own_node.feed.read_map, asyncio.Event()

    async def fails_once(show: str) -> Map | None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
        return await read_map(show)

    monkeypatch.setattr(own_node.feed, "read_map", fails_once)
    own_node.rooms.on_connected(own_node.feed)  # what the feed does after it has moved
    await failed.wait()
    await own_node.locks.hold(hold_id("a"), "a", [1])
    await settled(own_node, client)
    await client.close()


async def test_a_map_that_can_not_be_read_again_is_stale_although_the_region_is_live(
    own_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "UNREAD_S", 0.5)
    client = await viewer(own_node)
    await settled(own_node, client)

    async def fails(show: str) -> Map | None:
        raise RegionUnavailable(region="west")

    with monkeypatch.context() as patch:
        patch.setattr(own_node.feed, "read_map", fails)
        own_node.rooms.on_connected(own_node.feed)
        assert (await client.hears("show:status", status="stale"))["since"] > 0
        assert own_node.feed.live
    await own_node.locks.hold(hold_id("a"), "a", [1])
    await settled(own_node, client)
    await client.hears("show:status", status="live")
    await client.close()


META, SEATS = keys.meta(SHOW.id), keys.seats(SHOW.id)


DAMAGES: tuple[tuple[str | int, ...], ...] = (
    ("HSET", META, "version", "x"),
    ("HSET", META, "sales", "?"),
    ("SET", META, "x"),
    ("SETRANGE", SEATS, SHOW.seat_count, "0"),
)


async def test_a_map_that_can_not_be_read_is_logged_once_and_stops_no_other_until_it_is_repaired(
    own_node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room_module, "RETRY_S", 0.001)
    client = await viewer(own_node)
    await settled(own_node, client)
    rooms, master, read_map, reads = own_node.rooms, own_node.locks.master, own_node.feed.read_map, 0

    async def read_and_count(show: str) -> Map | None:
        nonlocal reads
        reads += 1
        return await read_map(show)

    async def read_in_vain() -> bool:
        rooms.on_connected(own_node.feed)
        return rooms.stats()["unreadable_maps"] == 1 and reads > 5

    monkeypatch.setattr(own_node.feed, "read_map", read_and_count)
    for number, damage in enumerate(DAMAGES):
        good = {key: await master.command("DUMP", key) for key in (META, SEATS)}
        caplog.clear()
        client.received.clear()
        reads = 0
        await master.command(*damage)
        await until(read_in_vain)
        assert [record.exc_info for record in caplog.records if "map can't be read" in record.message] == [None], damage
        other = replace(SHOW, id=f"west-t{number}")
        await own_node.locks.declare(other, "e1")
        assert (await rooms.snapshot(other))[2] == "live"
        await Heartbeat("west", "k", master, own_node.locks).beat()
        assert rooms.status(SHOW) == "stale", damage
        assert (await client.hears("show:status", status="stale"))["since"] > 0

        for key, dump in good.items():
            await master.command("RESTORE", key, 0, dump, "REPLACE")
        await own_node.locks.hold(hold_id(f"a{number}"), "a", [number])
        await settled(own_node, client)
        assert rooms.stats()["unreadable_maps"] == 0
        await client.hears("show:status", status="live")
    await client.close()


async def test_a_map_whose_seats_are_gone_is_stale_from_the_next_heartbeat_on(own_node: Node) -> None:
    client = await viewer(own_node)
    await settled(own_node, client)
    await own_node.locks.master.command("DEL", SEATS)
    await Heartbeat("west", "k", own_node.locks.master, own_node.locks).beat()
    await client.hears("show:status", status="stale")
    await client.close()
