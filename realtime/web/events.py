"""The Socket.IO events of a node. Each event takes one object and is acknowledged with one object.

The answer is ``{"ok": true, ...}`` or ``{"ok": false, "error": {"code", "message", "retryable", ...}}``, also for
malformed input; a traceback goes to the log only. Changes of a hold or booking are sent to every connection that its
owner has on this node.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import socketio

from realtime import limits
from realtime.errors import BadRequest, Overloaded, RateLimited, RegionUnavailable, ShowNotFound, TicketError
from realtime.feeds.directory import Directory
from realtime.model import Hold, HoldState, booking_of, show_of
from realtime.rooms.rooms import Rooms
from realtime.staff import MAX_TOKEN_LENGTH
from realtime.transport.budget import Budget
from realtime.transport.client_address import session_address
from realtime.transport.fanout import encode
from realtime.web import bodies
from realtime.web.address_pace import AddressRateLimited
from realtime.web.box_office import BoxOffice
from realtime.web.checkout import Checkout
from realtime.web.identity import Identities
from realtime.web.routing import failure
from realtime.web.staff_access import Kiosk
from realtime.wire.requests import (
    ConfirmHold,
    ExtendHold,
    HoldSeats,
    OrderHold,
    ReleaseSeats,
    ResumeHold,
    Unwatch,
    Watch,
    parse,
)

DRAIN_CHUNK = 100
"""How many connections are closed between two pauses while the node drains."""
NOTICE_CHUNK = 100
"""How many connections of one owner get a notice in one iteration of the event loop: about a millisecond."""
T = TypeVar("T")
Payload = dict[str, Any]


@dataclass(slots=True)
class _Client:
    owner: str
    address: str
    staff_token: str
    """The staff token of a kiosk; "" for other clients, and after the token was refused."""
    budget: Budget
    busy: int = 0
    """Events of this client that are being answered."""
    closing: bool = False


class Events:
    """Handles all events of a node; registers its handlers on ``sio``."""

    def __init__(
        self,
        sio: socketio.AsyncServer,
        identities: Identities,
        directory: Directory,
        rooms: Rooms,
        office: BoxOffice,
        checkout: Checkout,
        kiosk: Callable[[str, str], Awaitable[Kiosk | None]],
    ) -> None:
        """Register the handlers; ``sio`` must not be serving yet.

        ``kiosk`` returns a kiosk by its address and staff token, None for other clients; it raises
        ``RegionUnavailable`` if it can't tell at the moment.
        """
        self._sio = sio
        self._identities = identities
        self._directory = directory
        self._rooms = rooms
        self._office = office
        self._checkout = checkout
        self._kiosk = kiosk
        self._clients: dict[str, _Client] = {}
        self._sids_of_owner: dict[str, set[str]] = {}
        self._notice_tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        sio.on("connect", self._connect)
        sio.on("disconnect", self._disconnect)
        sio.on("*", self._unknown)
        self._register("show:watch", Watch, self._watch)
        self._register("show:unwatch", Unwatch, self._unwatch)
        self._register("seats:hold", HoldSeats, self._hold)
        self._register("seats:release", ReleaseSeats, lambda sid, ask: office.release(self._owner(sid), ask))
        self._register("seats:extend", ExtendHold, lambda sid, ask: office.extend(self._owner(sid), ask))
        self._register("seats:confirm", ConfirmHold, lambda sid, ask: checkout.confirm(self._owner(sid), ask))
        self._register("seats:order", OrderHold, self._order)
        self._register("hold:resume", ResumeHold, lambda sid, ask: office.get(self._owner(sid), ask.hold))

    @property
    def connections(self) -> int:
        """Clients connected to this node."""
        return len(self._clients)

    # --- connections ----------------------------------------------------------------------------------------------
    async def _connect(self, sid: str, environ: Any = None, auth: object = None, *_more: object) -> Payload | None:
        # The framework also calls this handler for an event that a client names "connect", with what the client sent.
        if sid in self._clients:
            return await self._unknown("connect", sid, environ)
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            if token is None:
                owner = self._identities.new()
                token = self._identities.token(owner)
            else:
                owner = self._identities.owner(token)
                token = self._identities.renewed(token, owner)
        except TicketError as error:
            raise socketio.exceptions.ConnectionRefusedError(error.code, error.payload()) from None
        staff = auth.get("staff") if isinstance(auth, dict) else None
        staff_token = staff if isinstance(staff, str) and len(staff) <= MAX_TOKEN_LENGTH else ""
        self._clients[sid] = _Client(owner, session_address(environ), staff_token, self._rooms.fanout.budget(sid))
        self._sids_of_owner.setdefault(owner, set()).add(sid)
        self._rooms.fanout.send(sid, encode("session", {"owner": owner, "token": token}))
        return None

    async def _disconnect(self, sid: str, *_reason: object) -> Payload | None:
        # The framework also calls this for an event named "disconnect". A client that has really left is not connected.
        if self._rooms.fanout.is_connected(sid):
            return await self._unknown("disconnect", sid)
        self._rooms.drop(sid)
        # Otherwise the client could connect to the namespace again over this connection, with a full token bucket.
        self._rooms.fanout.finish(sid)
        client = self._clients.pop(sid, None)
        if client is not None:
            sids = self._sids_of_owner[client.owner]
            sids.discard(sid)
            if not sids:
                del self._sids_of_owner[client.owner]
        return None

    def disconnect_owner(self, owner: str) -> None:
        """Close all connections of an owner whose identity was revoked."""
        for sid in tuple(self._sids_of_owner.get(owner, ())):
            self._rooms.fanout.finish(sid)

    def _owner(self, sid: str) -> str:
        return self._clients[sid].owner

    # --- events ---------------------------------------------------------------------------------------------------
    def _register(self, event: str, form: type[T], verb: Callable[[str, T], Awaitable[Payload]]) -> None:
        async def handle(sid: str, *sent: object) -> Payload:
            return await self._answer(sid, event, lambda: verb(sid, parse(form, _one_object(sent))))

        self._sio.on(event, handle)

    async def _unknown(self, event: str, sid: str, *_sent: object) -> Payload:
        def refuse() -> Awaitable[Payload]:
            raise BadRequest(f"There is no event {event[:64]!r}.")

        return await self._answer(sid, event, refuse)

    async def _answer(self, sid: str, event: str, act: Callable[[], Awaitable[Payload]]) -> Payload:
        client = self._clients.get(sid)
        if client is None:
            # The client disconnected while this event was queued; nobody reads the answer.
            return _refusal(TicketError())
        if client.closing:
            # The connection is being closed. This answer may not arrive; the client repeats its event at another node.
            return _refusal(Overloaded())
        client.busy += 1
        try:
            if wait_s := client.budget.take(asyncio.get_running_loop().time()):
                raise RateLimited(retry_after_ms=int(wait_s * 1000) + 1)
            return {"ok": True, **await act()}
        except TicketError as error:
            if isinstance(error, AddressRateLimited):
                client.budget.delay_until(asyncio.get_running_loop().time() + error.delay_s)
            if client.budget.abusive:
                await self._sio.disconnect(sid)
            return _refusal(error)
        except RecursionError:
            return _refusal(BadRequest("The payload is nested too deeply."))
        except Exception as error:
            return _refusal(failure(error, f"event {event}"))
        finally:
            client.busy -= 1
            if self._draining and not client.busy:
                # The framework queues the answer in this iteration of the loop; the connection is closed in the next.
                asyncio.get_running_loop().call_soon(self._close_if_idle, sid)

    async def _hold(self, sid: str, ask: HoldSeats) -> Payload:
        client = self._clients[sid]
        return await self._office.hold(client.owner, ask, client.address, await self._kiosk_of(client, ask.show))

    async def _order(self, sid: str, ask: OrderHold) -> Payload:
        client = self._clients[sid]
        kiosk = await self._kiosk_of(client, show_of(ask.hold))
        return await self._checkout.order(client.owner, ask, client.address, kiosk)

    async def _kiosk_of(self, client: _Client, show: str) -> str:
        """Return the client's id if it is a kiosk of the show's theatre; "" otherwise.

        A kiosk has the limits of an address to itself, because many people book at the kiosks of a foyer, which may
        share an address.
        """
        if not client.staff_token:
            return ""
        try:
            kiosk = await self._kiosk(client.address, client.staff_token)
        except RegionUnavailable:
            return ""  # until it is known again whether this is a kiosk
        if kiosk is None:
            client.staff_token = ""  # forgotten, or each hold would count as another wrong token
            return ""
        with contextlib.suppress(ShowNotFound, RegionUnavailable):  # the request itself is refused for it
            return kiosk.id if kiosk.theatre == self._directory.declared_show(show).theatre else ""
        return ""

    async def _watch(self, sid: str, ask: Watch) -> Payload:
        return await self._rooms.watch(sid, self._directory.show(ask.show), ask.since, deflate=ask.deflate)

    async def _unwatch(self, sid: str, ask: Unwatch) -> Payload:
        self._rooms.unwatch(sid, ask.show)
        return {}

    # --- notices from the keepers ---------------------------------------------------------------------------------
    def on_notice(self, notice: Payload) -> None:
        """Handle a keeper's notice about a hold: resume confirms that wait for it, notify its owner's connections."""
        hold_id, owner, kind = notice["hold"], notice["owner"], notice["kind"]
        if kind == "booked":
            self._checkout.settled(hold_id, HoldState.BOOKED)
        elif kind == "rejected":
            self._checkout.settled(hold_id, HoldState.REJECTED)
        if owner in self._sids_of_owner:
            task = asyncio.get_running_loop().create_task(self._send_notice(notice))
            self._notice_tasks.add(task)
            task.add_done_callback(self._notice_tasks.discard)

    async def _send_notice(self, notice: Payload) -> None:
        hold_id, kind = notice["hold"], notice["kind"]
        event = "hold:expired"
        payload: Payload = {"hold": hold_id, "show": show_of(hold_id), "reason": kind}
        if kind == "rejected":
            booking = {"id": booking_of(hold_id), "hold": hold_id, "show": show_of(hold_id), "state": "rejected"}
            event, payload = "booking:settled", {"booking": booking}
        elif kind == "booked":
            event, payload = "booking:settled", {"booking": await self._booking(notice, HoldState.BOOKED)}
        elif kind == "cancelled":
            event, payload = "booking:settled", {"booking": await self._booking(notice, HoldState.CANCELLED)}
        elif kind == "refund":
            shown = ("hold", "payment", "amount", "state", "reason")
            event, payload = "refund:updated", {"refund": {name: notice[name] for name in shown}}
        packet = encode(event, payload)
        for number, sid in enumerate(tuple(self._sids_of_owner.get(notice["owner"], ()))):
            if number and number % NOTICE_CHUNK == 0:
                await asyncio.sleep(0)  # one identity may have thousands of connections
            self._rooms.fanout.send(sid, packet)

    async def _booking(self, notice: Payload, state: HoldState) -> bodies.BookingBody | Payload:
        """Return the booking in a notice. The notice has the seats, so no node asks the master across India.

        If the show was archived, the booking has no seats.
        """
        hold_id = notice["hold"]
        try:
            show = self._directory.declared_show(show_of(hold_id))
        except ShowNotFound:
            return {"id": booking_of(hold_id), "hold": hold_id, "show": show_of(hold_id), "state": state.value}
        known = await self._directory.seat_ids(show)
        return bodies.booking_body(Hold(hold_id, "", tuple(notice.get("seats", ())), state, 0), known, state)

    # --- shutdown -------------------------------------------------------------------------------------------------
    async def drain(self) -> None:
        """Send ``node:leaving`` to all clients and close each connection once its pending events are answered.

        At most ``limits.DRAIN_PER_S`` connections are closed a second, so that the other nodes can accept them. Returns
        when all connections are closed, or ``limits.DRAIN_S`` after the last client was notified.
        """
        self._draining = True
        leaving = encode("node:leaving", {})
        for number, sid in enumerate(list(self._clients)):
            if number and number % DRAIN_CHUNK == 0:
                await asyncio.sleep(DRAIN_CHUNK / limits.DRAIN_PER_S)
            self._rooms.fanout.send(sid, leaving)
            self._close_if_idle(sid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.DRAIN_S):
                while self._clients:  # noqa: ASYNC110 - the framework closes connections and has no event for it
                    await asyncio.sleep(0.02)

    def _close_if_idle(self, sid: str) -> None:
        client = self._clients.get(sid)
        if client is not None and not client.busy and not client.closing:
            client.closing = True
            self._rooms.fanout.finish(sid)

    async def close(self) -> None:
        """Wait until all pending notices are sent."""
        if self._notice_tasks:
            await asyncio.gather(*self._notice_tasks, return_exceptions=True)


def _one_object(sent: tuple[object, ...]) -> object:
    if len(sent) != 1:
        raise BadRequest("An event takes exactly one object.")
    return sent[0]


def _refusal(error: TicketError) -> Payload:
    return {"ok": False, "error": error.payload()}
