"""A room goes on after a read has failed with an error that is not one of redis-py's."""

from __future__ import annotations

import asyncio

import pytest

from realtime.feeds.replica import Map
from tests.read_path import Node, hold_id, settled, viewer


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
