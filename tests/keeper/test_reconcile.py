"""When a master is reconciled, by which keeper, and what can't be recorded any more after that."""

from __future__ import annotations

import contextlib
import secrets
from unittest.mock import AsyncMock, Mock

import pytest

from realtime import keys, limits
from realtime.errors import HoldLost, RegionUnavailable
from realtime.keeper import reconcile as reconcile_module
from realtime.keeper.reconcile import Reconciler
from realtime.ledger import LedgerBehind, NewBooking, StaleFencingToken
from realtime.ledger.rows import Queue
from realtime.locks import library
from realtime.locks.master import ConfigEpoch
from realtime.model import SalesState, booking_of
from realtime.payments.service import refund_key
from realtime.staff import Role, StaffToken
from tests.cluster import until

from .conftest import SHOW, Place, hold_id
from .test_record_path import all_booked, job_ids


def reconciler(place: Place) -> Reconciler:
    return Reconciler("west", place.ledger, place.master, place.locks)


async def restart_master(place: Place) -> None:
    # On a busy disk a server postpones its writes for up to two seconds, and a kill would lose them.
    await place.master.command("CONFIG", "SET", "appendfsync", "always")
    place.server.kill()
    place.server.restart()
    await place.server.wait_ready_async()

    async def answers() -> bool:
        with contextlib.suppress(RegionUnavailable):
            return bool(await place.master.command("PING"))
        return False

    await until(answers)


async def reconcile(place: Place, keeper: Reconciler) -> None:
    async def ready() -> bool:
        return await keeper.ensure_reconciled() is not None

    await until(ready)


async def test_a_master_in_order_is_left_alone(place: Place) -> None:
    epoch = (await place.locks.digest(SHOW))[0]
    assert await reconciler(place).ensure_reconciled() is not None
    assert (await place.locks.digest(SHOW))[0] == epoch


async def test_a_keeper_of_a_new_release_brings_its_functions_to_a_master_in_order(place: Place) -> None:
    await place.rest()
    now = int(await place.master.command("FCALL", "tt_version", 0))
    before = (
        library.source()
        .replace(f"local VERSION = {now}", f"local VERSION = {now - 1}")
        .replace("'tt_holds_from'", "'tt_other'")
    )
    await place.master.command("FUNCTION", "LOAD", "REPLACE", before)
    with pytest.raises(RegionUnavailable):
        await place.locks.hold(hold_id("a"), "asha", [1])
    epoch = (await place.locks.digest(SHOW))[0]
    assert await reconciler(place).ensure_reconciled() is not None
    await place.locks.hold(hold_id("a"), "asha", [1])
    assert (await place.locks.digest(SHOW))[0] == epoch


async def test_an_emptied_master_gets_the_staff_tokens_that_are_not_revoked(place: Place) -> None:
    for name in ("asha", "bala", "chandra"):
        await place.ledger.save_staff_token(StaffToken(f"west-{name}", name, Role.GATE, "", 1, 2))
    await place.ledger.revoke_staff_tokens("bala", 5)
    assert await place.ledger.revoke_staff_tokens("west-chandra", 5) == ["west-chandra"]
    await place.rest()
    await place.master.command("FLUSHALL")
    await reconcile(place, reconciler(place))
    assert await place.master.command("HKEYS", keys.STAFF) == [b"west-asha"]


async def test_one_keeper_at_a_time_and_a_dead_one_does_not_stand_in_the_way_for_long(place: Place) -> None:
    await place.rest()
    await restart_master(place)
    await place.master.command("SET", keys.RECONCILING, "dead", "PX", 700)
    keeper = reconciler(place)
    assert await keeper.ensure_reconciled() is None
    await reconcile(place, keeper)
    assert await place.master.command("GET", keys.RECONCILING) is None


async def test_turns_that_were_taken_while_the_clock_was_ahead_do_not_last_longer(place: Place) -> None:
    """The clock was set back by an hour since, and the keeper that took them died."""
    await place.rest()
    await restart_master(place)
    for key in keys.TURNS:
        await place.master.command("SET", key, "dead", "PX", 3_600_000)
    before = await place.master.command("GET", keys.RECONCILED)
    place.keeper("k2")

    async def rebuilt() -> bool:
        return await place.master.command("GET", keys.RECONCILED) != before and await place.rebuilt()

    await until(rebuilt)

    async def short() -> bool:
        return all([await place.master.command("PTTL", key) <= 2 * limits.COMPARING_MS for key in keys.TURNS])

    await until(short)


async def test_a_keeper_that_lost_its_turn_gives_up_without_a_mark(place: Place) -> None:
    """One that was frozen in the middle: another has begun since, and finishes."""
    await place.rest()
    await restart_master(place)
    keeper = reconciler(place)
    raise_position = place.locks.raise_position

    async def frozen_for_long(position: int) -> None:
        await place.master.command("SET", keys.RECONCILING, secrets.token_hex(8))
        await place.master.call("tt_fence", [keys.FENCE], 1_000)
        await raise_position(position)

    place.locks.raise_position = frozen_for_long  # type: ignore[method-assign]
    mark = await place.master.command("GET", keys.RECONCILED)
    assert await keeper.ensure_reconciled() is None
    assert await place.master.command("GET", keys.RECONCILED) == mark
    assert await place.master.command("GET", keys.RECONCILING) is not None, "the other's turn is not ended"


async def test_a_booking_read_by_a_slow_keeper_is_not_recorded_after_the_master_was_reconciled(place: Place) -> None:
    """Its booking is on no master any more, and its buyer may have received that answer."""
    hold = await place.confirm("slow", [5])
    entry = NewBooking(booking_of(hold), SHOW, "slow", (("A-6", 5),), "paid", 450, 1)
    await until(all_booked(place, [hold]))
    old = str((await place.master.command("GET", keys.RECONCILED)).decode())
    await place.rest()
    await restart_master(place)
    assert await reconciler(place).ensure_reconciled() not in (None, old)
    with pytest.raises(StaleFencingToken):
        await place.ledger.record([entry], old)


@pytest.mark.parametrize("dies", [False, True], ids=["", "although the first keeper that sees it dies"])
async def test_a_master_whose_data_has_diverged_keeps_no_hold_and_books_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """A former master comes back, and is made master again before it has copied its successor."""
    before = await place.confirm("before", [6])
    await until(all_booked(place, [before]))
    await place.rest()
    waiting = await place.hold("waiting", [7])
    monkeypatch.setattr(limits, "KEEPER_BATCH", 1)  # the payment is not in the first batch of the outbox
    await place.locks.extend(waiting, "waiting", "a request whose outcome is in the outbox")
    paid = await place.confirm("paid", [8])
    pause = ("kind", "command", "id", "1", "name", "sales", "body", f'{{"show":"{SHOW}","sales":"paused"}}')
    await place.master.command("XADD", keys.OUTBOX, "*", *pause)
    await place.ledger.begin_fencing_token("the successor's")
    await restart_master(place)
    if dies:
        keeper = reconciler(place)
        _token, diverged = await keeper._begin_token("died-right-after-this", await keeper._read_state())
        assert diverged
    place.keeper("again")
    assert await until(all_booked(place, [before]))

    async def reconciled_again() -> bool:
        with contextlib.suppress(RegionUnavailable):
            return (await place.seats())[6:9] == "200"
        return False

    await until(reconciled_again)
    for lost in (waiting, paid):
        with pytest.raises(HoldLost):
            await place.locks.extend(lost, "waiting" if lost == waiting else "paid")

    async def refunded() -> bool:
        return await job_ids(place, Queue.REFUNDS) == [refund_key(paid, "paid paid")]

    await until(refunded)
    after = await place.confirm("after", [8])
    await until(all_booked(place, [after]))
    show = await place.ledger.show(SHOW)
    assert show is not None
    assert show.sales is SalesState.OPEN, "operators may have opened it on the other master since"


async def test_a_token_that_was_begun_and_not_finished_is_known_to_this_master(place: Place) -> None:
    await place.rest()
    hold = await place.confirm("patient", [6])
    await restart_master(place)
    keeper = reconciler(place)
    _token, diverged = await keeper._begin_token("died-right-after-this", await keeper._read_state())
    assert not diverged
    place.keeper("next")
    await until(all_booked(place, [hold]))


async def test_no_token_begins_for_another_server_than_the_one_whose_state_was_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one's data would count as current by this token."""
    await place.rest()
    await place.master.command("DEL", keys.RECONCILED)
    before, check = await place.ledger.fencing_state(), place.master.check_master

    async def moved() -> ConfigEpoch:
        place.master.generation += 1
        return await check()

    with monkeypatch.context() as patch:
        patch.setattr(place.master, "check_master", moved)
        with pytest.raises(RegionUnavailable):
            await reconciler(place).ensure_reconciled()
    assert (await place.ledger.fencing_state()).number == before.number
    await reconcile(place, reconciler(place))
    assert (await place.ledger.fencing_state()).number == before.number + 1


@pytest.mark.parametrize(
    "command",
    [
        ("SET", keys.HALTED, "the ledger had lost commits, and is repaired"),
        ("DEL", keys.FENCE),
        ("SET", keys.FENCE, "1 another-process"),
    ],
    ids=["halted", "no fence", "the fence of another server process"],
)
async def test_a_master_whose_mark_is_not_enough_is_reconciled(place: Place, command: tuple[str, ...]) -> None:
    await place.rest()
    keeper = reconciler(place)
    mark = await keeper.ensure_reconciled()
    assert await keeper.ensure_reconciled() == mark is not None
    await place.master.command(*command)
    after = await keeper.ensure_reconciled()
    assert after is not None and after != mark
    assert await keeper.ensure_reconciled() == after, "once"
    assert not await place.master.command("EXISTS", keys.HALTED)
    process = str((await place.master.command("INFO", "server"))["run_id"])
    assert await place.master.command("GET", keys.FENCE) == f"{after.split()[-1]} {process}".encode()


async def test_a_ledger_that_does_not_know_the_token_of_the_fence_has_lost_commits(place: Place) -> None:
    await place.rest()
    number = (await place.ledger.fencing_state()).number
    await place.master.call("tt_fence", [keys.FENCE], number + 1)
    with pytest.raises(LedgerBehind):
        await reconciler(place).ensure_reconciled()
    assert await place.master.command("EXISTS", keys.HALTED)


async def test_no_token_begins_under_an_older_configuration_unless_all_sentinels_have_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.rest()
    keeper = reconciler(place)

    async def reconcile_under(epoch: ConfigEpoch) -> int:
        monkeypatch.setattr(place.master, "check_master", AsyncMock(return_value=epoch))
        keeper.invalidate()
        await keeper.ensure_reconciled()
        return (await place.ledger.fencing_state()).number

    number = await reconcile_under(ConfigEpoch(3, False))
    assert await reconcile_under(ConfigEpoch(2, False)) == number
    assert await reconcile_under(ConfigEpoch(3, False)) == number + 1
    assert await reconcile_under(ConfigEpoch(2, True)) == number + 2, "they were set up again from scratch"


async def test_the_shows_of_ledger_and_master_are_each_suspended_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_module, "_CHUNK", 2)
    master, locks = Mock(command=AsyncMock(return_value=[b"only here", b"b"])), Mock(suspend=AsyncMock())
    await Reconciler("west", Mock(), master, locks)._suspend_all(["b", "a", "c", "d"], "nonce", diverged=True)
    assert sorted(call.args[0] for call in locks.suspend.await_args_list) == ["a", "b", "c", "d", "only here"]


async def test_a_master_whose_token_the_ledger_has_refused_is_reconciled_once(place: Place) -> None:
    await place.rest()
    keeper = reconciler(place)
    mark = await keeper.ensure_reconciled()
    keeper.invalidate()
    after = await keeper.ensure_reconciled()
    assert after is not None and after != mark
    assert await keeper.ensure_reconciled() == after
