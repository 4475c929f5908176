"""Operators' commands: checked, recorded in the ledger, written through to the master, answered.

| name | body |
| --- | --- |
| ``theatre`` | ``{"id", "name", "city", "address"}`` |
| ``remove_theatre`` | ``{"id"}``; it must not have shows |
| ``layout`` | ``{"id"}``; the caller has put the blob at ``keys.layout(id)`` |
| ``show`` | ``wire.requests.NewShow`` |
| ``block`` | ``{"show", "seats": [seat id], "reason"}`` |
| ``unblock`` | ``{"show", "seats": [seat id]}`` |
| ``sales`` | ``{"show", "sales"}`` |
| ``terms`` | ``{"show"}`` and what changes: ``wire.requests.NewTerms`` |
| ``archive`` | ``{"show"}``; its sales must be closed, or it must have begun |
| ``repair_record`` | ``wire.requests.RepairRecord``; see ``keeper.record_repair`` |
| ``retry_dead_letter``, ``refund_dead_letter`` | ``{"id"}`` of an entry of ``keys.DEAD_LETTERS`` |
| ``cancel`` | ``{"booking", "owner"}``; "" for an operator, who may cancel at any time |
| ``revoke_links`` | ``{"booking", "owner"}``; "" for an operator: links to its ticket open nothing any more |
| ``exchange`` | ``{"booking", "show", "seats": [seat id]}``; see ``keeper.exchange`` |
| ``admit``, ``gate_lease``, ``gate_return``, ``gate_report`` | see ``keeper.gate`` |
| ``staff_add`` | ``{"id", "name", "role", "theatre", "issued_at", "expires_at"}``; see ``staff.StaffToken`` |
| ``guest_revoke`` | ``{"owner"}``: no token of this guest is accepted any more |
| ``staff_revoke`` | ``{"who"}``: the id of a token, or a name for all its tokens |
| ``retry_refund`` | ``{"id"}``; a refund that the gateway has refused permanently is asked for once more |
| ``retry_task`` | ``{"id"}``; a task whose job has failed permanently is tried again, a webhook delivered again |
| ``erase_contacts`` | ``{"email"}``, ``{"phone"}`` or ``{"booking"}``: the contacts of one person |

A command may be carried out again after a crash; each is idempotent. A block command goes to the master first, and an
exchange reserves its new seats there first, because only the master knows whether seats are free; every other command
is in the ledger before the master has it. While a block command runs, the ledger therefore still has the seats that
were blocked before it, and if the command is refused half-way, exactly those stay blocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import Meta

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.errors import (
    BadRequest,
    NotFound,
    RegionUnavailable,
    RequestReused,
    SeatsTaken,
    TicketError,
)
from realtime.jobs import Jobs
from realtime.keeper.archive import Archiver
from realtime.keeper.booking_commands import BookingBody, BookingCommands
from realtime.keeper.dead_letters import DeadLetters
from realtime.keeper.declare import Declarations
from realtime.keeper.erasure import Erasure
from realtime.keeper.exchange import Exchanges
from realtime.keeper.gate import Gate
from realtime.keeper.record_repair import RecordRepair
from realtime.keeper.refunds import RefundDelivery, listed_refund
from realtime.keeper.show_commands import ShowCommands, known_show
from realtime.keeper.staff_commands import StaffCommands
from realtime.ledger import Ledger
from realtime.ledger.rows import CommandRow, Queue, RefundProgress
from realtime.ledger.shows import Shows, seat_indices
from realtime.locks import replies
from realtime.locks.answers import Fenced, ShowNotReady
from realtime.locks.commands import OPERATORS
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import PLAIN_TEXT, Layout, SalesState
from realtime.topology import Topology
from realtime.wire.requests import Id, Reason, parse_json
from realtime.wire.shows import Unreadable

log = logging.getLogger(__name__)
STILL_OURS_S = 1.0
"""The longest time for which a transaction of the ledger waits for the lock master."""


class _SeatsBody(msgspec.Struct):
    show: Id
    seats: list[Id]


class _BlockBody(_SeatsBody):
    reason: Reason = ""


class _SalesBody(msgspec.Struct):
    show: Id
    sales: SalesState


class _RefundBody(msgspec.Struct):
    id: Id


class _TaskBody(msgspec.Struct):
    id: Annotated[str, Meta(min_length=1, max_length=160, pattern=PLAIN_TEXT)]


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
        """``topology`` and ``password`` give access to the other regions' masters; the rest belongs to ``region``."""
        self._ledger = ledger
        self._region = region
        self._master = master
        self._locks = locks
        self._shows = shows
        self._refunds = refunds
        self._jobs = jobs
        self._declarations = Declarations(master, locks)
        self._gate = Gate(ledger, master, shows)
        self._bookings = BookingCommands(ledger, locks, refunds, jobs)
        self._exchanges = Exchanges(ledger, locks, shows, jobs)
        self._fencing_token: str | None = None
        self._entry = b""
        archiver = Archiver(ledger, master, locks)
        declare = self._declarations
        show_commands = ShowCommands(topology, region, password, ledger, master, shows, jobs, archiver, declare)
        staff_commands = StaffCommands(region, ledger, declare)
        record_repair = RecordRepair(region, ledger, master, archiver, declare)
        self._verbs: dict[str, Callable[[bytes], Awaitable[dict[str, Any]]]] = {
            **show_commands.verbs,
            "theatre": lambda body: show_commands.declare_theatre(
                body, self._fencing_token, self._still_ours, self._entry
            ),
            "remove_theatre": lambda body: show_commands.remove_theatre(
                body, self._fencing_token, self._still_ours, self._entry
            ),
            "show": lambda body: show_commands.declare_show(body, self._fencing_token, self._still_ours, self._entry),
            "terms": lambda body: show_commands.change_terms(body, self._fencing_token, self._still_ours, self._entry),
            "repair_record": lambda body: record_repair.repair(body, self._entry),
            "block": self._block,
            "unblock": self._unblock,
            "sales": self._sales,
            "cancel": lambda body: self._bookings.cancel(body, self._fencing_token),
            "revoke_links": lambda body: self._bookings.revoke_links(body, self._fencing_token),
            "exchange": lambda body: self._exchanges.exchange(body, self._fencing_token, self._entry),
            "admit": lambda body: self._gate.admit(body, self._fencing_token, self._entry),
            "gate_lease": lambda body: self._gate.lease(body, self._fencing_token),
            "gate_return": lambda body: self._gate.end_lease(body, self._fencing_token),
            "gate_report": lambda body: self._gate.report(body, self._fencing_token, self._entry),
            **staff_commands.verbs,
            "staff_add": lambda body: staff_commands.add(body, self._entry),
            "retry_refund": self._retry_refund,
            "retry_task": self._retry_task,
            "retry_dead_letter": DeadLetters(master).retry,
            "refund_dead_letter": DeadLetters(master).refund,
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
        """Carry out one command and answer it; a repeated one (same owner and ``request_id``) gets the first answer.

        Two kinds of refusals are not kept as the first answer: retryable ones, and all refusals of buyers' commands.
        After these, a repeated command is carried out. If buyers' refusals were kept, a buyer with many identities
        could fill the ledger with them. ``fencing_token`` is the token under which the command was read (None: any),
        ``entry`` is its entry in the outbox. Raises ``Fenced`` if the entry is gone, because another keeper has carried
        out the command. Raises ``RegionUnavailable``, ``LedgerUnavailable`` or ``StaleFencingToken`` if the command
        must be tried again later.
        """
        self._fencing_token = fencing_token
        self._entry = entry
        known = await self._ledger.command(owner, request_id) if request_id else None
        subject = _subject(name, body)
        if known is None:
            reply, final = await self._answer(name, body, owner)
            if request_id and final and await self._is_kept(owner):
                at = await self._master.time_ms()
                await self._ledger.save_commands([CommandRow(owner, request_id, name, subject, reply, at)])
        elif (known.kind, known.subject) == (name, subject):
            reply = known.outcome
        else:
            reply = replies.refusal(RequestReused("This request id was already used for another command."))
        await self._ledger.tell_reached()
        await replies.send_reply(self._master, command_id, reply)

    async def _is_kept(self, owner: str) -> bool:
        """Return whether the ledger keeps one more outcome of an owner. Of a buyer's it keeps a limited number."""
        return owner == OPERATORS or await self._ledger.outcomes_of(owner) < limits.OUTCOMES_OF_OWNER

    async def _answer(self, name: str, body: bytes, owner: str) -> tuple[bytes, bool]:
        """Carry out a command; return its answer, and whether it is final. A refusal that may pass is not final."""
        try:
            if name not in self._verbs:
                raise BadRequest(f"There is no command {name!r}.")
            return replies.result(await self._verbs[name](body)), True
        except TicketError as error:
            if isinstance(error, RegionUnavailable) and error.details.get("region") == self._region:
                raise
            return replies.refusal(error), owner == OPERATORS and not error.retryable
        except Unreadable as error:
            return replies.refusal(BadRequest(f"The ledger's record of this show can't be read: {error}")), True

    async def _still_ours(self) -> None:
        """Raise ``Fenced`` if the entry is gone: another keeper has carried it out, and perhaps later commands too.

        Raises ``RegionUnavailable`` after ``STILL_OURS_S`` if the master does not answer, because the caller's
        transaction holds locks in the ledger for which bookings wait.
        """
        if not self._entry:
            return
        try:
            async with asyncio.timeout(STILL_OURS_S):
                found = await self._master.command("XRANGE", keys.OUTBOX, self._entry, self._entry)
        except TimeoutError:
            raise RegionUnavailable(region=self._region) from None
        if not found:
            raise Fenced("another keeper has carried out this command")

    # --- seats and sales ------------------------------------------------------------------------------------------
    async def _block(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_BlockBody, body)
        layout, seats = await self._seats(ask)
        try:
            epoch = await self._locks.block(ask.show, [index for _seat, index in seats], entry=self._entry)
        except SeatsTaken as error:
            # More seats than fit into one call are blocked in several calls, so some may be blocked by now: by this
            # keeper, or by one that died during the same command.
            recorded = {seat for seat, _reason, _at in await self._ledger.blocks(ask.show)}
            undone = [index for seat, index in seats if seat not in recorded]
            await self._locks.unblock(ask.show, undone, entry=self._entry)
            taken = [layout.seats[index].id for index in error.details["seats"]]
            if wrong := recorded.intersection(taken):  # recorded while a rebuild put them on sale, see below
                await self._ledger.unblock(ask.show, sorted(wrong), self._fencing_token, self._still_ours)
            raise SeatsTaken("Only free seats can be blocked; these are not.", seats=taken) from None
        await self._ledger.block(ask.show, seats, ask.reason, now_ms(), self._fencing_token, self._still_ours)
        if seats and await self._master.command("HGET", keys.meta(ask.show), "epoch") != epoch:
            # A rebuild that read the ledger before this block was recorded has put the seats on sale again.
            raise ShowNotReady(region=self._region)
        return {"show": ask.show, "seats": ask.seats}

    async def _unblock(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_SeatsBody, body)
        _layout, seats = await self._seats(ask)
        await self._ledger.unblock(ask.show, [seat for seat, _index in seats], self._fencing_token, self._still_ours)
        await self._locks.unblock(ask.show, [index for _seat, index in seats], entry=self._entry)
        return {"show": ask.show, "seats": ask.seats}

    async def _seats(self, ask: _SeatsBody) -> tuple[Layout, list[tuple[str, int]]]:
        show = await known_show(self._ledger, ask.show)
        layout = await self._shows.layout(show.layout)
        return layout, list(zip(dict.fromkeys(ask.seats), seat_indices(layout, ask.seats), strict=True))

    async def _sales(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_SalesBody, body)
        await known_show(self._ledger, ask.show)
        show = await self._ledger.set_sales(ask.show, ask.sales, self._fencing_token, self._still_ours)
        assert show is not None, "shows are never deleted"
        await self._locks.set_sales(show.id, ask.sales, entry=self._entry)
        await self._declarations.declare_terms(show, entry=self._entry)
        await self._jobs.add(await self._ledger.open_tasks(show.id))  # webhooks about the show
        return {"show": show.id, "sales": ask.sales.value}

    # --- refunds --------------------------------------------------------------------------------------------------
    async def _retry_refund(self, body: bytes) -> dict[str, Any]:
        ask = parse_json(_RefundBody, body)
        refund = await self._ledger.retry_refund(ask.id, now_ms())
        if refund is None:
            raise NotFound("There is no refund with this id.")
        if refund.state in (RefundProgress.PROMISED, RefundProgress.SENT):
            await self._refunds.deliver(refund, at_once=True)
        return {"refund": listed_refund(refund)}

    # --- tasks ----------------------------------------------------------------------------------------------------
    async def _retry_task(self, body: bytes) -> dict[str, Any]:
        task = await self._ledger.task(parse_json(_TaskBody, body).id)
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
    """Return what tells a repeated command from a different one: the booking that it names, or a digest of its body."""
    if name in ("cancel", "revoke_links"):
        with contextlib.suppress(BadRequest):
            return parse_json(BookingBody, body).booking
    return hashlib.sha256(body).hexdigest()
