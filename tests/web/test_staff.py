"""Staff tokens: what they prove, what each role may do, how they are revoked, and the record of what was done."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
import socketio
from aiohttp import web
from aiohttp.test_utils import TestServer, make_mocked_request
from click.testing import CliRunner
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from redis.exceptions import ResponseError
from yarl import URL

from realtime import topology
from realtime.cli import cli
from realtime.dev.cluster import Cluster
from realtime.errors import BadRequest, RegionUnavailable
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.staff import Role, StaffToken, StaffTokens, TokenInvalid, read_customer, read_external
from realtime.web import identity_provider, staff_access
from realtime.web.identity_provider import IdentityProvider
from realtime.web.staff_access import Kiosk, Register, StaffAccess
from tests.cluster import Client, new_show, node_urls, node_with, until

SECRET, OTHER = "a secret for the tests", "another secret here"
NOW = 1_800_000_000
TOKEN = StaffToken("west-0123456789abcdef", "asha", Role.GATE, "", NOW * 1000, (NOW + 3600) * 1000)
ISSUER, AUDIENCE = "https://id.example", "tickets"


# --- tokens of this installation -----------------------------------------------------------------------------------
def test_a_token_names_its_bearer_at_every_process_with_the_secret_until_it_expires() -> None:
    text = StaffTokens([SECRET]).sign(TOKEN)
    for secrets in ([SECRET], [OTHER, SECRET], [SECRET, ""]):
        found = StaffTokens(secrets).read(text, NOW + 3600)
        assert (found.name, found.role, found.token, found.external) == ("asha", Role.GATE, TOKEN.id, False)
    for secrets, at in (([OTHER], NOW), ([SECRET], NOW + 3700)):
        with pytest.raises(TokenInvalid):
            StaffTokens(secrets).read(text, at)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _forgeries() -> list[str]:
    text = StaffTokens([SECRET]).sign(TOKEN)
    head, _body, signature = text.split(".")
    claims = {"iss": "tickingtickets", "sub": "asha", "role": "operator", "jti": TOKEN.id, "exp": NOW + 3600}
    own = OKPKey.generate_key("Ed25519")
    octets = OctKey.import_key(SECRET.encode().ljust(32, b"x"))
    return [
        "",
        "..",
        "a.b.c",
        text[:-8] + "AAAAAAAA",
        f"{head}.{_part(claims)}.{signature}",
        f"{_part({'alg': 'none'})}.{_part(claims)}.",
        jwt.encode({"alg": "Ed25519"}, claims, own, algorithms=["Ed25519"]),
        jwt.encode({"alg": "HS256"}, claims, octets, algorithms=["HS256"]),
    ]


@pytest.mark.parametrize("text", _forgeries())
def test_a_forged_token_is_not_accepted(text: str) -> None:
    with pytest.raises(TokenInvalid):
        StaffTokens([SECRET]).read(text, NOW)


@pytest.mark.parametrize(
    "changed",
    [{"name": ""}, {"name": "a\nb"}, {"id": "No id"}, {"role": Role.KIOSK}, {"theatre": "No id"}, {"name": "x" * 65},
     {"role": Role.OPERATOR, "theatre": "west-hall"}, {"role": Role.SERVICE, "theatre": "west-hall"}],
)  # fmt: skip
def test_a_token_with_claims_that_nobody_issues_is_not_accepted(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        StaffTokens([SECRET]).read(StaffTokens([SECRET]).sign(replace(TOKEN, **changed)), NOW)


# --- tokens of an identity provider ---------------------------------------------------------------------------------
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "bala", "role": "gate", "exp": NOW + 600}


@pytest.mark.parametrize("alg", ["EdDSA", "ES256", "RS256"])
def test_a_provider_may_sign_with_the_usual_algorithms(alg: str) -> None:
    made: dict[str, Callable[[], OKPKey | ECKey | RSAKey]] = {
        "EdDSA": lambda: OKPKey.generate_key("Ed25519", {"kid": "1"}),
        "ES256": lambda: ECKey.generate_key("P-256", {"kid": "1"}),
        "RS256": lambda: RSAKey.generate_key(2048, {"kid": "1"}),
    }
    key = made[alg]()
    text = jwt.encode({"alg": alg, "kid": "1"}, CLAIMS, key, algorithms=[alg])
    found = read_external(text, KeySet([key]), ISSUER, AUDIENCE, NOW)
    assert (found.name, found.role, found.external) == ("bala", Role.GATE, True)


@pytest.mark.parametrize(
    "changed",
    [{"iss": "https://else.example"}, {"aud": "shop"}, {"exp": NOW - 60}, {"exp": None}, {"role": "admin"},
     {"role": None}, {"sub": None}, {"sub": 7}, {"role": "kiosk"}, {"role": "operator", "theatre": "west-hall"},
     {"role": "service", "theatre": "west-hall"}],
)  # fmt: skip
def test_a_token_of_a_provider_needs_all_claims(changed: dict[str, Any]) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "1"})
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    text = jwt.encode({"alg": "Ed25519", "kid": "1"}, claims, key, algorithms=["Ed25519"])
    with pytest.raises(TokenInvalid):
        read_external(text, KeySet([key]), ISSUER, AUDIENCE, NOW)


@pytest.mark.parametrize("changed", [{"iss": "x"}, {"aud": "x"}, {"exp": NOW - 60}, {"sub": ""}, {"sub": "a\nb"}])
def test_a_token_of_a_shop_names_a_customer_and_needs_no_role(changed: dict[str, Any]) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "1"})

    def customer(claims: dict[str, Any]) -> str:
        text = jwt.encode({"alg": "Ed25519", "kid": "1"}, claims, key, algorithms=["Ed25519"])
        return read_customer(text, KeySet([key]), ISSUER, AUDIENCE, NOW)

    claims = {name: value for name, value in CLAIMS.items() if name != "role"}
    assert customer(claims) == "bala"
    with pytest.raises(TokenInvalid):
        customer({**claims, **changed})


class Provider:
    """An identity provider whose keys change."""

    def __init__(self) -> None:
        self.keys = [OKPKey.generate_key("Ed25519", {"kid": "1"})]
        self.odd: list[Any] = []
        self.asked = 0
        self.broken = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.broken:
            return web.Response(text="<p>Sorry", status=503)
        # In two parts, as large answers arrive.
        body = json.dumps({"keys": [*self.odd, *(key.as_dict(private=False) for key in self.keys)]}).encode()
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(body[:50])
        await asyncio.sleep(0.05)
        await answer.write(body[50:])
        return answer

    def token(self, kid: str, **claims: Any) -> str:
        key = next(key for key in self.keys if key.kid == kid)
        return jwt.encode({"alg": "Ed25519", "kid": kid}, {**CLAIMS, **claims}, key, algorithms=["Ed25519"])


@pytest.fixture
async def provider() -> AsyncIterator[tuple[Provider, IdentityProvider]]:
    served = Provider()
    app = web.Application()
    app.router.add_get("/keys", served.serve)
    async with TestServer(app) as server:
        yield served, IdentityProvider(topology.IdentityProvider(str(server.make_url("/keys")), ISSUER, AUDIENCE))


async def test_keys_of_a_provider_are_read_once_and_again_for_a_new_one_and_kept_when_it_fails(
    provider: tuple[Provider, IdentityProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, known = provider
    first = served.token("1")
    await asyncio.gather(*(known.keys_for(first) for _ in range(5)))
    assert served.asked == 1
    served.keys.append(OKPKey.generate_key("Ed25519", {"kid": "2"}))
    second = served.token("2")
    with pytest.raises(TokenInvalid, match="unknown key"):
        await known.keys_for(second)
    assert served.asked == 1, "unknown keys are no way to make a node ask all the time"
    monkeypatch.setattr(identity_provider, "AGAIN_S", 0.0)
    assert read_external(second, await known.keys_for(second), ISSUER, AUDIENCE, NOW).name == "bala"
    served.broken = True
    monkeypatch.setattr(identity_provider, "KEPT_S", 0.0)
    assert read_external(first, await known.keys_for(first), ISSUER, AUDIENCE, NOW).name == "bala"
    with pytest.raises(TokenInvalid):
        await known.keys_for("no token")


@pytest.mark.parametrize(
    "odd", [{"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "x"}, {"kty": "RSA"}, {}, 5, None]
)
async def test_a_key_of_a_provider_that_is_not_understood_keeps_no_other_from_being_used(
    provider: tuple[Provider, IdentityProvider], odd: Any
) -> None:
    served, known = provider
    served.odd = [odd]
    token = served.token("1")
    assert read_external(token, await known.keys_for(token), ISSUER, AUDIENCE, NOW).name == "bala"


async def test_a_token_is_not_wrong_while_its_provider_has_never_been_reached(
    provider: tuple[Provider, IdentityProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, known = provider
    access = StaffAccess("", StaffTokens([SECRET]), Register({}), known, cast("LockMaster", None))
    monkeypatch.setattr(identity_provider, "AGAIN_S", 0.0)
    served.broken = True
    with pytest.raises(RegionUnavailable, match="identity provider"):
        await access.principal("192.0.2.1", f"Bearer {served.token('1')}", 0.0)
    with pytest.raises(RegionUnavailable):
        await access.kiosk("192.0.2.1", served.token("1"))
    assert access.attempts.wrong == 0
    served.broken = False
    kiosk = served.token("1", role="kiosk", theatre="west-hall", exp=int(time.time()) + 60)
    assert await access.kiosk("192.0.2.1", kiosk) == Kiosk("west-hall", "bala")


# --- a running installation -----------------------------------------------------------------------------------------
def staff(cluster: Cluster, *words: str) -> tuple[int, str]:
    env = {"TICKINGTICKETS_SECRET": cluster.secrets["SECRET"]}
    arguments = ["--topology", str(cluster.topology_file("north")), "staff", *words]
    done = CliRunner().invoke(cli, arguments, env=env)
    return done.exit_code, done.stdout if done.exit_code == 0 else done.output


async def call(url: str, token: str, method: str, path: str, **how: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"}
    session = aiohttp.ClientSession(headers=headers)
    async with session, session.request(method, f"{url}/api/v1{path}", **how) as answer:
        return answer.status, await answer.json()


async def add(cluster: Cluster, *words: str) -> str:
    code, output = await asyncio.to_thread(staff, cluster, "add", *words)
    assert code == 0, output
    return output.strip()


async def test_each_role_may_do_what_is_its_own_at_every_node_and_operators_see_what_was_done(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    tokens = {
        "operator": await add(cluster, "Operator Asha", "--role", "operator"),
        "gate": await add(cluster, "gate-1", "--role", "gate"),
        "service": await add(cluster, "shop", "--role", "service"),
        "kiosk": await add(
            cluster, "foyer", "--role", "kiosk", "--theatre", "west-hall", "--region", "west", "--days", "2"
        ),
        "key": cluster.secrets["OPERATOR_KEY"],
    }
    table: list[tuple[str, str, dict[str, int]]] = [
        ("POST", f"/shows/{show}/pause", {"operator": 200, "key": 200, "gate": 403, "service": 403, "kiosk": 403}),
        ("GET", "/ops/refunds", {"operator": 200, "key": 200, "gate": 403, "service": 200, "kiosk": 403}),
        ("GET", "/ops/bookings/none/ticket.pdf", {"operator": 404, "key": 404, "gate": 404, "kiosk": 403}),
        ("POST", "/gate/admit", {"operator": 400, "key": 400, "gate": 400, "service": 403, "kiosk": 403}),
        ("GET", "/ops/audit", {"operator": 200, "key": 200, "gate": 403, "service": 403, "kiosk": 403}),
        ("GET", "/ops/me", dict.fromkeys(tokens, 200)),
    ]
    for number, (method, path, expected) in enumerate(table):
        url = node_urls(cluster)[number % 3]
        answers = [await call(url, tokens[who], method, path) for who in expected]
        assert dict(zip(expected, (status for status, _body in answers), strict=True)) == expected, path
        assert all(body["error"]["reason"] == "role" for status, body in answers if status == 403)
    _status, kiosk = await call(node_urls(cluster)[2], tokens["kiosk"], "GET", "/ops/me")
    assert kiosk == {"name": "foyer", "role": "kiosk", "theatre": "west-hall"}

    async def recorded() -> list[dict[str, Any]] | None:
        _status, body = await call(node_urls(cluster)[0], tokens["operator"], "GET", "/ops/audit?limit=500")
        found = [entry for entry in body["entries"] if entry["subject"] == f"/api/v1/shows/{show}/pause"]
        return found if len(found) == 5 else None

    entries = await until(recorded)
    assert {(entry["who"], entry["role"], entry["status"]) for entry in entries} == {
        ("Operator Asha", "operator", 200), ("operator key", "operator", 200),
        ("gate-1", "gate", 403), ("shop", "service", 403), ("foyer", "kiosk", 403),
    }  # fmt: skip
    assert {(entry["action"], entry["address"]) for entry in entries} == {
        ("POST /api/v1/shows/{show}/pause", "127.0.0.1")
    }
    assert all(time.time() * 1000 - entry["at"] < 120_000 for entry in entries)


async def test_what_staff_did_is_recorded_although_the_rest_of_the_request_never_arrives(cluster: Cluster) -> None:
    show = await new_show(cluster, "west")
    where = URL(node_urls(cluster)[0])
    head = (
        f"POST /api/v1/shows/{show}/pause HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {cluster.secrets['OPERATOR_KEY']}\r\n"
    )
    for size in (10, 100_000):
        reader, writer = await asyncio.open_connection(where.host, where.port)
        writer.write(f"{head}Content-Length: {size}\r\n\r\n".encode())
        async with asyncio.timeout(10):
            status = await reader.readline()
        writer.close()
        assert status.split()[1] == b"200"

    async def recorded() -> bool:
        _status, body = await call(str(where), cluster.secrets["OPERATOR_KEY"], "GET", "/ops/audit?limit=500")
        return [entry["subject"] for entry in body["entries"]].count(f"/api/v1/shows/{show}/pause") == 2

    await until(recorded, 10)


async def test_an_unexpected_error_is_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[int] = []

    async def append(*_about: Any, status: int, **_more: Any) -> None:
        recorded.append(status)

    monkeypatch.setattr(staff_access, "append_audit", append)
    access = StaffAccess("the operator key", StaffTokens([SECRET]), Register({}), None, cast("LockMaster", None))
    errors = [ValueError(), ResponseError(), web.HTTPRequestEntityTooLarge(1, 2), BadRequest()]
    waiting = list(errors)

    async def handler(_request: web.Request) -> web.Response:
        raise waiting.pop(0)

    guarded = access.require_role(handler)
    headers = {"Authorization": "Bearer the operator key"}
    for error in errors:
        with pytest.raises(type(error)):
            await guarded(make_mocked_request("POST", "/api/v1/shows/west-s/pause", headers=headers))
    assert recorded == [500, 503, 413, 400]


async def test_a_revoked_token_is_refused_everywhere_within_seconds_and_personal_data_is_not_recorded(
    cluster: Cluster,
) -> None:
    north, _west, south = node_urls(cluster)
    token = await add(cluster, "chandra", "--role", "operator", "--region", "south")
    kept = await add(cluster, "chandra-2", "--role", "operator")
    assert (await call(north, token, "GET", "/ops"))[0] == (await call(south, token, "GET", "/ops"))[0] == 200
    await call(north, token, "POST", "/ops/contacts/erase", json={"email": "somebody@example.org"})
    code, output = await asyncio.to_thread(staff, cluster, "revoke", "chandra")
    assert code == 0 and output.startswith("revoked south-"), output

    async def refused() -> bool:
        answers = [await call(url, token, "GET", "/ops") for url in (north, south)]
        return all(status == 403 and body["error"]["reason"] == "revoked" for status, body in answers)

    await until(refused)
    assert (await call(south, kept, "GET", "/ops"))[0] == 200
    assert (await asyncio.to_thread(staff, cluster, "revoke", "chandra"))[0] == 1, "there is nothing left to revoke"
    code, listed = await asyncio.to_thread(staff, cluster, "list")
    lines = [line.split() for line in listed.splitlines() if " chandra" in line]
    assert code == 0 and {(line[1], line[-2] == "revoked") for line in lines} == {
        ("chandra", True),
        ("chandra-2", False),
    }
    _status, body = await call(north, kept, "GET", "/ops/audit?limit=500")
    assert any(entry["action"] == "staff_revoke" and entry["subject"] == "chandra" for entry in body["entries"])
    erased = [entry for entry in body["entries"] if "contacts/erase" in entry["subject"]]
    assert erased and "somebody" not in json.dumps(body["entries"])


async def test_a_shop_gets_the_identity_of_its_customer_and_a_revoked_guest_is_put_out(cluster: Cluster) -> None:
    north, west, south = node_urls(cluster)
    shop = await add(cluster, "shop-2", "--role", "service")
    gate = await add(cluster, "gate-2", "--role", "gate")
    status, first = await call(north, shop, "POST", "/ops/sessions", json={"sub": "customer 7"})
    _status, again = await call(south, shop, "POST", "/ops/sessions", json={"sub": "customer 7"})
    _status, other = await call(south, shop, "POST", "/ops/sessions", json={"sub": "customer 8"})
    assert status == 200 and first["owner"] == again["owner"] != other["owner"]
    assert (await call(north, gate, "POST", "/ops/sessions", json={"sub": "customer 7"}))[0] == 403
    assert (await call(north, shop, "POST", "/ops/sessions", json={"sub": "a\nb"}))[0] == 400
    assert (await call(north, first["token"], "POST", "/session"))[0] == 401, "no shop signs JWTs here"
    client = await Client.connect(west, token=first["token"])
    assert client.token == first["token"], "it ends when the shop does not vouch for the customer again"
    assert (await call(west, first["token"], "GET", "/bookings"))[0] == 200
    key = cluster.secrets["OPERATOR_KEY"]
    assert (await call(north, key, "POST", "/ops/guests/no%20owner/revoke"))[0] == 400
    assert (await call(north, key, "POST", f"/ops/guests/{first['owner']}/revoke"))[0] == 200

    async def out() -> bool:
        return not client.sio.connected and (await call(south, first["token"], "GET", "/bookings"))[0] == 401

    await until(out)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await Client.connect(west, token=first["token"])
    status, refused = await call(south, shop, "POST", "/ops/sessions", json={"sub": "customer 7"})
    assert (status, refused["error"]["reason"]) == (403, "customer_revoked"), "the token would be refused at once"
    assert (await call(south, other["token"], "GET", "/bookings"))[0] == 200


async def test_a_shop_that_vouches_for_a_revoked_customer_gets_no_token_for_it(
    cluster: Cluster, provider: tuple[Provider, IdentityProvider], tmp_path: Path
) -> None:
    served, known = provider
    vouched = served.token("1", sub="customer 9", exp=int(time.time()) + 60)
    shop = f'[shop]\njwks = "{known._url}"\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\n'
    async with node_with(cluster, tmp_path, shop) as url:
        status, customer = await call(url, vouched, "POST", "/session")
        assert status == 200
        key = cluster.secrets["OPERATOR_KEY"]
        assert (await call(url, key, "POST", f"/ops/guests/{customer['owner']}/revoke"))[0] == 200

        async def refused() -> bool:
            return (await call(url, customer["token"], "GET", "/bookings"))[0] == 401

        await until(refused)
        status, answer = await call(url, vouched, "POST", "/session")
        assert (status, answer.get("error", {}).get("code")) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("x", "--role", "kiosk"), "--theatre"),
        (("x", "--role", "kiosk", "--theatre", "nowhere"), "theatre_not_found"),
        (("x", "--role", "admin"), "--role"),
        (("x", "--role", "gate", "--days", "4000"), "--days"),
        (("a\nb", "--role", "gate"), "NAME"),
        (("x", "--role", "gate", "--region", "east"), "no region east"),
        (("x", "--role", "operator", "--theatre", "west-hall", "--region", "west"), "roles gate and kiosk only"),
        (("x", "--role", "service", "--theatre", "west-hall"), "roles gate and kiosk only"),
        (("west-0123456789abcdef", "--role", "gate"), "taken for the id of a token"),
        (("x", "--role", "gate", "--theatre", "west-hall", "--region", "south"), "south has no theatre west-hall"),
        (("x", "--role", "gate", "--theatre", "nowhere"), "no region has a theatre nowhere"),
    ],
)
async def test_a_token_that_makes_no_sense_is_not_issued(
    cluster: Cluster, words: tuple[str, ...], message: str
) -> None:
    await new_show(cluster, "west")
    code, output = await asyncio.to_thread(staff, cluster, "add", *words)
    assert code != 0 and message in output, output


async def test_a_keeper_registers_no_operator_of_one_theatre_either(cluster: Cluster) -> None:
    await new_show(cluster, "west")
    body = {"id": "west-00000000000000ff", "name": "x", "theatre": "west-hall", "issued_at": 1, "expires_at": 2}
    async with cluster.masters() as masters:
        for role in ("operator", "service"):
            with pytest.raises(BadRequest, match="gate and kiosk only"):
                await run_command(masters["west"], "staff_add", {**body, "role": role})


async def test_a_token_for_a_theatre_is_registered_in_the_region_of_the_theatre(cluster: Cluster) -> None:
    await new_show(cluster, "south")
    token = await add(cluster, "southern", "--role", "gate", "--theatre", "south-hall")
    for url in node_urls(cluster):
        assert (await call(url, token, "GET", "/ops/me"))[1]["theatre"] == "south-hall"
    _status, listed = await call(node_urls(cluster)[0], cluster.secrets["OPERATOR_KEY"], "GET", "/ops/staff")
    assert [each["id"].partition("-")[0] for each in listed["tokens"] if each["name"] == "southern"] == ["south"]


async def test_a_header_is_read_in_one_way_only(cluster: Cluster) -> None:
    """Whose request it is does not depend on who reads it; the scheme's name has no case (RFC 9110)."""
    url, key = node_urls(cluster)[0], cluster.secrets["OPERATOR_KEY"]
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}/api/v1/session") as answer:
            guest = (await answer.json())["token"]

        async def status(path: str, *authorizations: str) -> int:
            headers = [("Authorization", each) for each in authorizations]
            async with http.get(url + path, headers=headers) as answer:
                if answer.status == 400:
                    assert (await answer.json())["error"]["code"] == "bad_request"
                return answer.status

        for path, token in (("/api/v1/ops/me", key), ("/api/v1/bookings", guest)):
            for scheme in ("Bearer", "bearer", "BEARER", "Bearer "):
                assert await status(path, f"{scheme} {token}") == 200, scheme
            assert await status(path, f"Basic {token}") in (401, 403)
            for two in ((f"Bearer {token}", "Bearer x"), ("Bearer x", f"Bearer {token}"), (f"Bearer {token}",) * 2):
                assert await status(path, *two) == 400, two
        assert await status("/api/v1/tickets/linked", "bearer x") == 403
