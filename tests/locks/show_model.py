"""A simple model of a show: what the Lua functions should make of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from realtime import limits

SEATS = 12


@dataclass
class ModelHold:
    owner: str
    asked: list[int]
    seats: list[int]
    state: str = "held"
    lapsed: bool = False
    extensions: int = 0
    void: bool = False
    payment: str = ""
    released: list[int] = field(default_factory=list)


class ShowModel:
    """What a show should be, written the obvious way: a dict of holds; the map follows from it."""

    def __init__(self) -> None:
        self.holds: dict[str, ModelHold] = {}
        self.blocked: set[int] = set()
        self.sales = "open"
        self.outbox: list[tuple[str, str]] = []
        self.rebuilt = False

    def holder(self, seat: int) -> str | None:
        for name, hold in self.holds.items():
            if hold.state in ("held", "confirming", "booked") and seat in hold.seats:
                return name
        return None

    def map(self) -> str:
        digits = ["3" if seat in self.blocked else "0" for seat in range(SEATS)]
        for hold in self.holds.values():
            if hold.state in ("held", "confirming", "booked"):
                for seat in hold.seats:
                    digits[seat] = "2" if hold.state == "booked" else "1"
        return "".join(digits)

    def in_the_way(self, name: str, seats: list[int]) -> list[int]:
        taken = [seat for seat in seats if seat in self.blocked]
        for seat in seats:
            holder = self.holder(seat)
            if holder not in (None, name) and not self.lapsed(holder):
                taken.append(seat)
        return sorted(taken)

    def lapsed(self, name: str | None) -> bool:
        return name is not None and self.holds[name].state == "held" and self.holds[name].lapsed

    def sweep(self, seats: list[int], but: str = "") -> None:
        for seat in seats:
            holder = self.holder(seat)
            if holder != but and self.lapsed(holder):
                assert holder is not None
                self.holds[holder].state = "expired"

    def hold(self, name: str, owner: str, seats: list[int]) -> str:
        known = self.holds.get(name)
        if known is not None:
            if known.void:
                return "hold_lost"
            if known.asked != seats:
                return "request_reused"
            if known.state == "expired" or self.lapsed(name):
                return "hold_expired"
            if known.state == "lost":
                return "hold_lost"
            return "ok" if known.state in ("held", "confirming", "booked") else "request_reused"
        if self.sales != "open":
            return f"sales_{self.sales}"
        if self.in_the_way(name, seats):
            return "seats_taken"
        self.sweep(seats)
        self.holds[name] = ModelHold(owner, seats, seats)
        return "ok"

    def void_all(self) -> list[tuple[str, str]]:
        lost = []
        for name, hold in self.holds.items():
            if hold.state in ("held", "confirming"):
                lost.append((name, hold.owner))
            if hold.state in ("held", "confirming", "expired", "lost"):
                hold.state, hold.void = "lost", True
        # As the keeper does before: what was on its way to the ledger comes back as a refund.
        self.outbox = [
            ("refund", name) if kind == "booking" and self.holds[name].void else (kind, name)
            for kind, name in self.outbox
        ]
        return sorted(lost)

    ended = {  # noqa: RUF012
        "released": "hold_ended",
        "expired": "hold_expired",
        "lost": "hold_lost",
        "rejected": "booking_rejected",
    }

    def mine(self, name: str, owner: str) -> str:
        if name not in self.holds:
            return "hold_lost" if self.rebuilt else "hold_not_found"
        return "" if self.holds[name].owner == owner else "not_your_hold"

    def changeable(self, name: str, owner: str) -> str:
        refusal = self.mine(name, owner)
        if refusal:
            return refusal
        hold = self.holds[name]
        if hold.state in self.ended:
            return self.ended[hold.state]
        if hold.state != "held":
            return "hold_confirmed"
        return "hold_expired" if hold.lapsed else ""

    def extend(self, name: str, owner: str) -> str:
        refusal = self.changeable(name, owner)
        if refusal:
            return refusal
        if self.holds[name].extensions >= limits.MAX_EXTENSIONS:
            return "extend_limit"
        self.holds[name].extensions += 1
        return "ok"

    def release(self, name: str, owner: str, some: list[int] | None) -> str:
        if name in self.holds and self.holds[name].owner == owner and self.holds[name].state == "released":
            return "ok"
        refusal = self.changeable(name, owner)
        if refusal:
            return refusal
        hold = self.holds[name]
        going = hold.seats if some is None else some
        if any(seat not in hold.seats and seat not in hold.released for seat in going):
            return "seat_not_found"
        rest = [seat for seat in hold.seats if seat not in going]
        if not rest:
            hold.state = "released"
        else:
            hold.released += [seat for seat in going if seat in hold.seats]
            hold.seats = rest
        return "ok"

    def confirm(self, name: str, owner: str, payment: str, some: list[int] | None = None) -> str:
        hold = self.holds.get(name)
        if hold is None:
            self.outbox.append(("refund", name))
            self.holds[name] = ModelHold(owner, [], [], state="lost", void=True, payment=payment)
            return "hold_lost" if self.rebuilt else "hold_not_found"
        answer = self.decided(name, hold, payment) or self.book(name, hold, payment, some)
        return answer if hold.owner == owner else "not_your_hold"

    def decided(self, name: str, hold: ModelHold, payment: str) -> str:
        if hold.state in ("confirming", "booked"):
            if payment != hold.payment:
                self.outbox.append(("refund", name))
            return "ok"
        if hold.state == "rejected":
            if payment != hold.payment:
                self.outbox.append(("refund", name))
            return "booking_rejected"
        if hold.state == "released" or hold.void:
            hold.payment = payment
            self.outbox.append(("refund", name))
            return self.ended[hold.state]
        return ""

    def book(self, name: str, hold: ModelHold, payment: str, some: list[int] | None) -> str:
        if some is not None:
            if any(seat not in hold.seats for seat in some):
                self.outbox.append(("refund", name))
                return "seat_not_found"
            hold.seats = some
        if hold.state != "held" or hold.lapsed:
            if self.sales != "open" or self.in_the_way(name, hold.seats):
                hold.state, hold.payment = "rejected", payment
                self.outbox.append(("refund", name))
                return "booking_rejected"
            self.sweep(hold.seats, but=name)
        hold.state, hold.payment = "confirming", payment
        self.outbox.append(("booking", name))
        return "ok"
