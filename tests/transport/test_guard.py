"""A node whose frameworks are not as expected still serves: by plain ``emit``, and it says which part is missing."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from redis import Redis

from realtime import keys
from realtime.dev import valkey
from realtime.locks.master import LockMaster, incarnation_of
from realtime.locks.seats import SeatLocks
from realtime.model import Theatre
from realtime.topology import Plain, Region
from realtime.transport import guard
from realtime.wire.layouts import encode_layout
from realtime.wire.shows import encode_show, encode_theatre
from tests.cluster import Client, until
from tests.conftest import ROOT
from tests.read_path import LAYOUT, SHOW
from tests.transport.changed_parts import CHANGES

ENVIRONMENT = {
    "TICKINGTICKETS_SECRET": "a secret for the tests",
    "TICKINGTICKETS_BANK_SECRET": "x" * 32,
    "TICKINGTICKETS_ALLOW_DEMO_PAYMENTS": "yes",
}
TABLE = re.findall(r"^\| (\w+\.\S+) \| \S", guard.__doc__ or "", re.MULTILINE)


def test_the_table_names_every_part_that_is_checked() -> None:
    assert [part.name for part in guard.PARTS] == TABLE


def test_every_part_fits_the_installed_frameworks() -> None:
    assert guard.missing_parts() == ()


def test_the_tested_versions_are_those_that_pyproject_allows() -> None:
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for distribution, first, end in guard.TESTED.values():
        assert f"{distribution}~={'.'.join(map(str, first))}" in allowed
        assert end == (first[0], first[1] + 1), "what ~= means"


def test_no_other_module_imports_private_modules_of_the_frameworks() -> None:
    private = re.compile(
        r"^\s*(?:from|import) (aiohttp\.(?!abc|payload|typedefs)|engineio|socketio\.|socketio import (?!AsyncServer))"
    )
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "realtime").rglob("*.py")
        if any(private.match(line) for line in path.read_text().splitlines())
    }
    assert found == set()


DOCUMENTED = {"_asdict", "_replace", "_exit"}
"""Names with an underscore that are public: of named tuples, and of ``os``."""


class PrivateNames(ast.NodeVisitor):
    """The private names that a module gives to what is its own, and those that it uses."""

    def __init__(self, path: Path) -> None:
        self.own = set[str]()
        self.of_self = set[str]()
        self.of_others = set[str]()
        for node in ast.walk(ast.parse(path.read_text())):
            self.visit(node)

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                (self.own if isinstance(node.ctx, ast.Store) else self.of_self).add(name)
            case ast.Attribute(attr=name):
                self.of_others.add(name)
            case ast.Call(func=ast.Name(id="getattr" | "setattr"), args=[_, ast.Constant(value=str() as name), *_]):
                self.of_others.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self.own.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                self.own.add(name)
            case ast.Constant(value=str() as name):
                self.own.add(name)  # one of ``__slots__``


def test_every_private_attribute_that_is_used_is_one_that_the_guard_checks() -> None:
    checked = set(re.findall(r"\b_[a-z_]+\b", (ROOT / "realtime/transport/guard.py").read_text()))
    paths = [path for folder in ("realtime", "loadtest", "scripts") for path in (ROOT / folder).rglob("*.py")]
    modules = {path: PrivateNames(path) for path in paths}
    of_any = {name for names in modules.values() for name in names.own}  # a base class may be in another module
    unchecked = {
        (path.relative_to(ROOT).as_posix(), name)
        for path, names in modules.items()
        for name in (names.of_self - of_any) | (names.of_others - names.own)
        if re.match(r"_[a-z]", name)
        and name not in DOCUMENTED
        and not (path.parent.name == "transport" and name in checked)
    }
    assert unchecked == set()


MODULE = [sys.executable, "-m", "tests.transport.changed_parts"]
Run = Callable[..., int]
"""Runs ``tickingtickets`` with a part changed, its output in a file, and returns the id of the process."""


@pytest.fixture(scope="module")
def run_changed() -> Iterator[Run]:
    with subprocess.Popen(MODULE, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        requests, answers = server.stdin, server.stdout
        assert requests is not None and answers is not None

        def run(log: Path, environment: dict[str, str], part: str, *arguments: str) -> int:
            requests.write(json.dumps([str(log), environment, part, *arguments]) + "\n")
            requests.flush()
            return int(answers.readline())

        yield run
        requests.close()


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory, master_server: valkey.Valkey) -> tuple[Path, int]:
    """A topology of one region with a show, and the port of its node."""
    port = valkey.free_port()
    file = tmp_path_factory.mktemp("guard") / "topology.toml"
    file.write_text(
        f"""
        [payments]
        service = "demo"
        url = "http://{valkey.HOST}:{port}"
        [regions.west]
        label = "Mumbai"
        master = "{master_server.url}"
        ledger = "sqlite:///{file.parent}/west.db"
        nodes = ["http://{valkey.HOST}:{port}"]
        """
    )
    return file, port


def said(log: Path) -> str:
    return log.read_text(errors="replace")


@asynccontextmanager
async def changed_node(run_changed: Run, part: str, topology: tuple[Path, int], log: Path) -> AsyncIterator[str]:
    """Run a node with a part changed until the context is left; yield its URL."""
    file, port = topology
    url = f"http://{valkey.HOST}:{port}"
    process = run_changed(
        log, ENVIRONMENT, part, "--topology", str(file), "node", "--region", "west", "--port", str(port)
    )

    async def ready() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            pytest.fail(said(log))
        try:
            async with ClientSession() as session, session.get(f"{url}/readyz") as answer:
                return answer.status == 200
        except ClientError:
            return False

    try:
        await until(ready, timeout_s=60)
        yield url
    finally:
        # A node that is asked to stop waits 5 s for the last poll of the polling client.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


async def declare_show(server: valkey.Valkey) -> None:
    """Empty a master and declare the show on it, as a keeper does."""
    master = LockMaster(Region("west", "Mumbai", Plain(server.url), {}, ""))
    await master.command("FLUSHALL")
    await master.load_functions()
    with Redis(host=valkey.HOST, port=server.port) as redis:
        await master.command("SET", keys.RECONCILED, incarnation_of(redis.info()) + b" 1")
    await SeatLocks(master).declare(SHOW, "e1")
    await master.command("SET", keys.layout(LAYOUT.id), encode_layout(LAYOUT))
    theatre = Theatre("gateway", "Gateway", "Mumbai", "west")
    await master.command("HSET", keys.THEATRES, theatre.id, encode_theatre(theatre))
    await master.command("HSET", keys.SHOWS, SHOW.id, encode_show(SHOW))
    await master.close()


@pytest.mark.parametrize("part", TABLE)
async def test_a_node_serves_clients_when_a_part_is_missing_or_changed(
    part: str, topology: tuple[Path, int], master_server: valkey.Valkey, run_changed: Run, tmp_path: Path
) -> None:
    await declare_show(master_server)
    async with changed_node(run_changed, part, topology, tmp_path / "log") as url:
        for transport in ("websocket", "polling"):
            client = await Client.connect(url, transports=[transport])
            assert (await client.call("show:watch", {"show": SHOW.id}))["ok"]
            hold = await client.call("seats:hold", {"show": SHOW.id, "seats": ["A-1"], "request_id": transport})
            assert hold["ok"], hold
            await client.hears("seats:changed", held=[0])
            assert (await client.call("seats:release", {"hold": hold["hold"]["id"]}))["ok"]
            await client.hears("seats:changed", free=[0])
            await client.close()
        async with ClientSession() as session:
            async with session.get(f"{url}/readyz") as answer:
                transport_state = (await answer.json())["transport"]
            async with session.get(f"{url}/metrics") as answer:
                metrics = await answer.text()
    assert not transport_state["fast"] and part in transport_state["missing"]
    assert f'tickingtickets_fast_transport{{missing="{part}"}} 0.0' in metrics
    logged = said(tmp_path / "log")
    assert logged.count("the fast transport is off") == 1
    assert "Traceback" not in logged, logged


@pytest.mark.parametrize("part", ["engineio.exceptions", "aiohttp.BaseProtocol"])
def test_the_command_line_works_without_a_part(part: str) -> None:
    ended = subprocess.run([*MODULE, part, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "Usage: tickingtickets" in ended.stdout


def test_each_part_has_a_change() -> None:
    assert set(CHANGES) == set(TABLE)
