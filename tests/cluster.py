"""An embedded cluster for tests: real processes on free ports, a small show of its own for each test."""

from __future__ import annotations

import asyncio
import itertools
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import socketio

from realtime import connect, keys, settings
from realtime.cli.node import static_folder
from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from realtime.dev.plan import plan
from realtime.environment import PREFIX
from realtime.errors import CODES
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.model import Category, Layout, Seat
from realtime.transport.acceptor import serving
from realtime.web.app import make_app
from realtime.wire.layouts import encode_layout, make_layout
from realtime.wire.maps import STATUS_KEYS, unpack_seats
from tests.ledgers import new_ledger

_numbers = itertools.count(1)
EVENTS = (
    "session",
    "seats:changed",
    "show:status",
    "hold:expired",
    "booking:settled",
    "refund:updated",
    "node:leaving",
)


@contextmanager
def running_cluster(*, nodes_per_region: int = 1, sample_data: bool = False) -> Iterator[Cluster]:
    """Run a cluster on free ports in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        where = plan(Path(folder), nodes_per_region=nodes_per_region, port=valkey.free_port)
        for region in where.regions:
            new_ledger(Path(where.ledger(region).removeprefix("sqlite:///")))
        cluster = Cluster(where, echo=print)
        asyncio.run(cluster.start(sample_data=sample_data))
        try:
            yield cluster
        finally:
            asyncio.run(cluster.stop())


@asynccontextmanager
async def node_with(cluster: Cluster, folder: Path, limits: str) -> AsyncIterator[str]:
    """A node of Mumbai to which this machine is an address like others, in this process. It knows no other node.

    ``limits`` are lines of the topology's ``[limits]``, and tables that follow it.
    """
    port = valkey.free_port()
    url = f"http://127.0.0.1:{port}"
    topology = re.sub(r"(?m)^nodes = .*$", f'nodes = ["{url}"]', cluster.topology_file("west").read_text())
    file = folder / "topology.toml"
    file.write_text(re.sub(r"(?m)^shared_networks = .*$", f"shared_networks = []\n{limits}", topology))
    secrets = {f"{PREFIX}{name}": value for name, value in cluster.secrets.items()}
    environ = {**secrets, f"{PREFIX}ALLOW_DEMO_PAYMENTS": "yes"}
    app = make_app(settings.load(file, environ), "west", static=static_folder())
    async with serving(app, "127.0.0.1", port, shutdown_timeout=1.0):
        yield url


def grid(rows: int = 6, numbers: int = 20) -> Layout:
    """A layout of rows A, B, ... with seats A-1, A-2, ..."""
    seats = tuple(
        Seat(f"{chr(65 + r)}-{n}", "Stalls", chr(65 + r), str(n), "Gold", n * 10.0, r * 10.0)
        for r in range(rows)
        for n in range(1, numbers + 1)
    )
    return make_layout("Grid", numbers * 10, rows * 10, (Category("Gold", "#d4a017"),), seats)


async def new_show(cluster: Cluster, region: str = "west", *, layout: Layout | None = None, **terms: Any) -> str:
    """Declare a new show in a region through its keeper; return its id once every node knows it."""
    layout = layout or grid()
    number = next(_numbers)
    show_id = f"{region}-test-{number}"
    async with cluster.masters() as masters:
        master = masters[region]
        await run_command(master, "theatre", {"id": f"{region}-hall", "name": "Test Hall", "city": "Somewhere"})
        await declare_layout(master, layout.id, encode_layout(layout))
        body = {
            "id": show_id,
            "theatre": f"{region}-hall",
            "layout": layout.id,
            "title": f"Test show {number}",
            "starts_at": "2030-01-01T18:30:00+05:30",
            "prices": {"Gold": 450},
            **terms,
        }
        await run_command(master, "show", body)
    for url in node_urls(cluster):
        await until(lambda url=url: _knows(url, show_id))
    return show_id


def node_urls(cluster: Cluster) -> list[str]:
    """Return the URLs of all nodes, region by region."""
    return [url for region in cluster.plan.regions for url in cluster.plan.node_urls(region)]


async def _knows(url: str, show: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/shows/{show}") as response:
        return response.status == 200


async def until(condition: Any, timeout_s: float = 60.0) -> Any:
    """Wait until an async condition gives something true; return it. The bound is for hanging, not for speed.

    It is asked less often the longer it takes, at most a tenth of the time late: tests share two cores.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while not (result := await condition()):
        waited = loop.time() - begun
        assert waited < timeout_s, "waited in vain"
        await asyncio.sleep(min(max(0.02, waited / 10), 0.2))
    return result


class Client:
    """The official Python client with what it received, and a map kept only from that."""

    def __init__(self) -> None:
        self.sio = socketio.AsyncClient(reconnection=False)
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.maps: dict[str, tuple[str, int, bytearray]] = {}
        self._news = asyncio.Event()
        for event in EVENTS:
            self.sio.on(event, self._listener(event))

    def _listener(self, event: str) -> Any:
        async def listen(payload: dict[str, Any]) -> None:
            self.received.append((event, payload))
            if event == "seats:changed":
                self._change(payload)
            self._news.set()

        return listen

    @classmethod
    async def connect(
        cls, url: str, *, token: str | None = None, staff: str | None = None, transports: list[str] | None = None
    ) -> Client:
        client = cls()
        auth = {name: given for name, given in (("token", token), ("staff", staff)) if given is not None} or None
        await client.sio.connect(url, auth=auth, transports=transports or ["websocket"], wait_timeout=20)
        await client.hears("session")
        return client

    @property
    def token(self) -> str:
        return str(next(payload["token"] for event, payload in self.received if event == "session"))

    async def call(self, event: str, payload: Any) -> dict[str, Any]:
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def on_answer(answer: dict[str, Any]) -> None:
            # Here, not when this coroutine goes on: a change that came right behind the map may be handled before.
            if event == "show:watch" and answer["ok"]:
                self._snapshot(answer)
            if not answered.done():
                answered.set_result(answer)

        await self.sio.emit(event, payload, callback=on_answer)
        return await asyncio.wait_for(answered, 20)

    async def hears(self, event: str, **expected: Any) -> dict[str, Any]:
        """Wait until an event came whose payload has what is expected."""

        async def heard() -> dict[str, Any] | None:
            for name, payload in self.received:
                if name == event and expected.items() <= payload.items():
                    return payload
            return None

        found: dict[str, Any] = await until(heard)
        return found

    async def close(self) -> None:
        if self.sio.transport() == "polling":
            # The client would wait for its last poll, which the server leaves open for as long as a ping may take.
            await self.sio.eio.http.close()
        await self.sio.disconnect()

    # --- a map kept only from what was sent, as docs/protocol.md says -----------------------------------------------
    def _snapshot(self, answer: dict[str, Any]) -> None:
        show = answer["show"]
        if "seats" in answer:
            statuses = unpack_seats(answer["seats"], len(answer["seats"]) * 3)
        else:
            statuses = self.maps[show][2]
            _paint(statuses, answer["changes"])
        self.maps[show] = (answer["epoch"], answer["version"], statuses)

    def _change(self, change: dict[str, Any]) -> None:
        epoch, version, statuses = self.maps[change["show"]]
        if change["epoch"] == epoch and change["version"] < version:
            return
        if "seats" in change:
            statuses = unpack_seats(change["seats"], len(statuses))
        else:
            assert change["from"] <= version and epoch in (change["epoch"], change.get("previous_epoch")), "a gap"
            _paint(statuses, change)
        self.maps[change["show"]] = (change["epoch"], change["version"], statuses)

    def status(self, show: str, index: int) -> str:
        return STATUS_KEYS[self.maps[show][2][index]]


def _paint(statuses: bytearray, lists: dict[str, Any]) -> None:
    for digit, name in enumerate(STATUS_KEYS):
        for index in lists.get(name, ()):
            statuses[index] = digit


async def retried(client: Client, event: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Repeat an event while its answer is a retryable error, as docs/protocol.md asks of clients; return the last."""

    async def ask() -> dict[str, Any] | None:
        answer = await client.call(event, payload)
        if answer["ok"] or not answer["error"]["retryable"]:
            return answer
        assert answer["error"]["code"] in CODES
        return None

    done: dict[str, Any] = await until(ask)
    return done


async def pay(url: str, hold: str) -> str:
    """Pay for a hold at the demo payment service; repeat what is retryable, as ``retried`` does."""

    async def ask() -> str | None:
        answer = await pay_once(url, hold)
        if "error" not in answer:
            return str(answer["payment"])
        assert answer["error"]["retryable"], answer
        return None

    payment: str = await until(ask)
    return payment


async def pay_once(url: str, hold: str) -> dict[str, Any]:
    """Return the answer of the demo payment service: the payment, or an error."""
    async with aiohttp.ClientSession() as session, session.post(f"{url}/demo/pay", json={"hold": hold}) as response:
        answer: dict[str, Any] = await response.json()
    return answer


async def pay_order(cluster: Cluster, order: str, **how: Any) -> str:
    """Pay an order at the demo bank, with its ``behaviour``, ``webhooks`` and ``late_ms``; return the first proof."""
    headers = {"Authorization": f"Bearer {cluster.secrets['BANK_SECRET']}"}
    url = f"{cluster.plan.bank_url}/orders/{order}/pay"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=how) as response:
        assert response.status == 200, await response.text()
        paid = (await response.json())["payments"]
        return str(paid[0]["proof"]) if paid else ""


async def entries_added(master: LockMaster) -> int:
    """Return how many entries a region's outbox ever got."""
    info = dict(connect.pairs(await master.command("XINFO", "STREAM", keys.OUTBOX)))
    return int(info[b"entries-added"])


async def map_of_master(cluster: Cluster, show: str) -> tuple[str, int, str]:
    """Return epoch, version and the seat string as the owning master has them."""
    async with cluster.masters() as masters:
        reply = await masters[show.partition("-")[0]].call("tt_map", keys.show(show))
        return reply[1].decode(), int(reply[2]), reply[3].decode()
