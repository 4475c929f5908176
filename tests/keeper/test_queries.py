"""Queries about the ledger: one that can't be answered leaves the keeper and the other queries alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from sqlalchemy import update

from realtime import keys
from realtime.errors import Overloaded, RegionUnavailable
from realtime.keeper.queries import Queries
from realtime.ledger import schema
from realtime.locks import queries
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.queries import run_query
from realtime.model import booking_of, hold_of
from realtime.wire.layouts import encode_layout
from tests.cluster import grid, until

from .conftest import LAYOUT, SHOW, Place
from .test_record_path import all_booked


async def test_a_damaged_row_ends_one_answer_and_hides_no_other_row(place: Place) -> None:
    sound, damaged = [booking_of(await place.confirm(name, [seat])) for name, seat in (("a", 0), ("b", 1))]
    await until(all_booked(place, [hold_of(sound), hold_of(damaged)]))
    async with place.ledger.transaction() as connection:
        await connection.execute(update(schema.bookings).values(owner="a"))
        of_damaged = update(schema.bookings).where(schema.bookings.c.id == damaged)
        await connection.execute(of_damaged.values(prices=b"damaged"))
    for query in ("booking", "story"):
        with pytest.raises(RegionUnavailable):
            await run_query(place.master, query, {"booking": damaged})
    for name, body in (("bookings", {"owner": "a"}), ("find", {"show": SHOW})):
        assert [each["id"] for each in await run_query(place.master, name, body)] == [sound]
    async with place.ledger.transaction() as connection:
        await connection.execute(of_damaged.values(prices=None, cancelled_seats="1,x"))
        of_sound = schema.tasks.c.subject == sound
        await connection.execute(update(schema.tasks).where(of_sound).values(queue="of a later release"))
    with pytest.raises(RegionUnavailable):
        await run_query(place.master, "booking", {"booking": damaged})
    for name, body in (("bookings", {"owner": "a"}), ("find", {"show": SHOW})):
        assert [each["id"] for each in await run_query(place.master, name, body)] == [sound]
    assert (await run_query(place.master, "story", {"booking": sound}))["tasks"] == []
    assert await run_query(place.master, "orders", {}) == {"open": 0, "oldest": 0}
    assert not any(task.done() for task in place.keepers[0].tasks)


async def test_a_show_whose_layout_is_damaged_hides_no_other_from_the_gates(place: Place) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    other = grid(rows=3)
    await declare_layout(place.master, other.id, encode_layout(other))
    for name, layout in (("west-sound", LAYOUT.id), ("west-damaged", other.id)):
        show = {"id": name, "theatre": "gateway", "layout": layout, "title": "x", "starts_at": soon}
        await run_command(place.master, "show", {**show, "prices": {"Gold": 1}})
    async with place.ledger.transaction() as connection:
        of_other = update(schema.layouts).where(schema.layouts.c.id == other.id)
        await connection.execute(of_other.values(blob=b"damaged"))
    await place.rest()
    place.keeper("k2")  # it has no layout in memory
    shows = await run_query(place.master, "gate_shows", {"theatre": "gateway"})
    assert {show["id"]: show["sections"] for show in shows} == {"west-sound": ["Stalls"], "west-damaged": []}


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
