"""Malformed and hostile input: each gets its documented error, and no seat stays locked."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from yarl import URL

from realtime import limits
from realtime.dev.cluster import Cluster
from realtime.errors import CODES
from tests.cluster import Client, map_of_master, new_show, node_urls, pay, until


@pytest.fixture
async def show(cluster: Cluster) -> str:
    return await new_show(cluster, "west")


def refused(answer: dict[str, Any], code: str) -> dict[str, Any]:
    assert answer["ok"] is False, answer
    error: dict[str, Any] = answer["error"]
    assert error["code"] == code, error
    assert error["code"] in CODES
    assert "Traceback" not in str(error)
    assert isinstance(error["message"], str)
    return error


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


# --- HTTP ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/shows/west-nowhere", None, 404, "show_not_found"),
        ("GET", "/api/v1/shows/west-nowhere/seats", None, 404, "show_not_found"),
        ("GET", "/api/v1/layouts/unknown", None, 404, "layout_not_found"),
        ("GET", "/api/v1/layouts/..%2f..%2fetc", None, 404, None),
        ("GET", "/api/v1/nothing", None, 404, "not_found"),
        ("PATCH", "/api/v1/shows", None, 405, "not_found"),
        ("POST", "/api/v1/shows/SHOW/holds", b"{}", 401, "unauthorized"),
        ("GET", "/api/v1/holds/SHOW.hxxxxxxxxxxxxxxxxxxxxxx", None, 401, "unauthorized"),
        ("POST", "/api/v1/shows", b"{}", 403, "forbidden"),
        ("POST", "/api/v1/layouts", b"{}", 403, "forbidden"),
        ("PUT", "/api/v1/theatres/x", b"{}", 403, "forbidden"),
        ("POST", "/api/v1/shows/SHOW/close", b"", 403, "forbidden"),
        ("POST", "/demo/pay", b"{", 400, "bad_request"),
        ("POST", "/demo/pay", b'{"hold": "nonsense"}', 404, "hold_not_found"),
        ("POST", "/demo/pay", b"x" * 100_000, 413, "payload_too_large"),
    ],
)
async def test_each_http_error_has_its_status_and_code(
    cluster: Cluster, show: str, method: str, path: str, body: bytes | None, status: int, code: str | None
) -> None:
    url = node_urls(cluster)[0] + path.replace("SHOW", show)
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body) as response:
        assert response.status == status, await response.text()
        if code is not None:
            assert (await response.json())["error"]["code"] == code


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
UNREAD: list[tuple[bytes, int, str]] = [
    (b"GET / HTTP/banana\r\n\r\n", 400, "bad_request"),
    (b"\x16\x03\x01\x02\x00\r\n\r\n", 400, "bad_request"),
    (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    (GET + b": y\r\n\r\n", 400, "bad_request"),
    (GET + b"Content-Length: -1\r\n\r\n", 400, "bad_request"),
    (GET + b"Expect: tea\r\n\r\n", 417, "bad_request"),
    (GET + (b"X: " + b"y" * 4000 + b"\r\n") * 5, 431, "payload_too_large"),
    (GET + b"\r\n" + b"GARBAGE\r\n\r\n", 400, "bad_request"),
    (b"GET /static/icon.svg HTTP/1.1\r\nHost: x\r\nRange: bytes=9999999-\r\n\r\n", 416, "bad_request"),
    (b"GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    (b"GET /socket.io/?EIO=4&transport=tea HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    (b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: \xff\r\n\r\n", 400, "bad_request"),
]
"""Requests that no handler sees: the framework refuses them, with what status and code."""


async def refusal_of(cluster: Cluster, request: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Send the bytes of a request to a node; return the status, headers and error of its answer."""
    where = URL(node_urls(cluster)[0])
    reader, writer = await asyncio.open_connection(where.host, where.port)
    writer.write(request)
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
    writer.close()
    return int(head[0].split()[1]), headers, json.loads(body)["error"]


async def test_what_the_framework_refuses_gets_an_error_of_the_product(cluster: Cluster) -> None:
    before = logs_of_nodes(cluster).count("a malformed request")
    for request, status, code in UNREAD:
        found, headers, error = await refusal_of(cluster, request)
        assert (found, error["code"]) == (status, code), request[:60]
        assert headers["content-type"] == "application/json"
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
        assert "server" not in headers
    assert logs_of_nodes(cluster).count("a malformed request") <= before + 2, "one line in ten seconds"
    assert "Traceback" not in logs_of_nodes(cluster)


LONG_REQUEST_ID = json.dumps({"payment": "x", "request_id": "r" * 65}).encode()


async def test_invalid_bodies_of_buyers_and_operators_are_refused(cluster: Cluster, show: str) -> None:
    url = node_urls(cluster)[0]
    key = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/api/v1/session") as response:
            token = {"Authorization": f"Bearer {(await response.json())['token']}"}
        for path, headers, body, code in (
            (f"/api/v1/shows/{show}/holds", token, b"not json", "bad_request"),
            (f"/api/v1/shows/{show}/holds", token, b'{"seats": "A-1", "request_id": "1"}', "bad_request"),
            (f"/api/v1/shows/{show}/holds", token, b'{"seats": ["Q-1"], "request_id": "1"}', "seat_not_found"),
            (f"/api/v1/holds/{show}.h{'x' * 22}/extend", token, b"", "hold_not_found"),
            (f"/api/v1/holds/{show}.h{'x' * 22}/confirm", token, b'{"payment": "x"}', "hold_not_found"),
            (f"/api/v1/holds/{show}.h{'x' * 22}/confirm", token, b'{"payment": "\\u0000"}', "bad_request"),
            (
                f"/api/v1/holds/{show}.h{'x' * 22}/confirm",
                token,
                b'{"payment": "x", "request_id": "\\u0000"}',
                "bad_request",
            ),
            (f"/api/v1/holds/{show}.h{'x' * 22}/confirm", token, LONG_REQUEST_ID, "bad_request"),
            (f"/api/v1/holds/{show}.h{'x' * 22}/order", token, b'{"return_url": "\\u202e"}', "bad_request"),
            ("/api/v1/gate/admit", key, b'{"ticket": "x", "theatre": "west-hall", "gate": "\\u202e"}', "bad_request"),
            ("/api/v1/ops/contacts/erase", key, b'{"email": "\\u0000"}', "bad_request"),
            ("/api/v1/ops/bookings/search", key, b'{"email": "\\u0000"}', "bad_request"),
            ("/api/v1/layouts?region=east", key, b"{}", "bad_request"),
            ("/api/v1/layouts?region=west", key, b"{", "invalid_plan"),
            ("/api/v1/layouts?region=west", key, b'{"name": "x", "zones": []}', "invalid_plan"),
            ("/api/v1/shows", key, b'{"theatre": "nowhere"}', "bad_request"),
            (f"/api/v1/shows/{show}/block", key, b'{"seats": ["Q-1"]}', "seat_not_found"),
            (f"/api/v1/shows/{show}/block", key, b'{"seats": []}', "bad_request"),
        ):
            async with session.post(url + path, data=body, headers=headers) as response:
                assert (await response.json())["error"]["code"] == code, path


async def test_a_compressed_body_is_not_decompressed(cluster: Cluster, show: str) -> None:
    """A buyer's, the gateway's, one that the handler does not read, one of Socket.IO: none is an error of the node."""
    url = node_urls(cluster)[0]
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/api/v1/session") as response:
            token = {"Authorization": f"Bearer {(await response.json())['token']}"}
        for path, headers, status in (
            (f"/api/v1/shows/{show}/holds", token, 400),
            ("/api/v1/payments/webhook", {}, 400),
            ("/api/v1/session", {}, 200),
            ("/socket.io/?EIO=4&transport=polling&sid=none", {}, 400),
        ):
            for coding in ("gzip", "deflate", "br"):
                sent = {**headers, "Content-Encoding": coding}
                async with session.post(url + path, data=b"garbage", headers=sent) as response:
                    assert response.status == status, path
    assert "Traceback" not in logs_of_nodes(cluster)


def logs_of_nodes(cluster: Cluster) -> str:
    return "".join(file.read_text() for file in (cluster.plan.data / "log").glob("node-*.log"))


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("seat-map/live.js", 200),
        ("x" * 300, 404),
        ("built/" + "x" * 300, 404),
        ("x%00.js", 404),
        ("..%2fpyproject.toml", 404),
        ("seat-map", 404),
        ("seat-map/", 404),
        ("seat-map/live.js/x", 404),
    ],
)
async def test_only_files_of_the_pages_are_served(cluster: Cluster, name: str, status: int) -> None:
    url = URL(f"{node_urls(cluster)[0]}/static/{name}", encoded=True)
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == status
        if status == 404:
            assert (await response.json())["error"]["code"] == "not_found"


async def test_cors_allows_the_pages_of_other_nodes_and_no_other_origin(cluster: Cluster) -> None:
    here, there, _ = node_urls(cluster)
    async with aiohttp.ClientSession() as session:
        for origin, allowed in ((there, there), ("https://elsewhere.example", None)):
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            async with session.options(f"{here}/demo/pay", headers=asked) as response:
                assert response.status == 204
                assert response.headers.get("Access-Control-Allow-Origin") == allowed


async def test_pages_and_answers_carry_the_security_headers(cluster: Cluster) -> None:
    url = node_urls(cluster)[0]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/") as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
        async with session.get(f"{url}/api/v1/shows") as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
