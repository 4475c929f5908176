"""The HTTP API for money: orders, confirms, the gateway's webhook, outcomes of requests, and operators' listings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from realtime import keys, limits
from realtime.clock import now_ms
from realtime.contact import Contact
from realtime.errors import (
    CommandNotFound,
    HoldNotFound,
    NotFound,
    Overloaded,
    RegionUnavailable,
    TicketError,
    WebhookRefused,
)
from realtime.feeds.directory import Directory
from realtime.locks.answers import decode_record
from realtime.locks.commands import run_command
from realtime.locks.master import LockMaster
from realtime.locks.seats import SeatLocks
from realtime.model import is_hold_id, region_of
from realtime.payments.demo import DemoPayments
from realtime.payments.service import MAX_WEBHOOK_BYTES, PaymentService, WebhookEvent
from realtime.sales_window import is_over
from realtime.staff import Role
from realtime.transport.client_address import client_address
from realtime.web import answers, ledger_answers
from realtime.web.buyers import WAIT_S, Buyers
from realtime.web.checkout import Checkout
from realtime.web.gather import ask_for_rows
from realtime.web.identity import Identities
from realtime.web.rate_limits import RateLimits
from realtime.web.routing import UNREADABLE, Route, failure, idempotency_key, json_answer, read_query, read_up_to
from realtime.wire.queries import Listing
from realtime.wire.requests import ConfirmHold, OrderHold, PayDemo, Payment, RequestId, ReturnUrl, SeatIds, parse_json

log = logging.getLogger(__name__)
OwnerOf = Callable[[web.Request], str]


class OrderBody(msgspec.Struct, frozen=True):
    """Body of ``POST /holds/{hold}/order``; without a body, the order is for the whole hold."""

    seats: SeatIds | None = None
    return_url: ReturnUrl = ""
    contact: Contact | None = None
    request_id: RequestId = ""


class ConfirmBody(msgspec.Struct, frozen=True):
    """Body of ``POST /holds/{hold}/confirm``."""

    payment: Payment
    seats: SeatIds | None = None
    request_id: RequestId = ""
    contact: Contact | None = None


class MoneyApi:
    """The routes of money."""

    def __init__(
        self,
        checkout: Checkout,
        payments: PaymentService,
        masters: Mapping[str, LockMaster],
        locks: Mapping[str, SeatLocks],
        directory: Directory,
        identities: Identities,
        buyers: Buyers,
        owner_of: OwnerOf,
    ) -> None:
        """``owner_of`` returns whose token a request carries, within the owner's rate limit."""
        self._buyers = buyers
        self._checkout = checkout
        self._payments = payments
        self._masters = masters
        self._locks = locks
        self._directory = directory
        self._identities = identities
        self._owner_of = owner_of
        self._webhooks = RateLimits(limits.ADDRESS_BURST, limits.ADDRESS_PER_S)

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        table = [
            Route(
                "POST",
                "/api/v1/holds/{hold}/order",
                self._order,
                "Order the payment of a hold",
                OrderBody,
                "owner",
                body_optional=True,
                result=answers.Ordered,
            ),
            Route(
                "POST",
                "/api/v1/holds/{hold}/confirm",
                self._confirm,
                "Book a paid hold",
                ConfirmBody,
                "owner",
                result=answers.Booked,
            ),
            Route(
                "GET",
                "/api/v1/holds/{hold}/refunds",
                self._refunds_of_hold,
                "Refunds of your hold",
                None,
                "owner",
                result=answers.RefundsOfHold,
            ),
            Route(
                "GET",
                "/api/v1/commands/{request}",
                self._command,
                "What your request led to",
                None,
                "owner",
                result=answers.CommandResult,
            ),
            Route("POST", "/api/v1/payments/webhook", self._webhook, "For the payment gateway", result=answers.Nothing),
            Route(
                "GET",
                "/api/v1/ops/refunds",
                self._list_refunds,
                "Refunds",
                None,
                "operator",
                (Role.SERVICE,),
                query=Listing,
                result=ledger_answers.Refunds,
            ),
            Route(
                "GET",
                "/api/v1/ops/payments",
                self._list_payments,
                "Payments",
                None,
                "operator",
                (Role.SERVICE,),
                query=Listing,
                result=ledger_answers.Payments,
            ),
            Route(
                "POST",
                "/api/v1/ops/refunds/{refund}/retry",
                self._retry_refund,
                "Ask the gateway once more for a refund that it has refused",
                None,
                "operator",
                result=ledger_answers.RetriedRefund,
            ),
        ]
        if isinstance(self._payments, DemoPayments):
            table.append(
                Route("POST", "/demo/pay", self._pay_demo, "Pay for a hold (demo)", PayDemo, result=answers.DemoPayment)
            )
        return table

    # --- buyers ---------------------------------------------------------------------------------------------------
    async def _order(self, request: web.Request) -> web.Response:
        owner = self._owner_of(request)
        body = parse_json(OrderBody, await request.read() or b"{}")
        request_id = idempotency_key(request) or body.request_id
        ask = OrderHold(request.match_info["hold"], body.seats, body.return_url, body.contact, request_id)
        return json_answer(await self._checkout.order(owner, ask, client_address(request)), status=201)

    async def _confirm(self, request: web.Request) -> web.Response:
        owner = self._owner_of(request)
        body = parse_json(ConfirmBody, await request.read())
        request_id = idempotency_key(request) or body.request_id
        ask = ConfirmHold(request.match_info["hold"], body.payment, body.seats, request_id, body.contact)
        answer = await self._checkout.confirm(owner, ask)
        return json_answer(answer, status=200 if answer["booking"]["state"] == "booked" else 202)

    async def _refunds_of_hold(self, request: web.Request) -> web.Response:
        owner, hold = self._owner_of(request), request.match_info["hold"]
        master = self._masters.get(region_of(hold))
        if master is None:
            raise HoldNotFound()
        asked = {"hold": hold, "owner": owner}
        return json_answer({"refunds": await self._buyers.ask(master, "refund", asked, client_address(request))})

    async def _command(self, request: web.Request) -> web.Response:
        """Search every region's ledger, then the holds of every show, whose ids are derived from the request."""
        owner, request_id = self._owner_of(request), request.match_info["request"]
        unknown: TicketError | None = None
        address = client_address(request)
        for region, master in self._masters.items():
            try:
                asked = {"owner": owner, "request_id": request_id}
                found = await self._buyers.ask(master, "command", asked, address)
                found = found or await self._hold_of_request(region, owner, request_id, address)
            except (RegionUnavailable, Overloaded) as error:
                unknown = error
                continue
            except UNREADABLE as error:
                unknown = failure(error, f"a hold of {region}")
                continue
            if found is not None:
                return json_answer({"request": request_id, **found})
        if unknown is not None:
            raise unknown
        raise CommandNotFound()

    async def _hold_of_request(self, region: str, owner: str, request_id: str, address: str) -> dict[str, Any] | None:
        lately = now_ms() - limits.MAX_HOLD_S * 1000
        shows = [show.id for show in self._directory.shows() if show.region == region and not is_over(show, lately)]
        ids = {show: self._identities.hold_id(show, owner, request_id) for show in shows}
        command = self._masters[region].command
        # One search at a time: it makes as many calls as there are shows, on the link that buyers' holds use.
        async with self._buyers.searches[region].turn(address, WAIT_S):
            records = await asyncio.gather(*(command("HGET", keys.holds(show), hold) for show, hold in ids.items()))
        for (_show, hold), record in zip(ids.items(), records, strict=True):
            if record is not None:
                state = decode_record(record).state.value
                return {"kind": "hold", "subject": hold, "outcome": {"hold": hold, "state": state}}
        return None

    # --- the gateway ----------------------------------------------------------------------------------------------
    async def _webhook(self, request: web.Request) -> web.Response:
        """Accept an authentic event: it is answered with 200 once the ledger has what it says.

        Otherwise the answer is a retryable error, and the gateway sends the event again.
        """
        self._webhooks.take(client_address(request), asyncio.get_running_loop().time())
        body = await read_up_to(request, MAX_WEBHOOK_BYTES)
        event = self._payments.read_webhook(request.headers, body)
        if event is not None:
            answers = await asyncio.gather(
                *(self._report(region, event) for region in self._regions_of(event)), return_exceptions=True
            )
            # If one region recognises the event as its own, the others need not process it.
            if True not in answers:
                for answer in answers:
                    if isinstance(answer, BaseException):
                        raise answer
        return json_answer({})

    def _regions_of(self, event: WebhookEvent) -> list[str]:
        hold = event.payment.hold if event.payment is not None else ""
        if not hold:
            return list(self._masters)  # only the ledgers know which region has the order
        region = region_of(hold)
        if region not in self._masters or not is_hold_id(hold):
            raise WebhookRefused("The payment is for a hold of no region here.")
        return [region]

    async def _report(self, region: str, event: WebhookEvent) -> bool:
        """Report an event to a region; return whether it belongs to the region. Raises a retryable ``TicketError``."""
        # If the payment became a booking or a refund at the same time, the reply has its refund or null, and no
        # ``ours``.
        return bool((await self._checkout.report(region, event)).get("ours", True))

    async def _pay_demo(self, request: web.Request) -> web.Response:
        """Order and pay in one step at the demo bank, for load tests."""
        assert isinstance(self._payments, DemoPayments)
        self._webhooks.take(client_address(request), asyncio.get_running_loop().time())
        ask = parse_json(PayDemo, await request.read())
        locks = self._locks.get(region_of(ask.hold))
        if locks is None:
            raise HoldNotFound()
        hold, _now = await locks.get(ask.hold)
        order = (await self._checkout.order(hold.owner, OrderHold(ask.hold), client_address(request)))["order"]
        proof = await self._payments.pay(order["id"]) if order["amount"] else "free"
        return json_answer({"payment": proof, "amount": order["amount"]})

    # --- operators ------------------------------------------------------------------------------------------------
    async def _list_refunds(self, request: web.Request) -> web.Response:
        return json_answer(await self._listing(request, "refunds"))

    async def _list_payments(self, request: web.Request) -> web.Response:
        return json_answer(await self._listing(request, "payments"))

    async def _retry_refund(self, request: web.Request) -> web.Response:
        """Ask every region, because the id of a refund does not name its region."""
        command, key = {"id": request.match_info["refund"]}, idempotency_key(request)
        answers = await asyncio.gather(
            *(run_command(master, "retry_refund", command, key) for master in self._masters.values()),
            return_exceptions=True,
        )
        for region, answer in zip(self._masters, answers, strict=True):
            if isinstance(answer, dict):
                return json_answer({"refund": {**answer["refund"], "region": region}})
        # A region that did not answer may have it.
        raise next(
            (error for error in answers if isinstance(error, BaseException) and not isinstance(error, NotFound)),
            NotFound("There is no refund with this id."),
        )

    async def _listing(self, request: web.Request, name: str) -> dict[str, Any]:
        """Return rows of all regions, newest first; unreachable regions are named in ``missing``."""
        wanted = read_query(request, Listing)
        regions = [region_of(wanted.show)] if wanted.show else list(self._masters)
        if not set(regions) <= set(self._masters):
            raise NotFound("There is no show with this id.")
        asked = msgspec.to_builtins(wanted)
        rows, missing = await ask_for_rows({region: self._masters[region] for region in regions}, name, asked)
        rows.sort(key=lambda row: row["created_at"], reverse=True)
        return {"time": now_ms(), name: rows[: wanted.limit], "missing": missing}
