"""Plans the rebuild of a show: what has to change for a lock master to have what the ledger proves. Pure.

The comparison is exact: every seat, its holder, every record and every count.

- The seats of the ledger's bookings become sold, and so do those of bookings that only this master has: the master
  proves them, if the ledger has lost commits (``check --repair``).
- Live holds that collide with no booking stay; the others are lost. If two live holds collide, a confirming hold is
  preferred, because it is paid for. A confirming hold that collides with a booking also stays, but without seats on
  the map: its entry in the outbox decides.
- Diverged data: another master has sold since this data was current, and may have answered clients differently about
  the same holds. So no hold stays, paid or not, and none of them can be booked later (void). Seats that are reserved
  for an exchange become free.
- A hold whose deadline is further away than a hold can last was made while the master's clock was ahead. It gets the
  deadline of a hold that is made now.
- Holds for which there is an order or a payment keep their records: a later payment takes the seats of the order if
  they are free, and the hold id is not used again.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import orjson

from realtime import limits
from realtime.ledger.rows import Booked, PaidHold
from realtime.ledger.truth import ShowTruth
from realtime.locks.seats import Command
from realtime.model import HoldState, hold_of

ARGS_PER_COMMAND = 1_000
"""The most arguments of one command, since Lua's stack takes a few thousand. Even, because they are often pairs."""
ARGS_PER_PART = 4_000
"""About how many arguments one call has; it takes the master a few ms."""
_FREE, _HELD, _SOLD, _BLOCKED = b"0123"
_STATUSES = {_FREE: "free", _HELD: "held", _SOLD: "sold", _BLOCKED: "blocked"}
LAST_MS = 2**53
"""The latest time that Lua's numbers and scores represent exactly (ms). No function makes a hold that ends later."""
READ_MS = 5_000
"""A hold may have been made this much later than ``OnMaster.now``, because not everything is read at the same
moment."""
# The places of keys in ``keys.show``, from 1.
_TAKEN, _HOLDS, _OWNERS, _DEADLINES, _ENDED, _NOTICES = 3, 4, 5, 6, 7, 10
_HASHES = {_TAKEN: "the holder of seat", _HOLDS: "the record of"}
"""The hashes whose fields a damage names, for operators."""


@dataclass(frozen=True, slots=True)
class OnMaster:
    """What a master has of a show, as it stores it; ``now`` is its clock (ms).

    ``hold_ms`` is how long a hold of the show lasts, from the ledger.
    """

    size: int
    hold_ms: int
    diverged: bool
    seats: bytes
    taken: dict[bytes, bytes]
    holds: dict[bytes, bytes]
    owners: dict[bytes, bytes]
    now: int


_Seat = Annotated[int, msgspec.Meta(ge=0)]


class _Hold(msgspec.Struct):
    """The record of a hold, as far as a plan needs it."""

    owner: str
    seats: tuple[_Seat, ...]
    state: HoldState
    expires_at: Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)]
    cancelled: bool = False
    void: bool = False
    reserved: tuple[_Seat, ...] = ()
    exchanges: int = 0
    prolonged_ms: float = 0
    address: str = msgspec.field(name="from", default="")

    @property
    def is_live(self) -> bool:
        return self.state in (HoldState.HELD, HoldState.CONFIRMING)


_decode = msgspec.json.Decoder(_Hold, strict=False).decode


def _hold_in(name: bytes, record: bytes) -> _Hold | None:
    """Return a decoded record of a hold; None if it is damaged, so that no function can use it."""
    if b'"expires_at":"' in record:
        return None
    for text in (record, record.replace(b":{}", b":[]")):  # an empty list, as earlier releases have written it
        with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
            name.decode()
            return _decode(text)
    return None


@dataclass(slots=True)
class Plan:
    """What a show will be (a digit per seat, each seat's holder, live holds per owner), and the steps that lead there.

    Each step is a list of commands that belong together.
    """

    seats: bytearray
    taken: dict[bytes, bytes] = field(default_factory=dict)
    owners: Counter[str] = field(default_factory=Counter)
    steps: list[list[Command]] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    """Holds that only the master has as booked."""
    changed: bool = False

    def differs(self, master: OnMaster) -> bool:
        """Return whether the master has to be changed."""
        return self.changed or self.seats != master.seats

    def damages(self, master: OnMaster) -> list[str]:
        """Return, for operators, which seats, holders of seats and records differ on the master."""
        found = [
            f"seat {seat} is {_STATUSES.get(have, 'of an unknown status')}, not {_STATUSES[want]}"
            for seat, (have, want) in enumerate(zip(master.seats, self.seats, strict=True))
            if have != want
        ]
        for name, place, args in (command for step in self.steps for command in step):
            if place in _HASHES and name in ("HSET", "HDEL"):
                names = args[:: 2 if name == "HSET" else 1]
                found += [f"{_HASHES[place]} {each.decode(errors='backslashreplace')}" for each in names]
        return found

    def claim(self, hold: bytes, seats: Iterable[int], digit: int) -> None:
        """Give seats to a hold, except those that the hall does not have: a damaged ledger may name them."""
        for seat in seats:
            if seat < len(self.seats):
                self.seats[seat] = digit
                self.taken[b"%d" % seat] = hold

    def write(self, *commands: Command) -> None:
        """Add a step that changes something."""
        self.steps.append(list(commands))
        self.changed = True


def plan_rebuild(truth: ShowTruth, master: OnMaster) -> Plan:
    """Return what has to change on a master. Pure."""
    plan = Plan(bytearray(b"%c" % _FREE) * master.size)
    known = {hold: mine for hold, record in master.holds.items() if (mine := _hold_in(hold, record)) is not None}
    for seat in truth.blocked:
        if seat < master.size:
            plan.seats[seat] = _BLOCKED
    decided = _plan_bookings(plan, truth, known, master)
    _plan_cancelled(plan, truth.cancelled, known, master.now)
    _plan_paid(plan, truth.paid, known, master.now)
    live: list[tuple[bytes, _Hold]] = []
    for hold, mine in known.items():
        if hold in decided:
            continue
        if mine.state is HoldState.BOOKED:
            plan.unproved.append(hold.decode())
            unsold = [seat for seat in mine.seats if seat < master.size and plan.seats[seat] != _SOLD]
            plan.claim(hold, unsold, _SOLD)
        elif mine.is_live:
            live.append((hold, mine))
        elif master.diverged and mine.state in (HoldState.EXPIRED, HoldState.LOST) and not mine.void:
            plan.write(("HSET", _HOLDS, (hold, _as_lost(master.holds[hold], void=True))))
    _plan_holds(plan, live, master)
    _plan_unreadable(plan, master.holds.keys() - known.keys())
    _plan_hash(plan, _TAKEN, plan.taken, master.taken)
    _plan_hash(plan, _OWNERS, {owner.encode(): b"%d" % n for owner, n in plan.owners.items()}, master.owners)
    return plan


def _plan_bookings(plan: Plan, truth: ShowTruth, known: dict[bytes, _Hold], master: OnMaster) -> set[bytes]:
    """Plan the bookings of the ledger; return the holds about which it has decided."""
    decided = {hold_of(booking.id).encode() for booking in truth.cancelled}
    records: list[bytes] = []
    for booking in truth.booked:
        hold = hold_of(booking.id).encode()
        mine = known.get(hold)
        decided.add(hold)
        if mine is not None and mine.cancelled:
            continue  # the booking was cancelled after the ledger was read
        plan.claim(hold, booking.seats, _SOLD)
        if mine is None:
            records += (hold, _booked_record(booking, master.now))
        elif not _is_as_booked(mine, booking):
            _plan_booked(plan, booking, master.now)
    _plan_records(plan, records)
    for booking in truth.booked:
        mine = known.get(hold_of(booking.id).encode())
        if mine is not None and mine.reserved and _is_as_booked(mine, booking):
            _plan_reserved(plan, booking, mine, master)
    return decided


def _is_as_booked(mine: _Hold, booking: Booked) -> bool:
    wanted = (HoldState.BOOKED, booking.owner, booking.seats, booking.sequence)
    return (mine.state, mine.owner, mine.seats, mine.exchanges) == wanted


def _plan_booked(plan: Plan, booking: Booked, now: int) -> None:
    hold = hold_of(booking.id).encode()
    notice = _notice("booked", hold, booking.owner, booking.seats)
    _plan_change(plan, hold, _booked_record(booking, now), notice)


def _plan_reserved(plan: Plan, booking: Booked, mine: _Hold, master: OnMaster) -> None:
    """Keep the seats to which a booking is about to move: the command is in the outbox or among the dead letters.

    In diverged data they are not kept, because the commands in its outbox are removed.
    """
    free = all(seat < len(plan.seats) and plan.seats[seat] == _FREE for seat in mine.reserved)
    if free and not master.diverged:
        plan.claim(hold_of(booking.id).encode(), mine.reserved, _HELD)
    else:
        _plan_booked(plan, booking, master.now)


def _plan_cancelled(plan: Plan, cancelled: Sequence[Booked], known: dict[bytes, _Hold], now: int) -> None:
    records: list[bytes] = []
    for booking in cancelled:
        hold = hold_of(booking.id).encode()
        mine = known.get(hold)
        if mine is not None and mine.cancelled:
            continue
        record = _record(booking, HoldState.RELEASED, now, payment=booking.payment, cancelled=True)
        if mine is None:
            records += (hold, record)
        else:
            _plan_change(plan, hold, record, _notice("cancelled", hold, booking.owner, booking.seats))
    _plan_records(plan, records)


def _plan_paid(plan: Plan, paid: Sequence[PaidHold], known: dict[bytes, _Hold], now: int) -> None:
    records: list[bytes] = []
    for each in paid:
        if each.hold.encode() not in known:
            state = HoldState.REJECTED if each.payment else HoldState.LOST
            money = {name: value for name, value in (("order", each.order), ("payment", each.payment)) if value}
            records += (each.hold.encode(), _record(each, state, now, **money))
    _plan_records(plan, records)


def _plan_holds(plan: Plan, live: list[tuple[bytes, _Hold]], master: OnMaster) -> None:
    deadlines: list[bytes] = []
    for hold, mine in sorted(live, key=lambda each: (each[1].state, each[0])):
        held, clear = mine.state is HoldState.HELD, not master.diverged
        clear = clear and all(seat < master.size and plan.seats[seat] == _FREE for seat in mine.seats)
        if clear:
            plan.claim(hold, mine.seats, _HELD)
        elif held or master.diverged:
            plan.lost.append((hold.decode(), mine.owner))
            ended = ("ZADD", _ENDED, (b"%d" % (master.now + limits.ENDED_KEEP_MS), hold))
            record = _as_lost(master.holds[hold], void=master.diverged)
            _plan_change(plan, hold, record, _notice("lost", hold, mine.owner), ended)
            continue
        plan.owners[mine.owner] += 1
        if held:
            ends_at = _ends_at(mine, master)
            if ends_at != mine.expires_at:
                plan.write(("HSET", _HOLDS, (hold, _changed(master.holds[hold], expires_at=ends_at))))
            deadlines += (b"%d" % ends_at, hold)
            if mine.address:
                plan.owners[f"@{mine.address}"] += len(mine.seats)
    # Deadlines are always written: the key has those of all shows, so it is not compared.
    plan.steps += [[("ZADD", _DEADLINES, some)] for some in _pieces(deadlines)]


def _ends_at(mine: _Hold, master: OnMaster) -> int:
    """Return the deadline of a hold (ms), but no later one than it would have if it were made or extended now."""
    latest = master.now + master.hold_ms + int(mine.prolonged_ms)
    return latest if mine.expires_at > latest + READ_MS else mine.expires_at


def _plan_unreadable(plan: Plan, holds: set[bytes]) -> None:
    """Plan to delete records that can't be read, unless the plan overwrites them."""
    if holds:
        written = {hold for step in plan.steps for _name, place, args in step if place == _HOLDS for hold in args[::2]}
        for some in _pieces(sorted(holds - written)):
            plan.write(("HDEL", _HOLDS, some))


def _plan_hash(plan: Plan, place: int, wanted: dict[bytes, bytes], found: dict[bytes, bytes]) -> None:
    if wanted == found:
        return
    for some in _pieces([name for name in found if name not in wanted]):
        plan.write(("HDEL", place, some))
    changed = [part for name, value in wanted.items() if found.get(name) != value for part in (name, value)]
    for some in _pieces(changed):
        plan.write(("HSET", place, some))


def _plan_records(plan: Plan, records: list[bytes]) -> None:
    for some in _pieces(records):
        plan.write(("HSET", _HOLDS, some))


def _plan_change(plan: Plan, hold: bytes, record: bytes, notice: bytes, *more: Command) -> None:
    """Plan a new state of a hold that the master knows; the same step notifies its owner."""
    ended: list[Command] = [("ZREM", place, (hold,)) for place in (_DEADLINES, _ENDED)]
    plan.write(("HSET", _HOLDS, (hold, record)), *ended, *more, ("PUBLISH", _NOTICES, (notice,)))


# --- records and commands ---------------------------------------------------------------------------------------------
def _record(each: Booked | PaidHold, state: HoldState, now: int, **more: Any) -> bytes:
    head = {"owner": each.owner, "seats": each.seats, "state": state.value, "expires_at": now, "extensions": 0}
    return orjson.dumps(head | more)


def _booked_record(booking: Booked, now: int) -> bytes:
    exchanges = {"exchanges": booking.sequence} if booking.sequence else {}
    return _record(booking, HoldState.BOOKED, now, payment=booking.payment, **exchanges)


def _as_lost(record: bytes, *, void: bool) -> bytes:
    return _changed(record, state=HoldState.LOST.value, **({"void": True} if void else {}))


def _changed(record: bytes, **fields: Any) -> bytes:
    return orjson.dumps(orjson.loads(record) | fields)


def _notice(kind: str, hold: bytes, owner: str, seats: Sequence[int] | None = None) -> bytes:
    notice: dict[str, Any] = {"kind": kind, "hold": hold.decode(), "owner": owner}
    return orjson.dumps(notice if seats is None else notice | {"seats": seats})


def _pieces(args: list[bytes]) -> Iterator[Sequence[bytes]]:
    return (args[start : start + ARGS_PER_COMMAND] for start in range(0, len(args), ARGS_PER_COMMAND))


def parts(steps: Iterable[list[Command]]) -> Iterator[list[Command]]:
    """Combine steps into parts of about ``ARGS_PER_PART`` arguments; a step is never divided."""
    part: list[Command] = []
    size = 0
    for step in steps:
        part += step
        size += sum(len(args) for _name, _place, args in step)
        if size >= ARGS_PER_PART:
            yield part
            part, size = [], 0
    if part:
        yield part
