"""A lock master whose clock is set back: nothing waits until it shows the old time again, and an alarm is raised."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from loadtest.faults.servers import faketime_library
from realtime import connect, keys
from tests.cluster import until
from tests.programs import find_program

from .conftest import Place

BACK_S = -900


async def test_entries_of_a_dead_keeper_are_booked_after_the_clock_was_set_back(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_program("faketime", "faketime")
    monkeypatch.setattr("realtime.keeper.background.ENTRIES_EVERY_MS", 500)
    await place.rest()
    place.server.stop()
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    environ = (f"LD_PRELOAD={faketime_library()}", f"FAKETIME_TIMESTAMP_FILE={offset}", "FAKETIME_NO_CACHE=1")
    place.server.args = ["env", *environ, *place.server.args]
    place.server.restart()
    await place.server.wait_ready_async()
    before = await place.master.command("GET", keys.RECONCILED)
    place.keeper("k2")

    async def rebuilt() -> bool:
        # The two marks are equal from before the restart: first wait for a new one.
        return await place.master.command("GET", keys.RECONCILED) != before and await place.rebuilt()

    await until(rebuilt)
    await place.rest()
    hold = await place.confirm("a", [1])
    command = place.master.command
    await command("XREADGROUP", "GROUP", keys.OUTBOX_GROUP, "dead", "STREAMS", keys.OUTBOX, ">")
    offset.write_text(f"{BACK_S}\n")
    place.keeper("k3")

    async def booked() -> bool:
        return len(await place.booked()) == 1

    await until(booked)
    assert hold.partition(".h")[2] in next(iter(await place.booked()))

    async def alarmed() -> bool:
        found = await command("XRANGE", keys.INCIDENTS, "-", "+")
        return any(connect.text_fields(fields)["kind"] == "clock" for _id, fields in found)

    await until(alarmed)
    report = orjson.loads(await command("HGET", keys.KEEPERS, "k3"))
    assert report["clock_offset_ms"] == pytest.approx(BACK_S * 1000, abs=5_000)
