"""Whose request it is, behind proxies that are trusted and behind others."""

from __future__ import annotations

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from realtime.transport.client_address import ClientAddresses, client_address, session_address
from tests.transport.test_fanout import Server

PROXIES = ("10.0.0.0/8", "192.0.2.7", "2001:db8:ff::/48")
XFF, FWD = "X-Forwarded-For", "Forwarded"


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", [(XFF, "203.0.113.9")], "198.51.100.1"),  # no proxy of ours
        ("198.51.100.1", [(FWD, "for=203.0.113.9")], "198.51.100.1"),
        ("10.0.0.2", [], "10.0.0.2"),
        ("10.0.0.2", [(XFF, "203.0.113.9")], "203.0.113.9"),
        ("10.0.0.2", [(XFF, "6.6.6.6, 203.0.113.9")], "203.0.113.9"),  # the first is the client's invention
        ("10.0.0.2", [(XFF, "203.0.113.9, 10.9.9.9, 192.0.2.7")], "203.0.113.9"),  # a chain of ours
        ("10.0.0.2", [(XFF, "6.6.6.6"), (XFF, "203.0.113.9")], "203.0.113.9"),
        ("10.0.0.2", [(XFF, "203.0.113.9:41234")], "203.0.113.9"),
        ("10.0.0.2", [(XFF, "203.0.113.9, unknown")], "10.0.0.2"),
        ("10.0.0.2", [(XFF, "203.0.113.9, unknown, 10.0.0.3")], "10.0.0.3"),
        ("10.0.0.2", [(XFF, "")], "10.0.0.2"),
        ("10.0.0.2", [(XFF, ", ,")], "10.0.0.2"),
        ("10.0.0.2", [(XFF, "10.0.0.3, " * 5_000 + "10.0.0.4")], "10.0.0.3"),
        ("10.0.0.2", [(FWD, "for=6.6.6.6, for=203.0.113.9;proto=https;by=10.0.0.2")], "203.0.113.9"),
        ("10.0.0.2", [(FWD, 'proto=https; For="[2001:db8:cafe::17]:4711"')], "2001:db8:cafe::/64"),
        ("10.0.0.2", [(FWD, "for=_hidden")], "10.0.0.2"),
        ("10.0.0.2", [(FWD, "proto=https")], "10.0.0.2"),
        ("10.0.0.2", [(XFF, "203.0.113.9"), (FWD, "for=203.0.113.9")], "203.0.113.9"),
        ("10.0.0.2", [(XFF, "203.0.113.9"), (FWD, "for=6.6.6.6")], "10.0.0.2"),  # one of the two is forged
        ("2001:db8:ff::1", [(XFF, "2001:db8:1:2:3::4")], "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.2", [(XFF, "::ffff:203.0.113.9")], "203.0.113.9"),
        ("::1", [], "::1"),
        ("fe80::1%eth0", [], "fe80::/64"),
        (None, [(XFF, "203.0.113.9")], ""),
        ("", [], ""),
    ],
)
def test_the_client_is_the_last_address_that_a_trusted_proxy_has_seen(
    peer: str | None, headers: list[tuple[str, str]], client: str
) -> None:
    assert ClientAddresses(PROXIES).of(peer, CIMultiDict(headers)) == client
    assert ClientAddresses(()).of(peer, CIMultiDict(headers)) == ClientAddresses(()).of(peer, {})


HOSTILE = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
    st.sampled_from(
        ["", ",", "unknown", "_hidden", "10.0.0.9", "[::1", '"', 'for="', "for=10.0.0.9", ", " * 50, "[::1]:80"]
    ),
    st.lists(st.ip_addresses().map(str), max_size=30).map(", ".join),
)
"""What a client sends before its address is appended, or as a header of its own."""


@given(
    st.lists(HOSTILE, max_size=4), HOSTILE, st.sampled_from(["203.0.113.9", "203.0.113.9:80", "[2001:db8:1:2::3]:80"])
)
def test_nothing_that_a_client_sends_gives_it_the_address_of_another(lines: list[str], begun: str, own: str) -> None:
    known = ClientAddresses(PROXIES)
    mine = known.of("10.0.0.2", {XFF: own})
    for name, appended in ((XFF, own), (FWD, f'for="{own}"')):
        sent = CIMultiDict([*((name, line) for line in lines), (name, f"{begun}, {appended}")])
        assert known.of("10.0.0.2", sent) == mine
        # A proxy that sets one header and lets the other through: they agree, or neither counts.
        sent.extend((XFF if name == FWD else FWD, line) for line in lines)
        assert known.of("10.0.0.2", sent) in (mine, "10.0.0.2")
        assert known.of("198.51.100.1", sent) == "198.51.100.1"


@pytest.mark.parametrize("kind", ["acceptor", "aiohttp", "emit"])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_socket_io_and_http_tell_the_same_client(kind: str, transport: str) -> None:
    server = Server(kind, addresses=ClientAddresses(["127.0.0.1"]))
    found: list[str] = []

    async def connect(_sid: str, environ: dict[str, object], *_more: object) -> None:
        found.append(session_address(environ))

    async def tell(request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(text=client_address(request))

    server.sio.on("connect", connect)
    server.app.router.add_get("/client", tell)
    await server.start()
    headers = {XFF: "6.6.6.6, 203.0.113.9"}
    url = f"{server.url}/socket.io/?EIO=4&transport={transport}"
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(server.url + "/client") as answer:
            assert await answer.text() == "203.0.113.9"
        if transport == "websocket":
            async with http.ws_connect(url) as socket:
                await socket.receive_str()
                await socket.send_str("40")
                await socket.receive_str()
        else:
            async with http.get(url) as answer:
                sid = (await answer.text()).partition('"sid":"')[2].partition('"')[0]
            async with http.post(f"{url}&sid={sid}", data="40"):
                pass
    assert found == ["203.0.113.9"]
    await server.stop()
