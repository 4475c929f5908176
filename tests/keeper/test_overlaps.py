"""A rebuild, the archive and commands about one show at the same time; and paid holds that have lost their entry."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock, Mock, call

import orjson
import pytest

from realtime import keys, limits
from realtime.errors import SeatsTaken
from realtime.keeper import archive
from realtime.keeper.archive import Archiver
from realtime.keeper.rebuild import Rebuilder
from realtime.ledger import Ledger
from realtime.locks.answers import Fenced
from realtime.locks.commands import run_command
from realtime.locks.seats import Fence, SeatLocks
from realtime.model import SalesState, Show, booking_of
from tests.cluster import until

from .conftest import LAYOUT, SHOW, Place, compare_often, declare_show

META, SEATS, TAKEN, HOLDS, OWNERS = keys.show(SHOW)[:5]
OTHER = "west-o"


async def fenced(place: Place) -> SeatLocks:
    """Return locks that write under the present token, as those of a keeper."""
    await until(place.rebuilt)
    number = (await place.master.command("GET", keys.FENCE)).split()[0]
    return SeatLocks(place.master, fence=Fence(int(number)))


@pytest.mark.parametrize("when", ["before", "while the ledger is read", "before the ledger has it"])
async def test_a_show_that_is_archived_while_it_is_rebuilt_leaves_nothing_on_the_master(
    place: Place, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_command(place.master, "sales", {"show": SHOW, "sales": "closed"})
    locks = await fenced(place)
    await place.rest()
    rebuilder, archiver = Rebuilder(place.ledger, place.master, locks), Archiver(place.ledger, place.master, locks)
    shows = await place.ledger.active_shows()

    async def rebuild() -> None:
        with contextlib.suppress(Fenced):
            await rebuilder.rebuild_shows(shows)

    if when == "before":
        await archiver.archive([SHOW])
        await rebuild()
    elif when == "while the ledger is read":
        truths = Ledger.truths

        async def slow(self: Ledger, ids: Any) -> Any:
            found = await truths(self, ids)
            await archiver.archive([SHOW])
            return found

        monkeypatch.setattr(Ledger, "truths", slow)
        await rebuild()
    else:
        archive_shows = Ledger.archive_shows

        async def late(self: Ledger, ids: Any, at: int) -> None:
            await rebuild()
            await archive_shows(self, ids, at)

        monkeypatch.setattr(Ledger, "archive_shows", late)
        await archiver.archive([SHOW])
    assert await place.ledger.is_archived(SHOW)
    assert await place.master.command("EXISTS", META, SEATS, TAKEN, HOLDS) == 0


async def rebuild_once_before_it_is_recorded(place: Place, monkeypatch: pytest.MonkeyPatch, then: Any) -> None:
    """Have a rebuild read the ledger between the two steps of a block; call ``then`` after it."""
    locks, block = await fenced(place), Ledger.block

    async def slow(self: Ledger, *args: Any, **named: Any) -> None:
        monkeypatch.setattr(Ledger, "block", block)
        shows: list[Show] = await place.ledger.active_shows()
        await Rebuilder(place.ledger, place.master, locks).rebuild_shows(shows)
        await block(self, *args, **named)
        await then()

    monkeypatch.setattr(Ledger, "block", slow)


async def test_seats_that_a_rebuild_put_on_sale_are_blocked_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing() -> None:
        pass

    await rebuild_once_before_it_is_recorded(place, monkeypatch, nothing)
    await run_command(place.master, "block", {"show": SHOW, "seats": [LAYOUT.seats[4].id]})
    assert (await place.seats())[4] == "3"
    assert [seat for seat, _reason, _at in await place.ledger.blocks(SHOW)] == [LAYOUT.seats[4].id]


async def test_seats_that_a_rebuild_put_on_sale_and_that_are_held_since_are_not_blocked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold() -> None:
        await place.hold("asha", [4])

    await rebuild_once_before_it_is_recorded(place, monkeypatch, hold)
    with pytest.raises(SeatsTaken):
        await run_command(place.master, "block", {"show": SHOW, "seats": [LAYOUT.seats[4].id]})
    assert (await place.seats())[4] == "1"
    assert await place.ledger.blocks(SHOW) == []


async def test_paid_holds_are_recorded_after_their_entries_are_lost_but_not_those_of_dead_letters(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_often(monkeypatch)
    await until(place.rebuilt)
    await place.rest()
    lost, dead, young = [await place.confirm(name, [seat]) for name, seat in (("lost", 1), ("dead", 3), ("young", 5))]
    await place.master.command("DEL", keys.OUTBOX)
    await place.master.command("XADD", keys.DEAD_LETTERS, "*", "kind", "booking", "hold", dead)
    for hold in (lost, dead):
        record = orjson.loads(await place.master.command("HGET", HOLDS, hold))
        await place.master.command("HSET", HOLDS, hold, orjson.dumps({**record, "expires_at": 1}))
    place.keeper("other")

    async def settled() -> bool:
        return (await place.seats())[:6] == "020101"

    await until(settled)
    assert list(await place.booked()) == [booking_of(lost)]
    payment = await place.ledger.payment("paid lost")
    assert payment is not None and payment.amount == 45_000
    assert young not in await place.booked()


async def test_a_show_with_a_live_hold_is_archived_later_and_keeps_no_other_from_it(place: Place) -> None:
    await declare_show(place.master, OTHER)
    locks = await fenced(place)
    await place.rest()
    hold = await place.hold("asha", [1])
    archiver = Archiver(place.ledger, place.master, locks)
    assert await archiver.archive([SHOW, OTHER]) == [OTHER]
    assert await place.ledger.archived_of([SHOW, OTHER]) == [OTHER]
    assert await place.master.command("HKEYS", keys.SHOWS) == [SHOW.encode()]
    await place.locks.extend(hold, "asha")


async def test_shows_are_rebuilt_in_the_order_of_their_starts_and_failing_ones_do_not_keep_the_mark_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(place.rebuilt)
    await place.rest()
    (show,) = await place.ledger.active_shows()
    late, soon = (
        replace(show, id=f"west-{year}", starts_at=f"{year}-01-01T18:30:00+05:30") for year in ("2040", "2035")
    )
    closed = replace(soon, id="west-closed", sales=SalesState.CLOSED)
    over = replace(show, id="west-over", starts_at="2020-01-01T18:30:00+05:30")
    names = [each.id for each in (closed, over, late, soon)]
    ledger = Mock(
        active_show_ids=AsyncMock(return_value=[*names, "west-unreadable"]),
        shows_of=AsyncMock(return_value=[closed, over, late, soon]),
    )
    rebuilder = Rebuilder(ledger, place.master, place.locks)
    left = [*names, "west-unreadable"]
    order: list[str] = []

    async def rebuild(_turn: object, shows: list[Show]) -> None:
        order.extend(each.id for each in shows)
        left[:] = [late.id, "west-unreadable"]

    monkeypatch.setattr(rebuilder, "unready", AsyncMock(side_effect=lambda _names: list(left)))
    monkeypatch.setattr(rebuilder, "_rebuild_all", rebuild)
    token = (await place.master.command("GET", keys.RECONCILED)).decode()
    await place.master.command("DEL", keys.REBUILT)
    assert await rebuilder.turn(token) == 4
    assert order == [soon.id, late.id, over.id, closed.id]
    assert not await rebuilder.is_rebuilt(token), "one is neither on sale nor has it failed"
    rebuilder._failed[late.id] = "an error"
    await rebuilder.turn(token)
    assert await rebuilder.is_rebuilt(token)


async def test_a_turn_archives_page_after_page_and_removes_what_was_archived_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archive, "PAGE", 2)
    monkeypatch.setattr(archive, "now_ms", lambda: 10**13)
    ledger = Mock(
        shows_over=AsyncMock(side_effect=[["a", "b"], ["c"]]),
        archive_shows=AsyncMock(),
        archived_of=AsyncMock(return_value=["old"]),
    )
    master = Mock(command=AsyncMock(return_value=[b"old", b"new"]), region="west")
    locks = Mock(archive=AsyncMock(return_value=None), write=AsyncMock(return_value=1))
    await Archiver(ledger, master, locks).turn()
    assert ledger.shows_over.await_args_list == [call(10**13 - limits.ARCHIVE_AFTER_S * 1000, 2)] * 2
    assert [each.args for each in ledger.archive_shows.await_args_list] == [(["a", "b"], 10**13), (["c"], 10**13)]
    ledger.archived_of.assert_awaited_once_with(["old", "new"])
    assert [each.args[0] for each in locks.archive.await_args_list] == ["a", "b"] * 2 + ["c"] * 2 + ["old"]
