"""Incidents: what nodes and keepers note is recorded once on the lock master, within bounds."""

from __future__ import annotations

import contextlib
from pathlib import Path

from realtime import connect, keys, limits
from realtime.dev import valkey
from realtime.errors import RegionUnavailable
from realtime.locks.incidents import Incident, Incidents
from realtime.locks.master import LockMaster
from tests.cluster import until
from tests.locks.conftest import region


async def recorded(master: LockMaster) -> list[tuple[str, str, str, str]]:
    """Return kind, region, state and detail of what is recorded, the oldest first."""
    entries = await master.command("XRANGE", keys.INCIDENTS, "-", "+")
    found = [connect.text_fields(fields) for _id, fields in entries]
    return [(each["kind"], each["about"], each["state"], each["detail"]) for each in found]


async def test_what_several_processes_see_is_recorded_once_with_its_end(master: LockMaster) -> None:
    seen_by = [Incidents(name, master) for name in ("one", "two")]
    for wrong in (False, True, True, False, False):
        for each in seen_by:
            each.set(Incident.LEDGER, "west", wrong)
            await each.send()
    # A process that starts now knows nothing of it, and has nothing to add.
    late = Incidents("three", master)
    late.set(Incident.LEDGER, "west", False)
    await late.send()
    assert await recorded(master) == [("ledger", "west", "begun", ""), ("ledger", "west", "ended", "")]


async def test_the_end_of_what_began_before_a_restart_is_recorded(master: LockMaster) -> None:
    before, after = Incidents("before", master), Incidents("after", master)
    before.set(Incident.DEAD_LETTERS, "west", True)
    await before.send()
    after.set(Incident.DEAD_LETTERS, "west", False)
    await after.send()
    assert [state for _kind, _about, state, _detail in await recorded(master)] == ["begun", "ended"]


async def test_a_moment_is_recorded_once_however_many_see_it(master: LockMaster) -> None:
    for name in ("one", "two"):
        incidents = Incidents(name, master)
        incidents.happened(Incident.RECONCILED, "west", "7")
        await incidents.send()
    incidents.happened(Incident.RECONCILED, "west", "8")
    await incidents.send()
    assert await recorded(master) == [("reconciled", "west", "moment", token) for token in ("7", "8")]


async def test_what_is_noted_while_the_master_is_away_is_recorded_when_it_is_back(tmp_path: Path) -> None:
    server = valkey.start(tmp_path)
    server.wait_ready()
    link = LockMaster(region(server))
    server.kill()
    incidents = Incidents("node", link)
    incidents.set(Incident.UNREACHABLE, "west", True)
    await incidents.send()
    incidents.set(Incident.UNREACHABLE, "west", False)
    server.restart()
    server.wait_ready()

    async def both_are_recorded() -> bool:
        await incidents.send()
        with contextlib.suppress(RegionUnavailable):
            return [state for _kind, _about, state, _detail in await recorded(link)] == ["begun", "ended"]
        return False

    await until(both_are_recorded)
    await link.close()
    server.kill()


async def test_a_process_that_sees_endless_trouble_records_a_bounded_number_in_a_minute(master: LockMaster) -> None:
    now = 100.0
    incidents = Incidents("node", master, clock=lambda: now)
    for turn in range(500):
        incidents.set(Incident.UNREACHABLE, "west", turn % 2 == 0)
        await incidents.send()
    assert len(await recorded(master)) == limits.INCIDENTS_A_MINUTE
    now += 61
    await incidents.send()
    assert limits.INCIDENTS_A_MINUTE < len(await recorded(master)) <= 2 * limits.INCIDENTS_A_MINUTE
