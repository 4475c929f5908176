"""Carries out a schedule of faults, and measures how long each interrupted holds or bookings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loadtest.faults import actions, failovers, links, regions, restores, servers, stops
from loadtest.faults.actions import Action, Parts
from loadtest.faults.history import History
from loadtest.faults.partition import partition
from loadtest.faults.probe import Probe
from loadtest.faults.schedule import LOSES_DATA, Fault, Kind

ACTIONS: Mapping[Kind, Action] = {
    Kind.KILL_MASTER: actions.kill,
    Kind.PAUSE_MASTER: actions.pause,
    Kind.WIPE_MASTER: actions.wipe,
    Kind.OLD_MASTER: actions.restart_with_old_data,
    Kind.WIPE_WITHOUT_LEDGER: actions.wipe_without_ledger,
    Kind.FULL_DISK: actions.fill_disk,
    Kind.FAILOVER: failovers.kill_master,
    Kind.FREEZE_MASTER: failovers.freeze_master,
    Kind.LOSSY_FAILOVER: failovers.kill_master_with_lagging_spares,
    Kind.KILL_SENTINEL: actions.kill,
    Kind.KILL_REPLICA: actions.kill,
    Kind.CUT_FEED: links.cut,
    Kind.CUT_LINK: links.cut,
    Kind.SLOW_LINK: links.slow_down,
    Kind.HALF_OPEN_LINK: links.half_open,
    Kind.ONE_WAY_LINK: links.one_way,
    Kind.HALF_OPEN_FEED: links.half_open,
    Kind.HALF_OPEN_LEDGER: links.half_open,
    Kind.LOCK_LEDGER: actions.block_ledger,
    Kind.CUT_LEDGER: actions.block_ledger,
    Kind.KILL_KEEPER: actions.kill,
    Kind.PAUSE_KEEPER: actions.pause,
    Kind.KILL_NODE: actions.kill,
    Kind.PAUSE_NODE: actions.pause,
    Kind.STOP_NODE: actions.stop,
    Kind.KILL_WORKER: actions.kill,
    Kind.KILL_MAILBOX: actions.kill,
    Kind.KILL_BANK: actions.kill,
    Kind.STUTTER: regions.stutter,
    Kind.LOSE_REGION: regions.lose,
    Kind.FLUSH_FUNCTIONS: servers.flush_functions,
    Kind.EVICT_SEATS: servers.evict_seats,
    Kind.FULL_MEMORY: servers.fill_memory,
    Kind.STEP_CLOCK: servers.step_clock,
    Kind.PARTITION: partition,
    Kind.LEDGER_SET_BACK: restores.set_back,
    Kind.STOP_AT_POINT: stops.stop_at_point,
}
INTERRUPTS_BOOKINGS = frozenset(
    {
        Kind.LOCK_LEDGER,
        Kind.CUT_LEDGER,
        Kind.HALF_OPEN_LEDGER,
        Kind.KILL_KEEPER,
        Kind.PAUSE_KEEPER,
        Kind.KILL_BANK,
        Kind.WIPE_MASTER,
        Kind.OLD_MASTER,
        Kind.WIPE_WITHOUT_LEDGER,
        Kind.LEDGER_SET_BACK,
        Kind.STOP_AT_POINT,
    }
)
"""The outage of these is measured with bookings, that of the others with holds."""
NODE_FAULTS = frozenset({Kind.KILL_NODE, Kind.PAUSE_NODE, Kind.STOP_NODE})
LINK_FAULTS = frozenset(
    {Kind.CUT_LINK, Kind.SLOW_LINK, Kind.HALF_OPEN_LINK, Kind.ONE_WAY_LINK, Kind.CUT_FEED, Kind.HALF_OPEN_FEED}
)


@dataclass(slots=True)
class Injector:
    """Injects faults. ``probes`` are by (node's region or name, show's region)."""

    parts: Parts
    history: History
    probes: Mapping[tuple[str, str], Probe]
    under_way: dict[int, Fault] = field(default_factory=dict)
    outages: dict[Kind, list[float | None]] = field(default_factory=dict)
    """Seconds, by kind; None where nothing succeeded though no fault was in force any more."""
    errors: list[str] = field(default_factory=list)
    """Faults that could not be caused: these are failures of the runner, not of the product."""
    _in_force: set[int] = field(default_factory=set)
    """Faults that have begun and are not healed."""
    _calm_since: float = 0.0
    """When the last one was healed, in the loop's time."""

    async def run(self, faults: Sequence[Fault]) -> None:
        """Inject each fault at its time; return when all are healed and their outages measured."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for number, fault in enumerate(faults):
                await asyncio.sleep(max(0.0, began + fault.at - loop.time()))
                group.create_task(self._inject(number, fault))

    async def _inject(self, number: int, fault: Fault) -> None:
        self.under_way[number] = fault
        measuring: asyncio.Task[float | None] | None = None

        async def begun() -> None:
            nonlocal measuring
            self._in_force.add(number)
            self._record(fault, "begin")
            measuring = asyncio.create_task(self._measure(fault))

        try:
            try:
                await ACTIONS[fault.kind](self.parts, fault, begun)
            finally:
                self._calm_since = asyncio.get_running_loop().time()
                if number in self._in_force:
                    self._in_force.discard(number)
                    self._record(fault, "healed")
            assert measuring is not None, "every action calls begun()"
            outage = await measuring
        except Exception as error:
            # Other faults continue: the action has restored what it changed.
            self.errors.append(f"{fault.kind} of {fault.target}: {error!r}")
            return
        finally:
            del self.under_way[number]
            if measuring is not None:
                measuring.cancel()
        self.outages.setdefault(fault.kind, []).append(outage)
        self._record(fault, "recovered", outage_ms=None if outage is None else round(outage * 1000))

    def _record(self, fault: Fault, phase: str, **more: int | None) -> None:
        self.history.add(
            "fault",
            kind=fault.kind,
            target=fault.target,
            region=fault.region,
            phase=phase,
            loses_data=fault.kind in LOSES_DATA,
            **more,
        )

    async def _measure(self, fault: Fault) -> float | None:
        """Measure from where the fault is noticed: the node itself, the region at the link's end, or the own region.

        That of a partition is measured on the side of the Sentinels.
        """
        near = fault.region
        if fault.kind in LINK_FAULTS:
            near = fault.target.split()[2]
        elif fault.kind in NODE_FAULTS:
            near = fault.target
        elif fault.kind is Kind.PARTITION:
            near = self._node_outside(fault)
        return await self.probes[near, fault.region].outage_s(
            book=fault.kind in INTERRUPTS_BOOKINGS, calm_s=self._calm_s
        )

    def _calm_s(self) -> float:
        return 0.0 if self._in_force else asyncio.get_running_loop().time() - self._calm_since

    def _node_outside(self, fault: Fault) -> str:
        """Return a node of the region that is not on the old master's side."""
        nodes = (near for near, region in self.probes if region == fault.region and near.startswith("node "))
        return next(node for node in nodes if not fault.target.endswith(node))
