"""Malformed HTTP requests get an error of the product; which files, origins and headers browsers get."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from realtime import limits
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.transport.acceptor import ACCEPTOR, serving
from realtime.web import money_api
from realtime.web.routing import read_up_to
from tests.cluster import new_show, node_urls

from .test_exposure import application


@pytest.fixture
async def show(cluster: Cluster) -> str:
    return await new_show(cluster, "west")


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
    (b'GET /static/icon.svg HTTP/1.1\r\nHost: x\r\nIf-Match: "x"\r\n\r\n', 412, "bad_request"),
    (b"GET /healthz\r\n\r\n", 400, "bad_request"),
    (b"GET /api/v1/bookings HTTP/1.1\r\nHost: x\r\n\r\n", 401, "unauthorized"),
    (b"PUT /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405, "not_found"),
    (b"GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    *(
        (
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n" + more,
            400,
            "bad_request",
        )
        for more in (b"\r\n", b"Connection: no-upgrade\r\n\r\n")
    ),
    (b"GET /socket.io/?EIO=4&transport=tea HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
    (b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: \xff\r\n\r\n", 400, "bad_request"),
]
"""Requests that no handler sees: the framework refuses them, with what status and code."""
HANDSHAKE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
WRONG_HOSTS = (
    "",
    "a b",
    "a/b",
    "user@a",
    "a:b",
    "a:65536",
    "a:1:2",
    "[::1",
    "[:::]",
    "::1",
    "[127.0.0.1]",
    "a%zz",
    "\xe9",
)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
AMBIGUOUS = [
    *(
        line + fields + b"\r\n"
        for line in (b"GET /healthz HTTP/1.1\r\n", HANDSHAKE, b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n")
        for fields in (b"", b"Host: a\r\nHost: a\r\n", *(f"Host: {host}\r\n".encode() for host in WRONG_HOSTS))
    ),
    b"GET /healthz HTTP/1.0\r\nHost: a b\r\n\r\n",
    b"POST /api/v1/session HTTP/1.0\r\nHost: x\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    *(
        b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n0\r\n\r\n"
        for fields in (
            b"Transfer-Encoding: gzip, chunked\r\n",
            b"Transfer-Encoding: gzip\r\n" + CHUNKED,
            b"Transfer-Encoding: chunked, chunked\r\n",
            b"Transfer-Encoding: identity\r\n",
            CHUNKED + CHUNKED,
        )
    ),
]
"""Requests that a proxy may understand in another way."""
UNAMBIGUOUS = [
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:  Chunked \r\n\r\n0\r\n\r\n",
    *(
        f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        for host in (
            "a_b.example",
            "A.example.:80",
            "a:",
            "192.0.2.1:8001",
            "[::1]",
            "[2001:db8::1]:443",
            "a%2eb",
            "~a-b!",
        )
    ),
]


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
        assert headers.get("www-authenticate") == ("bearer" if status == 401 else None)
        assert headers.get("allow") == ("get,head" if status == 405 else None)
    assert logs_of_nodes(cluster).count("a malformed request") <= before + 2, "one line in ten seconds"
    assert "Traceback" not in logs_of_nodes(cluster)


async def test_requests_that_a_proxy_may_understand_in_another_way_are_refused_and_end_the_connection(
    cluster: Cluster,
) -> None:
    for request in AMBIGUOUS:
        found, headers, error = await refusal_of(cluster, request)
        ends = headers.get("connection", "close")  # HTTP/1.0 says nothing of it
        assert (found, error["code"], ends) == (400, "bad_request", "close"), request
    where = URL(node_urls(cluster)[0])
    for request in UNAMBIGUOUS:
        reader, writer = await asyncio.open_connection(where.host, where.port)
        writer.write(request)
        async with asyncio.timeout(10):
            assert (await reader.readline()).split()[1] == b"200", request
        writer.close()


async def test_every_route_for_get_answers_head_without_the_body(cluster: Cluster) -> None:
    url = node_urls(cluster)[0]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}) as session:
        async with session.get(f"{url}/api/openapi.json") as response:
            paths = (await response.json())["paths"]
        for path in (path for path, methods in paths.items() if "get" in methods and path != "/socket.io/"):
            async with session.get(url + path) as response:
                status, media_type = response.status, response.content_type
            async with session.head(url + path) as response:
                found = (response.status, response.content_type, await response.read())
            assert found == (status, media_type, b""), path


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
                allows_keys = "Idempotency-Key" in response.headers.get("Access-Control-Allow-Headers", "")
                assert allows_keys is (allowed is not None)


async def test_pages_and_answers_carry_the_security_headers(cluster: Cluster) -> None:
    url = node_urls(cluster)[0]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/") as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
        async with session.get(f"{url}/api/v1/shows") as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_half_a_webhook_is_bounded_like_every_stranger_s_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_S", 1.0)
    reading = asyncio.Event()

    async def read(request: web.Request, size: int) -> bytes:
        asyncio.get_running_loop().call_soon(reading.set)  # once it waits for the rest
        return await read_up_to(request, size)

    monkeypatch.setattr(money_api, "read_up_to", read)
    app, port = application(), valkey.free_port()
    admission = app[ACCEPTOR].admission
    async with serving(app, valkey.HOST, port, shutdown_timeout=1.0):
        reader, writer = await asyncio.open_connection(valkey.HOST, port)
        writer.write(b"POST /api/v1/payments/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n{")
        await asyncio.wait_for(reading.wait(), 10)
        assert (len(admission.bodies), len(admission.unfinished)) == (1, 0)
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        assert len(admission.bodies) == 0
        writer.close()
