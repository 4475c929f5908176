"""A SQLite file that is deleted or replaced while it is open: unavailable, and nothing is acknowledged."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from realtime.ledger import Ledger, LedgerBehind, LedgerUnavailable, Recorded
from tests.ledgers import new_ledger

from .test_store import booking, with_show


def delete(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = Ledger(new_ledger(tmp_path / "ledger.db"))
    async with with_show(opened):
        yield opened


async def test_nothing_is_recorded_into_a_file_that_was_deleted(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await ledger.record([booking("a", [1])])
    delete(path)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match="not there"):
            await ledger.record([booking("b", [2])])
        with pytest.raises(LedgerUnavailable, match="not there"):
            await ledger.booked("west-s")
        with pytest.raises(LedgerUnavailable, match="not there"):
            await ledger.open()
    assert not path.exists(), "an empty file could be taken for the ledger"


async def test_a_file_that_is_deleted_before_the_commit_acknowledges_nothing(ledger: Ledger, tmp_path: Path) -> None:
    reached: list[int] = []

    async def tell(position: int) -> None:
        reached.append(position)

    ledger.on_commit = tell
    with pytest.raises(LedgerUnavailable, match="deleted or replaced"):
        async with ledger.transaction() as connection:
            await ledger.advance(connection)
            delete(tmp_path / "ledger.db")
    assert reached == []


async def test_a_copy_in_its_place_is_opened_and_an_older_one_is_behind(ledger: Ledger, tmp_path: Path) -> None:
    path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    await ledger.record([booking("a", [1])])
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"VACUUM INTO '{backup}'")
    ledger.known_position = (await ledger.fencing_state()).position
    shutil.copy(backup, tmp_path / "again.db")
    delete(path)
    (tmp_path / "again.db").replace(path)
    assert [each.id for each in await ledger.booked("west-s")] == [booking("a", [1]).id]
    assert (await ledger.record([booking("b", [2])]))[0].recorded is Recorded.NEW

    ledger.known_position = (await ledger.fencing_state()).position
    delete(path)
    backup.replace(path)
    with pytest.raises(LedgerBehind):
        await ledger.tell_reached()
    with pytest.raises(LedgerBehind):
        await ledger.record([booking("c", [3])])


async def test_an_empty_file_in_its_place_gets_the_schema(ledger: Ledger, tmp_path: Path) -> None:
    delete(tmp_path / "ledger.db")
    (tmp_path / "ledger.db").touch()
    with pytest.raises(LedgerUnavailable):
        await ledger.booked("west-s")
    await ledger.open()
    assert await ledger.booked("west-s") == []
    ledger.known_position = 5
    with pytest.raises(LedgerBehind):
        await ledger.tell_reached()


async def test_only_a_process_that_has_not_had_the_file_creates_it(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/new/ledger.db")
    with pytest.raises(LedgerUnavailable, match="not there"):
        await ledger.booked("west-s")
    assert not (tmp_path / "new").exists()
    await ledger.open()
    assert await ledger.booked("west-s") == []
    await ledger.close()
