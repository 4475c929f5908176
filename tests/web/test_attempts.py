"""Wrong operator keys and kiosk PINs: slowed down, counted, logged; the right one always works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from realtime import limits
from realtime.clock import now_ms
from realtime.dev.cluster import Cluster
from realtime.errors import Forbidden, RateLimited
from realtime.staff import Role, StaffToken, StaffTokens
from realtime.web.attempts import AttemptLimiter, is_secret
from realtime.web.held_back import HeldBack
from realtime.web.kiosk import KioskPin
from realtime.web.staff_access import Kiosk, Register, StaffAccess
from tests.cluster import node_urls, until

from .test_metrics import gauges

KEY, PIN = "Bearer the-right-key", "246810"
Check = Callable[[str, str, float], Awaitable[object]]


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_DELAY_S", 0.0)


def staff_access(key: str) -> StaffAccess:
    """Access by the operator key alone: nothing is asked of a region."""
    nobody: Any = None
    return StaffAccess(key, StaffTokens(["a secret for the tests"]), Register({}), None, nobody)


async def refusal(check: Check, caller: str, given: str, now: float) -> type[Exception] | None:
    try:
        await check(caller, given, now)
    except (Forbidden, RateLimited) as error:
        return type(error)
    return None


async def test_only_the_operator_key_gives_access_and_nothing_does_when_none_is_set() -> None:
    access = staff_access("key")
    await access.principal("a", "Bearer key", 0.0)
    for header in ("", "Bearer ", "Bearer keys", "key2", "Bearer schlüssel", "Bearer \udcff"):
        assert await refusal(access.principal, "a", header, 0.0) is Forbidden
    for header in ("", "Bearer ", "Bearer key"):
        assert await refusal(staff_access("").principal, "a", header, 0.0) is Forbidden


async def test_only_the_token_of_a_kiosk_names_a_theatre_and_only_until_it_is_revoked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def has(_register: Register, token: str) -> bool:
        return token != "revoked"

    monkeypatch.setattr(Register, "has", has)
    access = staff_access("key")

    def signed(token: str, role: Role) -> str:
        found = StaffToken(token, "foyer", role, "west-hall", now_ms() - 1000, now_ms() + 60_000)
        return StaffTokens(["a secret for the tests"]).sign(found)

    assert await access.kiosk("a", signed("one", Role.KIOSK)) == Kiosk("west-hall", "one")
    for other in (signed("revoked", Role.KIOSK), signed("two", Role.GATE), "key", "no token", ""):
        assert await access.kiosk("a", other) is None


@pytest.mark.parametrize("kind", ["operator key", "kiosk PIN"])
async def test_wrong_ones_are_slowed_down_and_the_right_one_is_accepted_all_the_same(kind: str) -> None:
    check: Check = staff_access("the-right-key").principal if kind == "operator key" else KioskPin(PIN).check_pin
    wrong, right = ("Bearer the-wrong-key", KEY) if kind == "operator key" else ("111111", PIN)
    most = limits.KEY_ATTEMPTS if kind == "operator key" else limits.PIN_ATTEMPTS
    forgive_s = limits.KEY_FORGIVE_S if kind == "operator key" else limits.PIN_FORGIVE_S
    answers = [await refusal(check, "shared", wrong, 0.0) for _ in range(most + 30)]
    assert answers == [Forbidden] * most + [RateLimited] * 30
    with pytest.raises(RateLimited) as refused:
        await check("shared", wrong, 1.0)
    assert refused.value.details["retry_after_ms"] == pytest.approx((forgive_s - 1) * 1000, abs=2)
    assert await refusal(check, "another", "Bearer 1nother" if kind == "operator key" else wrong, 1.0) is Forbidden
    assert await refusal(check, "shared", right, 1.0) is None
    assert await refusal(check, "shared", wrong, forgive_s + 1.1) is Forbidden, "forgiven by time or by the right one"


async def test_a_guesser_who_changes_address_is_slowed_down_by_the_beginning_of_the_guesses() -> None:
    access = staff_access("the-right-key")
    answers = [await refusal(access.principal, f"a{n}", f"Bearer the-{n}", 0.0) for n in range(limits.KEY_ATTEMPTS + 5)]
    assert answers[-5:] == [RateLimited] * 5
    assert await refusal(access.principal, "elsewhere", "Bearer another", 0.0) is Forbidden
    assert await refusal(access.principal, "elsewhere", KEY, 0.0) is None


async def test_the_delay_of_wrong_pins_grows_with_those_that_the_address_has_sent_lately(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delays: list[float] = []

    async def wait(_held_back: HeldBack, seconds: float, _most: int) -> None:
        delays.append(seconds)

    monkeypatch.setattr(limits, "ATTEMPT_DELAY_S", 0.5)
    monkeypatch.setattr(HeldBack, "wait", wait)
    check = KioskPin(PIN).check_pin

    async def delay_at(caller: str, now: float) -> float:
        delays.clear()
        answer = await refusal(check, caller, "111111", now)
        assert answer is (RateLimited if delays else Forbidden)
        return delays[0] if delays else 0.0

    found = [await delay_at("guesser", 0.0) for _ in range(limits.PIN_ATTEMPTS + 100)]
    assert found[: limits.PIN_ATTEMPTS + 4] == [0.0] * limits.PIN_ATTEMPTS + [0.5, 1.0, 1.5, 2.0]
    assert found[-1] == limits.ATTEMPT_LONGEST_DELAY_S and found == sorted(found)
    assert await delay_at("another", 0.0) == 0.0
    assert await delay_at("guesser", 3600.0) == 0.0, "an hour later"
    (soon, *_, later) = [await delay_at("guesser", 3600.0 + n) for n in range(100)]
    assert soon == 0.0 and later > 10.0
    delays.clear()
    assert await refusal(check, "guesser", PIN, 3700.0) is None
    assert not delays, "the right one is answered at once"
    assert await delay_at("guesser", 3700.0) == 0.0


async def test_the_right_pin_does_not_wait_for_the_wrong_ones_of_other_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ATTEMPT_DELAY_S", 60.0)
    monkeypatch.setattr(limits, "ATTEMPT_LONGEST_DELAY_S", 60.0)
    kiosk_pin = KioskPin(PIN)
    guesses = [asyncio.create_task(refusal(kiosk_pin.check_pin, "shared", "111111", 0.0)) for _ in range(50)]

    async def all_wait() -> bool:
        return kiosk_pin.attempts.held_back.waiting == 50 - limits.PIN_ATTEMPTS

    await until(all_wait)
    async with asyncio.timeout(5):
        await kiosk_pin.check_pin("shared", PIN, 0.0)
    for each in guesses:
        each.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)
    assert kiosk_pin.attempts.held_back.waiting == 0


async def test_requests_without_a_key_are_not_counted() -> None:
    access = staff_access("key")
    for _ in range(2 * limits.KEY_ATTEMPTS):
        assert await refusal(access.principal, "forgetful", "", 0.0) is Forbidden
    assert access.attempts.wrong == 0


async def test_what_is_remembered_is_bounded() -> None:
    limiter = AttemptLimiter("PINs", limits.PIN_ATTEMPTS, limits.PIN_FORGIVE_S, short=True)
    for n in range(limits.ATTEMPT_CALLERS + 10):
        await limiter.count_wrong(str(n), "111111", 0.0)
    assert len(limiter._attempts) == limits.ATTEMPT_CALLERS


async def test_an_attack_is_logged_once_per_interval_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    limiter = AttemptLimiter("operator keys", 10**9, 1.0)
    with caplog.at_level(logging.WARNING, "realtime.web.attempts"):
        for n in range(200):
            await limiter.count_wrong("10.0.0.1\n\x1b[31m forged", "guess", n * limits.ATTEMPT_LOG_S / 100)
    assert [line.split()[0] for line in caplog.messages] == ["1", "100"]
    assert all("\n" not in line and "\x1b" not in line for line in caplog.messages)


def test_secrets_are_compared_whole() -> None:
    assert is_secret("schlüssel", "schlüssel")
    assert not any(is_secret(given, "schlüssel") for given in ("", "schlüsse", "schlüssel ", "SCHLÜSSEL", "\udcff"))


async def test_a_running_node_accepts_the_right_key_and_pin_during_an_attack_and_counts_it(cluster: Cluster) -> None:
    url = node_urls(cluster)[1]
    assert len(cluster.secrets["KIOSK_PIN"]) == 8, "six digits are tried in minutes"
    async with aiohttp.ClientSession() as session:

        async def statuses(key: str, pin: str) -> tuple[int, int]:
            async with (
                session.get(f"{url}/api/v1/ops", headers={"Authorization": f"Bearer {key}"}) as ops,
                session.post(f"{url}/api/v1/kiosk/leave", json={"pin": pin}) as left,
            ):
                return ops.status, left.status

        before = await gauges(url)
        for n in range(limits.KEY_ATTEMPTS):
            async with session.get(f"{url}/api/v1/ops", headers={"Authorization": f"Bearer wrong-{n}"}) as answer:
                assert answer.status == 403
        for _ in range(limits.PIN_ATTEMPTS):
            async with session.post(f"{url}/api/v1/kiosk/leave", json={"pin": "wrong"}) as answer:
                assert answer.status == 403
        assert await statuses("wrong-x", "wrong") == (429, 429)
        assert await statuses(cluster.secrets["OPERATOR_KEY"], cluster.secrets["KIOSK_PIN"]) == (200, 200)
        after = await gauges(url)
    name = 'wrong_secrets_total{{kind="{}"}}'.format
    assert after[name("staff")] - before[name("staff")] == limits.KEY_ATTEMPTS + 1
    assert after[name("kiosk_pin")] - before[name("kiosk_pin")] == limits.PIN_ATTEMPTS + 1
