"""The maps of a process's viewers, each rebuilt only from what that viewer was sent; what is equal is kept once.

A node sends all viewers of a room the same frames, so ten thousand maps are mostly the same few: a map is immutable,
and what a frame makes of a map is worked out once and remembered. That changes the cost, not the outcome: each viewer's
map is still exactly what its own snapshot and its own frames, in its own order, make of it.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import orjson

from loadtest.maps import SeatMap

MAX_FRAMES = 4_096
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""... of maps that remembered frames lead to; a forgotten frame is read again, no more."""
MAX_SNAPSHOTS = 256


@dataclass(frozen=True, slots=True, eq=False)
class MapState:
    """One map of one show; ``statuses`` is a byte 0-3 a seat."""

    show: str
    epoch: str
    version: int
    statuses: bytes


@dataclass(slots=True, eq=False)
class Probe:
    """A change that we make ourselves, to see when each viewer has it. Times are monotonic seconds."""

    show: str
    seat: int
    asked_at: float
    since: float | None = None
    """When the change was made; None until that is known."""
    version: int | None = None
    """A map at this version has it; None until a viewer was sent it."""
    epoch: str = ""
    waiting: array[float] = field(default_factory=lambda: array("d"))
    """Arrivals before ``since`` was known."""


class Frame:
    """One ``seats:changed`` as it was sent, to however many viewers."""

    __slots__ = ("after", "epoch", "first_at", "payload", "show", "size", "version")

    def __init__(self, payload: dict[str, Any], size: int, now: float) -> None:
        """``size`` in bytes, ``now`` is when the first viewer got it."""
        self.payload = payload
        self.show: str = payload["show"]
        self.epoch: str = payload["epoch"]
        self.version: int = payload["version"]
        self.size = size
        self.first_at = now
        self.after: dict[MapState, tuple[MapState | None, tuple[Probe, ...]]] = {}


class Board:
    """All maps of one process."""

    def __init__(self, sizes: dict[str, int]) -> None:
        """``sizes``: the number of seats of each show."""
        self.newest: dict[str, MapState] = {}
        self._sizes = sizes
        self._frames: dict[bytes, Frame] = {}
        self._kept = 0
        self._snapshots: dict[tuple[str, str, int, str], MapState] = {}
        self._probes: dict[str, list[Probe]] = {show: [] for show in sizes}

    # --- maps -----------------------------------------------------------------------------------------------------
    def frame(self, text: bytes, now: float) -> Frame:
        """Return the frame of a ``seats:changed`` packet; raises ``ValueError`` or ``LookupError`` for any other."""
        known = self._frames.get(text)
        if known is not None:
            return known
        frame = Frame(orjson.loads(text[2:])[1], len(text), now)
        while len(self._frames) >= MAX_FRAMES or (self._kept > MAX_KEPT_BYTES and self._frames):
            oldest = self._frames.pop(next(iter(self._frames)))
            self._kept -= oldest.size + len(oldest.after) * self._sizes[oldest.show]
        self._frames[text] = frame
        self._kept += frame.size
        self._meet(frame)
        return frame

    def changed(self, state: MapState, frame: Frame) -> tuple[MapState | None, tuple[Probe, ...]]:
        """Return the map after a frame (None: there is a gap before it), and which probes the viewer has now."""
        known = frame.after.get(state)
        if known is None:
            seats = self._map(state)
            after = self._noted(seats, state) if seats.changed(frame.payload) else None
            known = frame.after[state] = (after, self.crossed(state, after) if after is not None else ())
            self._kept += len(state.statuses)
        return known

    def watched(self, show: str, before: MapState | None, answer: dict[str, Any]) -> MapState:
        """Return the map after the answer to ``show:watch``; ``before`` is what the viewer said it had."""
        key = (show, answer["epoch"], answer["version"], answer.get("seats", ""))
        known = self._snapshots.get(key) if "seats" in answer else None
        if known is None:
            seats = SeatMap(self._sizes[show]) if before is None else self._map(before)
            seats.watched(answer)
            known = self._noted(seats, before, show)
            if "seats" in answer:
                if len(self._snapshots) >= MAX_SNAPSHOTS:
                    del self._snapshots[next(iter(self._snapshots))]
                self._snapshots[key] = known
        return known

    def _map(self, state: MapState) -> SeatMap:
        seats = SeatMap(0)
        seats.epoch, seats.version, seats.statuses = state.epoch, state.version, bytearray(state.statuses)
        return seats

    def _noted(self, seats: SeatMap, before: MapState | None, show: str = "") -> MapState:
        statuses = bytes(seats.statuses)
        known = None if before is None else (before.epoch, before.version, before.statuses)
        if before is not None and known == (seats.epoch, seats.version, statuses):
            return before
        state = MapState(before.show if before is not None else show, seats.epoch, seats.version, statuses)
        newest = self.newest.get(state.show)
        if newest is None or state.epoch != newest.epoch or state.version > newest.version:
            self.newest[state.show] = state
        return state

    # --- probes ---------------------------------------------------------------------------------------------------
    def expect(self, probe: Probe) -> None:
        """Look out for a probe from now on; before it is asked for."""
        self._probes[probe.show].append(probe)

    def forget(self, probe: Probe) -> None:
        """Look out no longer."""
        self._probes[probe.show].remove(probe)

    def crossed(self, before: MapState | None, after: MapState) -> tuple[Probe, ...]:
        """Return the probes that a viewer has with ``after`` and had not with ``before``."""
        if before is None:
            return ()
        return tuple(
            probe
            for probe in self._probes[after.show]
            if probe.version is not None
            and before.epoch == after.epoch == probe.epoch
            and before.version < probe.version <= after.version
        )

    def _meet(self, frame: Frame) -> None:
        # The first version in which anybody is told of a probe's seat is one that has it.
        for probe in self._probes[frame.show]:
            if probe.seat in frame.payload.get("held", ()) and (probe.version is None or frame.version < probe.version):
                probe.version, probe.epoch = frame.version, frame.epoch
