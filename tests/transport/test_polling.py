"""Sessions by long-polling: what their clients leave unread is counted and bounded, and nothing of them is kept."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession

from realtime import limits
from realtime.transport.admission import Admission
from realtime.transport.client_address import ENVIRON_KEY
from realtime.transport.fanout import encode
from realtime.transport.guard import EIO_PING
from realtime.transport.packet_queue import PACKET_BYTES, PacketQueue
from tests.cluster import until
from tests.transport.test_bounds import POLLING, serve
from tests.transport.test_fanout import Server, direct, join, polling_client, upgrade, upgraded

ANSWER = 20_000
ECHOES = "\x1e".join(['420["echo","' + "x" * ANSWER + '"]'] * 3)


def queue_of(server: Server, sid: str) -> PacketQueue:
    queue = direct(server)._session(sid).queue
    assert isinstance(queue, PacketQueue)
    return queue


def post(http: ClientSession, url: str, body: str) -> asyncio.Task[int]:
    async def send() -> int:
        async with http.post(url, data=body) as answer:
            return answer.status

    return asyncio.create_task(send())


async def post_until_one_waits(http: ClientSession, url: str, queue: PacketQueue) -> asyncio.Task[int]:
    """Ask for echoes and fetch none; return the first post that waits for that."""
    for _ in range(50):
        asked = post(http, url, ECHOES)

        async def waits(asked: asyncio.Task[int] = asked) -> bool:
            return asked.done() or queue._drained is not None

        await until(waits)
        if not asked.done():
            return asked
        assert asked.result() == 200
    raise AssertionError(f"the server has read all of it, and keeps {queue.bytes} bytes")


async def test_a_client_that_fetches_nothing_is_not_read_either_until_it_does() -> None:
    async with serve() as server, ClientSession() as http:
        sid, url = await polling_client(server, http)
        queue = queue_of(server, sid)
        waiting = await post_until_one_waits(http, url, queue)
        most = limits.VIEWER_UNSENT_BYTES + 6 * (ANSWER + 2 * PACKET_BYTES)
        assert limits.VIEWER_UNSENT_BYTES < queue.bytes == server.fanout.unsent(sid) < most
        async with http.get(url) as answer:
            assert len(await answer.text()) > limits.VIEWER_UNSENT_BYTES
        assert await waiting == 200
        async with http.get(url) as answer:
            assert (await answer.text()).startswith('430["xxx')


async def test_a_client_that_goes_on_to_fetch_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VIEWER_STUCK_S", 0.2)
    async with serve() as server, ClientSession() as http:
        sid, url = await polling_client(server, http)
        assert await (await post_until_one_waits(http, url, queue_of(server, sid))) == 400
        assert not server.sio.eio.sockets and server.gone == [sid]


async def test_a_second_post_at_a_time_ends_the_session_and_the_first_one() -> None:
    async with serve() as server, ClientSession() as http:
        sid, url = await polling_client(server, http)
        waiting = await post_until_one_waits(http, url, queue_of(server, sid))
        assert await post(http, url, ECHOES) == 400
        assert await asyncio.wait_for(waiting, 5) == 400
        assert not server.sio.eio.sockets and server.gone == [sid]
        assert len(server.server.admission.polling) == 0


async def test_a_post_that_waits_goes_on_when_the_session_has_upgraded() -> None:
    async with serve() as server, ClientSession() as http:
        sid, url = await polling_client(server, http)
        waiting = await post_until_one_waits(http, url, queue_of(server, sid))
        socket = await upgrade(http, url)
        assert await asyncio.wait_for(waiting, 5) == 200
        assert len(await socket.receive_str()) > ANSWER
        await socket.close()


async def test_a_post_that_waits_ends_with_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async with ClientSession() as http:
        async with serve() as server:
            sid, url = await polling_client(server, http)
            waiting = await post_until_one_waits(http, url, queue_of(server, sid))
        assert await asyncio.wait_for(waiting, 5) == 400
    assert not caplog.records


async def test_the_real_size_of_what_waits_counts() -> None:
    async with serve() as server, ClientSession() as http:
        sid, url = await polling_client(server, http)
        packet = encode("seats:changed", {"text": "x" * 100_000})
        connection, accepted = server.fanout.connection(sid), 0
        while server.fanout.offer(connection, packet):
            accepted += 1
            assert accepted < 100, "there is no bound"
        assert accepted == 3
        assert 300_000 < server.fanout.unsent(sid) < 302_000
        server.fanout.send(sid, encode("named", {"text": "\u0905" * 10_000}))
        assert server.fanout.unsent(sid) > 330_000
        async with http.get(url) as answer:
            await answer.text()
        assert server.fanout.unsent(sid) == 0


async def test_a_ping_that_was_not_fetched_can_not_be_answered() -> None:
    async with serve(ping_interval_s=1) as server, ClientSession() as http:
        sid, url = await polling_client(server, http)
        queue = queue_of(server, sid)

        async def pinged() -> bool:
            return queue.has(EIO_PING)

        await until(pinged)
        assert await post(http, url, "3") == 400
        assert not server.sio.eio.sockets


async def test_sessions_of_an_address_are_bounded_and_those_that_poll_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ADDRESS_POLLING", 10)
    monkeypatch.setattr(limits, "BURST_S", 0.0)
    async with serve(admission=Admission()) as server, ClientSession() as http:
        clients = [await polling_client(server, http) for _ in range(10)]
        first, url = clients[0]
        server.fanout.send(first, encode("change", {}))
        async with http.get(url) as answer:
            assert "change" in await answer.text()
        for _ in range(5):
            await polling_client(server, http)

        async def ended() -> bool:
            return len(server.sio.eio.sockets) == 10

        await until(ended, 5.0)
        assert server.gone == [sid for sid, _url in clients[1:6]], "those that have not polled for longest"
        assert server.server.admission.polling.ended == 5


async def test_only_sessions_by_long_polling_count() -> None:
    async with serve() as server, ClientSession() as http:
        polling = server.server.admission.polling
        _other, other_socket = await join(server, http)
        assert len(polling) == 0
        sid, url = await polling_client(server, http)
        assert len(polling) == 1
        socket = await upgrade(http, url)
        await upgraded(server, sid)
        assert len(polling) == 0
        await socket.close()
        await other_socket.close()


async def test_of_an_ended_session_that_nobody_polls_nothing_is_kept() -> None:
    async with serve() as server, ClientSession() as http:
        for end in (server.fanout.finish, server.fanout.abort):
            sid, url = await polling_client(server, http)
            server.fanout.send(sid, encode("last", {}))
            end(sid)
            await server.fanout.close()
            assert not server.sio.eio.sockets and len(server.server.admission.polling) == 0
            async with http.get(url) as answer:
                assert answer.status == 400


async def test_a_poll_that_waits_gets_the_last_packets_of_its_session() -> None:
    async with serve() as server, ClientSession() as http:
        sid, url = await polling_client(server, http)
        poll = await waiting_poll(server, http, url)
        server.fanout.send(sid, encode("last", {}))
        server.fanout.finish(sid)
        assert await poll == '42["last",{}]\x1e1'


async def test_a_session_keeps_nothing_of_the_request_that_began_it() -> None:
    async with serve() as server, ClientSession(headers={"X-Long": "x" * 4000}) as http:
        await polling_client(server, http)
        _sid, url = await polling_client(server, http)
        socket = await upgrade(http, url)
        _other, other_socket = await join(server, http)
        assert list(server.sio.environ.values()) == [{ENVIRON_KEY: "127.0.0.1"}] * 3
        await socket.close()
        await other_socket.close()


async def waiting_poll(server: Server, http: ClientSession, url: str) -> asyncio.Task[str]:
    """Return a poll that the server has begun to answer."""

    async def fetch() -> str:
        async with http.get(url) as answer:
            return await answer.text()

    async def waits() -> bool:
        return any(session.queue._getters for session in server.sio.eio.sockets.values())

    poll = asyncio.create_task(fetch())
    await until(waits)
    return poll


async def test_a_second_poll_is_refused_whatever_its_headers_are() -> None:
    async with serve() as server, ClientSession() as http:
        _sid, url = await polling_client(server, http)
        first = await waiting_poll(server, http, url)
        async with http.get(url, headers={"Upgrade": "h2c", "Connection": "Upgrade"}) as answer:
            assert answer.status == 400
        assert await asyncio.wait_for(first, 5) == "1"


async def test_sessions_that_are_never_connected_are_not_kept_either() -> None:
    async with serve() as server, ClientSession() as http:
        async with http.get(server.url + POLLING) as answer:
            url = f"{server.url}{POLLING}&sid=" + (await answer.text()).partition('"sid":"')[2].partition('"')[0]
        assert await post(http, url, "40/other,") == 200
        assert len(server.sio.eio.sockets) == 1
        await post(http, url, '42["echo",1]')  # ends the session: it has not connected
        assert not server.sio.eio.sockets
