"""The embedded cluster: real servers as child processes on loopback, started in order, watched, stopped in order.

Used by ``up``, by the tests and by the load tester. All data is in one folder; the next start continues with it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp

from realtime.dev import fork_server, samples, valkey
from realtime.dev.plan import DELAYS_MS, HOST, ClusterPlan
from realtime.dev.process import Child
from realtime.dev.readiness import in_sync, is_reconciled, knows_all, listens, node_ready
from realtime.dev.relay import Relay
from realtime.dev.supervisor import Supervisor
from realtime.environment import PREFIX
from realtime.locks.master import LockMaster
from realtime.topology import Region

log = logging.getLogger(__name__)
READY_S = 60.0
POLL_S = 0.05
WORKER_NICE = 10
"""Workers draw tickets: on one machine they get the time that nodes and keepers leave."""
FAILOVER_BACK_OFF_S = 5.0
"""How long a server behind Sentinels stays down at least, so that they notice and fail over."""
INDIA = ZoneInfo("Asia/Kolkata")


class ClusterError(Exception):
    """The cluster can't be started; the message says why and what to do."""


class Cluster:
    """An embedded cluster. ``start`` it, ``supervise`` it for as long as it should run, ``stop`` it."""

    def __init__(
        self,
        plan: ClusterPlan,
        *,
        echo: Callable[[str], None] = log.info,
        command_of: Callable[[str, list[str]], list[str]] = lambda name, command: command,
        user_of: Callable[[str], int | None] = lambda name: None,
    ) -> None:
        """``echo`` gets the messages for the person at the terminal, line by line.

        ``command_of`` returns the command that starts a part, from its name and the usual command; ``user_of`` the user
        of one of our own processes, from its name (None: the present one), unless it has a command of its own.
        """
        self.plan = plan
        self.secrets = {"SECRET": "", "OPERATOR_KEY": "", "KIOSK_PIN": "", "BANK_SECRET": "", "MAILBOX_KEY": ""}
        self.children: dict[str, Child] = {}
        self.relays: dict[tuple[str, str], Relay] = {}
        self.feeds: dict[tuple[str, str], Relay] = {}
        self._echo = echo
        self._command_of = command_of
        self._user_of = user_of
        self._lock: TextIOWrapper | None = None
        self._paused: set[str] = set()

    # --- life cycle -----------------------------------------------------------------------------------------------
    async def start(self, *, fresh: bool = False, sample_data: bool = True) -> None:
        """Start everything and wait until it is ready; ``fresh`` deletes the data first. Raises ``ClusterError``."""
        self._lock_folder(fresh)
        self._check_ports()
        self._prepare_files()
        fork_server.start()
        try:
            await self._start_servers()
            await self._start_bank()
            await self._start_mailbox()
            await self._start_keepers()
            if sample_data:
                await self.seed()
            await self._start_nodes()
            self._start_workers()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything in order: nodes, workers, keepers, the bank, the mailbox, Sentinels, replicas, masters."""
        for role in ("node", "worker", "keeper", "bank", "mailbox", "sentinel", "replica", "spare", "master"):
            parts = [child for name, child in self.children.items() if name.startswith(role)]
            self._paused.update(child.name for child in parts)
            await asyncio.gather(*(child.stop() for child in parts))
        for relay in (*self.relays.values(), *self.feeds.values()):
            await relay.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def supervise(self) -> None:
        """Restart processes that end by themselves, until cancelled."""
        await Supervisor(self.children, self._paused, self._echo).run()

    def pause(self, name: str) -> Child:
        """Stop supervising a part, so that it stays down when the caller ends it; return it."""
        self._paused.add(name)
        return self.children[name]

    def resume(self, name: str) -> Child:
        """Start a paused part, if it is not running, and supervise it again; return it."""
        self._paused.discard(name)
        child = self.children[name]
        if not child.running:
            child.start()
        return child

    # --- preparation ----------------------------------------------------------------------------------------------
    def _lock_folder(self, fresh: bool) -> None:
        try:
            valkey.binary()
            self.plan.data.mkdir(parents=True, exist_ok=True)
            self.plan.data.chmod(0o700)  # secrets, bookings and mails are in it
            self._lock = (self.plan.data / "lock").open("w")
        except RuntimeError as error:
            raise ClusterError(str(error)) from None
        except OSError as error:
            raise ClusterError(
                f"can't write to {self.plan.data}: {error.strerror}; choose another folder with --data"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock = None
            raise ClusterError(
                f"another cluster uses {self.plan.data}; stop it, or choose another folder with --data"
            ) from None
        if fresh:
            for each in self.plan.data.iterdir():
                if each.is_dir():
                    shutil.rmtree(each)

    def _check_ports(self) -> None:
        for port, purpose in self.plan.ports():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError:
                    text = f"port {port} on {HOST}, needed for {purpose}, is in use"
                    raise ClusterError(f"{text}; stop the program that uses it and try again") from None

    def _prepare_files(self) -> None:
        file = self.plan.data / "secrets.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        self.secrets = {
            "SECRET": secrets.token_hex(24),
            "OPERATOR_KEY": secrets.token_urlsafe(18),
            "KIOSK_PIN": f"{secrets.randbelow(10**8):08}",
            "BANK_SECRET": secrets.token_urlsafe(18),
            "MAILBOX_KEY": secrets.token_urlsafe(18),
            "REDIS_PASSWORD": secrets.token_hex(18),
            **{f"WEBHOOK_SECRETS_{name.upper()}": _webhook_secret() for name in self.plan.webhooks},
            **known,
        }
        if self.secrets != known:
            file.touch(mode=0o600)
            file.write_text(json.dumps(self.secrets))
        self.plan = replace(self.plan, password=self.secrets["REDIS_PASSWORD"])
        for region in self.plan.regions:
            self.topology_file(region).write_text(self.plan.topology(region))
        valkey.write_passwords(self._passwords, self.plan.password)

    @property
    def _passwords(self) -> Path:
        # Not in the folder of a server, which a load test may delete.
        return self.plan.data.absolute() / "passwords.conf"

    def topology_file(self, region: str) -> Path:
        """Return the topology file of the processes of a region."""
        return self.plan.data / f"topology-{region}.toml"

    # --- servers --------------------------------------------------------------------------------------------------
    async def _start_servers(self) -> None:
        masters = []
        for region, port in self.plan.masters.items():
            folder = self.plan.data / region / "master"
            masters.append(self._add(f"master {region}", self._server(region, folder, port), folder, port))
        for planned, links in ((self.plan.relays, self.relays), (self.plan.feeds, self.feeds)):
            for (owner, near), port in planned.items():
                delay = DELAYS_MS.get(frozenset((owner, near)), (0.0, 0.0))
                relay = links[owner, near] = Relay(port, self.plan.masters[owner], delay)
                await relay.start()
        if not self.plan.sentinels:
            await self._all_ready(masters)
        replicas = []
        for (owner, near), port in self.plan.replicas.items():
            folder = self.plan.data / owner / f"replica-{near}"
            follows = self.plan.feeds.get((owner, near), self.plan.master_port(owner, near))
            arguments = self._server(owner, folder, port, follows)
            replicas.append(self._add(f"replica {owner} in {near}", arguments, folder, port))
        spares = [self._spare(region, port) for region, ports in self.plan.spares.items() for port in ports]
        servers = [*masters, *replicas, *spares]
        if not any(self.plan.data.glob("*/sentinel-*/")):
            # Sentinels ask a master for its replicas when they start, and then only every ten seconds, so the replicas
            # must be connected before.
            await self._all_ready(servers)
        await self._start_sentinels()
        await self._all_ready(servers)

    def _server(
        self, region: str, folder: Path, port: int, replica_of: int | None = None, *, spare: bool = False
    ) -> list[str]:
        if region in self.plan.sentinels:
            promotable = spare or replica_of is None
            arguments = valkey.managed_arguments(folder, port, replica_of=replica_of, promotable=promotable)
        else:
            arguments = valkey.arguments(folder, port, replica_of=replica_of)
        return [*arguments, "--include", str(self._passwords)]

    def _spare(self, region: str, port: int) -> tuple[Child, int]:
        folder = self.plan.data / region / f"spare-{port}"
        arguments = self._server(region, folder, port, self.plan.masters[region], spare=True)
        return self._add(f"spare {region} {port}", arguments, folder, port)

    async def _start_sentinels(self) -> None:
        waits = []
        for region, ports in self.plan.sentinels.items():
            servers = 1 + sum(owner == region for owner, _near in self.plan.replicas) + len(self.plan.spares[region])
            for port in ports:
                folder = self.plan.data / region / f"sentinel-{port}"
                arguments = valkey.sentinel_arguments(
                    folder, port, region, self.plan.masters[region], self.plan.password
                )
                child, _ = self._add(f"sentinel {region} {port}", arguments, folder, port)
                known = partial(knows_all, self.plan.server_url(port), region, servers - 1, len(ports) - 1)
                waits.append(self._until(child, known))
            for child in self.children.values():
                if child.name.startswith((f"master {region}", f"spare {region}")):
                    child.min_back_off_s = FAILOVER_BACK_OFF_S
        await asyncio.gather(*waits)

    def _add(self, name: str, args: list[str], folder: Path, port: int) -> tuple[Child, int]:
        child = Child(name, self._command_of(name, args), folder, self._log(name))
        self.children[name] = child
        child.start()
        return child, port

    async def _all_ready(self, servers: list[tuple[Child, int]]) -> None:
        await asyncio.gather(
            *(self._until(child, partial(in_sync, self.plan.server_url(port))) for child, port in servers)
        )

    # --- our own processes ----------------------------------------------------------------------------------------
    async def _start_keepers(self) -> None:
        keepers = []
        for region in self.plan.regions:
            for number in range(self.plan.keepers):
                name = f"keeper {region}" if number == 0 else f"keeper {region} {number + 1}"
                child = self._own(name, region, ["keeper", "--region", region])
                keepers.append(self._until(child, partial(is_reconciled, self.plan.master(region))))
        await asyncio.gather(*keepers)

    async def _start_nodes(self) -> None:
        nodes = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            for region, ports in self.plan.nodes.items():
                for port in ports:
                    child = self._own(f"node {port}", region, ["node", "--region", region, "--port", str(port)])
                    nodes.append(self._until(child, partial(node_ready, session, port)))
            await asyncio.gather(*nodes)

    async def _start_bank(self) -> None:
        webhooks = [part for url in self._node_urls() for part in ("--webhook", f"{url}/api/v1/payments/webhook")]
        data = self.plan.data / "bank" / "bank.db"
        data.parent.mkdir(parents=True, exist_ok=True)
        arguments = ["--port", str(self.plan.bank), "--data", str(data.absolute()), *webhooks]
        child = self._child("bank", ["realtime.dev.bank", *arguments])
        await self._until(child, partial(listens, self.plan.bank))

    async def _start_mailbox(self) -> None:
        data = self.plan.data / "mailbox" / "mails.db"
        data.parent.mkdir(parents=True, exist_ok=True)
        ports = ["--smtp-port", str(self.plan.smtp), "--port", str(self.plan.mailbox)]
        child = self._child("mailbox", ["realtime.dev.mailbox", *ports, "--data", str(data.absolute())])
        await self._until(child, partial(listens, self.plan.smtp))

    def _start_workers(self) -> None:
        for region in self.plan.regions:
            for number in range(self.plan.workers):
                name = f"worker {region}" if number == 0 else f"worker {region} {number + 1}"
                self._own(name, region, ["worker", "--region", region], nice=WORKER_NICE)

    def _node_urls(self) -> list[str]:
        return [url for region in self.plan.regions for url in self.plan.node_urls(region)]

    async def node_ready(self, port: int) -> None:
        """Wait until a node that was resumed answers as ready; raises ``ClusterError``."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            await self._until(self.children[f"node {port}"], partial(node_ready, session, port))

    def _own(self, name: str, region: str, command: list[str], nice: int = 0) -> Child:
        topology = ["--topology", str(self.topology_file(region).absolute())]
        return self._child(name, ["realtime", *topology, *command], nice)

    def _child(self, name: str, module: list[str], nice: int = 0) -> Child:
        args = [*(["nice", "-n", str(nice)] if nice else []), sys.executable, "-m", *module]
        command = self._command_of(name, args)
        env = {**os.environ, **{f"{PREFIX}{key}": value for key, value in self.secrets.items()}}
        env[f"{PREFIX}ALLOW_DEMO_PAYMENTS"] = "yes"
        # Its data may have secrets that somebody has typed, or a six-digit PIN such as 111111 by chance.
        env[f"{PREFIX}ALLOW_WEAK_SECRETS"] = "yes"
        child = Child(name, command, Path.cwd(), self._log(name), env)
        if command is args:
            child.module, child.nice, child.user = module, nice, self._user_of(name)
        self.children[name] = child
        child.start()
        return child

    def _log(self, name: str) -> Path:
        return (self.plan.data / "log" / f"{name.replace(' ', '-')}.log").absolute()

    async def _until(self, child: Child, ready: Callable[[], Awaitable[bool]]) -> None:
        deadline = asyncio.get_running_loop().time() + READY_S
        while not await ready():
            if not child.running or asyncio.get_running_loop().time() > deadline:
                state = f"is not ready after {READY_S:g} s" if child.running else "ended"
                raise ClusterError(f"{child.name} {state}. The end of {child.log}:\n{child.log_tail()}")
            await asyncio.sleep(POLL_S)

    # --- sample data ----------------------------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def masters(self) -> AsyncIterator[dict[str, LockMaster]]:
        """Provide connections to all lock masters, by region, and close them afterwards."""
        links = {
            region: LockMaster(Region(region, region, self.plan.master(region), {}, ""), timeout_s=5.0)
            for region in self.plan.regions
        }
        try:
            yield links
        finally:
            for link in links.values():
                await link.close()

    async def seed(self) -> int:
        """Declare the sample theatres, layouts and shows that are missing; return how many were declared."""
        async with self.masters() as links:
            return await samples.seed(links, datetime.now(INDIA).date())


def _webhook_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
