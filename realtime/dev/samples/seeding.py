"""Declares the sample theatres and shows, through the same commands that an operator uses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import date
from functools import cache

from realtime import keys, wire
from realtime.dev.samples.concert_hall import concert_hall_plan
from realtime.dev.samples.multiplex import multiplex_plan
from realtime.dev.samples.programme import SampleShow, shows, theatres
from realtime.dev.samples.stadium import stadium_plan
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.model import Theatre
from realtime.plans import read_plan

_PLANS = {"multiplex": multiplex_plan, "concert_hall": concert_hall_plan, "stadium": stadium_plan}


async def seed(masters: Mapping[str, LockMaster], today: date) -> int:
    """Declare what is missing of the sample data in the regions that ``masters`` names; return how many declarations.

    ``today`` is the date in India. Theatres and shows that a region has already are left alone, so that a second run
    changes nothing and returns 0. Needs the keepers of these regions; raises what ``run_command`` raises.
    """
    work = [_seed_region(region, master, today) for region, master in masters.items()]
    counts = await asyncio.gather(*work, return_exceptions=True)  # a region in trouble does not stop the others
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
    """Declare a plan's layout, again if need be (it is the same by its id); return its id."""
    layout_id, blob = await asyncio.to_thread(_layout, plan)
    await master.command("SET", keys.layout(layout_id), blob)
    await run_command(master, "layout", {"id": layout_id})
    return layout_id


async def _declare_show(master: LockMaster, show: SampleShow, layout: str) -> None:
    body = {
        "id": show.id,
        "theatre": show.theatre,
        "layout": layout,
        "title": show.title,
        "starts_at": show.starts_at,
        "prices": show.prices,
    }
    await run_command(master, "show", body)


_drawing = threading.Lock()
"""All regions ask for the same plans at the same moment; the first one draws."""


def _layout(plan: str) -> tuple[str, bytes]:
    with _drawing:
        return _drawn(plan)


@cache
def _drawn(plan: str) -> tuple[str, bytes]:
    layout = read_plan(_PLANS[plan]())
    return layout.id, wire.encode_layout(layout)
