"""Runs work on many things, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def side_by_side(groups: Iterable[Iterable[T]], work: Callable[[T], Awaitable[object]], at_once: int) -> None:
    """Await ``work`` for each thing: ``at_once`` groups at a time, the things of one group in order.

    After the first failure no further work begins. Work that has begun is finished, then the first error is raised.
    """
    left, failed = iter(groups), list[Exception]()

    async def work_on_some() -> None:
        for group in left:
            for thing in group:
                if failed:
                    return
                try:
                    await work(thing)
                except Exception as error:
                    failed.append(error)

    await asyncio.gather(*(work_on_some() for _ in range(at_once)))
    if failed:
        raise failed[0]
