"""Gates admit once with a ticket, and operators find bookings."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from realtime.dev.cluster import Cluster
from realtime.model import show_of
from realtime.tickets.code import normalise
from tests.cluster import new_show, node_urls

from .test_tickets import booked, post


class Gates:
    """Staff at the gates of the test hall of a region, each at another node."""

    def __init__(self, cluster: Cluster, region: str = "west") -> None:
        self._cluster = cluster
        self._theatre = f"{region}-hall"

    async def show(
        self, ticket: str, *, node: int = 0, request: str = "", key: str = "", **more: Any
    ) -> dict[str, Any]:
        """Show a ticket at a gate; return the answer, with ``code`` where it was refused."""
        headers = {"Authorization": f"Bearer {key or self._cluster.secrets['OPERATOR_KEY']}"}
        if request:
            headers["Idempotency-Key"] = request
        url = f"{node_urls(self._cluster)[node]}/api/v1/gate/admit"
        body = {"ticket": ticket, "theatre": self._theatre, "gate": f"gate {node}", **more}
        async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
            return _unwrapped(await answer.json())


def _unwrapped(payload: dict[str, Any]) -> dict[str, Any]:
    error: dict[str, Any] | None = payload.get("error")
    return payload if error is None else error


async def ask(cluster: Cluster, path: str, key: str = "") -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {key or cluster.secrets['OPERATOR_KEY']}"}
    url = f"{node_urls(cluster)[2]}/api/v1{path}"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        return _unwrapped(await answer.json())


async def code_of(cluster: Cluster, owner: str) -> str:
    (listed,) = (await ask(cluster, "/bookings", owner))["bookings"]
    return normalise(listed["code"])


async def test_a_ticket_admits_once_whichever_gates_it_is_shown_at(cluster: Cluster) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    owner, booking = await booked(cluster, starts_at=soon, cancel_until="2030-01-01T00:00Z")
    (listed,) = (await ask(cluster, "/bookings", owner))["bookings"]
    gates = Gates(cluster)
    shown = (listed["ticket"], listed["code"].lower(), listed["code"])
    answers = await asyncio.gather(*(gates.show(ticket, node=n) for n, ticket in enumerate(shown)))
    (first,) = (answer for answer in answers if "booking" in answer)
    refused = [answer for answer in answers if "booking" not in answer]
    assert [seat["id"] for seat in first["booking"]["seats"]] == ["A-1", "A-2"]
    assert {answer["code"] for answer in refused} == {"already_admitted"}
    assert {answer["admitted_at"] for answer in refused} == {first["admitted_at"]}
    (listed,) = (await ask(cluster, "/bookings", owner))["bookings"]
    assert listed["admitted_at"] == first["admitted_at"]
    status, late = await post(cluster, f"/bookings/{booking}/cancel", owner)
    assert (status, late["error"]["code"]) == (409, "already_admitted")
    status, _done = await post(cluster, f"/ops/bookings/{booking}/cancel", cluster.secrets["OPERATOR_KEY"])
    assert status == 200


async def test_a_lost_answer_is_the_same_the_next_time(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    gates, show, code = Gates(cluster), show_of(booking), await code_of(cluster, owner)
    first = await gates.show(code, show=show, request="scan-1")
    assert await gates.show(code, node=1, show=show, request="scan-1", gate="gate 0") == first
    assert (await gates.show(code, show=show, request="scan-2"))["code"] == "already_admitted"


async def test_what_is_no_valid_ticket_here_is_refused_with_the_reason(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    gone, cancelled = await booked(cluster)
    await new_show(cluster, "south")
    await post(cluster, f"/ops/bookings/{cancelled}/cancel", cluster.secrets["OPERATOR_KEY"])
    (listed,) = (await ask(cluster, "/bookings", owner))["bookings"]
    gates, show, code = Gates(cluster), show_of(booking), listed["code"]
    assert (await gates.show(code, show=show, key=owner))["code"] == "forbidden"
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        (code, {}, "wrong_show"),
        (code, {"show": show_of(cancelled)}, "wrong_show"),
        (listed["ticket"], {"theatre": "south-hall"}, "wrong_show"),
        (listed["ticket"], {"theatre": "nowhere"}, "theatre_not_found"),
        (await code_of(cluster, gone), {"show": show_of(cancelled)}, "booking_cancelled"),
        (booking, {"show": show}, "ticket_unreadable"),  # payment services and receivers of webhooks know it
        ("BBBB-BBBB", {"show": show}, "booking_not_found"),
        ("https://example.org/", {"show": show}, "ticket_unreadable"),
        ("", {"show": show}, "bad_request"),
    )
    for ticket, more, error in cases:
        assert (await gates.show(ticket, **more))["code"] == error, (ticket, more)
    for ticket, reason in ((f"{listed['ticket'][:-4]}AAAA", "signature"), ("BBBB-BBBC", "malformed")):
        assert (await gates.show(ticket))["reason"] == reason
    assert "booking" in await gates.show(code, show=show), "refusals admit nobody"


async def test_operators_find_bookings_and_read_their_story(cluster: Cluster) -> None:
    owner, booking = await booked(cluster)
    show = show_of(booking)
    (listed,) = (await ask(cluster, "/bookings", owner))["bookings"]
    story = await ask(cluster, f"/ops/bookings/{booking}")
    (payment,) = story["payments"]
    assert (payment["booking"], story["hold"]["state"], story["admission"]) == (booking, "booked", None)
    assert {task["subject"] for task in story["tasks"]} == {booking}
    at = listed["booked_at"]
    for query in (
        f"code={listed['code'].lower()}",
        f"booking={booking}",
        f"payment={payment['id']}",
        f"show={show}&seat=A-2",
        f"show={show}&since={at}&until={at + 1}",
        f"owner={story['payments'][0]['owner']}",
    ):
        assert [each["id"] for each in (await ask(cluster, f"/ops/bookings?{query}"))["bookings"]] == [booking], query
    for query in (f"show={show}&seat=A-3", f"show={show}&until={at}", "payment=unknown", "code=BBBB-BBBB"):
        assert (await ask(cluster, f"/ops/bookings?{query}"))["bookings"] == [], query
    for query in ("", "seat=A-1", "since=yesterday", f"since={'9' * 5000}", "colour=red", "code=not a code"):
        assert (await ask(cluster, f"/ops/bookings?{query}"))["code"] == "bad_request", query
    assert (await ask(cluster, f"/ops/bookings?show={show}&seat=Z-9"))["code"] == "seat_not_found"
    assert (await ask(cluster, f"/ops/bookings/{booking[:-1]}x"))["code"] == "booking_not_found"
    assert (await ask(cluster, f"/ops/bookings/{booking}", owner))["code"] == "forbidden"
    await post(cluster, f"/ops/bookings/{booking}/cancel", cluster.secrets["OPERATOR_KEY"])
    found = (await ask(cluster, f"/ops/bookings?show={show}&seat=A-2"))["bookings"]
    assert [(each["id"], each["state"]) for each in found] == [(booking, "cancelled")]
    assert len((await ask(cluster, f"/ops/bookings/{booking}"))["refunds"]) == 1
