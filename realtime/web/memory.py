"""Gives memory back to the system.

After an attack, or a rush, most of what a node has used is free again, but the C library keeps it, in pieces between
what is in use.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path

CHECK_S = 3.0
GROWN_BYTES = 8 * 1024 * 1024
"""A trim takes some milliseconds: it is done after the process has grown by this, once it grows no more."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


async def give_back() -> None:
    """Give free memory back whenever the process has grown, until cancelled. Does nothing without glibc and /proc."""
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
        resident = _resident_bytes()
    except (OSError, AttributeError):
        return
    trimmed_to = resident
    while True:
        await asyncio.sleep(CHECK_S)
        before, resident = resident, _resident_bytes()
        if resident - trimmed_to > GROWN_BYTES and resident <= before:
            await asyncio.to_thread(trim, 0)
            trimmed_to = resident = _resident_bytes()
        trimmed_to = min(trimmed_to, resident)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
