"""Background tasks end when they are cancelled, also if something below them drops a cancellation."""

from __future__ import annotations

import asyncio
import contextlib

from realtime.cancellation import cancel_all


async def test_a_task_that_drops_a_cancellation_is_cancelled_again() -> None:
    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(stubborn()) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await cancel_all(*tasks)
    assert all(task.cancelled() for task in tasks)


async def test_what_ended_tasks_raise_is_dropped_and_nothing_to_cancel_is_fine() -> None:
    async def fails() -> None:
        raise ValueError

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await cancel_all(task)
    await cancel_all()
    assert isinstance(task.exception(), ValueError)
