"""A node and a keeper started separately from a topology file, as in production: on one Redis, and behind Sentinels."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from realtime.dev import valkey
from realtime.dev.fork_server import Fork
from realtime.errors import RegionUnavailable
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.topology_file import load
from realtime.wire.layouts import encode_layout
from tests.cluster import Client, grid, pay, until
from tests.programs import find_program

SECRET = "a secret for the tests"


@dataclass
class Installation:
    """Servers and processes, each started by hand; all ended at the end."""

    folder: Path
    binary: Path
    processes: list[subprocess.Popen[bytes] | Fork] = field(default_factory=list)

    @property
    def topology(self) -> Path:
        return self.folder / "topology.toml"

    def sentinel(self, master: valkey.Valkey) -> int:
        port = valkey.free_port()
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind {valkey.HOST}\ndir {self.folder}\n"
            f"sentinel monitor tickets {valkey.HOST} {master.port} 1\n"
            "sentinel down-after-milliseconds tickets 500\nsentinel failover-timeout tickets 3000\n"
        )
        self.processes.append(valkey.spawn([str(self.binary), str(config), "--sentinel"], self.folder))
        return port

    def start(self, *command: str) -> None:
        self._start(command[0], "realtime", "--topology", str(self.topology), *command)

    def start_bank(self, node: int) -> str:
        """Start the demo bank of the node on that port; return the part of the topology that names it."""
        port = valkey.free_port()
        webhook = f"http://{valkey.HOST}:{node}/api/v1/payments/webhook"
        data = str(self.folder / "bank.db")
        self._start("bank", "realtime.dev.bank", "--port", str(port), "--data", data, "--webhook", webhook)
        return f'[payments]\nservice = "demo"\nurl = "http://{valkey.HOST}:{port}"\n'

    def _start(self, name: str, module: str, *args: str) -> None:
        secrets = {"TICKINGTICKETS_SECRET": SECRET, "TICKINGTICKETS_BANK_SECRET": SECRET}
        env = {**os.environ, **secrets, "TICKINGTICKETS_ALLOW_DEMO_PAYMENTS": "yes"}
        self.processes.append(Fork(name, [module, *args], Path.cwd(), self.folder / f"{name}.log", env))


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    here = Installation(tmp_path, find_program("redis-server", "redis-server"))
    yield here
    for process in here.processes:
        process.kill()
        process.wait()


def server(here: Installation, name: str, replica_of: int | None = None) -> valkey.Valkey:
    started = valkey.start(here.folder / name, replica_of=replica_of, server=here.binary)
    here.processes.append(started.process)
    started.wait_ready()
    return started


async def open_sales(here: Installation) -> None:
    """Declare a theatre, a layout and a show through the keeper."""
    link = LockMaster(load(here.topology).regions["west"], timeout_s=5.0)
    layout = grid()

    async def declared() -> bool:
        with contextlib.suppress(RegionUnavailable):
            await run_command(link, "theatre", {"id": "gateway", "name": "Gateway", "city": "Mumbai"})
            return True
        return False

    await until(declared)
    await declare_layout(link, layout.id, encode_layout(layout))
    show = {"id": "west-s", "theatre": "gateway", "layout": layout.id, "title": "S", "prices": {"Gold": 1}}
    await run_command(link, "show", {**show, "starts_at": "2030-01-01T18:30:00+05:30"})
    await link.close()


async def book(url: str, seat: str) -> None:
    """Book a seat; retry while the region is unreachable."""
    buyer = await Client.connect(url)

    async def held() -> str | None:
        answer = await buyer.call("seats:hold", {"show": "west-s", "seats": [seat], "request_id": seat})
        assert answer["ok"] or answer["error"]["retryable"], answer
        return str(answer["hold"]["id"]) if answer["ok"] else None

    hold = await until(held)
    done = await buyer.call("seats:confirm", {"hold": hold, "payment": await pay(url, hold)})
    assert done["ok"], done
    if done["booking"]["state"] == "pending":
        assert (await buyer.hears("booking:settled"))["booking"]["state"] == "booked"
    await buyer.close()


async def sells(url: str) -> bool:
    """Whether the node is there and has heard of the show."""
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v1/shows/west-s") as response:
            return response.status == 200
    return False


async def test_one_redis_one_keeper_and_one_node_sell_a_seat(installation: Installation) -> None:
    master = server(installation, "master")
    port = valkey.free_port()
    installation.topology.write_text(
        f"{installation.start_bank(port)}"
        f'[regions.west]\nmaster = "{master.url}"\n'
        f'ledger = "sqlite:///{installation.folder}/ledger.db"\n'
    )
    installation.start("keeper", "--region", "west")
    installation.start("node", "--region", "west", "--port", str(port))
    await open_sales(installation)
    url = f"http://{valkey.HOST}:{port}"
    await until(lambda: sells(url))
    await asyncio.gather(*(book(url, f"A-{n}") for n in range(1, 6)))


async def test_a_master_behind_a_sentinel_is_followed_through_a_failover(installation: Installation) -> None:
    master = server(installation, "master")
    spares = [server(installation, f"spare-{n}", replica_of=master.port) for n in range(2)]
    for each in (master, *spares):
        # A keeper refuses a master behind Sentinels that takes writes when it has no replica.
        async with Redis(host=valkey.HOST, port=each.port) as redis:
            await redis.config_set("min-replicas-to-write", 1)
            await redis.config_set("min-replicas-max-lag", 2)
    sentinel = installation.sentinel(master)
    port = valkey.free_port()
    installation.topology.write_text(
        f"{installation.start_bank(port)}"
        f'[regions.west]\nsentinels = ["{valkey.HOST}:{sentinel}"]\nservice = "tickets"\n'
        f'ledger = "sqlite:///{installation.folder}/ledger.db"\n'
    )
    installation.start("keeper", "--region", "west")
    installation.start("node", "--region", "west", "--port", str(port))
    await open_sales(installation)
    url = f"http://{valkey.HOST}:{port}"
    await until(lambda: sells(url))
    await book(url, "A-1")
    viewer = await Client.connect(url)
    await viewer.call("show:watch", {"show": "west-s"})

    async def knows_its_replicas() -> bool:
        async with Redis(host=valkey.HOST, port=sentinel) as redis:
            return len(await redis.execute_command("SENTINEL", "REPLICAS", "tickets")) == 2  # type: ignore[no-untyped-call]

    await until(knows_its_replicas)
    master.kill()
    await book(url, "A-2")

    async def both_sold() -> bool:
        return (viewer.status("west-s", 0), viewer.status("west-s", 1)) == ("sold", "sold")

    await until(both_sold)
    await viewer.close()
