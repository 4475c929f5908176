"""Leases of tickets on SQLite and PostgreSQL: one device at a time, and every reported admission is kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from realtime import limits
from realtime.errors import AlreadyAdmitted, TicketLeased
from realtime.ledger import Ledger, StaleFencingToken
from realtime.ledger.gate_leases import ConflictKind, Ended, LeaseAsk, Leased, count_gate_conflicts, lease_key
from realtime.ledger.rows import AdmissionRow, CancelledBy

from .test_store import booking, ledger

__all__ = ["ledger"]
NORTH, SOUTH = lease_key("north"), lease_key("south")
UNTIL = 10_000


def wants(lease: str, *seats: int, until: int = UNTIL) -> LeaseAsk:
    return LeaseAsk(lease, f"gate {lease[:4]}", "west-s", until, frozenset(seats) if seats else None)


async def sell(ledger: Ledger, *names: str) -> dict[str, str]:
    """Book a seat for each name; return the ticket codes by name."""
    await ledger.record([booking(name, [n]) for n, name in enumerate(names)])
    found = {name: await ledger.booking(booking(name, []).id) for name in names}
    return {name: row.code for name, row in found.items() if row is not None}


def names(leased: Leased) -> list[str]:
    return sorted(each.booking.partition(".b")[2].strip("_") for each in leased.tickets)


async def report(ledger: Ledger, lease: str, now: int, **admitted_at: int) -> dict[str, str]:
    return await ledger.report_admissions(lease, "gate", "gateway", admitted_at, now, was_on=at_any_time)


def at_any_time(_starts_at: str, _admitted_at: int) -> bool:
    return True


async def test_of_many_devices_at_once_each_ticket_is_on_one_list(ledger: Ledger) -> None:
    await sell(ledger, *"abcdef")
    devices = [lease_key(str(n)) for n in range(6)]
    asked = [ledger.lease(wants(device, n, n + 1, n + 2), 1) for n, device in enumerate(devices)]
    leased = await asyncio.gather(*asked)
    listed = [name for each in leased for name in names(each)]
    assert sorted(listed) == list("abcdef")
    again = await asyncio.gather(*(ledger.lease(wants(device), 2) for device in devices))
    assert [names(each) for each in again] == [names(each) for each in leased], "a list is renewed, not taken away"


async def test_of_a_lease_and_an_admission_at_once_the_second_sees_the_first(ledger: Ledger) -> None:
    await sell(ledger, *"abcdefgh")
    admissions = [ledger.admit(AdmissionRow(booking(name, []).id, 1, "door")) for name in "abcdefgh"]
    answers = await asyncio.gather(
        *admissions[:4], ledger.lease(wants(NORTH), 1), *admissions[4:], return_exceptions=True
    )
    leased = next(each for each in answers if isinstance(each, Leased))
    others = [each for each in answers if not isinstance(each, Leased)]
    refused = [name for name, answer in zip("abcdefgh", others, strict=True) if isinstance(answer, TicketLeased)]
    assert names(leased) == refused
    assert [each for each in others if each is not None and not isinstance(each, TicketLeased)] == []


async def test_only_the_device_with_the_ticket_admits_until_the_lease_ends(ledger: Ledger) -> None:
    await sell(ledger, "a", "b", "c")
    assert names(await ledger.lease(wants(NORTH, 0, 1), 1)) == ["a", "b"]
    a, b = booking("a", []).id, booking("b", []).id
    with pytest.raises(TicketLeased) as refused:
        await ledger.admit(AdmissionRow(a, UNTIL - 1, "door"))
    assert refused.value.details == {"gate": f"gate {NORTH[:4]}", "until": UNTIL}
    with pytest.raises(TicketLeased):
        await ledger.cancel(a, CancelledBy.OWNER, UNTIL - 1)
    await ledger.admit(AdmissionRow(a, 2, "north", NORTH))
    await ledger.admit(AdmissionRow(booking("c", []).id, 2, "door"))
    assert names(await ledger.lease(wants(NORTH), 3)) == ["b"]
    assert (await ledger.lease(wants(SOUTH), UNTIL - 1)).elsewhere == 1
    await ledger.admit(AdmissionRow(b, UNTIL, "door"))
    assert await ledger.open_leases(1) == []


async def test_a_returned_list_is_free_and_an_old_keeper_leases_nothing(ledger: Ledger) -> None:
    await sell(ledger, "a", "b")
    await ledger.lease(wants(NORTH), 1)
    for stale in (
        ledger.lease(wants(SOUTH), 2, "an old token"),
        ledger.end_lease(NORTH, "an old token"),
        ledger.report_admissions(NORTH, "gate", "gateway", {}, 2, "an old token", was_on=at_any_time),
    ):
        with pytest.raises(StaleFencingToken):
            await stale
    assert [(each.lease, each.tickets, each.until) for each in await ledger.open_leases(2)] == [(NORTH, 2, UNTIL)]
    assert (await ledger.end_lease(NORTH), await ledger.end_lease(NORTH)) == (Ended(2), Ended(0))
    assert names(await ledger.lease(wants(SOUTH), 3)) == ["a", "b"]
    await ledger.cancel(booking("a", []).id, CancelledBy.OPERATOR, 4)
    assert names(await ledger.lease(wants(SOUTH), 5)) == ["b"], "operators cancel at any time"
    await ledger.delete_old(UNTIL + 1)
    assert await ledger.open_leases(0) == []


async def test_a_report_is_recorded_once_however_often_it_comes(ledger: Ledger) -> None:
    codes = await sell(ledger, "a", "b")
    await ledger.lease(wants(NORTH), 1)
    said = {codes["a"]: 5, codes["b"]: 6, "BBBBBBBB": 7}
    first = await report(ledger, NORTH, 20_000, **said)
    assert first == {codes["a"]: "admitted", codes["b"]: "admitted", "BBBBBBBB": "unknown"}
    replays = await asyncio.gather(*(report(ledger, NORTH, 20_000 + n, **said) for n in range(4)))
    assert replays == [first] * 4
    admitted = await ledger.admission(booking("a", []).id)
    assert admitted == AdmissionRow(booking("a", []).id, 5, "gate", NORTH)
    with pytest.raises(AlreadyAdmitted):
        await ledger.admit(AdmissionRow(booking("a", []).id, 30_000, "door"))
    assert (await ledger.gate_conflicts(), await ledger.open_leases(0)) == ([], [])
    said = {codes["a"]: 5}
    nowhere = await ledger.report_admissions(NORTH, "gate", "another-theatre", said, 30_000, was_on=at_any_time)
    assert nowhere == {codes["a"]: "unknown"}


async def test_a_reported_admission_that_contradicts_another_is_a_conflict_and_stays_one(ledger: Ledger) -> None:
    codes = await sell(ledger, *"abcde")
    ids = {name: booking(name, []).id for name in "abcde"}
    await ledger.lease(wants(NORTH, 0, 1, 2, 3), 1)
    await ledger.admit(AdmissionRow(ids["a"], UNTIL, "door"))  # its lease has ended
    await ledger.cancel(ids["b"], CancelledBy.OPERATOR, 2)
    assert names(await ledger.lease(replace(wants(SOUTH, 2), until=3 * UNTIL), UNTIL)) == ["c"]
    said = {codes[name]: 9 for name in "abc"} | {codes["d"]: UNTIL + 1, codes["e"]: 9}
    wanted = dict(zip("abcde", ["twice", "cancelled", "lease_over", "lease_over", "lease_over"], strict=True))
    for now in (2 * UNTIL, 2 * UNTIL + 1):
        outcomes = await report(ledger, NORTH, now, **said)
        assert {name: outcomes[codes[name]] for name in "abcde"} == wanted
    found = {each.booking: (each.kind, each.admitted_at, each.reported_at) for each in await ledger.gate_conflicts()}
    assert found[ids["c"]] == (ConflictKind.LEASE_OVER, 9, 2 * UNTIL)
    assert len(found) == 5
    assert {each.booking: each.code for each in await ledger.gate_conflicts()} == {ids[n]: codes[n] for n in "abcde"}
    async with ledger.snapshot() as connection:
        recent = await count_gate_conflicts(connection, 2 * UNTIL)
        assert recent == {"twice": 1, "cancelled": 1, "lease_over": 3}
        recent = await count_gate_conflicts(connection, 2 * UNTIL + 1)
        assert recent == {"twice": 0, "cancelled": 0, "lease_over": 0}
    with pytest.raises(AlreadyAdmitted):
        await ledger.admit(AdmissionRow(ids["c"], 2 * UNTIL, "south", SOUTH))
    assert (await report(ledger, SOUTH, 2 * UNTIL, **{codes["c"]: 2 * UNTIL}))[codes["c"]] == "twice"
    assert [each.lease for each in await ledger.gate_conflicts(ids["c"])] in ([NORTH, SOUTH], [SOUTH, NORTH])
    assert (await ledger.admission(ids["b"]), await ledger.open_leases(0)) == (None, [])


async def test_a_list_has_a_limit_and_keeps_what_it_had(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    await sell(ledger, *"abcd")
    monkeypatch.setattr(limits, "MAX_LEASED", 2)
    assert names(await ledger.lease(wants(NORTH, 2, 3), 1)) == ["c", "d"]
    leased = await ledger.lease(wants(NORTH), 2)
    assert (names(leased), leased.left_over) == (["c", "d"], 2)
