"""Viewers, holds and conflicts by show and hour: counted on the master and by nodes, and recorded once."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from realtime import keys
from realtime.errors import RegionUnavailable, SeatsTaken
from realtime.keeper.hour_figures import HourFigures
from realtime.ledger import StaleFencingToken

from .conftest import SHOW, Place, hold_id, place

__all__ = ["place"]
FAR = 4_000_000_000_000


async def recorded(place: Place) -> list[tuple[int, int, int]]:
    return [(hour.viewers, hour.holds, hour.conflicts) for hour in await place.ledger.figures(0, FAR, SHOW)]


async def test_holds_and_conflicts_are_recorded_once_although_a_keeper_dies_in_between(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.rest()
    token = (await place.ledger.fencing_state()).token
    names = [(f"n{n}", n) for n in range(6)]
    await asyncio.gather(*(place.locks.hold(hold_id(name), name, [seat]) for name, seat in names))
    await place.hold("n0", [0])
    for seats in ([0], [5, 7]):
        with pytest.raises(SeatsTaken):
            await place.hold("late", seats)

    async def dies(_batch: str) -> None:
        raise RegionUnavailable(region="west")

    with monkeypatch.context() as patched:
        patched.setattr(place.locks, "drop_figures", dies)
        with pytest.raises(RegionUnavailable):
            await HourFigures(place.ledger, place.master, place.locks).turn(token)
    assert await recorded(place) == [(0, 6, 2)], "a repeated request is no second hold"
    await place.hold("more", [8])
    for _turn in range(2):
        await HourFigures(place.ledger, place.master, place.locks).turn(token)
    await HourFigures(place.ledger, place.master, place.locks).turn(token)
    assert await recorded(place) == [(0, 7, 2)]
    assert not await place.master.command("EXISTS", keys.FIGURES)

    await place.hold("last", [9])
    with pytest.raises(StaleFencingToken):
        await HourFigures(place.ledger, place.master, place.locks).turn("older")
    assert await recorded(place) == [(0, 7, 2)]


async def test_the_most_viewers_of_an_hour_are_recorded_over_all_nodes_that_still_report(place: Place) -> None:
    await place.rest()
    token = (await place.ledger.fencing_state()).token
    figures = HourFigures(place.ledger, place.master, place.locks)
    for time, here, there in ((1, 30, 10), (2, 40, 20), (3, 35, 15)):
        await place.master.command("HSET", keys.VIEWERS, "stopped", b'{"time":1,"shows":{"west-s":500}}')
        await place.master.command("HSET", keys.VIEWERS, "later", b'{"time":%d,"shows":"?"}' % time)
        for node, viewers in (("here", here), ("there", there)):
            await place.master.command(
                "HSET", keys.VIEWERS, node, orjson.dumps({"time": time, "shows": {SHOW: viewers}})
            )
        await figures.turn(token)
    assert await recorded(place) == [(60, 0, 0)]


async def test_counts_that_nobody_has_counted_do_not_end_the_counting(place: Place) -> None:
    await place.rest()
    token = (await place.ledger.fencing_state()).token
    figures = HourFigures(place.ledger, place.master, place.locks)
    for field in ("x west-s holds", f"{'9' * 30} west-s holds", f"3600000 {'x' * 300} holds", "3600000 west-s"):
        await place.master.command("HSET", keys.FIGURES, field, 1)
    huge = b'{"time":%d,"shows":{"west-s":99999999999999999999999}}'
    for time in (1, 2):
        await place.master.command("HSET", keys.VIEWERS, "here", huge % time)
        await figures.turn(token)
    await place.master.command("HSET", keys.FIGURES_BATCH, "3600000 west-s holds", 1)
    await figures.turn(token)
    await place.hold("asha", [0])
    await figures.turn(token)
    assert await recorded(place) == [(0, 1, 0)]
