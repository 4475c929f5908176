"""Who gets which frame, with a fan-out that accepts what the test says: each rule by itself, without connections."""

from __future__ import annotations

from typing import Any

import pytest

from realtime import limits
from realtime.rooms.pump import Pump, Viewer
from realtime.rooms.state import RoomState
from realtime.transport.fanout import Packet, QueuedConnection
from realtime.wire.maps import ChangeMessage, seat_lists

SIZE = 9


class ScriptedFanout:
    """Records what is sent; what is offered to a viewer in ``full`` is refused."""

    def __init__(self) -> None:
        self.full: set[str] = set()
        self.offered: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.aborted: list[str] = []

    def offer(self, connection: QueuedConnection, packet: Packet) -> bool:
        self.offered.append(connection.sid)
        if connection.sid in self.full:
            return False
        self.sent.append(packet.payload)
        return True

    def send(self, sid: str, packet: Packet) -> None:
        self.sent.append(packet.payload)

    def unsent(self, sid: str) -> int:
        return int(sid in self.full)

    def abort(self, sid: str) -> None:
        self.aborted.append(sid)


class Room:
    """A map at version 5 with one viewer, and the pump between them."""

    def __init__(self) -> None:
        self.state = RoomState("e1", 5, bytearray(SIZE))
        self.fanout = ScriptedFanout()
        self.viewer = Viewer(QueuedConnection("a"), "e1", 5)
        self.viewers = {"a": self.viewer}
        self.stuck: list[str] = []
        fanout: Any = self.fanout
        self.pump = Pump("show", self.state, self.viewers, fanout, self.stuck.append)

    def change(self, version: int, seat: int) -> None:
        self.state.apply(ChangeMessage(self.state.epoch, version, **seat_lists({seat: 1})))  # type: ignore[arg-type]

    async def send(self, now: float = 0.0) -> None:
        """Send what is unsent, as a frame."""
        frame = self.state.take_frame()
        assert frame is not None
        await self.pump._send(frame, now)

    @property
    def versions(self) -> list[tuple[int | None, int]]:
        """From which version to which the changes are that were sent; None for a whole map."""
        return [(each.get("from"), each["version"]) for each in self.fanout.sent]


@pytest.fixture
def room() -> Room:
    return Room()


async def test_a_correction_is_sent_to_viewers_that_have_its_version_already(room: Room) -> None:
    room.state.reset("e1", 5, bytearray(b"\3" + bytes(SIZE - 1)))
    await room.send()
    assert room.versions == [(5, 5)]


async def test_a_viewer_that_joined_behind_a_frame_does_not_get_it(room: Room) -> None:
    room.change(6, 0)
    room.viewer.version = 6
    await room.send()
    assert room.versions == []


async def test_a_lagging_viewer_is_offered_no_frame_and_gets_all_that_it_missed_once(room: Room) -> None:
    room.fanout.full.add("a")
    for version in (6, 7, 8):
        room.change(version, version)
        await room.send()
    assert (room.fanout.offered, room.pump.lagging) == (["a"], 1)
    room.fanout.full.clear()
    room.pump._catch_up(0.1)
    assert (room.versions, room.pump.lagging) == ([(5, 8)], 0)
    room.change(9, 0)
    await room.send()
    assert room.versions == [(5, 8), (8, 9)]


async def test_a_viewer_that_goes_on_to_lag_is_cut_off(room: Room) -> None:
    room.fanout.full.add("a")
    room.change(6, 0)
    await room.send(now=100.0)
    room.change(7, 0)
    await room.send(now=101.0)
    room.pump._catch_up(100.0 + limits.VIEWER_STUCK_S)
    assert (room.fanout.aborted, room.stuck) == ([], [])
    room.pump._catch_up(100.1 + limits.VIEWER_STUCK_S)
    assert (room.fanout.aborted, room.stuck, room.pump.lagging) == (["a"], ["a"], 0)


async def test_a_viewer_that_left_or_joined_again_while_it_lagged_gets_nothing_of_before(room: Room) -> None:
    room.fanout.full.add("a")
    room.change(6, 0)
    await room.send()
    room.viewer.left = True
    room.fanout.full.clear()
    room.pump._catch_up(0.1)
    assert (room.versions, room.pump.lagging) == ([], 0)


async def test_a_viewer_that_leaves_while_a_frame_is_sent_gets_nothing(room: Room) -> None:
    room.change(6, 0)
    room.viewer.left = True  # the frame goes to those who watched when it began
    await room.send()
    assert room.versions == []


async def test_a_viewer_of_an_epoch_that_was_never_sent_gets_the_whole_map(room: Room) -> None:
    room.state.reset("e2", 1, bytearray(SIZE))
    room.viewer.epoch, room.viewer.version = "e2", 1
    room.state.reset("e3", 1, bytearray(SIZE))
    await room.send()
    assert room.versions == [(None, 1)]
    assert room.fanout.sent[0]["epoch"] == "e3"
