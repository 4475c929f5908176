"""A clean history of an hour and its final state, in which tests plant lies.

Two shows of one region, holds of 480 s, one master that loses its data after 1,000 s. A viewer watches throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from loadtest.faults.history import Record
from loadtest.faults.judge.end_state import Booking, FinalState, Rogue, ShowState
from loadtest.faults.judge.payments import BankPayment, BankRefund, BookingRow, Money, RefundRow
from loadtest.faults.schedule import Kind
from realtime.model import booking_of
from realtime.wire.maps import pack_seats

SHOW = "west-s"
SEATS = ("A-1", "A-2", "A-3", "A-4", "A-5", "A-6", "A-7", "A-8")
HOLD_MS = 480_000
LOSS_AT = 1_000_000


def hold_id(name: str) -> str:
    return f"{SHOW}.h{name:_<22}"


@dataclass
class Run:
    """Records in order of time, and the end. ``change`` and friends keep the viewer's map and the version right."""

    records: list[Record] = field(default_factory=list)
    final: FinalState = field(default_factory=lambda: FinalState({}))
    version: int = 1
    epoch: str = "e1"
    _numbers: dict[str, int] = field(default_factory=dict)

    def add(self, t: int, k: str, c: str, **fields: Any) -> None:
        self.records.append({"t": t, "k": k, "c": c, **fields})

    def connect(self, t: int, c: str) -> None:
        self.add(t, "connected", c, node="http://n:1", owner=f"owner-{c}")

    def ask(self, t: int, c: str, e: str, answer: dict[str, Any] | None, ms: int = 20, **payload: Any) -> None:
        """A request at ``t`` and its answer ``ms`` later; None: no answer."""
        n = self._numbers[c] = self._numbers.get(c, 0) + 1
        self.add(t, "request", c, n=n, e=e, p=payload)
        if answer is None:
            self.add(t + ms, "no_answer", c, n=n, e=e)
        else:
            self.add(t + ms, "answer", c, n=n, e=e, a=answer)

    def hold(self, t: int, c: str, *seats: str, request: str = "r1", name: str = "") -> str:
        hold = hold_id(name or c)
        body = {"id": hold, "show": SHOW, "seats": list(seats), "expires_at": t + 10 + HOLD_MS}
        answer = {"ok": True, "hold": body, "server_time": t + 10}
        self.ask(t, c, "seats:hold", answer, show=SHOW, seats=list(seats), request_id=request)
        self.change(t + 25, held=seats)
        return hold

    def confirm(self, t: int, c: str, hold: str, *seats: str, state: str = "booked") -> None:
        self.add(t - 1, "paid", c, hold=hold, seats=list(seats), payment=f"p-{c}", proof=f"proof of {c}")
        answer = {"ok": True, "booking": booking(hold, *seats, state=state)}
        self.ask(t, c, "seats:confirm", answer, hold=hold, payment=f"proof of {c}")

    def refuse(self, t: int, c: str, e: str, code: str, **more: Any) -> None:
        payload = {key: value for key, value in more.items() if key != "taken"}
        error = {
            "code": code,
            "retryable": code in ("region_unavailable", "sales_paused"),
            "seats": more.get("taken", []),
        }
        if e == "seats:confirm":
            payload["payment"] = f"proof of {c}"
            error["refund"] = {"payment": f"p-{c}", "amount": 90_000, "state": "promised"}
        self.ask(t, c, e, {"ok": False, "error": error}, **payload)

    def command(self, t: int, name: str, *seats: str, key: str = "", taken: tuple[str, ...] = ()) -> None:
        """A command of the operator; ``key`` is its idempotency key, ``taken`` the seats for which it is refused."""
        error = {"code": "seats_taken", "retryable": False, "seats": list(taken)}
        answer = {"ok": False, "error": error} if taken else {"ok": True}
        key = key or f"{name} at {t}"
        self.ask(t, "operator", f"ops:{name}", answer, show=SHOW, seats=list(seats), key=key)

    def event(self, t: int, c: str, e: str, **p: Any) -> None:
        self.add(t, "event", c, e=e, p=p)

    def change(self, t: int, **lists: tuple[str, ...]) -> None:
        """The viewer receives a change of seats by new status."""
        indices = {status: [SEATS.index(seat) for seat in seats] for status, seats in lists.items() if seats}
        self.version += 1
        frame = {"show": SHOW, "epoch": self.epoch, "from": self.version - 1, "version": self.version, **indices}
        self.event(t, "viewer", "seats:changed", **frame)

    def fault(
        self, t: int, phase: str, *, kind: str = "master wiped", target: str = "master west", loses_data: bool = True
    ) -> None:
        self.records.append(
            {
                "t": t,
                "k": "fault",
                "kind": kind,
                "target": target,
                "region": "west",
                "phase": phase,
                "loses_data": loses_data,
            }
        )

    def sort(self) -> None:
        self.records.sort(key=lambda record: record["t"])

    # --- what lies edit -------------------------------------------------------------------------------------------
    def drop(self, unwanted: Callable[[Record], bool]) -> None:
        """Remove records; at least one must match."""
        kept = [record for record in self.records if not unwanted(record)]
        assert len(kept) < len(self.records), "the lie must change something"
        self.records = kept

    def answer_of(self, c: str, e: str, number: int = 0) -> Record:
        """Return the answer to a client's request, by its place among those of this kind."""
        return [r for r in self.records if r["k"] == "answer" and r["c"] == c and r["e"] == e][number]

    @property
    def show(self) -> ShowState:
        return self.final.shows[SHOW]


def booking(hold: str, *seats: str, state: str = "booked") -> dict[str, Any]:
    return {"id": booking_of(hold), "hold": hold, "show": SHOW, "seats": list(seats), "state": state}


def clean_run() -> Run:
    """Asha books; Bala's hold expires; Chitra extends, then pays late; Dev is refused, then loses a hold and a pending
    booking to the fault; Esha releases a seat of two and books the other; Farah has no answer to a release. An operator
    blocks A-7 and A-8 (in vain at first, since A-7 is held), unblocks A-7, and pauses the sales for a minute.
    """
    run = Run()
    for client in ("viewer", "asha", "bala", "chitra", "dev", "esha", "farah", "gita"):
        run.connect(0, client)
    empty = pack_seats(bytes(len(SEATS)))
    watched = {"ok": True, "show": SHOW, "epoch": "e1", "version": 1, "status": "live", "seats": empty}
    run.ask(10, "viewer", "show:watch", watched, show=SHOW)

    asha = run.hold(1_000, "asha", "A-1", "A-2")
    run.refuse(
        2_000, "dev", "seats:hold", "seats_taken", show=SHOW, seats=["A-2", "A-3"], request_id="d0", taken=["A-2"]
    )
    run.confirm(30_000, "asha", asha, "A-1", "A-2")
    run.event(30_010, "asha", "booking:settled", booking=booking(asha, "A-1", "A-2"))
    run.change(30_015, sold=("A-1", "A-2"))

    bala = run.hold(40_000, "bala", "A-3")
    gita = run.hold(50_000, "gita", "A-7")
    run.command(60_000, "block", "A-7", "A-8", taken=("A-7",))
    run.ask(70_000, "gita", "seats:release", {"ok": True}, hold=gita)
    run.change(70_015, free=("A-7",))
    run.command(80_000, "block", "A-7", "A-8")
    run.change(80_015, blocked=("A-7", "A-8"))
    run.refuse(90_000, "gita", "seats:hold", "seats_taken", show=SHOW, seats=["A-7"], request_id="g1", taken=["A-7"])
    run.command(100_000, "unblock", "A-7")
    run.change(100_015, free=("A-7",))
    run.event(520_100, "bala", "hold:expired", hold=bala, show=SHOW, reason="expired")
    run.change(520_110, free=("A-3",))

    run.command(540_000, "pause")
    run.refuse(550_000, "gita", "seats:hold", "sales_paused", show=SHOW, seats=["A-7"], request_id="g2")
    run.command(600_000, "open")

    chitra = run.hold(530_000, "chitra", "A-3")
    extended = {"id": chitra, "show": SHOW, "seats": ["A-3"], "expires_at": 700_010 + HOLD_MS}
    run.ask(700_000, "chitra", "seats:extend", {"ok": True, "hold": extended, "server_time": 700_010}, hold=chitra)

    dev = run.hold(900_000, "dev", "A-4", request="d1", name="dev1")
    paid = run.hold(901_000, "dev", "A-5", request="d2", name="dev2")
    run.confirm(999_000, "dev", paid, "A-5", state="pending")
    run.fault(LOSS_AT, "begin")
    run.ask(1_001_000, "farah", "seats:hold", None, ms=6_000, show=SHOW, seats=["A-6"], request_id="f0")
    run.fault(1_002_000, "healed")
    run.fault(1_003_000, "recovered")
    run.epoch, run.version = "e2", 1
    whole = pack_seats(bytes((2, 2, 1, 0, 0, 0, 0, 3)))
    run.event(1_002_900, "viewer", "seats:changed", show=SHOW, epoch="e2", version=1, seats=whole)
    run.event(1_002_950, "dev", "hold:expired", hold=dev, show=SHOW, reason="lost")
    run.refuse(1_005_000, "dev", "seats:confirm", "hold_lost", hold=paid)

    run.confirm(1_170_000, "chitra", chitra, "A-3")
    run.change(1_170_015, sold=("A-3",))

    esha = run.hold(1_200_000, "esha", "A-4", "A-5")
    left = {"id": esha, "show": SHOW, "seats": ["A-5"], "expires_at": 1_200_010 + HOLD_MS}
    run.ask(1_250_000, "esha", "seats:release", {"ok": True, "hold": left}, hold=esha, seats=["A-4"])
    run.change(1_250_015, free=("A-4",))
    run.confirm(1_300_000, "esha", esha, "A-5")
    run.change(1_300_015, sold=("A-5",))

    for number in range(4):
        at = 1_400_000 + number * 500_000
        farah = run.hold(at, "farah", "A-4", request=f"f{number + 1}", name=f"farah{number}")
        run.ask(at + 60_000, "farah", "seats:release", None, hold=farah)
        run.ask(at + 61_000, "farah", "seats:release", {"ok": True}, hold=farah)
        run.change(at + 61_015, free=("A-4",))
    run.fault(3_100_000, "begin", kind="region gone", loses_data=False)
    for status, at in (("stale", 3_103_000), ("live", 3_111_000)):
        run.event(at, "viewer", "show:status", show=SHOW, status=status)
    run.fault(3_110_000, "healed", kind="region gone", loses_data=False)
    beside = "keeper west and node 1"
    partition = partial(run.fault, kind=Kind.PARTITION.value, target=beside)
    partition(3_200_000, "begin")
    run.refuse(3_206_000, "dev", "seats:hold", "region_unavailable", show=SHOW, seats=["A-6"], request_id="d3")
    run.add(3_210_000, "cut_off", "", region="west", target=beside, master="master west", written_ms=1_900)
    partition(3_210_000, "healed")
    partition(3_210_100, "recovered")
    run.sort()

    bookings = [
        Booking(asha, "owner-asha", (0, 1)),
        Booking(chitra, "owner-chitra", (2,)),
        Booking(esha, "owner-esha", (4,)),
    ]
    paid_holds = {"asha": asha, "chitra": chitra, "esha": esha, "dev": paid}
    taken = {0: asha, 1: asha, 2: chitra, 4: esha}
    run.final = FinalState(
        {SHOW: ShowState(SEATS, bookings, run.epoch, run.version, "22202003", taken, {}, frozenset({7}))},
        {"west": 0},
        {"west": 0},
        Rogue([True, True], [True]),
        Money(
            [BankPayment(f"p-{name}", hold, 90_000) for name, hold in paid_holds.items()],
            [BankRefund("p-dev", 90_000)],
            [BookingRow(booking_of(each.hold), each.hold, f"p-{each.owner[6:]}", 90_000) for each in bookings],
            [RefundRow(paid, "p-dev", 90_000, done=True)],
        ),
    )
    return run
