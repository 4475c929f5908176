"""When a node gives memory back."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
from typing import Any

import pytest

from realtime.web import memory

MB = 1024 * 1024


class Library:
    """A C library whose heap has as much free as the test says."""

    def __init__(self) -> None:
        self.free = 3 * MB
        self.trims = 0

        def mallinfo2() -> Any:
            return memory.Mallinfo(fordblks=self.free)

        def malloc_trim(_pad: int) -> int:
            self.trims += 1
            return 1

        self.mallinfo2, self.malloc_trim = mallinfo2, malloc_trim


async def test_memory_is_given_back_whenever_more_was_freed_also_after_a_trim_in_the_midst_of_an_attack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = Library()
    monkeypatch.setattr(memory, "CHECK_S", 0.001)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    giving = asyncio.create_task(memory.give_back())
    # Free bytes, and how often the node has trimmed by then: at the peak, after it, at rest, and once more.
    for free, trims in ((3, 0), (30, 1), (30, 1), (10, 1), (50, 2), (50, 2), (52, 2), (57, 3)):
        library.free = free * MB
        await asyncio.sleep(0.1)
        assert library.trims == trims, free
    giving.cancel()


FREED = """
import ctypes
from realtime.web import memory
libc = ctypes.CDLL("libc.so.6")
libc.mallinfo2.restype = memory.Mallinfo
blocks = [bytearray(30_000) for _ in range(400)]
kept = blocks[::2]
before = libc.mallinfo2().fordblks
del blocks
print(libc.mallinfo2().fordblks - before)
"""


def test_the_free_bytes_of_the_heap_are_read() -> None:
    # In a process of its own: the heap of this one may be shortened at the same moment.
    freed = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    assert 190 * 30_000 <= int(freed) <= 210 * 30_000
