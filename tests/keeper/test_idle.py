"""A keeper that has nothing to do asks its master and its ledger little: three regions must not fill a core."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event

from tests.cluster import until

from .conftest import Place

IDLE_S = 6
MOST_REQUESTS = 22
"""Each second, a pipeline counted once."""
MOST_TRANSACTIONS = 5.5
"""Each second."""


@pytest.fixture
def transactions() -> Iterator[list[object]]:
    """Every transaction on a ledger of this process."""
    begun: list[object] = []

    def begin(connection: object) -> None:
        begun.append(connection)

    event.listen(Engine, "begin", begin)
    yield begun
    event.remove(Engine, "begin", begin)


async def test_an_idle_keeper_makes_few_requests_and_transactions(place: Place, transactions: list[object]) -> None:
    await until(place.rebuilt)

    async def requests() -> int:
        return int((await place.master.command("INFO", "stats"))["total_reads_processed"])

    loop = asyncio.get_running_loop()
    begun, before = loop.time(), await requests()
    transactions.clear()
    await asyncio.sleep(IDLE_S)
    made, asked = len(transactions), await requests() - before
    seconds = loop.time() - begun
    assert asked / seconds <= MOST_REQUESTS
    assert made / seconds <= MOST_TRANSACTIONS
