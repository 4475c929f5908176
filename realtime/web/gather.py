"""Finds the region to ask, or asks several at once, so that a region that does not answer delays no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from realtime.errors import BookingNotFound, TicketError
from realtime.locks.master import LockMaster
from realtime.locks.queries import run_query
from realtime.model import is_booking_id, region_of

Ask: TypeAlias = Callable[[LockMaster, str, dict[str, Any]], Awaitable[Any]]


def master_of_booking(masters: Mapping[str, LockMaster], booking: str) -> LockMaster:
    """Return the master of the region that has a booking; raise ``BookingNotFound`` if its id names no region."""
    master = masters.get(region_of(booking))
    if master is None or not is_booking_id(booking):
        raise BookingNotFound()
    return master


async def ask_all(
    masters: Mapping[str, LockMaster], name: str, body: dict[str, Any], ask: Ask | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Return the answers to a query (``keeper.queries``) by region, and the regions that can't answer now.

    ``ask`` asks one region; the default is ``run_query``. Raises a region's refusal if it is not retryable.
    """
    ask = ask or run_query
    results = await asyncio.gather(*(ask(master, name, body) for master in masters.values()), return_exceptions=True)
    answers: dict[str, Any] = {}
    missing: list[str] = []
    for region, result in zip(masters, results, strict=True):
        if isinstance(result, TicketError) and result.retryable:
            missing.append(region)
        elif isinstance(result, BaseException):
            raise result
        else:
            answers[region] = result
    return answers, missing


async def ask_for_rows(
    masters: Mapping[str, LockMaster], name: str, body: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows that answer a query, each with its ``region``, and the regions that did not answer."""
    answers, missing = await ask_all(masters, name, body)
    return [{**row, "region": region} for region, rows in answers.items() for row in rows], missing
