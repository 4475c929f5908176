"""Questions to the ledger: one that can't be answered leaves the keeper and the other questions alone."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from realtime.errors import TicketError
from realtime.ledger import schema
from realtime.locks.queries import run_query
from tests.cluster import until

from .conftest import Place


async def test_a_damaged_row_ends_one_answer_and_nothing_else(place: Place) -> None:
    await place.confirm("a", [0])
    await until(place.booked)
    async with place.ledger.transaction() as connection:
        await connection.execute(update(schema.bookings).values(prices=b"damaged"))
    with pytest.raises(TicketError) as caught:
        await run_query(place.master, "bookings", {"owner": "a"})
    assert caught.value.code == "internal"
    assert await run_query(place.master, "orders", {}) == {"open": 0, "oldest": 0}
    assert not any(task.done() for task in place.keepers[0].tasks)
