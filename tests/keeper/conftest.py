"""A region of its own for each test: a master that may be killed, a SQLite ledger, keepers in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from realtime import keys
from realtime.dev import valkey
from realtime.keeper import background, comparison
from realtime.keeper.service import Keeper
from realtime.ledger import Ledger
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.holds import PaymentProof
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.payments.factory import PaymentConfig
from realtime.settings import Settings
from realtime.topology import Plain, Region, Topology
from realtime.wire.layouts import encode_layout
from tests.asyncio_debug import asyncio_debug
from tests.cluster import grid, until
from tests.ledgers import new_ledger

__all__ = ["LAYOUT", "SECRET", "SHOW", "Place", "asyncio_debug", "compare_often", "declare_show", "hold_id", "place"]

LAYOUT = grid()
SHOW = "west-s"
SECRET = "a secret for the tests"
PRICE = 45_000
"""Paise a seat: the show has no fee, and its tickets are exempt from tax."""


def compare_often(monkeypatch: pytest.MonkeyPatch, *intervals: str) -> None:
    """Let keepers compare shows with the ledger without pauses; ``intervals`` of ``background`` become 100 ms."""
    monkeypatch.setattr(comparison, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(comparison, "SHORTEST_PAUSE_MS", 1)
    monkeypatch.setattr(comparison, "PAUSE", 1)
    for name in ("TICK_MS", "COMPARE_EVERY_MS", *intervals):
        monkeypatch.setattr(background, name, 100)


def hold_id(name: str) -> str:
    return f"{SHOW}.h{name:_<22}"


@dataclass
class Place:
    """One region with everything to make things happen in it."""

    server: valkey.Valkey
    settings: Settings
    locks: SeatLocks
    ledger: Ledger
    folder: Path
    keepers: list[Keeper] = field(default_factory=list)

    @property
    def master(self) -> LockMaster:
        return self.locks.master

    def keeper(self, name: str = "k1") -> Keeper:
        keeper = Keeper(self.settings, "west", name)
        keeper.start()
        self.keepers.append(keeper)
        return keeper

    async def rest(self) -> None:
        """Stop all keepers."""
        keepers, self.keepers = self.keepers, []
        await asyncio.gather(*(keeper.stop() for keeper in keepers))

    async def hold(self, name: str, seats: list[int]) -> str:
        hold = hold_id(name)
        await self.locks.hold(hold, name, seats)
        return hold

    async def confirm(self, name: str, seats: list[int]) -> str:
        hold = await self.hold(name, seats)
        await self.locks.confirm(hold, name, PaymentProof(f"paid {name}", PRICE * len(seats)))
        return hold

    async def seats(self) -> str:
        text: bytes = await self.master.command("GET", keys.seats(SHOW))
        return text.decode()

    async def rebuilt(self) -> bool:
        """Return whether all shows are on sale under the present token."""
        mark = await self.master.command("GET", keys.REBUILT)
        return mark is not None and mark == await self.master.command("GET", keys.RECONCILED)

    async def booked(self) -> dict[str, tuple[int, ...]]:
        return {booking.id: booking.seats for booking in await self.ledger.booked(SHOW)}


async def declare_show(master: LockMaster, show_id: str = SHOW) -> None:
    await run_command(master, "theatre", {"id": "gateway", "name": "Gateway", "city": "Mumbai"})
    await declare_layout(master, LAYOUT.id, encode_layout(LAYOUT))
    show = {
        "id": show_id,
        "theatre": "gateway",
        "layout": LAYOUT.id,
        "title": "A show",
        "starts_at": "2030-01-01T18:30:00+05:30",
        "prices": {"Gold": 450},
    }
    await run_command(master, "show", show)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    server = valkey.start(tmp_path / "master")
    server.wait_ready()
    region = Region("west", "Mumbai", Plain(server.url), {}, new_ledger(tmp_path / "west.db"))
    payments = PaymentConfig("signed", environ={"TICKINGTICKETS_SIGNED_SECRET": "s" * 32})
    settings = Settings(Topology({"west": region}), SECRET, payments=payments)
    here = Place(server, settings, SeatLocks(LockMaster(region, timeout_s=5.0)), Ledger(region.ledger), tmp_path)
    try:
        here.keeper()
        # What is declared before the first reconciliation is complete may be rebuilt, and is not for sale meanwhile.
        await until(here.rebuilt)
        await declare_show(here.master)
        yield here
    finally:
        await here.rest()
        await here.master.close()
        await here.ledger.close()
        server.kill()
