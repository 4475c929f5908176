"""A keeper is stopped at a named point, and goes on after the other keepers had some time without it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from loadtest.faults import stops
from loadtest.faults.actions import Parts
from loadtest.faults.schedule import Fault, Kind
from realtime import keys
from realtime.dev.process import Child
from realtime.keeper.points import POINTS

KEEPER = f"""
import os, sys, time
from realtime.keeper.points import reach
for point in {POINTS}:
    reach(point)
print(os.environ.get("TICKINGTICKETS_STOP_AT", "nowhere"), flush=True)
time.sleep(60)
"""


class Keepers:
    """Two keepers that reach every point at once, in place of a cluster."""

    def __init__(self, folder: Path) -> None:
        self.children = {
            name: Child(name, [sys.executable, "-c", KEEPER], folder, folder / f"{name}.log", dict(os.environ))
            for name in ("keeper west", "keeper west 2")
        }

    def pause(self, name: str) -> Child:
        return self.children[name]

    def resume(self, name: str) -> None:
        if not self.children[name].running:
            self.children[name].start()

    def states(self) -> list[str]:
        """Return the kernel's name for the state of each, ``gone`` if it has ended."""
        return [
            "gone" if not each.running or each.process is None else stops.state_of(each.process.pid)
            for each in self.children.values()
        ]


async def test_a_keeper_stops_at_a_point_while_the_others_are_down_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []

    class Redis:
        async def delete(self, key: str) -> None:
            deleted.append(key)

    async def change_master(_parts: Parts, region: str, change: Any) -> None:
        assert region == "west"
        await change(Redis())

    monkeypatch.setattr(stops, "change_master", change_master)
    keepers = Keepers(tmp_path)
    parts = Parts(cast(Any, keepers), {}, cast(Any, None))
    seen: list[list[str]] = []

    async def watch() -> None:
        while True:
            seen.append(keepers.states())
            await asyncio.sleep(0.05)

    async def begun() -> None:
        seen.append(keepers.states())
        watching.append(asyncio.create_task(watch()))

    watching: list[asyncio.Task[None]] = []
    try:
        for name in keepers.children:
            keepers.resume(name)
        await stops.stop_at_point(parts, Fault(1.5, Kind.STOP_AT_POINT, "west", "keeper west", 1.0), begun)
        watching[0].cancel()
        assert seen[0] == ["gone", "gone"], "the region has no keeper when the fault begins"
        assert next(one for one, other in seen if other != "gone") == "T", "the other comes back when it has stopped"
        point = await until_logged(keepers.children["keeper west"])
        assert point in stops.REACHED
        assert deleted == ([] if point.startswith("record") else [keys.RECONCILED])
        assert "T" not in keepers.states() and "gone" not in keepers.states()
        assert all("TICKINGTICKETS_STOP_AT" not in (each.env or {}) for each in keepers.children.values())
    finally:
        for each in keepers.children.values():
            each.kill()


async def until_logged(child: Child) -> str:
    async with asyncio.timeout(10):
        while True:
            lines = child.log.read_text().split()
            if lines and lines[-1] != "nowhere":
                return lines[-1]
            await asyncio.sleep(0.05)
