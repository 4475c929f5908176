"""Malformed and forged events: each gets its documented error, and no seat stays locked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime.dev.cluster import Cluster
from tests.cluster import Client, map_of_master, new_show, node_urls, pay
from tests.web.refusals import refused


@pytest.fixture
async def show(cluster: Cluster) -> str:
    return await new_show(cluster, "west")


HOLD = {"seats": ["A-1"], "request_id": "r"}
BAD_HOLDS: list[Any] = [
    None,
    7,
    "text",
    [],
    [1, 2],
    {},
    {"show": 5, **HOLD},
    {"seats": ["A-1"], "request_id": "r"},
    {"show": "SHOW", "seats": "A-1", "request_id": "r"},
    {"show": "SHOW", "seats": [], "request_id": "r"},
    {"show": "SHOW", "seats": [1], "request_id": "r"},
    {"show": "SHOW", "seats": [None], "request_id": "r"},
    {"show": "SHOW", "seats": [["A-1"]], "request_id": "r"},
    {"show": "SHOW", "seats": {"A-1": 1}, "request_id": "r"},
    {"show": "SHOW", "seats": ["A-1"], "request_id": 9},
    {"show": "SHOW", "seats": ["A-1"], "request_id": ""},
    {"show": "SHOW", "seats": ["A-1"], "request_id": "r" * 65},
    {"show": "SHOW", "seats": ["A-1"], "request_id": "r\0"},
    {"show": "SHOW", "seats": ["A-1"], "request_id": "r\u202e"},
    {"show": "SHOW", "seats": ["A-1"]},
    {"show": "SHOW", "seats": ["A-1", "A-1"], "request_id": "r"},
    {"show": "SHOW", "seats": [f"A-{n}" for n in range(1, 12)], "request_id": "r"},
    {"show": "SHOW", "seats": ["A-1"] * 10_000, "request_id": "r"},
    {"show": "x" * 500, **HOLD},
]


async def test_a_malformed_hold_is_refused_and_locks_nothing(cluster: Cluster, show: str) -> None:
    client = await Client.connect(node_urls(cluster)[0])
    for payload in BAD_HOLDS:
        if isinstance(payload, dict) and payload.get("show") == "SHOW":
            payload = {**payload, "show": show}
        refused(await client.call("seats:hold", payload), "bad_request")
    _epoch, _version, text = await map_of_master(cluster, show)
    assert set(text) == {"0"}
    await client.close()


@pytest.mark.parametrize(
    ("event", "payload", "code"),
    [
        ("show:watch", {"show": "west-nowhere"}, "show_not_found"),
        ("show:watch", {"show": "nowhere-at-all"}, "show_not_found"),
        ("show:watch", {"show": "{tt:shows}"}, "show_not_found"),
        ("show:watch", {"show": b"SHOW"}, "bad_request"),
        ("show:watch", {"show": "SHOW", "since": b"x"}, "bad_request"),
        ("seats:hold", {"show": "SHOW", "seats": [b"A-1"], "request_id": "1"}, "bad_request"),
        ("show:watch", {"show": "SHOW", "since": 5}, "bad_request"),
        ("show:watch", {"show": "SHOW", "since": {"epoch": "x", "version": -1}}, "bad_request"),
        ("show:watch", {"show": "SHOW", "since": {"epoch": "x", "version": "1"}}, "bad_request"),
        ("show:unwatch", {}, "bad_request"),
        ("seats:hold", {"show": "west-nowhere", **HOLD}, "show_not_found"),
        ("seats:hold", {"show": "SHOW", "seats": ["Z-99", "A-1"], "request_id": "r"}, "seat_not_found"),
        ("seats:release", {"hold": "nonsense"}, "hold_not_found"),
        ("seats:release", {"hold": "west-test-1.h" + "x" * 22 + "\n"}, "bad_request"),
        ("seats:release", {"hold": "SHOW.h" + "x" * 22}, "hold_not_found"),
        ("seats:release", {"hold": "SHOW.h" + "x" * 22, "seats": []}, "bad_request"),
        ("seats:extend", {"hold": "SHOW.h" + "x" * 22}, "hold_not_found"),
        ("seats:extend", {"hold": 12}, "bad_request"),
        ("hold:resume", {"hold": "SHOW.h" + "x" * 22}, "hold_not_found"),
        ("seats:confirm", {"hold": "SHOW.h" + "x" * 22, "payment": "made up"}, "hold_not_found"),
        ("seats:confirm", {"hold": "SHOW.h" + "x" * 22, "payment": ""}, "bad_request"),
        ("seats:confirm", {"hold": "SHOW.h" + "x" * 22, "payment": "p" * 3000}, "bad_request"),
        ("seats:unknown", {}, "bad_request"),
        ("connect", {}, "bad_request"),
        ("connect", {"aiohttp.request": 1}, "bad_request"),
        ("disconnect", {}, "bad_request"),
    ],
)
async def test_each_refusal_has_its_code(
    cluster: Cluster, show: str, event: str, payload: dict[str, Any], code: str
) -> None:
    client = await Client.connect(node_urls(cluster)[1])
    text = {k: v.replace("SHOW", show) if isinstance(v, str) else v for k, v in payload.items()}
    refused(await client.call(event, text), code)
    assert (await client.call("show:watch", {"show": show}))["ok"], "the connection still works"
    await client.close()


async def test_a_buyer_cannot_use_the_hold_of_another(cluster: Cluster, show: str) -> None:
    urls = node_urls(cluster)
    asha, eve = await Client.connect(urls[0]), await Client.connect(urls[2])
    held = await asha.call("seats:hold", {"show": show, **HOLD})
    hold = held["hold"]["id"]
    payment = await pay(urls[1], hold)
    refused(await eve.call("seats:release", {"hold": hold}), "not_your_hold")
    refused(await eve.call("seats:extend", {"hold": hold}), "not_your_hold")
    refused(await eve.call("seats:confirm", {"hold": hold, "payment": payment}), "not_your_hold")
    refused(await eve.call("hold:resume", {"hold": hold}), "hold_not_found")
    # The same request id from another owner is a different request.
    refused(await eve.call("seats:hold", {"show": show, **HOLD}), "seats_taken")
    # The payment is for the hold, no matter who presents the proof: it is booked for the owner of the hold.
    settled = await asha.hears("booking:settled")
    assert settled["booking"]["hold"] == hold and settled["booking"]["state"] == "booked"
    assert not any(event == "booking:settled" for event, _payload in eve.received)
    refused(await asha.call("seats:release", {"hold": hold}), "hold_confirmed")
    await asyncio.gather(asha.close(), eve.close())


async def test_a_payment_for_one_hold_does_not_pay_another(cluster: Cluster, show: str) -> None:
    url = node_urls(cluster)[0]
    client = await Client.connect(url)
    first = await client.call("seats:hold", {"show": show, "seats": ["A-1"], "request_id": "1"})
    second = await client.call("seats:hold", {"show": show, "seats": ["A-2"], "request_id": "2"})
    payment = await pay(url, first["hold"]["id"])
    answer = await client.call("seats:confirm", {"hold": second["hold"]["id"], "payment": payment})
    refused(answer, "payment_refused")
    await client.close()


async def test_a_forged_token_cannot_connect(cluster: Cluster) -> None:
    for token in ("made-up", "IlJpQnRaalAtNVZHNDBfUWEi.awSdEA.BOX5drxuxsBXWYrkizKJ-GzJYaM", 5, ["x"], "x" * 5000):
        client = Client()
        refusals: list[dict[str, Any]] = []
        client.sio.on("connect_error", refusals.append)
        with pytest.raises(Exception, match="failed to connect"):
            await client.sio.connect(node_urls(cluster)[0], auth={"token": token}, transports=["websocket"])
        assert not client.sio.connected
        assert refusals[0]["data"]["code"] == "unauthorized"
