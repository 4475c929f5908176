"""Orders: what payment services are asked to collect for holds. ``checkout`` has what comes of the payments."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from realtime import limits
from realtime.contact import encode_contact
from realtime.errors import (
    BadRequest,
    BookingCancelled,
    BookingRejected,
    HoldConfirmed,
    HoldEnded,
    HoldExpired,
    HoldLost,
    HoldNotFound,
    NotYourHold,
    SeatNotFound,
    ShowNotFound,
    TicketError,
    TooManyHolds,
)
from realtime.feeds.directory import Directory, SeatIds
from realtime.locks.holds import TOO_MANY_ORDERS, csv
from realtime.locks.replies import new_reply_id, wait_until_recorded
from realtime.locks.seats import SeatLocks
from realtime.model import Hold, HoldState, Show, is_hold_id, region_of, show_of
from realtime.payments.service import CURRENCY, Order, OrderRequest, PaymentService, order_key
from realtime.web import bodies
from realtime.web.address_keys import AddressKeys
from realtime.web.address_pace import AddressPace
from realtime.wire.requests import OrderHold

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
FREE = "free"
"""The kind of checkout for seats that cost nothing."""
NOT_ORDERED: Mapping[HoldState, type[TicketError]] = {
    HoldState.RELEASED: HoldEnded,
    HoldState.EXPIRED: HoldExpired,
    HoldState.LOST: HoldLost,
    HoldState.REJECTED: BookingRejected,
    HoldState.CANCELLED: BookingCancelled,
    HoldState.CONFIRMING: HoldConfirmed,
    HoldState.BOOKED: HoldConfirmed,
}
"""The error for an order, by the state of its hold, unless it is ``held``; the lock master answers the same."""


@dataclass(slots=True)
class _MadeOrder:
    order: Order
    is_recorded: bool = False
    """Whether the ledger has the order."""


class Orders:
    """Makes orders, for Socket.IO and HTTP alike."""

    def __init__(
        self,
        directory: Directory,
        locks: Mapping[str, SeatLocks],
        payments: PaymentService,
        origins: Sequence[str],
        address_keys: AddressKeys,
    ) -> None:
        """``origins`` are those that a buyer may be sent back to."""
        self._directory = directory
        self._locks = locks
        self._payments = payments
        self._origins = frozenset(_split_url(origin)[0] for origin in origins)
        self._address_keys = address_keys
        self._pace = AddressPace(limits.ADDRESS_ORDERS_BURST, limits.ADDRESS_ORDERS_PER_S)
        self._turns = WeakValueDictionary[str, asyncio.Lock]()
        """The lock of each hold for which an order is being made and recorded."""
        self._made = OrderedDict[str, _MadeOrder]()
        """The latest orders that the gateway has made for this node, by idempotency key."""

    async def order(self, owner: str, ask: OrderHold, address: str, kiosk: str = "") -> dict[str, Any]:
        """Create the gateway's order for a live hold, or return the existing one; with what the seats cost.

        ``address`` is the client's network address, ``kiosk`` its id if it is a kiosk. The order is returned only after
        the ledger has it, so nobody can pay it before. Raises ``RegionUnavailable`` if that takes too long; the same
        request then returns the same order later. Raises ``TooManyHolds`` if the hold has as many different orders as
        it may, and ``AddressRateLimited`` if the address asks too often.
        """
        return_url = self._return_url(ask.return_url)
        self._pace.take(self._address_keys.of_client(address, kiosk))
        show, known = await show_of_hold(self._directory, ask.hold)
        # One at a time per hold, because each needs an entry in the outbox and one of the connections on which this
        # node waits for keepers. The hold is read under the lock, so that the gateway is not asked for nothing.
        async with self._turns.setdefault(ask.hold, asyncio.Lock()):
            hold, now = await self._locks[region_of(ask.hold)].get(ask.hold)
            if hold.owner != owner:
                raise NotYourHold()
            if not hold.seats:
                raise HoldLost()
            indices = list(hold.seats) if ask.seats is None else bodies.seat_indices(known, ask.seats)
            prices = bodies.prices_of(show, known, indices or hold.seats)
            answer = {"prices": prices.body, "server_time": now}
            if prices.total == 0:
                free = {"id": "", "amount": 0, "currency": CURRENCY, "checkout": {"kind": FREE}}
                return {"order": free, **answer}
            _check_orderable(hold, indices, known)
            seats = bodies.seat_ids(known, indices)
            request = OrderRequest(
                hold=ask.hold,
                seats=tuple(seats),
                amount=prices.total,
                expires_at=hold.expires_at,
                idempotency_key=order_key(ask.hold, prices.total, seats),
                return_url=return_url,
            )
            order = await self._recorded_order(request, hold, indices, known, ask)
        checkout = {"kind": order.checkout.kind.value, "url": order.checkout.url, "key": order.checkout.key}
        body = {"id": order.id, "amount": order.amount, "currency": order.currency, "checkout": checkout}
        return {"order": body, **answer}

    async def _recorded_order(
        self, request: OrderRequest, hold: Hold, indices: Sequence[int], known: SeatIds, ask: OrderHold
    ) -> Order:
        """Return the gateway's order once the ledger has the order and the buyer's contact.

        For a repeated request, the gateway is not asked again, and only a new contact is recorded.
        """
        made = self._made.get(request.idempotency_key)
        if made is None:
            made = self._made[request.idempotency_key] = _MadeOrder(await self._payments.create_order(request))
            if len(self._made) > limits.KNOWN_ORDERS:
                self._made.popitem(last=False)
        contact, locks, reply = encode_contact(ask.contact), self._locks[region_of(hold.id)], new_reply_id()
        is_on_master = csv(sorted(indices)) in hold.orders  # the gateway may have lost the order
        if made.is_recorded and is_on_master and not contact:
            return made.order
        try:
            more = (contact, reply, ask.request_id)
            await locks.order(hold.id, hold.owner, made.order.id, indices, request.amount, *more)
        except TicketError as error:
            raise bodies.with_seat_ids(error, known) from None
        await wait_until_recorded(locks.master, reply)
        made.is_recorded = True
        return made.order

    def _return_url(self, url: str) -> str:
        """Return the address with its origin in lower case, which every gateway accepts; raises ``BadRequest``."""
        if not url:
            return ""
        origin, rest = _split_url(url)
        if origin not in self._origins or any(map(str.isspace, rest)):
            raise BadRequest("return_url: not a page of this installation.")
        return origin + rest


async def show_of_hold(directory: Directory, hold_id: str) -> tuple[Show, SeatIds]:
    """Return the show of a hold, even if its theatre is in conflict, because no payment is refused for that."""
    if not is_hold_id(hold_id):
        raise HoldNotFound()
    try:
        show = directory.declared_show(show_of(hold_id))
    except ShowNotFound:
        raise HoldNotFound() from None
    return show, await directory.seat_ids(show)


def _check_orderable(hold: Hold, indices: Sequence[int], known: SeatIds) -> None:
    """Raise the error with which the lock master would refuse an order for these seats, before the gateway is asked."""
    if hold.state is not HoldState.HELD:
        raise NOT_ORDERED[hold.state]()
    if others := set(indices).difference(hold.seats):
        raise SeatNotFound(seats=bodies.seat_ids(known, sorted(others)))
    if len(hold.orders) >= limits.MAX_ORDERS_PER_HOLD and csv(sorted(indices)) not in hold.orders:
        raise TooManyHolds(TOO_MANY_ORDERS)


def _split_url(url: str) -> tuple[str, str]:
    """Return the origin of an address as browsers write it, and the rest; two empty texts if it is not an address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    scheme, sign, rest = url.partition("://")
    if not sign or scheme.lower() not in _DEFAULT_PORTS or not rest.startswith(parts.netloc):
        return "", ""
    scheme = scheme.lower()
    return f"{scheme}://{parts.netloc.lower().removesuffix(_DEFAULT_PORTS[scheme])}", rest.removeprefix(parts.netloc)
