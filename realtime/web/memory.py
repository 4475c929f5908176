"""Returns free memory to the operating system.

After an attack or a rush, most of the memory that a node has used is free again, but the C library keeps it, because it
lies in pieces between memory that is in use.
"""

from __future__ import annotations

import asyncio
import ctypes

CHECK_S = 3.0
FREED_BYTES = 4 * 1024 * 1024
"""Trimming takes some milliseconds, so it is done only when this much more is free than after the last time."""


class Mallinfo(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = (("before", ctypes.c_size_t * 8), ("fordblks", ctypes.c_size_t), ("keepcost", ctypes.c_size_t))


async def give_back() -> None:
    """Trim whenever enough was freed, until cancelled. Does nothing without glibc 2.33 or newer."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        trim, mallinfo = libc.malloc_trim, libc.mallinfo2
    except (OSError, AttributeError):
        return
    mallinfo.restype = Mallinfo
    given_back = 0
    while True:
        await asyncio.sleep(CHECK_S)
        # Memory that was given back still counts as free until it is used again.
        free = mallinfo().fordblks
        given_back = min(given_back, free)
        if free - given_back > FREED_BYTES:
            await asyncio.to_thread(trim, 0)
            given_back = mallinfo().fordblks
