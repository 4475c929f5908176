"""Declares the sample theatres and shows, through the same commands that an operator uses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import date
from functools import cache

from realtime import keys
from realtime.dev.samples.concert_hall import concert_hall_plan
from realtime.dev.samples.multiplex import multiplex_plan
from realtime.dev.samples.programme import SampleShow, shows, theatres
from realtime.dev.samples.stadium import stadium_plan
from realtime.locks.commands import declare_layout, run_command
from realtime.locks.master import LockMaster
from realtime.model import Theatre
from realtime.plans import read_plan
from realtime.wire.layouts import encode_layout

_PLANS = {"multiplex": multiplex_plan, "concert_hall": concert_hall_plan, "stadium": stadium_plan}


async def seed(masters: Mapping[str, LockMaster], today: date) -> int:
    """Declare the sample data that is missing in the regions of ``masters``; return the number of declarations.

    ``today`` is the date in India. Existing theatres and shows are not changed, so a second run returns 0. The keepers
    of these regions must be running; raises what ``run_command`` raises.
    """
    work = [_seed_region(region, master, today) for region, master in masters.items()]
    counts = await asyncio.gather(*work, return_exceptions=True)  # an error in one region does not stop the others
    return sum(_or_raise(count) for count in counts)


def _or_raise(count: int | BaseException) -> int:
    if isinstance(count, BaseException):
        raise count
    return count


async def _seed_region(region: str, master: LockMaster, today: date) -> int:
    known_theatres, known_shows = (
        await master.command("HKEYS", keys.THEATRES),
        await master.command("HKEYS", keys.SHOWS),
    )
    new_theatres = [t for t in theatres() if t.region == region and t.id.encode() not in known_theatres]
    new_shows = [s for s in shows(today) if s.region == region and s.id.encode() not in known_shows]
    for theatre in new_theatres:
        await _declare_theatre(master, theatre)
    layouts = {plan: await _declare_layout(master, plan) for plan in dict.fromkeys(s.plan for s in new_shows)}
    for show in new_shows:
        await _declare_show(master, show, layouts[show.plan])
    return len(new_theatres) + len(layouts) + len(new_shows)


async def _declare_theatre(master: LockMaster, theatre: Theatre) -> None:
    await run_command(master, "theatre", {"id": theatre.id, "name": theatre.name, "city": theatre.city})


async def _declare_layout(master: LockMaster, plan: str) -> str:
    """Declare the layout of a plan and return its id."""
    layout_id, blob = await asyncio.to_thread(_layout, plan)
    await declare_layout(master, layout_id, blob)
    return layout_id


async def _declare_show(master: LockMaster, show: SampleShow, layout: str) -> None:
    body = {
        "id": show.id,
        "theatre": show.theatre,
        "layout": layout,
        "title": show.title,
        "starts_at": show.starts_at,
        "prices": show.prices,
        "admission": show.admission.value,
        "fee": {"paise": show.fee.paise, "basis_points": show.fee.basis_points},
    }
    await run_command(master, "show", body)


_drawing = threading.Lock()
"""All regions need the same plans at the same time; the lock makes one of them generate each plan."""


def _layout(plan: str) -> tuple[str, bytes]:
    with _drawing:
        return _drawn(plan)


@cache
def _drawn(plan: str) -> tuple[str, bytes]:
    layout = read_plan(_PLANS[plan]())
    return layout.id, encode_layout(layout)
