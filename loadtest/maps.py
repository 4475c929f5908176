"""A viewer's map, built only from what the server sent, by the rules of docs/protocol.md ("Keeping a map"). No I/O."""

from __future__ import annotations

from typing import Any

from realtime.wire.maps import STATUS_KEYS, unpack_seats


class SeatMap:
    """The map of one show as one viewer knows it. ``epoch`` is empty before the first snapshot."""

    def __init__(self, size: int) -> None:
        """``size`` is the number of seats of the show's layout."""
        self.epoch = ""
        self.version = 0
        self.statuses = bytearray(size)

    @property
    def digits(self) -> str:
        """The statuses in the lock master's format: one ASCII digit a seat."""
        return "".join(map(str, self.statuses))

    def apply_watch(self, answer: dict[str, Any]) -> None:
        """Apply the answer to ``show:watch``: a snapshot, or the changes since the version that the viewer sent."""
        if "seats" in answer:
            self.statuses = unpack_seats(answer["seats"], len(self.statuses))
        else:
            self._set_statuses(answer["changes"])
        self.epoch, self.version = answer["epoch"], answer["version"]

    def apply_change(self, frame: dict[str, Any]) -> bool:
        """Apply a ``seats:changed``. Returns False if versions are missing before it: watch the show again then."""
        if frame["epoch"] == self.epoch and frame["version"] < self.version:
            return True
        if "seats" in frame:
            self.statuses = unpack_seats(frame["seats"], len(self.statuses))
        elif self.epoch in (frame["epoch"], frame.get("previous_epoch")) and frame["from"] <= self.version:
            self._set_statuses(frame)
        else:
            return False
        self.epoch, self.version = frame["epoch"], frame["version"]
        return True

    def _set_statuses(self, lists: dict[str, Any]) -> None:
        for digit, name in enumerate(STATUS_KEYS):
            for seat in lists.get(name, ()):
                self.statuses[seat] = digit
