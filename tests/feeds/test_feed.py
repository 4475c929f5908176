"""A feed on real servers: lost messages are noticed, servers with other data are left, nothing ends the feed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import orjson
import pytest
from redis import Redis

from realtime import keys, limits
from realtime.dev import valkey
from realtime.errors import RegionUnavailable
from realtime.feeds.feed import Feed
from realtime.feeds.listener import Listener
from realtime.feeds.replica import Replica
from realtime.topology import Plain, Region
from realtime.wire.maps import unpack_seats
from tests.cluster import until
from tests.read_path import SHOW, Node, Servers, hold_id, known, settled, viewer
from tests.rebuilds import rebuild_show


async def shown(node: Node, index: int, status: int) -> None:
    """Wait until the room's map has a seat in a status."""

    async def there() -> bool:
        seats = (await node.rooms.snapshot(SHOW))[3]
        return unpack_seats(seats, SHOW.seat_count)[index] == status

    await until(there)


async def heartbeat(node: Node, digests: object) -> None:
    content = {"region": "west", "keeper": "k", "time": 0, "digests": digests}
    await node.locks.master.command("PUBLISH", keys.HEARTBEAT, orjson.dumps(content))


async def test_no_message_ends_a_feed(node: Node) -> None:
    client = await viewer(node)
    version = (await node.locks.digest(SHOW.id))[1]
    changes: list[dict[str, object]] = [
        {"epoch": "e1", "version": version + 1, "held": [-1]},
        {"epoch": "e1", "version": version + 1, "held": [0, -1000]},
        {"epoch": "e1", "version": 10**18, "held": [0]},
        {"epoch": "", "version": -1, "sold": [0]},
    ]
    for message in changes:
        await node.locks.master.command("PUBLISH", keys.changes(SHOW.id), orjson.dumps(message))
    wrong: list[object] = [[], None, 3, {SHOW.id: 3}, {SHOW.id: [1]}, {SHOW.id: ["e1", "x", None]}, {SHOW.id: {}}]
    for digests in wrong:
        await heartbeat(node, digests)
    declarations: list[dict[str, object]] = [{"show": 3}, {"show": "x" * 1000}, {"theatre": None}, {"hold": {}}]
    for declaration in declarations:
        await node.locks.master.command("PUBLISH", keys.DIRECTORY, orjson.dumps(declaration))
        await node.locks.master.command("PUBLISH", keys.NOTICES, orjson.dumps(declaration))
    moves = node.feed.moves
    await node.locks.hold(hold_id("a"), "a", [1])
    await settled(node, client)
    assert node.feed.moves == moves
    await client.close()


async def test_a_lost_change_without_another_after_it_is_noticed_by_a_heartbeat(node: Node) -> None:
    client = await viewer(node)
    await node.locks.master.command("SETRANGE", keys.seats(SHOW.id), 5, "2")
    await node.locks.master.command("HINCRBY", keys.meta(SHOW.id), "version", 1)
    await heartbeat(node, {SHOW.id: await node.locks.digest(SHOW.id)})
    await settled(node, client)
    await client.close()


async def test_viewers_get_a_correction_when_their_map_differs_from_the_master_s(node: Node) -> None:
    client = await viewer(node)
    await node.locks.master.command("SETRANGE", keys.seats(SHOW.id), 7, "3")
    await heartbeat(node, {SHOW.id: await node.locks.digest(SHOW.id)})
    correction = await client.hears("seats:changed", blocked=[7])
    assert correction["from"] == correction["version"] == 1
    await node.locks.hold(hold_id("a"), "a", [1])
    await settled(node, client)
    await client.close()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the links of a node that starts after this wait for a machine that is busy with other things."""
    monkeypatch.setattr(limits, "RELAY_TIMEOUT_S", 30.0)


@pytest.mark.crowd
async def test_many_reads_at_once_are_all_served(patience: None, node: Node) -> None:
    await until(known(node))
    maps = await asyncio.gather(*(node.feed.read_map(SHOW.id) for _ in range(200)))
    assert all(found is not None for found in maps)
    await asyncio.gather(*(node.feed.command("GET", keys.seats(SHOW.id)) for _ in range(200)))


async def test_a_question_about_replication_takes_no_connection_from_the_reads(own_servers: Servers) -> None:
    replica = Replica(Plain(own_servers.near.url), "")
    pubsub = replica.pubsub()
    await pubsub.subscribe("changes")
    reads = [asyncio.create_task(replica.command("XREAD", "BLOCK", 300, "STREAMS", "none", "$")) for _ in range(50)]
    for _ in range(5):
        assert not (await replica.replication_status()).master
        await asyncio.sleep(0.1)
    assert not any(await asyncio.gather(*reads)), "nothing was added to the stream"
    await pubsub.aclose()  # type: ignore[no-untyped-call]
    await replica.close()


async def test_unsubscribing_and_subscribing_at_once_leaves_the_subscription(node: Node) -> None:
    await until(known(node))
    for round in range(20):
        await node.feed.subscribe(SHOW.id)
        await asyncio.gather(node.feed.unsubscribe(SHOW.id), node.feed.subscribe(SHOW.id))
        reply = await node.feed.command("PUBSUB", "NUMSUB", keys.changes(SHOW.id))
        count = next(iter(reply.values())) if isinstance(reply, dict) else reply[1]
        assert count == 1, f"round {round}"


async def test_a_room_that_is_opened_while_it_closes_gets_changes(node: Node) -> None:
    await until(known(node))
    for seat in range(10):
        await node.rooms.snapshot(SHOW)
        node.rooms._empty(node.rooms._rooms[SHOW.id])
        await node.rooms.snapshot(SHOW)
        await node.locks.hold(hold_id(f"r{seat}"), f"r{seat}", [seat])
        await shown(node, seat, 1)


async def test_a_replica_that_became_a_master_by_itself_is_left(own_node: Node, own_servers: Servers) -> None:
    client = await viewer(own_node)
    impostor = Redis(host=valkey.HOST, port=own_servers.near.port)
    impostor.replicaof("NO", "ONE")
    impostor.flushall()
    impostor.close()
    await own_node.locks.hold(hold_id("a"), "a", [1])
    await settled(own_node, client)
    assert own_node.directory.show(SHOW.id) == SHOW
    await client.close()


class HalfDeadProxy:
    """A proxy that can drop everything on the subscribed connections to a server, without closing them."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self.dropping = False
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, valkey.HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(valkey.HOST, self._target)
        subscribed = [False]
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.get_running_loop().create_task(self._pump(source, sink, subscribed))
            self._tasks.add(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, subscribed: list[bool]) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                subscribed[0] = subscribed[0] or b"SUBSCRIBE" in data
                if not (self.dropping and subscribed[0]):
                    sink.write(data)
        sink.close()


class Connections(Listener):
    """Counts how often listeners are made to read again."""

    def __init__(self) -> None:
        self.connected = 0

    def on_connected(self, feed: Feed) -> None:
        self.connected += 1


@pytest.fixture
async def proxy(shared_servers: Servers) -> AsyncIterator[HalfDeadProxy]:
    each = HalfDeadProxy(shared_servers.near.port)
    await each.start()
    yield each
    await each.close()


async def test_a_server_whose_subscription_is_dead_is_left(proxy: HalfDeadProxy, shared_servers: Servers) -> None:
    replicas = {"west": (Plain(f"redis://{valkey.HOST}:{proxy.port}"),), "south": (Plain(shared_servers.far.url),)}
    feed = Feed(Region("west", "Mumbai", Plain(shared_servers.master.url), replicas, ""), "west")
    noted = Connections()
    feed.listeners.append(noted)
    feed.start()

    async def connected() -> bool:
        return noted.connected == 1

    await until(connected)
    proxy.dropping = True

    async def moved() -> bool:
        return feed.connected and feed.moves > 0 and noted.connected > 1

    await until(moved)
    await feed.close()


async def test_after_a_silence_listeners_read_again(node: Node, shared_servers: Servers) -> None:
    feed = Feed(shared_servers.region, "west")
    noted = Connections()
    feed.listeners.append(noted)
    feed.start()

    async def connected() -> bool:
        return noted.connected > 0 and feed.live

    await until(connected)
    before = noted.connected
    feed._liveness._heard -= 10

    async def again() -> bool:
        return noted.connected > before

    await until(again)
    await feed.close()


async def test_changes_published_while_replicas_copy_a_restarted_master_are_noticed(
    own_node: Node, own_servers: Servers
) -> None:
    client = await viewer(own_node)
    await own_node.locks.hold(hold_id("a"), "a", [1])
    await settled(own_node, client)
    # With a save, so that it has everything when it is back.
    await asyncio.to_thread(own_servers.master.stop)
    own_servers.master.restart()
    await own_servers.master.wait_ready_async()

    async def held() -> bool:
        try:
            await rebuild_show(own_node.locks, SHOW.id, "e1")  # as a keeper does before anything is sold
            return bool(await own_node.locks.hold(hold_id("b"), "b", [2]))
        except RegionUnavailable:
            return False

    # Before the replicas are linked to their master again: no subscriber gets this.
    await until(held)
    await settled(own_node, client)
    await client.close()


async def test_a_change_that_is_published_while_a_replica_copies_its_master_at_once_is_noticed(
    own_node: Node, own_servers: Servers
) -> None:
    """The link is there again before anybody asks for it, and no heartbeat is missing."""
    client = await viewer(own_node)
    await settled(own_node, client)
    master = own_node.locks.master
    await master.command("CONFIG", "SET", "repl-diskless-sync-delay", "0", "repl-backlog-size", "16384")
    copies = int((await master.command("INFO", "stats"))["sync_full"])
    await asyncio.gather(
        master.command("CLIENT", "KILL", "TYPE", "replica"),
        master.command("SET", "more than the backlog has", "x" * 100_000),
        own_node.locks.hold(hold_id("a"), "a", [1]),
    )
    await settled(own_node, client)
    assert int((await master.command("INFO", "stats"))["sync_full"]) > copies
    await client.close()
