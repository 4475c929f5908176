"""The demo bank over HTTP: the API for nodes and load tests, the audit for judges, and the pages for buyers.

| request | by | does |
| --- | --- | --- |
| ``POST /api/orders`` | node | make an order, or return the one with this ``key`` |
| ``GET /api/orders/{id}/payments`` | node, reconciler | the payments of an order |
| ``GET /api/payments/{id}`` | node, reconciler | a payment |
| ``POST``, ``GET /api/payments/{id}/refunds`` | worker | return money once for each ``key``; list refunds |
| ``POST /orders/{id}/pay`` | load test | pay without a browser: ``behaviour``, ``webhooks``, ``late_ms`` |
| ``GET /audit`` | judge | every payment and every refund |
| ``GET``, ``POST /pay/{id}`` | buyer | the page |

Everything but the page wants ``Authorization: Bearer <secret>``. Errors are ``{"error": {"code", "description"}}``.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from realtime.cancellation import cancel_all
from realtime.clock import now_ms
from realtime.dev.bank import pages
from realtime.dev.bank.deliveries import Books, Deliveries
from realtime.dev.bank.ledger import BankLedger, BankRefusal, Behaviour, OrderRow, Webhooks
from realtime.payments.demo import BankOrder, BankPayments, BankRefunds, HoldId, Key, proof_of
from realtime.payments.service import CURRENCY, MAX_AMOUNT

MAX_BODY_BYTES = 16 * 1024
DEFAULT_LATE_MS = 5_000
MAX_LATE_MS = 3_600_000
T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Amount = Annotated[int, Meta(gt=0, le=MAX_AMOUNT)]


class NewOrder(msgspec.Struct, frozen=True):
    """Body of ``POST /api/orders``; ``seats`` is a digest, ``expires_at`` ms since the epoch."""

    hold: HoldId
    seats: Annotated[str, Meta(max_length=64)]
    amount: Amount
    currency: str
    expires_at: Annotated[int, Meta(ge=0, le=2**53)]
    key: Key
    return_url: Annotated[str, Meta(max_length=500, pattern=r"^(https?://[^\s]+)?$")] = ""


class Pay(msgspec.Struct, frozen=True):
    """Body of ``POST /orders/{id}/pay``; ``late_ms`` is how long after the order's end a late payment arrives."""

    behaviour: Behaviour = Behaviour.PAY
    webhooks: Webhooks = Webhooks.ONCE
    late_ms: Annotated[int, Meta(ge=0, le=MAX_LATE_MS)] = DEFAULT_LATE_MS


class NewRefund(msgspec.Struct, frozen=True):
    """Body of ``POST /api/payments/{id}/refunds``."""

    amount: Amount
    key: Key


class Bank:
    """The handlers of one bank."""

    def __init__(self, books: Books, deliveries: Deliveries, secret: str, public_url: str) -> None:
        self._books = books
        self._deliveries = deliveries
        self._secret = secret
        self._public_url = public_url.rstrip("/")
        self._pages = pages.Pages(books, deliveries, secret)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/healthz", _healthz),
            web.post("/api/orders", self._create_order),
            web.get("/api/orders/{order}/payments", self._payments_of),
            web.get("/api/payments/{payment}", self._payment),
            web.post("/api/payments/{payment}/refunds", self._refund),
            web.get("/api/payments/{payment}/refunds", self._refunds),
            web.post("/orders/{order}/pay", self._pay),
            web.get("/audit", self._audit),
            *self._pages.routes(),
        ]

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn refusals into answers, and let only the holder of the secret beyond the pages."""
        public = request.path in ("/healthz", "/bank.css") or request.path.startswith("/pay/")
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not public and not hmac.compare_digest(given, f"Bearer {self._secret}".encode()):
            return _error(401, "unauthorized", "Give the bank's secret as a bearer token.")
        try:
            return await handler(request)
        except BankRefusal as refusal:
            if public:
                return pages.refusal_page(request, refusal)
            return _error(404 if refusal.code == "not_found" else 400, refusal.code, refusal.message)
        except msgspec.MsgspecError as error:
            return _error(400, "bad_request", str(error))

    async def _create_order(self, request: web.Request) -> web.Response:
        body = await _body(request, NewOrder)
        if body.currency != CURRENCY:
            raise BankRefusal("currency", "This bank knows rupees only.")
        wanted = OrderRow(
            "", body.key, body.hold, body.seats, body.amount, body.currency, body.expires_at, body.return_url
        )
        order = await self._books.run(lambda ledger: ledger.create_order(wanted, now_ms()))
        page = f"{self._public_url}/pay/{order.id}"
        return _json(BankOrder(order.id, order.hold, order.seats, order.amount, order.currency, order.expires_at, page))

    async def _payments_of(self, request: web.Request) -> web.Response:
        order = request.match_info["order"]
        return _json(BankPayments(await self._books.run(lambda ledger: ledger.payments_of(order))))

    async def _payment(self, request: web.Request) -> web.Response:
        payment = request.match_info["payment"]
        return _json(await self._books.run(lambda ledger: ledger.payment(payment)))

    async def _refund(self, request: web.Request) -> web.Response:
        payment, body = request.match_info["payment"], await _body(request, NewRefund)
        refund = await self._books.run(lambda ledger: ledger.refund(payment, body.amount, body.key, now_ms()))
        self._deliveries.notify()
        return _json(refund)

    async def _refunds(self, request: web.Request) -> web.Response:
        payment = request.match_info["payment"]
        return _json(BankRefunds(await self._books.run(lambda ledger: ledger.refunds_of(payment))))

    async def _pay(self, request: web.Request) -> web.Response:
        order, body = request.match_info["order"], await _body(request, Pay)
        made = await self._books.run(
            lambda ledger: ledger.pay(order, body.behaviour, body.webhooks, body.late_ms, now_ms())
        )
        self._deliveries.notify()
        paid = [msgspec.to_builtins(payment) | {"proof": proof_of(self._secret, order, payment.id)} for payment in made]
        return _json({"payments": paid})

    async def _audit(self, request: web.Request) -> web.Response:
        payments = await self._books.run(lambda ledger: ledger.all_payments())
        refunds = await self._books.run(lambda ledger: ledger.all_refunds())
        return _json({"payments": payments, "refunds": refunds})


def make_app(file: Path, secret: str, public_url: str, receivers: Sequence[str] = ()) -> web.Application:
    """Return the bank as an application; its deliveries run while it does. ``receivers`` get the webhooks."""
    books = Books(BankLedger(file))
    deliveries = Deliveries(books, secret, receivers)
    bank = Bank(books, deliveries, secret, public_url)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[bank.guard])
    app.add_routes(bank.routes())

    async def running(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(deliveries.run(), name="bank deliveries")
        yield
        await cancel_all(task)
        books.close()

    app.cleanup_ctx.append(running)
    return app


async def _healthz(_request: web.Request) -> web.Response:
    return _json({"ok": True})


async def _body(request: web.Request, form: type[T]) -> T:
    return msgspec.json.decode(await request.read() or b"{}", type=form)


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


def _error(status: int, code: str, description: str) -> web.Response:
    blob = msgspec.json.encode({"error": {"code": code, "description": description}})
    return web.Response(status=status, body=blob, content_type="application/json")
