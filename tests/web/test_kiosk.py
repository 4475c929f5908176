"""What the server does for kiosks: the shows of one theatre, and the PIN that leaves the page and is never sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from realtime import settings
from realtime.dev.cluster import Cluster
from realtime.errors import Forbidden
from realtime.topology import TopologyError
from realtime.web.kiosk import KioskPin
from tests.cluster import Client, new_show, node_urls, node_with

from .test_staff import add


async def test_only_the_exact_pin_is_accepted() -> None:
    kiosk_pin = KioskPin("246810")
    await kiosk_pin.check_pin("a", "246810", 0.0)
    for wrong in ("246811", "24681", "2468100", "०१२३४५", " 246810"):
        with pytest.raises(Forbidden) as refused:
            await kiosk_pin.check_pin(wrong, wrong, 0.0)
        assert refused.value.details == {"reason": "wrong_pin"}


async def test_without_a_configured_pin_every_attempt_is_refused() -> None:
    for pin in ("", "000000"):
        with pytest.raises(Forbidden) as refused:
            await KioskPin("").check_pin("a", pin, 0.0)
        assert refused.value.details == {"reason": "no_pin"}


@pytest.mark.parametrize("pin", ["12345", "1234567890123", "abcdef", "१२३४५६", "12 456"])
def test_a_process_does_not_start_with_an_invalid_pin(tmp_path: Path, pin: str) -> None:
    file = tmp_path / "topology.toml"
    file.write_text("[payments]\nservice = 'signed'\n[regions.west]\nmaster = 'redis://a:1'\nledger = 'sqlite:////x'\n")
    secret = {"TICKINGTICKETS_SECRET": "a secret for the tests"}
    with pytest.raises(TopologyError, match="KIOSK_PIN"):
        settings.load(file, {**secret, "TICKINGTICKETS_KIOSK_PIN": pin})
    assert settings.load(file, {**secret, "TICKINGTICKETS_KIOSK_PIN": "135790"}).kiosk_pin == "135790"
    assert settings.load(file, secret).kiosk_pin == ""


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b'{"pin": 123456}', 400, "bad_request"),
        (b'{"pin": ""}', 400, "bad_request"),
        (b'{"pin": "1234567890123"}', 400, "bad_request"),
        (b'{"pin": "123456", "more": 1}', 400, "bad_request"),
        (b'{"pin": "wrong"}', 403, "forbidden"),
    ],
)
async def test_malformed_and_wrong_pins_get_the_documented_error(
    cluster: Cluster, body: bytes, status: int, code: str
) -> None:
    url = f"{node_urls(cluster)[2]}/api/v1/kiosk/leave"
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code
        assert cluster.secrets["KIOSK_PIN"] not in await response.text()


async def test_the_shows_of_one_theatre_are_listed_with_the_server_time(cluster: Cluster) -> None:
    show = await new_show(cluster, "south")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{node_urls(cluster)[0]}/api/v1/theatres/south-hall/shows") as response:
            answer = await response.json()
        assert answer["theatre"]["name"] == "Test Hall"
        assert show in {each["id"] for each in answer["shows"]}
        assert {each["theatre"] for each in answer["shows"]} == {"south-hall"}
        assert answer["server_time"] > 1_700_000_000_000
        for unknown in ("nowhere", "..%2F..", "%00"):
            async with session.get(f"{node_urls(cluster)[0]}/api/v1/theatres/{unknown}/shows") as response:
                assert response.status == 404
                assert (await response.json())["error"]["code"] in ("theatre_not_found", "not_found")


async def test_a_kiosk_holds_with_a_limit_of_its_own_wherever_its_token_is(cluster: Cluster, tmp_path: Path) -> None:
    """People at other devices of the foyer's address don't count, and a stolen token holds no hall."""
    show = await new_show(cluster, "west")
    token = await add(cluster, "foyer", "--role", "kiosk", "--theatre", "west-hall", "--region", "west")
    async with node_with(cluster, tmp_path, "seats_per_address = 2") as node:

        async def hold(client: Client, *seats: str) -> Any:
            answer = await client.call("seats:hold", {"show": show, "seats": list(seats), "request_id": seats[0]})
            return answer["ok"] or answer["error"]["code"]

        other = await Client.connect(node)
        kiosk, thief = await Client.connect(node, staff=token), await Client.connect(node, staff=token)
        assert await hold(other, "A-1", "A-2") is True
        assert await hold(other, "A-3") == "address_limit"
        assert await hold(kiosk, "B-1") is True
        assert await hold(thief, "B-2") is True
        assert await hold(thief, "B-3") == await hold(kiosk, "B-4") == "address_limit"
        for client in (other, kiosk, thief):
            await client.close()
