"""Admissions on the record path: once for a booking, not after a cancellation, not under an old fencing token."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from realtime import limits
from realtime.errors import AlreadyAdmitted, BookingCancelled, TicketError, TicketLeased
from realtime.keeper.gate import Gate
from realtime.ledger import Ledger, StaleFencingToken
from realtime.ledger.gate_leases import LeaseAsk, lease_key
from realtime.ledger.rows import AdmissionRow, CancelledBy
from realtime.ledger.shows import Shows
from realtime.locks.commands import run_command
from realtime.model import booking_of
from realtime.sales_window import to_ms

from .conftest import SHOW, Place
from .test_check import sold

STARTS_MS = to_ms("2030-01-01T18:30:00+05:30")
"""When ``SHOW`` starts."""


async def test_of_many_gates_at_once_one_admits(place: Place) -> None:
    booking = booking_of(await sold(place, "a", [1, 2]))
    ledgers = [Ledger(place.settings.topology.regions["west"].ledger) for _ in range(2)]
    asked = (ledgers[n % 2].admit(AdmissionRow(booking, n, f"gate {n}")) for n in range(8))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    await asyncio.gather(*(ledger.close() for ledger in ledgers))
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyAdmitted"] * 7 + ["NoneType"]
    first = answers.index(None)
    with pytest.raises(AlreadyAdmitted) as refused:
        await run_command(place.master, "admit", {"theatre": "gateway", "booking": booking, "show": SHOW})
    assert refused.value.details == {"admitted_at": first, "gate": f"gate {first}"}
    with pytest.raises(AlreadyAdmitted):
        await run_command(place.master, "cancel", {"booking": booking, "owner": "a"})
    await run_command(place.master, "cancel", {"booking": booking})
    assert (await place.seats())[1:3] == "00"


async def test_a_command_that_is_repeated_after_its_keeper_died_admits_as_the_first_time(place: Place) -> None:
    booking = booking_of(await sold(place, "a", [1]))
    await place.rest()
    gate = Gate(place.ledger, place.master, Shows(place.ledger))
    body = orjson.dumps({"theatre": "gateway", "booking": booking, "show": SHOW, "gate": "north"})
    done = await gate.admit(body, None, b"1700000000000-0")
    assert done["admitted_at"] == 1_700_000_000_000
    assert await gate.admit(body, None, b"1700000000000-0") == done
    for other in (b"1700000000000-1", b"1700000000001-0", b""):
        with pytest.raises(AlreadyAdmitted):
            await gate.admit(body, None, other)
    with pytest.raises(AlreadyAdmitted):
        await gate.admit(body.replace(b"north", b"south"), None, b"1700000000000-0")


async def test_a_report_that_waited_for_the_ledger_is_about_the_time_at_which_it_was_sent(place: Place) -> None:
    hold = await sold(place, "a", [1])
    booking = await place.ledger.booking(booking_of(hold))
    assert booking is not None
    await place.rest()
    sent_at = STARTS_MS
    await place.ledger.lease(LeaseAsk(lease_key("a lease"), "north", SHOW, sent_at + 1_000), sent_at - 60_000)
    gate = Gate(place.ledger, place.master, Shows(place.ledger))
    report = {"theatre": "gateway", "lease": "a lease", "gate": "north", "admitted": {booking.code: 5_000}}
    done = await gate.report(orjson.dumps(report), None, f"{sent_at}-3".encode())
    assert done == {"outcomes": {booking.code: "admitted"}}, "in time, although the lease has ended meanwhile"
    admission = await place.ledger.admission(booking.id)
    assert admission is not None and admission.at == sent_at - 5_000


@pytest.mark.parametrize(
    ("after_start_s", "outcome"),
    [
        (-limits.ADMIT_BEFORE_S - 1, "unknown"),
        (-limits.ADMIT_BEFORE_S, "lease_over"),
        (limits.ADMIT_AFTER_S + limits.GATE_LEASE_S, "lease_over"),
        (limits.ADMIT_AFTER_S + limits.GATE_LEASE_S + limits.GATE_LEASE_MARGIN_S + 1, "unknown"),
    ],
)
async def test_a_report_marks_no_ticket_of_a_show_that_was_not_on(
    place: Place, after_start_s: int, outcome: str
) -> None:
    """A thief with the token of a gate can't turn people away weeks before their show."""
    booking = await place.ledger.booking(booking_of(await sold(place, "a", [1])))
    assert booking is not None
    await place.rest()
    gate = Gate(place.ledger, place.master, Shows(place.ledger))
    report = {"theatre": "gateway", "lease": "a lease", "admitted": {booking.code: 7_000}}
    entry = f"{STARTS_MS + after_start_s * 1000 + 7_000}-0".encode()
    assert await gate.report(orjson.dumps(report), None, entry) == {"outcomes": {booking.code: outcome}}
    assert (await place.ledger.admission(booking.id) is None) == (outcome == "unknown")


async def test_a_command_that_was_refused_for_now_is_carried_out_when_it_comes_again(place: Place) -> None:
    booking, now = booking_of(await sold(place, "a", [1])), await place.master.time_ms()
    await place.ledger.lease(LeaseAsk("a lease", "north", SHOW, now + 60_000), now)
    admit = ("admit", {"theatre": "gateway", "booking": booking, "show": SHOW}, "the same request")
    with pytest.raises(TicketLeased):
        await run_command(place.master, *admit)
    await place.ledger.end_lease("a lease")
    done = await run_command(place.master, *admit)
    assert done["booking"] == booking
    assert await run_command(place.master, *admit) == done


async def test_a_cancelled_booking_admits_nobody_and_a_replaced_keeper_nothing(place: Place) -> None:
    kept, gone = booking_of(await sold(place, "a", [1])), booking_of(await sold(place, "b", [2]))
    await place.rest()
    await place.ledger.cancel(gone, CancelledBy.OPERATOR, 7)
    with pytest.raises(BookingCancelled):
        await place.ledger.admit(AdmissionRow(gone, 8, "north"))
    for stale in (
        place.ledger.admit(AdmissionRow(kept, 8, "north"), "an old token"),
        place.ledger.cancel(kept, CancelledBy.OPERATOR, 8, "an old token"),
    ):
        with pytest.raises(StaleFencingToken):
            await stale
    assert await place.ledger.admission(kept) is None


async def test_owners_cancel_their_own_bookings_only(place: Place) -> None:
    booking = booking_of(await sold(place, "a", [1]))
    with pytest.raises(TicketError) as refused:
        await run_command(place.master, "cancel", {"booking": booking, "owner": "b"})
    assert refused.value.code == "booking_not_found"
    done = await run_command(place.master, "cancel", {"booking": booking, "owner": "a"})
    assert await run_command(place.master, "cancel", {"booking": booking, "owner": "a"}) == done
    assert done["booking"]["cancelled_by"] == "owner"
