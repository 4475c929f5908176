"""Ownership checks and viewers' maps: correct claims pass, a planted second owner and a wrong map are found."""

from __future__ import annotations

from itertools import permutations

import orjson

from loadtest.crowd.map_store import MapState, MapStore, Probe
from loadtest.crowd.ownership import Claim, OwnershipCheck
from realtime.wire.maps import pack_seats

FOR_EVER = float("inf")


def violations_of(*claims: Claim) -> list[str]:
    check = OwnershipCheck()
    for claim in claims:
        check.add("west-s", ["A-1"], claim)
    assert check.checked == len(claims)
    return check.violations


def test_consecutive_holds_are_allowed() -> None:
    assert violations_of(Claim("h1", 1, 2, 5), Claim("h2", 5.1, 5.2, 9), Claim("h3", 9.1, 9.3, FOR_EVER)) == []


def test_overlapping_requests_prove_nothing() -> None:
    # h2 was requested before h1 ended, and acknowledged after it: the seat may have changed owners in between.
    assert violations_of(Claim("h1", 1, 2, 5), Claim("h2", 4, 6, 9)) == []


def test_a_second_owner_is_found_in_any_order_of_arrival() -> None:
    claims = (Claim("h1", 1, 2, 50), Claim("h2", 10, 11, 12), Claim("h3", 60, 61, 62))
    for order in permutations(claims):
        assert violations_of(*order) == [violations_of(*order)[0]]
        assert "h1" in violations_of(*order)[0]
        assert "h2" in violations_of(*order)[0]


def test_a_seat_booked_twice_is_found() -> None:
    violations = violations_of(Claim("h1", 1, 2, FOR_EVER), Claim("h2", 1, 2, FOR_EVER))
    assert violations == ["west-s A-1: booked by h1 and by h2"]


def test_a_booked_seat_must_be_sold_on_the_map() -> None:
    check = OwnershipCheck()
    check.add("west-s", ["A-1", "A-2"], Claim("h1", 1, 2, FOR_EVER))
    check.compare_with_map("west-s", {"A-1": 2, "A-2": 0})
    assert check.violations == ["west-s A-2: booked by h1, but not sold on the map"]


# --- maps ---------------------------------------------------------------------------------------------------------
def changed(version: int, **lists: list[int]) -> bytes:
    payload = {"show": "s", "epoch": "e", "from": version - 1, "version": version, **lists}
    return b'42["seats:changed",' + orjson.dumps(payload) + b"]"


def first_map(maps: MapStore, version: int = 1) -> MapState:
    answer = {"show": "s", "epoch": "e", "version": version, "seats": pack_seats(bytes(4))}
    return maps.apply_watch("s", None, answer)


def after(maps: MapStore, state: MapState, text: bytes) -> MapState:
    state_after, _ = maps.apply_change(state, maps.frame(text, 0.0))
    assert state_after is not None
    return state_after


def test_viewers_share_a_map_only_if_they_received_the_same() -> None:
    maps = MapStore({"s": 4})
    one, other = first_map(maps), first_map(maps)
    assert one is other
    one = after(maps, one, changed(2, held=[1]))
    other = after(maps, other, changed(2, held=[1]))
    assert one is other
    different = after(maps, first_map(maps), changed(2, held=[2]))
    assert (different.epoch, different.version) == (one.epoch, one.version)
    assert different.statuses != one.statuses


def test_a_gap_is_noticed_and_filled() -> None:
    maps = MapStore({"s": 4})
    state = first_map(maps)
    assert maps.apply_change(state, maps.frame(changed(3, sold=[0]), 0.0))[0] is None
    filled = maps.apply_watch(
        "s", state, {"epoch": "e", "version": 3, "changes": {"from": 1, "held": [1], "sold": [0]}}
    )
    assert (filled.version, filled.statuses) == (3, bytes((2, 1, 0, 0)))


def test_a_probe_is_delivered_once_to_each_viewer_also_inside_a_larger_change() -> None:
    maps = MapStore({"s": 4})
    probe = Probe("s", seat=1, asked_at=0.0)
    maps.expect(probe)
    state = first_map(maps)
    one, delivered = maps.apply_change(state, maps.frame(changed(2, held=[1]), 0.0))
    assert (probe.version, delivered) == (2, (probe,))
    assert one is not None
    assert maps.apply_change(one, maps.frame(changed(3, free=[1]), 0.0))[1] == ()
    # Another node combines the hold and the release in one frame. Its viewers have received the change as well.
    both = b'42["seats:changed",{"show":"s","epoch":"e","from":1,"version":3,"free":[1]}]'
    assert maps.apply_change(state, maps.frame(both, 0.0))[1] == (probe,)


def test_the_cache_of_frames_is_bounded() -> None:
    maps = MapStore({"s": 4})
    state = first_map(maps)
    for version in range(2, 10_000):
        state = after(maps, state, changed(version, held=[version % 4]))
    assert state.version == 9_999
    assert len(maps._frames) <= 4_096
