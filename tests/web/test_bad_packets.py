"""Clients that break the protocols, send too much or ask for too much: they are disconnected, and others are served."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from realtime import limits
from realtime.dev.cluster import Cluster
from tests.cluster import Client, new_show, node_urls, until
from tests.web.refusals import refused


@pytest.fixture
async def show(cluster: Cluster) -> str:
    return await new_show(cluster, "west")


async def test_a_client_that_floods_is_rate_limited_then_disconnected_and_others_are_served(
    cluster: Cluster, show: str
) -> None:
    url = node_urls(cluster)[0]
    flooder, other = await Client.connect(url), await Client.connect(url)
    codes: list[str] = []

    def answered(answer: dict[str, Any]) -> None:
        codes.append("ok" if answer["ok"] else answer["error"]["code"])

    async def flood(events: int) -> None:
        for _ in range(events):
            if not flooder.sio.connected:
                break
            await flooder.sio.emit("show:unwatch", {"show": show}, callback=answered)

    async def limited() -> bool:
        return "rate_limited" in codes

    await flood(limits.EVENT_BURST + limits.EVENTS_OVER_LIMIT // 2)
    # Answers that a client has not read when it is cut off may be lost.
    await until(limited)
    await flood(limits.EVENT_BURST + 3 * limits.EVENTS_OVER_LIMIT)

    async def cut_off() -> bool:
        return not flooder.sio.connected

    await until(cut_off)
    assert (await other.call("show:watch", {"show": show}))["ok"]
    await other.close()


@pytest.mark.parametrize(
    "packets", [("41", "40"), ('42["show:unwatch",{}]',)], ids=["disconnected itself", "was disconnected for a flood"]
)
async def test_a_disconnected_client_cannot_connect_again_in_the_same_connection(
    cluster: Cluster, packets: tuple[str, ...]
) -> None:
    url = node_urls(cluster)[0] + "/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await socket.send_str("40")
        while not (await socket.receive_str(timeout=10)).startswith("40{"):
            pass

        async def flood() -> None:
            while not socket.closed:
                for packet in packets:
                    await socket.send_str(packet)
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        async with asyncio.timeout(20):
            async for message in socket:
                assert not str(message.data).startswith("40{")
        await asyncio.gather(flooding, return_exceptions=True)
        assert socket.closed


async def test_a_client_that_sends_megabytes_in_one_message_is_disconnected(cluster: Cluster, show: str) -> None:
    for transports in (["websocket"], ["polling"]):
        client = await Client.connect(node_urls(cluster)[0], transports=transports)
        await client.sio.emit("seats:hold", {"show": show, "seats": ["A" * 3_000_000], "request_id": "r"})

        async def cut_off(client: Client = client) -> bool:
            return not client.sio.connected

        await until(cut_off)


INVALID_PACKETS = (
    "",
    "x",
    "2",
    "4",
    "4x",
    "49",
    "42",
    "42null",
    "42{}",
    "42[]",
    "42[1]",
    "42[null]",
    '42[["show:watch"]]',
    '42[{"a":1}]',
    '42"show:watch"',
    "42[",
    "42" + "[" * 5_000,
    "42" + "1" * 200 + "[]",
    "44",
    "44{}",
    "41/nowhere,",
    '42/nowhere,["show:watch",{}]',
    '421["*",{}]',
    '421["*","another"]',
)
UNUSED_PACKETS = (
    "40",
    "40/nowhere,",
    "43",
    "43{}",
    "431[]",
    '450-["show:watch",{}]',
    '451-["show:watch",{"_placeholder":true,"num":0}]',
    '459999999999-["show:watch",{}]',
    '461-7[{"_placeholder":true,"num":0}]',
    "bAAEC",
)


def _tracebacks(cluster: Cluster) -> int:
    """Count the exceptions that the nodes have logged."""
    logs = (cluster.plan.data / "log").glob("node-*.log")
    return sum(path.read_text(errors="replace").count("Traceback") for path in logs)


def _named(packet: str) -> str:
    return packet[:20] or "nothing"


def _socket_io(cluster: Cluster) -> str:
    return node_urls(cluster)[0] + "/socket.io/?EIO=4&transport="


def _watch(show: str) -> str:
    return f'427["show:watch",{{"show":"{show}"}}]'


async def _open_polling(session: aiohttp.ClientSession, cluster: Cluster) -> str:
    """Connect by long-polling; return the URL of the session."""
    url = _socket_io(cluster) + "polling"
    async with session.get(url) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    async with session.post(f"{url}&sid={sid}", data="40") as response:
        assert response.status == 200
    return f"{url}&sid={sid}"


@pytest.mark.parametrize("packet", INVALID_PACKETS, ids=_named)
async def test_a_packet_that_breaks_the_protocol_closes_the_connection(
    cluster: Cluster, show: str, packet: str
) -> None:
    before = _tracebacks(cluster)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(_socket_io(cluster) + "websocket") as socket:
            for each in ("40", packet, _watch(show)):
                await socket.send_str(each)
            heard = [str(message.data) async for message in socket]
            assert socket.closed and not any("437" in text for text in heard)
        url = await _open_polling(session, cluster)
        for body in (packet, _watch(show)):
            async with session.post(url, data=body):
                pass
        statuses = []
        while 400 not in statuses:
            async with session.get(url) as response:
                statuses.append(response.status)
                assert "437" not in await response.text()
    assert _tracebacks(cluster) == before


@pytest.mark.parametrize("packet", UNUSED_PACKETS, ids=_named)
async def test_a_packet_that_is_valid_but_not_used_here_changes_nothing(
    cluster: Cluster, show: str, packet: str
) -> None:
    before = _tracebacks(cluster)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(_socket_io(cluster) + "websocket") as socket:
            for each in ("40", packet):
                await socket.send_str(each)
            await socket.send_bytes(packet.encode())
            await socket.send_str(_watch(show))
            while not (heard := await socket.receive_str(timeout=10)).startswith("437"):
                pass
            assert '"ok":true' in heard
        url = await _open_polling(session, cluster)
        for body in (packet, _watch(show)):
            async with session.post(url, data=body) as response:
                assert response.status == 200
        heard = ""
        while "437" not in heard:
            async with session.get(url) as response:
                heard = await response.text()
        assert '"ok":true' in heard
    assert _tracebacks(cluster) == before


async def test_a_connection_can_watch_a_limited_number_of_shows(cluster: Cluster) -> None:
    shows = [await new_show(cluster, "north") for _ in range(limits.MAX_WATCHES_PER_CONNECTION + 1)]
    client = await Client.connect(node_urls(cluster)[0])
    for show in shows[:-1]:
        assert (await client.call("show:watch", {"show": show}))["ok"]
    refused(await client.call("show:watch", {"show": shows[-1]}), "too_many_watches")
    assert (await client.call("show:unwatch", {"show": shows[0]}))["ok"]
    assert (await client.call("show:watch", {"show": shows[-1]}))["ok"]
    await client.close()
