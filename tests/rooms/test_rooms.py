"""The read path on real servers: replica -> feed -> room -> viewers, over WebSocket and long-polling."""

from __future__ import annotations

import asyncio
import random
import signal
import socket as socketlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from realtime import keys, limits
from realtime.errors import RegionUnavailable, ShowNotFound, TheatreConflict
from realtime.feeds.directory import Directory
from realtime.feeds.feed import Feed
from realtime.locks.master import LockMaster
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import SalesState, Theatre
from realtime.topology import Region, Topology
from realtime.transport.websocket_connection import WebSocketConnection
from realtime.wire.maps import pack_seats
from realtime.wire.shows import encode_show, encode_theatre
from tests.cluster import until
from tests.read_path import (
    LAYOUT,
    SHOW,
    Node,
    Servers,
    hold_id,
    known,
    mark_reconciled,
    serve_node,
    settled,
    viewer,
)
from tests.rebuilds import rebuild_show


async def many_changes(locks: SeatLocks, turns: int, seed: int) -> None:
    """Hold and release at random."""
    dice = random.Random(seed)
    live: list[str] = []
    for turn in range(turns):
        if live and dice.random() < 0.45:
            hold = live.pop(dice.randrange(len(live)))
            await locks.release(hold, hold)
        else:
            hold = hold_id(f"s{seed}-{turn}")
            try:
                await locks.hold(hold, hold, dice.sample(range(SHOW.seat_count), dice.randint(1, 4)))
                live.append(hold)
            except Exception as error:
                assert getattr(error, "code", "") == "seats_taken"


@pytest.mark.crowd
async def test_viewers_that_join_during_many_changes_end_with_the_master_s_map(node: Node) -> None:
    clients = [await viewer(node), await viewer(node, ["polling"])]
    changing = [asyncio.create_task(many_changes(node.locks, 150, seed)) for seed in (1, 2, 3)]
    for transports in (["websocket"], ["polling"], ["polling", "websocket"]) * 2:
        clients.append(await viewer(node, transports))
    await asyncio.gather(*changing)
    for client in clients:
        await settled(node, client)
        versions = [payload["version"] for event, payload in client.received if event == "seats:changed"]
        assert versions == sorted(set(versions)), "versions on one connection only rise"
    await asyncio.gather(*(client.close() for client in clients))


@pytest.fixture
async def slow_node(shared_servers: Servers) -> AsyncIterator[Node]:
    async for each in serve_node(shared_servers, fast=False):
        yield each


async def test_plain_emit_sends_the_same_where_the_fast_transport_is_off(slow_node: Node) -> None:
    clients = [await viewer(slow_node), await viewer(slow_node, ["polling"])]
    await many_changes(slow_node.locks, 100, 9)
    for client in clients:
        await settled(slow_node, client)
    await asyncio.gather(*(client.close() for client in clients))


async def test_many_changes_at_once_are_combined_into_few_frames(node: Node) -> None:
    client = await viewer(node)
    await asyncio.gather(*(node.locks.hold(hold_id(f"n{n}"), f"o{n}", [n]) for n in range(100)))
    await settled(node, client)
    frames = [payload for event, payload in client.received if event == "seats:changed"]
    assert len(frames) < 50, "a hundred changes of one moment are a few frames"
    await client.close()


async def test_a_lost_change_is_noticed_by_the_next_one(node: Node) -> None:
    client = await viewer(node)
    await node.locks.hold(hold_id("a"), "a", [1])
    await settled(node, client)
    # A change whose message is lost: written, never published.
    await node.locks.master.command("SETRANGE", keys.seats(SHOW.id), 5, "2")
    await node.locks.master.command("HINCRBY", keys.meta(SHOW.id), "version", 1)
    await node.locks.hold(hold_id("b"), "b", [2])
    await settled(node, client)
    assert client.status(SHOW.id, 5) == "sold"
    assert node.rooms.stats()["gaps"] >= 1
    await client.close()


async def test_a_map_that_differs_at_the_same_version_is_corrected_by_a_digest(node: Node) -> None:
    client = await viewer(node)
    await node.locks.master.command("SETRANGE", keys.seats(SHOW.id), 7, "3")
    epoch, version, digest = await node.locks.digest(SHOW.id)
    heartbeat = {"region": "west", "keeper": "k", "time": 0, "digests": {SHOW.id: (epoch, version, digest)}}
    await node.locks.master.command("PUBLISH", keys.HEARTBEAT, orjson.dumps(heartbeat))

    async def corrected() -> bool:
        return (await node.rooms.snapshot(SHOW))[3] == pack_seats(b"\0" * 7 + b"\3" + b"\0" * 112)

    await until(corrected)
    await client.close()


async def test_a_rebuilt_show_is_a_new_epoch_with_the_difference(node: Node) -> None:
    client = await viewer(node)
    await node.locks.hold(hold_id("a"), "a", [1])
    await settled(node, client)
    await rebuild_show(node.locks, SHOW.id, "e2", [Sale(hold_id("z"), "z", (1, 2))], [3])
    await settled(node, client)
    frame = [payload for event, payload in client.received if event == "seats:changed"][-1]
    assert (frame["previous_epoch"], frame["epoch"]) == ("e1", "e2")
    assert frame["sold"] == [1, 2]
    await client.close()


async def test_messages_that_can_not_be_decoded_are_skipped(node: Node) -> None:
    client = await viewer(node)
    for garbage in (b"", b"{", b"[]", b'{"epoch":1}', b"\xff\xfe", b'{"epoch":"e1","version":2,"held":[1000000]}'):
        await node.locks.master.command("PUBLISH", keys.changes(SHOW.id), garbage)
        await node.locks.master.command("PUBLISH", keys.HEARTBEAT, garbage)
        await node.locks.master.command("PUBLISH", keys.DIRECTORY, garbage)
    await node.locks.hold(hold_id("a"), "a", [1])
    await settled(node, client)
    await client.close()


async def test_viewers_get_the_sales_state(node: Node) -> None:
    client = await viewer(node)
    await node.locks.set_sales(SHOW.id, SalesState.PAUSED)
    await client.hears("show:status", status="paused")
    await node.locks.set_sales(SHOW.id, SalesState.OPEN)
    await client.hears("show:status", status="live")
    await client.close()


async def test_viewers_are_notified_when_sales_start_and_end(node: Node) -> None:
    client = await viewer(node)
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)  # times are stored in whole seconds

    async def declare(start_s: float, end_s: float) -> None:
        start, end = ((now + timedelta(seconds=s)).isoformat() for s in (start_s, end_s))
        await node.locks.declare(replace(SHOW, sales_start=start, sales_end=end), "ignored")

    await declare(1.0, 2.0)
    heard = await client.hears("show:status", status="not_started")
    assert abs(heard["sales_start"] - (now.timestamp() + 1) * 1000) < 2
    await client.hears("show:status", status="live")
    await client.hears("show:status", status="closed")
    await declare(-2.0, 60.0)
    await client.hears("show:status", status="live")
    again = await viewer(node)
    await declare(-2.0, -1.0)
    await again.hears("show:status", status="closed")
    assert (await node.rooms.snapshot(SHOW))[2] == "closed"
    await asyncio.gather(client.close(), again.close())


async def test_a_feed_leaves_a_dead_replica_and_returns_to_the_nearest_one(
    own_node: Node, own_servers: Servers
) -> None:
    client = await viewer(own_node)
    own_servers.near.kill()
    await own_node.locks.hold(hold_id("a"), "a", [1, 2])
    await settled(own_node, client)
    own_servers.far.kill()
    await own_node.locks.hold(hold_id("b"), "b", [3])
    await settled(own_node, client)
    moves = own_node.feed.moves
    own_servers.near.restart()
    await own_servers.near.wait_ready_async()

    async def moved_back() -> bool:
        return own_node.feed.moves > moves and own_node.feed.connected

    await until(moved_back)
    await own_node.locks.hold(hold_id("c"), "c", [4])
    await settled(own_node, client)
    await client.close()


async def test_an_unreachable_master_makes_maps_stale_until_it_answers_again(
    own_node: Node, own_servers: Servers
) -> None:
    client = await viewer(own_node)
    own_servers.master.process.send_signal(signal.SIGSTOP)
    status = await client.hears("show:status", status="stale")
    assert status["since"] > 0
    late = await viewer(own_node)
    assert late.maps[SHOW.id][1] == 1, "the last map is still served"
    own_servers.master.process.send_signal(signal.SIGCONT)
    await client.hears("show:status", status="live")
    await asyncio.gather(client.close(), late.close())


async def test_a_viewer_that_stops_reading_gets_no_frames_until_it_reads_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "VIEWER_UNSENT_BYTES", 20_000)
    reader = await viewer(node)
    async with ClientSession() as session:
        # A WebSocket client that joins by hand and then never reads again.
        socket = await session.ws_connect(f"{node.url}/socket.io/?EIO=4&transport=websocket", max_msg_size=0)
        await socket.receive()
        await socket.send_str("40")
        await socket.receive()
        await socket.receive()
        await socket.send_str(f'420["show:watch",{{"show":"{SHOW.id}"}}]')
        await socket.receive()
        assert socket._response is not None
        connection = socket._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.pause_reading()
        # Small buffers: else the kernel accepts megabytes for it.
        sids = list(node.rooms._rooms[SHOW.id].viewers)
        ends = [connection.transport, *(_transport(node, sid) for sid in sids)]
        for end in ends:
            for buffer in (socketlib.SO_RCVBUF, socketlib.SO_SNDBUF):
                end.get_extra_info("socket").setsockopt(socketlib.SOL_SOCKET, buffer, 4096)

        async def lagging() -> bool:
            # Frames with many seats, until the kernel accepts no more for this viewer.
            for n in range(20):
                hold = hold_id(f"w{n}-{random.random()}"[:20])
                await node.locks.hold(hold, hold, random.sample(range(120), 10))
                await node.locks.release(hold, hold)
            await node.locks.master.command("FCALL", "tt_version", 0)
            return node.rooms.stats()["lagging"] > 0

        monkeypatch.setattr(limits, "TICK_MIN_MS", 0)
        monkeypatch.setattr(limits, "TICK_MAX_MS", 0)
        await until(lagging)
        assert max(node.rooms.fanout.unsent(sid) for sid in sids) < 20_000 + 10_000
        await settled(node, reader)
        connection.transport.resume_reading()

        reading = asyncio.create_task(_read(socket))

        async def caught_up() -> bool:
            return node.rooms.stats()["lagging"] == 0

        await until(caught_up)
        assert node.rooms.stats()["viewers"] == 2, "it was caught up, not closed"
        reading.cancel()
    await reader.close()


def _transport(node: Node, sid: str) -> asyncio.Transport:
    connection = node.rooms.fanout.connection(sid)
    assert isinstance(connection, WebSocketConnection)
    return connection.transport


async def _read(socket: Any) -> None:
    async for message in socket:
        assert message.data


async def test_a_room_without_viewers_is_closed_after_a_while(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FEED_LINGER_S", 0.05)
    client = await viewer(node)
    assert node.rooms.stats()["rooms"] == 1
    await client.close()

    async def gone() -> bool:
        return node.rooms.stats()["rooms"] == 0

    await until(gone)


async def test_a_room_stays_open_while_a_viewer_waits_for_its_map(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FEED_LINGER_S", 0.01)
    read_map = node.feed.read_map

    async def read_slowly(show: str) -> Any:
        await asyncio.sleep(0.1)
        return await read_map(show)

    monkeypatch.setattr(node.feed, "read_map", read_slowly)
    await until(known(node))
    assert (await node.rooms.snapshot(SHOW))[:2] == ("e1", 1)


# --- the directory ------------------------------------------------------------------------------------------------
async def test_the_directory_follows_declarations(node: Node) -> None:
    await until(known(node))
    assert node.directory.show(SHOW.id) == SHOW
    with pytest.raises(ShowNotFound):
        node.directory.show("west-other")
    seat_ids = await node.directory.seat_ids(SHOW)
    assert seat_ids.index["F-12"] == [seat.id for seat in LAYOUT.seats].index("F-12")
    assert await node.directory.layout_blob("0" * 32) is None
    new = replace(SHOW, id="west-new", layout="f" * 32)
    await node.locks.master.command("HSET", keys.SHOWS, new.id, encode_show(new))
    await node.locks.master.command("PUBLISH", keys.DIRECTORY, b'{"show":"west-new"}')

    async def there() -> bool:
        return any(show.id == "west-new" for show in node.directory.shows())

    await until(there)
    with pytest.raises(RegionUnavailable):
        await node.directory.seat_ids(new)


async def test_shows_stay_known_when_their_master_has_lost_its_data(node: Node) -> None:
    await until(known(node))
    await node.locks.master.command("FLUSHALL")
    await node.locks.master.command("PUBLISH", keys.DIRECTORY, b"{}")
    new = replace(SHOW, id="west-new")
    await node.locks.master.command("HSET", keys.SHOWS, new.id, encode_show(new))
    await node.locks.master.command("PUBLISH", keys.DIRECTORY, b"{}")

    async def read_again() -> bool:
        return any(show.id == "west-new" for show in node.directory.shows())

    await until(read_again)
    assert node.directory.show(SHOW.id) == SHOW


async def test_a_theatre_that_two_regions_declare_is_refused(
    node: Node, shared_servers: Servers, own_servers: Servers
) -> None:
    south = Region("south", "Bengaluru", own_servers.region.master, {}, "")
    other = LockMaster(south)
    rival = Theatre("gateway", "Gateway", "Mumbai", "south")
    await other.command("HSET", keys.THEATRES, "gateway", encode_theatre(rival))
    await mark_reconciled(other)
    await other.close()
    feeds = {"west": Feed(shared_servers.region, "west"), "south": Feed(south, "west")}
    directory = Directory(Topology({"west": shared_servers.region, "south": south}), feeds)
    for feed in feeds.values():
        feed.start()

    async def read() -> bool:
        return directory.read_regions == {"west", "south"}

    await until(read)
    with pytest.raises(TheatreConflict):
        directory.show(SHOW.id)
    with pytest.raises(TheatreConflict):
        directory.region_of_theatre("gateway")
    assert directory.shows() == []
    await directory.close()
    await asyncio.gather(*(feed.close() for feed in feeds.values()))
