"""Ends background tasks reliably, and their pauses immediately."""

from __future__ import annotations

import asyncio
import contextlib

REPEAT_S = 1.0
"""How long a task may take to clean up before it is cancelled again."""


async def cancel_all(*tasks: asyncio.Task[object]) -> None:
    """Cancel tasks and wait until all have ended; what they return or raise is dropped.

    Up to Python 3.11 ``asyncio.wait_for``, through which redis-py writes, drops a cancellation that comes in the moment
    in which its work completes. A loop that was cancelled only once might then run forever.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        ended, pending = await asyncio.wait(pending, timeout=REPEAT_S)
        await asyncio.gather(*ended, return_exceptions=True)


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait for some time, or until ``stopping`` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
