"""Engine.IO v4: handshake, heartbeat, close, upgrade."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from realtime import limits
from tests.compliance.conftest import Client, EchoServer, PollingClient, UpgradedClient, WebSocketClient


# --- handshake ----------------------------------------------------------------------------------------------------
async def test_a_session_opens_over_long_polling(server: EchoServer, http: ClientSession) -> None:
    async with http.get(f"{server.url}/socket.io/?EIO=4&transport=polling") as answer:
        assert answer.status == 200
        opened = await answer.text()
    facts = orjson.loads(opened[1:])
    assert opened[0] == "0" and isinstance(facts.pop("sid"), str)
    sizes = {"pingInterval": 20_000, "pingTimeout": 20_000, "maxPayload": limits.MAX_EVENT_BYTES}
    assert facts == {"upgrades": ["websocket"], **sizes}


async def test_a_session_opens_over_websocket(server: EchoServer, http: ClientSession) -> None:
    async with http.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket") as socket:
        opened = await socket.receive_str()
    facts = orjson.loads(opened[1:])
    assert opened[0] == "0" and isinstance(facts.pop("sid"), str)
    assert facts.pop("upgrades") == []


@pytest.mark.parametrize("query", ["transport=polling", "EIO=abc&transport=polling", "EIO=4&transport=abc"])
async def test_an_invalid_query_is_refused(server: EchoServer, http: ClientSession, query: str) -> None:
    url = f"{server.url}/socket.io/?{query}"
    async with http.get(url) as answer:
        assert answer.status == 400
    with pytest.raises(WSServerHandshakeError):
        await http.ws_connect(url.replace("polling", "websocket"))


@pytest.mark.beyond_framework
async def test_a_query_without_a_transport_is_refused(server: EchoServer, http: ClientSession) -> None:
    async with http.get(f"{server.url}/socket.io/?EIO=4") as answer:
        assert answer.status == 400


async def test_a_session_can_not_begin_with_a_post(server: EchoServer, http: ClientSession) -> None:
    async with http.post(f"{server.url}/socket.io/?EIO=4&transport=polling") as answer:
        assert answer.status == 400


# --- heartbeat ----------------------------------------------------------------------------------------------------
@pytest.mark.fast_ping
async def test_each_pong_is_followed_by_a_ping(client: Client) -> None:
    await client.connect()
    for _ in range(2):
        assert await client.receive() == "2"
        await client.send("3")
    await client.send('420["message-with-ack",1]')
    while (packet := await client.receive()) == "2":
        pass
    assert packet == "430[1]", "the session is still open"


@pytest.mark.fast_ping
async def test_a_websocket_closes_when_a_ping_is_not_answered(server: EchoServer, http: ClientSession) -> None:
    client = WebSocketClient(server, http)
    await client.connect()
    async with asyncio.timeout(2.5):  # interval 1 s, time-out 0.5 s
        assert await client.ended()


@pytest.mark.fast_ping
async def test_a_polling_session_closes_when_a_ping_is_not_answered(server: EchoServer, http: ClientSession) -> None:
    client = PollingClient(server, http)
    await client.connect()
    await asyncio.sleep(2.5)
    assert await client.ended()


@pytest.mark.fast_ping
async def test_an_upgraded_websocket_closes_when_a_ping_times_out(server: EchoServer, http: ClientSession) -> None:
    client = UpgradedClient(server, http)
    await client.connect()
    async with asyncio.timeout(2.5):
        assert await client.ended()


# --- close --------------------------------------------------------------------------------------------------------
async def closes(client: Client, packet: str) -> None:
    await client.connect()
    await client.send(packet)
    assert await client.ended()


async def test_a_close_packet_ends_a_polling_session(server: EchoServer, http: ClientSession) -> None:
    await closes(PollingClient(server, http), "1")


@pytest.mark.beyond_framework
@pytest.mark.parametrize("kind", [WebSocketClient, UpgradedClient])
async def test_a_close_packet_closes_the_websocket(server: EchoServer, http: ClientSession, kind: type[Client]) -> None:
    await closes(kind(server, http), "1")


@pytest.mark.beyond_framework
async def test_a_close_packet_ends_a_poll_that_is_waiting(server: EchoServer, http: ClientSession) -> None:
    client = PollingClient(server, http)
    await client.connect()
    async with client.waiting_poll() as poll, asyncio.timeout(20):
        assert await client.post("1") == 200
        assert await poll == (200, "6")


# --- invalid packets ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("packet", ["abc", ""])
@pytest.mark.parametrize("kind", [WebSocketClient, UpgradedClient])
async def test_a_packet_that_can_not_be_decoded_closes_the_websocket(
    server: EchoServer, http: ClientSession, kind: type[Client], packet: str
) -> None:
    await closes(kind(server, http), packet)


@pytest.mark.beyond_framework
@pytest.mark.parametrize("packet", ["9", "0", "2", "6"])
@pytest.mark.parametrize("kind", [WebSocketClient, UpgradedClient])
async def test_a_packet_that_clients_may_not_send_closes_the_websocket(
    server: EchoServer, http: ClientSession, kind: type[Client], packet: str
) -> None:
    await closes(kind(server, http), packet)


@pytest.mark.beyond_framework
@pytest.mark.parametrize(
    "body", ["abc", "٤a", "4a\x1eabc", "4" + "x" * limits.MAX_EVENT_BYTES, b"4\xff", "\x1e".join(["4"] * 17)]
)
async def test_an_invalid_body_gets_status_400_and_ends_the_session(
    server: EchoServer, http: ClientSession, body: str | bytes
) -> None:
    client = PollingClient(server, http)
    await client.connect()
    async with asyncio.timeout(3):
        assert await client.post(body) == 400
        assert await client.ended()


@pytest.mark.beyond_framework
async def test_two_polls_at_once_end_the_session(server: EchoServer, http: ClientSession) -> None:
    client = PollingClient(server, http)
    await client.connect()
    async with client.waiting_poll() as first, asyncio.timeout(20):
        assert (await client.poll())[0] == 400
        assert await first == (200, "1")
    assert await client.ended()


# --- upgrade ------------------------------------------------------------------------------------------------------
async def test_an_upgrade_ends_the_poll_and_goes_on_over_the_websocket(server: EchoServer, http: ClientSession) -> None:
    polling = PollingClient(server, http)
    await polling.connect()
    url = polling.url.replace("polling", "websocket")
    async with polling.waiting_poll() as poll, http.ws_connect(url) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        assert await poll == (200, "6")
        await socket.send_str("5")
        await socket.send_str('421["message-with-ack","hello"]')
        while (packet := await socket.receive_str()) == "6":
            pass
        assert packet == '431["hello"]'


async def test_after_an_upgrade_http_requests_are_refused(server: EchoServer, http: ClientSession) -> None:
    client = UpgradedClient(server, http)
    await client.connect()
    for ask in (http.get(client.polling_url), http.post(client.polling_url, data="3")):
        async with ask as answer:
            assert answer.status == 400


async def test_after_an_upgrade_another_websocket_of_the_session_is_refused(
    server: EchoServer, http: ClientSession
) -> None:
    client = UpgradedClient(server, http)
    await client.connect()
    with pytest.raises(WSServerHandshakeError):
        await http.ws_connect(client.url)
    await client.send('421["message-with-ack","hello"]')
    assert await client.receive() == '431["hello"]'


@pytest.mark.beyond_framework
async def test_during_an_upgrade_another_websocket_of_the_session_is_refused(
    server: EchoServer, http: ClientSession
) -> None:
    polling = PollingClient(server, http)
    await polling.connect()
    url = polling.url.replace("polling", "websocket")
    async with http.ws_connect(url) as socket:
        await socket.send_str("2probe")
        assert await socket.receive_str() == "3probe"
        with pytest.raises(WSServerHandshakeError):
            await http.ws_connect(url)
        await socket.send_str("5")
        await socket.send_str('421["message-with-ack","hello"]')
        while (packet := await socket.receive_str()) == "6":
            pass
        assert packet == '431["hello"]'
