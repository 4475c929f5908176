"""The judges of a crowd: the truth is acquitted, a planted second owner and a planted wrong map are found."""

from __future__ import annotations

from itertools import permutations

import orjson

from loadtest.crowd.board import Board, MapState, Probe
from loadtest.crowd.judge import Claim, Judge
from realtime import wire

FOR_EVER = float("inf")


def judged(*claims: Claim) -> list[str]:
    judge = Judge()
    for claim in claims:
        judge.take("west-s", ["A-1"], claim)
    assert judge.checked == len(claims)
    return judge.violations


def test_one_after_the_other_is_no_crime() -> None:
    assert judged(Claim("h1", 1, 2, 5), Claim("h2", 5.1, 5.2, 9), Claim("h3", 9.1, 9.3, FOR_EVER)) == []


def test_a_race_that_nobody_can_have_seen_the_order_of_is_no_crime() -> None:
    # h2 was asked for before h1 was let go, and told after: the seat may have changed hands in between.
    assert judged(Claim("h1", 1, 2, 5), Claim("h2", 4, 6, 9)) == []


def test_a_second_owner_is_found_in_whatever_order_it_is_told() -> None:
    claims = (Claim("h1", 1, 2, 50), Claim("h2", 10, 11, 12), Claim("h3", 60, 61, 62))
    for order in permutations(claims):
        assert judged(*order) == [judged(*order)[0]]
        assert "h1" in judged(*order)[0]
        assert "h2" in judged(*order)[0]


def test_a_seat_booked_twice_is_found() -> None:
    violations = judged(Claim("h1", 1, 2, FOR_EVER), Claim("h2", 1, 2, FOR_EVER))
    assert violations == ["west-s A-1: booked by h1 and by h2"]


def test_what_was_told_booked_must_be_sold_in_the_end() -> None:
    judge = Judge()
    judge.take("west-s", ["A-1", "A-2"], Claim("h1", 1, 2, FOR_EVER))
    judge.sold("west-s", {"A-1": 2, "A-2": 0})
    assert judge.violations == ["west-s A-2: told booked to h1, but not sold on the map"]


# --- maps ---------------------------------------------------------------------------------------------------------
def changed(version: int, **lists: list[int]) -> bytes:
    payload = {"show": "s", "epoch": "e", "from": version - 1, "version": version, **lists}
    return b'42["seats:changed",' + orjson.dumps(payload) + b"]"


def watched(board: Board, version: int = 1) -> MapState:
    answer = {"show": "s", "epoch": "e", "version": version, "seats": wire.pack_seats(bytes(4))}
    return board.watched("s", None, answer)


def after(board: Board, state: MapState, text: bytes) -> MapState:
    state_after, _ = board.changed(state, board.frame(text, 0.0))
    assert state_after is not None
    return state_after


def test_viewers_who_were_sent_the_same_have_the_same_map_and_others_have_not() -> None:
    board = Board({"s": 4})
    one, other = watched(board), watched(board)
    assert one is other
    one = after(board, one, changed(2, held=[1]))
    other = after(board, other, changed(2, held=[1]))
    assert one is other
    liar = after(board, watched(board), changed(2, held=[2]))
    assert (liar.epoch, liar.version) == (one.epoch, one.version)
    assert liar.statuses != one.statuses


def test_a_gap_is_seen_and_mended_by_what_was_missed() -> None:
    board = Board({"s": 4})
    state = watched(board)
    assert board.changed(state, board.frame(changed(3, sold=[0]), 0.0))[0] is None
    mended = board.watched("s", state, {"epoch": "e", "version": 3, "changes": {"from": 1, "held": [1], "sold": [0]}})
    assert (mended.version, mended.statuses) == (3, bytes((2, 1, 0, 0)))


def test_a_probe_is_met_once_by_each_viewer_even_if_it_comes_with_others() -> None:
    board = Board({"s": 4})
    probe = Probe("s", seat=1, asked_at=0.0)
    board.expect(probe)
    state = watched(board)
    one, met = board.changed(state, board.frame(changed(2, held=[1]), 0.0))
    assert (probe.version, met) == (2, (probe,))
    assert one is not None
    assert board.changed(one, board.frame(changed(3, free=[1]), 0.0))[1] == ()
    # Another node put the hold and the release into one frame: nothing is held in it, but its viewers have the news.
    both = b'42["seats:changed",{"show":"s","epoch":"e","from":1,"version":3,"free":[1]}]'
    assert board.changed(state, board.frame(both, 0.0))[1] == (probe,)


def test_what_is_remembered_is_bounded() -> None:
    board = Board({"s": 4})
    state = watched(board)
    for version in range(2, 10_000):
        state = after(board, state, changed(version, held=[version % 4]))
    assert state.version == 9_999
    assert len(board._frames) <= 4_096
