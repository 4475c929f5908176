"""Gates lease tickets over HTTP to admit without a network, and report later; nobody else gets anything that way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from realtime.dev.cluster import Cluster
from realtime.ledger.gate_leases import lease_key
from realtime.locks.commands import run_command
from realtime.model import show_of
from tests.cluster import new_show, node_urls

from .test_gate import Gates, ask, code_of
from .test_staff import add, call
from .test_tickets import booked, post

NORTH, SOUTH = "n" * 32, "s" * 32


def soon() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def gate(cluster: Cluster, path: str, body: dict[str, Any], *, key: str = "", node: int = 0) -> dict[str, Any]:
    token = key or cluster.secrets["OPERATOR_KEY"]
    _status, answer = await call(node_urls(cluster)[node], token, "POST", f"/gate/{path}", json=body)
    return answer.get("error", answer)  # type: ignore[no-any-return]


def of(lease: str, show: str = "", **more: Any) -> dict[str, Any]:
    names = {"theatre": "west-hall", "lease": lease, "gate": f"gate {lease[0]}"}
    return {**names, **({"show": show} if show else {}), **more}


async def test_two_devices_never_have_one_ticket_and_an_online_gate_sends_people_to_its_device(
    cluster: Cluster,
) -> None:
    owner, booking = await booked(cluster, starts_at=soon(), cancel_until="2030-01-01T00:00Z")
    show, code = show_of(booking), await code_of(cluster, owner)
    asked = (gate(cluster, "lease", of(lease, show), node=n) for n, lease in enumerate((NORTH, SOUTH)))
    answers = await asyncio.gather(*asked)
    assert sorted(tuple(answer["tickets"]) for answer in answers) == [(), (code,)]
    (winner, loser) = (NORTH, SOUTH) if answers[0]["tickets"] else (SOUTH, NORTH)
    first = answers[0] if winner == NORTH else answers[1]
    assert (first["tickets"], first["lease_ms"]) == ({code: ["A-1", "A-2"]}, 7_200_000)
    assert first["seats"] == {"A-1": ["Stalls", "A", "1"], "A-2": ["Stalls", "A", "2"]}
    assert first["keys"] == (await ask(cluster, "/tickets/keys"))["keys"]
    renewed = await gate(cluster, "lease", of(winner, show, known=first["digest"]))
    assert (renewed["tickets"], renewed["seats"], renewed["until"] >= first["until"]) == (None, None, True)
    assert (await gate(cluster, "lease", of(loser, show)))["elsewhere"] == 1

    gates = Gates(cluster)
    for refused in (await gates.show(code), await gates.show(code, lease=loser)):
        assert (refused["code"], refused["gate"]) == ("ticket_leased", f"gate {winner[0]}")
    status, late = await post(cluster, f"/bookings/{booking}/cancel", owner)
    assert (status, late["error"]["code"]) == (409, "ticket_leased")
    assert await gate(cluster, "return", of(loser)) == {"tickets": 0}
    assert await gate(cluster, "return", of(winner)) == {"tickets": 1}
    assert (await gates.show(code))["booking"]["code"] == code


async def test_reports_are_recorded_once_and_contradictions_are_shown_to_operators(cluster: Cluster) -> None:
    owner, booking = await booked(cluster, starts_at=soon())
    show, code = show_of(booking), await code_of(cluster, owner)
    assert code in (await gate(cluster, "lease", of(NORTH, show)))["tickets"]
    shown = [
        {"lease": each["lease"], "gate": each["gate"], "show": each["show_id"], "tickets": each["tickets"]}
        for each in (await ask(cluster, "/ops/gate"))["leases"]
        if each["show_id"] == show
    ]
    (mine,) = shown
    assert (mine["gate"], mine["tickets"], NORTH in str(shown)) == ("gate n", 1, False)
    said = of(NORTH, admitted={code: 60_000})
    for node in range(2):
        assert (await gate(cluster, "reports", said, node=node))["outcomes"] == {code: "admitted"}
    story = await ask(cluster, f"/ops/bookings/{booking}")
    assert (story["admission"]["gate"], story["conflicts"]) == ("gate n", [])
    assert (await gate(cluster, "reports", of(SOUTH, admitted={code: 0})))["outcomes"] == {code: "twice"}
    story = await ask(cluster, f"/ops/bookings/{booking}")
    assert [(each["kind"], each["gate"]) for each in story["conflicts"]] == [("twice", "gate s")]
    overview = await ask(cluster, "/ops/gate")
    conflicts = [(each["gate"], each["code"]) for each in overview["conflicts"] if each["booking"] == booking]
    assert conflicts == [("gate s", code)]
    assert overview["shows"][show]["theatre"] == "Test Hall"


async def test_an_operator_ends_the_lease_of_a_device_that_is_lost(cluster: Cluster) -> None:
    owner, booking = await booked(cluster, starts_at=soon())
    show, code = show_of(booking), await code_of(cluster, owner)
    await gate(cluster, "lease", of(NORTH, show))
    (lost,) = [each for each in (await ask(cluster, "/ops/gate"))["leases"] if each["show_id"] == show]
    token = await add(cluster, "scanner", "--role", "gate", "--theatre", "west-hall", "--region", "west")
    path = f"/ops/gate/leases/{lost['lease']}/end?region=west"
    assert (await call(node_urls(cluster)[0], token, "POST", path))[0] == 403
    assert await call(node_urls(cluster)[0], cluster.secrets["OPERATOR_KEY"], "POST", path) == (200, {"tickets": 1})
    assert "booking" in await Gates(cluster).show(code)
    assert (await gate(cluster, "reports", of(NORTH, admitted={code: 0})))["outcomes"] == {code: "twice"}


async def test_what_no_gate_of_the_theatre_asks_for_is_refused_and_leases_nothing(cluster: Cluster) -> None:
    owner, booking = await booked(cluster, starts_at=soon())
    show, code = show_of(booking), await code_of(cluster, owner)
    later = show_of((await booked(cluster))[1])
    await new_show(cluster, "south")
    elsewhere = await add(cluster, "other", "--role", "gate", "--theatre", "south-hall", "--region", "south")
    shop = await add(cluster, "shop", "--role", "service")
    cases: tuple[tuple[str, dict[str, Any], str, str], ...] = (
        ("lease", of(NORTH, show), elsewhere, "forbidden"),
        ("return", of(NORTH), elsewhere, "forbidden"),
        ("reports", of(NORTH, admitted={code: 1}), elsewhere, "forbidden"),
        ("lease", of(NORTH, show), owner, "forbidden"),
        ("reports", of(NORTH, admitted={code: 1}), shop, "forbidden"),
        ("lease", of(NORTH, show, theatre="nowhere"), "", "theatre_not_found"),
        ("lease", of(NORTH, show, theatre="south-hall"), "", "show_not_found"),
        ("lease", of(NORTH, "west-none"), "", "show_not_found"),
        ("lease", of(NORTH, later), "", "wrong_show"),
        ("lease", of("short", show), "", "bad_request"),
        ("lease", of("n" * 31 + "\n", show), "", "bad_request"),
        ("lease", of(NORTH, show, sections=["x"] * 501), "", "bad_request"),
        ("reports", of(NORTH, admitted={}), "", "bad_request"),
        ("reports", of(NORTH, admitted={f"{n:08}": 1 for n in range(101)}), "", "bad_request"),
        ("reports", of(NORTH, admitted={code: -1}), "", "bad_request"),
        ("reports", of(NORTH, admitted={code: 10**15}), "", "bad_request"),
    )
    for path, body, key, refusal in cases:
        assert (await gate(cluster, path, body, key=key))["code"] == refusal, (path, body)
    assert (await gate(cluster, "lease", of(NORTH, show, sections=["Balcony"])))["tickets"] == {}
    other = of(NORTH, theatre="south-hall", admitted={code: 1, "BBBBBBBB": 1})
    assert (await gate(cluster, "reports", other))["outcomes"] == {code: "unknown", "BBBBBBBB": "unknown"}
    assert [each for each in (await ask(cluster, "/ops/gate"))["leases"] if each["show_id"] == show] == []
    (found,) = [each for each in (await ask(cluster, "/gate/shows?theatre=west-hall"))["shows"] if each["id"] == show]
    assert found["sections"] == ["Stalls"]
    assert (await ask(cluster, "/gate/shows?theatre=west-hall", elsewhere))["code"] == "forbidden"
    assert (await ask(cluster, "/ops/gate", elsewhere))["code"] == "forbidden"
    assert "booking" in await Gates(cluster).show(code), "nobody was admitted by any of this"


async def test_a_gate_of_another_theatre_of_the_region_neither_ends_a_lease_nor_gets_anything_from_it(
    cluster: Cluster,
) -> None:
    owner, booking = await booked(cluster, starts_at=soon())
    show, code = show_of(booking), await code_of(cluster, owner)
    async with cluster.masters() as masters:
        await run_command(masters["west"], "theatre", {"id": "west-annex", "name": "Annex", "city": "Somewhere"})
    theirs = show_of((await booked(cluster, starts_at=soon(), theatre="west-annex"))[1])
    annex = await add(cluster, "annex", "--role", "gate", "--theatre", "west-annex", "--region", "west")
    secret = "shared-by-both-theatres"
    there = of(secret, theatre="west-annex")

    async def left() -> list[str]:
        leases = (await ask(cluster, "/ops/gate"))["leases"]
        return sorted(each["show_id"] for each in leases if each["lease"] == lease_key(secret))

    assert code in (await gate(cluster, "lease", of(secret, show)))["tickets"]
    refused = await gate(cluster, "return", there, key=annex)
    assert (refused["code"], refused["show"], await left()) == ("wrong_show", show, [show])
    assert (await gate(cluster, "lease", {**there, "show": show}, key=annex))["code"] == "wrong_show"
    assert (await gate(cluster, "reports", {**there, "admitted": {code: 1}}, key=annex))["outcomes"][code] == "unknown"
    gates = Gates(cluster)
    assert (await gates.show(code, theatre="west-annex", key=annex, lease=secret))["code"] == "wrong_show"
    # Even if both use the same secret, each theatre ends its own.
    assert (await gate(cluster, "lease", {**there, "show": theirs}, key=annex))["tickets"]
    assert await left() == sorted([show, theirs])
    assert await gate(cluster, "return", there, key=annex) == {"tickets": 1}
    assert await left() == [show]
    assert (await gates.show(code))["code"] == "ticket_leased"
    assert await gate(cluster, "return", of(secret)) == {"tickets": 1}
