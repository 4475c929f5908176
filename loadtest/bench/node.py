"""A node for benchmarks, with its lock master and a replica, shows of any size, and no keeper.

The node has a core to itself; the master, the replica and all clients have the other one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
from redis.asyncio import Redis

from loadtest.bench.programs import Program, running
from realtime import keys
from realtime.clock import now_ms
from realtime.dev import valkey
from realtime.locks.master import LockMaster, incarnation_of
from realtime.locks.seats import SeatLocks
from realtime.model import Category, Layout, Seat, Show, Theatre
from realtime.topology import Plain, Region
from realtime.wire.layouts import encode_layout, make_layout
from realtime.wire.shows import encode_show, encode_theatre

SECRET = "a secret of the benchmarks only"
SEATS_A_ROW = 200


@functools.cache
def layout_of(seats: int) -> Layout:
    """Return a layout of rows of 200 seats; a seat's id is ``row-number``, both from 0."""
    made = tuple(
        Seat(f"{n // SEATS_A_ROW}-{n % SEATS_A_ROW}", "A", str(n // SEATS_A_ROW), str(n % SEATS_A_ROW), "Gold",
             n % SEATS_A_ROW * 10.0, n // SEATS_A_ROW * 10.0)
        for n in range(seats)
    )  # fmt: skip
    return make_layout("Bench", SEATS_A_ROW * 10, 10 * (seats // SEATS_A_ROW + 1), (Category("Gold", "#d4a017"),), made)


class BenchNode:
    """The node's process and port, and the locks through which a benchmark changes shows."""

    def __init__(self, node: Program, port: int, master: LockMaster, replica: str, seats: int) -> None:
        """``replica`` is a URL; ``seats`` is the size of the shows."""
        self.process = node
        self.port = port
        self.master = master
        self.locks = SeatLocks(master)
        self.seats = seats
        self._replica = replica

    def replica_client(self) -> Redis:
        """Return a client of the replica; the caller closes it."""
        return Redis.from_url(self._replica)

    async def declare(self, show_id: str) -> None:
        """Declare a show; return when the node knows it and has coded its layout."""
        layout = layout_of(self.seats)
        show = Show(
            id=show_id,
            title="A show",
            theatre="west-hall",
            theatre_name="Hall",
            city="Mumbai",
            region="west",
            layout=layout.id,
            seat_count=len(layout.seats),
            starts_at="2030-01-01T18:30:00+05:30",
            prices={"Gold": 450},
        )
        await self.locks.declare(show, "e1")
        await self.master.command("SET", keys.layout(layout.id), encode_layout(layout))
        theatre = Theatre("west-hall", "Hall", "Mumbai", "west")
        await self.master.command("HSET", keys.THEATRES, theatre.id, encode_theatre(theatre))
        await self.master.command("HSET", keys.SHOWS, show.id, encode_show(show))
        await self.master.command("PUBLISH", keys.DIRECTORY, b"{}")
        api = f"http://{valkey.HOST}:{self.port}/api/v1"
        await _wait_for_answer(f"{api}/shows/{show_id}/seats")
        # A node codes new layouts by itself, a few seconds later: not while something is measured.
        await _wait_for_answer(f"{api}/layouts/{layout.id}/rows/1")


@contextlib.asynccontextmanager
async def running_node(
    folder: Path, server_core: int | None, other_core: int | None, seats: int
) -> AsyncIterator[BenchNode]:
    """Run a node, its master and a replica, with their data below ``folder``."""
    if other_core is not None:
        os.sched_setaffinity(0, {other_core})  # children inherit it
    master_server = valkey.start(folder / "master")
    replica = valkey.start(folder / "replica", replica_of=master_server.port)
    try:
        await master_server.wait_ready_async()
        await replica.wait_ready_async()
        region = Region("west", "Mumbai", Plain(master_server.url), {"west": (Plain(replica.url),)}, "")
        master = LockMaster(region)
        await master.load_functions()
        await master.command("SET", keys.REGION, "west")
        # A keeper would set this after reconciling the master.
        incarnation = incarnation_of(await master.command("INFO", "server", "replication"))
        await master.command("SET", keys.RECONCILED, incarnation)
        port = valkey.free_port()
        topology = folder / "topology.toml"
        topology.write_text(
            # Nobody pays here: there is no bank at the address.
            f'[payments]\nservice = "demo"\nurl = "http://{valkey.HOST}:1"\n'
            f'[regions.west]\nlabel = "Mumbai"\nmaster = "{master_server.url}"\n'
            f'nodes = ["http://{valkey.HOST}:{port}"]\n[regions.west.replicas]\nwest = ["{replica.url}"]\n'
        )
        command = [sys.executable, "-m", "realtime", "--topology", str(topology), "node"]
        demo_payments = {"TICKINGTICKETS_BANK_SECRET": SECRET, "TICKINGTICKETS_ALLOW_DEMO_PAYMENTS": "yes"}
        env = {**os.environ, "TICKINGTICKETS_SECRET": SECRET, **demo_payments}
        node = Program([*command, "--region", "west", "--port", str(port)], server_core, env=env)
        heartbeat = asyncio.create_task(_send_heartbeats(master))
        with running(node):
            await _wait_for_answer(f"http://{valkey.HOST}:{port}/readyz")
            try:
                yield BenchNode(node, port, master, replica.url, seats)
            finally:
                heartbeat.cancel()
                await asyncio.gather(heartbeat, return_exceptions=True)
                await master.close()
    finally:
        replica.kill()
        master_server.kill()


async def _send_heartbeats(master: LockMaster) -> None:
    while True:
        heartbeat = {"region": "west", "keeper": "bench", "time": now_ms(), "digests": {}}
        await asyncio.gather(master.command("PUBLISH", keys.HEARTBEAT, orjson.dumps(heartbeat)), return_exceptions=True)
        await asyncio.sleep(1)


async def _wait_for_answer(url: str, timeout_s: float = 60.0) -> None:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(ask):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} does not answer")
        await asyncio.sleep(0.1)
