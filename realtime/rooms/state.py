"""The state of one room: the map at a version, the recent changes, and what has not been sent to viewers yet.

Pure: no I/O, no clock, no tasks. ``Room`` applies changes and maps to it and asks it what to send.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from realtime import limits
from realtime.wire.maps import ChangeMessage, deflate_seats, pack_seats

_FEW_SEATS = 256
"""Changes of so many seats are sent as changes, however small the map is."""
_PART = 16
"""Changes of more than a 16th of the seats are as long as the packed map, which is made once for all viewers."""


class Outcome(Enum):
    """What ``apply`` did with a change."""

    APPLIED = "applied"
    OLD = "old"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Frame:
    """The seats to set to get from ``from_version`` (in ``previous_epoch``, if given) to ``version`` in ``epoch``."""

    epoch: str
    from_version: int
    version: int
    seats: dict[int, int]
    previous_epoch: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """An entry of the history: seats that differ between two versions, which are neighbours unless a gap was filled."""

    from_version: int
    version: int
    seats: tuple[int, ...]


class RoomState:
    """A show's map as one node knows it.

    Invariants: ``version`` only rises within an epoch; a frame's seats carry their latest status, so a viewer at any
    version between ``from_version`` and ``version`` that applies it is at ``version``. A frame whose two versions are
    the same is a correction: the map was wrong at that version. The next frame contains it again, because viewers may
    ignore a frame at a version that they have already.
    """

    def __init__(self, epoch: str, version: int, statuses: bytearray) -> None:
        """``statuses`` has one byte (0-3) a seat; it is kept and changed, not copied."""
        self.epoch = epoch
        self.version = version
        self.statuses = statuses
        self._history: deque[_Step] = deque()
        self._history_seats = 0
        self._sent_epoch, self._sent_version = epoch, version
        self._unsent: set[int] = set()
        self._corrected: set[int] = set()
        self._corrected_at = version
        self._packed: str | None = None
        self._deflated: str | None = None

    def apply(self, change: ChangeMessage) -> Outcome:
        """Apply the next change. ``OLD`` or ``GAP``, with nothing changed, if it is an earlier or a later one."""
        if change.epoch != self.epoch:
            return Outcome.GAP
        if change.version <= self.version:
            return Outcome.OLD
        seats = change.seats()
        if change.version != self.version + 1 or not all(0 <= seat < len(self.statuses) for seat in seats):
            return Outcome.GAP
        for seat, status in seats.items():
            self.statuses[seat] = status
        self._moved(change.version, tuple(seats))
        return Outcome.APPLIED

    def reset(self, epoch: str, version: int, statuses: bytearray) -> bool:
        """Replace the map by one that was read again; the next frame contains the difference.

        A map older than this one (from a replica that lags) changes nothing: False. Raises ``ValueError`` for one of
        another size.
        """
        if epoch == self.epoch and version < self.version:
            return False
        if len(statuses) != len(self.statuses):
            raise ValueError(f"a map of {len(self.statuses)} seats can't become one of {len(statuses)}")
        differing = tuple(i for i, (a, b) in enumerate(zip(self.statuses, statuses, strict=True)) if a != b)
        self.statuses = statuses
        if epoch != self.epoch:
            self.epoch = epoch
            self._history.clear()
            self._history_seats = 0
            self.version = version
            self._unsent.update(differing, self._corrected)
            self._corrected.clear()
            self._packed = self._deflated = None
        elif version > self.version or differing:
            if version == self.version:
                self._corrected.update(differing)
                self._corrected_at = version
            self._moved(version, differing)
        return True

    def snapshot(self) -> str:
        """Return the packed map; it is made once a version and shared by all viewers that join at it."""
        if self._packed is None:
            self._packed = pack_seats(self.statuses)
        return self._packed

    def deflated(self) -> str:
        """Return the packed map, compressed; made once a version as well."""
        if self._deflated is None:
            self._deflated = deflate_seats(self.snapshot())
        return self._deflated

    def since(self, epoch: str, version: int) -> dict[int, int] | None:
        """Return the seats changed after a version, with their current status.

        None if the history is too short, or the changes are so many that the whole map is cheaper; a seat that has
        changed twice counts twice.
        """
        if epoch != self.epoch or version > self.version:
            return None
        changed: set[int] = set()
        left = max(_FEW_SEATS, len(self.statuses) // _PART)
        known = version == self.version
        for step in reversed(self._history):
            if step.from_version < version:
                break  # if it was not found by now, ``version`` lies inside a gap that was filled
            left -= len(step.seats)
            if left < 0:
                return None
            changed.update(step.seats)
            known = known or step.from_version == version
        return {seat: self.statuses[seat] for seat in changed} if known else None

    @property
    def dirty(self) -> bool:
        """Whether there is something that was not sent yet."""
        return self._sent_version != self.version or self._sent_epoch != self.epoch or bool(self._unsent)

    def take_frame(self) -> Frame | None:
        """Return everything since the last frame as one frame, or None when there is nothing."""
        if not self.dirty:
            return None
        frame = Frame(
            self.epoch,
            self._sent_version,
            self.version,
            {seat: self.statuses[seat] for seat in self._unsent | self._corrected},
            self._sent_epoch if self._sent_epoch != self.epoch else None,
        )
        if frame.previous_epoch is None and self._corrected_at <= frame.from_version < frame.version:
            self._corrected.clear()
        self._sent_epoch, self._sent_version = self.epoch, self.version
        self._unsent.clear()
        return frame

    def _moved(self, version: int, seats: tuple[int, ...]) -> None:
        self._history.append(_Step(self.version, version, seats))
        self._history_seats += len(seats)
        while len(self._history) > limits.ROOM_HISTORY_CHANGES or self._history_seats > limits.ROOM_HISTORY_SEATS:
            self._history_seats -= len(self._history.popleft().seats)
        self.version = version
        self._unsent.update(seats)
        self._packed = self._deflated = None
