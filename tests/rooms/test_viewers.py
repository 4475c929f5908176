"""Viewers that return, leave early, watch too much, or do not read."""

from __future__ import annotations

import asyncio
import signal
import uuid
from dataclasses import replace

import orjson
import pytest
from aiohttp import ClientSession

from realtime import keys, limits
from realtime.errors import RateLimited, RegionUnavailable, TicketError, TooManyWatches
from realtime.wire.maps import unpack_seats
from realtime.wire.shows import encode_show
from tests.cluster import Client, until
from tests.read_path import SHOW, Node, Servers, hold_id, known, settled, viewer


async def declare(node: Node, count: int) -> list[str]:
    """Declare more shows of the same theatre; return their ids."""
    shows = [replace(SHOW, id=f"west-s{n}") for n in range(count)]
    for show in shows:
        await node.locks.declare(show, "e1")
        await node.locks.master.command("HSET", keys.SHOWS, show.id, encode_show(show))
    await node.locks.master.command("PUBLISH", keys.DIRECTORY, b"{}")

    async def there() -> bool:
        return len(node.directory.shows()) == count + 1

    await until(there)
    return [show.id for show in shows]


def sid_of(node: Node) -> str:
    """Return the only connection's Socket.IO session."""
    ((sid, _carrier),) = node.sio.manager.get_participants("/", None)
    return str(sid)


async def gone(node: Node) -> None:
    """Wait until nobody watches anything."""

    async def nobody() -> bool:
        return node.rooms.stats()["viewers"] == 0 and not node.rooms._watched

    await until(nobody)


async def test_a_viewer_that_returns_gets_only_what_it_missed(node: Node) -> None:
    first = await viewer(node)
    await node.locks.hold(hold_id("a"), "a", [1, 2])
    await settled(node, first)
    epoch, version, _ = first.maps[SHOW.id]
    await node.locks.release(hold_id("a"), "a", [1])
    await node.locks.hold(hold_id("b"), "b", [9])
    await settled(node, first)
    back = await Client.connect(node.url)
    since = {"epoch": epoch, "version": version}
    ack = await back.sio.call("show:watch", {"show": SHOW.id, "since": since})
    assert ack["changes"] == {"from": version, "free": [1], "held": [9]}
    assert (ack["epoch"], ack["version"], "seats" in ack) == (epoch, version + 2, False)
    for unknown in ({"epoch": "e0", "version": version}, {"epoch": epoch, "version": version + 100}):
        ack = await back.sio.call("show:watch", {"show": SHOW.id, "since": unknown})
        assert "changes" not in ack
        assert unpack_seats(ack["seats"], SHOW.seat_count) == first.maps[SHOW.id][2][: SHOW.seat_count]
    await asyncio.gather(first.close(), back.close())
    await gone(node)


async def test_the_number_of_shows_that_a_connection_watches_is_limited(node: Node) -> None:
    await until(known(node))
    shows = await declare(node, limits.MAX_WATCHES_PER_CONNECTION + 4)
    client = await Client.connect(node.url)
    sid = sid_of(node)
    asked = [node.rooms.watch(sid, node.directory.show(show), None) for show in shows]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, dict) for answer in answers) == limits.MAX_WATCHES_PER_CONNECTION
    assert sum(isinstance(answer, TooManyWatches) for answer in answers) == 4
    again = await node.rooms.watch(sid, node.directory.show(next(iter(node.rooms._watched[sid]))), None)
    assert again["seats"]
    await client.close()
    await gone(node)


async def test_a_viewer_that_left_while_the_map_was_read_does_not_join(own_node: Node, own_servers: Servers) -> None:
    await until(known(own_node))
    client = await Client.connect(own_node.url)
    sid = sid_of(own_node)
    own_servers.near.process.send_signal(signal.SIGSTOP)
    asked = asyncio.create_task(own_node.rooms.watch(sid, SHOW, None))
    await client.close()

    async def left() -> bool:
        return not own_node.sio.manager.is_connected(sid, "/")

    await until(left)
    own_servers.near.process.send_signal(signal.SIGCONT)
    with pytest.raises(TicketError):
        await asked
    assert own_node.rooms.stats()["viewers"] == 0


async def test_watching_a_show_of_an_unreachable_region_fails_and_keeps_nothing(
    own_node: Node, own_servers: Servers
) -> None:
    await until(known(own_node))
    client = await Client.connect(own_node.url)
    servers = (own_servers.near, own_servers.far, own_servers.master)
    for server in servers:
        server.process.send_signal(signal.SIGSTOP)
    with pytest.raises(RegionUnavailable):
        await own_node.rooms.watch(sid_of(own_node), SHOW, None)
    assert own_node.rooms.stats()["viewers"] == 0 and not own_node.rooms._watched
    for server in servers:
        server.process.send_signal(signal.SIGCONT)

    async def watched() -> bool:
        try:
            return bool(await own_node.rooms.watch(sid_of(own_node), SHOW, None))
        except RegionUnavailable:
            return False

    await until(watched)
    await client.close()


async def test_reading_a_map_over_http_keeps_its_room_open(node: Node) -> None:
    await until(known(node))
    await node.rooms.snapshot(SHOW)
    timer = node.rooms._rooms[SHOW.id]._linger
    assert timer is not None
    await node.rooms.snapshot(SHOW)
    later = node.rooms._rooms[SHOW.id]._linger
    assert later is not None and timer.cancelled() and later.when() > timer.when()


async def poller(node: Node, session: ClientSession) -> str:
    """Connect by long-polling, by hand; return the URL to fetch from."""
    await until(known(node))
    url = f"{node.url}/socket.io/?EIO=4&transport=polling"
    opened = await (await session.get(url)).text()
    poll = f"{url}&sid={orjson.loads(opened[1:])['sid']}"
    await session.post(poll, data="40")
    await session.get(poll)
    return poll


async def test_a_polling_viewer_that_fetches_nothing_is_closed_and_then_its_room(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "VIEWER_UNSENT_BYTES", 20_000)
    monkeypatch.setattr(limits, "VIEWER_STUCK_S", 0.2)
    monkeypatch.setattr(limits, "FEED_LINGER_S", 0.2)
    monkeypatch.setattr(limits, "TICK_MIN_MS", 0)
    async with ClientSession() as session:
        await poller(node, session)
        sid = sid_of(node)
        await node.rooms.watch(sid, SHOW, None)

        async def closed() -> bool:
            hold = hold_id(uuid.uuid4().hex[:20])
            await node.locks.hold(hold, "p", [1])
            await node.locks.release(hold, "p")
            assert node.rooms.fanout.unsent(sid) < 20_000 + 2 * 4096
            return node.rooms.stats()["viewers"] == 0

        await until(closed)
        await gone(node)

    async def closed_too() -> bool:
        return node.rooms.stats()["rooms"] == 0

    await until(closed_too)


async def test_a_viewer_that_reads_nothing_can_not_ask_for_more_maps(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "VIEWER_UNSENT_BYTES", 20_000)
    async with ClientSession() as session:
        poll = await poller(node, session)
        sid = sid_of(node)

        async def refused() -> bool:
            await session.post(poll, data=f'420["show:watch",{{"show":"{SHOW.id}"}}]')
            try:
                await node.rooms.watch(sid, SHOW, None)
            except RateLimited:
                return True
            return False

        await until(refused)
        await session.get(poll)
        assert (await node.rooms.watch(sid, SHOW, None))["seats"]


async def test_a_viewer_that_never_reads_is_closed_and_delays_nobody(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "VIEWER_UNSENT_BYTES", 20_000)
    monkeypatch.setattr(limits, "VIEWER_STUCK_S", 0.3)
    monkeypatch.setattr(limits, "TICK_MIN_MS", 0)
    reader = await viewer(node)
    async with ClientSession() as session:
        socket = await session.ws_connect(f"{node.url}/socket.io/?EIO=4&transport=websocket")
        await socket.receive()
        await socket.send_str("40")
        await socket.receive()
        await socket.send_str(f'420["show:watch",{{"show":"{SHOW.id}"}}]')
        assert socket._response is not None and socket._response.connection is not None
        transport = socket._response.connection.transport
        assert transport is not None
        transport.pause_reading()

        async def watching() -> bool:
            return node.rooms.stats()["viewers"] == 2

        await until(watching)
        slow = next(sid for sid in node.rooms._watched if sid != reader.sio.get_sid())
        # More than the kernel accepts for it, at once.
        await node.sio.emit("large", "x" * 20_000_000, to=slow)

        async def closed() -> bool:
            hold = hold_id(uuid.uuid4().hex[:20])
            await node.locks.hold(hold, "w", [1])
            await node.locks.release(hold, "w")
            await settled(node, reader)
            return node.rooms.stats()["viewers"] == 1 and list(node.rooms._watched) == [reader.sio.get_sid()]

        await until(closed)
        transport.resume_reading()
        await socket.close()
    await reader.close()
