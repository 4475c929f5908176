"""Every operation of the OpenAPI document with made-up parameters and bodies, as nobody, a guest, and staff."""

from __future__ import annotations

import time
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from realtime.dev.cluster import Cluster
from realtime.errors import CODES
from realtime.staff import Role, StaffToken, StaffTokens
from tests.cluster import node_urls

EXAMPLES = 30
"""Requests of each identity: a few seconds."""
SLOWED = ("/api/v1/kiosk/leave",)
"""Wrong PINs are answered late on purpose."""
EXPECTED = set(CODES) - {"internal"}


def test_no_made_up_request_is_answered_with_an_internal_error(cluster: Cluster) -> None:
    url = node_urls(cluster)[0]
    guest = requests.post(f"{url}/api/v1/session", timeout=20).json()["token"]
    key = cluster.secrets["OPERATOR_KEY"]
    schema = schemathesis.openapi.from_dict(requests.get(f"{url}/api/openapi.json", timeout=20).json())
    operations: list[Any] = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 40
    strategies = [
        operation.as_strategy(generation_mode=mode)
        for operation in operations
        if operation.path not in SLOWED
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]
    ask_all(url, st.one_of(strategies), {})
    for bearer in (guest, key, *staff_tokens(cluster.secrets["SECRET"])):
        ask_all(url, st.one_of(strategies), {"Authorization": f"Bearer {bearer}"})


def staff_tokens(secret: str) -> list[str]:
    """Return a token of each role."""
    now = int(time.time() * 1000)
    return [
        StaffTokens([secret]).sign(
            StaffToken(f"west-{n:016x}", "asha", role, "gateway" if role is Role.KIOSK else "", now, now + 3_600_000)
        )
        for n, role in enumerate(Role)
    ]


def ask_all(url: str, cases: st.SearchStrategy[schemathesis.Case[Any]], headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=url, headers=headers, timeout=30)
        what = f"{case.as_curl_command()}: {answer.status_code} {answer.content[:200]!r}"
        if answer.status_code >= 500:
            assert answer.json()["error"]["code"] in EXPECTED, what
        assert b"Traceback" not in answer.content, what

    ask()
