"""The master knows of a commit before anybody acts upon it: so a ledger that has lost it is noticed."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from realtime import keys
from realtime.dev import valkey
from realtime.errors import RegionUnavailable
from realtime.keeper.position import Position
from realtime.ledger import LedgerBehind
from realtime.ledger.rows import AuditRow
from realtime.locks.audit import append_audit
from realtime.locks.holds import PaymentProof
from realtime.model import booking_of
from realtime.payments.status import PaymentState
from realtime.staff import Principal, Role
from tests.asyncio_debug import asyncio_debug

from .money_desk import LAYOUT, OWNER, PRICE, SHOW_ID, Desk, Died

__all__ = ["asyncio_debug"]


@pytest.fixture
async def desk(master_server: valkey.Valkey, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(master_server.url, tmp_path / "west.db", equal_seats=False)
    await desk.open()
    yield desk
    await desk.close()


# --- one entry of each kind: ``name`` tells the entries of a test apart ----------------------------------------------
async def _hold(desk: Desk, name: str) -> str:
    hold = f"{SHOW_ID}.h{name:_<22}"
    await desk.locks.hold(hold, OWNER, [1])
    return hold


async def _add(desk: Desk, kind: str, **fields: Any) -> None:
    flat = [part for pair in {"kind": kind, **fields}.items() for part in pair]
    await desk.master.command("XADD", keys.OUTBOX, "*", *flat)


async def _command(desk: Desk, name: str, body: dict[str, Any], **more: str) -> None:
    await _add(desk, "command", id="answer", name=name, body=orjson.dumps(body), **more)


async def _booking(desk: Desk, name: str) -> None:
    hold = await _hold(desk, name)
    await desk.locks.confirm(hold, OWNER, PaymentProof(f"paid {name}", PRICE, reply="asked"))
    await _command(desk, "cancel", {"booking": booking_of(hold), "owner": ""})


async def _order(desk: Desk, name: str) -> None:
    hold = await _hold(desk, name)
    await desk.locks.order(hold, OWNER, f"order {name}", (1,), PRICE)
    await desk.locks.release(hold, OWNER)


async def _webhook(desk: Desk, name: str) -> None:
    hold = await _hold(desk, name)
    order = await desk.order(hold, (1,), PRICE)
    desk.gateway.pay(order, PRICE, PaymentState.CAPTURED)
    await desk.webhook(list(desk.gateway.payments)[-1])
    await desk.locks.release(hold, OWNER)


async def _refund(desk: Desk, name: str) -> None:
    about = {"hold": f"{SHOW_ID}.h{name:_<22}", "owner": OWNER, "payment": f"late {name}"}
    await _add(desk, "refund", **about, amount=5, at=1, reason="late", reply="asked")


async def _outcome(desk: Desk, name: str) -> None:
    about = {"owner": OWNER, "request": name, "command": "release", "subject": name}
    await _add(desk, "outcome", **about, state="released", at=1)


async def _audit(desk: Desk, _name: str) -> None:
    await append_audit(desk.master, Principal("asha", Role.OPERATOR), "pause", SHOW_ID)


async def _staff(desk: Desk, name: str) -> None:
    token = {"id": f"west-{name}", "name": name, "role": "gate", "issued_at": 1, "expires_at": 2}
    await _command(desk, "staff_add", token)


async def _guest(desk: Desk, name: str) -> None:
    await _command(desk, "guest_revoke", {"owner": name}, request=name)


async def _sales(desk: Desk, name: str) -> None:
    await _command(desk, "sales", {"show": SHOW_ID, "sales": "open"}, request=name)


async def _same_sales(desk: Desk, _name: str) -> None:
    await _command(desk, "sales", {"show": SHOW_ID, "sales": "open"})


async def _block(desk: Desk, _name: str) -> None:
    await _command(desk, "block", {"show": SHOW_ID, "seats": [LAYOUT.seats[7].id]})


async def _erase(desk: Desk, _name: str) -> None:
    await _command(desk, "erase_contacts", {"email": "asha@example.org"})


WRITES = (
    _booking,
    _order,
    _webhook,
    _refund,
    _outcome,
    _audit,
    _staff,
    _guest,
    _sales,
    _same_sales,
    _block,
    _erase,
)


class Watch:
    """Compares ledger and master whenever a keeper answers, acknowledges, gives up an entry or adds jobs."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._command = desk.master.command
        self.seen: list[str] = []
        for write in ("command", "small_write"):
            setattr(desk.master, write, self._checked(getattr(desk.master, write)))
        for name in ("add", "add_anew"):
            setattr(desk.jobs, name, self._before(name, getattr(desk.jobs, name)))

    async def known(self) -> int:
        return int(await self._command("GET", keys.POSITION) or 0)

    async def _compare(self, what: str) -> None:
        assert await self.known() == (await self._desk.ledger.fencing_state()).position, what
        self.seen.append(what)

    def _checked(self, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def checked(name: str, *args: Any) -> Any:
            if name in ("XACK", "RPUSH") or (name, *args[:1]) == ("XADD", keys.DEAD_LETTERS):
                await self._compare(name)
            return await send(name, *args)

        return checked

    def _before(self, what: str, call: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def checked(*args: Any) -> None:
            await self._compare(what)
            await call(*args)

        return checked


async def test_the_master_knows_of_a_commit_before_anybody_acts_upon_it(desk: Desk) -> None:
    watch = Watch(desk)
    for write in WRITES:
        await write(desk, write.__name__.strip("_").replace("_", "-"))
        before = await watch.known()
        watch.seen.clear()
        await desk.record()
        assert "XACK" in watch.seen
        assert await watch.known() > before, f"{write}: a ledger that is set back by this commit is noticed"
        assert not await desk.entries()


@pytest.mark.parametrize("lives", [0, 1, 2])
async def test_a_keeper_that_repeats_what_a_dead_one_has_committed_tells_the_master(desk: Desk, lives: int) -> None:
    """The first dies after so many commits of which the master knows, and one of which it does not know."""
    watch, tell = Watch(desk), Position(desk.ledger, desk.locks).tell
    for write in WRITES:
        await write(desk, f"{write.__name__.strip('_').replace('_', '-')}{lives}")
        commits = itertools.count()

        async def die(position: int, commits: Iterator[int] = commits) -> None:
            if next(commits) == lives:
                raise Died
            await tell(position)

        desk.ledger.on_commit = die
        with contextlib.suppress(Died):
            await desk.record()
        desk.ledger.on_commit = tell
        await desk.record()
        assert not await desk.entries(), write
    assert {"XACK", "RPUSH", "add"} <= set(watch.seen)


async def test_an_entry_that_becomes_a_dead_letter_is_moved_after_the_master_knows(desk: Desk) -> None:
    await _add(desk, "of the next release")
    await desk.ledger.revoke_guest("troll", 1)
    watch = Watch(desk)
    await desk.record()
    assert watch.seen == ["XADD", "XACK"]


async def test_what_was_sent_is_remembered_only_for_one_reconciliation(desk: Desk) -> None:
    raised = []
    raise_position = desk.locks.raise_position

    async def counted(position: int) -> None:
        raised.append(position)
        await raise_position(position)

    desk.locks.raise_position = counted  # type: ignore[method-assign]
    tell = Position(desk.ledger, desk.locks).tell
    for position in (500, 500, 499):
        await tell(position)
    assert raised == [500]
    await desk.master.command("FLUSHALL")
    await desk.reconcile()
    raised.clear()
    await tell(500)
    assert raised == [500], "the master has lost what it knew"


async def test_a_transaction_that_is_rolled_back_is_not_sent(desk: Desk) -> None:
    watch = Watch(desk)
    before = await watch.known()
    with pytest.raises(ZeroDivisionError):
        async with desk.ledger.transaction() as connection:
            await desk.ledger.advance(connection)
            raise ZeroDivisionError
    for _ in range(10):
        await desk.ledger.theatres("west")  # over the same connection
    assert await watch.known() == before


async def test_an_answer_about_a_ledger_that_was_set_back_is_not_given(desk: Desk) -> None:
    await desk.ledger.add_audit(AuditRow("a", 1, "asha", "operator", "", "", "pause", SHOW_ID, "", 200))
    desk.ledger.known_position += 1
    await _command(desk, "sales", {"show": "west-unknown", "sales": "open"})
    with pytest.raises(LedgerBehind):
        await desk.record()


async def test_seats_stay_reserved_for_an_exchange_of_which_the_master_does_not_know_yet(desk: Desk) -> None:
    hold = await _hold(desk, "moves")
    await desk.locks.confirm(hold, OWNER, PaymentProof("paid", PRICE))
    await desk.record()
    names = [LAYOUT.seats[4].id]
    await _command(desk, "exchange", {"booking": booking_of(hold), "show": SHOW_ID, "seats": names})
    tell = desk.ledger.on_commit

    async def fail(_position: int) -> None:
        raise RegionUnavailable(region="west")

    desk.ledger.on_commit = fail
    with pytest.raises(RegionUnavailable):
        await desk.record()
    assert await desk.master.command("GET", keys.seats(SHOW_ID)) == b"02001000", "nobody else can have either"
    desk.ledger.on_commit = tell
    await desk.record()
    assert await desk.master.command("GET", keys.seats(SHOW_ID)) == b"00002000"


async def test_a_ledger_that_lost_commits_is_not_believed_after_the_master_has_lost_its_data_too(
    desk: Desk, tmp_path: Path
) -> None:
    await _staff(desk, "kept")
    await desk.record()
    backup = tmp_path / "backup.db"
    with contextlib.closing(sqlite3.connect(tmp_path / "west.db")) as database:
        database.execute("VACUUM INTO ?", (str(backup),))
    await _block(desk, "lost")
    await desk.record()
    await desk.ledger.close()
    for name in ("west.db-wal", "west.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    backup.replace(tmp_path / "west.db")
    await desk.master.command("DEL", keys.RECONCILED)
    with pytest.raises(LedgerBehind):
        await desk.reconcile()
    await desk.master.command("FLUSHALL")
    for _ in range(2):
        with pytest.raises(LedgerBehind):
            await desk.reconcile()
        assert await desk.master.command("EXISTS", keys.HALTED)
    await desk.record_again()
    assert not await desk.master.command("EXISTS", keys.HALTED)
    assert [token.id for token in await desk.ledger.staff_tokens() if not token.revoked_at] == ["west-kept"]
    await desk.locks.hold(f"{SHOW_ID}.h{'next':_<22}", OWNER, [1])
    # A keeper that was about to halt the region when it was repaired comes too late.
    await desk.ledger.mark_behind(1, 1)
    assert not (await desk.ledger.fencing_state()).behind
