"""Checks of the final state alone: ledger and master agree, nothing is left over. No I/O."""

from __future__ import annotations

from collections.abc import Set

from loadtest.faults.judge.end_state import FinalState, ShowState
from loadtest.faults.judge.promises import LedgerRow
from loadtest.faults.judge.verdict import Verdict


def check_final_state(final: FinalState, confirmed: Set[str], verdict: Verdict) -> dict[str, LedgerRow]:
    """Check every show and region; return the ledger's bookings by hold.

    ``confirmed`` are the holds that some client asked to confirm.
    """
    ledger: dict[str, LedgerRow] = {}
    for show_id, show in final.shows.items():
        ledger |= _check_bookings(show_id, show, confirmed, verdict)
        _check_sold_seats(show_id, show, verdict)
        _check_holds(show_id, show, verdict)
    for region, left in final.outbox.items():
        verdict.check("every outbox is empty at the end", left == 0, f"{region}: {left} entries are left")
    for region, dead in final.dead_letters.items():
        verdict.check("there are no dead letters", dead == 0, f"{region}: {dead} dead letters")
    for refused in final.rogue.rebooking_refused:
        verdict.check("the ledger refuses a seat that is sold", refused, "a rogue keeper could book a sold seat")
    for refused in final.rogue.old_token_refused:
        text = "a rogue keeper could write under an old fencing token"
        verdict.check("the ledger refuses an old fencing token", refused, text)
    return ledger


def _check_bookings(show_id: str, show: ShowState, confirmed: Set[str], verdict: Verdict) -> dict[str, LedgerRow]:
    rows: dict[str, LedgerRow] = {}
    booked_by: dict[int, str] = {}
    for booking in show.bookings:
        rows[booking.hold] = booking.owner, frozenset(show.seat_ids[index] for index in booking.seats)
        for index in booking.seats:
            other = booked_by.setdefault(index, booking.hold)
            text = f"{show_id} {show.seat_ids[index]}: booked by {other} and by {booking.hold}"
            verdict.check("no seat is in two bookings", other == booking.hold, text)
        wrong = [i for i in booking.seats if show.digits[i : i + 1] != "2" or show.taken.get(i) != booking.hold]
        text = f"{booking.hold}: the master does not have seats {wrong} as sold to it"
        verdict.check("every booking is sold on the map", not wrong, text)
        text = f"{booking.hold}: booked, but nobody asked for it"
        verdict.check("every booking was requested", booking.hold in confirmed, text)
    return rows


def _check_sold_seats(show_id: str, show: ShowState, verdict: Verdict) -> None:
    booked = {index for booking in show.bookings for index in booking.seats}
    for index, digit in enumerate(show.digits):
        if digit == "2":
            text = f"{show_id} {show.seat_ids[index]}: sold on the map to {show.taken.get(index)}, not in the ledger"
            verdict.check("every sold seat is in the ledger", index in booked, text)


def _check_holds(show_id: str, show: ShowState, verdict: Verdict) -> None:
    held = [show.seat_ids[index] for index, digit in enumerate(show.digits) if digit == "1"]
    verdict.check("no seat stays held", not held, f"{show_id}: still held: {', '.join(held)}")
    verdict.check("no hold stays live", not show.live, f"{show_id}: still live: {show.live}")
