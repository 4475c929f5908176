"""How often one address can hold seats, order and cancel: it can't keep masters, ledgers and gateways busy."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from loadtest.connection import Endpoint
from loadtest.scalper.person import Holds, Person, join_all
from realtime import limits
from realtime.dev.cluster import Cluster
from realtime.model import booking_of
from tests.cluster import new_show, node_with

BUSY, OTHER = "127.9.9.9", "127.9.9.10"
BURST = 5
DELAY_S = 6.0
"""At most; half of it at least."""


@asynccontextmanager
async def too_many_holds(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[str, str, Person]]:
    """Yield a node's URL, a show, and somebody whose address has asked for as many holds as it may."""
    monkeypatch.setattr(limits, "ADDRESS_HOLDS_BURST", BURST)
    monkeypatch.setattr(limits, "ADDRESS_HOLDS_PER_S", 0.01)
    monkeypatch.setattr(limits, "HOLD_DELAY_S", DELAY_S)
    show = await new_show(cluster)
    async with node_with(cluster, folder, "") as url:
        (busy,) = await join_all([Endpoint.of(url)], [BUSY])
        holds = Holds()
        for _ in range(BURST):
            hold = await busy.hold(show, ["A-1"], holds)
            assert hold is not None
            await busy.release(hold, 1, holds)
        try:
            yield url, show, busy
        finally:
            busy.close()


async def test_a_refused_connection_waits_and_no_other(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with too_many_holds(cluster, tmp_path, monkeypatch) as (url, show, busy):
        refused, begun = Holds(), time.monotonic()
        assert await busy.hold(show, ["A-1"], refused) is None and refused.refused == {"rate_limited": 1}
        neighbour, other = await join_all([Endpoint.of(url)], [BUSY, OTHER])
        assert (await neighbour.ask("show:watch", {"show": show}))["ok"]
        assert await other.hold(show, ["A-1"], Holds())
        assert time.monotonic() - begun < DELAY_S / 2, "nobody has waited"
        assert (await busy.ask("show:watch", {"show": show}))["ok"]
        assert time.monotonic() - begun >= DELAY_S / 2
        for person in (neighbour, other):
            person.close()


async def test_over_http_the_answer_is_held_back(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with too_many_holds(cluster, tmp_path, monkeypatch) as (url, show, _busy):
        connector = aiohttp.TCPConnector(local_addr=(BUSY, 0))
        async with aiohttp.ClientSession(f"{url}/api/v1/", connector=connector) as http:
            async with http.post("session") as answer:
                http.headers["Authorization"] = f"Bearer {(await answer.json())['token']}"
            begun = time.monotonic()
            async with http.post(f"shows/{show}/holds", json={"seats": ["A-1"], "request_id": "r1"}) as answer:
                assert answer.status == 429 and (await answer.json())["error"]["retry_after_ms"] > 0
            assert time.monotonic() - begun >= DELAY_S / 2
            monkeypatch.setattr(limits, "HOLDS_HELD_BACK", 0)
            begun = time.monotonic()
            async with http.post(f"shows/{show}/holds", json={"seats": ["A-1"], "request_id": "r2"}) as answer:
                assert answer.status == 429
            assert time.monotonic() - begun < DELAY_S / 2, "as many as may be are held back already"


async def test_orders_and_cancellations_have_a_pace_too(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("ORDERS", "COMMANDS"):
        monkeypatch.setattr(limits, f"ADDRESS_{kind}_BURST", BURST)
        monkeypatch.setattr(limits, f"ADDRESS_{kind}_PER_S", 0.01)
    monkeypatch.setattr(limits, "HOLD_DELAY_S", DELAY_S)
    show = await new_show(cluster)
    async with node_with(cluster, tmp_path, "") as url:
        busy, neighbour, other = await join_all([Endpoint.of(url)], [BUSY, BUSY, OTHER])
        hold = await busy.hold(show, ["A-1"], Holds())
        for _ in range(BURST):
            assert (await busy.ask("seats:order", {"hold": hold}))["ok"]
        begun = time.monotonic()
        assert (await busy.ask("seats:order", {"hold": hold}))["error"]["code"] == "rate_limited"
        assert (await neighbour.ask("show:watch", {"show": show}))["ok"]
        elsewhere = await other.hold(show, ["A-2"], Holds())
        assert (await other.ask("seats:order", {"hold": elsewhere}))["ok"]
        assert time.monotonic() - begun < DELAY_S / 2, "nobody has waited"
        assert (await busy.ask("show:watch", {"show": show}))["ok"]
        assert time.monotonic() - begun >= DELAY_S / 2
        for person in (busy, neighbour, other):
            person.close()
        connector = aiohttp.TCPConnector(local_addr=(BUSY, 0))
        async with aiohttp.ClientSession(f"{url}/api/v1/", connector=connector) as http:
            async with http.post("session") as answer:
                http.headers["Authorization"] = f"Bearer {(await answer.json())['token']}"
            codes = []
            for number in range(BURST + 1):
                path = f"bookings/{booking_of(hold or '')}/{'cancel' if number % 2 else 'revoke-links'}"
                begun = time.monotonic()
                async with http.post(path, headers={"Idempotency-Key": f"c{number}"}) as answer:
                    codes.append((await answer.json())["error"]["code"])
            assert codes == ["booking_not_found"] * BURST + ["rate_limited"]
            assert time.monotonic() - begun >= DELAY_S / 2
