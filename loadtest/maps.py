"""A viewer's map, rebuilt only from what it was sent, by the rules of docs/protocol.md ("Keeping a map"). Pure."""

from __future__ import annotations

from typing import Any

from realtime import wire


class SeatMap:
    """The map of one show as one viewer knows it. ``epoch`` is empty before the first snapshot."""

    def __init__(self, size: int) -> None:
        """``size`` is the number of seats of the show's layout."""
        self.epoch = ""
        self.version = 0
        self.statuses = bytearray(size)

    @property
    def digits(self) -> str:
        """The statuses as the lock master writes them: an ASCII digit a seat."""
        return "".join(map(str, self.statuses))

    def watched(self, answer: dict[str, Any]) -> None:
        """Take the answer to ``show:watch``: a snapshot, or the changes since what it said it had."""
        if "seats" in answer:
            self.statuses = wire.unpack_seats(answer["seats"], len(self.statuses))
        else:
            self._paint(answer["changes"])
        self.epoch, self.version = answer["epoch"], answer["version"]

    def changed(self, frame: dict[str, Any]) -> bool:
        """Take a ``seats:changed``; False if there is a gap before it, and the show must be watched again."""
        if frame["epoch"] == self.epoch and frame["version"] < self.version:
            return True
        if "seats" in frame:
            self.statuses = wire.unpack_seats(frame["seats"], len(self.statuses))
        elif self.epoch in (frame["epoch"], frame.get("previous_epoch")) and frame["from"] <= self.version:
            self._paint(frame)
        else:
            return False
        self.epoch, self.version = frame["epoch"], frame["version"]
        return True

    def _paint(self, lists: dict[str, Any]) -> None:
        for digit, name in enumerate(wire.STATUS_KEYS):
            for seat in lists.get(name, ()):
                self.statuses[seat] = digit
