"""Settings of a lock master that can lose data are loud."""

from __future__ import annotations

import logging

import orjson
import pytest

from realtime import keys
from realtime.keeper import status_report
from realtime.locks.master import LockMaster
from tests.cluster import until

from .conftest import Place


async def test_settings_of_the_master_that_can_lose_data_are_reported_and_logged(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(status_report, "COMPLAIN_EVERY_S", 0.1)
    monkeypatch.setattr(LockMaster, "behind_sentinels", True)
    await place.rest()
    wrong = {"maxmemory-policy": "allkeys-lru", "appendonly": "no", "min-replicas-to-write": "0"}
    for name, value in wrong.items():
        await place.master.command("CONFIG", "SET", name, value)
    place.keeper("k2")

    async def reported() -> bool:
        report = await place.master.command("HGET", keys.KEEPERS, "k2")
        return report is not None and orjson.loads(report)["misconfigured"] == 3

    await until(reported)
    said = {record.getMessage().split(";")[0] for record in caplog.records if record.levelno == logging.ERROR}
    assert {f"the lock master has {name} {value}" for name, value in wrong.items()} <= said
