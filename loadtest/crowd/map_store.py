"""The maps of a process's viewers, each built only from what that viewer received. Equal maps are stored once.

A node sends the same frames to all viewers of a room, so ten thousand maps are mostly the same few. Maps are immutable,
and the result of applying a frame to a map is computed once and cached. This reduces the cost and does not change the
result: each viewer's map is exactly what its own snapshot and its own frames, in its own order, produce.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import orjson

from loadtest.maps import SeatMap

MAX_FRAMES = 4_096
MAX_CACHED_BYTES = 64 * 1024 * 1024
"""Bound on the frames and on the maps that they lead to. A frame that was evicted is parsed again."""
MAX_SNAPSHOTS = 256


@dataclass(frozen=True, slots=True, eq=False)
class MapState:
    """One map of one show. ``statuses`` has one byte 0-3 a seat."""

    show: str
    epoch: str
    version: int
    statuses: bytes


@dataclass(slots=True, eq=False)
class Probe:
    """A change made by the load test itself, to measure when each viewer has it. Times are monotonic seconds."""

    show: str
    seat: int
    asked_at: float
    since: float | None = None
    """When the master made the change; None until the answer says it."""
    version: int | None = None
    """Maps from this version on contain the change; None until a viewer received it."""
    epoch: str = ""
    waiting: array[float] = field(default_factory=lambda: array("d"))
    """When viewers received it, for those that did before ``since`` was known."""


class Frame:
    """One ``seats:changed`` packet, received by any number of viewers."""

    __slots__ = ("after", "epoch", "first_at", "payload", "show", "size", "version")

    def __init__(self, payload: dict[str, Any], size: int, now: float) -> None:
        """``size`` in bytes; ``now`` is when the first viewer received it."""
        self.payload = payload
        self.show: str = payload["show"]
        self.epoch: str = payload["epoch"]
        self.version: int = payload["version"]
        self.size = size
        self.first_at = now
        self.after: dict[MapState, tuple[MapState | None, tuple[Probe, ...]]] = {}


class MapStore:
    """All maps of one process."""

    def __init__(self, sizes: dict[str, int]) -> None:
        """``sizes``: the number of seats of each show."""
        self.newest: dict[str, MapState] = {}
        self._sizes = sizes
        self._frames: dict[bytes, Frame] = {}
        self._cached_bytes = 0
        self._snapshots: dict[tuple[str, str, int, str], MapState] = {}
        self._probes: dict[str, list[Probe]] = {show: [] for show in sizes}

    # --- maps -----------------------------------------------------------------------------------------------------
    def frame(self, packet: bytes, now: float) -> Frame:
        """Return the frame of a ``seats:changed`` packet. Raises ``ValueError`` or ``LookupError`` for any other."""
        known = self._frames.get(packet)
        if known is not None:
            return known
        frame = Frame(orjson.loads(packet[2:])[1], len(packet), now)
        while len(self._frames) >= MAX_FRAMES or (self._cached_bytes > MAX_CACHED_BYTES and self._frames):
            oldest = self._frames.pop(next(iter(self._frames)))
            self._cached_bytes -= oldest.size + len(oldest.after) * self._sizes[oldest.show]
        self._frames[packet] = frame
        self._cached_bytes += frame.size
        self._find_probe_versions(frame)
        return frame

    def apply_change(self, state: MapState, frame: Frame) -> tuple[MapState | None, tuple[Probe, ...]]:
        """Return the map after a frame, and the probes that it delivers. The map is None if versions are missing."""
        known = frame.after.get(state)
        if known is None:
            seats = self._seat_map(state)
            after = self._stored(seats, state) if seats.apply_change(frame.payload) else None
            known = frame.after[state] = (after, self.delivered(state, after) if after is not None else ())
            self._cached_bytes += len(state.statuses)
        return known

    def apply_watch(self, show: str, before: MapState | None, answer: dict[str, Any]) -> MapState:
        """Return the map after an answer to ``show:watch``; ``before`` is the map that the viewer's ``since`` named."""
        key = (show, answer["epoch"], answer["version"], answer.get("seats", ""))
        known = self._snapshots.get(key) if "seats" in answer else None
        if known is None:
            seats = SeatMap(self._sizes[show]) if before is None else self._seat_map(before)
            seats.apply_watch(answer)
            known = self._stored(seats, before, show)
            if "seats" in answer:
                if len(self._snapshots) >= MAX_SNAPSHOTS:
                    del self._snapshots[next(iter(self._snapshots))]
                self._snapshots[key] = known
        return known

    def _seat_map(self, state: MapState) -> SeatMap:
        seats = SeatMap(0)
        seats.epoch, seats.version, seats.statuses = state.epoch, state.version, bytearray(state.statuses)
        return seats

    def _stored(self, seats: SeatMap, before: MapState | None, show: str = "") -> MapState:
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
        """Look for a probe in frames from now on. Call it before the change is requested."""
        self._probes[probe.show].append(probe)

    def forget(self, probe: Probe) -> None:
        """Stop looking for a probe."""
        self._probes[probe.show].remove(probe)

    def delivered(self, before: MapState | None, after: MapState) -> tuple[Probe, ...]:
        """Return the probes that are in ``after`` and were not in ``before``."""
        if before is None:
            return ()
        return tuple(
            probe
            for probe in self._probes[after.show]
            if probe.version is not None
            and before.epoch == after.epoch == probe.epoch
            and before.version < probe.version <= after.version
        )

    def _find_probe_versions(self, frame: Frame) -> None:
        # The lowest version whose frame has the probe's seat as held is the version of the probe.
        for probe in self._probes[frame.show]:
            if probe.seat in frame.payload.get("held", ()) and (probe.version is None or frame.version < probe.version):
                probe.version, probe.epoch = frame.version, frame.epoch
