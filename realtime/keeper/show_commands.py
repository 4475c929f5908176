"""The commands that declare theatres, layouts and shows, change the terms of sale of a show, and archive it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
from redis.exceptions import RedisError

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.errors import (
    AlreadyExists,
    BadRequest,
    HoldConfirmed,
    InvalidPlan,
    LayoutNotFound,
    RegionUnavailable,
    ShowNotFound,
    TheatreConflict,
    TheatreNotFound,
)
from realtime.jobs import Jobs
from realtime.keeper.archive import Archiver
from realtime.keeper.declare import Declarations
from realtime.ledger import Ledger
from realtime.ledger.declarations import StillOurs
from realtime.ledger.shows import Shows
from realtime.locks.master import LockMaster
from realtime.model import ID, Fee, Layout, SalesState, Show, Theatre, canonical_time
from realtime.sales_window import iso, to_ms, window_of
from realtime.topology import Topology
from realtime.wire.layouts import decode_layout
from realtime.wire.requests import Id, NewShow, NewTerms, Text, parse_json
from realtime.wire.shows import Unreadable, encode_theatre, show_payload

_ASK_S = 2.0
EARLIEST_YEAR = 1971
"""The first year that a time in a declaration may have, so that ms since the epoch are positive."""
LAST_YEAR = 2148
"""The last year that the start of a show may have: tickets state the day in 16 bits."""
SAME_TIME = 50
"""How many shows of one theatre with the same start get an id here."""


class _TheatreBody(msgspec.Struct):
    id: Id
    name: Text
    city: Text
    address: str = ""


class _RemoveBody(msgspec.Struct):
    id: Id


class _ArchiveBody(msgspec.Struct):
    show: Id


class _LayoutBody(msgspec.Struct):
    id: Id


class _TermsBody(NewTerms, frozen=True):
    show: Id = ""


async def known_show(ledger: Ledger, show_id: str) -> Show:
    """Return a show as the ledger has it now; raises ``ShowNotFound``, also for one that is archived.

    No master has an archived show: a command about it would wait forever, and so would all later commands about it.
    """
    show = await ledger.show(show_id)
    if show is None or await ledger.is_archived(show_id):
        raise ShowNotFound()
    return show


class ShowCommands:
    """Carries out these commands of one region. Each may be repeated."""

    def __init__(
        self,
        topology: Topology,
        region: str,
        password: str,
        ledger: Ledger,
        master: LockMaster,
        shows: Shows,
        jobs: Jobs,
        archiver: Archiver,
        declare: Declarations,
    ) -> None:
        """``topology`` and ``password`` give access to the other regions' masters; the rest belongs to ``region``."""
        self._topology = topology
        self._region = region
        self._password = password
        self._ledger = ledger
        self._master = master
        self._shows = shows
        self._jobs = jobs
        self._archiver = archiver
        self._declarations = declare
        self.verbs: dict[str, Callable[[bytes], Awaitable[dict[str, Any]]]] = {
            "layout": self._layout,
            "archive": self._archive,
        }

    # --- theatres -------------------------------------------------------------------------------------------------
    async def declare_theatre(
        self, body: bytes, fencing_token: str | None, still_ours: StillOurs, entry: bytes
    ) -> dict[str, Any]:
        """Declare a theatre, or rename it. ``fencing_token`` and ``entry`` are those of the command.

        Raises ``BadRequest``, ``TheatreConflict``, what ``still_ours`` raises, what the ledger and the master raise.
        """
        ask = parse_json(_TheatreBody, body)
        if not ID.match(ask.id):
            raise BadRequest("A theatre's id is lower-case letters, digits and inner hyphens.")
        by_file = self._topology.theatre_region(ask.id)
        if by_file not in (None, self._region):
            raise TheatreConflict(f"The topology gives this theatre to {by_file}.", regions=[by_file, self._region])
        theatre = Theatre(ask.id, ask.name, ask.city, self._region, ask.address)
        if await self._ledger.theatre(self._region, ask.id) is None:
            await self._nobody_else_has(ask.id)
        await self._ledger.save_theatre(theatre, fencing_token, still_ours)
        await self._declarations.declare_theatre(theatre, entry=entry)
        return {"theatre": orjson.loads(encode_theatre(theatre))}

    async def remove_theatre(
        self, body: bytes, fencing_token: str | None, still_ours: StillOurs, entry: bytes
    ) -> dict[str, Any]:
        """Remove a theatre that has no shows; as ``theatre``, but raises ``TheatreNotFound``."""
        ask = parse_json(_RemoveBody, body)
        shows = await self._ledger.remove_theatre(ask.id, fencing_token, still_ours)
        if shows:
            raise BadRequest(f"This theatre has {shows} shows, which the ledger keeps; it can't be removed.")
        # Also if the ledger does not have it: another keeper may have removed it there and died before it removed it
        # here.
        if not await self._declarations.remove_theatres([ask.id], entry=entry) and shows is None:
            raise TheatreNotFound()
        return {"theatre": ask.id}

    async def _nobody_else_has(self, theatre_id: str) -> None:
        others = [name for name in self._topology.regions if name != self._region]
        have = await asyncio.gather(*(self._has(name, theatre_id) for name in others))
        declaring = [name for name, has in zip(others, have, strict=True) if has]
        if declaring:
            raise TheatreConflict(f"{declaring[0]} declares this theatre already.", regions=[*declaring, self._region])

    async def _has(self, region: str, theatre_id: str) -> bool:
        """Return whether a region has a theatre, from its master: a replica may lag.

        Raises ``RegionUnavailable``, also while that master is not reconciled: it may have lost what it had.
        """
        where = self._topology.regions[region]
        master = LockMaster(where, self._password, timeout_s=_ASK_S, reconciled_only=True)
        try:
            return bool(await master.command("HEXISTS", keys.THEATRES, theatre_id))
        except (RegionUnavailable, RedisError):
            text = f"{region} can't be asked whether it has this theatre; try again."
            raise RegionUnavailable(text, region=region) from None
        finally:
            await master.close()

    # --- layouts and shows ----------------------------------------------------------------------------------------
    async def _layout(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_LayoutBody, body)
        blob: bytes | None = await self._master.command("GET", keys.layout(ask.id))
        if blob is None:
            raise LayoutNotFound()
        try:
            layout = await asyncio.to_thread(decode_layout, blob)
        except (ValueError, OSError, EOFError, msgspec.MsgspecError) as error:
            await self._master.command("DEL", keys.layout(ask.id))
            raise InvalidPlan(f"This is not a layout: {error}") from None
        if layout.id != ask.id:
            raise InvalidPlan(f"This is the layout {layout.id}.")
        await self._ledger.save_layout(layout.id, blob)
        categories = [category.name for category in layout.categories]
        return {"layout": {"id": layout.id, "name": layout.name, "seats": len(layout.seats), "categories": categories}}

    async def declare_show(
        self, body: bytes, fencing_token: str | None, still_ours: StillOurs, entry: bytes
    ) -> dict[str, Any]:
        """Declare a show; the same one again changes nothing. ``fencing_token`` and ``entry`` are those of the command.

        Raises ``TheatreNotFound``, ``LayoutNotFound``, ``BadRequest``, ``AlreadyExists``, what ``still_ours`` raises,
        what the ledger and the master raise.
        """
        ask = parse_json(NewShow, body)
        theatre = await self._ledger.theatre(self._region, ask.theatre)
        if theatre is None:
            raise TheatreNotFound()
        blob = await self._ledger.layout_blob(ask.layout)
        if blob is None:
            raise LayoutNotFound()
        layout = await self._shows.layout(ask.layout)
        _check_prices(ask, layout)
        start = _moment("starts_at", ask.starts_at)
        if start.year > LAST_YEAR:
            raise BadRequest(f"starts_at: a show starts in {LAST_YEAR} at the latest.")
        show_id = ask.id or self._name(ask, start)
        if not ID.match(show_id) or not show_id.startswith(f"{self._region}-"):
            raise BadRequest(f"A show's id is lower-case letters, digits and hyphens, and begins with {self._region}-.")
        show = self._new_show(show_id, ask, theatre, len(layout.seats))
        _check_window(show)
        show, is_new = await self._recorded(show, fencing_token, still_ours, numbered=ask.id is None)
        await self._declarations.declare_layout(ask.layout, blob)
        # Seats of a show that the ledger already had may be sold. If the master has lost it, it is on sale once it is
        # rebuilt.
        declare = self._declarations.declare_show if is_new else self._declarations.declare_terms
        await declare(show, entry=entry)
        await self._jobs.add(await self._ledger.open_tasks(show.id))  # webhooks about the show
        return {"show": show_payload(show, "live")}

    def _new_show(self, show_id: str, ask: NewShow, theatre: Theatre, seat_count: int) -> Show:
        return Show(
            id=show_id,
            title=ask.title,
            theatre=theatre.id,
            theatre_name=theatre.name,
            city=theatre.city,
            region=self._region,
            layout=ask.layout,
            seat_count=seat_count,
            starts_at=canonical_time(ask.starts_at),
            prices=ask.prices,
            hold_s=ask.hold_s,
            max_seats=ask.max_seats,
            fee=Fee(ask.fee.paise, ask.fee.basis_points),
            admission=ask.admission,
            equal_seats=ask.equal_seats,
            sales_start=_optional("sales_start", ask.sales_start),
            sales_end=_optional("sales_end", ask.sales_end),
            cancel_until=_optional("cancel_until", ask.cancel_until),
        )

    async def _recorded(
        self, show: Show, fencing_token: str | None, still_ours: StillOurs, *, numbered: bool
    ) -> tuple[Show, bool]:
        """Record a show, unless the same one is known; return it as the ledger has it, and whether it is new.

        ``numbered``: if another show has its name, a number is appended, because two screens may start at the same
        time. Raises ``AlreadyExists``.
        """
        name = show.id
        for number in range(1, SAME_TIME + 1 if numbered else 2):
            show = replace(show, id=name if number == 1 else f"{name}-{number}")
            known = await self._ledger.show(show.id)
            if known is None:
                added = await self._ledger.add_show(show, fencing_token, still_ours)
                if added is not None:
                    return added, True
                known = await self._ledger.show(show.id)  # another keeper has recorded it in the meantime
            if known is not None and _same(known, show):
                if await self._ledger.is_archived(known.id):
                    break
                return known, False
        raise AlreadyExists("There is another show with this id.", id=show.id)

    def _name(self, ask: NewShow, start: datetime) -> str:
        room = limits.MAX_ID_LENGTH - len(self._region) - len(f"--20261231-2359-{SAME_TIME}")
        slug = re.sub(r"-+\Z", "", ask.theatre.removeprefix(f"{self._region}-")[:room])
        return f"{self._region}-{slug}-{start:%Y%m%d-%H%M}"

    async def change_terms(
        self, body: bytes, fencing_token: str | None, still_ours: StillOurs, entry: bytes
    ) -> dict[str, Any]:
        """Change the terms of sale of a show. ``fencing_token`` and ``entry`` are those of the command.

        Raises ``ShowNotFound``, ``BadRequest``, what ``still_ours`` raises, and what the ledger and the master raise.
        """
        ask = parse_json(_TermsBody, body)
        await known_show(self._ledger, ask.show)
        given = {name: getattr(ask, name) for name in NewTerms.__struct_fields__}
        changes: dict[str, Any] = {name: _optional(name, at) for name, at in given.items() if at is not None}

        def change(show: Show) -> Show:
            changed = replace(show, **changes)
            _check_window(changed)
            return changed

        changed = await self._ledger.change_show(ask.show, change, fencing_token, still_ours)
        assert changed is not None, "shows are never deleted"
        await self._declarations.declare_terms(changed, entry=entry)
        await self._jobs.add(await self._ledger.open_tasks(changed.id))  # webhooks about the show
        return {"show": show_payload(changed, "live")}

    async def _archive(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_ArchiveBody, body)
        with contextlib.suppress(Unreadable):  # nobody can buy it, or close its sales
            show = await self._ledger.show(ask.show)
            if show is None:
                raise ShowNotFound()
            if show.sales is not SalesState.CLOSED and to_ms(show.starts_at) > now_ms():
                raise BadRequest("Close the sales of a show that has not begun before you archive it.")
        if not await self._archiver.archive([ask.show]):
            raise HoldConfirmed("Somebody holds seats of this show; try again when no hold is left.")
        return {"show": ask.show, "archived": True}


def _same(known: Show, asked: Show) -> bool:
    """Return whether two shows are equal except for their terms of sale and the name of the theatre."""
    terms = {name: getattr(known, name) for name in ("sales", *NewTerms.__struct_fields__)}
    return replace(asked, **terms, theatre_name=known.theatre_name, city=known.city) == known


def _check_prices(ask: NewShow, layout: Layout) -> None:
    categories = {category.name for category in layout.categories}
    missing, unknown = sorted(categories - set(ask.prices)), sorted(set(ask.prices) - categories)
    if missing:
        raise BadRequest(f"prices: no price for {', '.join(missing)}")
    if unknown:
        raise BadRequest(f"prices: the layout has no category {', '.join(unknown)}")


def _moment(name: str, text: str) -> datetime:
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text)
        # Times that can't be converted to UTC have no ms since the epoch.
        if moment.tzinfo is not None and moment.astimezone(UTC).year >= EARLIEST_YEAR:
            return moment
    raise BadRequest(f"{name}: give ISO 8601 with an offset, as in 2027-01-15T18:30:00+05:30")


def _optional(name: str, text: str) -> str:
    return canonical_time(_moment(name, text).isoformat()) if text else ""


def _check_window(show: Show) -> None:
    window = window_of(show)
    if window.end <= window.start:
        raise BadRequest(
            "The sales would end before they start.", sales_start=iso(window.start), sales_end=iso(window.end)
        )
