"""A stand-in for Razorpay's API with the documented semantics, over real HTTP, for tests.

Documented (razorpay.com/docs): basic authentication; amounts in paise of at least 100; receipts of at most 40
characters; capture of authorised payments only, of the exact amount, and of one payment for each order; refunds of
captured payments only, not above what is left, idempotent by ``X-Refund-Idempotency`` (another body with the same key
is refused); late authorisation ``failed`` -> ``authorized`` -> ``captured``; webhooks signed over the raw body.

Faults of the network and the server are injected with ``next_faults``: one for each request to come.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

KEY_ID, KEY_SECRET, WEBHOOK_SECRET = "rzp_test_abc", "the key's own secret", "the webhook's own secret"
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
Entity = dict[str, Any]


class RazorpayStandIn:
    """One account. Entities are the JSON objects of the documentation, kept by id."""

    def __init__(self) -> None:
        self.orders: dict[str, Entity] = {}
        self.payments: dict[str, Entity] = {}
        self.refunds: dict[str, Entity] = {}
        self.keys: dict[str, tuple[bytes, str]] = {}
        self.next_faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.refund_status = "processed"
        self._ids = itertools.count(1)
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.post("/v1/orders", self._create_order),
                web.get("/v1/orders", self._orders),
                web.get("/v1/orders/{id}", self._order),
                web.get("/v1/orders/{id}/payments", self._payments_of),
                web.get("/v1/payments/{id}", self._payment),
                web.post("/v1/payments/{id}/capture", self._capture),
                web.post("/v1/payments/{id}/refund", self._refund),
                web.get("/v1/payments/{id}/refunds", self._refunds),
            ]
        )
        self.server = TestServer(app)

    # --- the buyer and the bank --------------------------------------------------------------------------------------
    def pay(self, order: str, status: str = "captured", **over: object) -> str:
        """A buyer pays an order at the checkout; returns the payment's id."""
        payment = f"pay_{next(self._ids):014d}"
        self.payments[payment] = {
            "id": payment,
            "entity": "payment",
            "amount": self.orders[order]["amount"],
            "currency": "INR",
            "status": status,
            "order_id": order,
            "amount_refunded": 0,
            "refund_status": None,
            "captured": status == "captured",
            # Notes of a payment are whatever the buyer's browser sends.
            "notes": {"hold": "a-hold-of-the-buyers-choice"},
            "contact": "+919000090000",
            "created_at": 1_672_987_417,
            **over,
        }
        self._mark_paid(self.payments[payment])
        return payment

    def becomes(self, payment: str, status: str) -> None:
        """The bank reports: late authorisation and automatic capture."""
        self.payments[payment] |= {"status": status, "captured": status == "captured"}
        self._mark_paid(self.payments[payment])

    def proof(self, payment: str) -> str:
        """What the checkout gives the page."""
        order = self.payments[payment]["order_id"]
        return json.dumps(
            {
                "razorpay_payment_id": payment,
                "razorpay_order_id": order,
                "razorpay_signature": hmac_hex(KEY_SECRET, f"{order}|{payment}".encode()),
            }
        )

    def webhook(
        self, event: str, payment: str, *, order: bool = False, refund: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """A webhook about the present state, and its headers."""
        payload: Entity = {"payment": {"entity": self.payments[payment]}}
        if order:
            payload["order"] = {"entity": self.orders[self.payments[payment]["order_id"]]}
        if refund:
            payload["refund"] = {"entity": self.refunds[refund]}
        body = json.dumps(
            {"entity": "event", "account_id": "acc_1", "event": event, "contains": [*payload], "payload": payload}
        ).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Razorpay-Signature": hmac_hex(WEBHOOK_SECRET, body),
            "x-razorpay-event-id": f"evt_{next(self._ids)}",
        }
        return body, headers

    def _mark_paid(self, payment: Entity) -> None:
        order = self.orders[payment["order_id"]]
        if payment["status"] == "captured":
            order |= {"status": "paid", "amount_paid": order["amount"], "amount_due": 0}
        elif order["status"] == "created":
            order["status"] = "attempted"

    # --- the API -----------------------------------------------------------------------------------------------------
    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.next_faults:
            answer = await self.next_faults.pop(0)(request)
            if answer is not None:
                return answer
        expected = "Basic " + base64.b64encode(f"{KEY_ID}:{KEY_SECRET}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            return _error("The api key provided is invalid", status=401)
        return await handler(request)

    async def _create_order(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not isinstance(body.get("amount"), int) or body["amount"] < 100:
            return _error("The amount must be at least INR 1.00")
        if len(body.get("receipt", "")) > 40 or len(body.get("notes", {})) > 15:
            return _error("The receipt may not be greater than 40 characters.")
        order = f"order_{next(self._ids):014d}"
        self.orders[order] = {
            "id": order,
            "entity": "order",
            "amount": body["amount"],
            "amount_paid": 0,
            "amount_due": body["amount"],
            "currency": body["currency"],
            "receipt": body.get("receipt"),
            "status": "created",
            "notes": body.get("notes") or [],
            "attempts": 0,
        }
        return web.json_response(self.orders[order])

    async def _orders(self, request: web.Request) -> web.Response:
        wanted = request.query.get("receipt", "")
        return _collection(order for order in self.orders.values() if wanted in order["receipt"])

    async def _order(self, request: web.Request) -> web.Response:
        return _entity(self.orders, request)

    async def _payments_of(self, request: web.Request) -> web.Response:
        order = request.match_info["id"]
        if order not in self.orders:
            return _error("The id provided does not exist")
        return _collection(payment for payment in self.payments.values() if payment["order_id"] == order)

    async def _payment(self, request: web.Request) -> web.Response:
        return _entity(self.payments, request)

    async def _capture(self, request: web.Request) -> web.Response:
        payment, body = self.payments.get(request.match_info["id"]), await request.json()
        if payment is None:
            return _error("The id provided does not exist")
        if payment["status"] != "authorized":
            return _error("This payment has already been captured")
        if body["amount"] != payment["amount"]:
            return _error("Capture amount must be equal to the amount authorized")
        if self.orders[payment["order_id"]]["status"] == "paid":
            return _error("Your payment has been declined as the order is already paid.")
        self.becomes(payment["id"], "captured")
        return web.json_response(payment)

    async def _refund(self, request: web.Request) -> web.Response:
        payment, raw = self.payments.get(request.match_info["id"]), await request.read()
        if payment is None:
            return _error("The id provided does not exist")
        key = request.headers.get("X-Refund-Idempotency", "")
        if key in self.keys:
            sent, refund = self.keys[key]
            if sent != raw:
                return _error("Different request with the same idempotency key has already been processed.")
            return web.json_response(self.refunds[refund])
        if len(key) < 10:
            return _error("The idempotency key must be at least 10 characters.")
        body = json.loads(raw)
        if payment["status"] not in ("captured", "refunded"):
            return _error("The payment status should be captured for action to be taken")
        if payment["amount_refunded"] >= payment["amount"]:
            return _error("The payment has been fully refunded already.")
        if body["amount"] > payment["amount"] - payment["amount_refunded"]:
            return _error("The refund amount provided is greater than amount captured.")
        made = self.refund_in_dashboard(payment["id"], body["amount"], receipt=body.get("receipt"))
        self.keys[key] = (raw, made)
        return web.json_response(self.refunds[made])

    def refund_in_dashboard(self, payment_id: str, amount: int, receipt: str | None = None) -> str:
        """A refund, also one that the shop's staff makes by hand; returns its id."""
        payment, refund = self.payments[payment_id], f"rfnd_{next(self._ids):014d}"
        self.refunds[refund] = {
            "id": refund,
            "entity": "refund",
            "amount": amount,
            "currency": "INR",
            "payment_id": payment_id,
            "receipt": receipt,
            "notes": [],
            "status": self.refund_status,
        }
        payment["amount_refunded"] += amount
        full = payment["amount_refunded"] == payment["amount"]
        payment |= {"refund_status": "full" if full else "partial", "status": "refunded" if full else payment["status"]}
        return refund

    async def _refunds(self, request: web.Request) -> web.Response:
        payment = request.match_info["id"]
        if payment not in self.payments:
            return _error("The id provided does not exist")
        return _collection(refund for refund in self.refunds.values() if refund["payment_id"] == payment)


# --- faults -----------------------------------------------------------------------------------------------------------
def answers(status: int, text: str = "", **headers: str) -> Fault:
    """The request is not carried out and answered with this."""

    async def fault(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return fault


async def passes(_request: web.Request) -> None:
    """No fault: the request is carried out."""


async def cuts(request: web.Request) -> web.StreamResponse:
    """The connection is cut before anything is carried out."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def cuts_after(standin: RazorpayStandIn) -> Fault:
    """The request is carried out, and the connection is cut before the answer."""

    async def fault(request: web.Request) -> web.StreamResponse:
        handler = request.match_info.handler
        await handler(request)
        return await cuts(request)

    return fault


def waits(released: asyncio.Event) -> Fault:
    """The answer is held back until ``released``."""

    async def fault(_request: web.Request) -> None:
        await released.wait()

    return fault


def hmac_hex(secret: str, message: bytes) -> str:
    """HMAC-SHA256 in hex."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _entity(entities: dict[str, Entity], request: web.Request) -> web.Response:
    found = entities.get(request.match_info["id"])
    return _error("The id provided does not exist") if found is None else web.json_response(found)


def _collection(items: Any) -> web.Response:
    found = [*items]
    return web.json_response({"entity": "collection", "count": len(found), "items": found})


def _error(description: str, status: int = 400) -> web.Response:
    body = {"error": {"code": "BAD_REQUEST_ERROR", "description": description, "source": "NA", "metadata": {}}}
    return web.json_response(body, status=status)
