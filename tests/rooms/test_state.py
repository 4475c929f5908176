"""A room's state, pure: whatever the feed delivers, a viewer that applies its frames ends with the master's map."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import limits
from realtime.rooms.state import Frame, Outcome, RoomState
from realtime.wire.maps import ChangeMessage, pack_seats, seat_lists, unpack_seats

SIZE = 9


def change(version: int, seats: dict[int, int], epoch: str = "e1") -> ChangeMessage:
    return ChangeMessage(epoch, version, **seat_lists(seats))  # type: ignore[arg-type]


class Viewer:
    """Keeps a map from what it is sent, by the rules of docs/protocol.md; ``strict`` ones ignore corrections."""

    def __init__(self, state: RoomState, *, strict: bool = False) -> None:
        self.strict = strict
        self.join(state)

    def join(self, state: RoomState) -> None:
        self.epoch, self.version = state.epoch, state.version
        self.map = unpack_seats(state.snapshot(), SIZE)

    def take(self, state: RoomState, frame: Frame | None) -> None:
        if frame is None:
            return
        if frame.epoch == self.epoch and frame.version <= self.version:
            corrects = frame.from_version == frame.version == self.version and not self.strict
            if not corrects:
                return
        if self.epoch not in (frame.epoch, frame.previous_epoch):
            self.join(state)  # an epoch that began and ended between two frames: the whole map again
            return
        assert frame.from_version <= self.version
        for seat, status in frame.seats.items():
            self.map[seat] = status
        self.epoch, self.version = frame.epoch, frame.version


seats = st.dictionaries(st.integers(0, SIZE - 1), st.integers(0, 3), max_size=4)
verbs = ["change", "lose", "again", "frame", "join", "since", "epoch", "drift", "reread"]
steps = st.lists(st.tuples(st.sampled_from(verbs), seats), max_size=60)


@settings(max_examples=300)
@given(steps)
def test_viewers_end_with_the_master_s_map(plan: list[tuple[str, dict[int, int]]]) -> None:
    master, version, epoch = bytearray(SIZE), 1, "e1"
    state = RoomState(epoch, version, bytearray(SIZE))
    viewer, latecomer, strict = Viewer(state), Viewer(state), Viewer(state, strict=True)
    viewers = (viewer, latecomer, strict)
    past: list[ChangeMessage] = []
    left = (epoch, version, bytes(master))

    def reread() -> None:
        assert state.reset(epoch, version, bytearray(master))

    for step, changed in plan:
        if step in ("change", "lose", "epoch"):
            for seat, status in changed.items():
                master[seat] = status
            version += 1
            if step == "epoch":
                epoch += "x"
            message = change(version, changed, epoch)
            past.append(message)
            if step != "lose" and state.apply(message) is Outcome.GAP:
                reread()
        elif step == "again" and past:
            if state.apply(past[0]) is Outcome.GAP:
                reread()
        elif step == "frame":
            frame = state.take_frame()
            for each in viewers:
                each.take(state, frame)
        elif step == "join":
            latecomer.join(state)
            if changed:
                strict.join(state)
        elif step == "drift":
            # The master's map changes without a message: all others are wrong until it is read again.
            for seat, status in changed.items():
                master[seat] = status
        elif step == "reread":
            reread()
        elif step == "since":
            missed = state.since(left[0], left[1])
            if missed is not None:
                back = bytearray(left[2])
                for seat, status in missed.items():
                    back[seat] = status
                assert back == state.statuses
            left = (state.epoch, state.version, bytes(state.statuses))
    reread()
    frame = state.take_frame()
    for each in viewers:
        each.take(state, frame)
    assert viewer.map == master
    # A viewer that joined a wrong map between two frames, or ignores corrections, is right after the next change.
    version += 1
    assert state.apply(change(version, {}, epoch)) is Outcome.APPLIED
    frame = state.take_frame()
    for each in viewers:
        each.take(state, frame)
        assert each.map == master
        assert (each.epoch, each.version) == (epoch, version)
    assert not state.dirty


def test_a_lost_message_is_a_gap_and_nothing_is_applied() -> None:
    state = RoomState("e1", 1, bytearray(SIZE))
    assert state.apply(change(3, {0: 1})) is Outcome.GAP
    assert state.apply(change(2, {0: 1}, "e2")) is Outcome.GAP
    assert state.apply(change(2, {SIZE: 1})) is Outcome.GAP
    assert state.apply(change(2, {0: 1, -1: 1})) is Outcome.GAP
    assert (state.version, state.statuses) == (1, bytearray(SIZE))


def test_a_seat_that_was_held_and_freed_within_a_tick_still_moves_the_version() -> None:
    state = RoomState("e1", 1, bytearray(SIZE))
    state.apply(change(2, {4: 1}))
    state.apply(change(3, {4: 0}))
    frame = state.take_frame()
    assert frame is not None
    assert (frame.from_version, frame.version, frame.seats) == (1, 3, {4: 0})


def test_a_wrong_map_is_corrected_at_its_version_and_again_with_the_next_frame() -> None:
    state = RoomState("e1", 5, bytearray(SIZE))
    assert state.reset("e1", 5, bytearray(b"\3" + bytes(SIZE - 1)))
    frame = state.take_frame()
    assert frame is not None and (frame.from_version, frame.version, frame.seats) == (5, 5, {0: 3})
    assert state.since("e1", 5) == {0: 3}
    state.apply(change(6, {1: 1}))
    frame = state.take_frame()
    assert frame is not None and (frame.from_version, frame.version, frame.seats) == (5, 6, {0: 3, 1: 1})
    state.apply(change(7, {1: 0}))
    frame = state.take_frame()
    assert frame is not None and frame.seats == {1: 0}


def test_a_map_of_another_size_is_refused() -> None:
    state = RoomState("e1", 5, bytearray(SIZE))
    with pytest.raises(ValueError, match="seats"):
        state.reset("e2", 6, bytearray(SIZE + 1))


def test_an_older_map_of_a_lagging_replica_does_not_replace_a_newer_one() -> None:
    state = RoomState("e1", 5, bytearray(SIZE))
    assert not state.reset("e1", 4, bytearray(b"\1" * SIZE))
    assert (state.version, state.dirty) == (5, False)


def test_the_history_is_bounded() -> None:
    state = RoomState("e1", 1, bytearray(SIZE))
    for version in range(2, limits.ROOM_HISTORY_CHANGES + 100):
        state.apply(change(version, {version % SIZE: 1}))
    assert state.since("e1", 1) is None
    assert state.since("e1", state.version - 10) is not None
    assert len(state._history) <= limits.ROOM_HISTORY_CHANGES


class Counted(deque[Any]):
    """A history that counts how many of its changes are looked at."""

    seen = 0

    def __reversed__(self) -> Iterator[Any]:
        for each in super().__reversed__():
            self.seen += 1
            yield each


def test_changes_that_cost_more_than_the_map_are_not_collected() -> None:
    size, each = 60_000, 14
    state = RoomState("e1", 1, bytearray(size))
    for version in range(2, limits.ROOM_HISTORY_CHANGES + 2):
        first = version * each
        state.apply(change(version, {seat % size: 2 for seat in range(first, first + each)}))
    state._history = history = Counted(state._history)
    assert state.since("e1", 1) is None
    assert history.seen <= size // 16 // each + 1
    few = state.since("e1", state.version - size // 16 // each)
    assert few is not None and len(few) > size // 16 - each
    assert len(json.dumps(seat_lists(few), separators=(",", ":"))) < 1.25 * len(state.snapshot())
    # The same few seats again and again are no more work.
    for version in range(state.version + 1, state.version + limits.ROOM_HISTORY_CHANGES + 1):
        state.apply(change(version, dict.fromkeys(range(each), version % 2)))
    history.seen = 0
    assert state.since("e1", state.version - limits.ROOM_HISTORY_CHANGES + 1) is None
    assert history.seen <= size // 16 // each + 1


def test_since_inside_a_filled_gap_is_not_answered() -> None:
    state = RoomState("e1", 1, bytearray(SIZE))
    state.reset("e1", 9, bytearray(b"\1" + bytes(SIZE - 1)))
    assert state.since("e1", 1) == {0: 1}
    assert state.since("e1", 4) is None


def test_the_history_of_an_epoch_before_costs_nothing() -> None:
    state = RoomState("e1", 1, bytearray(SIZE))
    for version in range(2, 60):
        state.apply(change(version, dict.fromkeys(range(SIZE), 1)))
    state.reset("e2", 1, bytearray(SIZE))  # its versions begin anew
    state.apply(change(2, {4: 1}, "e2"))
    assert state.since("e2", 1) == {4: 1}


def test_what_was_corrected_is_sent_again_with_a_new_epoch() -> None:
    state = RoomState("e1", 5, bytearray(SIZE))
    right = bytes([3]) + bytes(SIZE - 1)
    state.reset("e1", 5, bytearray(right))
    state.take_frame()  # viewers may ignore it: they have its version already
    state.reset("e2", 6, bytearray(right))
    frame = state.take_frame()
    assert frame is not None and (frame.previous_epoch, frame.seats) == ("e1", {0: 3})


def test_a_snapshot_is_made_once_a_version() -> None:
    state = RoomState("e1", 1, bytearray(SIZE))
    assert state.snapshot() is state.snapshot()
    before = state.snapshot()
    state.apply(change(2, {0: 2}))
    assert state.snapshot() != before


@given(st.binary(max_size=300).map(lambda raw: bytes(b & 3 for b in raw)))
def test_packing_seats_round_trips(statuses: bytes) -> None:
    packed = pack_seats(statuses)
    assert bytes(unpack_seats(packed, len(statuses))) == statuses
