"""A master with replicas, and the rooms of a node on them, served by a real Socket.IO server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import socketio
from aiohttp import web

from realtime import keys
from realtime.dev import valkey
from realtime.feeds.directory import Directory
from realtime.feeds.feed import Feed
from realtime.locks.master import LockMaster, incarnation_of
from realtime.locks.seats import SeatLocks
from realtime.model import Show, Theatre
from realtime.rooms.rooms import Rooms
from realtime.topology import Plain, Region, Topology
from realtime.transport import guard
from realtime.transport.acceptor import serving
from realtime.transport.server import SocketServer
from realtime.wire.layouts import encode_layout
from realtime.wire.requests import Watch, parse
from realtime.wire.shows import encode_show, encode_theatre
from tests.cluster import Client, grid, until

LAYOUT = grid()
SHOW = Show(
    id="west-s",
    title="A show",
    theatre="gateway",
    theatre_name="Gateway",
    city="Mumbai",
    region="west",
    layout=LAYOUT.id,
    seat_count=len(LAYOUT.seats),
    starts_at="2030-01-01T18:30:00+05:30",
    prices={"Gold": 500},
)


@dataclass
class Servers:
    """A master and two replicas of it."""

    master: valkey.Valkey
    near: valkey.Valkey
    far: valkey.Valkey

    @property
    def region(self) -> Region:
        replicas = {"west": (Plain(self.near.url),), "south": (Plain(self.far.url),)}
        return Region("west", "Mumbai", Plain(self.master.url), replicas, "")


def start_servers(folder: Path) -> Servers:
    master = valkey.start(folder / "master")
    master.wait_ready()
    replicas = [valkey.start(folder / name, replica_of=master.port) for name in ("near", "far")]
    for replica in replicas:
        replica.wait_ready()
    return Servers(master, *replicas)


def stop_servers(servers: Servers) -> None:
    for server in (servers.near, servers.far, servers.master):
        server.kill()


@pytest.fixture(scope="module")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = start_servers(tmp_path_factory.mktemp("rooms"))
    yield servers
    stop_servers(servers)


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Servers]:
    """Servers that a test may kill."""
    servers = start_servers(tmp_path)
    yield servers
    stop_servers(servers)


@dataclass
class Node:
    """The read path of a node, and the locks to make things happen."""

    url: str
    rooms: Rooms
    feed: Feed
    directory: Directory
    locks: SeatLocks
    sio: socketio.AsyncServer


async def beat(master: LockMaster) -> None:
    """Publish heartbeats as a keeper does."""
    while True:
        await asyncio.gather(
            master.command("PUBLISH", keys.HEARTBEAT, b'{"region":"west","keeper":"k","time":0,"digests":{}}'),
            return_exceptions=True,
        )
        await asyncio.sleep(0.5)


async def mark_reconciled(master: LockMaster) -> None:
    """Mark a master as a keeper does that has reconciled it."""
    info = await master.command("INFO", "server", "replication")
    await master.command("SET", keys.RECONCILED, incarnation_of(info) + b" by-this-test.0 1")


async def serve_node(servers: Servers, *, fast: bool = True, heartbeat: bool = True) -> AsyncIterator[Node]:
    master = LockMaster(servers.region)
    await master.command("FLUSHALL")
    await master.load_functions()
    await mark_reconciled(master)
    locks = SeatLocks(master)
    await locks.declare(SHOW, "e1")
    await master.command("SET", keys.layout(LAYOUT.id), encode_layout(LAYOUT))
    theatre = Theatre("gateway", "Gateway", "Mumbai", "west")
    await master.command("HSET", keys.THEATRES, theatre.id, encode_theatre(theatre))
    await master.command("HSET", keys.SHOWS, SHOW.id, encode_show(SHOW))
    with patch.object(guard, "missing_parts", lambda: () if fast else ("a part",)):
        server = SocketServer()
    sio = server.sio
    feed = Feed(servers.region, "west")
    directory = Directory(Topology({"west": servers.region}), {"west": feed})
    rooms = Rooms(server.fanout, {"west": feed})

    async def connect(sid: str, environ: Any, auth: Any = None) -> None:
        await sio.emit("session", {"owner": "x", "token": "x"}, to=sid)

    async def watch(sid: str, payload: Any) -> dict[str, Any]:
        ask = parse(Watch, payload)
        return {"ok": True, **await rooms.watch(sid, directory.show(ask.show), ask.since)}

    async def unwatch(sid: str, payload: Any) -> dict[str, Any]:
        rooms.unwatch(sid, payload["show"])
        return {"ok": True}

    async def disconnect(sid: str, _reason: str) -> None:
        rooms.drop(sid)

    sio.on("connect", connect)
    sio.on("disconnect", disconnect)
    sio.on("show:watch", watch)
    sio.on("show:unwatch", unwatch)
    app = web.Application()
    server.attach(app)
    port = valkey.free_port()
    async with serving(app, valkey.HOST, port, shutdown_timeout=1):
        feed.start()
        beating = asyncio.create_task(beat(master)) if heartbeat else None
        try:
            yield Node(f"http://{valkey.HOST}:{port}", rooms, feed, directory, locks, sio)
        finally:
            if beating is not None:
                beating.cancel()
            await server.close()
            await rooms.close()
            await directory.close()
            await feed.close()
    await master.close()


@pytest.fixture
async def node(shared_servers: Servers) -> AsyncIterator[Node]:
    async for each in serve_node(shared_servers):
        yield each


@pytest.fixture
async def own_node(own_servers: Servers) -> AsyncIterator[Node]:
    async for each in serve_node(own_servers):
        yield each


async def viewer(node: Node, transports: list[str] | None = None) -> Client:
    await until(known(node))
    client = await Client.connect(node.url, transports=transports)
    assert (await client.call("show:watch", {"show": SHOW.id}))["ok"]
    return client


def known(node: Node) -> Any:
    async def check() -> bool:
        return "west" in node.directory.read_regions and node.feed.connected

    return check


def hold_id(name: str) -> str:
    return f"{SHOW.id}.h{name:_<22}"


async def settled(node: Node, client: Client) -> None:
    """Wait until a client is at the authority's version, then hold its map against the authority's."""
    epoch, version, _ = await node.locks.digest(SHOW.id)

    async def there() -> bool:
        return client.maps[SHOW.id][:2] == (epoch, version)

    await until(there)
    text: bytes = await node.locks.master.command("GET", keys.seats(SHOW.id))
    assert "".join(map(str, client.maps[SHOW.id][2][: SHOW.seat_count])) == text.decode()
