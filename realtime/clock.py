"""This process's own clock: good for ages that people read and for what day it is, never for a deadline."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the time in ms since the epoch."""
    return int(time.time() * 1000)
