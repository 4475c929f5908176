"""Operators' commands: checked, recorded in the ledger, written through to the master, answered.

| name | body |
| --- | --- |
| ``theatre`` | ``{"id", "name", "city", "address"}`` |
| ``remove_theatre`` | ``{"id"}``; it must not have shows |
| ``layout`` | ``{"id"}``; the caller has put the blob at ``keys.layout(id)`` |
| ``show`` | ``wire.NewShow`` |
| ``block``, ``unblock`` | ``{"show", "seats": [seat id]}`` |
| ``sales`` | ``{"show", "sales"}`` |
| ``terms`` | ``{"show"}`` and what changes: ``wire.NewTerms`` |
| ``archive`` | ``{"show"}``; its sales must be closed, or it must have begun |
| ``retry_dead_letter``, ``refund_dead_letter`` | ``{"id"}`` of an entry of ``keys.DEAD_LETTERS`` |
| ``cancel`` | ``{"booking", "owner"}``; "" for an operator, who may cancel at any time |
| ``admit`` | ``{"theatre", "booking" or "code", "show", "gate"}``; see ``keeper.gate`` |
| ``staff_add`` | ``{"id", "name", "role", "theatre", "issued_at", "expires_at"}``; see ``staff.StaffToken`` |
| ``guest_revoke`` | ``{"owner"}``: no token of this guest is accepted any more |
| ``staff_revoke`` | ``{"who"}``: the id of a token, or a name for all its tokens |
| ``retry_refund`` | ``{"id"}``; a refund that the gateway has refused for good is asked for once more |
| ``retry_task`` | ``{"id"}``; a task whose job has failed for good is tried again, a webhook delivered again |
| ``erase_contacts`` | ``{"email"}``, ``{"phone"}`` or ``{"booking"}``: the contacts of one person |

A command may be carried out again after a crash; each is idempotent. Blocking seats asks the master first, because only
the master knows whether they are free; every other command is in the ledger before the master has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta
from redis.exceptions import RedisError

from realtime import connect, keys, limits, wire
from realtime.clock import now_ms
from realtime.errors import (
    AlreadyExists,
    BadRequest,
    BookingNotFound,
    CancelTooLate,
    HoldConfirmed,
    InvalidPlan,
    LayoutNotFound,
    NotFound,
    RegionUnavailable,
    RequestReused,
    SeatNotFound,
    SeatsTaken,
    ShowNotFound,
    TheatreConflict,
    TheatreNotFound,
    TicketError,
)
from realtime.jobs import Jobs
from realtime.keeper.archive import Archiver
from realtime.keeper.dead_letters import DeadLetters
from realtime.keeper.declare import Declarations
from realtime.keeper.erasure import Erasure
from realtime.keeper.gate import Gate
from realtime.keeper.refunds import RefundDelivery
from realtime.keeper.staff_commands import StaffCommands
from realtime.ledger import Ledger
from realtime.ledger.rows import CancelledBy, CommandRow, Queue, RefundProgress
from realtime.ledger.shows import Shows
from realtime.locks import replies
from realtime.locks.commands import OPERATORS
from realtime.locks.master import LockMaster
from realtime.locks.seats import Sale, SeatLocks
from realtime.model import ID, Fee, Layout, SalesState, Show, Theatre, canonical_time, hold_of
from realtime.sales_window import cancel_deadline, iso, to_ms, window_of
from realtime.topology import Topology

log = logging.getLogger(__name__)
_ASK_S = 2.0
EARLIEST_YEAR = 1971
"""Of a time in a declaration; ms since the epoch are positive."""
SAME_TIME = 50
"""Shows of one theatre with the same start that get an id here."""


class _TheatreBody(msgspec.Struct):
    id: wire.Id
    name: wire.Text
    city: wire.Text
    address: str = ""


class _RemoveBody(msgspec.Struct):
    id: wire.Id


class _ArchiveBody(msgspec.Struct):
    show: wire.Id


class _LayoutBody(msgspec.Struct):
    id: wire.Id


class _SeatsBody(msgspec.Struct):
    show: wire.Id
    seats: list[wire.Id]


class _SalesBody(msgspec.Struct):
    show: wire.Id
    sales: SalesState


class _TermsBody(wire.NewTerms, frozen=True):
    show: wire.Id = ""


class _CancelBody(msgspec.Struct):
    booking: wire.LongId
    owner: Annotated[str, Meta(max_length=limits.MAX_ID_LENGTH)] = ""


class _RefundBody(msgspec.Struct):
    id: wire.Id


class _TaskBody(msgspec.Struct):
    id: Annotated[str, Meta(min_length=1, max_length=160)]


class Commands:
    """Carries out the commands of one region."""

    def __init__(
        self,
        topology: Topology,
        region: str,
        password: str,
        ledger: Ledger,
        master: LockMaster,
        locks: SeatLocks,
        shows: Shows,
        refunds: RefundDelivery,
        jobs: Jobs,
    ) -> None:
        """All of ``region``; the topology and password are used to ask the masters of the other regions."""
        self._topology = topology
        self._region = region
        self._password = password
        self._ledger = ledger
        self._master = master
        self._locks = locks
        self._shows = shows
        self._refunds = refunds
        self._jobs = jobs
        self._declare = Declarations(master, locks)
        self._archiver = Archiver(ledger, master, locks)
        self._gate = Gate(ledger, master)
        self._fencing_token: str | None = None
        self._entry = b""
        self._verbs: dict[str, Callable[[bytes], Awaitable[dict[str, Any]]]] = {
            "theatre": self._theatre,
            "layout": self._layout,
            "show": self._show,
            "block": self._block,
            "unblock": self._unblock,
            "sales": self._sales,
            "terms": self._terms,
            "cancel": self._cancel,
            "archive": self._archive,
            "retry_dead_letter": DeadLetters(master).retry,
            "refund_dead_letter": DeadLetters(master).refund,
            "remove_theatre": self._remove_theatre,
            "admit": lambda body: self._gate.admit(body, self._fencing_token),
            "retry_refund": self._retry_refund,
            **StaffCommands(region, ledger, self._declare).verbs,
            "retry_task": self._retry_task,
            "erase_contacts": Erasure(ledger, master).erase,
        }

    async def carry_out(
        self,
        command_id: str,
        name: str,
        body: bytes,
        request_id: str = "",
        fencing_token: str | None = None,
        owner: str = OPERATORS,
        entry: bytes = b"",
    ) -> None:
        """Carry out one command and answer it; a repeated one (same owner and ``request_id``) gets the first's answer.

        ``fencing_token`` is the one under which it was read (None: any), ``entry`` its entry in the outbox. Raises
        ``Fenced`` once that is gone, because another keeper has carried it out. Raises ``RegionUnavailable``,
        ``LedgerUnavailable`` or ``StaleFencingToken`` if the command must be tried again later.
        """
        self._fencing_token = fencing_token
        self._entry = entry
        known = await self._ledger.command(owner, request_id) if request_id else None
        subject = _subject(name, body)
        if known is None:
            reply = await self._answer(name, body)
            if request_id:
                at = await self._master.time_ms()
                await self._ledger.save_commands([CommandRow(owner, request_id, name, subject, reply, at)])
        elif (known.kind, known.subject) == (name, subject):
            reply = known.outcome
        else:
            reply = replies.refusal(RequestReused("This request id was already used for another command."))
        await replies.send_reply(self._master, command_id, reply)

    async def _answer(self, name: str, body: bytes) -> bytes:
        try:
            if name not in self._verbs:
                raise BadRequest(f"There is no command {name!r}.")
            return replies.result(await self._verbs[name](body))
        except (RegionUnavailable, ShowNotFound) as error:
            if isinstance(error, RegionUnavailable) and error.details.get("region") == self._region:
                raise
            return replies.refusal(error)
        except TicketError as error:
            return replies.refusal(error)

    # --- theatres -------------------------------------------------------------------------------------------------
    async def _theatre(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_TheatreBody, body)
        if not ID.match(ask.id):
            raise BadRequest("A theatre's id is lower-case letters, digits and inner hyphens.")
        by_file = self._topology.theatre_region(ask.id)
        if by_file not in (None, self._region):
            raise TheatreConflict(f"The topology gives this theatre to {by_file}.", regions=[by_file, self._region])
        theatre = Theatre(ask.id, ask.name, ask.city, self._region, ask.address)
        if await self._ledger.theatre(self._region, ask.id) is None:
            await self._nobody_else_has(ask.id)
        await self._ledger.save_theatre(theatre)
        await self._declare.theatre(theatre)
        return {"theatre": orjson.loads(wire.encode_theatre(theatre))}

    async def _remove_theatre(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_RemoveBody, body)
        shows = await self._ledger.remove_theatre(ask.id)
        if shows is None:
            raise TheatreNotFound()
        if shows:
            raise BadRequest(f"This theatre has {shows} shows, which the ledger keeps; it can't be removed.")
        await self._master.command("HDEL", keys.THEATRES, ask.id)
        await self._declare.announce(theatre=ask.id)
        return {"theatre": ask.id}

    async def _archive(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_ArchiveBody, body)
        show = await self._known_show(ask.show)
        if show.sales is not SalesState.CLOSED and to_ms(show.starts_at) > now_ms():
            raise BadRequest("Close the sales of a show that has not begun before you archive it.")
        if not await self._archiver.archive([show.id]):
            raise HoldConfirmed("Somebody holds seats of this show; try again when no hold is left.")
        return {"show": show.id, "archived": True}

    async def _nobody_else_has(self, theatre_id: str) -> None:
        others = [name for name in self._topology.regions if name != self._region]
        have = await asyncio.gather(*(self._has(name, theatre_id) for name in others))
        declaring = [name for name, has in zip(others, have, strict=True) if has]
        if declaring:
            raise TheatreConflict(f"{declaring[0]} declares this theatre already.", regions=[*declaring, self._region])

    async def _has(self, region: str, theatre_id: str) -> bool:
        """Return whether a region has a theatre, from its master: a replica may lag. Raises ``RegionUnavailable``."""
        master = self._topology.regions[region].master
        try:
            async with connect.to_master(master, self._password, timeout_s=_ASK_S) as redis:
                if await redis.get(keys.RECONCILED) is None:
                    raise self._cannot_ask(region)  # it may have lost what it had
                return bool(await redis.hexists(keys.THEATRES, theatre_id))
        except (RedisError, OSError):
            raise self._cannot_ask(region) from None

    def _cannot_ask(self, region: str) -> RegionUnavailable:
        return RegionUnavailable(f"{region} can't be asked whether it has this theatre; try again.", region=region)

    # --- layouts and shows ----------------------------------------------------------------------------------------
    async def _layout(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_LayoutBody, body)
        blob: bytes | None = await self._master.command("GET", keys.layout(ask.id))
        if blob is None:
            raise LayoutNotFound()
        try:
            layout = await asyncio.to_thread(wire.decode_layout, blob)
        except (ValueError, OSError, EOFError, msgspec.MsgspecError) as error:
            await self._master.command("DEL", keys.layout(ask.id))
            raise InvalidPlan(f"This is not a layout: {error}") from None
        if layout.id != ask.id:
            raise InvalidPlan(f"This is the layout {layout.id}.")
        await self._ledger.save_layout(layout.id, blob)
        categories = [category.name for category in layout.categories]
        return {"layout": {"id": layout.id, "name": layout.name, "seats": len(layout.seats), "categories": categories}}

    async def _show(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(wire.NewShow, body)
        theatre = await self._ledger.theatre(self._region, ask.theatre)
        if theatre is None:
            raise TheatreNotFound()
        blob = await self._ledger.layout(ask.layout)
        if blob is None:
            raise LayoutNotFound()
        layout = await self._shows.layout(ask.layout)
        _check_prices(ask, layout)
        start = _moment("starts_at", ask.starts_at)
        show_id = ask.id or self._name(ask, start)
        if not ID.match(show_id) or not show_id.startswith(f"{self._region}-"):
            raise BadRequest(f"A show's id is lower-case letters, digits and hyphens, and begins with {self._region}-.")
        show = Show(
            id=show_id,
            title=ask.title,
            theatre=theatre.id,
            theatre_name=theatre.name,
            city=theatre.city,
            region=self._region,
            layout=ask.layout,
            seat_count=len(layout.seats),
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
        _check_window(show)
        known = await self._ledger.show(show_id)
        if ask.id is None:
            # Two screens may begin at the same time; the same show asked for twice is one show.
            for number in range(2, SAME_TIME + 1):
                if known is None or _same(known, show):
                    break
                show = replace(show, id=f"{show_id}-{number}")
                known = await self._ledger.show(show.id)
        if known is not None and not _same(known, show):
            raise AlreadyExists("There is another show with this id.", id=show.id)
        if known is None:
            await self._ledger.save_show(show)
        await self._declare.layout(ask.layout, blob)
        await self._declare.show(known or show)
        await self._add_jobs(show.id)
        return {"show": wire.show_payload(known or show, "live")}

    def _name(self, ask: wire.NewShow, start: datetime) -> str:
        room = limits.MAX_ID_LENGTH - len(self._region) - len(f"--20261231-2359-{SAME_TIME}")
        slug = re.sub(r"-+\Z", "", ask.theatre.removeprefix(f"{self._region}-")[:room])
        return f"{self._region}-{slug}-{start:%Y%m%d-%H%M}"

    async def _known_show(self, show_id: str) -> Show:
        show = await self._ledger.show(show_id)
        if show is None:
            raise ShowNotFound()
        return show

    # --- seats and sales ------------------------------------------------------------------------------------------
    async def _block(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_SeatsBody, body)
        layout, seats = await self._seats(ask)
        try:
            await self._locks.block(ask.show, [index for _seat, index in seats], entry=self._entry)
        except SeatsTaken as error:
            taken = [layout.seats[index].id for index in error.details["seats"]]
            raise SeatsTaken("Only free seats can be blocked; these are not.", seats=taken) from None
        await self._ledger.block(ask.show, seats)
        return {"show": ask.show, "seats": ask.seats}

    async def _unblock(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_SeatsBody, body)
        _layout, seats = await self._seats(ask)
        await self._ledger.unblock(ask.show, [seat for seat, _index in seats])
        await self._locks.unblock(ask.show, [index for _seat, index in seats], entry=self._entry)
        return {"show": ask.show, "seats": ask.seats}

    async def _seats(self, ask: _SeatsBody) -> tuple[Layout, list[tuple[str, int]]]:
        show = await self._known_show(ask.show)
        layout = await self._shows.layout(show.layout)
        index = {seat.id: n for n, seat in enumerate(layout.seats)}
        unknown = [seat for seat in ask.seats if seat not in index]
        if unknown:
            raise SeatNotFound(seats=unknown)
        return layout, [(seat, index[seat]) for seat in dict.fromkeys(ask.seats)]

    async def _sales(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_SalesBody, body)
        show = await self._ledger.set_sales(ask.show, ask.sales)
        if show is None:
            raise ShowNotFound()
        await self._locks.set_sales(show.id, ask.sales, entry=self._entry)
        await self._declare.show(show)
        await self._add_jobs(show.id)
        return {"show": show.id, "sales": ask.sales.value}

    async def _terms(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_TermsBody, body)
        show = await self._known_show(ask.show)
        given = {name: getattr(ask, name) for name in wire.NewTerms.__struct_fields__}
        changes: dict[str, Any] = {name: _optional(name, at) for name, at in given.items() if at is not None}
        changed = replace(show, **changes)
        _check_window(changed)
        await self._ledger.save_show(changed)
        await self._declare.terms_of_sale(changed)
        await self._add_jobs(changed.id)
        return {"show": wire.show_payload(changed, "live")}

    # --- bookings -------------------------------------------------------------------------------------------------
    async def _cancel(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_CancelBody, body)
        booking = await self._ledger.booking(ask.booking)
        if booking is None or ask.owner not in ("", booking.owner):
            raise BookingNotFound()
        now = await self._master.time_ms()
        if ask.owner and booking.cancelled_at is None:
            await self._check_cancel_deadline(booking.show_id, now)
        by = CancelledBy.OWNER if ask.owner else CancelledBy.OPERATOR
        done = await self._ledger.cancel(booking.id, by, now, self._fencing_token)
        assert done is not None, "bookings are never deleted"
        if not await self._ledger.is_archived(done.show_id):
            await self._locks.cancel(Sale(hold_of(done.booking), done.owner, done.seats, done.payment))
        await self._refunds.deliver(done.refund)
        await self._jobs.add(done.tasks)
        refund = {"payment": done.refund.payment, "amount": done.refund.amount, "state": done.refund.state.value}
        return {
            "booking": {
                "id": done.booking,
                "show": done.show_id,
                "state": "cancelled",
                "cancelled_at": done.at,
                "cancelled_by": done.by.value,
            },
            "refund": refund,
        }

    async def _check_cancel_deadline(self, show_id: str, now: int) -> None:
        show = await self._ledger.show(show_id)
        assert show is not None, "shows are never deleted"
        if now > (until := cancel_deadline(show)):
            raise CancelTooLate(cancel_until=until)

    # --- refunds --------------------------------------------------------------------------------------------------
    async def _retry_refund(self, body: bytes) -> dict[str, Any]:
        ask = wire.parse_json(_RefundBody, body)
        refund = await self._ledger.retry_refund(ask.id, now_ms())
        if refund is None:
            raise NotFound("There is no refund with this id.")
        if refund.state is RefundProgress.PROMISED:
            await self._refunds.deliver_anew(refund)
        return {"refund": asdict(refund)}

    async def _add_jobs(self, show_id: str) -> None:
        """Add the jobs of the webhooks about a show."""
        await self._jobs.add(await self._ledger.open_tasks(show_id))

    # --- tasks ----------------------------------------------------------------------------------------------------
    async def _retry_task(self, body: bytes) -> dict[str, Any]:
        task = await self._ledger.task(wire.parse_json(_TaskBody, body).id)
        if task is None:
            raise NotFound("There is no task with this id.")
        if task.queue is Queue.REFUNDS:
            await self._retry_refund(orjson.dumps({"id": task.subject}))
        elif task.queue is Queue.WEBHOOKS:
            await self._ledger.reopen_delivery(task.id, now_ms())
            await self._jobs.add_anew([task])
        elif task.done_at is None:
            await self._jobs.add_anew([task])
        return {"task": {"id": task.id, "queue": task.queue.value, "subject": task.subject, "done_at": task.done_at}}


def _subject(name: str, body: bytes) -> str:
    """Return what a command is about, to tell a repeated one from another one: its booking, or a digest of its body."""
    if name == "cancel":
        with contextlib.suppress(BadRequest):
            return wire.parse_json(_CancelBody, body).booking
    return hashlib.sha256(body).hexdigest()


def _same(known: Show, asked: Show) -> bool:
    """Return whether two shows are the same but for their terms of sale and the name of the theatre."""
    terms = {name: getattr(known, name) for name in ("sales", *wire.NewTerms.__struct_fields__)}
    return replace(asked, **terms, theatre_name=known.theatre_name, city=known.city) == known


def _check_prices(ask: wire.NewShow, layout: Layout) -> None:
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
