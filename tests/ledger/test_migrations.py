"""The schema: made by the revisions, the same as the code believes it to be, by however many keepers at once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from realtime.ledger import Ledger, migrations, schema
from realtime.ledger.database import LedgerUnavailable
from realtime.ledger.money import Filter


async def test_the_revisions_make_what_the_code_believes(empty_url: str) -> None:
    ledger = Ledger(empty_url)
    await ledger.open()

    def differences(connection: Connection) -> tuple[list[object], str | None]:
        context = MigrationContext.configure(connection)
        return compare_metadata(context, schema.metadata), context.get_current_revision()

    async with ledger._engine.connect() as connection:
        assert await connection.run_sync(differences) == ([], migrations.NEWEST)
    await ledger.close()


async def opened(ledger: Ledger) -> None:
    """Open a ledger as a keeper does: again, while another one migrates it for longer than is waited for a lock."""
    while True:
        with contextlib.suppress(LedgerUnavailable):
            return await ledger.open()


async def test_opening_at_once_makes_one_schema(empty_url: str) -> None:
    several = [Ledger(empty_url) for _ in range(4)]
    await asyncio.gather(*(opened(each) for each in several))
    assert await several[0].shows() == []
    await asyncio.gather(*(each.open() for each in several))
    await asyncio.gather(*(each.close() for each in several))


def without_tables(empty_url: str) -> Ledger:
    if empty_url.startswith("sqlite"):
        Path(empty_url.removeprefix("sqlite:///")).touch()
    return Ledger(empty_url)


async def first_release(empty_url: str, *bookings: str) -> Ledger:
    """Return a ledger of the first release with some bookings, opened by this one."""
    first = importlib.import_module("realtime.ledger.migrations.versions.0001_initial")
    ledger = without_tables(empty_url)
    async with ledger.transaction() as connection:
        await connection.run_sync(lambda sync: first.upgrade(Operations(MigrationContext.configure(sync))))
        for table, values in (
            ("theatres", "'gateway', 'Gateway', 'Mumbai'"),
            ("layouts", "'l1', ''"),
            ("shows", "'west-s', 'gateway', 'l1', '2030-01-01T18:30:00+05:30', 'open', ''"),
            *(("bookings", booking) for booking in bookings),
        ):
            await connection.execute(text(f"INSERT INTO {table} VALUES ({values})"))
    await ledger.open()
    return ledger


async def test_tables_of_the_first_release_are_taken_over_with_their_bookings(empty_url: str) -> None:
    ledger = await first_release(empty_url, "'west-s.b1', 'west-s', 'asha', 'proof', 450, 7")
    assert [theatre.id for theatre in await ledger.theatres("west")] == ["gateway"]
    (payment,) = await ledger.payments(Filter())
    assert (payment.id, payment.hold, payment.booking, payment.amount) == ("proof", "west-s.h1", "west-s.b1", 45_000)
    await ledger.close()


async def test_bookings_of_the_first_release_that_share_a_payment_are_kept(empty_url: str) -> None:
    """No money came for the later ones: their payments differ from the one that was paid."""
    ledger = await first_release(
        empty_url,
        "'west-s.b3', 'west-s', 'kiran', 'proof', 450, 7",
        "'west-s.b1', 'west-s', 'asha', 'proof', 450, 7",
        "'west-s.b2', 'west-s', 'ravi', 'proof', 900, 8",
        "'west-s.b4', 'west-s', 'meera', 'other', 450, 6",
    )
    payments = {payment.booking: payment.id for payment in await ledger.payments(Filter())}
    assert payments == {
        "west-s.b1": "proof",
        "west-s.b2": "proof#west-s.b2",
        "west-s.b3": "proof#west-s.b3",
        "west-s.b4": "other",
    }
    async with ledger.transaction() as connection:
        rows = await connection.execute(text("SELECT id, payment FROM bookings"))
        assert {row.id: row.payment for row in rows} == payments
    assert await ledger.refunds(Filter()) == []
    await ledger.close()


async def test_a_schema_of_a_later_release_is_refused(empty_url: str) -> None:
    ledger = Ledger(empty_url)
    await ledger.open()
    async with ledger._engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Exception, match="9999"):
        await ledger.open()
    await ledger.close()


async def test_a_keeper_of_the_release_before_reads_and_begins_fencing_tokens(empty_url: str) -> None:
    """It knows the table by its former name, ``reign``."""
    ledger = Ledger(empty_url)
    await ledger.open()
    await ledger.begin_fencing_token("ours")
    lock = " FOR UPDATE" if empty_url.startswith("postgres") else ""
    async with ledger._engine.begin() as connection:
        assert (await connection.execute(text(f"SELECT name FROM reign{lock}"))).scalar_one() == "ours"
        await connection.execute(text("UPDATE reign SET name = 'theirs'"))
    assert await ledger.begin_fencing_token("ours again") == "theirs"
    await ledger.close()
