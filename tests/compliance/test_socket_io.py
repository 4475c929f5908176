"""Socket.IO v5 over each transport: connect, disconnect, events, acknowledgements, invalid packets."""

from __future__ import annotations

import asyncio

import pytest

from tests.compliance.conftest import Client


# --- connect ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("payload", ["", '{"token":"123"}'])
async def test_a_client_connects_to_the_main_namespace(client: Client, payload: str) -> None:
    await client.open()
    await client.send(f"40{payload}")
    assert (await client.receive()).startswith('40{"sid":"')


@pytest.mark.beyond_framework
async def test_an_unknown_namespace_is_refused_with_a_message(client: Client) -> None:
    await client.open()
    await client.send("40/random")
    assert await client.receive() == '44/random,{"message":"Invalid namespace"}'
    await client.send("40")
    assert (await client.receive()).startswith('40{"sid":"'), "the session goes on"


@pytest.mark.beyond_framework
async def test_a_session_without_connect_is_closed(client: Client) -> None:
    await client.open()
    assert await client.ended()


async def test_a_session_with_connect_is_not_closed(client: Client) -> None:
    await client.connect()
    await asyncio.sleep(0.5)  # the time for CONNECT is 0.3 s here
    await client.send('421["message-with-ack"]')
    assert await client.receive() == "431[]"


@pytest.mark.beyond_framework
@pytest.mark.parametrize("packet", ["4abc", '42["message"]', "41", "4"])
async def test_a_first_packet_other_than_connect_closes_the_session(
    client: Client, packet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.limits.CONNECT_S", 60.0)
    await client.open()
    await client.send(packet)
    assert await client.ended()


# --- events -------------------------------------------------------------------------------------------------------
async def test_an_event_is_delivered_with_its_arguments(client: Client) -> None:
    await client.connect()
    await client.send('42["message",1,"2",{"3":[true]}]')
    assert await client.receive() == '42["message-back",1,"2",{"3":[true]}]'


async def test_an_event_is_acknowledged_under_its_id(client: Client) -> None:
    await client.connect()
    await client.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert await client.receive() == '43456[1,"2",{"3":[false]}]'


async def test_several_events_are_answered_in_order(client: Client) -> None:
    await client.connect()
    await client.send(*(f'42{n}["message-with-ack",{n}]' for n in range(10)))
    assert [await client.receive() for _ in range(10)] == [f"43{n}[{n}]" for n in range(10)]


# --- disconnect ---------------------------------------------------------------------------------------------------
async def test_a_client_can_disconnect_and_connect_again(client: Client) -> None:
    await client.connect()
    await client.send("41")
    await client.send("40")
    assert (await client.receive()).startswith('40{"sid":"')


# --- invalid packets ----------------------------------------------------------------------------------------------
@pytest.mark.beyond_framework
@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "42{}",
        '42abc["message-with-ack",1]',
        '42٣["message-with-ack",1]',
        "42[",
        "49",
        "44{}",
        '42/other,["message"]',
    ],
    ids=["type", "payload", "ack id", "ack id in Arabic digits", "JSON", "unknown type", "CONNECT_ERROR", "namespace"],
)
async def test_an_invalid_packet_closes_the_session(client: Client, packet: str) -> None:
    await client.connect()
    await client.send(packet)
    assert await client.ended()
