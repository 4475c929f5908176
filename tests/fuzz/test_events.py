"""Every event of the protocol with made-up payloads: each gets an answer with a documented code."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from realtime.dev.cluster import Cluster
from realtime.errors import CODES
from tests.cluster import Client, new_show, node_urls

EVENTS = (
    "show:watch",
    "show:unwatch",
    "seats:hold",
    "seats:release",
    "seats:extend",
    "seats:confirm",
    "seats:order",
    "hold:resume",
    "connect",
    "disconnect",
    "message",
    "",
)
SHOW = "SHOW"
"""Replaced by the id of a show that exists."""
_WORDS = (SHOW, f"{SHOW}.h" + "x" * 22, "A-1", "west-nowhere", "{tt}", "", "\x00", "²", "\u202e", "A" * 300)
_NAMES = ("show", "hold", "seats", "request_id", "payment", "since", "return_url", "contact", "version")
_words = st.sampled_from(_WORDS)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | _words
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
_names = st.sampled_from(_NAMES)
_payloads = st.dictionaries(_names, _values | st.lists(_words, max_size=12), max_size=5) | _values
_calls = st.lists(st.tuples(st.sampled_from(EVENTS), _payloads), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def show(cluster: Cluster) -> str:
    return asyncio.run(new_show(cluster, "west"))


def filled(value: Any, show: str) -> Any:
    if isinstance(value, str):
        return value.replace(SHOW, show)
    if isinstance(value, list):
        return [filled(each, show) for each in value]
    if isinstance(value, dict):
        return {filled(name, show): filled(each, show) for name, each in value.items()}
    return value


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(calls=_calls)
@example(calls=[(event, None) for event in EVENTS])  # None is sent as no payload at all
def test_every_event_is_answered_with_a_documented_code(
    cluster: Cluster, show: str, calls: list[tuple[str, Any]]
) -> None:
    async def call_all() -> list[dict[str, Any]]:
        client = await Client.connect(node_urls(cluster)[0])
        try:
            return [await client.sio.call(event, filled(payload, show), timeout=20) for event, payload in calls]
        finally:
            await client.close()

    for (event, payload), answer in zip(calls, asyncio.run(call_all()), strict=True):
        assert answer["ok"] or answer["error"]["code"] in set(CODES) - {"internal"}, (event, payload, answer)
