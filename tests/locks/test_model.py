"""The Lua functions against a simple model of a show, under random interleavings and clock jumps, on both servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any, TypeVar

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.client import PubSub, Redis

from realtime import errors, keys
from realtime.dev import valkey
from realtime.locks.holds import PaymentProof
from realtime.locks.master import LockMaster
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import SalesState
from realtime.topology import HoldLimits
from realtime.wire.maps import decode_change
from tests.rebuilds import rebuild_show

from .conftest import SHOW, hold_id, region
from .show_model import SEATS, ShowModel

T = TypeVar("T")
SHOW_SMALL = SHOW.__class__(**{name: getattr(SHOW, name) for name in SHOW.__slots__} | {"seat_count": SEATS})
NAMES = [hold_id(f"n{n}") for n in range(5)]
OWNERS = ["asha", "bala"]
ADDRESSES = {"asha": "house", "bala": ""}
"""The address that each owner's holds come from; that of the second is not limited."""
names = st.sampled_from(NAMES)
payments = st.sampled_from(["paid", "paid", "paid again"])
owners = st.sampled_from(OWNERS)
callers = st.sampled_from(["its owner", "its owner", "its owner", *OWNERS])
any_seats = st.lists(st.integers(0, SEATS - 1), min_size=1, max_size=4, unique=True).map(sorted)
neighbours = st.tuples(st.integers(0, SEATS - 4), st.integers(1, 4)).map(lambda run: list(range(run[0], sum(run))))
seat_sets = neighbours | any_seats


class SeatsMachine(RuleBasedStateMachine):
    """Each rule does one thing to both; what they answer and what they become must agree."""

    server: valkey.Valkey

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = ShowModel()

    @initialize()
    def start(self) -> None:
        self.run(self.open())
        self.raw: Redis = Redis(host=valkey.HOST, port=self.server.port, protocol=2)
        self.listener: PubSub = self.raw.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        self.listener.subscribe(keys.changes(SHOW.id))
        assert self.listener.get_message(timeout=5) is None  # the subscription's own answer
        self.viewer = bytearray(SEATS)
        self.version = 1
        self.epoch = "epoch-1"

    async def open(self) -> None:
        self.master = LockMaster(region(self.server), timeout_s=30.0)  # a busy machine is no failure
        await self.master.command("FLUSHALL")
        await self.master.load_functions()
        # Limits of addresses are in test_addresses.py: here none is ever reached, and what is counted must be right.
        self.locks = SeatLocks(self.master, HoldLimits(rest_s=0))
        await self.locks.declare(SHOW_SMALL, "epoch-1")

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return self.runner.run(wait())

    def code(self, work: Awaitable[Any]) -> str:
        try:
            self.run(work)
        except errors.TicketError as error:
            return error.code
        return "ok"

    def teardown(self) -> None:
        if hasattr(self, "raw"):
            self.listener.close()
            self.raw.close()
            self.run(self.master.close())
        self.runner.close()

    def who(self, name: str, caller: str) -> str:
        if caller != "its owner":
            return caller
        return self.model.holds[name].owner if name in self.model.holds else OWNERS[0]

    # --- what people do -------------------------------------------------------------------------------------------
    @rule(asks=st.lists(st.tuples(names, owners, seat_sets), min_size=1, max_size=4))
    def hold(self, asks: list[tuple[str, str, list[int]]]) -> None:
        """Some in the same moment: they are decided as if each had been asked by itself, in this order."""
        expected = []
        works = []
        for name, asker, seats in asks:
            # An id is made from its owner: nobody else can ask for it.
            owner = self.model.holds[name].owner if name in self.model.holds else asker
            taken = self.model.in_the_way(name, seats)
            expected.append((self.model.hold(name, owner, seats), taken))
            works.append(self.locks.hold(name, owner, seats, ADDRESSES[owner]))

        async def together() -> list[Any]:
            return await asyncio.gather(*works, return_exceptions=True)

        for answer, (code, taken) in zip(self.run(together()), expected, strict=True):
            if not isinstance(answer, errors.TicketError):
                assert code == "ok", answer
                continue
            assert answer.code == code
            if code == "seats_taken":
                assert answer.details == {"seats": taken}

    @rule(name=names, caller=callers)
    def extend(self, name: str, caller: str) -> None:
        owner = self.who(name, caller)
        assert self.code(self.locks.extend(name, owner)) == self.model.extend(name, owner)

    @rule(name=names, caller=callers, data=st.data())
    def release(self, name: str, caller: str, data: st.DataObject) -> None:
        owner = self.who(name, caller)
        asked = self.model.holds[name].asked if name in self.model.holds and self.model.holds[name].asked else [0]
        own = st.lists(st.sampled_from(asked), min_size=1, unique=True).map(sorted)
        some = data.draw(st.none() | own | seat_sets)
        assert self.code(self.locks.release(name, owner, some)) == self.model.release(name, owner, some)

    @rule(name=names, caller=callers, payment=payments, data=st.data())
    def confirm(self, name: str, caller: str, payment: str, data: st.DataObject) -> None:
        owner = self.who(name, caller)
        held = self.model.holds[name].seats if name in self.model.holds and self.model.holds[name].seats else [0]
        own = st.lists(st.sampled_from(held), min_size=1, unique=True).map(sorted)
        some = data.draw(st.none() | own | seat_sets)
        answer = self.code(self.locks.confirm(name, owner, PaymentProof(payment, 0), some))
        assert answer == self.model.confirm(name, owner, payment, some)

    @precondition(lambda self: any(hold.state == "expired" for hold in self.model.holds.values()))
    @rule(data=st.data())
    def pay_late(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([n for n, h in self.model.holds.items() if h.state == "expired"]))
        owner = self.model.holds[name].owner
        answer = self.code(self.locks.confirm(name, owner, PaymentProof("paid", 0)))
        assert answer == self.model.confirm(name, owner, "paid")

    # --- what keepers do ------------------------------------------------------------------------------------------
    @rule(name=names)
    def clock_jumps_past(self, name: str) -> None:
        hold = self.model.holds.get(name)
        if hold is not None and hold.state == "held" and not hold.lapsed:
            record = orjson.loads(self.raw.hget(keys.holds(SHOW.id), name))  # type: ignore[arg-type]
            record["expires_at"] -= 3_600_000
            self.raw.hset(keys.holds(SHOW.id), name, orjson.dumps(record))
            self.raw.zadd(keys.DEADLINES, {name: record["expires_at"]})
            hold.lapsed = True

    @rule(some=st.just(NAMES) | st.lists(names, max_size=4, unique=True))
    def expire(self, some: list[str]) -> None:
        lapsed = [name for name in some if name in self.model.holds and self.model.lapsed(name)]
        for name in lapsed:
            self.model.holds[name].state = "expired"
        assert self.run(self.locks.expire(some)).ended == len(lapsed)

    @precondition(lambda self: any(kind == "booking" for kind, _ in self.model.outbox))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([name for kind, name in self.model.outbox if kind == "booking"]))
        hold = self.model.holds[name]
        if hold.state == "rejected":
            return  # the ledger decides once
        hold.state = "booked"
        self.run(self.locks.settle(SHOW.id, [Sale(name, hold.owner, tuple(hold.seats))]))

    @precondition(lambda self: any(kind == "booking" for kind, _ in self.model.outbox))
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([name for kind, name in self.model.outbox if kind == "booking"]))
        hold = self.model.holds[name]
        if hold.state in ("confirming", "rejected"):
            hold.state = "rejected"
        self.run(self.locks.reject(name, hold.owner, {}))

    @rule(seats=seat_sets)
    def block(self, seats: list[int]) -> None:
        new = [seat for seat in seats if seat not in self.model.blocked]
        expected = "seats_taken" if self.model.in_the_way("", new) else "ok"
        if expected == "ok":
            self.model.sweep(new)
            self.model.blocked |= set(new)
        assert self.code(self.locks.block(SHOW.id, seats)) == expected

    @rule(seats=seat_sets)
    def unblock(self, seats: list[int]) -> None:
        self.model.blocked -= set(seats)
        self.run(self.locks.unblock(SHOW.id, seats))

    @rule(state=st.sampled_from(SalesState))
    def set_sales(self, state: SalesState) -> None:
        self.model.sales = state.value
        self.run(self.locks.set_sales(SHOW.id, state))

    @rule(number=st.integers(1, 10**6), diverged=st.sampled_from([False, False, True]))
    def rebuild(self, number: int, diverged: bool) -> None:
        """With the ledger's bookings, which are the model's: no hold may be lost by it, unless the master diverged."""
        sold = [Sale(n, h.owner, tuple(h.seats)) for n, h in self.model.holds.items() if h.state == "booked"]
        written = self.run(
            rebuild_show(self.locks, SHOW.id, f"epoch-{number}", sold, self.model.blocked, diverged=diverged)
        )
        assert diverged or not written.differed, "the master agrees with the ledger after every step"
        assert sorted(written.lost) == (self.model.void_all() if diverged else [])
        self.model.rebuilt = True
        self.viewer = bytearray(int(digit) for digit in self.model.map())
        self.epoch = f"epoch-{number}"

    # --- what must hold after each of them ------------------------------------------------------------------------
    @invariant()
    def the_map_is_the_model_s(self) -> None:
        if not hasattr(self, "raw"):
            return
        text: bytes = self.raw.get(keys.seats(SHOW.id))  # type: ignore[assignment]
        assert text.decode() == self.model.map()
        taken: dict[bytes, bytes] = self.raw.hgetall(keys.show(SHOW.id)[2])  # type: ignore[assignment]
        expected = {str(seat): self.model.holder(seat) for seat in range(SEATS)}
        assert {k.decode(): v.decode() for k, v in taken.items()} == {k: v for k, v in expected.items() if v}

    @invariant()
    def a_viewer_of_the_messages_alone_sees_the_same(self) -> None:
        if not hasattr(self, "raw"):
            return
        meta: bytes = self.raw.hget(keys.meta(SHOW.id), "version")  # type: ignore[assignment]
        while self.version < int(meta):
            message = self.listener.get_message(timeout=5)
            assert message is not None, "a version without a message"
            change = decode_change(message["data"])
            assert change.version == self.version + 1, "each change is one version"
            self.version = change.version
            for seat, digit in change.seats().items():
                self.viewer[seat] = digit
        assert "".join(map(str, self.viewer)) == self.model.map()

    @invariant()
    def live_holds_are_counted_and_have_a_deadline(self) -> None:
        if not hasattr(self, "raw"):
            return
        counted: dict[bytes, bytes] = self.raw.hgetall(keys.show(SHOW.id)[4])  # type: ignore[assignment]
        for owner in OWNERS:
            live = [h for h in self.model.holds.values() if h.owner == owner and h.state in ("held", "confirming")]
            assert int(counted.get(owner.encode(), b"0")) == len(live)
        held = [h for h in self.model.holds.values() if ADDRESSES[h.owner] and h.state == "held"]
        assert int(counted.get(b"@house", b"0")) == sum(len(hold.seats) for hold in held)
        assert set(counted) <= {*(owner.encode() for owner in OWNERS), b"@house"}
        deadlines: list[bytes] = self.raw.zrange(keys.DEADLINES, 0, -1)  # type: ignore[assignment]
        assert {d.decode() for d in deadlines} == {n for n, h in self.model.holds.items() if h.state == "held"}
        assert self.raw.xlen(keys.OUTBOX) == len(self.model.outbox)


@pytest.fixture
def machine(server: valkey.Valkey) -> Iterator[type[SeatsMachine]]:
    class OnThisServer(SeatsMachine):
        pass

    OnThisServer.server = server
    yield OnThisServer


@pytest.mark.timeout(300)
def test_the_functions_agree_with_the_model(machine: type[SeatsMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=50,
            suppress_health_check=list(HealthCheck),
        ),
    )
