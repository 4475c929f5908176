"""Every operation of the OpenAPI document with made-up parameters and bodies, with each kind of identity."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import requests
import schemathesis
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OKPKey
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import response_schema_conformance

from realtime.dev.cluster import Cluster
from realtime.errors import CODES
from realtime.staff import Role, StaffToken, StaffTokens
from tests.cluster import node_urls, node_with

EXAMPLES = 30
"""Requests of each identity: a few seconds."""
SLOWED = ("/api/v1/kiosk/leave",)
"""Wrong PINs are answered late on purpose."""
EXPECTED = set(CODES) - {"internal"}


def test_no_made_up_request_is_answered_with_an_internal_error(cluster: Cluster) -> None:
    url = node_urls(cluster)[0]
    guest = requests.post(f"{url}/api/v1/session", timeout=20).json()["token"]
    key = cluster.secrets["OPERATOR_KEY"]
    ask_all(url, ["", guest, key, *staff_tokens(cluster.secrets["SECRET"])])


async def test_nor_is_one_with_a_token_of_an_identity_provider_or_a_shop(cluster: Cluster, tmp_path: Path) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "1"})
    issuers = {"staff": "https://id.example", "shop": "https://shop.example"}

    def signed(issuer: str, **claims: str) -> str:
        known = {"iss": issuers[issuer], "sub": "bala", "aud": "tickingtickets", "exp": int(time.time()) + 3600}
        return jwt.encode({"alg": "Ed25519", "kid": "1"}, {**known, **claims}, key, algorithms=["Ed25519"])

    async def serve(_request: web.Request) -> web.Response:
        return web.json_response({"keys": [key.as_dict(private=False)]})

    app = web.Application()
    app.router.add_get("/keys", serve)
    staff = [signed("staff", role=role.value, theatre="gateway" if role is Role.KIOSK else "") for role in Role]
    async with TestServer(app) as server:
        tables = (
            f'[{name}]\njwks = "{server.make_url("/keys")}"\nissuer = "{issuer}"\naudience = "tickingtickets"\n'
            for name, issuer in issuers.items()
        )
        async with node_with(cluster, tmp_path, "".join(tables)) as url:
            await asyncio.to_thread(ask_as_strangers, url, staff, signed("shop"))


def ask_as_strangers(url: str, staff: list[str], customer: str) -> None:
    """Ask with what is signed elsewhere, and with the token that a shop's customer gets for it."""
    with_role = {"Authorization": f"Bearer {staff[0]}"}
    assert requests.get(f"{url}/api/v1/ops/me", headers=with_role, timeout=20).json()["name"] == "bala"
    vouched = {"Authorization": f"Bearer {customer}"}
    session = requests.post(f"{url}/api/v1/session", headers=vouched, timeout=20).json()
    ask_all(url, [*staff, customer, session["token"]])


def staff_tokens(secret: str) -> list[str]:
    """Return a token of each role."""
    now = int(time.time() * 1000)
    return [
        StaffTokens([secret]).sign(
            StaffToken(f"west-{n:016x}", "asha", role, "gateway" if role is Role.KIOSK else "", now, now + 3_600_000)
        )
        for n, role in enumerate(Role)
    ]


def ask_all(url: str, bearers: list[str]) -> None:
    """Make up requests with each token, and none for "" ; answers must be as the document says."""
    schema = schemathesis.openapi.from_dict(requests.get(f"{url}/api/openapi.json", timeout=20).json())
    operations: list[Any] = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 40
    strategies = [
        operation.as_strategy(generation_mode=mode)
        for operation in operations
        if operation.path not in SLOWED
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]
    for bearer in bearers:
        ask(url, st.one_of(strategies), {"Authorization": f"Bearer {bearer}"} if bearer else {})


def ask(url: str, cases: st.SearchStrategy[schemathesis.Case[Any]], headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def one(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=url, headers=headers, timeout=30)
        what = f"{case.as_curl_command()}: {answer.status_code} {answer.content[:200]!r}"
        if answer.status_code >= 500:
            assert answer.json()["error"]["code"] in EXPECTED, what
        assert b"Traceback" not in answer.content, what
        case.validate_response(answer, checks=[response_schema_conformance])

    one()
