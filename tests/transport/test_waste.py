"""What addresses waste slows down their own new connections, and nobody else's."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from itertools import pairwise

import pytest
from aiohttp import web

from realtime import limits
from realtime.dev import valkey
from realtime.transport import fair_queue
from realtime.transport.acceptor import PendingConnection
from realtime.transport.fair_queue import FairQueue
from realtime.transport.waste import Waste
from tests.cluster import until
from tests.transport.test_bounds import GET, connect, is_served, serve
from tests.transport.test_fanout import Server
from tests.transport.test_websocket_connection import handshake

HALF_A_BODY = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{"


def test_an_address_is_slowed_only_while_it_wastes_much() -> None:
    waste = Waste()
    for _ in range(limits.ADDRESS_WASTED):
        waste.count("crowd", 0.0)
    assert not waste.slows("crowd", 0.0), "phones lose their networks"
    for _ in range(10 * limits.ADDRESS_WASTED):
        waste.count("crowd", 0.0)
    assert waste.slows("crowd", 0.0) and not waste.slows("other", 0.0)
    assert not waste.slows("crowd", limits.ADDRESS_WASTED / limits.ADDRESS_WASTED_PER_S + 0.1), "it ends within seconds"


def test_addresses_that_waste_too_much_together_are_slowed_and_the_others_are_not() -> None:
    waste = Waste()
    addresses = [f"bot {number}" for number in range(limits.ADDRESS_WASTED)]
    each = 2 * limits.WASTED // len(addresses)
    assert each < limits.ADDRESS_WASTED, "none of them would be slowed for itself"
    for address in addresses:
        for _ in range(each):
            waste.count(address, 0.0)
    assert all(waste.slows(address, 0.0) for address in addresses) and not waste.slows("other", 0.0)
    waste.count("phone", 1.0)
    assert waste.slows("phone", 1.0), "it waits in turn with the others"
    assert not waste.slows("phone", 1.1 + limits.WASTE_S)
    assert not any(waste.slows(address, limits.WASTED / limits.WASTED_PER_S + 0.1) for address in addresses)


def test_a_bounded_number_of_addresses_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WASTING_ADDRESSES", 10)
    waste = Waste()
    for number in range(100):
        waste.count(str(number), 0.0)
    assert len(waste._of) == 10


async def test_slowed_addresses_share_one_rate_and_others_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SLOWED_PER_S", 1)
    queue, done = FairQueue(lambda address, _now: address.startswith("slow")), list[str]()
    for _ in range(50):
        for address in ("slow 1", "slow 2", "other"):
            queue.add(address, lambda address=address: done.append(address))  # type: ignore[misc]
    await queue.wait("other")
    assert done.count("other") == 50
    assert len(done) <= 51, "one of a slowed address in this second"
    monkeypatch.setattr(limits, "SLOWED_PER_S", 1000)

    async def all_done() -> bool:
        return len(done) == 150

    await until(all_done, 10)
    last = [each for each in done if each != "other"]
    assert last[::2].count("slow 1") in (0, 50), "they take turns"


async def test_slowed_work_that_costs_nothing_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SLOWED_PER_S", 0.01)
    queue, done = FairQueue(lambda _address, _now: True), list[int]()

    def free(number: int) -> None:
        done.append(number)
        queue.cost_nothing()

    for number in range(100):
        queue.add("crowd", lambda number=number: free(number))  # type: ignore[misc]
    async with asyncio.timeout(5):
        await queue.wait("crowd")
    assert done == list(range(100))


def wasted(server: Server) -> float:
    level, _at = server.server.admission.waste._of.get("127.0.0.1", (0.0, 0.0))
    return level


@pytest.mark.parametrize(
    "part",
    [GET[:20], HALF_A_BODY, b"HANDSHAKE", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"LATE", b"IDLE"],
)
async def test_a_connection_that_leads_to_nothing_is_counted_once(monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr(limits, "ADDRESS_WASTED_PER_S", 0.0)
    if part == b"LATE":
        monkeypatch.setattr(limits, "BODY_S", 0.1)
    elif part == b"IDLE":
        monkeypatch.setattr(limits, "ADDRESS_IDLE", 0)
    async with serve() as server:
        data = {b"HANDSHAKE": handshake(server), b"LATE": HALF_A_BODY, b"IDLE": GET}.get(part, part)
        end = await connect(server, data)
        if part in (b"LATE", b"IDLE"):
            await end.reader.read()
        else:
            await asyncio.sleep(0.05)
        end.writer.close()

        async def gone() -> bool:
            return server.server.admission.open == 0 and not server.sio.eio.sockets

        await until(gone)
        assert wasted(server) == 1


async def test_a_connection_that_is_answered_is_not_counted() -> None:
    async with serve() as server:
        assert await is_served(server)
        assert wasted(server) == 0


async def test_a_slowed_address_is_still_served(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve() as server:
        now = asyncio.get_running_loop().time()
        for _ in range(2 * limits.ADDRESS_WASTED):
            server.server.admission.waste.count("127.0.0.1", now)
        assert server.server.admission.waste.slows("127.0.0.1", now)
        assert await is_served(server)


async def test_a_connection_whose_client_has_left_while_it_waited_is_not_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = list[object]()
    connection_made = PendingConnection.connection_made

    def count(self: PendingConnection, transport: asyncio.BaseTransport) -> None:
        made.append(self)
        connection_made(self, transport)

    monkeypatch.setattr(PendingConnection, "connection_made", count)
    async with serve() as server:
        port, admission = int(server.url.rpartition(":")[2]), server.server.admission
        for _ in range(50):
            socket.create_connection((valkey.HOST, port)).close()

        async def accepted_and_closed() -> bool:
            return admission.open == 0

        await asyncio.sleep(0.1)
        await until(accepted_and_closed)
        assert not made
        assert await is_served(server) and len(made) == 1


async def test_few_connections_may_keep_a_part_of_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESS_BODIES", 5)
    monkeypatch.setattr(limits, "BODIES", 8)
    async with serve() as server:
        bodies = server.server.admission.bodies
        port = int(server.url.rpartition(":")[2])
        ends = [await connect(server, HALF_A_BODY) for _ in range(9)]
        assert len(bodies) == 5 and await is_served(server)
        for address in ("127.0.0.2", "127.0.0.3"):
            for _ in range(4):
                other = await asyncio.open_connection(valkey.HOST, port, local_addr=(address, 0))
                other[1].write(HALF_A_BODY)
                ends.append(type(ends[0])(*other))
                await asyncio.sleep(0.02)
        assert len(bodies) == 8
        assert set(bodies._of) == {"127.0.0.1", "127.0.0.2", "127.0.0.3"}, "the address with most loses its oldest"
        for end in ends:
            end.writer.close()


async def test_a_silent_connection_is_not_opened_until_something_has_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else hundreds of them, each of which took its turn, could begin to send in one iteration of the loop."""
    monkeypatch.setattr(limits, "TURNS", 1)
    async with serve() as server:
        port, admission = int(server.url.rpartition(":")[2]), server.server.admission
        acceptor = server.server._acceptor
        assert acceptor is not None
        crowd = [socket.create_connection((valkey.HOST, port)) for _ in range(100)]

        async def silent() -> bool:
            return len(admission.silent) == 100

        await until(silent)
        for each in crowd:
            each.send(GET[:20])

        async def opened() -> bool:
            return len(admission.pending) == limits.ADDRESS_HEADS

        counts = [0]
        async with asyncio.timeout(10):
            while not await opened():
                await asyncio.sleep(0)
                counts.append(len(acceptor.pending))
        most = max(later - earlier for earlier, later in pairwise(counts))
        assert most <= 2 * fair_queue.AT_ONCE, "opened at once"
        for each in crowd:
            each.close()


async def test_requests_on_many_connections_of_one_address_are_handled_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "TURNS", 1)
    handled, iterations = Counter[int](), 0
    async with serve() as server:

        async def note(_request: web.Request) -> web.Response:
            handled[iterations] += 1
            return web.Response()

        server.app.router._frozen = False
        server.app.router.add_get("/note", note)
        ends = [await connect(server, GET) for _ in range(60)]
        for end in ends:
            end.writer.write(b"GET /note HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            while handled.total() < 60:
                await asyncio.sleep(0)
                iterations += 1
        assert max(handled.values()) <= 2 * fair_queue.AT_ONCE
        for end in ends:
            end.writer.close()
