"""What a stranger can make a node keep or do: each kind of waste ends at its limit, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from unittest.mock import Mock

import pytest
import uvloop
from aiohttp import ClientSession, web

from realtime import limits
from realtime.dev import valkey
from realtime.transport import fair_queue, limited_log, websocket_connection
from realtime.transport.admission import Admission
from realtime.transport.http_connection import HttpConnection
from realtime.web.shared_body import SharedBody
from tests.cluster import until
from tests.transport.test_fanout import Server
from tests.transport.test_websocket_connection import CLOSE, PING, Peer, all_gone, frame, handshake

BIG = bytes(8_000_000)
GET = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
POLLING = "/socket.io/?EIO=4&transport=polling"
SHORT = {"FIRST_REQUEST_S": 0.3, "HEAD_S": 0.3, "BODY_S": 0.3, "WRITE_S": 0.3, "IDLE_S": 0.3, "CONNECT_S": 0.3}


@asynccontextmanager
async def serve(kind: str = "acceptor", **options: Any) -> AsyncIterator[Server]:
    server = Server(kind, **options)
    server.sio.on("echo", lambda _sid, what: what)

    async def big(_request: web.Request) -> web.Response:
        return web.Response(body=SharedBody(BIG))

    async def read(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    server.app.router.add_get("/big", big)
    server.app.router.add_post("/read", read)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    for name, seconds in SHORT.items():
        monkeypatch.setattr(limits, name, seconds)
    monkeypatch.setattr(websocket_connection, "CLOSE_S", 0.1)
    async with serve() as each:
        yield each


async def connect(server: Server, *parts: bytes, read: bool = True) -> Peer:
    reader, writer = await asyncio.open_connection(valkey.HOST, int(server.url.rpartition(":")[2]), limit=2**16)
    if not read:
        transport: Any = writer.transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        transport.pause_reading()
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.01)
    return Peer(reader, writer)


async def open_files(server: Server) -> int:
    return server.server.admission.open


async def is_served(server: Server) -> bool:
    async with ClientSession() as http, http.get(server.url + "/nothing") as answer:
        return answer.status == 404


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"GET /socket.io/?EIO",),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\nX: ",),
        (GET, b"GET /nothing HTTP/1.1\r\nHost: "),
        (GET,),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{",),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",),
        (b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{",),
        (b"HANDSHAKE",),
        (b"HANDSHAKE", frame(b"40", fin=0)),
        (b"HANDSHAKE", b"\x81\xfe"),
    ],
    ids=[
        "nothing",
        "half a request line",
        "half a head",
        "half a second head",
        "idle",
        "half a body",
        "half a chunk",
        "half a body that nobody reads",
        "no CONNECT",
        "half a message",
        "half a frame",
    ],
)
async def test_what_a_client_does_not_finish_is_closed_at_its_deadline(
    server: Server, parts: tuple[bytes, ...]
) -> None:
    end = await connect(server, *(handshake(server) if part == b"HANDSHAKE" else part for part in parts if part))
    async with asyncio.timeout(10):
        while await end.reader.read(65536):
            pass
    end.writer.close()

    async def all_closed() -> bool:
        return await open_files(server) == 0 and not server.sio.eio.sockets

    await until(all_closed)


async def test_an_answer_that_is_not_read_costs_little_and_ends_at_its_deadline(server: Server) -> None:
    ends = [await connect(server, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" * 3, read=False) for _ in range(5)]
    found = [each for each in gc.get_objects() if isinstance(each, HttpConnection)]
    held = [each for each in found if each.transport is not None]  # the others are of tests before this one
    assert held
    for each in held:
        assert each.transport.get_write_buffer_size() <= 2 * limits.HTTP_UNSENT_BYTES
        kernel = each.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert kernel == limits.KERNEL_SEND_BYTES

    async def all_closed() -> bool:
        return await open_files(server) == 0

    await until(all_closed)
    for end in ends:
        end.writer.transport.abort()


FLOODS: dict[str, bytes] = {
    "pings": frame(b"x" * 125, PING),
    "empty pings": frame(b"", PING),
    "pongs": frame(b"", 10),
    "upgrades": frame(b"5"),
    "refused CONNECTs": frame(b"40/n,"),
    "acknowledgements": frame(b"431[]"),
    "binary": b"\x82\x84\0\0\0\0\1\2\3\4",
    "fragments": frame(b"", 0, fin=0),
    "engine pongs": frame(b"3"),
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_of_anything_is_cut_off(kind: str) -> None:
    async with serve() as server:
        first = frame(b"4", fin=0) if kind == "fragments" else b""
        end = await connect(server, handshake(server) + frame(b"40") + first)
        end.sends(FLOODS[kind] * (limits.EVENT_BURST + 2 * limits.EVENTS_OVER_LIMIT))
        heard = b""
        async with asyncio.timeout(10):
            try:
                while part := await end.reader.read(65536):
                    heard += part
                assert heard.endswith(bytes((0x80 | CLOSE, 2)) + struct.pack(">H", 1008))
            except ConnectionResetError:
                pass  # what the server did not read any more resets the connection, before its close frame is read
        assert len(heard) < 40_000, "what is over the limit is not answered"
        await all_gone(server)
        end.writer.close()


async def events_by_iteration(clients: int, events: int) -> list[int]:
    """Let clients at one address send some events each; return how many an iteration has answered, if it did any."""
    iterations, asked = 0, Counter[int]()
    async with serve() as server:

        async def note(_sid: str) -> None:
            asked[iterations] += 1

        server.sio.on("note", note)
        ends = [await connect(server, handshake(server) + frame(b"40")) for _ in range(clients)]
        for end in ends:
            end.sends(frame(b'42["note"]') * events)
        async with asyncio.timeout(20):
            while sum(asked.values()) < clients * events:
                await asyncio.sleep(0)
                iterations += 1
        for end in ends:
            end.writer.close()

        async def all_closed() -> bool:
            return is_empty(server)

        await until(all_closed)
    return [asked[each] for each in sorted(asked)]


async def test_events_of_many_clients_at_one_address_are_answered_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "AT_ONCE", 1)
    monkeypatch.setattr(limits, "TURNS", 1)
    assert max(await events_by_iteration(50, 1)) <= 3, "others wait for a few of them only"


async def test_clients_of_one_address_that_send_much_at_once_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "AT_ONCE", 1)
    monkeypatch.setattr(limits, "TURNS", 1)
    counts = await events_by_iteration(20, 60)
    assert max(counts[len(counts) // 2 :]) <= 2 * websocket_connection.TURN, "as much as of one client, about"


async def test_a_client_that_reads_nothing_is_not_read_either() -> None:
    async with serve(max_message_bytes=65536) as server:
        end = await connect(server, handshake(server) + frame(b"40"), read=False)
        ask = frame(b'420["echo","' + b"x" * 60_000 + b'"]')
        end.sends(ask * 400)
        (session,) = server.sio.eio.sockets.values()

        async def blocked() -> bool:
            return bool(session.tt_connection.unsent() > limits.VIEWER_UNSENT_BYTES)

        await until(blocked)
        await asyncio.sleep(0.2)
        most = limits.VIEWER_UNSENT_BYTES + (limits.EVENTS_AT_ONCE + 1) * 61_000
        assert session.tt_connection.unsent() < most
        assert end.unsent() > 10_000_000, "the rest is still with the client"
        assert await is_served(server)
        end.writer.transport.abort()


async def test_nothing_is_kept_of_what_a_client_sends_whose_session_the_server_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(websocket_connection, "CLOSE_S", 1.0)
    async with serve() as server:

        async def leave(sid: str) -> None:
            await server.sio.disconnect(sid)

        server.sio.on("leave", leave)
        end = await connect(server, handshake(server) + frame(b"40"), read=False)
        (session,) = server.sio.eio.sockets.values()
        connection = session.tt_connection
        end.sends(frame(b'42["leave"]') + frame(b'42["echo",0]') * 20_000)

        async def ended() -> bool:
            return bool(session.closed)

        await until(ended)
        await asyncio.sleep(0.2)
        assert connection._unread == b""
        assert not list(connection._frames or ())
        assert not connection._waiting
        end.writer.transport.abort()


async def test_a_polling_session_is_bounded_by_the_same_budget() -> None:
    async with serve() as server, ClientSession() as http:
        url = server.url + POLLING
        async with http.get(url) as answer:
            url += "&sid=" + (await answer.text()).partition('"sid":"')[2].partition('"')[0]
        statuses = []
        for body in ("40", *["41/n,\x1e40/n," * 8] * 200):
            async with http.post(url, data=body.removesuffix("\x1e")) as answer:
                statuses.append(answer.status)
            if statuses[-1] != 200:
                break
        assert statuses[-1] == 400 and not server.sio.eio.sockets


async def test_a_post_that_is_announced_as_too_large_is_answered_and_its_session_freed() -> None:
    async with serve() as server, ClientSession() as http:
        async with http.get(server.url + POLLING) as answer:
            sid = (await answer.text()).partition('"sid":"')[2].partition('"')[0]
        ask = f"POST {POLLING}&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n".encode()
        end = await connect(server, ask)
        assert (await asyncio.wait_for(end.reader.readline(), 5)).startswith(b"HTTP/1.1 4")
        assert not server.sio.eio.sockets
        end.writer.close()


async def test_a_packet_behind_the_end_of_its_session_has_no_effect(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with ClientSession() as http:
        async with http.get(server.url + POLLING) as answer:
            sid = (await answer.text()).partition('"sid":"')[2].partition('"')[0]
        async with http.post(f"{server.url}{POLLING}&sid={sid}", data="1\x1e40\x1e421[]") as answer:
            assert answer.status == 200
    assert server.sids == [] and is_empty(server)
    assert not caplog.records


@pytest.mark.parametrize("packets", [(b"40",), (b"40", b"40", b'42["echo",1]')], ids=["alone", "with more behind it"])
async def test_a_client_that_leaves_while_it_is_connected_leaves_nothing(
    server: Server, caplog: pytest.LogCaptureFixture, packets: tuple[bytes, ...]
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def connecting(*_who: object) -> None:
        asked.set()
        await go_on.wait()

    server.sio.on("connect", connecting)
    end = await connect(server, handshake(server), *map(frame, packets))
    await asked.wait()
    end.writer.transport.abort()

    async def ended() -> bool:
        return not server.sio.eio.sockets

    await until(ended)
    go_on.set()

    async def left() -> bool:
        return len(server.gone) == 1 and is_empty(server)

    await until(left)
    assert not caplog.records


def is_empty(server: Server) -> bool:
    """Whether the server knows no Socket.IO session."""
    return not list(server.sio.manager.get_participants("/", None))


async def test_a_head_that_is_too_long_is_refused(server: Server) -> None:
    lines = (b"X: " + b"y" * 4000 + b"\r\n") * 5
    long_line = b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    whole = GET[:-2] + lines + b"\r\n"
    opening = handshake(server)[:-2] + lines + b"\r\n"
    in_parts = ((GET[:-2] + lines,), (GET, GET[:-2] + lines), (long_line,))
    for parts in (*in_parts, (whole,), (GET, whole), (GET + whole,), (opening,)):
        end = await connect(server, *parts)
        async with asyncio.timeout(5):
            heard = b""
            while part := await end.reader.read(65536):
                heard += part
        assert heard.rpartition(b"HTTP/1.")[2][2:5] in (b"400", b"431"), heard
        end.writer.close()


async def test_a_head_of_nearly_the_longest_length_is_accepted(server: Server) -> None:
    end = await connect(server, GET[:-2] + (b"X: " + b"y" * 5000 + b"\r\n") * 3 + b"\r\n")
    assert (await asyncio.wait_for(end.reader.readline(), 5)).startswith(b"HTTP/1.1 404")
    end.writer.close()


SECRET = b"Zq7-a-secret-Zq7"


@pytest.mark.parametrize("kind", ["acceptor", "emit"])
@pytest.mark.parametrize(
    "request_",
    [
        GET[:-2] + b"Authorization: Bearer " + SECRET + b"\r\r\n\r\n",
        GET[:-2] + b"Authorization: Bearer \x01" + SECRET + b"\r\n\r\n",
        GET[:-2] + b"Authorization: Bearer " + SECRET + b"\x00\r\n\r\n",
        GET[:-2] + b"Authorization: Bearer " + SECRET + b"\n\x01x: y\r\n\r\n",
        GET[:-2] + b"Authorization: " + SECRET + b"a" * 9000 + b"\r\n\r\n",
        GET[:-2] + b"Sec-WebSocket-Key1: " + SECRET + b"\r\n\r\n",
        GET[:-2] + b"Content-Length: " + SECRET + b"\r\n\r\n",
        GET[:-2] + SECRET + b"\r\n\r\n",
        b"GET /nothing?token=" + SECRET + b" HTTP/banana\r\n\r\n",
        b"GET /nothing?token=" + SECRET + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[" + SECRET + b"/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n",
        GET + SECRET + b"\r\n\r\n",
        f"GET {POLLING}&sid=".encode() + SECRET + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST {POLLING}&sid=".encode() + SECRET + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        f"GET {POLLING} HTTP/1.1\r\nHost: x\r\nOrigin: https://".encode() + SECRET + b"\r\n\r\n",
    ],
)
async def test_nothing_of_a_malformed_request_but_the_kind_of_its_fault_is_logged(
    kind: str, request_: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limited_log, "PAUSE_S", 0.0)
    async with serve(kind) as server:
        end = await connect(server, request_)
        async with asyncio.timeout(5):
            heard = await end.reader.read(65536)
        end.writer.close()
    assert b" 4" in heard[:13], heard
    assert caplog.text
    assert SECRET.decode() not in caplog.text


async def test_an_address_with_too_much_unfinished_loses_its_oldest_and_is_still_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ADDRESS_IDLE", "ADDRESS_UNFINISHED", "ADDRESS_HEADS", "ADDRESS_BODIES", "ADDRESS_UNCONNECTED"):
        monkeypatch.setattr(limits, name, 10)
    monkeypatch.setattr(limits, "BURST_S", 0.0)
    async with serve() as server:
        upload = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        for parts in ((GET[:20],), (GET,), (handshake(server),), (upload,)):
            ends = [await connect(server, *parts) for _ in range(15)]
            assert await is_served(server)
            for end in ends[:4]:
                async with asyncio.timeout(5):
                    while await end.reader.read(65536):
                        pass
            for end in ends:
                end.writer.close()


async def test_connections_of_one_address_and_in_all_are_bounded() -> None:
    async with serve(admission=Admission(per_address=8, most=100)) as server:
        ends = [await connect(server, GET[:20]) for _ in range(12)]
        assert await open_files(server) == 8 and server.server.admission.refused == 4
        for end in ends:
            end.writer.close()
    async with serve(admission=Admission(per_address=100, most=8)) as server:
        ends = [await connect(server, GET) for _ in range(12)]
        assert await open_files(server) == 8
        assert await is_served(server), "an idle connection is closed for a new one"
        for end in ends:
            end.writer.close()


async def test_an_address_with_hundreds_of_new_connections_does_not_delay_another_address_until_all_are_served() -> (
    None
):
    async with serve() as server:
        port = int(server.url.rpartition(":")[2])
        crowd = [socket.create_connection((valkey.HOST, port)) for _ in range(100)]  # fewer than the kernel queues
        for each in crowd:
            each.send(GET)
        other = socket.create_connection((valkey.HOST, port), source_address=("127.0.0.2", 0))
        other.send(GET)
        other.setblocking(False)
        loop = asyncio.get_running_loop()
        assert (await asyncio.wait_for(loop.sock_recv(other, 4096), 5)).startswith(b"HTTP/1.1 404")
        answered = [each for each in crowd if select.select([each], [], [], 0)[0]]
        assert len(answered) < 50, "the other address was served behind all of them"
        for each in crowd:
            each.settimeout(5)
            assert (await asyncio.to_thread(each.recv, 4096)).startswith(b"HTTP/1.1 404")
            each.close()
        other.close()


async def test_sessions_that_an_address_has_no_room_for_are_gone_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESS_UNCONNECTED", 2)
    async with serve(admission=Admission()) as server, ClientSession() as http:
        for _ in range(20):
            async with http.get(server.url + POLLING) as answer:
                assert answer.status == 200

        async def forgotten() -> bool:
            return len(server.sio.eio.sockets) <= 8  # young ones are spared, up to four times the limit

        await until(forgotten, 5.0)


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def broken_off(server: Server, ask: bytes) -> None:
    end = await connect(server, ask, read=False)
    end.writer.transport.abort()


async def refused_upload(server: Server, ask: bytes) -> None:
    end = await connect(server, ask)
    await end.reader.readline()
    end.writer.transport.abort()


@pytest.mark.parametrize(
    "ask",
    [
        b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nx",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        GET,
        b"DELETE /read HTTP/1.1\r\nHost: x\r\n\r\n",
        GET[:-2] + b"Expect: tea\r\n\r\n",
        GET[:-2] + (b"X: " + b"y" * 4000 + b"\r\n") * 5,
        GET[:30],
        GET + GET[:30],
        b"GET /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HANDSHAKE",
        b"EVENTS",
    ],
)
def test_what_is_broken_off_or_refused_leaves_no_reference_cycle(monkeypatch: pytest.MonkeyPatch, ask: bytes) -> None:
    for name, seconds in SHORT.items():
        monkeypatch.setattr(limits, name, seconds)

    def attack(port: int, sent: bytes) -> None:
        for _ in range(5):
            with socket.create_connection((valkey.HOST, port)) as end:
                end.sendall(sent)
                end.settimeout(0.05)
                with suppress(OSError):  # a time-out too
                    while end.recv(65536):
                        pass

    async def cycles() -> int:
        """Return how many objects are left each time; the loop is that of a node, whose transports are no cycles."""
        async with serve() as server:
            port = int(server.url.rpartition(":")[2])
            first = handshake(server) + (frame(b"40") + frame(b'420["echo",{}]') * 1000 if ask == b"EVENTS" else b"")
            sent = ask if b"HTTP" in ask else first

            async def closed() -> bool:
                return server.server.admission.open == 0 and not server.sio.eio.sockets

            left = []
            for _ in range(4):  # the first time, what is made once is made; others, the process may do something else
                with no_collector():
                    await asyncio.to_thread(attack, port, sent)
                    await until(closed, 10)
                    await asyncio.sleep(0.05)
                    left.append(gc.collect())
                if len(left) > 1 and left[-1] < 5:
                    break
            return min(left[1:])

    assert uvloop.run(cycles()) < 5, "fewer objects than requests"


async def test_a_request_that_is_closed_before_its_handler_begins_is_not_handled(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receive = HttpConnection.data_received

    def receive_and_expire(self: HttpConnection, data: bytes) -> None:
        receive(self, data)
        self.expire()

    monkeypatch.setattr(HttpConnection, "data_received", receive_and_expire)
    end = await connect(server, b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
    with suppress(ConnectionError):
        await end.reader.read()
    end.writer.close()
    await asyncio.sleep(0.1)
    assert not caplog.records, "a handler would have failed to read the body"


@pytest.mark.parametrize(
    ("ask", "leave"),
    [
        (b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n", broken_off),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", broken_off),
        (b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", broken_off),
        (b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nx", refused_upload),
        (b"GET / HTTP/banana\r\n\r\n", refused_upload),
        (GET[:-2] + b"Expect: tea\r\n\r\n", refused_upload),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", refused_upload),
        (GET[:30], broken_off),
    ],
    ids=[
        "unread answer",
        "unfinished body",
        "unfinished chunk",
        "refused body",
        "malformed",
        "expected",
        "unknown",
        "half a head",
    ],
)
async def test_a_request_that_is_broken_off_or_refused_is_freed_without_the_garbage_collector(
    server: Server, ask: bytes, leave: Callable[[Server, bytes], Awaitable[None]]
) -> None:
    kinds = (HttpConnection, web.Request, web.BaseRequest, SharedBody)
    others = [each for each in gc.get_objects() if isinstance(each, kinds)]  # of tests before this one
    known = set(map(id, others))
    with no_collector():
        for _ in range(5):
            await leave(server, ask)

        async def freed() -> bool:
            return not [each for each in gc.get_objects() if isinstance(each, kinds) and id(each) not in known]

        await until(freed, timeout_s=20)


async def test_a_request_whose_body_was_broken_off_is_not_handled_although_its_transport_is_not_gone_yet() -> None:
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError("handled")

    admission = Admission()
    slot = admission.admit("127.0.0.1", False)
    assert slot is not None
    connection = HttpConnection(web.Server(answer), admission, slot, Mock())
    connection.connection_made(Mock())
    connection._body = Mock(is_eof=Mock(return_value=False))
    connection.expire()
    _answer, is_lost = await connection._handle_request(Mock(), None, answer)
    assert is_lost
    connection.connection_lost(None)
