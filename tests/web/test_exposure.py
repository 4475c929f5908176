"""What a node shows of itself, and to whom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from redis.exceptions import AuthenticationError

from realtime import connect, keys, topology_file
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.mailbox.pages import COOKIE
from realtime.dev.mailbox.pages import make_app as mailbox_app
from realtime.dev.mailbox.store import MailStore
from realtime.dev.plan import plan
from realtime.errors import Forbidden
from realtime.payments.factory import PaymentConfig
from realtime.settings import Settings
from realtime.topology import Plain
from realtime.web import openapi
from realtime.web.app import ROUTES, make_app
from realtime.web.pages import EMBED
from tests.conftest import ROOT

from .test_attempts import staff_access

ONLY_BUNDLED = (EMBED, "/static/built/{name}")
"""Routes that a node has only where the pages are bundled."""
REGION = "[regions.west]\nmaster = 'redis://127.0.0.1:1'\nnodes = ['http://127.0.0.1:2']\n"


def application() -> web.Application:
    payments = PaymentConfig("demo", {"url": "http://127.0.0.1:3"}, {"TICKINGTICKETS_BANK_SECRET": "x" * 32}, True)
    return make_app(Settings(topology_file.parse(REGION), "x" * 32, payments=payments), "west", static=ROOT / "static")


def addresses(app: web.Application) -> set[tuple[str, str]]:
    """All routes of an application as the document writes them: a route for GET serves HEAD, too."""
    found = set()
    for route in app.router.routes():
        resource: Any = route.resource
        found.add((route.method, re.sub(r"{(\w+):[^}]*}", r"{\1}", resource.canonical)))
    return {(method, path) for method, path in found if method != "HEAD"}


async def test_the_document_lists_every_route_and_no_other() -> None:
    app = application()
    document = openapi.document(app[ROUTES])["paths"]
    listed = {(method.upper(), path) for path, methods in document.items() for method in methods}
    assert {each for each in listed ^ addresses(app) if each[1] not in ONLY_BUNDLED} == set()


def asked(peer: str, **headers: str) -> web.Request:
    transport: Any = type("Transport", (), {"get_extra_info": lambda _self, name, default=None: (peer, 1)})()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/metrics", headers=named, transport=transport, app=web.Application())


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        (asked("127.0.0.1"), True),
        (asked("::1"), True),
        (asked("192.0.2.1"), False),
        (asked("127.0.0.1", X_Forwarded_For="192.0.2.1"), False),
        (asked("127.0.0.1", Forwarded="for=192.0.2.1"), False),
        (asked("192.0.2.1", Authorization="Bearer metrics"), True),
        (asked("192.0.2.1", Authorization="Bearer operators"), True),
        (asked("192.0.2.1", Authorization="Bearer wrong"), False),
        (asked("127.0.0.1", X_Forwarded_For="192.0.2.1", Authorization="Bearer metrics"), True),
    ],
)
async def test_metrics_are_for_this_machine_and_for_those_with_a_key(request_: web.Request, shown: bool) -> None:
    async def serve(_request: web.Request) -> web.Response:
        return web.Response()

    guarded = staff_access("operators").require_metrics_key(serve, "metrics")
    if shown:
        assert (await guarded(request_)).status == 200
    else:
        with pytest.raises(Forbidden):
            await guarded(request_)


def test_the_folder_of_an_embedded_cluster_is_private(tmp_path: Path) -> None:
    cluster = Cluster(plan(tmp_path / "var", regions=("west",)))
    cluster._lock_folder(fresh=False)
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


async def test_masters_and_replicas_need_the_password_that_only_the_owner_of_the_folder_can_read(
    cluster: Cluster,
) -> None:
    for port in (*cluster.plan.masters.values(), *cluster.plan.replicas.values()):
        async with connect.to_server(Plain(f"redis://{valkey.HOST}:{port}"), timeout_s=2.0) as redis:
            with pytest.raises(AuthenticationError):
                await redis.execute_command("GET", keys.RECONCILED)  # type: ignore[no-untyped-call]
    command_lines = "".join(" ".join(child.args) for child in cluster.children.values())
    assert cluster.plan.password and cluster.plan.password not in command_lines
    assert cluster.plan.data.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "status"), [("127.0.0.1:1", 200), ("localhost", 200), ("rebound.example", 403)])
async def test_the_mailbox_answers_to_no_name_that_a_foreign_page_could_have(
    tmp_path: Path, name: str, status: int
) -> None:
    store = MailStore(tmp_path / "mails.db")
    async with TestClient(TestServer(mailbox_app(store, "the key"))) as client:
        answer = await client.get("/api/mails", headers={"Host": name, "Authorization": "Bearer the key"})
        assert answer.status == status
    store.close()


async def test_the_mailbox_is_read_by_those_who_have_its_key(tmp_path: Path) -> None:
    store = MailStore(tmp_path / "mails.db")
    store.add("asha@example.in", b"Message-ID: <1@x>\r\nSubject: Your ticket\r\n\r\nA-1\r\n", 1)
    private = ("/", "/mails/1", "/mails/1/html", "/mails/1/text", "/mails/1/parts/0", "/api/mails", "/api/mails/1")
    async with TestClient(TestServer(mailbox_app(store, "the key"))) as client:
        for path in (*private, "/nothing"):
            for asked in (path, f"{path}?key=", f"{path}?key=another", f"{path}?key=%ff"):
                for authorization in ("", "Bearer", "Bearer another", "the ke"):
                    answer = await client.get(asked, headers={"Authorization": authorization, "Cookie": f"{COOKIE}=x"})
                    assert answer.status == 403 and "Your ticket" not in await answer.text()
        answer = await client.get("/?key=the%20key", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/"), "the key leaves the address"
        assert "Your ticket" in await (await client.get("/")).text()
        assert "A-1" in await (await client.get("/mails/1/text")).text()
    store.close()
