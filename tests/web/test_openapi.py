"""The OpenAPI document says what a node reads and answers: compared with the handlers, and with real answers."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jsonschema_rs

from realtime import web as web_package
from realtime.dev.cluster import Cluster
from realtime.web import openapi
from realtime.web.app import ROUTES
from realtime.web.routing import Route
from tests.cluster import new_show, node_urls, until

from .test_exposure import application
from .test_gate_leases import NORTH, soon
from .test_staff import add

QUERIES = {"query", "query_string", "rel_url"}
"""How a handler could get at a query."""


# --- queries ----------------------------------------------------------------------------------------------------------
def calls(function: Callable[..., Any]) -> Iterator[ast.Call]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def queries_read(function: Callable[..., Any], seen: set[object]) -> set[type]:
    """The types with which a function, and those of its class and module that it calls, read a query."""
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if plain in seen:
        return set()
    seen.add(plain)
    owner, module = getattr(function, "__self__", None), plain.__globals__
    found: set[type] = set()
    for call in calls(plain):
        called: Any = None
        if isinstance(call.func, ast.Name):
            if call.func.id == "read_query":
                kind = call.args[1]
                assert isinstance(kind, ast.Name), "the type of a query is named where it is read"
                found.add(module[kind.id])
                continue
            called = module.get(call.func.id)
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            called = getattr(owner, call.func.attr, None) if call.func.value.id == "self" else None
        if inspect.isroutine(called) and inspect.getmodule(called) is inspect.getmodule(plain):
            found |= queries_read(called, seen)
    return found


async def test_every_parameter_that_a_handler_reads_is_in_the_document() -> None:
    routes: Sequence[Route] = application()[ROUTES]
    for route in routes:
        read = queries_read(route.handler, set())
        assert read == ({route.query} if route.query is not None else set()), (route.method, route.path)
    assert sum(route.query is not None for route in routes) > 15


def test_handlers_get_at_a_query_in_no_other_way() -> None:
    found = []
    for file in Path(str(web_package.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in QUERIES and isinstance(node.value, ast.Name):
                found.append((file.name, node.value.id))
    assert {each for each in found if each[1] == "request"} == {("routing.py", "request")}


async def test_a_parameter_is_described_as_it_is_validated() -> None:
    paths = openapi.document(application()[ROUTES])["paths"]

    def described(method: str, path: str) -> dict[str, Any]:
        parameters = paths[path][method]["parameters"]
        return {each["name"]: {**each["schema"], "required": each["required"]} for each in parameters}

    limit = described("get", "/api/v1/ops/payments")["limit"]
    assert (limit["type"], limit["minimum"], limit["maximum"], limit["default"]) == ("integer", 1, 500, 100)
    assert described("get", "/api/v1/gate/shows")["theatre"]["required"]
    assert described("get", "/api/v1/ops/analytics")["format"]["enum"] == ["csv", "json"]
    assert not described("get", "/api/v1/shows")["over"]["required"]
    assert "Idempotency-Key" in described("post", "/api/v1/shows/{show}/holds")


# --- answers ----------------------------------------------------------------------------------------------------------
async def test_every_answer_in_json_has_a_type_with_a_name_of_its_own() -> None:
    routes: Sequence[Route] = application()[ROUTES]
    assert [r.path for r in routes if "application/json" in r.answers and r.result is None] == []
    names = openapi.document(application()[ROUTES])["components"]["schemas"]
    assert [name for name in names if not name.isidentifier()] == [], "two types have the same name"


def closed(schema: Any) -> Any:
    """The same schema without room for fields that it does not name, as far as it names any."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "properties" in schema and "additionalProperties" not in schema else {}
    return {**{name: closed(each) for name, each in schema.items()}, **more}


class Documented:
    """Asks a node, and compares every answer with the document."""

    def __init__(self, http: aiohttp.ClientSession, url: str, document: dict[str, Any]) -> None:
        self._http = http
        self._url = url
        self._components = closed({**document["components"], "schemas": {**document["components"]["schemas"]}})
        # An error has details that depend on its code.
        self._components["schemas"]["Error"] = document["components"]["schemas"]["Error"]
        self._paths = document["paths"]
        self.seen: set[tuple[str, str]] = set()

    def _operation(self, method: str, path: str) -> tuple[str, dict[str, Any]]:
        # Of several templates that fit, the one with the fewest parameters is meant.
        for template in sorted(self._paths, key=lambda each: each.count("{")):
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method in self._paths[template]:
                return template, self._paths[template][method]
        raise AssertionError(f"{method} {path} is not in the document")

    async def ask(self, method: str, path: str, token: str = "", status: int = 200, **more: Any) -> Any:
        template, operation = self._operation(method, urlsplit(f"/api/v1{path}").path)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._http.request(method.upper(), f"{self._url}/api/v1{path}", headers=headers, **more) as answer:
            text = await answer.text()
            assert answer.status == status, (method, path, text)
        documented = operation["responses"][f"{status // 100}XX"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.Draft202012Validator({**documented, "components": self._components})
        found = json.loads(text)
        errors = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(found)]
        assert errors == [], (method, path, text)
        self.seen.add((method, template))
        return found


async def test_answers_to_buyers_gates_and_operators_are_as_the_document_says(cluster: Cluster) -> None:
    url, key = node_urls(cluster)[0], cluster.secrets["OPERATOR_KEY"]
    show = await new_show(cluster, "west", starts_at=soon(), cancel_until="2030-01-01T00:00Z")
    gate = await add(cluster, "documented", "--role", "gate", "--theatre", "west-hall", "--region", "west")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/api/openapi.json") as answer:
            document = await answer.json()
        node = Documented(http, url, document)
        buyer = (await node.ask("post", "/session"))["token"]
        for path in ("/config", "/names/hi", "/theatres", "/shows", "/shows?over=1", "/availability", f"/shows/{show}"):
            await node.ask("get", path)
        await node.ask("get", "/theatres/west-hall/shows")
        layout = (await node.ask("get", f"/shows/{show}/seats"))["layout"]["id"]
        await node.ask("get", f"/layouts/{layout}")
        await node.ask("get", "/tickets/keys")
        await bookings(node, show, buyer, key, gate)
        await refusals(node, show, buyer)
        await operators(node, show, key, gate)
    assert {("get", "/api/v1/shows"), ("post", "/api/v1/holds/{hold}/confirm")} <= node.seen
    unseen = {(m, path) for path, found in document["paths"].items() for m in found if path.startswith("/api/v1")}
    assert len(node.seen) > 45, sorted(unseen - node.seen)


async def bookings(node: Documented, show: str, buyer: str, key: str, gate: str) -> None:
    """Hold, pay, book, cancel; and what operators and gates see of it."""

    async def hold(*seats: str) -> str:
        asked = {"seats": list(seats), "request_id": seats[0]}
        return str((await node.ask("post", f"/shows/{show}/holds", buyer, 201, json=asked))["hold"]["id"])

    async def book(*seats: str) -> str:
        held = await hold(*seats)
        await node.ask("post", f"/holds/{held}/order", buyer, 201)
        async with node._http.post(f"{node._url}/demo/pay", json={"hold": held}) as answer:
            payment = (await answer.json())["payment"]
        body = {"payment": payment, "request_id": f"confirm {seats[0]}"}
        return str((await node.ask("post", f"/holds/{held}/confirm", buyer, json=body))["booking"]["id"])

    left = await hold("A-1")
    await node.ask("get", f"/holds/{left}", buyer)
    await node.ask("post", f"/holds/{left}/extend", buyer)
    await node.ask("get", "/commands/A-1", buyer)
    await node.ask("get", f"/ops/shows/{show}", key)
    await node.ask("delete", f"/holds/{left}", buyer)
    booking, kept = await book("A-2"), await book("B-1")

    async def listed() -> bool:
        return len((await node.ask("get", "/bookings", buyer))["bookings"]) == 2

    await until(listed)
    (mine,) = (await node.ask("get", f"/bookings?booking={kept}", buyer))["bookings"]
    await node.ask("get", f"/bookings/{kept}", buyer)
    await node.ask("get", "/commands/confirm%20B-1", buyer)
    await node.ask("post", f"/bookings/{kept}/revoke-links", buyer)
    await node.ask("post", f"/ops/bookings/{kept}/exchange", key, json={"seats": ["B-2"]})
    await node.ask("post", f"/bookings/{booking}/cancel", buyer)
    await node.ask("get", f"/holds/{booking.replace('.b', '.h')}/refunds", buyer)
    await node.ask("get", "/gate/shows?theatre=west-hall", gate)
    lease = {"theatre": "west-hall", "lease": NORTH}
    await node.ask("post", "/gate/lease", gate, json={**lease, "show": show})
    await node.ask("get", "/ops/gate", key)
    await node.ask("post", "/gate/return", gate, json=lease)
    await node.ask("post", "/gate/admit", gate, json={"ticket": mine["code"], "theatre": "west-hall"})
    code = mine["code"].replace("-", "")
    await node.ask("post", "/gate/reports", gate, json={**lease, "admitted": {code: 1}})
    for each in (booking, kept):
        await node.ask("get", f"/ops/bookings/{each}", key)
    await node.ask("get", f"/ops/bookings?show={show}", key)


async def refusals(node: Documented, show: str, buyer: str) -> None:
    """Errors, with the codes of the closed list."""
    await node.ask("get", "/shows/west-none", status=404)
    await node.ask("get", "/shows?over=perhaps", status=400)
    await node.ask("get", "/bookings", status=401)
    await node.ask("get", "/ops", buyer, 403)
    seats = {"seats": ["B-2"], "request_id": "taken"}
    assert (await node.ask("post", f"/shows/{show}/holds", buyer, 409, json=seats))["error"]["seats"] == ["B-2"]


async def operators(node: Documented, show: str, key: str, gate: str) -> None:
    """What operators read and change."""
    about = f"?show={show}"
    for path in ("/ops/me", "/ops", "/ops/incidents", "/ops/dead-letters", "/ops/jobs", "/ops/webhooks", "/ops/staff"):
        await node.ask("get", path, key)
    await node.ask("get", "/ops/me", gate)
    for path in ("/ops/audit?limit=500", f"/ops/refunds{about}", f"/ops/payments{about}", f"/ops/analytics{about}"):
        await node.ask("get", path, key)
    for verb in ("block", "unblock"):
        await node.ask("post", f"/shows/{show}/{verb}", key, json={"seats": ["B-3"]})
        await node.ask("get", f"/ops/shows/{show}/blocks", key)
    for verb in ("pause", "open", "close"):
        await node.ask("post", f"/shows/{show}/{verb}", key)
    await node.ask("post", f"/shows/{show}/terms", key, json={"sales_end": "2030-01-01T00:00Z"})
    await node.ask("get", f"/ops/shows/{show}/log", key)
    hall = {"name": "Test Hall", "city": "Test City", "region": "west"}
    await node.ask("put", "/theatres/west-documented", key, json=hall)
    await node.ask("post", "/ops/sessions", key, json={"sub": "documented"})
    await node.ask("post", "/ops/contacts/erase", key, json={"email": "nobody@example.in"})
    await node.ask("post", "/ops/bookings/search", key, json={"email": "nobody@example.in"})
