"""A keeper that was frozen while it declared something, or deleted a damaged key, changes nothing when it wakes up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from realtime import keys
from realtime.dev import valkey
from realtime.errors import RegionUnavailable
from realtime.locks import damage
from realtime.locks.answers import Fenced
from realtime.model import Show, Theatre
from realtime.staff import Role, StaffToken
from realtime.wire.shows import decode_theatre
from tests.asyncio_debug import asyncio_debug

from .money_desk import OWNER, SHOW_ID, Desk

__all__ = ["asyncio_debug"]
TOKEN = StaffToken("west-asha", "asha", Role.GATE, "", 1, 2**42)
THEATRE = {"id": "empty", "name": "Empty", "city": "Pune"}


@pytest.fixture
async def keepers(master_server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[tuple[Desk, Desk]]:
    late, other = (Desk(master_server.url, tmp_path / "west.db", equal_seats=False) for _ in range(2))
    await late.open()
    await other.reconcile()
    yield late, other
    for keeper in (late, other):
        await keeper.close()


async def _command(desk: Desk, name: str, body: dict[str, Any]) -> None:
    fields = ("kind", "command", "id", "answer", "name", name, "body", orjson.dumps(body))
    await desk.master.command("XADD", keys.OUTBOX, "*", *fields)


async def _theatres(desk: Desk) -> list[Theatre | None]:
    blob = await desk.master.command("HGET", keys.THEATRES, "empty")
    return [await desk.ledger.theatre("west", "empty"), None if blob is None else decode_theatre(blob)]


@pytest.mark.parametrize("part", ["ledger.save_theatre", "locks.write"])
@pytest.mark.parametrize("later", [("theatre", {**THEATRE, "name": "Later"}), ("remove_theatre", {"id": "empty"})])
async def test_what_was_decided_last_about_a_theatre_stays(
    keepers: tuple[Desk, Desk], part: str, later: tuple[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = keepers
    of, name = part.split(".")
    call = getattr(getattr(late, of), name)

    async def asleep(*args: Any, **named: Any) -> Any:
        monkeypatch.undo()
        await other.record()
        await _command(other, *later)
        await other.record()
        return await call(*args, **named)

    monkeypatch.setattr(getattr(late, of), name, asleep)
    await _command(late, "theatre", THEATRE)
    with suppress(Fenced):
        await late.record()
    wanted = Theatre("empty", "Later", "Pune", "west") if later[0] == "theatre" else None
    assert await _theatres(other) == [wanted, wanted]


async def test_a_repaired_record_of_a_theatre_that_was_renamed_since_has_its_new_name(
    keepers: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = keepers
    await _command(other, "theatre", THEATRE)
    await other.record()
    await late.master.command("HSET", keys.THEATRES, "empty", b"x")
    call = late.locks.write

    async def asleep(*args: Any, **named: Any) -> Any:
        monkeypatch.undo()
        await other.record()
        await _command(other, "theatre", {**THEATRE, "name": "Later"})
        await other.record()
        return await call(*args, **named)

    monkeypatch.setattr(late.locks, "write", asleep)
    await _command(late, "repair_record", {"region": "west", "kind": "theatre", "id": "empty"})
    with suppress(Fenced):
        await late.record()
    wanted = Theatre("empty", "Later", "Pune", "west")
    assert await _theatres(other) == [wanted, wanted]


async def test_a_keeper_that_was_replaced_while_it_reconciled_declares_nothing_and_writes_no_mark(
    keepers: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = keepers
    await other.ledger.save_staff_token(TOKEN)
    read = late.ledger.staff_tokens

    async def asleep() -> list[StaffToken]:
        found = await read()
        await other.master.command("DEL", keys.RECONCILING)  # it expires
        await other.reconcile()
        await other.ledger.revoke_staff_tokens(TOKEN.id, 5)
        await other.master.command("HDEL", keys.STAFF, TOKEN.id)
        return found

    monkeypatch.setattr(late.ledger, "staff_tokens", asleep)
    await late.master.command("DEL", keys.RECONCILED)
    assert await late._reconciler.ensure_reconciled() is None
    assert not await other.master.command("HEXISTS", keys.STAFF, TOKEN.id), "a revoked token stays revoked"
    assert (await other.master.command("GET", keys.RECONCILED)).decode() == other.token


async def test_a_token_that_was_added_late_stays_revoked(
    keepers: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = keepers
    call = late.locks.write

    async def asleep(*args: Any, **named: Any) -> Any:
        monkeypatch.undo()
        await other.record()
        await _command(other, "staff_revoke", {"who": "asha"})
        await other.record()
        return await call(*args, **named)

    monkeypatch.setattr(late.locks, "write", asleep)
    token = {"id": TOKEN.id, "name": "asha", "role": "gate", "issued_at": 1, "expires_at": 2**42}
    await _command(late, "staff_add", token)
    with suppress(Fenced):
        await late.record()
    assert not await other.master.command("HEXISTS", keys.STAFF, TOKEN.id)


async def test_the_token_of_one_server_begins_on_no_other(
    keepers: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link has found another server since the state of the first was read."""
    late, other = keepers
    read = late.ledger.fencing_state

    async def moved() -> Any:
        await late.master._lost()
        late.master._down_until = 0.0
        return await read()

    monkeypatch.setattr(late.ledger, "fencing_state", moved)
    await late.master.command("DEL", keys.RECONCILED)
    with pytest.raises(RegionUnavailable):
        await late._reconciler.ensure_reconciled()
    assert (await read()).token == other.token


async def _show(desk: Desk) -> Show:
    show = await desk.ledger.show(SHOW_ID)
    assert show is not None
    return show


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        ("owners", ("SET", "x")),
        ("meta", ("HSET", "version", "x")),
        ("meta", ("HDEL", "version")),
        ("meta", ("SET", "x")),
        ("log", ("SET", "x")),
    ],
)
async def test_a_key_that_another_keeper_has_made_anew_is_not_deleted(
    keepers: tuple[Desk, Desk], key: str, bad: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = keepers
    name, found = f"tt:{{{SHOW_ID}}}:{key}", []
    if bad[0] == "SET":
        await late.master.command("DEL", name)
    await late.master.command(bad[0], name, *bad[1:])
    delete = damage._delete

    async def asleep(master: Any, what: Any) -> Any:
        monkeypatch.undo()
        found.append(list(what))
        assert await damage.delete_unusable(other.master, await _show(other))
        await other.rebuild(SHOW_ID)
        await other.locks.hold(f"{SHOW_ID}.h{'x' * 22}", OWNER, [1])
        return await delete(master, what)

    monkeypatch.setattr(damage, "_delete", asleep)
    assert await damage.delete_unusable(late.master, await _show(late)) == []
    assert found == [[name]]
    assert await other.locks.free_seats(SHOW_ID) == {0, *range(2, 8)}
    assert await other.master.command("HGET", keys.show(SHOW_ID)[4], OWNER) == b"1"


async def test_keys_of_the_region_are_deleted_only_while_they_are_unusable(
    keepers: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    late, other = keepers
    command = other.master.command
    good = await command("GET", keys.FENCE)
    await command("SET", keys.FENCE, "x")
    await command("DEL", keys.STAFF)
    await command("RPUSH", keys.STAFF, "x")
    await command("SET", keys.COMPARING, "x")
    delete = damage._delete

    async def asleep(master: Any, what: Any) -> Any:
        monkeypatch.undo()
        assert set(await damage.delete_unusable_of_region(other.master)) == set(what)
        await command("SET", keys.FENCE, good)
        await command("HSET", keys.STAFF, "a", "1")
        await command("SET", keys.COMPARING, "x", "PX", 10_000)
        return await delete(master, what)

    monkeypatch.setattr(damage, "_delete", asleep)
    assert await damage.delete_unusable_of_region(late.master) == {}
    assert await command("EXISTS", keys.FENCE, keys.STAFF, keys.COMPARING) == 3
