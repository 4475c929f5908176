"""The schema: made by the revisions, the same as the code believes it to be, by however many keepers at once."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from realtime.ledger import Ledger, schema


async def test_the_revisions_make_what_the_code_believes(url: str) -> None:
    ledger = Ledger(url)
    await ledger.open()

    def differences(connection: Connection) -> tuple[list[object], str | None]:
        context = MigrationContext.configure(connection)
        return compare_metadata(context, schema.metadata), context.get_current_revision()

    async with ledger._engine.connect() as connection:
        assert await connection.run_sync(differences) == ([], "0003")
    await ledger.close()


async def test_opening_at_once_makes_one_schema(url: str) -> None:
    several = [Ledger(url) for _ in range(4)]
    await asyncio.gather(*(each.open() for each in several))
    assert await several[0].shows() == []
    await asyncio.gather(*(each.open() for each in several))
    await asyncio.gather(*(each.close() for each in several))


async def test_tables_from_before_there_were_revisions_are_taken_over(url: str) -> None:
    ledger = Ledger(url)
    await ledger.open()
    async with ledger._engine.begin() as connection:
        for later in ("VIEW reign", "TABLE alembic_version", "TABLE fencing_token"):
            await connection.execute(text(f"DROP {later}"))
        await connection.execute(text("INSERT INTO theatres VALUES ('gateway', 'Gateway', 'Mumbai')"))
    await ledger.open()
    assert [theatre.id for theatre in await ledger.theatres("west")] == ["gateway"]
    await ledger.close()


async def test_a_schema_of_a_later_release_is_refused(url: str) -> None:
    ledger = Ledger(url)
    await ledger.open()
    async with ledger._engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Exception, match="9999"):
        await ledger.open()
    await ledger.close()


async def test_a_keeper_of_the_release_before_reads_and_begins_fencing_tokens(url: str) -> None:
    """It knows the table by its former name, ``reign``."""
    ledger = Ledger(url)
    await ledger.open()
    await ledger.begin_fencing_token("ours")
    lock = " FOR UPDATE" if url.startswith("postgres") else ""
    async with ledger._engine.begin() as connection:
        assert (await connection.execute(text(f"SELECT name FROM reign{lock}"))).scalar_one() == "ours"
        await connection.execute(text("UPDATE reign SET name = 'theirs'"))
    assert await ledger.begin_fencing_token("ours again") == "theirs"
    await ledger.close()
