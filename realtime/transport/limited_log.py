"""Log lines that strangers can cause: at most one of each kind in ten seconds, with what was left out counted."""

from __future__ import annotations

import logging
import time

PAUSE_S = 10.0
_MOST_CHARACTERS = 200


class LimitedLog:
    """Writes to a logger; every line is bounded in length, and its arguments are escaped."""

    def __init__(self, log: logging.Logger) -> None:
        """``log`` is where the lines go."""
        self._log = log
        self._written_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, *details: object) -> None:
        """Log ``kind``, a fixed text, and details of any origin, unless a line of this kind was logged just now."""
        now = time.monotonic()
        if now - self._written_at.get(kind, -PAUSE_S) < PAUSE_S:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._written_at[kind] = now
        left_out = self._left_out.pop(kind, 0)
        more = f" ({left_out} more since the last such line)" if left_out else ""
        shown = " ".join(ascii(detail)[:_MOST_CHARACTERS] for detail in details)
        self._log.warning("%s: %s%s", kind, shown, more)
