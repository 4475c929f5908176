"""The wall clock of this process. Use it for ages and dates that people read, never to decide about a deadline."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the time in ms since the epoch."""
    return int(time.time() * 1000)
