"""What the server does for kiosks: today's shows of a theatre, and the PIN that it never tells."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from realtime import limits, settings
from realtime.dev.cluster import Cluster
from realtime.errors import Forbidden, RateLimited
from realtime.topology import TopologyError
from realtime.web.kiosk import Attendants
from realtime.web.rate_limits import AttemptLimiter
from tests.cluster import new_show, node_urls


def test_the_right_pin_is_right_and_no_other() -> None:
    attendants = Attendants("246810")
    attendants.check("a", "246810", 0.0)
    for wrong in ("246811", "24681", "2468100", "०१२३४५", " 246810"):
        with pytest.raises(Forbidden) as refused:
            attendants.check(wrong, wrong, 0.0)
        assert refused.value.details == {"reason": "wrong_pin"}


def test_without_a_pin_nobody_gets_out() -> None:
    for pin in ("", "000000"):
        with pytest.raises(Forbidden) as refused:
            Attendants("").check("a", pin, 0.0)
        assert refused.value.details == {"reason": "no_pin"}


def test_guessing_costs_time_and_a_right_guess_too_many_looks_like_a_wrong_one() -> None:
    attendants = Attendants("246810")
    for _ in range(limits.PIN_TRIES):
        with pytest.raises(Forbidden):
            attendants.check("guesser", "111111", 0.0)
    for pin in ("111111", "246810"):
        with pytest.raises(RateLimited) as refused:
            attendants.check("guesser", pin, 1.0)
        assert refused.value.details["retry_after_ms"] == pytest.approx((limits.PIN_REST_S - 1) * 1000, abs=2)
    attendants.check("another", "246810", 1.0)
    attendants.check("guesser", "246810", limits.PIN_REST_S + 0.01)
    # A right one wipes the slate clean.
    for _ in range(limits.PIN_TRIES):
        with pytest.raises(Forbidden):
            attendants.check("guesser", "111111", limits.PIN_REST_S + 1)


def test_callers_are_remembered_up_to_a_bound() -> None:
    limiter = AttemptLimiter("246810", limits.PIN_TRIES, limits.PIN_REST_S)
    assert not any(limiter.right(str(n), "111111", 0.0) for n in range(limits.ATTEMPT_CALLERS + 10))
    assert len(limiter._tries) == limits.ATTEMPT_CALLERS


@pytest.mark.parametrize("pin", ["12345", "1234567890123", "abcdef", "१२३४५६", "12 456"])
def test_a_pin_that_is_none_is_refused_at_the_start(tmp_path: Path, pin: str) -> None:
    file = tmp_path / "topology.toml"
    file.write_text("payments = 'demo'\n[regions.west]\nmaster = 'redis://a:1'\nledger = 'sqlite:////x'\n")
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
async def test_hostile_pins_are_refused_in_the_documented_form(
    cluster: Cluster, body: bytes, status: int, code: str
) -> None:
    url = f"{node_urls(cluster)[2]}/api/v1/kiosk/leave"
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code
        assert cluster.secrets["KIOSK_PIN"] not in await response.text()


async def test_the_shows_of_one_theatre_come_with_the_servers_time(cluster: Cluster) -> None:
    show = await new_show(cluster, "south")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{node_urls(cluster)[0]}/api/v1/theatres/south-hall/shows") as response:
            told = await response.json()
        assert told["theatre"]["name"] == "Test Hall"
        assert show in {each["id"] for each in told["shows"]}
        assert {each["theatre"] for each in told["shows"]} == {"south-hall"}
        assert told["server_time"] > 1_700_000_000_000
        for unknown in ("nowhere", "..%2F..", "%00"):
            async with session.get(f"{node_urls(cluster)[0]}/api/v1/theatres/{unknown}/shows") as response:
                assert response.status == 404
                assert (await response.json())["error"]["code"] in ("theatre_not_found", "not_found")
