"""Challenges: who has to solve one before holding seats, and what counts as solved."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from altcha.v1 import solve_challenge

from realtime import keys
from realtime.errors import ChallengeRequired
from realtime.locks.master import LockMaster
from realtime.topology import ChallengeTerms, TopologyError
from realtime.web import challenge
from realtime.web.challenge import Altcha, Pressure, make_challenge
from tests.read_path import Node

SECRET, OWNER, SHOW = "a secret for the tests", "asha", "west-s"
TERMS = ChallengeTerms("altcha", 3, 1000.0, {"max_number": 200})


def solution_of(made: Mapping[str, Any], **changed: Any) -> str:
    solved = solve_challenge(made["challenge"], made["salt"], "SHA-256", made["maxnumber"])
    assert solved is not None
    fields = {name: made[name] for name in ("algorithm", "challenge", "salt", "signature")}
    return base64.b64encode(json.dumps({**fields, "number": solved.number, **changed}).encode()).decode()


def test_a_solution_is_accepted_by_all_nodes_for_what_it_was_made_for_and_for_a_short_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = (Altcha(SECRET, {"max_number": 200}) for _ in range(2))
    made = one.issue("west-s asha")
    solution = solution_of(made)
    assert other.solved(solution, "west-s asha") == made["challenge"]
    assert other.solved(solution, "west-s bala") is None
    assert Altcha("another secret here", {}).solved(solution, "west-s asha") is None
    monkeypatch.setattr(challenge, "SOLVE_S", -5)
    assert one.solved(solution_of(one.issue("x")), "x") is None


@pytest.mark.parametrize(
    "changed",
    [{"number": 10**6}, {"number": "5"}, {"number": -1}, {"salt": "x&"}, {"salt": 5}, {"algorithm": "SHA-1"},
     {"challenge": "0" * 64}, {"challenge": None}, {"signature": "0" * 64}],
)  # fmt: skip
def test_a_changed_solution_is_none(changed: dict[str, Any]) -> None:
    one = Altcha(SECRET, {"max_number": 200})
    made = one.issue("x")
    while made["challenge"] == solution_of(made, **changed):
        made = one.issue("x")
    assert one.solved(solution_of(made, **changed), "x") is None


@pytest.mark.parametrize("text", ["", "no base64!", "e30=", "W10=", base64.b64encode(b"[" * 2000).decode()])
def test_what_is_no_solution_is_none(text: str) -> None:
    assert Altcha(SECRET, {}).solved(text, "x") is None


async def required(pressure: Pressure, master: LockMaster, hold: str, address: str, solution: str | None) -> Any:
    try:
        await pressure.check_hold(master, SHOW, OWNER, hold, address, solution)
    except ChallengeRequired as error:
        return error.details["challenge"]
    return None


async def test_an_address_solves_one_from_some_holds_a_minute_on_and_each_is_used_once(own_node: Node) -> None:
    master = own_node.locks.master
    nodes = [Pressure(Altcha(SECRET, TERMS.options), TERMS) for _ in range(2)]
    assert [await required(nodes[0], master, f"h{n}", "house", None) for n in range(3)] == [None] * 3
    asked = await required(nodes[0], master, "h3", "house", None)
    assert await required(nodes[0], master, "h9", "another", None) is None
    solution = solution_of(asked)
    assert await required(nodes[0], master, "h3", "house", solution) is None
    assert await required(nodes[1], master, "h3", "house", solution) is None, "repeated: its answer may be lost"
    again = await required(nodes[1], master, "h4", "house", solution)
    assert again["challenge"] != asked["challenge"], "used at one node, it is used at all"
    assert 0 < await master.command("TTL", keys.solved_challenge(asked["challenge"])) < 3600


async def test_under_pressure_on_a_show_everybody_solves_one(own_node: Node) -> None:
    master = own_node.locks.master
    pressure = Pressure(Altcha(SECRET, {}), ChallengeTerms("altcha", 100, 2.0))
    answers = [await required(pressure, master, f"h{n}", "", None) for n in range(3)]
    assert [answer is None for answer in answers] == [True, True, False]


class Riddle:
    def __init__(self, secret: str, options: Mapping[str, object]) -> None:
        self.options = options

    def issue(self, bound_to: str) -> dict[str, Any]:
        return {"riddle": bound_to}

    def solved(self, solution: str, bound_to: str) -> str | None:
        return solution if solution == bound_to else None


def test_the_topology_chooses_the_challenge() -> None:
    assert make_challenge(ChallengeTerms(), SECRET) is None
    assert isinstance(make_challenge(TERMS, SECRET), Altcha)
    own = make_challenge(ChallengeTerms(f"{__name__}:Riddle", options={"a": 1}), SECRET)
    assert isinstance(own, Riddle) and own.options == {"a": 1}
    for service, options in (("nothing", {}), ("no.module:f", {}), ("altcha", {"max_number": 0}), ("altcha", {"x": 1})):
        with pytest.raises(TopologyError, match="challenge"):
            make_challenge(ChallengeTerms(service, options=options), SECRET)


async def test_a_solution_of_a_node_that_signs_with_the_other_secret_is_accepted_during_a_rotation(
    own_node: Node,
) -> None:
    master = own_node.locks.master
    old, new = (Altcha(secret, TERMS.options) for secret in (SECRET, "another secret here"))
    terms = ChallengeTerms("altcha", 1, 1000.0, TERMS.options)
    before, after = Pressure(old, terms, [new]), Pressure(new, terms, [old])
    for number, (asking, answering) in enumerate(((before, after), (after, before))):
        await required(asking, master, "h", "house", None)
        asked = await required(asking, master, "h", "house", None)
        assert await required(answering, master, f"h{number}", "house", solution_of(asked)) is None
        assert await required(asking, master, f"again{number}", "house", solution_of(asked)) is not None
