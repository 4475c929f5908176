"""A keeper that was frozen in the middle of an operator's command undoes no later command, under the same token."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from realtime import keys
from realtime.dev import valkey
from realtime.keeper.rebuild import Rebuilder
from realtime.locks.answers import Fenced
from realtime.sales_window import window_of
from realtime.wire.shows import decode_show
from tests.asyncio_debug import asyncio_debug

from .money_desk import LAYOUT, SHOW_ID, Desk

__all__ = ["asyncio_debug"]
SEATS = [LAYOUT.seats[3].id]
SOONER, LATER = "2029-12-01T18:30:00+05:30", "2029-12-24T18:30:00+05:30"
BLOCK, UNBLOCK = ("block", {"seats": SEATS}), ("unblock", {"seats": SEATS})
PAUSE, OPEN = ("sales", {"sales": "paused"}), ("sales", {"sales": "open"})
END_SOONER, END_LATER = ("terms", {"sales_end": SOONER}), ("terms", {"sales_end": LATER})


@pytest.fixture
async def keepers(master_server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[tuple[Desk, Desk]]:
    late, other = (Desk(master_server.url, tmp_path / "west.db", equal_seats=False) for _ in range(2))
    await late.open()
    await other.reconcile()
    assert other.token == late.token
    yield late, other
    for keeper in (late, other):
        await keeper.close()


async def _command(desk: Desk, name: str, body: dict[str, Any]) -> None:
    fields = ("kind", "command", "id", "answer", "name", name, "body", orjson.dumps({"show": SHOW_ID, **body}))
    await desk.master.command("XADD", keys.OUTBOX, "*", *fields)


async def _declare(desk: Desk, show_id: str) -> None:
    show = {
        "id": show_id,
        "theatre": "gateway",
        "layout": LAYOUT.id,
        "title": "Another show",
        "starts_at": "2030-01-01T18:30:00+05:30",
        "prices": {"Gold": 450},
    }
    fields = ("kind", "command", "id", "answer", "name", "show", "body", orjson.dumps(show))
    await desk.master.command("XADD", keys.OUTBOX, "*", *fields)


async def _state(desk: Desk) -> list[tuple[str, int, bool]]:
    """Return the sales, their end, and whether the seat is blocked: in the ledger, on the master, in its directory."""
    show = await desk.ledger.show(SHOW_ID)
    listed = decode_show(await desk.master.command("HGET", keys.SHOWS, SHOW_ID))
    assert show is not None
    sales, end = await desk.master.command("HMGET", keys.meta(SHOW_ID), "sales", "sales_end")
    blocked = (await desk.master.command("GET", keys.seats(SHOW_ID)))[3:4] == b"3"
    in_ledger = bool(await desk.ledger.blocks(SHOW_ID))
    return [
        (show.sales.value, window_of(show).end, in_ledger),
        (sales.decode(), int(end), blocked),
        (listed.sales.value, window_of(listed).end, blocked),
    ]


@pytest.mark.parametrize(
    ("before", "late_one", "where"),
    [
        (OPEN, PAUSE, "ledger.change_show"),
        (OPEN, PAUSE, "locks.declare"),
        (PAUSE, OPEN, "ledger.change_show"),
        (PAUSE, OPEN, "locks.declare"),
        (END_LATER, END_SOONER, "ledger.change_show"),
        (END_LATER, END_SOONER, "locks.declare"),
        (UNBLOCK, BLOCK, "ledger.block"),
        (BLOCK, UNBLOCK, "ledger.unblock"),
        (BLOCK, UNBLOCK, "locks.unblock"),
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(map(str, each[1].values())),
)
async def test_what_was_decided_last_stays(keepers: tuple[Desk, Desk], before: Any, late_one: Any, where: str) -> None:
    """While the one sleeps, the other carries out its command, and then the opposite."""
    late, other = keepers
    await _command(other, *before)
    await other.record()
    expected = await _state(other)
    part, name = where.split(".")
    call, calls = getattr(getattr(late, part), name), 0

    async def asleep(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        await other.record()
        assert await _state(other) != expected
        await _command(other, *before)
        await other.record()
        return await call(*args, **named)

    setattr(getattr(late, part), name, asleep)
    await _command(late, *late_one)
    with contextlib.suppress(Fenced):
        await late.record()
    assert calls == 1
    assert await _state(other) == expected


@pytest.mark.parametrize("where", ["ledger.show", "ledger.add_show", "locks.declare"])
async def test_a_show_that_was_paused_since_stays_paused(keepers: tuple[Desk, Desk], where: str) -> None:
    late, other = keepers
    part, name = where.split(".")
    call, calls = getattr(getattr(late, part), name), 0

    async def asleep(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        found = await call(*args, **named) if name == "show" else None
        if calls == 1:
            await other.record()
            await other.rebuild("west-new")
            await _command(other, "sales", {"show": "west-new", "sales": "paused"})
            await other.record()
        return found if name == "show" else await call(*args, **named)

    setattr(getattr(late, part), name, asleep)
    await _declare(late, "west-new")
    with contextlib.suppress(Fenced):
        await late.record()
    assert calls
    show = await other.ledger.show("west-new")
    listed = decode_show(await other.master.command("HGET", keys.SHOWS, "west-new"))
    on_master = await other.master.command("HGET", keys.meta("west-new"), "sales")
    assert show is not None
    assert (show.sales.value, on_master.decode(), listed.sales.value) == ("paused",) * 3


@pytest.mark.parametrize("before", [END_SOONER, PAUSE])
async def test_a_show_that_was_archived_since_does_not_come_back(
    keepers: tuple[Desk, Desk], before: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = keepers
    call = late.locks.declare

    async def asleep(*args: Any, **named: Any) -> Any:
        await other.record()
        await _command(other, "sales", {"sales": "closed"})
        await _command(other, "archive", {})
        await other.record()
        return await call(*args, **named)

    monkeypatch.setattr(late.locks, "declare", asleep)
    await _command(late, *before)
    with contextlib.suppress(Fenced):
        await late.record()
    assert await other.ledger.is_archived(SHOW_ID)
    assert not await other.master.command("HEXISTS", keys.SHOWS, SHOW_ID)
    assert not await other.master.command("EXISTS", keys.meta(SHOW_ID))


async def test_a_rebuild_that_has_read_a_show_before_a_command_does_not_undo_it(keepers: tuple[Desk, Desk]) -> None:
    late, other = keepers
    read = await late.ledger.active_shows()
    await _command(other, *PAUSE)
    await other.record()
    expected = await _state(other)
    await Rebuilder(late.ledger, late.master, late.locks).rebuild_shows(read)
    assert await _state(other) == expected
