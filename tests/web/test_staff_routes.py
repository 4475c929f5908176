"""Every route of the OpenAPI document with every kind of token, and real ids of one's own and of another theatre."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
import pytest

from realtime.clock import now_ms
from realtime.dev.cluster import Cluster
from realtime.ledger.gate_leases import lease_key
from realtime.model import hold_of, show_of
from tests.cluster import Client, node_urls, until

from .test_gate_leases import soon
from .test_staff import add, call
from .test_tickets import booked, get

SERVICE = {
    ("post", "/api/v1/ops/sessions"),
    ("get", "/api/v1/ops/payments"),
    ("get", "/api/v1/ops/refunds"),
    ("get", "/api/v1/ops/bookings/{booking}/ticket.pdf"),
}
"""What docs/staff.md allows a shop's back end."""
UNRECORDED = {
    ("post", "/api/v1/ops/sessions"),
    ("post", "/api/v1/gate/admit"),
    ("post", "/api/v1/gate/reports"),
}
"""What docs/staff.md excepts from the audit log, apart from renewals of leases."""
ME = ("get", "/api/v1/ops/me")
TICKET = ("get", "/api/v1/ops/bookings/{booking}/ticket.pdf")


def is_allowed(role: str, method: str, path: str) -> bool:
    """Return what docs/staff.md says about a route for staff."""
    if role == "gate":
        return path.startswith("/api/v1/gate/") or (method, path) in (ME, TICKET)
    return (method, path) == ME or (role == "service" and (method, path) in SERVICE)


@pytest.fixture
async def tokens(cluster: Cluster) -> dict[str, str]:
    """Tokens of staff by role; those of a gate and of a kiosk are bound to a theatre of ``west``."""
    await booked(cluster, "west")
    bound = ("--theatre", "west-hall", "--region", "west")
    return {
        "gate": await add(cluster, "scanner", "--role", "gate", *bound),
        "service": await add(cluster, "shop", "--role", "service"),
        "kiosk": await add(cluster, "foyer", "--role", "kiosk", *bound),
    }


class Target:
    """A show with a booking and a hold, and what a request with their ids must not change."""

    def __init__(self, cluster: Cluster, region: str) -> None:
        self._cluster = cluster
        self._region = region

    async def prepare(self) -> None:
        self.owner, self.booking = await booked(self._cluster, self._region)
        self.show = show_of(self.booking)
        self.buyer = await Client.connect(node_urls(self._cluster)[0], token=self.owner)
        asked = {"show": self.show, "seats": ["B-1"], "request_id": "2"}
        self.hold = (await self.buyer.call("seats:hold", asked))["hold"]["id"]

    def path(self, template: str) -> str:
        ids = {"show": self.show, "booking": self.booking, "hold": self.hold, "theatre": f"{self._region}-hall"}
        return re.sub(r"{(\w+)}", lambda name: ids.get(name[1], "none"), template)

    async def check_unchanged(self) -> None:
        resumed = await self.buyer.call("hold:resume", {"hold": self.hold})
        assert resumed["hold"]["state"] == "held"
        key = self._cluster.secrets["OPERATOR_KEY"]
        _status, story = await call(node_urls(self._cluster)[0], key, "GET", f"/ops/bookings/{self.booking}")
        assert (story["booking"]["state"], story["admission"]) == ("booked", None)
        _status, show = await call(node_urls(self._cluster)[0], key, "GET", f"/shows/{self.show}")
        assert show["status"] == "live"
        await self.buyer.close()


async def test_a_route_refuses_every_role_that_the_documents_do_not_allow_whatever_ids_it_gets(
    cluster: Cluster, tokens: dict[str, str]
) -> None:
    targets = [Target(cluster, region) for region in ("west", "south")]
    for target in targets:
        await target.prepare()
    url = node_urls(cluster)[1]
    tried = 0
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/api/openapi.json") as answer:
            paths: dict[str, dict[str, Any]] = (await answer.json())["paths"]

        async def request(method: str, path: str, token: str) -> tuple[int, dict[str, Any]]:
            headers = {"Authorization": f"Bearer {token}"}
            body = b"{}" if method == "post" else None
            async with http.request(method, url + path, headers=headers, data=body) as answer:
                kind = answer.content_type
                return answer.status, (await answer.json())["error"] if answer.status >= 400 and "json" in kind else {}

        for path, operations in paths.items():
            for method, operation in operations.items():
                scheme = next(iter(operation["security"][0]), "") if operation["security"] else ""
                if scheme not in ("key", "token") or path == "/metrics":  # anybody on this machine may read it
                    continue
                for role, token in tokens.items():
                    for target in targets:
                        tried += 1
                        status, error = await request(method, target.path(path), token)
                        where = (role, method, target.path(path), status, error)
                        if scheme == "token":
                            assert (status, error["code"]) == (401, "unauthorized"), where
                        elif not is_allowed(role, method, path):
                            assert (status, error.get("reason")) == (403, "role"), where
                        elif (method, path, role) == (*TICKET, "gate") and target is targets[1]:
                            assert (status, error.get("reason")) == (403, "theatre"), where
                        else:
                            assert status != 401 and error.get("reason") != "role" and status < 500, where
    assert tried > 150
    for target in targets:
        await target.check_unchanged()


async def test_a_gate_of_one_theatre_prints_no_ticket_of_another(cluster: Cluster, tokens: dict[str, str]) -> None:
    (_, own), (_, other) = await booked(cluster, "west"), await booked(cluster, "south")
    assert (await get(cluster, f"/ops/bookings/{own}/ticket.pdf", tokens["gate"]))[0] == 200
    status, body = await get(cluster, f"/ops/bookings/{other}/ticket.pdf", tokens["gate"])
    assert status == 403 and b"west-hall" in body
    for token in (tokens["service"], cluster.secrets["OPERATOR_KEY"]):
        assert (await get(cluster, f"/ops/bookings/{other}/ticket.pdf", token))[0] == 200
    assert hold_of(other).startswith("south-")


async def test_the_document_names_the_media_type_of_every_answer(cluster: Cluster) -> None:
    target = Target(cluster, "west")
    await target.prepare()
    url, key = node_urls(cluster)[0], cluster.secrets["OPERATOR_KEY"]
    seen: set[str] = set()
    async with aiohttp.ClientSession() as http:

        async def ask(path: str, token: str) -> tuple[int, str]:
            async with http.get(url + path, headers={"Authorization": f"Bearer {token}"} if token else {}) as answer:
                return answer.status, answer.content_type

        async with http.get(f"{url}/api/openapi.json") as answer:
            paths: dict[str, dict[str, Any]] = (await answer.json())["paths"]
        async with http.get(f"{url}/api/v1/shows/{target.show}") as answer:
            layout = (await answer.json())["layout"]
        for template, operations in paths.items():
            if not template.startswith("/api/v1/") or "get" not in operations:
                continue
            path = target.path(template.replace("{layout}", layout))
            scheme = next(iter(operations["get"]["security"][0]), "") if operations["get"]["security"] else ""
            queries = ("?format=csv", "?format=json") if "analytics" in path else ("",)
            for query in queries:
                status, media_type = await ask(path + query, {"key": key, "token": target.owner}.get(scheme, ""))
                if status == 200:
                    seen.add(media_type)
                    assert media_type in operations["get"]["responses"]["2XX"]["content"], path
    assert seen == {"application/json", "application/pdf", "application/octet-stream", "text/csv"}
    await target.check_unchanged()


async def test_everything_that_changes_something_is_in_the_audit_log_but_for_what_the_documents_except(
    cluster: Cluster,
) -> None:
    url, key = node_urls(cluster)[0], cluster.secrets["OPERATOR_KEY"]
    asked, began = set[tuple[str, str]](), now_ms()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as http:
        async with http.get(f"{url}/api/openapi.json") as answer:
            paths: dict[str, dict[str, Any]] = (await answer.json())["paths"]
        for path, operations in paths.items():
            for method in operations:
                if method == "get" or operations[method]["security"] != [{"key": []}]:
                    continue
                asked.add((method, path))
                # Refused, mostly; what may have done something is recorded all the same.
                async with http.request(method, url + re.sub(r"{\w+}", "audited", path), data=b"{}") as answer:
                    await answer.read()

        async def lacking() -> set[tuple[str, str]]:
            async with http.get(f"{url}/api/v1/ops/audit?limit=500") as answer:
                entries = (await answer.json())["entries"]
            found = {tuple(each["action"].split(" ", 1)) for each in entries if each["at"] >= began}
            return {(method, path) for method, path in asked if (method.upper(), path) not in found}

        async def complete() -> bool:
            return await lacking() <= UNRECORDED

        await until(complete)
        assert await lacking() == UNRECORDED
    assert len(asked) > 25


async def test_leases_of_gates_are_in_the_audit_log_without_their_secrets(cluster: Cluster) -> None:
    _owner, booking = await booked(cluster, starts_at=soon())
    url, secret, show = node_urls(cluster)[0], "a-secret-of-this-lease", show_of(booking)
    gate = await add(cluster, "audited gate", "--role", "gate")
    asked = {"theatre": "west-hall", "show": show, "lease": secret, "gate": "door 1"}
    _status, leased = await call(url, gate, "POST", "/gate/lease", json=asked)
    for _ in range(2):
        renewed = {**asked, "known": leased["digest"]}
        assert (await call(url, gate, "POST", "/gate/lease", json=renewed))[1]["tickets"] is None
    await call(url, gate, "POST", "/gate/return", json={"theatre": "west-hall", "lease": secret})

    async def recorded() -> list[dict[str, Any]]:
        _status, body = await call(url, cluster.secrets["OPERATOR_KEY"], "GET", "/ops/audit?limit=500")
        assert secret not in str(body)
        return [each for each in body["entries"] if each["who"] == "audited gate" and each["action"] != "staff_add"]

    async def returned() -> bool:
        return any(each["action"].endswith("return") for each in await recorded())

    await until(returned)
    found = [(each["subject"], each["status"], json.loads(each["detail"])) for each in await recorded()]
    name = lease_key(secret)
    assert found == [
        ("/api/v1/gate/return", 200, {"theatre": "west-hall", "lease": name}),
        ("/api/v1/gate/lease", 200, {**asked, "lease": name}),
    ], "the renewals have changed nothing"
