"""Questions to the ledger: one that can't be answered leaves the keeper and the other questions alone."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy import update

from realtime import keys
from realtime.errors import Overloaded, RegionUnavailable
from realtime.keeper.queries import Queries
from realtime.ledger import schema
from realtime.locks import queries
from realtime.locks.queries import run_query
from realtime.model import booking_of, hold_of
from tests.cluster import until

from .conftest import SHOW, Place
from .test_record_path import all_booked


async def test_a_damaged_row_ends_one_answer_and_hides_no_other_row(place: Place) -> None:
    sound, damaged = [booking_of(await place.confirm(name, [seat])) for name, seat in (("a", 0), ("b", 1))]
    await until(all_booked(place, [hold_of(sound), hold_of(damaged)]))
    async with place.ledger.transaction() as connection:
        await connection.execute(update(schema.bookings).values(owner="a"))
        of_damaged = update(schema.bookings).where(schema.bookings.c.id == damaged)
        await connection.execute(of_damaged.values(prices=b"damaged"))
    for question in ("booking", "story"):
        with pytest.raises(RegionUnavailable):
            await run_query(place.master, question, {"booking": damaged})
    for name, body in (("bookings", {"owner": "a"}), ("find", {"show": SHOW})):
        assert [each["id"] for each in await run_query(place.master, name, body)] == [sound]
    assert await run_query(place.master, "orders", {}) == {"open": 0, "oldest": 0}
    assert not any(task.done() for task in place.keepers[0].tasks)


async def test_staff_are_answered_before_the_buyers_who_wait_and_have_room_where_buyers_have_none(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.rest()
    monkeypatch.setattr(queries, "MAX_WAITING", 3)
    asked = [
        asyncio.create_task(run_query(place.master, "bookings", {"owner": str(n)}, of_buyer=True)) for n in range(3)
    ]

    async def waiting(key: str) -> int:
        return int(await place.master.command("LLEN", key))

    async def all_wait() -> bool:
        return await waiting(keys.QUERIES) == 3

    await until(all_wait)
    with pytest.raises(Overloaded):
        await run_query(place.master, "bookings", {"owner": "a"}, of_buyer=True)
    gates = [asyncio.create_task(run_query(place.master, "gate_shows", {"theatre": f"t{n}"})) for n in range(2)]

    async def gates_wait() -> bool:
        return await waiting(keys.STAFF_QUERIES) == 2

    await until(gates_wait)
    order: list[str] = []
    answer = Queries._answer

    async def noted(self: Queries, blob: bytes) -> None:
        order.append(msgspec.json.decode(blob)["name"])
        await answer(self, blob)

    monkeypatch.setattr(Queries, "_answer", noted)
    place.keeper("k2")
    assert await asyncio.gather(*asked, *gates) == [[]] * 5
    assert order == ["gate_shows"] * 2 + ["bookings"] * 3
