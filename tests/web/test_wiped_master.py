"""A master that has lost its data revokes no token of staff, and forgives no guest, before it is reconciled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from realtime import keys
from realtime.errors import RegionUnavailable
from realtime.web import revoked_guests, staff_access
from realtime.web.revoked_guests import RevokedGuests
from realtime.web.staff_access import Register
from tests.cluster import until
from tests.read_path import Node, known, mark_reconciled


async def test_what_an_emptied_master_lacks_proves_nothing_until_it_is_reconciled(
    own_node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(known(own_node))
    monkeypatch.setattr(staff_access, "REGISTER_KEPT_S", 0.0)
    monkeypatch.setattr(revoked_guests, "READ_S", 0.01)
    master, feeds = own_node.locks.master, {"west": own_node.feed}
    register, guests = Register(feeds), RevokedGuests(feeds)
    reading = asyncio.create_task(guests.run(lambda _owner: None))
    await master.command("HSET", keys.STAFF, "west-kept", "1")
    await master.command("HSET", keys.REVOKED_GUESTS, "troll", "1")

    async def both_are_known() -> bool:
        return await register.has("west-kept") and "troll" in guests

    await until(both_are_known, 10)
    await master.command("FLUSHALL")
    await master.command("HSET", keys.VIEWERS, "a", "1")

    async def is_wiped() -> bool:
        return bool(await own_node.feed.command("HLEN", keys.VIEWERS))

    await until(is_wiped, 10)
    await asyncio.sleep(0.1)
    assert await register.has("west-kept") and "troll" in guests
    with pytest.raises(RegionUnavailable):
        await register.has("west-other")
    await mark_reconciled(master)

    async def both_are_gone() -> bool:
        return not await register.has("west-kept") and "troll" not in guests

    await until(both_are_gone, 10)
    assert not await register.has("west-other")
    reading.cancel()


@pytest.mark.parametrize(
    ("before", "after", "is_proof"), [(b"1", b"1", True), (b"1", None, False), (None, b"1", False), (b"1", b"2", False)]
)
async def test_a_reply_proves_something_if_the_master_was_reconciled_before_and_after_it(
    own_node: Node, monkeypatch: pytest.MonkeyPatch, before: bytes | None, after: bytes | None, *, is_proof: bool
) -> None:
    marks: Iterator[bytes | None] = iter([before, after])

    async def command(*_args: object) -> list[object]:
        return []

    async def reconciled() -> bytes | None:
        return next(marks)

    monkeypatch.setattr(own_node.feed, "command", command)
    monkeypatch.setattr(own_node.feed, "reconciled", reconciled)
    assert await own_node.feed.command_proved("HKEYS", keys.STAFF) == ([], is_proof)


async def test_the_mark_of_another_incarnation_is_none(own_node: Node) -> None:
    """As of a master that was started with data from before, or promoted."""
    await until(known(own_node))
    mark = await own_node.feed.reconciled()
    assert mark is not None
    incarnation, rest = mark.split(b" ", 1)
    await own_node.locks.master.command("SET", keys.RECONCILED, incarnation[:-1] + b"x " + rest)

    async def is_stale() -> bool:
        return await own_node.feed.reconciled() is None

    await until(is_stale, 10)
    assert (await own_node.feed.command_proved("HKEYS", keys.STAFF))[1] is False
